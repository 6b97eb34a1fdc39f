/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "localfile.h"

/* Bytes that are read or written at once: a TLS record has 16 KiB, and more than this gains nothing. */
#define PG_BODY_BLOCK (256 * 1024)
/* A line of chunk size with its extensions, and all the trailers together, in bytes. */
#define PG_LINE_LIMIT 1024
#define PG_TRAILER_LIMIT 16384

typedef enum { PG_AT_SIZE, PG_AT_EXTENSION, PG_AT_DATA, PG_AT_DATA_END, PG_AT_TRAILER } pg_place;

struct pg_body
{
    pg_framing          framing;
    pg_body_state       state;
    pg_place            place;
    int64_t             left;           /* bytes of the body, or of the chunk; until the end: no matter */
    int64_t             limit;
    int                 digits;         /* of the chunk's size */
    int                 line;           /* bytes of the line or the trailers so far */
    int                 blank;          /* the trailer's line is empty so far */
    int                 ended;          /* the connection has no more */
    pg_operation *      operation;
    globus_xio_handle_t handle;
    int                 fd;
    int64_t             offset;
    unsigned char *     memory;
    size_t              room;
    size_t              taken;
    _Atomic int64_t     bytes;
    size_t              begin;          /* of what is in the buffer */
    size_t              end;
    unsigned char       buffer[PG_BODY_BLOCK];
};

static void pg_body_go_on(pg_body *body);
static void pg_body_fill(pg_body *body);

pg_body *pg_body_new(pg_framing framing, int64_t length, int64_t limit, const void *first, size_t count)
{
    pg_body *body;

    if (count > PG_BODY_BLOCK || (body = malloc(sizeof *body)) == NULL)     /* the buffer needs no zeros */
    {
        return NULL;
    }
    memset(body, 0, offsetof(pg_body, buffer));
    body->framing = framing;
    body->place = framing == PG_BODY_CHUNKED ? PG_AT_SIZE : PG_AT_DATA;
    body->left = framing == PG_BODY_UNTIL_END ? INT64_MAX : framing == PG_BODY_LENGTH ? length : 0;
    body->limit = limit < 0 ? INT64_MAX : limit;
    body->fd = -1;
    body->end = count;
    memcpy(body->buffer, first, count);
    if (framing == PG_BODY_LENGTH && length > body->limit)
    {
        body->state = PG_BODY_TOO_LARGE;
    }
    else if (framing == PG_BODY_LENGTH && length == 0)
    {
        body->state = PG_BODY_COMPLETE;
    }
    return body;
}

void pg_body_free(pg_body *body)
{
    free(body);
}

pg_body_state pg_body_where(pg_body *body)
{
    return body->state;
}

int64_t pg_body_bytes(pg_body *body)
{
    return atomic_load(&body->bytes);
}

size_t pg_body_taken(pg_body *body)
{
    return body->taken;
}

static int pg_body_write(int fd, const unsigned char *data, size_t length)
{
    while (length > 0)
    {
        ssize_t n = write(fd, data, length);

        if (n > 0)
        {
            data += n;
            length -= (size_t) n;
        }
        else if (n == 0 || errno != EINTR)
        {
            return n == 0 ? EIO : errno;
        }
    }
    return 0;
}

/* Hand on what the buffer has of the body's own bytes. 0, or an errno value. */
static int pg_body_deliver(pg_body *body)
{
    size_t  count = body->end - body->begin;
    int     failed = 0;

    if ((int64_t) count > body->left)
    {
        count = (size_t) body->left;
    }
    if ((int64_t) count > body->limit - atomic_load(&body->bytes))
    {
        body->state = PG_BODY_TOO_LARGE;
        return 0;
    }
    if (body->fd >= 0)
    {
        failed = pg_body_write(body->fd, body->buffer + body->begin, count);
    }
    else
    {
        if (count > body->room - body->taken)
        {
            count = body->room - body->taken;
        }
        memcpy(body->memory + body->taken, body->buffer + body->begin, count);
        body->taken += count;
    }
    body->begin += count;
    body->left -= (int64_t) count;
    atomic_fetch_add(&body->bytes, (int64_t) count);
    if (body->left == 0)
    {
        body->place = PG_AT_DATA_END;
        body->line = 0;
        if (body->framing == PG_BODY_LENGTH)
        {
            body->state = PG_BODY_COMPLETE;
        }
    }
    return failed;
}

