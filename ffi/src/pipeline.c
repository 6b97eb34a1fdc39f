/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "landing.h"
#include "localfile.h"

/* After the data channel has failed, the server gets this long to say why before we close. */
#define PG_LAST_WORD 2
/* A server that does not answer QUIT is left without. */
#define PG_FAREWELL 1
/* 421: the reply after which the server hangs up. */
#define PG_SERVICE_CLOSES 421

typedef struct pg_file pg_file;
struct pg_file
{
    uint64_t    id;
    char *      local;
    char *      remote;
    pg_landing  landing;
    int64_t     bytes;
    int         welcome;        /* the server has opened it: 150 or 125 */
    int         moved;          /* all data is out, or in */
    int         confirmed;      /* the final reply was 2xx */
    int         code;           /* the reply that refused it, or 0 */
    char *      text;
    pg_file *   next;
};

typedef struct pg_note pg_note;
struct pg_note
{
    pg_file_record  record;
    pg_note *       next;
};

struct pg_pipeline
{
    pg_operation *      operation;
    pg_control *        control;
    int                 receive;
    int                 depth;
    size_t              block;
    unsigned char *     buffer;
    int                 ready;
    int                 quitting;
    int                 connected;      /* the data channel is set for the next file */
    int                 moving;         /* a buffer is with the library, or the next file is about to begin */
    int                 drained;        /* put: only the end of file is left to send */
    int                 turning;        /* pg_next_turn() is still to come */
    int                 closed;
    int                 data_failed;
    pg_file *           first;          /* of those whose commands are out, in order, down to last */
    pg_file *           last;
    pg_file *           asked;          /* the next final reply is about this one */
    pg_file *           turn;           /* its data moves, or will be the next to move; NULL: that of the next command */
    int                 under_way;      /* files from first to last */
    globus_object_t *   data_error;
    globus_callback_handle_t timer;
    int                 timed;
    _Atomic int64_t     bytes;

    pthread_mutex_t     mutex;          /* for all below */
    pthread_cond_t      changed;
    pg_file *           added;
    pg_file **          added_end;
    pg_note *           notes;
    pg_note **          notes_end;
    int                 unreported;
    int                 no_more;
    int                 over;
};

static void pg_go_on(pg_pipeline *pipeline);
static void pg_on_ready(void *arg);
static void pg_on_closed(void *arg);

