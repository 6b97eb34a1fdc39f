/* SPDX-License-Identifier: Apache-2.0
 *
 * One GridFTP control connection on globus_ftp_control, made ready to move many files in MODE E over one data channel.
 *
 * Login, then two rounds of commands: within a round all are sent before the first reply is awaited, so that a far server
 * costs two round trips more than its login. The first asks for features and MODE E; the second sets up the data channel:
 * DCSC, DCAU, PBSZ, PROT, and PASV (we send) or PORT (we receive), as the sender connects in MODE E; with IPv6 that is EPSV
 * or EPRT.
 *
 * The first error wins and closes the connection. An owner hears of two events at most: ready, and closed, after which the
 * library holds nothing of the connection any more.
 */
#ifndef PG_CONTROL_H
#define PG_CONTROL_H

#include <stdint.h>
#include "globus_ftp_control.h"

typedef struct
{
    const char *    host;
    int             port;
    int             secure;             /* gsiftp; else ftp */
    int             receive;            /* files come from the server */
    gss_cred_id_t   credential;         /* NULL: the user's default */
    const char *    delegation;         /* PG_DELEGATE_NONE, PG_DELEGATE_FULL, or NULL: limited */
    gss_cred_id_t   data_credential;    /* for data channels, by DCSC; made by pg_data_credential_new(); NULL: the login's */
    const char *    user;
    const char *    password;
    const char *    subject;            /* NULL: the host's name decides */
    int             ipv6;               /* allowed: the host's name decides */
    int             authenticate_data;
    int             protection;         /* 'S', 'P', or 0: clear */
    int             tcp_buffer;         /* bytes; 0: as the system does */
    const char *    client;             /* argument of SITE CLIENTINFO; NULL: say nothing */
    int             debug_fd;           /* where commands and replies are logged, or -1; it is duplicated */
} pg_control_options;

typedef struct pg_control pg_control;
typedef void (*pg_control_event)(void *owner);

/* The options are copied, the credentials are not. NULL: no memory. */
pg_control *    pg_control_new(const pg_control_options *options, void *owner, pg_control_event ready,
    pg_control_event closed);
/* Only before pg_control_open() or after the closed event. -1: the library did not let go of it, nor may its owner be freed. */
int             pg_control_free(pg_control *control);
/* closed is always heard in the end, but never before this returns. */
void            pg_control_open(pg_control *control);
void            pg_control_close(pg_control *control);
int             pg_control_is_closing(pg_control *control);
/* Data may come from the server by itself, or not any more. */
void            pg_control_expect_data(pg_control *control, int expected);
/* Close because of an error, which becomes ours, or of a reply that refuses. */
void            pg_control_fail(pg_control *control, globus_object_t *error);
void            pg_control_refused(pg_control *control, int code, const char *text);

globus_ftp_control_handle_t *pg_control_handle(pg_control *control);
/* Send "VERB argument"; each reply reaches callback(arg). 0, or -1: the connection is failing. */
int             pg_control_send(pg_control *control, const char *verb, const char *argument,
    globus_ftp_control_response_callback_t callback, void *arg);
void            pg_control_log_reply(pg_control *control, const globus_ftp_control_response_t *response);

/* Why it closed: the error, NULL if none or if a reply refused, whose code and text are then set; it stays ours. */
globus_object_t *pg_control_error(pg_control *control);
int             pg_control_code(pg_control *control);
const char *    pg_control_text(pg_control *control);
/* The server lacks what a pipeline needs: each file by itself may work. */
int             pg_control_unsupported(pg_control *control);
/* Whether the reply to FEAT names this feature. */
int             pg_control_names(pg_control *control, const char *feature);
/* The account that we have been logged in to, NULL if the server does not say. */
const char *    pg_control_account(pg_control *control);
/* Seconds that a round trip took, once it is ready. */
double          pg_control_round_trip(pg_control *control);
/* The server is known to keep its data channel when it refuses a file: the next one may go on. */
int             pg_control_keeps_channel(pg_control *control);

#endif