static int pg_hex(unsigned char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte between the data of chunks. */
static void pg_body_frame(pg_body *body, unsigned char c)
{
    int digit = pg_hex(c);

    if (++body->line > (body->place == PG_AT_TRAILER ? PG_TRAILER_LIMIT : PG_LINE_LIMIT))
    {
        body->state = PG_BODY_MALFORMED;
        return;
    }
    switch (body->place)
    {
        case PG_AT_SIZE:
            if (digit >= 0 && body->digits < 15)
            {
                body->left = body->left * 16 + digit;
                body->digits++;
                break;
            }
            if (digit >= 0 || body->digits == 0 || (c != ';' && c != '\r' && c != '\n' && c != ' ' && c != '\t'))
            {
                body->state = PG_BODY_MALFORMED;
                break;
            }
            body->place = PG_AT_EXTENSION;
            /* fall through: the line may end here */
        case PG_AT_EXTENSION:
            if (c == '\n')
            {
                body->place = body->left > 0 ? PG_AT_DATA : PG_AT_TRAILER;
                body->line = 0;
                body->blank = 1;
            }
            break;
        case PG_AT_DATA_END:
            if (c == '\n')
            {
                body->place = PG_AT_SIZE;
                body->digits = body->line = 0;
            }
            else if (c != '\r' || body->line > 1)
            {
                body->state = PG_BODY_MALFORMED;
            }
            break;
        default:                                /* trailers are read over, up to an empty line */
            if (c == '\n' && body->blank)
            {
                body->state = PG_BODY_COMPLETE;
            }
            body->blank = c == '\n' || (c == '\r' && body->blank);
    }
}

/* Take apart what is in the buffer. 0, or an errno value. */
static int pg_body_digest(pg_body *body)
{
    int failed = 0;

    while (failed == 0 && body->state == PG_BODY_MORE && body->begin < body->end)
    {
        if (body->place != PG_AT_DATA)
        {
            pg_body_frame(body, body->buffer[body->begin++]);
        }
        else if (body->fd >= 0 || body->taken < body->room)
        {
            failed = pg_body_deliver(body);
        }
        else
        {
            break;
        }
    }
    return failed;
}

static void pg_body_end(pg_body *body, globus_result_t result, int failed)
{
    globus_object_t *error = NULL;

    if (result != GLOBUS_SUCCESS && globus_xio_error_is_canceled(result) == GLOBUS_TRUE)
    {
        failed = ECANCELED;                     /* whoever has cancelled it knows; nobody else may take it for an end */
    }
    if (result != GLOBUS_SUCCESS)
    {
        error = globus_error_get(result);
    }
    body->operation->local_errno = failed;
    pg_operation_finish(body->operation, failed == 0 ? error : NULL);
    if (error != NULL)
    {
        globus_object_free(error);
    }
}

static void pg_body_read(globus_xio_handle_t handle, globus_result_t result, globus_byte_t *buffer, globus_size_t length,
    globus_size_t nbytes, globus_xio_data_descriptor_t descriptor, void *arg)
{
    pg_body *   body = arg;
    int         failed;

    (void) handle; (void) buffer; (void) length; (void) descriptor;
    body->begin = 0;
    body->end = nbytes;
    failed = pg_body_digest(body);
    if (result != GLOBUS_SUCCESS && globus_xio_error_is_eof(result) == GLOBUS_TRUE)
    {
        globus_object_free(globus_error_get(result));
        result = GLOBUS_SUCCESS;
        body->ended = 1;
    }
    if (result != GLOBUS_SUCCESS || failed != 0)
    {
        pg_body_end(body, result, failed);
        return;
    }
    pg_body_go_on(body);
}

/* Read on, unless there is enough. */
static void pg_body_go_on(pg_body *body)
{
    globus_result_t result = GLOBUS_SUCCESS;

    if (body->state == PG_BODY_MORE && body->ended && body->begin == body->end)
    {
        body->state = body->framing == PG_BODY_UNTIL_END ? PG_BODY_COMPLETE : PG_BODY_CUT;
    }
    if (body->state == PG_BODY_MORE && body->taken == 0)
    {
        result = globus_xio_register_read(body->handle, body->buffer, sizeof body->buffer, 1, NULL, pg_body_read, body);
        if (result == GLOBUS_SUCCESS)
        {
            return;
        }
    }
    pg_body_end(body, result, 0);
}

static globus_result_t pg_body_start(pg_body *body, pg_operation *operation, globus_xio_handle_t handle)
{
    int failed;

    body->operation = operation;
    body->handle = handle;
    body->taken = 0;
    if ((failed = pg_body_digest(body)) != 0)
    {
        pg_body_end(body, GLOBUS_SUCCESS, failed);
    }
    else
    {
        pg_body_go_on(body);
    }
    return GLOBUS_SUCCESS;
}

globus_result_t pg_body_store(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd)
{
    body->fd = fd;
    return pg_body_start(body, operation, handle);
}

globus_result_t pg_body_take(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, unsigned char *memory,
    size_t room)
{
    body->fd = -1;
    body->memory = memory;
    body->room = room;
    return pg_body_start(body, operation, handle);
}

static void pg_body_written(globus_xio_handle_t handle, globus_result_t result, globus_byte_t *buffer, globus_size_t length,
    globus_size_t nbytes, globus_xio_data_descriptor_t descriptor, void *arg)
{
    pg_body *body = arg;

    (void) handle; (void) buffer; (void) length; (void) nbytes; (void) descriptor;
    if (result != GLOBUS_SUCCESS)
    {
        pg_body_end(body, result, 0);
        return;
    }
    atomic_store(&body->bytes, (int64_t) body->offset - body->limit);
    body->end = 0;
    pg_body_fill(body);
}

/* Send the next block: what is in the buffer already, and as much of the file as there is room for. */
static void pg_body_fill(pg_body *body)
{
    size_t          room = sizeof body->buffer - body->end;
    size_t          want = (int64_t) room < body->left ? room : (size_t) body->left;
    ssize_t         got = 0;
    globus_result_t result = GLOBUS_SUCCESS;

    if (want > 0 && (got = pg_read_at(body->fd, body->buffer + body->end, want, body->offset)) < (ssize_t) want)
    {
        body->state = PG_BODY_CUT;
        pg_body_end(body, GLOBUS_SUCCESS, got < 0 ? errno : 0);
        return;
    }
    body->end += (size_t) got;
    body->offset += got;
    body->left -= got;
    if (body->end == 0)
    {
        body->state = PG_BODY_COMPLETE;
    }
    else
    {
        result = globus_xio_register_write(
            body->handle, body->buffer, body->end, body->end, NULL, pg_body_written, body);
    }
    if (body->end == 0 || result != GLOBUS_SUCCESS)
    {
        pg_body_end(body, result, 0);
    }
}

globus_result_t pg_body_send(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd, int64_t offset)
{
    body->operation = operation;
    body->handle = handle;
    body->fd = fd;
    body->offset = body->limit = offset;        /* to be sent: the limit is where it began */
    body->state = PG_BODY_MORE;
    pg_body_fill(body);
    return GLOBUS_SUCCESS;
}
