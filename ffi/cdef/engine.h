/* src/engine.h */
typedef struct { uint64_t id; globus_object_t *error; int local_errno; int ftp_code; ...; } pg_operation;
int pg_engine_open(const char **failed, int *number);
void pg_engine_turn(double seconds);
void pg_engine_wake(void);
void pg_engine_refuse(void);
pg_operation *pg_engine_take(void);
pg_operation *pg_operation_new(uint64_t id);
void pg_operation_free(pg_operation *operation);
void pg_operation_done(void *operation, void *handle, globus_object_t *borrowed);
