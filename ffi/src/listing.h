/* SPDX-License-Identifier: Apache-2.0
 *
 * A directory listing as it comes over the data channel, kept in C until Python takes it.
 *
 * Reading pauses while more than a bounded amount waits to be taken, so that a directory of millions fills no memory.
 */
#ifndef PG_LISTING_H
#define PG_LISTING_H

#include "engine.h"
#include "globus_ftp_client.h"

typedef struct pg_listing pg_listing;

/* Names alone (NLST), with facts (MLSD), or with facts and everything below (MLSR). */
typedef enum { PG_LIST_NAMES, PG_LIST_FACTS, PG_LIST_TREE } pg_list_kind;

/* operation is queued when the listing has ended; it stays the caller's. */
globus_result_t pg_listing_start(pg_listing **out, pg_operation *operation, globus_ftp_client_handle_t *handle,
    const char *url, globus_ftp_client_operationattr_t *attr, pg_list_kind kind);
/* What has come since the last call: *length bytes that stay valid until the next one. Reading goes on. */
const char *    pg_listing_take(pg_listing *listing, size_t *length);
/* Only after its operation has ended. */
void            pg_listing_free(pg_listing *listing);

#endif