static void pg_drop(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

/* Life ------------------------------------------------------------------------------------------------------------------- */

pg_pipeline *pg_pipeline_new(const pg_control_options *options, int depth, size_t block)
{
    pg_pipeline *       pipeline = calloc(1, sizeof *pipeline);
    pthread_condattr_t  clock;

    if (pipeline == NULL)
    {
        return NULL;
    }
    pipeline->receive = options->receive;
    pipeline->depth = depth < 1 ? 1 : depth > PG_PIPELINE_MAX_DEPTH ? PG_PIPELINE_MAX_DEPTH : depth;
    pipeline->block = block;
    pipeline->buffer = malloc(block);
    pipeline->control = pg_control_new(options, pipeline, pg_on_ready, pg_on_closed);
    pipeline->added_end = &pipeline->added;
    pipeline->notes_end = &pipeline->notes;
    pthread_mutex_init(&pipeline->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&pipeline->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (pipeline->buffer == NULL || pipeline->control == NULL)
    {
        pg_pipeline_free(pipeline);
        return NULL;
    }
    return pipeline;
}

void pg_pipeline_open(pg_pipeline *pipeline, pg_operation *operation)
{
    pipeline->operation = operation;
    pg_control_open(pipeline->control);
}

static void pg_file_free(pg_file *file)
{
    pg_landing_discard(&file->landing);
    free(file->local);
    free(file->remote);
    free(file->text);
    free(file);
}

void pg_pipeline_free(pg_pipeline *pipeline)
{
    if ((pipeline->operation != NULL && !pipeline->over)
        || (pipeline->control != NULL && pg_control_free(pipeline->control) != 0))
    {
        return;
    }
    while (pipeline->added != NULL)
    {
        pg_file *file = pipeline->added;

        pipeline->added = file->next;
        pg_file_free(file);
    }
    while (pipeline->notes != NULL)
    {
        pg_note *note = pipeline->notes;

        pipeline->notes = note->next;
        free(note->record.text);
        free(note);
    }
    if (pipeline->data_error != NULL)
    {
        globus_object_free(pipeline->data_error);
    }
    pthread_cond_destroy(&pipeline->changed);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline->buffer);
    free(pipeline);
}

/* Report a file and let go of it. */
static void pg_report(pg_pipeline *pipeline, pg_file *file, pg_file_state state, int local_errno)
{
    pg_note *note = calloc(1, sizeof *note);

    if (note != NULL)
    {
        note->record.id = file->id;
        note->record.state = state;
        note->record.bytes = file->bytes;
        note->record.code = file->code;
        note->record.local_errno = local_errno;
        note->record.text = file->text;
        file->text = NULL;
    }
    pthread_mutex_lock(&pipeline->mutex);
    if (note != NULL)                               /* without memory the file stays unreported: it counts as not done */
    {
        *pipeline->notes_end = note;
        pipeline->notes_end = &note->next;
    }
    pipeline->unreported--;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
    pg_file_free(file);
}

/* Take the first file under way out of the list. */
static pg_file *pg_shift(pg_pipeline *pipeline)
{
    pg_file *file = pipeline->first;

    if ((pipeline->first = file->next) == NULL)
    {
        pipeline->last = NULL;
    }
    if (pipeline->asked == file)
    {
        pipeline->asked = file->next;
    }
    if (pipeline->turn == file)
    {
        pipeline->turn = file->next;
    }
    pipeline->under_way--;
    return file;
}

static void pg_on_ready(void *arg)
{
    pg_pipeline *pipeline = arg;

    pipeline->ready = 1;
    pg_go_on(pipeline);
}

static void pg_stop_timer(pg_pipeline *pipeline)
{
    if (pipeline->timed)
    {
        pipeline->timed = 0;
        pg_drop(globus_callback_unregister(pipeline->timer, NULL, NULL, NULL));
    }
}

static void pg_close_queue(pg_pipeline *pipeline)
{
    pg_file *added;

    while (pipeline->first != NULL)
    {
        pg_file *file = pg_shift(pipeline);

        pg_report(pipeline, file, file->code != 0 ? PG_FILE_FAILED : PG_FILE_BEGUN, 0);
    }
    pthread_mutex_lock(&pipeline->mutex);
    added = pipeline->added;
    pipeline->added = NULL;
    pipeline->added_end = &pipeline->added;
    pipeline->no_more = 1;
    pthread_mutex_unlock(&pipeline->mutex);
    while (added != NULL)
    {
        pg_file *next = added->next;

        pg_report(pipeline, added, PG_FILE_UNTOUCHED, 0);
        added = next;
    }
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->over = 1;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->mutex);
}

void pg_pipeline_abandon(pg_pipeline *pipeline)
{
    if (pipeline->operation == NULL)
    {
        pg_close_queue(pipeline);
    }
}

/* The connection is gone, and no buffer is with the library any more. */
static void pg_on_closed(void *arg)
{
    pg_pipeline *pipeline = arg;

    pipeline->closed = 1;
    if (!pipeline->turning)
    {
        pg_stop_timer(pipeline);
        pg_close_queue(pipeline);
        pg_operation_finish(pipeline->operation, pg_control_error(pipeline->control));
    }
}

void pg_pipeline_cancel(pg_pipeline *pipeline)
{
    pg_control_close(pipeline->control);
}

static void pg_fail_text(pg_pipeline *pipeline, const char *text)
{
    pg_control_fail(pipeline->control, globus_error_construct_string(GLOBUS_FTP_CONTROL_MODULE, NULL, "%s", text));
}

