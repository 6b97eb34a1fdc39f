/* SPDX-License-Identifier: Apache-2.0 */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "localfile.h"
#include "writer.h"

/* Bytes: a download that is longer has a thread to write its file. */
#define PG_WORTH_A_THREAD (8 << 20)

typedef struct
{
    int64_t start;
    int64_t end;
} pg_range;

struct pg_pump
{
    pg_operation *      operation;
    pg_channel          channel;
    int                 fd;
    size_t              block;
    int                 blocks;
    unsigned char *     memory;
    int64_t             start;          /* get: the first byte that may come */
    int64_t             next;           /* put: where the next block is read */
    int64_t             end;            /* exclusive, -1: end of file */
    int64_t             shift;          /* get: remote offset less local offset */
    int                 stopped;        /* the file is not touched any more */
    _Atomic int64_t     bytes;
    pg_range *          range;          /* get: what has come; put: what is left out */
    int                 ranges;
    int                 passed;         /* put: of those, how many lie behind */
    int                 room;
    pg_writer *         writer;         /* get: of a long file */
    int                 writing;        /* blocks that the writer has */
    int                 ended;          /* the channel has, while there were some */
    globus_object_t *   error;          /* of that end */
};

pg_pump *pg_pump_new(pg_operation *operation, pg_ftp *ftp, int fd, size_t block, int blocks)
{
    pg_pump *pump = calloc(1, sizeof *pump);

    if (pump == NULL)
    {
        return NULL;
    }
    pump->operation = operation;
    pump->channel.ftp = ftp;
    pump->channel.arg = pump;
    pump->block = block;
    pump->blocks = blocks;
    pump->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (pump->fd < 0 || (pump->memory = pg_blocks(block, blocks)) == NULL)
    {
        int saved = errno;

        pg_pump_free(pump);
        errno = saved;
        return NULL;
    }
    return pump;
}

void pg_pump_free(pg_pump *pump)
{
    if (pump->fd >= 0)
    {
        close(pump->fd);
    }
    if (pump->channel.lost)
    {
        return;
    }
    pg_channel_clear(&pump->channel);
    free(pump->memory);
    free(pump->range);
    free(pump);
}

globus_result_t pg_pump_abort(pg_pump *pump)
{
    pump->stopped = 1;
    if (pump->writer != NULL)
    {
        pg_writer_stop(pump->writer);
    }
    return pg_channel_abort(&pump->channel);
}

/* The local file failed: end the transfer. Its own callback still comes, with an error that matters less than ours. */
static void pg_fail(pg_pump *pump, int error)
{
    if (pump->operation->local_errno == 0)
    {
        pump->operation->local_errno = error;
    }
    pg_drop(pg_pump_abort(pump));
}

static void pg_finish(pg_pump *pump, globus_object_t *error)
{
    if (pump->writer != NULL)
    {
        pg_writer_free(pump->writer);
        pump->writer = NULL;
    }
    if (close(pump->fd) != 0 && pump->operation->local_errno == 0)
    {
        pump->operation->local_errno = errno;
    }
    pump->fd = -1;
    pg_operation_finish(pump->operation, error);
}

static void pg_ended(void *arg, globus_object_t *error, int code)
{
    pg_pump *pump = arg;

    pump->operation->ftp_code = code;
    if (pump->writing == 0)
    {
        pg_finish(pump, error);
        return;
    }
    pump->ended = 1;
    if (error != NULL && (pump->error = globus_object_copy(error)) == NULL && pump->operation->local_errno == 0)
    {
        pump->operation->local_errno = ENOMEM;
    }
}

/* Put ------------------------------------------------------------------------------------------------------------------ */

/*
 * The end of the file goes out by itself, never with data: when a MODE E connection is closed just as such a write has
 * succeeded, the library aborts the process, since it cannot send the end of file on it any more.
 */
static void pg_send(pg_pump *pump, unsigned char *buffer)
{
    size_t  want = pump->block;
    ssize_t have;

    if (pump->channel.closed)
    {
        return;
    }
    while (pump->passed < pump->ranges && pump->range[pump->passed].start <= pump->next)
    {
        if (pump->next < pump->range[pump->passed].end)
        {
            pump->next = pump->range[pump->passed].end;
        }
        pump->passed++;
    }
    if (pump->passed < pump->ranges && pump->range[pump->passed].start - pump->next < (int64_t) want)
    {
        want = (size_t) (pump->range[pump->passed].start - pump->next);
    }
    if (pump->end >= 0 && pump->next > pump->end)
    {
        pump->next = pump->end;
    }
    if (pump->end >= 0 && pump->end - pump->next < (int64_t) want)
    {
        want = (size_t) (pump->end - pump->next);
    }
    if ((have = pg_read_at(pump->fd, buffer, want, pump->next)) < 0)
    {
        pg_fail(pump, errno);
    }
    else if (pg_channel_write(&pump->channel, buffer, (size_t) have, pump->next, have == 0) == 0)
    {
        pump->next += have;
    }
}

static void pg_gone(void *arg, unsigned char *buffer, size_t length, int64_t offset)
{
    pg_pump *pump = arg;

    (void) offset;
    atomic_fetch_add(&pump->bytes, (int64_t) length);
    pg_send(pump, buffer);
}

int pg_pump_skip(pg_pump *pump, const int64_t *pairs, int count)
{
    int i;

    if (count <= 0)
    {
        return 0;
    }
    if ((pump->range = calloc((size_t) count, sizeof *pump->range)) == NULL)
    {
        return -1;
    }
    for (i = 0; i < count; i++)
    {
        pump->range[i].start = pairs[2 * i];
        pump->range[i].end = pairs[2 * i + 1];
    }
    pump->ranges = pump->room = count;
    return 0;
}

