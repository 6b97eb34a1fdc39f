/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* RTLD_NEXT, vasprintf */
#include "gate.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "globus_ftp_control.h"
#include "globus_io.h"

#define PG_REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))
#define PG_PUBLIC __attribute__((visibility("default")))

/* What has come over one control connection. */
typedef struct pg_gate
{
    globus_ftp_control_handle_t *   handle;
    unsigned char                   head[4];    /* of the current line */
    size_t                          column;
    unsigned char                   before;     /* the byte before this one */
    size_t                          length;     /* of the current reply, so far */
    struct pg_gate *                next;
} pg_gate;

/* A read of a control connection. */
typedef struct
{
    pg_gate *                   gate;
    globus_io_read_callback_t   callback;
    void *                      arg;
} pg_read;

/* A command that waits for its reply. */
typedef struct
{
    globus_ftp_control_response_callback_t  callback;
    void *                                  arg;
    int                                     patient;    /* preliminary replies are meant for its sender */
    int                                     moves;      /* and one of them must come */
    int                                     begun;
} pg_command;

static pg_gate *pg_gates;

static const char *const pg_moving[] = {
    "RETR", "STOR", "STOU", "APPE", "ERET", "ESTO", "LIST", "NLST", "MLSD", "MLSR", NULL
};
static const char *const pg_patient[] = { "GET", "PUT", "STAT", "MLSC", "CKSM", "SCKS", NULL };

static globus_object_t *pg_violation(const char *text)
{
    return globus_error_construct_string(GLOBUS_FTP_CONTROL_MODULE, NULL, "broken protocol: %s", text);
}

static int pg_is_one_of(const char *const *verbs, const char *command)
{
    size_t length = strcspn(command, " \r\n");

    for (; *verbs != NULL; verbs++)
    {
        if (strlen(*verbs) == length && strncasecmp(*verbs, command, length) == 0)
        {
            return 1;
        }
    }
    return 0;
}

/* Connections ---------------------------------------------------------------------------------------------------------- */

static pg_gate *pg_find(const void *handle)
{
    pg_gate *gate = pg_gates;

    while (gate != NULL && gate->handle != handle)
    {
        gate = gate->next;
    }
    return gate;
}

/* One byte of a reply; 1 at the end of a whole final reply. Lines end as the library has it: by CR and LF. */
static int pg_take(pg_gate *gate, unsigned char byte)
{
    const unsigned char *   head = gate->head;
    int                     ends = byte == '\n' && gate->before == '\r';
    int                     last;

    gate->length++;
    if (gate->column < sizeof gate->head)
    {
        gate->head[gate->column++] = byte;
    }
    gate->before = byte;
    if (!ends)
    {
        return 0;
    }
    last = gate->column == sizeof gate->head && isdigit(head[0]) && isdigit(head[1]) && isdigit(head[2]) && head[3] == ' ';
    gate->column = 0;
    if (last)
    {
        gate->length = 0;
    }
    return last && head[0] != '1' && head[0] != '6';
}

static void pg_has_read(void *arg, globus_io_handle_t *handle, globus_result_t result, globus_byte_t *buffer,
    globus_size_t nbytes)
{
    pg_read     read = *(pg_read *) arg;
    const char *broken = NULL;
    int         finals = 0;
    size_t      i;

    free(arg);
    for (i = 0; result == GLOBUS_SUCCESS && broken == NULL && i < nbytes; i++)
    {
        finals += pg_take(read.gate, buffer[i]);
        if (read.gate->length > PG_LONGEST_REPLY)
        {
            broken = "the server's reply has no end";
        }
        else if (finals > 0 && finals > globus_fifo_size(&read.gate->handle->cc_handle.readers))
        {
            broken = "the server gave an answer that nobody asked for";
        }
    }
    if (broken != NULL)
    {
        result = globus_error_put(pg_violation(broken));
    }
    read.callback(read.arg, handle, result, buffer, nbytes);
}

