/* SPDX-License-Identifier: Apache-2.0 */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
    int64_t start;
    int64_t end;
} pg_range;

struct pg_pump
{
    pg_operation *                  operation;
    globus_ftp_client_handle_t *    handle;
    int                             fd;
    size_t                          block;
    int                             blocks;
    unsigned char *                 memory;
    int64_t                         start;          /* get: the first byte that may come */
    int64_t                         next;           /* put: where the next block is read */
    int64_t                         end;            /* exclusive, -1: end of file */
    int64_t                         shift;          /* get: remote offset less local offset */
    int                             outstanding;    /* registered buffers */
    int                             drained;        /* no more to register */
    int                             stopped;        /* the file is not touched any more */
    int                             done;           /* the operation's own callback has come */
    globus_object_t *               error;
    _Atomic int64_t                 bytes;
    pg_range *                      range;
    int                             ranges;
    int                             room;
};

pg_pump *pg_pump_new(pg_operation *operation, globus_ftp_client_handle_t *handle, int fd, size_t block, int blocks)
{
    pg_pump *pump;

    if (block == 0 || blocks <= 0 || block > SIZE_MAX / (size_t) blocks)
    {
        errno = EINVAL;
        return NULL;
    }
    if ((pump = calloc(1, sizeof *pump)) == NULL)
    {
        return NULL;
    }
    pump->operation = operation;
    pump->handle = handle;
    pump->block = block;
    pump->blocks = blocks;
    pump->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    pump->memory = malloc(block * (size_t) blocks);
    if (pump->fd < 0 || pump->memory == NULL)
    {
        int saved = pump->fd < 0 ? errno : ENOMEM;

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
    if (pump->error != NULL)
    {
        globus_object_free(pump->error);
    }
    free(pump->memory);
    free(pump->range);
    free(pump);
}

static void pg_settle(pg_pump *pump)
{
    if (pump->done && pump->outstanding == 0)
    {
        if (pump->fd >= 0 && close(pump->fd) != 0 && pump->operation->local_errno == 0)
        {
            pump->operation->local_errno = errno;
        }
        pump->fd = -1;
        pg_operation_finish(pump->operation, pump->error);
    }
}

static void pg_drop(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

globus_result_t pg_pump_abort(pg_pump *pump)
{
    pump->drained = 1;
    pump->stopped = 1;
    return pump->done ? GLOBUS_SUCCESS : globus_ftp_client_abort(pump->handle);
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

/* The error of the whole operation, which comes last, replaces that of a block. */
static void pg_keep(pg_pump *pump, globus_object_t *error)
{
    if (pump->error != NULL)
    {
        globus_object_free(pump->error);
    }
    pump->error = globus_object_copy(error);
}

static void pg_ended(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    pg_pump *pump = arg;

    (void) handle;
    pump->done = 1;
    pump->drained = 1;
    if (error != NULL)
    {
        pg_keep(pump, error);
    }
    pg_settle(pump);
}

/* Put ------------------------------------------------------------------------------------------------------------------ */

static void pg_written(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof);

static ssize_t pg_read_block(pg_pump *pump, unsigned char *buffer, size_t want)
{
    size_t have = 0;

    while (have < want)
    {
        ssize_t n = pread(pump->fd, buffer + have, want - have, (off_t) (pump->next + (int64_t) have));

        if (n == 0)
        {
            break;
        }
        if (n > 0)
        {
            have += (size_t) n;
        }
        else if (errno != EINTR)
        {
            return -1;
        }
    }
    return (ssize_t) have;
}

static void pg_send(pg_pump *pump, unsigned char *buffer)
{
    size_t          want = pump->block;
    ssize_t         have;
    globus_result_t result;

    if (pump->drained)
    {
        return;
    }
    if (pump->end >= 0 && pump->end - pump->next < (int64_t) want)
    {
        want = (size_t) (pump->end - pump->next);
    }
    if ((have = pg_read_block(pump, buffer, want)) < 0)
    {
        pg_fail(pump, errno);
        return;
    }
    if ((size_t) have < pump->block)
    {
        pump->drained = 1;
    }
    result = globus_ftp_client_register_write(pump->handle, buffer, (globus_size_t) have, (globus_off_t) pump->next,
        pump->drained ? GLOBUS_TRUE : GLOBUS_FALSE, pg_written, pump);
    if (result != GLOBUS_SUCCESS)
    {
        pump->drained = 1;                          /* the operation is ending, and its callback says why */
        pg_drop(result);
        return;
    }
    pump->next += have;
    pump->outstanding++;
}

static void pg_written(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_pump *pump = arg;

    (void) handle; (void) offset;
    pump->outstanding--;
    if (error != NULL)
    {
        pg_keep(pump, error);
    }
    else
    {
        atomic_fetch_add(&pump->bytes, (int64_t) length);
    }
    if (error != NULL || eof)
    {
        pump->drained = 1;          /* a block that is thrown away says "end of file" too, and may come without an error */
    }
    pg_send(pump, buffer);
    pg_settle(pump);
}

globus_result_t pg_pump_put(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial)
{
    globus_result_t result;
    int             i;

    pump->next = start;
    pump->end = end;
    result = partial
        ? globus_ftp_client_partial_put(pump->handle, url, attr, restart, (globus_off_t) start, (globus_off_t) end,
            pg_ended, pump)
        : globus_ftp_client_put(pump->handle, url, attr, restart, pg_ended, pump);
    for (i = 0; result == GLOBUS_SUCCESS && i < pump->blocks; i++)
    {
        pg_send(pump, pump->memory + (size_t) i * pump->block);
    }
    return result;
}

/* Get ------------------------------------------------------------------------------------------------------------------ */

static void pg_received(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof);

static void pg_listen(pg_pump *pump, unsigned char *buffer)
{
    globus_result_t result;

    if (pump->drained)
    {
        return;
    }
    result = globus_ftp_client_register_read(pump->handle, buffer, pump->block, pg_received, pump);
    if (result != GLOBUS_SUCCESS)
    {
        pump->drained = 1;                          /* the operation is ending, and its callback says why */
        pg_drop(result);
        return;
    }
    pump->outstanding++;
}

static int pg_write_block(pg_pump *pump, const unsigned char *buffer, size_t length, int64_t offset)
{
    while (length > 0)
    {
        ssize_t n = pwrite(pump->fd, buffer, length, (off_t) offset);

        if (n > 0)
        {
            buffer += n;
            offset += n;
            length -= (size_t) n;
        }
        else if (n == 0 || errno != EINTR)
        {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
    }
    return 0;
}

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

static void pg_received(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_pump *pump = arg;

    (void) handle;
    pump->outstanding--;
    if (error != NULL)
    {
        pump->drained = 1;
    }
    else if (length > 0 && !pump->stopped)
    {
        int64_t start = (int64_t) offset;

        if (start < pump->start || (pump->end >= 0 && (start > pump->end || (int64_t) length > pump->end - start)))
        {
            pg_fail(pump, EBADMSG);                 /* the server sent what was not asked for */
        }
        else if (pg_write_block(pump, buffer, length, start - pump->shift) != 0)
        {
            pg_fail(pump, errno);
        }
        else if (pg_note(pump, start, start + (int64_t) length) != 0)
        {
            pg_fail(pump, ENOMEM);
        }
        else
        {
            atomic_fetch_add(&pump->bytes, (int64_t) length);
        }
    }
    if (eof)
    {
        pump->drained = 1;
    }
    pg_listen(pump, buffer);
    pg_settle(pump);
}

globus_result_t pg_pump_get(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial, int64_t shift)
{
    globus_result_t result;
    int             i;

    pump->start = partial && start > shift ? start : shift;
    pump->end = partial ? end : -1;
    pump->shift = shift;
    result = partial
        ? globus_ftp_client_partial_get(pump->handle, url, attr, restart, (globus_off_t) start, (globus_off_t) end,
            pg_ended, pump)
        : globus_ftp_client_get(pump->handle, url, attr, restart, pg_ended, pump);
    for (i = 0; result == GLOBUS_SUCCESS && i < pump->blocks; i++)
    {
        pg_listen(pump, pump->memory + (size_t) i * pump->block);
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