static void pg_time_out(void *arg)
{
    pg_pipeline *       pipeline = arg;
    globus_object_t *   error = pipeline->data_error;

    pipeline->timed = 0;
    pipeline->data_error = NULL;
    if (error != NULL)
    {
        pg_control_fail(pipeline->control, error);
    }
    pg_control_close(pipeline->control);
}

static void pg_start_timer(pg_pipeline *pipeline, int seconds)
{
    globus_reltime_t delay;

    GlobusTimeReltimeSet(delay, seconds, 0);
    pg_stop_timer(pipeline);
    pipeline->timed = globus_callback_register_oneshot(&pipeline->timer, &delay, pg_time_out, pipeline) == GLOBUS_SUCCESS;
    if (!pipeline->timed)
    {
        pg_control_close(pipeline->control);
    }
}

/* Data ------------------------------------------------------------------------------------------------------------------- */

/* The local end failed in the middle of a file: there is no way to end it but with the connection. */
static void pg_fail_local(pg_pipeline *pipeline, int error)
{
    pg_file *file = pipeline->turn;

    pipeline->operation->local_errno = error;
    while (pipeline->first != file)                 /* those before it only lack their confirmation */
    {
        pg_report(pipeline, pg_shift(pipeline), PG_FILE_BEGUN, 0);
    }
    pg_report(pipeline, pg_shift(pipeline), PG_FILE_FAILED, error);
    pg_control_close(pipeline->control);
}

static void pg_fail_data(pg_pipeline *pipeline, globus_object_t *error)
{
    pipeline->data_failed = 1;
    if (pipeline->data_error == NULL)
    {
        pipeline->data_error = error;
        pg_start_timer(pipeline, PG_LAST_WORD);
    }
    else
    {
        globus_object_free(error);
    }
}

/* Report what is at its end, in order. */
static void pg_settle(pg_pipeline *pipeline)
{
    while (pipeline->first != NULL
        && (pipeline->first->code != 0 || (pipeline->first->confirmed && pipeline->first->moved)))
    {
        pg_file *   file = pg_shift(pipeline);
        int         error = 0;

        if (file->code != 0)
        {
            pg_report(pipeline, file, PG_FILE_FAILED, 0);
            continue;
        }
        if (!pipeline->receive && file->bytes < file->landing.size)
        {
            error = EIO;                            /* it shrank while it was read: what arrived was never the file */
        }
        else
        {
            error = pg_landing_commit(&file->landing, file->local);
        }
        pg_report(pipeline, file, error == 0 ? PG_FILE_DONE : PG_FILE_FAILED, error);
    }
}

/* The turn passes to the next file that was not refused. */
static void pg_pass_turn(pg_pipeline *pipeline)
{
    do
    {
        pipeline->turn = pipeline->turn->next;
    }
    while (pipeline->turn != NULL && pipeline->turn->code != 0);
}

/* A file's data is complete. The library has yet to finish its own part of the callback: the next begins after it. */
static void pg_next_turn(void *arg)
{
    pg_pipeline *pipeline = arg;

    pipeline->moving = 0;
    pipeline->turning = 0;
    if (pipeline->closed)
    {
        pg_on_closed(pipeline);
        return;
    }
    if (!pg_control_is_closing(pipeline->control))
    {
        pg_settle(pipeline);
        pg_go_on(pipeline);
    }
}

static void pg_file_moved(pg_pipeline *pipeline)
{
    globus_reltime_t delay;

    pipeline->turn->moved = 1;
    pipeline->connected = 0;
    pg_pass_turn(pipeline);
    GlobusTimeReltimeSet(delay, 0, 0);
    pipeline->turning = 1;
    if (globus_callback_register_oneshot(NULL, &delay, pg_next_turn, pipeline) != GLOBUS_SUCCESS)
    {
        pipeline->turning = 0;
        pg_fail_text(pipeline, "the next file cannot begin");
    }
}

