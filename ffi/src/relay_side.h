/* SPDX-License-Identifier: Apache-2.0
 *
 * What the relay and its two sides tell each other. A kind of side is a struct that begins with a pg_side.
 */
#ifndef PG_RELAY_SIDE_H
#define PG_RELAY_SIDE_H

#include "relay.h"

/* Buffers that go round. */
#define PG_RELAY_BLOCKS 4

typedef struct pg_side pg_side;

typedef struct
{
    int64_t start;              /* of the part, where the end has offsets; -1: no part */
    int64_t end;                /* exclusive; -1: to the end */
} pg_stretch;

typedef struct
{
    /* Begin. If that fails, the side is as good as done, and is freed all the same. */
    globus_result_t (*open)(pg_side *side, const pg_end *end, const pg_stretch *stretch, const pg_client *client);
    /* A source gets a buffer to fill, a sink one to empty (last: the stream ends with it). Both give it back. */
    void            (*move)(pg_side *side, unsigned char *buffer, size_t length, int last);
    /* End early: buffers come back, then the side is done. More than once does no harm. */
    void            (*abort)(pg_side *side);
    void            (*free)(pg_side *side);
} pg_side_kind;

struct pg_side
{
    const pg_side_kind *    kind;
    pg_relay *              relay;
    int                     is_source;
    int                     seeks;          /* goes to the start of the part by itself */
    int                     bounded;        /* stops at the end of the part by itself */
    int                     room;           /* buffers that it takes at once */
    int                     held;           /* buffers that it has */
    int                     ready;          /* takes buffers now */
    int                     done;
    int                     lost;           /* keeps buffers for good, so that their memory must stay */
};

/* NULL: no memory. */
pg_side *   pg_ftp_side_new(void);
pg_side *   pg_file_side_new(void);
pg_side *   pg_gass_side_new(void);

/* Something changed: it is ready, or takes no more. */
void        pg_side_changed(pg_side *side);
/* A buffer comes back: with so many bytes from a source, or emptied of so many. */
void        pg_side_back(pg_side *side, unsigned char *buffer, size_t length);
/* The source has said how many bytes it has. */
void        pg_side_announced(pg_side *side, int64_t length);
/* The source has delivered all it had. */
void        pg_side_ended(pg_side *side);
/* It failed; the error is borrowed. The first one counts. */
void        pg_side_failed(pg_side *side, globus_object_t *error, int local_errno, int ftp_code);
void        pg_side_failed_result(pg_side *side, globus_result_t result);
/* It holds nothing any more and calls no more. It may be freed after the current callback. */
void        pg_side_done(pg_side *side);
/* Whether the sink has been told that the stream is complete. */
int         pg_side_complete(pg_side *side);

#endif
