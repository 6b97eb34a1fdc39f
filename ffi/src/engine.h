/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop that owns every Globus call, and the record of one asynchronous operation in it.
 *
 * Thread model "none": the toolkit has no locks, so one thread alone may be inside it. All functions here belong to that
 * thread, except pg_engine_wake() and pg_engine_hand(), which any thread may call.
 */
#ifndef PG_ENGINE_H
#define PG_ENGINE_H

#include <stdint.h>
#include "globus_common.h"
#include "globus_xio.h"

/* One asynchronous operation. C fills it in and queues it when the operation ends; Python frees it. */
typedef struct pg_operation pg_operation;
struct pg_operation
{
    uint64_t            id;             /* chosen by Python */
    globus_object_t *   error;          /* NULL: success; owned by the record */
    int                 local_errno;    /* of our own file calls; 0: none failed */
    int                 ftp_code;       /* of a reply that the error itself does not carry; 0: none */
    pg_operation *      next;           /* queue of the finished */
};

/* What another thread has C do in the engine's thread, inside the event loop. */
typedef struct pg_job pg_job;
struct pg_job
{
    void              (*run)(pg_job *job);
    pg_job *            next;           /* queue of those that wait for their turn */
};

/* 0, or the return code of what does not start; its name is then in *failed, and in *number the errno of the cause or 0. */
int             pg_engine_open(const char **failed, int *number);
/* Run callbacks until something finished, pg_engine_wake() was called or the seconds are over (negative: no limit). */
void            pg_engine_turn(double seconds);
void            pg_engine_wake(void);
/* Queue a job, which must live until it has run; not 0: the engine takes no more. */
int             pg_engine_hand(pg_job *job);
/* Take no more jobs, and run those that wait. */
void            pg_engine_refuse(void);
/* Whether pg_engine_refuse() has been called. */
int             pg_engine_closes(void);
/* The next finished operation, or NULL. */
pg_operation *  pg_engine_take(void);
/* Open a descriptor with XIO, whose close leaves it open: for pipes, terminals and sockets. opened NULL: before this returns. */
globus_result_t pg_engine_convert(int fd, globus_xio_handle_t *handle, globus_xio_callback_t opened, void *arg);

pg_operation *  pg_operation_new(uint64_t id);
void            pg_operation_free(pg_operation *operation);
/* Record the end and queue it; the error, if any, is copied. */
void            pg_operation_finish(pg_operation *operation, globus_object_t *borrowed);
/* The same as a completion callback of globus_ftp_client. */
void            pg_operation_done(void *operation, void *handle, globus_object_t *borrowed);

#endif