static int pg_data_ended(pg_pipeline *pipeline, globus_object_t *error, globus_result_t result)
{
    if (pg_control_is_closing(pipeline->control) || pipeline->data_failed)
    {
        pipeline->moving = 0;
        pg_drop(result);
        return 1;
    }
    if (error != NULL || result != GLOBUS_SUCCESS)
    {
        pipeline->moving = 0;
        pg_fail_data(pipeline, error != NULL ? globus_object_copy(error) : globus_error_get(result));
        pg_drop(error != NULL ? result : GLOBUS_SUCCESS);
        return 1;
    }
    return 0;
}

static void pg_sent(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof);

/*
 * The end of the file goes out by itself, never with data: when a connection is closed just as such a write has succeeded,
 * the library aborts the process, since it cannot send the end of file on it any more.
 */
static void pg_send(pg_pipeline *pipeline)
{
    pg_file *   file = pipeline->turn;
    int64_t     have = 0;

    if (!pipeline->drained)
    {
        if ((have = pg_read_at(file->landing.fd, pipeline->buffer, pipeline->block, file->bytes)) < 0)
        {
            pipeline->moving = 0;
            pg_fail_local(pipeline, errno);
            return;
        }
        pipeline->drained = (size_t) have < pipeline->block;
    }
    pg_data_ended(pipeline, NULL, globus_ftp_control_data_write(pg_control_handle(pipeline->control), pipeline->buffer,
        (globus_size_t) have, (globus_off_t) file->bytes, have == 0 ? GLOBUS_TRUE : GLOBUS_FALSE, pg_sent, pipeline));
}

static void pg_sent(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_pipeline *pipeline = arg;

    (void) handle; (void) buffer; (void) offset;
    if (pg_data_ended(pipeline, error, GLOBUS_SUCCESS))
    {
        return;
    }
    pipeline->turn->bytes += (int64_t) length;
    atomic_fetch_add(&pipeline->bytes, (int64_t) length);
    if (eof)
    {
        pg_file_moved(pipeline);
    }
    else
    {
        pg_send(pipeline);
    }
}

static void pg_received(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof);

static void pg_receive(pg_pipeline *pipeline)
{
    pg_data_ended(pipeline, NULL, globus_ftp_control_data_read(pg_control_handle(pipeline->control), pipeline->buffer,
        pipeline->block, pg_received, pipeline));
}

static void pg_received(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_pipeline *   pipeline = arg;
    pg_file *       file = pipeline->turn;

    (void) handle;
    if (pg_data_ended(pipeline, error, GLOBUS_SUCCESS))
    {
        return;
    }
    if (length > 0)
    {
        if ((int64_t) offset != file->bytes)        /* one channel delivers in order: anything else is not this file */
        {
            pipeline->moving = 0;
            pg_fail_text(pipeline, "the server sent data out of order");
            return;
        }
        if (pg_write_at(file->landing.fd, buffer, length, file->bytes) != 0)
        {
            pipeline->moving = 0;
            pg_fail_local(pipeline, errno);
            return;
        }
        file->bytes += (int64_t) length;
        atomic_fetch_add(&pipeline->bytes, (int64_t) length);
    }
    if (eof)
    {
        pg_file_moved(pipeline);
    }
    else
    {
        pg_receive(pipeline);
    }
}

/*
 * Set the data channel for the next file as soon as one is expected, and move data once the server has opened it. Not
 * before: the data of a file that is refused would become the next file's.
 */
static void pg_move(pg_pipeline *pipeline)
{
    globus_ftp_control_handle_t *handle = pg_control_handle(pipeline->control);

    if (pipeline->moving || pipeline->turn == NULL)
    {
        return;
    }
    if (!pipeline->connected)
    {
        if (pg_data_ended(pipeline, NULL, pipeline->receive ? globus_ftp_control_data_connect_read(handle, NULL, NULL)
            : globus_ftp_control_data_connect_write(handle, NULL, NULL)))
        {
            return;
        }
        pipeline->connected = 1;
    }
    if (pipeline->turn->welcome)
    {
        pipeline->moving = 1;
        pipeline->drained = 0;
        if (pipeline->receive)
        {
            pg_receive(pipeline);
        }
        else
        {
            pg_send(pipeline);
        }
    }
}

