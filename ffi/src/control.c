/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* dprintf(), strndup() */
#include "control.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "delegation.h"

/* A reply is kept up to here: a list of features has some kilobytes at most. */
#define PG_MAX_REPLY 16384
/* How often, and how long, we look whether the library has let go of a closed connection. */
#define PG_REAP_USEC 1000
#define PG_REAP_LIMIT 5000

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
    int                             reaps;
    int                             lost;           /* the library does not let go of it: never freed */
    char *                          features;
    globus_object_t *               error;
    int                             code;
    char *                          text;
    int                             unsupported;
    int                             keeps_channel;
};

/* What is done with the reply to a command of the set-up. */
typedef struct
{
    const char *    verb;
    int             optional;
    void            (*use)(pg_control *control, const char *text);
} pg_command;

static void pg_drop(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

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

char *pg_reply_text(const globus_ftp_control_response_t *response)
{
    size_t length = strnlen((const char *) response->response_buffer,
        response->response_length < PG_MAX_REPLY ? response->response_length : PG_MAX_REPLY);

    while (length > 0 && isspace(response->response_buffer[length - 1]))
    {
        length--;
    }
    return strndup((const char *) response->response_buffer, length);
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

void pg_control_close(pg_control *control)
{
    if (control->stage >= PG_CLOSING)
    {
        return;
    }
    control->stage = PG_CLOSING;
    if (control->initialized)
    {
        pg_drop(globus_ftp_control_force_close(&control->handle, pg_gone, control));
    }
    pg_reap_soon(control);
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

static void pg_fail_text(pg_control *control, const char *text)
{
    pg_control_fail(control, globus_error_construct_string(GLOBUS_FTP_CONTROL_MODULE, NULL, "%s", text));
}

static void pg_lacks(pg_control *control, const char *what)
{
    control->unsupported = 1;
    pg_fail_text(control, what);
}

static int pg_accept(pg_control *control, globus_result_t result)
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
    return pg_accept(control, globus_ftp_control_send_command(&control->handle, *argument ? "%s %s\r\n" : "%s%s\r\n",
        callback, arg, verb, argument));
}

static void pg_advance(pg_control *control);

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
        pg_fail_text(control, "no memory for a reply");
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
        pg_advance(control);
    }
}

