/* SPDX-License-Identifier: Apache-2.0
 *
 * One direction of a handle of XIO: reads or writes, one after the other, that a thread begins and waits for in one call. From
 * the hand-over to the end no Python runs: the engine's thread takes the operation up inside its event loop, and its callback
 * lets the waiter go.
 *
 * A lane belongs to one thread at a time. What the functions of the engine's thread do is said there; all others are for the
 * lane's thread.
 */
#ifndef PG_LANE_H
#define PG_LANE_H

#include "globus_xio.h"

typedef struct pg_lane pg_lane;

typedef enum
{
    PG_LANE_ENDED,
    PG_LANE_LATE,               /* the time is over; the operation goes on */
    PG_LANE_INTERRUPTED,        /* a signal came; the operation goes on */
    PG_LANE_REFUSED             /* nothing was begun: the engine has closed */
} pg_lane_state;

/* What came of the last operation. */
typedef struct
{
    size_t              bytes;
    int                 eof;
    int                 cancelled;
    globus_object_t *   error;      /* to be freed by who takes it, in the engine's thread */
} pg_lane_result;

/* NULL: no memory. The lane must be freed before the handle is. */
pg_lane *       pg_lane_new(globus_xio_handle_t handle, int writes);
/* Not while an operation is under way. */
void            pg_lane_free(pg_lane *lane);

/* Move from least to length bytes, and wait; seconds < 0: no limit. The memory is C's until the operation has ended. */
pg_lane_state   pg_lane_move(pg_lane *lane, void *memory, size_t length, size_t least, double seconds);
/* Wait for the end of what pg_lane_move() has begun. */
pg_lane_state   pg_lane_wait(pg_lane *lane, double seconds);
/* Whether an operation was begun whose end pg_lane_move() or pg_lane_wait() has not yet told. */
int             pg_lane_moving(pg_lane *lane);
/* The number of the operation, for pg_lane_stop(). */
unsigned        pg_lane_turn(pg_lane *lane);
pg_lane_result *pg_lane_came(pg_lane *lane);

/* In the engine's thread: ask for an early end of that operation, if it is still under way. */
void            pg_lane_stop(pg_lane *lane, unsigned turn);
/* In the engine's thread: the handle is about to be closed; nothing is begun on it any more. */
void            pg_lane_shut(pg_lane *lane);

/* In the engine's thread, when it closes: ask for the end of all; whether any is still under way; let all waiters go. */
void            pg_lanes_stop(void);
int             pg_lanes_moving(void);
void            pg_lanes_leave(void);

#endif
