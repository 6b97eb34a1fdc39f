/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* dprintf() */
#include "control_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "errors.h"
#include "reply.h"

/* How often, and how long, we look whether the library has let go of a closed connection. */
#define PG_REAP_USEC 1000
#define PG_REAP_LIMIT 5000

/* What has come on a data channel by the time we close is taken first: microseconds. */
#define PG_SETTLE_USEC 20000

static char *pg_copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static void pg_wipe(char *text)
{
    if (text != NULL)
    {
        OPENSSL_cleanse(text, strlen(text));
        free(text);
    }
}

pg_control *pg_control_new(const pg_control_options *options, void *owner, pg_control_event ready, pg_control_event closed)
{
    pg_control *control = calloc(1, sizeof *control);

    if (control == NULL)
    {
        return NULL;
    }
    control->options = *options;
    control->options.host = pg_copy(options->host);
    control->options.user = pg_copy(options->user);
    control->options.password = pg_copy(options->password);
    control->options.subject = pg_copy(options->subject);
    control->options.client = pg_copy(options->client);
    control->options.debug_fd = options->debug_fd >= 0 ? fcntl(options->debug_fd, F_DUPFD_CLOEXEC, 0) : -1;
    control->owner = owner;
    control->ready = ready;
    control->closed = closed;
    if ((control->options.host == NULL) != (options->host == NULL)
        || (control->options.user == NULL) != (options->user == NULL)
        || (control->options.password == NULL) != (options->password == NULL)
        || (control->options.subject == NULL) != (options->subject == NULL)
        || (control->options.client == NULL) != (options->client == NULL))
    {
        pg_control_free(control);
        return NULL;
    }
    return control;
}

int pg_control_free(pg_control *control)
{
    if (control->lost)
    {
        return -1;
    }
    if (control->error != NULL)
    {
        globus_object_free(control->error);
    }
    if (control->options.debug_fd >= 0)
    {
        close(control->options.debug_fd);
    }
    free((char *) control->options.host);
    free((char *) control->options.user);
    pg_wipe((char *) control->options.password);
    free((char *) control->options.subject);
    free((char *) control->options.client);
    free(control->features);
    free(control->account);
    free(control->text);
    free(control);
    return 0;
}

globus_ftp_control_handle_t *pg_control_handle(pg_control *control)
{
    return &control->handle;
}

globus_object_t *pg_control_error(pg_control *control)
{
    return control->error;
}

int pg_control_code(pg_control *control)
{
    return control->code;
}

const char *pg_control_text(pg_control *control)
{
    return control->text;
}

int pg_control_is_closing(pg_control *control)
{
    return control->stage >= PG_CLOSING;
}

int pg_control_unsupported(pg_control *control)
{
    return control->unsupported;
}

int pg_control_names(pg_control *control, const char *feature)
{
    return pg_reply_names(control->features, feature);
}

const char *pg_control_account(pg_control *control)
{
    return control->account;
}

double pg_control_round_trip(pg_control *control)
{
    return control->round_trip;
}

int pg_control_keeps_channel(pg_control *control)
{
    return control->keeps_channel;
}

/* The end ---------------------------------------------------------------------------------------------------------------- */

static void pg_reap(void *arg);

static void pg_reap_soon(pg_control *control)
{
    globus_reltime_t delay;

    GlobusTimeReltimeSet(delay, 0, control->reaps == 0 ? 0 : PG_REAP_USEC);
    pg_drop(globus_callback_register_oneshot(NULL, &delay, pg_reap, control));
}

/* The library's own close callback may come while data buffers are still with it: look at the handle itself. */
static void pg_reap(void *arg)
{
    pg_control *                control = arg;
    globus_i_ftp_dc_handle_t *  data = &control->handle.dc_handle;

    if (control->initialized)
    {
        if (control->handle.cc_handle.cc_state != GLOBUS_FTP_CONTROL_UNCONNECTED
            || data->state != GLOBUS_FTP_DATA_STATE_NONE || !globus_list_empty(data->transfer_list))
        {
            if (control->reaps++ < PG_REAP_LIMIT)
            {
                pg_reap_soon(control);
                return;
            }
            control->lost = 1;
        }
        else
        {
            pg_drop(globus_ftp_control_handle_destroy(&control->handle));
        }
    }
    control->stage = PG_CLOSED;
    control->closed(control->owner);
}

static void pg_gone(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    (void) arg; (void) handle; (void) error; (void) response;
}

static void pg_cut(void *arg)
{
    pg_control *control = arg;

    if (control->initialized)
    {
        pg_drop(globus_ftp_control_force_close(&control->handle, pg_gone, control));
    }
    pg_reap_soon(control);
}

void pg_control_expect_data(pg_control *control, int expected)
{
    control->expects_data = expected;
}

/*
 * When a data channel is closed while the header of a MODE E block has been read from it but not been looked at, and that
 * block is empty (the one that tells the number of channels is), the library aborts the process: it cannot read on. A server
 * that breaks off after its last block brings just that, so what it has sent is let in before we close.
 */
