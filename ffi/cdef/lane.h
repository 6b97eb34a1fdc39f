/* src/lane.h */
typedef ... pg_lane;
typedef enum { PG_LANE_ENDED, PG_LANE_LATE, PG_LANE_INTERRUPTED, PG_LANE_REFUSED, ... } pg_lane_state;
typedef struct { size_t bytes; int eof; int cancelled; globus_object_t *error; ...; } pg_lane_result;
pg_lane *pg_lane_new(globus_xio_handle_t handle, int writes);
void pg_lane_free(pg_lane *lane);
pg_lane_state pg_lane_move(pg_lane *lane, void *memory, size_t length, size_t least, double seconds);
pg_lane_state pg_lane_wait(pg_lane *lane, double seconds);
int pg_lane_moving(pg_lane *lane);
unsigned pg_lane_turn(pg_lane *lane);
pg_lane_result *pg_lane_came(pg_lane *lane);
void pg_lane_stop(pg_lane *lane, unsigned turn);
void pg_lane_shut(pg_lane *lane);
void pg_lanes_stop(void);
int pg_lanes_moving(void);
void pg_lanes_leave(void);
