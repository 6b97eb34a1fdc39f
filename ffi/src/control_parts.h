/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files share that make up a control connection: control.c (its life, and commands in rounds), login.c and
 * data_setup.c (the stages on its way to being ready).
 */
#ifndef PG_CONTROL_PARTS_H
#define PG_CONTROL_PARTS_H

#include <time.h>

#include "control.h"

typedef enum { PG_GREETING, PG_LOGIN, PG_FEATURES, PG_CHANNEL, PG_READY, PG_CLOSING, PG_CLOSED } pg_stage;

struct pg_control
{
    globus_ftp_control_handle_t     handle;
    pg_control_options              options;
    void *                          owner;
    pg_control_event                ready;
    pg_control_event                closed;
    pg_stage                        stage;
    int                             awaited;        /* commands of this round without their last reply */
    int                             initialized;
    int                             expects_data;
    int                             reaps;
    int                             lost;           /* the library does not let go of it: never freed */
    char *                          features;
    char *                          account;
    globus_object_t *               error;
    int                             code;
    char *                          text;
    int                             unsupported;
    int                             keeps_channel;
    struct timespec                 asked;          /* when the first round of commands went out */
    double                          round_trip;     /* seconds until it was answered */
};

/* A command of a round, and what is done with a reply to it that is positive. */
typedef struct
{
    const char *    verb;
    int             optional;       /* a refusal does no harm */
    void            (*use)(pg_control *control, const char *text);
} pg_command;

/* Send a command of this round; after the last reply to all of them pg_control_advance() begins the next. */
void    pg_control_ask(pg_control *control, const pg_command *command, const char *argument);
void    pg_control_advance(pg_control *control);
/* Fail with these words; with a result, unless it is success (then 0, else -1). */
void    pg_control_fail_text(pg_control *control, const char *text);
int     pg_control_accept(pg_control *control, globus_result_t result);
/* Fail because the server cannot serve pipelines at all. */
void    pg_control_lacks(pg_control *control, const char *what);

/* login.c: the greeting has come, or the connection has failed. */
void    pg_login_greeted(void *control, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response);

/* data_setup.c: ask for features and MODE E; then set up the data channel. */
void    pg_data_ask_features(pg_control *control);
void    pg_data_set_up(pg_control *control);

#endif
