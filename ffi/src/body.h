/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of HTTP messages between a handle of XIO and a file or memory, framed as RFC 9112 section 6 has it: by a length, in
 * chunks, or by the end of the connection. Heads are read and written by Python.
 */
#ifndef PG_BODY_H
#define PG_BODY_H

#include <stdint.h>
#include "engine.h"
#include "globus_xio.h"

typedef struct pg_body pg_body;

typedef enum { PG_BODY_LENGTH, PG_BODY_CHUNKED, PG_BODY_UNTIL_END } pg_framing;
typedef enum
{
    PG_BODY_MORE,               /* there is more to come */
    PG_BODY_COMPLETE,
    PG_BODY_CUT,                /* the connection ended before the body; of a body that is sent: the file did */
    PG_BODY_MALFORMED,          /* the chunks are none */
    PG_BODY_TOO_LARGE           /* it is longer than the limit */
} pg_body_state;

/* first: what has been read of it already, with the head. limit < 0: none. NULL: no memory. */
pg_body *       pg_body_new(pg_framing framing, int64_t length, int64_t limit, const void *first, size_t count);
/* Not while an operation is under way. */
void            pg_body_free(pg_body *body);
pg_body_state   pg_body_where(pg_body *body);
/* Bytes that have come or gone, without framing; any thread may ask. */
int64_t         pg_body_bytes(pg_body *body);

/* Write it to a file, from the file's position on, until the state is no longer PG_BODY_MORE. */
globus_result_t pg_body_store(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd);
/* Take what comes next into memory: at least a byte, unless the body ends. */
globus_result_t pg_body_take(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, unsigned char *memory,
    size_t room);
/* How many bytes the last pg_body_take() has brought. */
size_t          pg_body_taken(pg_body *body);
/* Send first what pg_body_new() was given, as it is, then so many bytes of a file from an offset on. */
globus_result_t pg_body_send(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd, int64_t offset);

#endif
