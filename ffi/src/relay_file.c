/* SPDX-License-Identifier: Apache-2.0
 *
 * The side of a relay that is a descriptor of this process: XIO waits for pipes, terminals and sockets; files are read and
 * written at once, at the position that the descriptor shares with others. Its flags are those of before in the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "relay_side.h"

typedef struct
{
    pg_side             side;
    int                 fd;
    int                 flags;          /* of the descriptor, which XIO changes */
    int                 is_file;
    int                 closing;
    globus_xio_handle_t handle;
} pg_file_side;

/* The descriptor is closed here alone: what a file system has to say about lost data, it says now. */
static void pg_file_close(pg_file_side *this)
{
    if (this->handle != NULL)
    {
        fcntl(this->fd, F_SETFL, this->flags);
    }
    if (close(this->fd) != 0)
    {
        pg_side_failed(&this->side, NULL, errno, 0);
    }
    this->fd = -1;
    pg_side_done(&this->side);
}

static void pg_file_closed(globus_xio_handle_t handle, globus_result_t result, void *arg)
{
    (void) handle;
    pg_drop(result);
    pg_file_close(arg);
}

static void pg_file_end(pg_file_side *this)
{
    globus_result_t result;

    if (this->closing)
    {
        return;
    }
    this->closing = 1;
    this->side.ready = 0;
    if (this->is_file)
    {
        pg_file_close(this);
    }
    else if ((result = globus_xio_register_close(this->handle, NULL, pg_file_closed, this)) != GLOBUS_SUCCESS)
    {
        pg_file_closed(this->handle, result, this);
    }
}

static void pg_file_failed(pg_file_side *this, globus_result_t result)
{
    globus_object_t *error = globus_error_get(result);

    pg_side_failed(&this->side, error, globus_error_errno_search(error), 0);
    globus_object_free(error);
}

static void pg_file_opened(globus_xio_handle_t handle, globus_result_t result, void *arg)
{
    pg_file_side *this = arg;

    (void) handle;
    if (result != GLOBUS_SUCCESS && this->closing)
    {
        pg_drop(result);
    }
    else if (result != GLOBUS_SUCCESS)
    {
        pg_file_failed(this, result);
        pg_file_end(this);
    }
    else if (!this->closing)
    {
        this->side.ready = 1;
        pg_side_changed(&this->side);
    }
}

static globus_result_t pg_file_open(pg_side *side, const pg_end *end, const pg_stretch *stretch,
    const pg_client *client)
{
    pg_file_side *  this = (pg_file_side *) side;
    struct stat     facts;

    (void) client;
    if ((this->fd = fcntl(end->fd, F_DUPFD_CLOEXEC, 0)) < 0 || (this->flags = fcntl(this->fd, F_GETFL)) < 0
        || fstat(this->fd, &facts) != 0)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    side->room = 1;
    this->is_file = S_ISREG(facts.st_mode);
    if (!this->is_file)
    {
        return pg_engine_convert(this->fd, &this->handle, pg_file_opened, this);
    }
    if (stretch->start >= 0 && lseek(this->fd, (off_t) stretch->start, SEEK_SET) < 0)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    side->seeks = 1;
    side->ready = 1;
    return GLOBUS_SUCCESS;
}

/* A buffer has been filled or emptied as far as it goes. */
static void pg_file_moved(pg_file_side *this, unsigned char *buffer, size_t length, int last)
{
    pg_side_back(&this->side, buffer, length);
    if (last)
    {
        if (this->side.is_source)
        {
            pg_side_ended(&this->side);
        }
        pg_file_end(this);
    }
}

static void pg_pipe_moved(globus_xio_handle_t handle, globus_result_t result, globus_byte_t *buffer, globus_size_t wanted,
    globus_size_t length, globus_xio_data_descriptor_t descriptor, void *arg)
{
    pg_file_side *  this = arg;
    int             last = this->closing;

    (void) handle; (void) wanted; (void) descriptor;
    if (result != GLOBUS_SUCCESS && this->side.is_source && globus_xio_error_is_eof(result))
    {
        last = 1;
        this->side.ready = 0;
        pg_drop(result);
    }
    else if (result != GLOBUS_SUCCESS && this->closing)
    {
        pg_drop(result);
    }
    else if (result != GLOBUS_SUCCESS)
    {
        pg_file_failed(this, result);
    }
    if (this->closing)
    {
        pg_side_back(&this->side, buffer, 0);
    }
    else
    {
        pg_file_moved(this, buffer, length, last);
    }
}

static void pg_file_move_now(pg_file_side *this, unsigned char *buffer, size_t length)
{
    size_t  moved = 0;
    ssize_t n = 1;

    while (moved < length && n > 0)
    {
        n = this->side.is_source
            ? read(this->fd, buffer + moved, length - moved) : write(this->fd, buffer + moved, length - moved);
        if (n > 0)
        {
            moved += (size_t) n;
        }
        else if (n < 0 && errno == EINTR)
        {
            n = 1;
        }
    }
    if (n < 0 || (n == 0 && !this->side.is_source))
    {
        pg_side_failed(&this->side, NULL, n < 0 ? errno : EIO, 0);
    }
    pg_file_moved(this, buffer, moved, n == 0);
}

static void pg_file_move(pg_side *side, unsigned char *buffer, size_t length, int last)
{
    pg_file_side *  this = (pg_file_side *) side;
    globus_result_t result;

    if (last)
    {
        pg_file_moved(this, buffer, 0, 1);
    }
    else if (this->is_file)
    {
        pg_file_move_now(this, buffer, length);
    }
    else
    {
        result = side->is_source
            ? globus_xio_register_read(this->handle, buffer, length, 1, NULL, pg_pipe_moved, this)
            : globus_xio_register_write(this->handle, buffer, length, length, NULL, pg_pipe_moved, this);
        if (result != GLOBUS_SUCCESS)
        {
            pg_file_failed(this, result);
            pg_side_back(side, buffer, 0);
        }
    }
}

static void pg_file_abort(pg_side *side)
{
    pg_file_end((pg_file_side *) side);
}

static void pg_file_free(pg_side *side)
{
    pg_file_side *this = (pg_file_side *) side;

    if (this->fd >= 0)
    {
        close(this->fd);
    }
    free(this);
}

pg_side *pg_file_side_new(void)
{
    static const pg_side_kind   kind = { pg_file_open, pg_file_move, pg_file_abort, pg_file_free };
    pg_file_side *              this = calloc(1, sizeof *this);

    if (this != NULL)
    {
        this->fd = -1;
        this->side.kind = &kind;
    }
    return this != NULL ? &this->side : NULL;
}