globus_result_t pg_pump_put(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial)
{
    const pg_part   part = { attr, restart, start, end, partial };
    globus_result_t result;
    int             i;

    pump->next = start;
    pump->end = end;
    pump->channel.block = pg_gone;
    pump->channel.ended = pg_ended;
    result = pg_channel_put(&pump->channel, url, &part);
    for (i = 0; result == GLOBUS_SUCCESS && i < pump->blocks; i++)
    {
        pg_send(pump, pump->memory + (size_t) i * pump->block);
    }
    return result;
}

/* Get ------------------------------------------------------------------------------------------------------------------ */

/* Merge one range into the sorted list: nearly always it continues the last one. */
static int pg_note(pg_pump *pump, int64_t start, int64_t end)
{
    int i = pump->ranges;
    int j;

    while (i > 0 && pump->range[i - 1].start > start)
    {
        i--;
    }
    if (i > 0 && pump->range[i - 1].end >= start)
    {
        i--;
        if (pump->range[i].end < end)
        {
            pump->range[i].end = end;
        }
    }
    else
    {
        if (pump->ranges == PG_RANGES)
        {
            return 0;
        }
        if (pump->ranges == pump->room)
        {
            int         room = pump->room ? 2 * pump->room : 16;
            pg_range *  range = realloc(pump->range, (size_t) room * sizeof *range);

            if (range == NULL)
            {
                return -1;
            }
            pump->range = range;
            pump->room = room;
        }
        memmove(pump->range + i + 1, pump->range + i, (size_t) (pump->ranges - i) * sizeof *pump->range);
        pump->range[i].start = start;
        pump->range[i].end = end;
        pump->ranges++;
    }
    for (j = i + 1; j < pump->ranges && pump->range[j].start <= pump->range[i].end; j++)
    {
        if (pump->range[i].end < pump->range[j].end)
        {
            pump->range[i].end = pump->range[j].end;
        }
    }
    memmove(pump->range + i + 1, pump->range + j, (size_t) (pump->ranges - j) * sizeof *pump->range);
    pump->ranges -= j - i - 1;
    return 0;
}

/* So many bytes from the offset on are in the file. */
static void pg_kept(pg_pump *pump, int64_t offset, size_t length)
{
    if (pg_note(pump, offset, offset + (int64_t) length) != 0)
    {
        pg_fail(pump, ENOMEM);
    }
    else
    {
        atomic_fetch_add(&pump->bytes, (int64_t) length);
    }
}

static void pg_block_written(void *arg, unsigned char *buffer, size_t length, int64_t position, int error)
{
    pg_pump *pump = arg;

    pump->writing--;
    if (error == 0)
    {
        pg_kept(pump, position + pump->shift, length);
    }
    else if (!pump->stopped)
    {
        pg_fail(pump, error);
    }
    if (!pump->ended)
    {
        pg_channel_read(&pump->channel, buffer, pump->block);
    }
    else if (pump->writing == 0)
    {
        globus_object_t *why = pump->error;

        pump->error = NULL;
        pg_finish(pump, why);
        if (why != NULL)
        {
            globus_object_free(why);
        }
    }
}

/* Whether the writer has taken the block: it has those of a long file, unless there is no memory for that. */
static int pg_passed_on(pg_pump *pump, unsigned char *buffer, size_t length, int64_t position)
{
    if (pump->writer == NULL && atomic_load(&pump->bytes) >= PG_WORTH_A_THREAD)
    {
        pump->writer = pg_writer_new(pump->fd, pg_block_written, pump);
    }
    if (pump->writer == NULL || pg_writer_write(pump->writer, buffer, length, position) != 0)
    {
        return 0;
    }
    pump->writing++;
    return 1;
}

static void pg_came(void *arg, unsigned char *buffer, size_t length, int64_t offset)
{
    pg_pump *pump = arg;

    if (length > 0 && !pump->stopped)
    {
        if (offset < pump->start || (pump->end >= 0 && (offset > pump->end || (int64_t) length > pump->end - offset)))
        {
            pg_fail(pump, EBADMSG);                 /* the server sent what was not asked for */
        }
        else if (pg_passed_on(pump, buffer, length, offset - pump->shift))
        {
            return;
        }
        else if (pg_write_at(pump->fd, buffer, length, offset - pump->shift) != 0)
        {
            pg_fail(pump, errno);
        }
        else
        {
            pg_kept(pump, offset, length);
        }
    }
    pg_channel_read(&pump->channel, buffer, pump->block);
}

globus_result_t pg_pump_get(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial, int64_t shift)
{
    const pg_part   part = { attr, restart, start, end, partial };
    globus_result_t result;
    int             i;

    pump->start = partial && start > shift ? start : shift;
    pump->end = partial ? end : -1;
    pump->shift = shift;
    pump->channel.block = pg_came;
    pump->channel.ended = pg_ended;
    result = pg_channel_get(&pump->channel, url, &part);
    for (i = 0; result == GLOBUS_SUCCESS && i < pump->blocks; i++)
    {
        pg_channel_read(&pump->channel, pump->memory + (size_t) i * pump->block, pump->block);
    }
    return result;
}

int64_t pg_pump_bytes(pg_pump *pump)
{
    return atomic_load(&pump->bytes);
}

int pg_pump_ranges(pg_pump *pump, int64_t *pairs, int count)
{
    int i;

    for (i = 0; i < pump->ranges && i < count; i++)
    {
        pairs[2 * i] = pump->range[i].start;
        pairs[2 * i + 1] = pump->range[i].end;
    }
    return pump->ranges;
}
