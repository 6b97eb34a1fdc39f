/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "localfile.h"
#include "reply.h"

/* QUIT goes out in this time, in milliseconds; the answer to it is not waited for. */
#define PG_FAREWELL 2
/* Globus's servers hang up when 1000 commands wait to be done. A file that is put has two of them out at most: RNFR and RNTO. */
#define PG_MOST_COMMANDS 900
/* No server that we know makes more small files than so many in a second: on a far one as many as it makes in a round trip. */
#define PG_FILES_A_SECOND 10000
/* 421: the reply after which the server hangs up. */
#define PG_SERVICE_CLOSES 421

static void pg_on_ready(void *arg)
{
    pg_pipeline *   pipeline = arg;
    int             reach = (int) (pg_control_round_trip(pipeline->control) * PG_FILES_A_SECOND);

    pipeline->ready = 1;
    if (pipeline->checksum != NULL && !pg_control_names(pipeline->control, "CKSM"))
    {
        pipeline->unsupported = pipeline->draining = 1;
    }
    if (reach > pipeline->depth)
    {
        pipeline->depth = reach < pipeline->deepest ? reach : pipeline->deepest;
    }
    pipeline->ahead = pipeline->ahead && pg_control_keeps_channel(pipeline->control);
    pg_pipeline_go_on(pipeline);
}

/* Life --------------------------------------------------------------------------------------------------------------------- */

static int pg_bounded(int depth)
{
    return depth < 1 ? 1 : depth > PG_PIPELINE_MAX_DEPTH ? PG_PIPELINE_MAX_DEPTH : depth;
}