static void pg_ask(pg_control *control, const pg_command *command, const char *argument)
{
    pg_question *question = malloc(sizeof *question);

    if (question == NULL)
    {
        pg_fail_text(control, "no memory for a command");
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

/* Features --------------------------------------------------------------------------------------------------------------- */

static void pg_use_features(pg_control *control, const char *text)
{
    free(control->features);
    control->features = strdup(text);
}

static int pg_has(const pg_control *control, const char *feature)
{
    const char *    line = control->features;
    size_t          length = strlen(feature);

    while (line != NULL && (line = strchr(line, '\n')) != NULL)
    {
        for (line++; *line == ' '; line++)
        {
        }
        if (strncasecmp(line, feature, length) == 0 && !isalnum((unsigned char) line[length]))
        {
            return 1;
        }
    }
    return 0;
}

static const pg_command pg_feat = { "FEAT", 1, pg_use_features };
static const pg_command pg_type = { "TYPE", 0, NULL };
static const pg_command pg_mode = { "MODE", 0, NULL };

static void pg_ask_features(pg_control *control)
{
    pg_ask(control, &pg_feat, "");
    pg_ask(control, &pg_type, "I");
    pg_ask(control, &pg_mode, "E");
}

/* The data channel ------------------------------------------------------------------------------------------------------- */

static void pg_use_pasv(pg_control *control, const char *text)
{
    globus_ftp_control_host_port_t  address;
    const char *                    place = text + 4;
    int                             n[6];
    int                             i;

    while (*place != '\0' && !isdigit((unsigned char) *place))
    {
        place++;
    }
    if (sscanf(place, "%d,%d,%d,%d,%d,%d", n, n + 1, n + 2, n + 3, n + 4, n + 5) != 6)
    {
        pg_fail_text(control, "the server's reply to PASV names no address");
        return;
    }
    memset(&address, 0, sizeof address);
    for (i = 0; i < 6; i++)
    {
        if (n[i] < 0 || n[i] > 255)
        {
            pg_fail_text(control, "the server's reply to PASV names no address");
            return;
        }
    }
    for (i = 0; i < 4; i++)
    {
        address.host[i] = n[i];
    }
    address.hostlen = 4;
    address.port = (unsigned short) (n[4] * 256 + n[5]);
    pg_accept(control, globus_ftp_control_local_port(&control->handle, &address));
}

static void pg_use_pbsz(pg_control *control, const char *text)
{
    const char *    place = strstr(text, "PBSZ=");
    unsigned long   size;

    if (place != NULL && sscanf(place, "PBSZ=%lu", &size) == 1)
    {
        pg_accept(control, globus_ftp_control_local_pbsz(&control->handle, size));
    }
}

static const pg_command pg_info = { "SITE CLIENTINFO", 1, NULL };
static const pg_command pg_dcsc = { "DCSC P", 0, NULL };
static const pg_command pg_dcau = { "DCAU", 0, NULL };
static const pg_command pg_pbsz = { "PBSZ", 0, pg_use_pbsz };
static const pg_command pg_prot = { "PROT", 0, NULL };
static const pg_command pg_sbuf = { "SBUF", 1, NULL };
static const pg_command pg_opts = { "OPTS RETR", 0, NULL };
static const pg_command pg_pasv = { "PASV", 0, pg_use_pasv };
static const pg_command pg_port = { "PORT", 0, NULL };

static int pg_send_credential(pg_control *control)
{
    size_t          length;
    const char *    pem = pg_data_credential_pem(control->options.data_credential, &length);
    char *          text = pem != NULL ? malloc(4 * ((length + 2) / 3) + 1) : NULL;

    if (text == NULL)
    {
        pg_fail_text(control, "the credential for data channels cannot be sent");
        return -1;
    }
    EVP_EncodeBlock((unsigned char *) text, (const unsigned char *) pem, (int) length);
    pg_ask(control, &pg_dcsc, text);
    pg_wipe(text);
    return 0;
}

/* Our side of it, which must be settled before it has an address. */
static int pg_set_local(pg_control *control)
{
    globus_ftp_control_handle_t *       handle = &control->handle;
    const pg_control_options *          options = &control->options;
    globus_ftp_control_parallelism_t    parallel;
    globus_ftp_control_tcpbuffer_t      buffer;
    globus_ftp_control_dcau_t           dcau;
    globus_result_t                     result;

    memset(&dcau, 0, sizeof dcau);
    dcau.mode = options->secure && options->authenticate_data
        ? GLOBUS_FTP_CONTROL_DCAU_SELF : GLOBUS_FTP_CONTROL_DCAU_NONE;
    parallel.fixed.mode = GLOBUS_FTP_CONTROL_PARALLELISM_FIXED;
    parallel.fixed.size = 1;
    buffer.fixed.mode = GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED;
    buffer.fixed.size = options->tcp_buffer;
    result = globus_ftp_control_local_type(handle, GLOBUS_FTP_CONTROL_TYPE_IMAGE, 0);
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_mode(handle, GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_parallelism(handle, &parallel);
    }
    if (result == GLOBUS_SUCCESS && options->tcp_buffer > 0)
    {
        result = globus_ftp_control_local_tcp_buffer(handle, &buffer);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_dcau(handle, &dcau, options->data_credential != GSS_C_NO_CREDENTIAL
            ? options->data_credential : handle->cc_handle.auth_info.credential_handle);
    }
    if (result == GLOBUS_SUCCESS && options->secure && options->protection != 0)
    {
        result = globus_ftp_control_local_prot(handle, (globus_ftp_control_protection_t) options->protection);
    }
    return pg_accept(control, result);
}

static void pg_ask_address(pg_control *control)
{
    globus_ftp_control_host_port_t  address;
    char                            text[32];

    if (!control->options.receive)
    {
        pg_ask(control, &pg_pasv, "");
        return;
    }
    memset(&address, 0, sizeof address);
    address.hostlen = 4;
    if (pg_accept(control, globus_ftp_control_local_pasv(&control->handle, &address)) == 0)
    {
        snprintf(text, sizeof text, "%d,%d,%d,%d,%d,%d", address.host[0] & 255, address.host[1] & 255,
            address.host[2] & 255, address.host[3] & 255, address.port / 256, address.port % 256);
        pg_ask(control, &pg_opts, "Parallelism=1,1,1;");
        pg_ask(control, &pg_port, text);
    }
}

static void pg_ask_channel(pg_control *control)
{
    const pg_control_options *  options = &control->options;
    int                         authenticated = options->secure && options->authenticate_data;
    unsigned long               size = 0;
    char                        number[24];

    if (!pg_has(control, "PARALLEL"))
    {
        pg_lacks(control, "the server has no MODE E (FEAT does not name PARALLEL)");
        return;
    }
    if (authenticated && options->data_credential != GSS_C_NO_CREDENTIAL && !pg_has(control, "DCSC"))
    {
        pg_lacks(control, "the server does not take a credential for data channels (FEAT does not name DCSC)");
        return;
    }
    if (pg_set_local(control) != 0)
    {
        return;
    }
    if (options->client != NULL)
    {
        pg_ask(control, &pg_info, options->client);
    }
    if (authenticated && options->data_credential != GSS_C_NO_CREDENTIAL && pg_send_credential(control) != 0)
    {
        return;
    }
    if (options->secure)
    {
        pg_ask(control, &pg_dcau, authenticated ? "A" : "N");
    }
    if (options->secure && options->protection != 0)
    {
        pg_drop(globus_ftp_control_get_pbsz(&control->handle, &size));
        snprintf(number, sizeof number, "%lu", size);
        pg_ask(control, &pg_pbsz, number);
        snprintf(number, sizeof number, "%c", options->protection);
        pg_ask(control, &pg_prot, number);
    }
    if (options->tcp_buffer > 0)
    {
        snprintf(number, sizeof number, "%d", options->tcp_buffer);
        pg_ask(control, &pg_sbuf, number);
    }
    pg_ask_address(control);
}

/* The round is over: begin the next. */
static void pg_advance(pg_control *control)
{
    if (control->stage == PG_LOGIN)
    {
        control->stage = PG_FEATURES;
        pg_ask_features(control);
    }
    else if (control->stage == PG_FEATURES)
    {
        control->stage = PG_CHANNEL;
        pg_ask_channel(control);
    }
    else if (control->stage == PG_CHANNEL)
    {
        control->stage = PG_READY;
        control->ready(control->owner);
    }
}

/* Login ------------------------------------------------------------------------------------------------------------------ */

/* 0 to go on. */
static int pg_turned_away(pg_control *control, globus_object_t *error, globus_ftp_control_response_t *response)
{
    char *text;

    if (control->stage >= PG_CLOSING)
    {
        return 1;
    }
    if (error != NULL)
    {
        pg_control_fail(control, globus_object_copy(error));
        return 1;
    }
    pg_control_log_reply(control, response);
    if (response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        text = pg_reply_text(response);
        pg_control_refused(control, response->code, text != NULL ? text : "");
        free(text);
        return 1;
    }
    return 0;
}

static void pg_logged_in(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    (void) handle;
    if (error == NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        return;
    }
    if (pg_turned_away(arg, error, response) == 0)
    {
        pg_advance(arg);
    }
}

static void pg_greeted(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_control *                    control = arg;
    const pg_control_options *      options = &control->options;
    const char *                    user = options->user;
    const char *                    password = options->password;
    globus_ftp_control_auth_info_t  login;
    char *                          text;

    if ((error == NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
        || pg_turned_away(control, error, response) != 0)
    {
        return;
    }
    if ((text = pg_reply_text(response)) != NULL)
    {
        control->keeps_channel = strstr(text, "GridFTP Server") != NULL
            && (strstr(text, "Grid Community Toolkit") != NULL || strstr(text, "Globus Toolkit") != NULL);
        free(text);
    }
    if (!options->secure && user == NULL)
    {
        user = "anonymous";
        password = "globus@";
    }
    globus_ftp_control_auth_info_init(&login, options->credential, GLOBUS_FALSE, (char *) user, (char *) password, NULL,
        (char *) options->subject);
    if (options->delegation == NULL)
    {
        login.req_flags = GSS_C_DELEG_FLAG | GSS_C_GLOBUS_LIMITED_DELEG_PROXY_FLAG;
    }
    else if (strcmp(options->delegation, PG_DELEGATE_FULL) == 0)
    {
        login.req_flags = GSS_C_DELEG_FLAG;
    }
    control->stage = PG_LOGIN;
    pg_accept(control, globus_ftp_control_authenticate_ex(handle, &login, options->secure ? GLOBUS_TRUE : GLOBUS_FALSE,
        pg_logged_in, control));
}

void pg_control_open(pg_control *control)
{
    globus_result_t result = globus_ftp_control_handle_init(&control->handle);

    if (pg_accept(control, result) == 0)
    {
        control->initialized = 1;
        pg_accept(control, globus_ftp_control_connect(&control->handle, (char *) control->options.host,
            (unsigned short) control->options.port, pg_greeted, control));
    }
}
