/* SPDX-License-Identifier: Apache-2.0
 *
 * globus_gram_client: requests that end in the engine's queue, and the listener that job managers tell of their jobs.
 *
 * The library's calls return error numbers of GRAM, not results; a call that fails at once has no callback. Its module
 * reads the user's credential when it is activated, and cannot be activated without one.
 */
#ifndef PG_GRAM_H
#define PG_GRAM_H

#include <stddef.h>
#include "engine.h"
#include "globus_gram_client.h"
#include "globus_gram_protocol.h"
#include "globus_gss_assist.h"

/* One request in flight, or one thing that was told of a job. Freed by Python, after its pg_operation has ended. */
typedef struct pg_gram_reply pg_gram_reply;
struct pg_gram_reply
{
    pg_operation *  operation;
    int             error;          /* of GRAM; 0: done */
    char *          message;        /* what the library says of the error */
    char *          contact;        /* of the job, or NULL */
    int             state;
    int             failure;        /* of the job itself; 0: none */
    char *          extensions;     /* names and values in turn, each with its NUL; or NULL */
    size_t          length;
    pg_gram_reply * next;
};

/* The i-th error of the protocol's header: its name, and its number in *code; NULL past the last. */
const char *        pg_gram_error(int i, int *code);
/* 0 or an error of GRAM, such as that for no credential; can be tried again. */
int                 pg_gram_activate(void);
int                 pg_gram_attr(globus_gram_client_attr_t *attr, gss_cred_id_t credential, int full);

pg_gram_reply *     pg_gram_reply_new(void);
void                pg_gram_reply_free(pg_gram_reply *reply);
int                 pg_gram_ping(pg_gram_reply *reply, pg_operation *operation, const char *contact,
    globus_gram_client_attr_t attr);
int                 pg_gram_version(pg_gram_reply *reply, pg_operation *operation, const char *contact,
    globus_gram_client_attr_t attr);
int                 pg_gram_submit(pg_gram_reply *reply, pg_operation *operation, const char *contact, const char *rsl,
    const char *callback, globus_gram_client_attr_t attr);
int                 pg_gram_status(pg_gram_reply *reply, pg_operation *operation, const char *job,
    globus_gram_client_attr_t attr);
int                 pg_gram_signal(pg_gram_reply *reply, pg_operation *operation, const char *job, int signal,
    const char *argument, globus_gram_client_attr_t attr);
int                 pg_gram_cancel(pg_gram_reply *reply, pg_operation *operation, const char *job,
    globus_gram_client_attr_t attr);
int                 pg_gram_refresh(pg_gram_reply *reply, pg_operation *operation, const char *job,
    gss_cred_id_t credential, globus_gram_client_attr_t attr);
int                 pg_gram_register(pg_gram_reply *reply, pg_operation *operation, const char *job, const char *callback,
    globus_gram_client_attr_t attr);
int                 pg_gram_unregister(pg_gram_reply *reply, pg_operation *operation, const char *job,
    const char *callback, globus_gram_client_attr_t attr);

/* Listen for what job managers tell, as long as the process lives; the address, which stays C's, in *contact. */
int                 pg_gram_listen(const char **contact);
/* End this operation as soon as something was told. One at a time. */
void                pg_gram_await(pg_operation *operation);
/* The next thing told, which is the caller's to free; or NULL. */
pg_gram_reply *     pg_gram_told(void);

#endif