PG_PUBLIC globus_result_t globus_io_register_read(globus_io_handle_t *handle, globus_byte_t *buf, globus_size_t max_nbytes,
    globus_size_t wait_for_nbytes, globus_io_read_callback_t callback, void *callback_arg)
{
    pg_gate *       gate = pg_find(callback_arg);
    pg_read *       read;
    globus_result_t result;

    if (gate == NULL || buf != gate->handle->cc_handle.read_buffer || (read = malloc(sizeof *read)) == NULL)
    {
        return PG_REAL(globus_io_register_read)(handle, buf, max_nbytes, wait_for_nbytes, callback, callback_arg);
    }
    *read = (pg_read) { .gate = gate, .callback = callback, .arg = callback_arg };
    result = PG_REAL(globus_io_register_read)(handle, buf, max_nbytes, wait_for_nbytes, pg_has_read, read);
    if (result != GLOBUS_SUCCESS)
    {
        free(read);
    }
    return result;
}

PG_PUBLIC globus_result_t globus_ftp_control_handle_destroy(globus_ftp_control_handle_t *handle)
{
    globus_result_t result = PG_REAL(globus_ftp_control_handle_destroy)(handle);
    pg_gate **      link = &pg_gates;
    pg_gate *       gate;

    while (result == GLOBUS_SUCCESS && (gate = *link) != NULL)
    {
        if (gate->handle == handle)
        {
            *link = gate->next;
            free(gate);
        }
        else
        {
            link = &gate->next;
        }
    }
    return result;
}

/* Commands ------------------------------------------------------------------------------------------------------------- */

static void pg_answered(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_command *        command = arg;
    pg_command          ended = *command;
    globus_object_t *   broken = NULL;

    if (error == NULL && response != NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        command->begun = 1;
        if (ended.patient)
        {
            ended.callback(ended.arg, handle, error, response);
        }
        return;
    }
    free(command);
    if (error == NULL && response != NULL && response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY
        && ended.moves && !ended.begun)
    {
        broken = pg_violation("the server said that it is done before it had begun");
        ended.callback(ended.arg, handle, broken, NULL);
        globus_object_free(broken);
        return;
    }
    ended.callback(ended.arg, handle, error, response);
}

static pg_command *pg_command_new(const char *text, globus_ftp_control_response_callback_t callback, void *arg)
{
    pg_command *command = calloc(1, sizeof *command);

    if (command != NULL)
    {
        command->callback = callback;
        command->arg = arg;
        command->moves = pg_is_one_of(pg_moving, text);
        command->patient = command->moves || pg_is_one_of(pg_patient, text);
    }
    return command;
}

static globus_result_t pg_no_memory(void)
{
    return globus_error_put(globus_error_construct_errno_error(GLOBUS_FTP_CONTROL_MODULE, NULL, ENOMEM));
}

PG_PUBLIC globus_result_t globus_ftp_control_connect(globus_ftp_control_handle_t *handle, char *host, unsigned short port,
    globus_ftp_control_response_callback_t callback, void *callback_arg)
{
    pg_gate *       gate = pg_find(handle);
    pg_command *    greeting = pg_command_new("", callback, callback_arg);
    globus_result_t result;

    if (gate == NULL && (gate = malloc(sizeof *gate)) != NULL)
    {
        *gate = (pg_gate) { .next = pg_gates };
        pg_gates = gate;
    }
    if (gate == NULL || greeting == NULL)
    {
        free(greeting);
        return pg_no_memory();
    }
    *gate = (pg_gate) { .handle = handle, .next = gate->next };
    result = PG_REAL(globus_ftp_control_connect)(handle, host, port, pg_answered, greeting);
    if (result != GLOBUS_SUCCESS)
    {
        free(greeting);
    }
    return result;
}

PG_PUBLIC globus_result_t globus_ftp_control_send_command(globus_ftp_control_handle_t *handle, const char *cmdspec,
    globus_ftp_control_response_callback_t callback, void *callback_arg, ...)
{
    pg_command *    command = NULL;
    char *          text = NULL;
    va_list         args;
    globus_result_t result;

    va_start(args, callback_arg);
    if (vasprintf(&text, cmdspec, args) < 0)
    {
        text = NULL;
    }
    va_end(args);
    if (text == NULL || (command = pg_command_new(text, callback, callback_arg)) == NULL)
    {
        free(text);
        return pg_no_memory();
    }
    result = PG_REAL(globus_ftp_control_send_command)(handle, "%s", pg_answered, command, text);
    if (result != GLOBUS_SUCCESS)
    {
        free(command);
    }
    memset(text, 0, strlen(text));              /* a command may carry a password or a key */
    free(text);
    return result;
}