/* Commands and replies --------------------------------------------------------------------------------------------------- */

/*
 * A file that is refused before the server has opened it has moved no data. Where the data channel is known to outlive that,
 * the others go on; else, and after any other refusal, the channel is in doubt.
 */
static void pg_refused(pg_pipeline *pipeline, pg_file *file, globus_ftp_control_response_t *response)
{
    file->code = response->code;
    file->text = pg_reply_text(response);
    if (file->welcome || response->code == PG_SERVICE_CLOSES || !pg_control_keeps_channel(pipeline->control))
    {
        pg_control_refused(pipeline->control, response->code, file->text != NULL ? file->text : "");
        return;
    }
    pipeline->asked = file->next;
    pg_landing_discard(&file->landing);
    if (pipeline->turn == file)
    {
        pg_pass_turn(pipeline);
    }
    pg_settle(pipeline);
    pg_go_on(pipeline);
}

static void pg_replied(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_pipeline *   pipeline = arg;
    pg_file *       file = pipeline->asked;

    (void) handle;
    if (file == NULL || pg_control_is_closing(pipeline->control))
    {
        return;
    }
    if (error != NULL)
    {
        pg_control_fail(pipeline->control, globus_object_copy(error));
        return;
    }
    pg_control_log_reply(pipeline->control, response);
    if (response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        if (response->code == 150 || response->code == 125)         /* others report progress */
        {
            file->welcome = 1;
            pg_go_on(pipeline);
        }
    }
    else if (response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        pg_refused(pipeline, file, response);
    }
    else if (!file->welcome || (!pipeline->receive && !file->moved && (file != pipeline->turn || !pipeline->moving)))
    {
        pg_fail_text(pipeline, "the server confirmed a file that was not moved");
    }
    else
    {
        file->confirmed = 1;
        pipeline->asked = file->next;
        pg_settle(pipeline);
        pg_go_on(pipeline);
    }
}