void pg_control_close(pg_control *control)
{
    globus_reltime_t delay;

    if (control->stage >= PG_CLOSING)
    {
        return;
    }
    control->stage = PG_CLOSING;
    GlobusTimeReltimeSet(delay, 0, PG_SETTLE_USEC);
    if (!control->expects_data || globus_callback_register_oneshot(NULL, &delay, pg_cut, control) != GLOBUS_SUCCESS)
    {
        pg_cut(control);
    }
}

void pg_control_fail(pg_control *control, globus_object_t *error)
{
    if (control->stage < PG_CLOSING && control->error == NULL && control->code == 0)
    {
        control->error = error;
    }
    else
    {
        globus_object_free(error);
    }
    pg_control_close(control);
}

void pg_control_refused(pg_control *control, int code, const char *text)
{
    if (control->stage < PG_CLOSING && control->error == NULL && control->code == 0)
    {
        control->code = code;
        control->text = strdup(text);
    }
    pg_control_close(control);
}

void pg_control_fail_text(pg_control *control, const char *text)
{
    pg_control_fail(control, globus_error_construct_string(GLOBUS_FTP_CONTROL_MODULE, NULL, "%s", text));
}

void pg_control_lacks(pg_control *control, const char *what)
{
    control->unsupported = 1;
    pg_control_fail_text(control, what);
}

int pg_control_accept(pg_control *control, globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        pg_control_fail(control, globus_error_get(result));
        return -1;
    }
    return 0;
}

/* Commands --------------------------------------------------------------------------------------------------------------- */

void pg_control_log_reply(pg_control *control, const globus_ftp_control_response_t *response)
{
    if (control->options.debug_fd >= 0)
    {
        char *text = pg_reply_text(response);

        dprintf(control->options.debug_fd, "%s\n", text != NULL ? text : "");
        free(text);
    }
}

int pg_control_send(pg_control *control, const char *verb, const char *argument,
    globus_ftp_control_response_callback_t callback, void *arg)
{
    if (control->stage >= PG_CLOSING)
    {
        return -1;
    }
    if (control->options.debug_fd >= 0)
    {
        dprintf(control->options.debug_fd, "%s %s\n", verb, strncmp(verb, "DCSC", 4) == 0 ? "P" : argument);
    }
    return pg_control_accept(control, globus_ftp_control_send_command(&control->handle, *argument ? "%s %s\r\n" : "%s%s\r\n",
        callback, arg, verb, argument));
}

typedef struct
{
    pg_control *        control;
    const pg_command *  command;
} pg_question;

static void pg_answered(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_question *       question = arg;
    pg_control *        control = question->control;
    const pg_command *  command = question->command;
    char *              text;

    (void) handle;
    if (error == NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        return;
    }
    free(question);
    if (control->stage >= PG_CLOSING)
    {
        return;
    }
    if (error != NULL)
    {
        pg_control_fail(control, globus_object_copy(error));
        return;
    }
    pg_control_log_reply(control, response);
    if ((text = pg_reply_text(response)) == NULL)
    {
        pg_control_fail_text(control, "no memory for a reply");
        return;
    }
    if (response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        if (command->use != NULL)
        {
            command->use(control, text);
        }
    }
    else if (!command->optional)
    {
        control->unsupported = response->response_class == GLOBUS_FTP_PERMANENT_NEGATIVE_COMPLETION_REPLY;
        pg_control_refused(control, response->code, text);
    }
    free(text);
    if (control->stage < PG_CLOSING && --control->awaited == 0)
    {
        pg_control_advance(control);
    }
}

void pg_control_ask(pg_control *control, const pg_command *command, const char *argument)
{
    pg_question *question = malloc(sizeof *question);

    if (question == NULL)
    {
        pg_control_fail_text(control, "no memory for a command");
        return;
    }
    question->control = control;
    question->command = command;
    control->awaited++;
    if (pg_control_send(control, command->verb, argument, pg_answered, question) != 0)
    {
        free(question);
    }
}

static double pg_seconds_since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) (now.tv_sec - then->tv_sec) + (double) (now.tv_nsec - then->tv_nsec) / 1e9;
}

/* The round is over: begin the next. */
void pg_control_advance(pg_control *control)
{
    if (control->stage == PG_LOGIN)
    {
        control->stage = PG_FEATURES;
        clock_gettime(CLOCK_MONOTONIC, &control->asked);
        pg_data_ask_features(control);
    }
    else if (control->stage == PG_FEATURES)
    {
        control->stage = PG_CHANNEL;
        control->round_trip = pg_seconds_since(&control->asked);
        pg_data_set_up(control);
    }
    else if (control->stage == PG_CHANNEL)
    {
        control->stage = PG_READY;
        control->ready(control->owner);
    }
}

void pg_control_open(pg_control *control)
{
    globus_result_t result = globus_ftp_control_handle_init(&control->handle);

    if (pg_control_accept(control, result) == 0)
    {
        control->initialized = 1;
        if (control->options.ipv6)
        {
            pg_drop(globus_ftp_control_ipv6_allow(&control->handle, GLOBUS_TRUE));
        }
        pg_control_accept(control, globus_ftp_control_connect(&control->handle, (char *) control->options.host,
            (unsigned short) control->options.port, pg_login_greeted, control));
    }
}
