/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop that owns every Globus call, and the record of one asynchronous operation in it.
 *
 * Thread model "none": the toolkit has no locks, so one thread alone may be inside it. All functions here belong to that
 * thread, except pg_engine_wake(), which any thread may call.
 */
#ifndef PG_ENGINE_H
#define PG_ENGINE_H

#include <stdint.h>
#include "globus_common.h"

/* One asynchronous operation. C fills it in and queues it when the operation ends; Python frees it. */
typedef struct pg_operation pg_operation;
struct pg_operation
{
    uint64_t            id;             /* chosen by Python */
    globus_object_t *   error;          /* NULL: success; owned by the record */
    int                 local_errno;    /* of our own file calls; 0: none failed */
    pg_operation *      next;           /* queue of the finished */
};

/* 0, or the return code of what does not start; its name is then in *failed. */
int             pg_engine_open(const char **failed);
/* Run callbacks until something finished, pg_engine_wake() was called or the seconds are over (negative: no limit). */
void            pg_engine_turn(double seconds);
void            pg_engine_wake(void);
/* The next finished operation, or NULL. */
pg_operation *  pg_engine_take(void);
/* Deactivate the modules: only when nothing is in flight. The pipe stays, since another thread may be about to write to it. */
void            pg_engine_close(void);

pg_operation *  pg_operation_new(uint64_t id);
void            pg_operation_free(pg_operation *operation);
/* Record the end and queue it; the error, if any, is copied. */
void            pg_operation_finish(pg_operation *operation, globus_object_t *borrowed);
/* The same as a completion callback of globus_ftp_client and globus_gass_copy. */
void            pg_operation_done(void *operation, void *handle, globus_object_t *borrowed);

#endif
