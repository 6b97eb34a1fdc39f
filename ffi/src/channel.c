/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include "errors.h"

/* Milliseconds that a buffer may come back later than its operation. */
#define PG_LATE 500

static void pg_channel_end(pg_channel *channel)
{
    pg_ftp_watch(channel->ftp, NULL);
    channel->ended(channel->arg, channel->error, channel->code);
}

static void pg_channel_stop_timer(pg_channel *channel)
{
    if (channel->timed)
    {
        channel->timed = 0;
        pg_drop(globus_callback_unregister(channel->timer, NULL, NULL, NULL));
    }
}

static void pg_channel_lose(void *arg)
{
    pg_channel *channel = arg;

    channel->timed = 0;
    channel->lost = 1;
    pg_ftp_spoil(channel->ftp);
    pg_channel_end(channel);
}

static void pg_channel_settle(pg_channel *channel)
{
    if (!channel->done)
    {
        return;
    }
    if (channel->outstanding == 0)
    {
        pg_channel_stop_timer(channel);
        pg_channel_end(channel);
    }
    else if (!channel->timed)
    {
        globus_reltime_t delay;

        GlobusTimeReltimeSet(delay, 0, PG_LATE * 1000);
        channel->timed =
            globus_callback_register_oneshot(&channel->timer, &delay, pg_channel_lose, channel) == GLOBUS_SUCCESS;
    }
}

static void pg_channel_keep(pg_channel *channel, globus_object_t *error)
{
    if (channel->error != NULL)
    {
        globus_object_free(channel->error);
    }
    channel->error = globus_object_copy(error);
}

static void pg_channel_done(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    pg_channel *channel = arg;

    (void) handle;
    channel->done = 1;
    channel->closed = 1;
    if (channel->refusal != NULL)
    {
        error = channel->refusal;
    }
    if (error != NULL)
    {
        pg_channel_keep(channel, error);
    }
    pg_channel_settle(channel);
}

static globus_result_t pg_channel_begun(pg_channel *channel, globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        pg_ftp_watch(channel->ftp, NULL);
    }
    return result;
}

globus_result_t pg_channel_abort(pg_channel *channel)
{
    channel->closed = 1;
    return channel->done ? GLOBUS_SUCCESS : globus_ftp_client_abort(pg_ftp_handle(channel->ftp));
}

void pg_channel_clear(pg_channel *channel)
{
    pg_channel_stop_timer(channel);
    if (channel->error != NULL)
    {
        globus_object_free(channel->error);
    }
    if (channel->refusal != NULL)
    {
        globus_object_free(channel->refusal);
    }
}

/* Download ------------------------------------------------------------------------------------------------------------- */

globus_result_t pg_channel_get(pg_channel *channel, const char *url, const pg_part *part)
{
    globus_ftp_client_handle_t *handle = pg_ftp_handle(channel->ftp);

    return part->partial
        ? globus_ftp_client_partial_get(handle, url, part->attr, part->restart, (globus_off_t) part->start,
            (globus_off_t) part->end, pg_channel_done, channel)
        : globus_ftp_client_get(handle, url, part->attr, part->restart, pg_channel_done, channel);
}

static void pg_channel_came(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_channel *channel = arg;

    (void) handle;
    if (channel->lost)
    {
        return;
    }
    channel->outstanding--;
    if (error != NULL || eof)
    {
        channel->closed = 1;
    }
    channel->block(channel->arg, buffer, error != NULL ? 0 : length, (int64_t) offset);
    pg_channel_settle(channel);
}

int pg_channel_read(pg_channel *channel, unsigned char *buffer, size_t size)
{
    if (!channel->closed)
    {
        globus_result_t result = globus_ftp_client_register_read(
            pg_ftp_handle(channel->ftp), buffer, size, pg_channel_came, channel);

        if (result == GLOBUS_SUCCESS)
        {
            channel->outstanding++;
            return 0;
        }
        channel->closed = 1;            /* the end of the data; or the operation is ending, and its callback says why */
        pg_drop(result);
    }
    return -1;
}

/* Upload --------------------------------------------------------------------------------------------------------------- */

static void pg_channel_fault(void *arg)
{
    pg_channel *channel = arg;

    channel->closed = 1;
}

/* The library gives no public function to make its own kind of error. */
static globus_object_t *pg_refusal(const globus_ftp_control_response_t *reply)
{
    globus_object_t *cause = globus_error_construct_string(
        GLOBUS_FTP_CLIENT_MODULE, NULL, "%s", (const char *) reply->response_buffer);

    return globus_error_construct_error(GLOBUS_FTP_CLIENT_MODULE, cause, GLOBUS_FTP_CLIENT_ERROR_RESPONSE,
        __FILE__, __func__, __LINE__, "the server responded with an error");
}

static void pg_channel_reply(void *arg, const globus_ftp_control_response_t *reply)
{
    pg_channel *channel = arg;

    if (reply->code == 125 || reply->code == 150)
    {
        channel->moving = 1;
    }
    else if (channel->moving && reply->code >= 400 && channel->refusal == NULL)
    {
        channel->code = reply->code;
        channel->refusal = pg_refusal(reply);
        pg_drop(pg_channel_abort(channel));
    }
}

globus_result_t pg_channel_put(pg_channel *channel, const char *url, const pg_part *part)
{
    globus_ftp_client_handle_t *handle = pg_ftp_handle(channel->ftp);
    const pg_watcher            watcher = { pg_channel_fault, pg_channel_reply, channel };

    pg_ftp_watch(channel->ftp, &watcher);
    return pg_channel_begun(channel, part->partial
        ? globus_ftp_client_partial_put(handle, url, part->attr, part->restart, (globus_off_t) part->start,
            (globus_off_t) part->end, pg_channel_done, channel)
        : globus_ftp_client_put(handle, url, part->attr, part->restart, pg_channel_done, channel));
}

static void pg_channel_gone(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_channel *channel = arg;

    (void) handle;
    if (channel->lost)
    {
        return;
    }
    channel->outstanding--;
    if (error != NULL)
    {
        pg_channel_keep(channel, error);
    }
    if (error != NULL || eof)
    {
        channel->closed = 1;            /* a buffer that is thrown away has eof set, with an error or without */
    }
    channel->block(channel->arg, buffer, error != NULL ? 0 : length, (int64_t) offset);
    pg_channel_settle(channel);
}

int pg_channel_write(pg_channel *channel, unsigned char *buffer, size_t length, int64_t offset, int last)
{
    if (!channel->closed)
    {
        globus_result_t result = globus_ftp_client_register_write(pg_ftp_handle(channel->ftp), buffer, length,
            (globus_off_t) offset, last ? GLOBUS_TRUE : GLOBUS_FALSE, pg_channel_gone, channel);

        channel->closed = last || result != GLOBUS_SUCCESS;
        if (result == GLOBUS_SUCCESS)
        {
            channel->outstanding++;
            return 0;
        }
        pg_drop(result);                /* the operation is ending, and its callback says why */
    }
    return -1;
}