static pg_file *pg_next_added(pg_pipeline *pipeline)
{
    pg_file *file;

    pthread_mutex_lock(&pipeline->mutex);
    if ((file = pipeline->added) != NULL && (pipeline->added = file->next) == NULL)
    {
        pipeline->added_end = &pipeline->added;
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return file;
}

static void pg_send_command(pg_pipeline *pipeline)
{
    pg_file *   file = pg_next_added(pipeline);
    int         error;

    if (file == NULL)
    {
        return;
    }
    file->next = NULL;
    error = pipeline->receive ? pg_landing_write(&file->landing, file->local) : pg_landing_read(&file->landing, file->local);
    if (error != 0)
    {
        pg_report(pipeline, file, PG_FILE_FAILED, error);
        return;
    }
    if (pipeline->last != NULL)
    {
        pipeline->last->next = file;
    }
    else
    {
        pipeline->first = file;
    }
    pipeline->last = file;
    pipeline->under_way++;
    if (pipeline->asked == NULL)
    {
        pipeline->asked = file;
    }
    if (pipeline->turn == NULL)
    {
        pipeline->turn = file;
    }
    pg_control_send(pipeline->control, pipeline->receive ? "RETR" : "STOR", file->remote, pg_replied, pipeline);
}

static void pg_farewell(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_pipeline *pipeline = arg;

    (void) handle; (void) error; (void) response;
    pg_control_close(pipeline->control);
}

/* Do what can be done now. */
static void pg_go_on(pg_pipeline *pipeline)
{
    int left;
    int no_more;

    if (!pipeline->ready || pipeline->quitting || pipeline->data_failed || pg_control_is_closing(pipeline->control))
    {
        return;
    }
    do
    {
        pthread_mutex_lock(&pipeline->mutex);
        left = pipeline->added != NULL;
        no_more = pipeline->no_more;
        pthread_mutex_unlock(&pipeline->mutex);
        if (left && pipeline->under_way < pipeline->depth)
        {
            pg_send_command(pipeline);
        }
    }
    while (left && pipeline->under_way < pipeline->depth && !pg_control_is_closing(pipeline->control));
    if (!pg_control_is_closing(pipeline->control))
    {
        pg_move(pipeline);
    }
    if (!left && no_more && pipeline->under_way == 0)
    {
        pipeline->quitting = 1;
        pg_start_timer(pipeline, PG_FAREWELL);
        pg_control_send(pipeline->control, "QUIT", "", pg_farewell, pipeline);
    }
}

void pg_pipeline_feed(pg_pipeline *pipeline)
{
    pg_go_on(pipeline);
}

/* Other threads ---------------------------------------------------------------------------------------------------------- */

int pg_pipeline_add(pg_pipeline *pipeline, uint64_t id, const char *local, const char *remote)
{
    pg_file *   file = calloc(1, sizeof *file);
    int         valid = *remote != '\0' && strpbrk(remote, "\r\n") == NULL;
    int         no_more;

    if (file == NULL)
    {
        return ENOMEM;
    }
    file->id = id;
    file->landing.fd = -1;
    file->local = strdup(local);
    file->remote = strdup(remote);
    if (file->local == NULL || file->remote == NULL)
    {
        pg_file_free(file);
        return ENOMEM;
    }
    pthread_mutex_lock(&pipeline->mutex);
    no_more = pipeline->no_more;
    if (!no_more && pipeline->unreported >= PG_PIPELINE_ROOM)
    {
        pthread_mutex_unlock(&pipeline->mutex);
        pg_file_free(file);
        return ENOBUFS;
    }
    pipeline->unreported++;
    if (valid && !no_more)
    {
        *pipeline->added_end = file;
        pipeline->added_end = &file->next;
    }
    pthread_mutex_unlock(&pipeline->mutex);
    if (!valid || no_more)
    {
        pg_report(pipeline, file, valid ? PG_FILE_UNTOUCHED : PG_FILE_FAILED, valid ? 0 : EINVAL);
    }
    return 0;
}

void pg_pipeline_end(pg_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->no_more = 1;
    pthread_mutex_unlock(&pipeline->mutex);
}

int pg_pipeline_take(pg_pipeline *pipeline, pg_file_record *records, int count)
{
    int taken = 0;

    pthread_mutex_lock(&pipeline->mutex);
    while (taken < count && pipeline->notes != NULL)
    {
        pg_note *note = pipeline->notes;

        records[taken++] = note->record;
        if ((pipeline->notes = note->next) == NULL)
        {
            pipeline->notes_end = &pipeline->notes;
        }
        free(note);
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return taken;
}

void pg_pipeline_wait(pg_pipeline *pipeline, double seconds)
{
    struct timespec until;
    int             error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t) seconds;
    until.tv_nsec += (long) ((seconds - (double) (time_t) seconds) * 1e9);
    if (until.tv_nsec >= 1000000000)
    {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&pipeline->mutex);
    while (error == 0 && pipeline->notes == NULL && !pipeline->over)
    {
        error = pthread_cond_timedwait(&pipeline->changed, &pipeline->mutex, &until);
    }
    pthread_mutex_unlock(&pipeline->mutex);
}

int pg_pipeline_room(pg_pipeline *pipeline)
{
    int room;

    pthread_mutex_lock(&pipeline->mutex);
    room = pipeline->no_more ? 0 : PG_PIPELINE_ROOM - pipeline->unreported;
    pthread_mutex_unlock(&pipeline->mutex);
    return room;
}

int64_t pg_pipeline_bytes(pg_pipeline *pipeline)
{
    return atomic_load(&pipeline->bytes);
}

int pg_pipeline_code(pg_pipeline *pipeline)
{
    return pg_control_code(pipeline->control);
}

const char *pg_pipeline_text(pg_pipeline *pipeline)
{
    return pg_control_text(pipeline->control);
}

int pg_pipeline_unsupported(pg_pipeline *pipeline)
{
    return pg_control_unsupported(pipeline->control);
}
