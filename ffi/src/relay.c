/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ftp.h"
#include "tap.h"

typedef struct
{
    globus_gass_copy_attr_t             attr;
    globus_gass_transfer_requestattr_t  request;
    globus_io_handle_t                  io;
    int                                 has_request;
    int                                 has_io;
} pg_side;

struct pg_relay
{
    globus_gass_copy_handle_t           handle;
    int                                 has_handle;
    pg_side                             source;
    pg_side                             dest;
    pg_debug                            debug;
    pg_tap                              tap;
};

static void pg_drop(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

static void pg_cancelled(void *arg, globus_gass_copy_handle_t *handle, globus_object_t *error)
{
    (void) arg; (void) handle; (void) error;        /* the end comes by the copy's own callback */
}

static globus_result_t pg_open_fd(pg_side *side, int fd)
{
    globus_result_t result;
    int             copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    result = globus_io_file_posix_convert(copy, NULL, &side->io);
    side->has_io = result == GLOBUS_SUCCESS;
    return result;
}

static globus_result_t pg_open_request(pg_side *side, const pg_end *end)
{
    globus_gass_transfer_requestattr_init(&side->request, (char *) end->scheme);
    side->has_request = 1;
    globus_gass_transfer_requestattr_set_file_mode(&side->request,
        end->ascii ? GLOBUS_GASS_TRANSFER_FILE_MODE_TEXT : GLOBUS_GASS_TRANSFER_FILE_MODE_BINARY);
    if (end->subject != NULL)
    {
        globus_gass_transfer_secure_requestattr_set_authorization(
            &side->request, GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT, (char *) end->subject);
    }
    return globus_gass_copy_attr_set_gass(&side->attr, &side->request);
}

static globus_result_t pg_open_side(pg_side *side, const pg_end *end)
{
    globus_result_t result;

    if (end->url == NULL)
    {
        return pg_open_fd(side, end->fd);
    }
    if ((result = globus_gass_copy_attr_init(&side->attr)) == GLOBUS_SUCCESS)
    {
        result = end->ftp != NULL ? globus_gass_copy_attr_set_ftp(&side->attr, end->ftp) : pg_open_request(side, end);
    }
    return result;
}

static void pg_close_side(pg_side *side)
{
    if (side->has_request)
    {
        globus_gass_transfer_requestattr_destroy(&side->request);
    }
    if (side->has_io)
    {
        pg_drop(globus_io_close(&side->io));
    }
}

static globus_result_t pg_open_handle(pg_relay *relay, const char *client, const char *version, int debug_fd)
{
    globus_gass_copy_handleattr_t   attr;
    globus_ftp_client_handleattr_t  ftp;
    globus_result_t                 result;

    if ((result = pg_handleattr_init(&ftp, client, version, 0, debug_fd, &relay->debug)) != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((result = globus_gass_copy_handleattr_init(&attr)) == GLOBUS_SUCCESS)
    {
        if ((result = globus_gass_copy_handleattr_set_ftp_attr(&attr, &ftp)) == GLOBUS_SUCCESS)
        {
            result = globus_gass_copy_handle_init(&relay->handle, &attr);
            relay->has_handle = result == GLOBUS_SUCCESS;
        }
        globus_gass_copy_handleattr_destroy(&attr);
    }
    globus_ftp_client_handleattr_destroy(&ftp);
    return result;
}

static void pg_relay_ended(void *arg, globus_gass_copy_handle_t *handle, globus_object_t *error)
{
    (void) handle;
    pg_operation_finish(arg, error);
}

static globus_result_t pg_register(pg_relay *relay, pg_operation *operation, const pg_end *source, const pg_end *dest)
{
    if (source->url == NULL)
    {
        return globus_gass_copy_register_handle_to_url(
            &relay->handle, &relay->source.io, (char *) dest->url, &relay->dest.attr, pg_relay_ended, operation);
    }
    if (dest->url == NULL)
    {
        return globus_gass_copy_register_url_to_handle(
            &relay->handle, (char *) source->url, &relay->source.attr, &relay->dest.io, pg_relay_ended, operation);
    }
    return globus_gass_copy_register_url_to_url(&relay->handle, (char *) source->url, &relay->source.attr,
        (char *) dest->url, &relay->dest.attr, pg_relay_ended, operation);
}

globus_result_t pg_relay_start(pg_relay **out, pg_operation *operation, const pg_end *source, const pg_end *dest, int block,
    int64_t start, int64_t end, const char *client, const char *version, int debug_fd)
{
    globus_result_t result;
    pg_relay *      relay = calloc(1, sizeof *relay);

    *out = NULL;
    if (relay == NULL)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, ENOMEM));
    }
    pg_tap_open(&relay->tap, &relay->handle, dest->url == NULL);
    if ((result = pg_open_handle(relay, client, version, debug_fd)) == GLOBUS_SUCCESS
        && (result = globus_gass_copy_set_buffer_length(&relay->handle, block)) == GLOBUS_SUCCESS
        && (result = globus_gass_copy_set_no_third_party_transfers(&relay->handle, GLOBUS_TRUE)) == GLOBUS_SUCCESS
        && (start < 0 || (result = globus_gass_copy_set_partial_offsets(
            &relay->handle, (globus_off_t) start, (globus_off_t) end)) == GLOBUS_SUCCESS)
        && (result = pg_open_side(&relay->source, source)) == GLOBUS_SUCCESS
        && (result = pg_open_side(&relay->dest, dest)) == GLOBUS_SUCCESS)
    {
        result = pg_register(relay, operation, source, dest);
    }
    if (result != GLOBUS_SUCCESS)
    {
        pg_relay_free(relay);
        return result;
    }
    *out = relay;
    return GLOBUS_SUCCESS;
}

globus_result_t pg_relay_cancel(pg_relay *relay)
{
    relay->tap.cancelled = 1;
    return globus_gass_copy_cancel(&relay->handle, pg_cancelled, NULL);
}

int64_t pg_relay_bytes(pg_relay *relay)
{
    return atomic_load(&relay->tap.bytes);
}

int64_t pg_relay_length(pg_relay *relay)
{
    return atomic_load(&relay->tap.length);
}

void pg_relay_free(pg_relay *relay)
{
    if (relay->has_handle)
    {
        pg_drop(globus_gass_copy_handle_destroy(&relay->handle));
    }
    pg_tap_close(&relay->tap);
    pg_close_side(&relay->source);
    pg_close_side(&relay->dest);
    pg_debug_close(&relay->debug);
    free(relay);
}
