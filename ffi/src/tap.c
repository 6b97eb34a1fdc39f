/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* RTLD_NEXT */
#include "tap.h"

#include <dlfcn.h>

#define PG_EXPORT __attribute__((visibility("default")))
/* The function of this name that would have been called without ours. */
#define PG_REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static pg_tap *pg_taps;

void pg_tap_open(pg_tap *tap, globus_gass_copy_handle_t *handle, int reads)
{
    tap->handle = handle;
    tap->reads = reads;
    tap->next = pg_taps;
    pg_taps = tap;
}

void pg_tap_close(pg_tap *tap)
{
    pg_tap **place = &pg_taps;

    while (*place != NULL && *place != tap)
    {
        place = &(*place)->next;
    }
    if (*place == tap)
    {
        *place = tap->next;
    }
}

/* The argument of a callback is the copy's handle, if globus_gass_copy has made the call. */
static pg_tap *pg_tap_of(void *arg)
{
    pg_tap *tap = pg_taps;

    while (tap != NULL && (void *) tap->handle != arg)
    {
        tap = tap->next;
    }
    return tap;
}

static void pg_count(pg_tap *tap, int reads, size_t length)
{
    if (tap->reads == reads)
    {
        atomic_fetch_add(&tap->bytes, (int64_t) length);
    }
}

/* HTTP ----------------------------------------------------------------------------------------------------------------- */

static void pg_ready(void *arg, globus_gass_transfer_request_t request)
{
    pg_tap *        tap = pg_tap_of(arg);
    globus_result_t result;

    if (globus_gass_transfer_request_get_type(request) == GLOBUS_GASS_TRANSFER_REQUEST_TYPE_GET
        && globus_gass_transfer_request_get_status(request) == GLOBUS_GASS_TRANSFER_REQUEST_PENDING)
    {
        atomic_store(&tap->length, (int64_t) globus_gass_transfer_request_get_length(request));
    }
    tap->ready(arg, request);
    if (tap->cancelled && (result = globus_gass_copy_cancel(tap->handle, NULL, NULL)) != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

static void pg_received(void *arg, globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t length,
    globus_bool_t last)
{
    pg_tap *tap = pg_tap_of(arg);

    pg_count(tap, 1, length);
    tap->received(arg, request, bytes, length, last);
}

static void pg_sent(void *arg, globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t length,
    globus_bool_t last)
{
    pg_tap *tap = pg_tap_of(arg);

    pg_count(tap, 0, last ? tap->tail : length);     /* for the last block the library counts what ends it as well */
    tap->sent(arg, request, bytes, length, last);
}

PG_EXPORT
int globus_gass_transfer_register_get(globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr,
    char *url, globus_gass_transfer_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->ready = callback;
    }
    return PG_REAL(globus_gass_transfer_register_get)(request, attr, url, tap != NULL ? pg_ready : callback, arg);
}

PG_EXPORT
int globus_gass_transfer_register_put(globus_gass_transfer_request_t *request, globus_gass_transfer_requestattr_t *attr,
    char *url, globus_size_t length, globus_gass_transfer_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->ready = callback;
    }
    return PG_REAL(globus_gass_transfer_register_put)(request, attr, url, length, tap != NULL ? pg_ready : callback, arg);
}

PG_EXPORT
int globus_gass_transfer_receive_bytes(globus_gass_transfer_request_t request, globus_byte_t *bytes,
    globus_size_t max_length, globus_size_t wait_for_length, globus_gass_transfer_bytes_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->received = callback;
    }
    return PG_REAL(globus_gass_transfer_receive_bytes)(
        request, bytes, max_length, wait_for_length, tap != NULL ? pg_received : callback, arg);
}

PG_EXPORT
int globus_gass_transfer_send_bytes(globus_gass_transfer_request_t request, globus_byte_t *bytes, globus_size_t length,
    globus_bool_t last, globus_gass_transfer_bytes_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->sent = callback;
        tap->tail = length;
    }
    return PG_REAL(globus_gass_transfer_send_bytes)(
        request, bytes, length, last, tap != NULL ? pg_sent : callback, arg);
}

/* FTP ------------------------------------------------------------------------------------------------------------------ */

static void pg_read(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_tap *tap = pg_tap_of(arg);

    pg_count(tap, 1, error == NULL ? length : 0);
    tap->read(arg, handle, error, buffer, length, offset, eof);
}

static void pg_written(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_tap *tap = pg_tap_of(arg);

    pg_count(tap, 0, error == NULL ? length : 0);
    tap->written(arg, handle, error, buffer, length, offset, eof);
}

PG_EXPORT
globus_result_t globus_ftp_client_register_read(globus_ftp_client_handle_t *handle, globus_byte_t *buffer,
    globus_size_t length, globus_ftp_client_data_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->read = callback;
    }
    return PG_REAL(globus_ftp_client_register_read)(handle, buffer, length, tap != NULL ? pg_read : callback, arg);
}

PG_EXPORT
globus_result_t globus_ftp_client_register_write(globus_ftp_client_handle_t *handle, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof, globus_ftp_client_data_callback_t callback, void *arg)
{
    pg_tap *tap = pg_tap_of(arg);

    if (tap != NULL)
    {
        tap->written = callback;
    }
    return PG_REAL(globus_ftp_client_register_write)(
        handle, buffer, length, offset, eof, tap != NULL ? pg_written : callback, arg);
}
