/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_parts.h"

#include <errno.h>

#include "errors.h"
#include "localfile.h"

/* After the data channel has failed, the server gets this long to say why before we close: milliseconds. */
#define PG_LAST_WORD 2000

int pg_stream_holds(const pg_file *file)
{
    const pg_pipeline *pipeline = file->pipeline;

    return pipeline->landed == file || (pipeline->turn == file && pipeline->moving);
}

int pg_stream_has_sent(const pg_file *file)
{
    return file->moved || pg_stream_holds(file);
}

int pg_stream_has_ended(const pg_file *file)
{
    return file->moved || (pg_stream_holds(file) && file->pipeline->ending);
}

void pg_stream_skip(pg_file *file)
{
    pg_pipeline *pipeline = file->pipeline;

    if (pipeline->turn == file && !pipeline->moving)
    {
        do                                          /* one to be put that is confirmed already has got another's data */
        {
            pipeline->turn = TAILQ_NEXT(pipeline->turn, link);
        }
        while (pipeline->turn != NULL
            && (pipeline->turn->code != 0 || (pipeline->turn->confirmed && !pipeline->receive)));
    }
}

/* A file's data is complete. The library has yet to finish its own part of the callback: the next begins after it. */
static void pg_next_turn(void *arg)
{
    pg_pipeline *   pipeline = arg;
    pg_file *       file = pipeline->landed;

    pipeline->landed = NULL;
    if (pipeline->closed)
    {
        pg_pipeline_closed(pipeline);
        return;
    }
    if (pg_control_is_closing(pipeline->control))
    {
        return;
    }
    if (file->code != 0)
    {
        pg_pipeline_finish(file, PG_FILE_FAILED);
    }
    else if (file->confirmed)
    {
        (pipeline->receive ? pg_download_arrived : pg_upload_arrived)(file);
    }
    pg_pipeline_go_on(pipeline);
}

static void pg_file_moved(pg_pipeline *pipeline)
{
    globus_reltime_t    delay;
    pg_file *           file = pipeline->turn;

    file->moved = 1;
    pipeline->moving = 0;
    pipeline->connected = 0;
    pg_control_expect_data(pipeline->control, 0);
    pg_stream_skip(file);
    pipeline->landed = file;
    GlobusTimeReltimeSet(delay, 0, 0);
    if (globus_callback_register_oneshot(NULL, &delay, pg_next_turn, pipeline) != GLOBUS_SUCCESS)
    {
        pipeline->landed = NULL;
        pg_pipeline_fail_text(pipeline, "the next file cannot begin");
    }
}

/* Whether no more data can move, because of this or already. */
static int pg_data_ended(pg_pipeline *pipeline, globus_object_t *error, globus_result_t result)
{
    int ended = pg_control_is_closing(pipeline->control) || pipeline->data_failed;

    if (!ended && error == NULL && result == GLOBUS_SUCCESS)
    {
        return 0;
    }
    pipeline->moving = 0;
    if (!ended)
    {
        pipeline->data_failed = 1;
        pipeline->data_error = error != NULL ? globus_object_copy(error) : globus_error_get(result);
        pg_pipeline_close_in(pipeline, PG_LAST_WORD);
    }
    else
    {
        pg_drop(result);
    }
    return 1;
}

/* Put ---------------------------------------------------------------------------------------------------------------------- */

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

    if (pipeline->draining || file->local_errno != 0)
    {
        pipeline->drained = 1;                      /* what is sent of it will be deleted */
    }
    if (!pipeline->drained)
    {
        if ((have = pg_read_at(file->landing.fd, pipeline->buffer, pipeline->block, file->bytes)) < 0)
        {
            file->local_errno = errno;
            have = 0;
        }
        pipeline->drained = (size_t) have < pipeline->block;
        if (file->digest != NULL)
        {
            pg_digest_update(file->digest, pipeline->buffer, (size_t) have);
        }
    }
    pipeline->ending = have == 0;
    pg_data_ended(pipeline, NULL, globus_ftp_control_data_write(pg_control_handle(pipeline->control), pipeline->buffer,
        (globus_size_t) have, (globus_off_t) file->bytes, have == 0 ? GLOBUS_TRUE : GLOBUS_FALSE, pg_sent, pipeline));
}

static void pg_sent(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_pipeline *   pipeline = arg;
    pg_file *       file = pipeline->turn;

    (void) handle; (void) buffer; (void) offset;
    if (pg_data_ended(pipeline, error, GLOBUS_SUCCESS))
    {
        return;
    }
    file->bytes += (int64_t) length;
    atomic_fetch_add(&pipeline->bytes, (int64_t) length);
    if (!eof)
    {
        pg_send(pipeline);
        return;
    }
    if (!pipeline->draining && file->local_errno == 0 && file->bytes < file->landing.size)
    {
        file->local_errno = EIO;                    /* it shrank while it was read: what was sent was never the file */
    }
    pg_landing_discard(&file->landing);
    pg_file_moved(pipeline);
}

/* Get ---------------------------------------------------------------------------------------------------------------------- */

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
            pg_pipeline_fail_text(pipeline, "the server sent data out of order");
            return;
        }
        if (file->local_errno == 0 && pg_write_at(file->landing.fd, buffer, length, file->bytes) != 0)
        {
            file->local_errno = errno;              /* the rest comes all the same */
        }
        if (file->digest != NULL)
        {
            pg_digest_update(file->digest, buffer, length);
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

/* Set the data channel for the next file as soon as one is expected, and move data once it may. */
void pg_stream_go_on(pg_pipeline *pipeline)
{
    globus_ftp_control_handle_t *handle = pg_control_handle(pipeline->control);

    if (pipeline->moving || pipeline->landed != NULL || pipeline->turn == NULL)
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
        pg_control_expect_data(pipeline->control, pipeline->receive);
    }
    if (pipeline->turn->welcome || pipeline->ahead)
    {
        pipeline->moving = 1;
        pipeline->drained = pipeline->ending = 0;
        if (pipeline->receive)
        {
            pg_download_land(pipeline->turn);
            pg_receive(pipeline);
        }
        else
        {
            pg_upload_lift(pipeline->turn);
            pg_send(pipeline);
        }
    }
}
