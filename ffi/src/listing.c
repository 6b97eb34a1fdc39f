/* SPDX-License-Identifier: Apache-2.0 */
#include "listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

#define PG_BLOCK ((size_t) 256 * 1024)
/* Bytes that may wait; about 50,000 entries. */
#define PG_WAITING ((size_t) 8 * 1024 * 1024)

typedef struct
{
    char *  data;
    size_t  length;
    size_t  room;
} pg_text;

struct pg_listing
{
    pg_operation *                  operation;
    globus_ftp_client_handle_t *    handle;
    unsigned char *                 block;
    pg_text                         coming;
    pg_text                         taken;
    int                             reading;        /* the block is registered */
    int                             drained;
    int                             done;
    globus_object_t *               error;
};

static void pg_listen(pg_listing *listing);

static void pg_settle(pg_listing *listing)
{
    if (listing->done && !listing->reading)
    {
        pg_operation_finish(listing->operation, listing->error);
    }
}

static int pg_append(pg_text *text, const void *data, size_t length)
{
    if (text->length + length > text->room)
    {
        size_t  room = 2 * text->room > text->length + length ? 2 * text->room : text->length + length;
        char *  larger = realloc(text->data, room);

        if (larger == NULL)
        {
            return -1;
        }
        text->data = larger;
        text->room = room;
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
    return 0;
}

static void pg_received(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error, globus_byte_t *buffer,
    globus_size_t length, globus_off_t offset, globus_bool_t eof)
{
    pg_listing *listing = arg;

    (void) handle; (void) offset;
    listing->reading = 0;
    if (error != NULL || eof)
    {
        listing->drained = 1;
    }
    if (error == NULL && length > 0 && pg_append(&listing->coming, buffer, length) != 0)
    {
        listing->drained = 1;
        listing->operation->local_errno = ENOMEM;
        pg_drop(globus_ftp_client_abort(listing->handle));
    }
    pg_listen(listing);
    pg_settle(listing);
}

static void pg_listen(pg_listing *listing)
{
    globus_result_t result;

    if (listing->drained || listing->reading || listing->coming.length > PG_WAITING)
    {
        return;
    }
    result = globus_ftp_client_register_read(listing->handle, listing->block, PG_BLOCK, pg_received, listing);
    listing->reading = result == GLOBUS_SUCCESS;
    if (!listing->reading)
    {
        listing->drained = 1;                       /* the operation is ending, and its callback says why */
        pg_drop(result);
    }
}

static void pg_ended(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error)
{
    pg_listing *listing = arg;

    (void) handle;
    listing->done = 1;
    listing->drained = 1;
    if (error != NULL)
    {
        listing->error = globus_object_copy(error);
    }
    pg_settle(listing);
}

globus_result_t pg_listing_start(pg_listing **out, pg_operation *operation, globus_ftp_client_handle_t *handle,
    const char *url, globus_ftp_client_operationattr_t *attr, pg_list_kind kind)
{
    globus_result_t result;
    pg_listing *    listing = calloc(1, sizeof *listing);

    *out = NULL;
    if (listing == NULL || (listing->block = malloc(PG_BLOCK)) == NULL)
    {
        free(listing);
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, ENOMEM));
    }
    listing->operation = operation;
    listing->handle = handle;
    result = kind == PG_LIST_TREE ? globus_ftp_client_recursive_list(handle, url, attr, pg_ended, listing)
        : kind == PG_LIST_FACTS ? globus_ftp_client_machine_list(handle, url, attr, pg_ended, listing)
        : globus_ftp_client_list(handle, url, attr, pg_ended, listing);
    if (result != GLOBUS_SUCCESS)
    {
        pg_listing_free(listing);
        return result;
    }
    pg_listen(listing);
    *out = listing;
    return GLOBUS_SUCCESS;
}

const char *pg_listing_take(pg_listing *listing, size_t *length)
{
    pg_text text = listing->taken;

    listing->taken = listing->coming;
    text.length = 0;
    listing->coming = text;
    pg_listen(listing);
    *length = listing->taken.length;
    return listing->taken.data;
}

void pg_listing_free(pg_listing *listing)
{
    if (listing->error != NULL)
    {
        globus_object_free(listing->error);
    }
    free(listing->coming.data);
    free(listing->taken.data);
    free(listing->block);
    free(listing);
}