pg_pipeline *pg_pipeline_new(const pg_control_options *options, int depth, int deepest, size_t block, int ahead,
    uint64_t key, const char *checksum)
{
    pg_pipeline *pipeline = calloc(1, sizeof *pipeline);

    if (pipeline == NULL)
    {
        return NULL;
    }
    pipeline->receive = options->receive;
    pipeline->depth = pg_bounded(depth);
    pipeline->deepest = pg_bounded(deepest > depth ? deepest : depth);
    pipeline->key = key;
    pipeline->ahead = ahead && !options->receive;
    pipeline->block = block;
    pipeline->buffer = pg_blocks(block, 1);
    pipeline->checksum = checksum != NULL ? strdup(checksum) : NULL;
    pipeline->control = pg_control_new(options, pipeline, pg_on_ready, pg_pipeline_closed);
    TAILQ_INIT(&pipeline->looked_at);
    TAILQ_INIT(&pipeline->asked);
    pg_filequeue_init(&pipeline->queue);
    if (pipeline->buffer == NULL || pipeline->control == NULL || (checksum != NULL && pipeline->checksum == NULL))
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

void pg_pipeline_free(pg_pipeline *pipeline)
{
    if ((pipeline->operation != NULL && !pg_filequeue_is_over(&pipeline->queue))
        || (pipeline->control != NULL && pg_control_free(pipeline->control) != 0))
    {
        return;
    }
    pg_filequeue_destroy(&pipeline->queue);
    if (pipeline->data_error != NULL)
    {
        globus_object_free(pipeline->data_error);
    }
    free(pipeline->buffer);
    free(pipeline->checksum);
    free(pipeline);
}

void pg_pipeline_abandon(pg_pipeline *pipeline)
{
    if (pipeline->operation == NULL)
    {
        pg_filequeue_close(&pipeline->queue);
    }
}

static void pg_stop_timer(pg_pipeline *pipeline)
{
    if (pipeline->timed)
    {
        pipeline->timed = 0;
        pg_drop(globus_callback_unregister(pipeline->timer, NULL, NULL, NULL));
    }
}

static void pg_give_up(pg_pipeline *pipeline, struct pg_files *list, pg_file_state state)
{
    pg_file *file;

    while ((file = TAILQ_FIRST(list)) != NULL)
    {
        pg_pipeline_finish(file, file->code != 0 || file->local_errno != 0 ? PG_FILE_FAILED : state);
    }
}

void pg_pipeline_closed(void *arg)
{
    pg_pipeline *pipeline = arg;

    pipeline->closed = 1;
    if (pipeline->landed == NULL)
    {
        pg_stop_timer(pipeline);
        pg_give_up(pipeline, &pipeline->asked, PG_FILE_BEGUN);
        pg_give_up(pipeline, &pipeline->looked_at, PG_FILE_UNTOUCHED);
        pg_filequeue_close(&pipeline->queue);
        pg_operation_finish(pipeline->operation, pg_control_error(pipeline->control));
    }
}

void pg_pipeline_cancel(pg_pipeline *pipeline)
{
    pg_control_close(pipeline->control);
}

void pg_pipeline_stop(pg_pipeline *pipeline)
{
    pipeline->draining = 1;
    if (pipeline->ready && !pipeline->receive)
    {
        pg_pipeline_go_on(pipeline);
    }
    else
    {
        pg_control_close(pipeline->control);
    }
}

void pg_pipeline_fail_text(pg_pipeline *pipeline, const char *text)
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

void pg_pipeline_close_in(pg_pipeline *pipeline, int milliseconds)
{
    globus_reltime_t delay;

    GlobusTimeReltimeSet(delay, milliseconds / 1000, milliseconds % 1000 * 1000);
    pg_stop_timer(pipeline);
    pipeline->timed = globus_callback_register_oneshot(&pipeline->timer, &delay, pg_time_out, pipeline) == GLOBUS_SUCCESS;
    if (!pipeline->timed)
    {
        pg_control_close(pipeline->control);
    }
}

/* Files on their way ------------------------------------------------------------------------------------------------------- */

void pg_pipeline_enter(pg_file *file, struct pg_files *list)
{
    pg_pipeline *pipeline = file->pipeline;

    if (file->list != NULL)
    {
        TAILQ_REMOVE(file->list, file, link);
    }
    else
    {
        pipeline->begun++;
    }
    file->list = list;
    TAILQ_INSERT_TAIL(list, file, link);
    pipeline->under_way += !file->under_way;
    file->under_way = 1;
    if (list == &pipeline->asked && pipeline->turn == NULL)
    {
        pipeline->turn = file;
    }
}

void pg_pipeline_settle(pg_file *file)
{
    file->pipeline->under_way -= file->under_way;
    file->under_way = 0;
}

void pg_pipeline_finish(pg_file *file, pg_file_state state)
{
    pg_pipeline *pipeline = file->pipeline;

    pg_pipeline_settle(file);
    pg_stream_skip(file);
    if (file->list != NULL)
    {
        TAILQ_REMOVE(file->list, file, link);
        pipeline->begun--;
    }
    if (pipeline->turn == file)
    {
        pipeline->turn = NULL;                      /* only after the connection has ended */
    }
    pg_filequeue_report(&pipeline->queue, file, state, 1);
}

void pg_pipeline_ask(pg_file *file, const char *verb, const char *argument, globus_ftp_control_response_callback_t callback)
{
    if (pg_control_send(file->pipeline->control, verb, argument, callback, file) == 0)
    {
        file->awaited++;
        file->pipeline->awaited++;
    }
}

int pg_pipeline_replied(pg_file *file, globus_object_t *error, globus_ftp_control_response_t *response)
{
    pg_pipeline *pipeline = file->pipeline;

    if (pg_control_is_closing(pipeline->control))
    {
        return -1;
    }
    if (error != NULL)
    {
        pg_control_fail(pipeline->control, globus_object_copy(error));
        return -1;
    }
    pg_control_log_reply(pipeline->control, response);
    if (response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        return 0;
    }
    file->awaited--;
    pipeline->awaited--;
    return 1;
}

void pg_pipeline_note_refusal(pg_file *file, const globus_ftp_control_response_t *response)
{
    if (file->code == 0)
    {
        file->code = response->code;
        free(file->text);
        file->text = pg_reply_text(response);
    }
}

/*
 * A file that is refused before the server has opened it is not there. Where the data channel is known to outlive that, the
 * others go on, unless data is in it already; else, and after any other refusal, the channel is in doubt.
 */
static void pg_refused(pg_file *file, const globus_ftp_control_response_t *response)
{
    pg_pipeline *pipeline = file->pipeline;

    pg_pipeline_note_refusal(file, response);
    if (file->welcome || response->code == PG_SERVICE_CLOSES || !pg_control_keeps_channel(pipeline->control))
    {
        pg_control_refused(pipeline->control, response->code, file->text != NULL ? file->text : "");
        return;
    }
    free(file->temporary);
    file->temporary = NULL;
    if (file->mode >= 0)
    {
        file->local_errno = EOPNOTSUPP;             /* perhaps only the new name is what the directory forbids */
    }
    pg_pipeline_settle(file);
    if (pg_stream_has_sent(file))
    {
        pipeline->spoiled = 1;
        pipeline->draining = 1;
    }
    if (!pg_stream_holds(file))
    {
        pg_pipeline_finish(file, PG_FILE_FAILED);
    }
}

static void pg_confirmed(pg_file *file)
{
    pg_pipeline *pipeline = file->pipeline;

    if (!pipeline->draining && !pipeline->receive && !pg_stream_has_ended(file))
    {
        pg_pipeline_fail_text(pipeline, "the server confirmed a file that was not moved");
        return;
    }
    file->confirmed = 1;
    if (!pipeline->receive)
    {
        pg_pipeline_settle(file);
    }
    if (pg_stream_holds(file) || (pipeline->receive && !file->moved))
    {
        return;                                     /* pg_next_turn() sees to it */
    }
    pg_stream_skip(file);                           /* after a spoiled one: it has got the data of another */
    (pipeline->receive ? pg_download_arrived : pg_upload_arrived)(file);
}

void pg_pipeline_moved_reply(pg_file *file, globus_object_t *error, globus_ftp_control_response_t *response)
{
    pg_pipeline *   pipeline = file->pipeline;
    int             replied = pg_pipeline_replied(file, error, response);

    if (replied < 0)
    {
        return;
    }
    if (replied == 0)
    {
        file->welcome = file->welcome || response->code == 150 || response->code == 125;      /* others report progress */
    }
    else if (response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        pg_refused(file, response);
    }
    else if (!file->welcome)
    {
        pg_pipeline_fail_text(pipeline, "the server confirmed a file that was not moved");
    }
    else
    {
        pg_confirmed(file);
    }
    pg_pipeline_go_on(pipeline);
}

static void pg_farewell(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_pipeline *pipeline = arg;

    (void) handle; (void) error; (void) response;
    pg_control_close(pipeline->control);
}

static void pg_quit(pg_pipeline *pipeline)
{
    pipeline->quitting = 1;
    pg_pipeline_close_in(pipeline, PG_FAREWELL);
    pg_control_send(pipeline->control, "QUIT", "", pg_farewell, pipeline);
}

static int pg_has_room(const pg_pipeline *pipeline)
{
    return pipeline->under_way < pipeline->depth && pipeline->begun < PG_MOST_COMMANDS / (pipeline->receive ? 1 : 2);
}

void pg_pipeline_go_on(pg_pipeline *pipeline)
{
    pg_file *   file = NULL;
    int         no_more = 0;

    if (!pipeline->ready || pipeline->quitting || pipeline->data_failed || pg_control_is_closing(pipeline->control))
    {
        return;
    }
    while (!pipeline->draining && pg_has_room(pipeline)
        && (file = pg_filequeue_next(&pipeline->queue, &no_more)) != NULL)
    {
        if (pipeline->checksum != NULL && (file->digest = pg_digest_new(pipeline->checksum)) == NULL)
        {
            file->local_errno = EOPNOTSUPP;
            pg_pipeline_finish(file, PG_FILE_FAILED);
            continue;
        }
        (pipeline->receive ? pg_download_begin : pg_upload_begin)(file);
        if (pg_control_is_closing(pipeline->control))
        {
            return;
        }
    }
    pg_stream_go_on(pipeline);
    if (pg_control_is_closing(pipeline->control) || pipeline->data_failed)
    {
        return;
    }
    if (pipeline->draining ? pipeline->awaited == 0
        : file == NULL && no_more && TAILQ_EMPTY(&pipeline->asked) && TAILQ_EMPTY(&pipeline->looked_at))
    {
        pg_quit(pipeline);
    }
}

void pg_pipeline_feed(pg_pipeline *pipeline)
{
    pg_pipeline_go_on(pipeline);
}

/* Other threads ------------------------------------------------------------------------------------------------------------ */

int pg_pipeline_add(pg_pipeline *pipeline, uint64_t id, const char *local, const char *remote, int64_t size, int fresh)
{
    pg_file *   file = pg_file_new(id, local, remote);
    int         error;

    if (file == NULL)
    {
        return ENOMEM;
    }
    file->pipeline = pipeline;
    file->size = size;
    file->fresh = fresh;
    if (*remote == '\0' || strpbrk(remote, "\r\n") != NULL)
    {
        file->local_errno = EINVAL;
        pg_filequeue_report(&pipeline->queue, file, PG_FILE_FAILED, 0);
        return 0;
    }
    error = pg_filequeue_add(&pipeline->queue, file, PG_PIPELINE_ROOM);
    if (error == EPIPE)
    {
        pg_filequeue_report(&pipeline->queue, file, PG_FILE_UNTOUCHED, 0);
        return 0;
    }
    if (error != 0)
    {
        pg_file_free(file);
    }
    return error;
}

void pg_pipeline_end(pg_pipeline *pipeline)
{
    pg_filequeue_end(&pipeline->queue);
}

int pg_pipeline_take(pg_pipeline *pipeline, pg_file_record *records, int count)
{
    return pg_filequeue_take(&pipeline->queue, records, count);
}

void pg_pipeline_wait(pg_pipeline *pipeline, double seconds, int records)
{
    pg_filequeue_wait(&pipeline->queue, seconds, records);
}

int pg_pipeline_room(pg_pipeline *pipeline)
{
    return pg_filequeue_room(&pipeline->queue, PG_PIPELINE_ROOM);
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
    return pipeline->unsupported || pg_control_unsupported(pipeline->control);
}

int pg_pipeline_spoiled(pg_pipeline *pipeline)
{
    return pipeline->spoiled;
}
