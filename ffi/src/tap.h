/* SPDX-License-Identifier: Apache-2.0
 *
 * What globus_gass_copy keeps to itself of a running copy: the bytes, as they move (it tells them every two seconds only),
 * the length that an HTTP server has announced (it takes whatever comes for the whole), and the moment when an HTTP server
 * that was silent answers at last (until then its cancel is lost).
 *
 * It moves bytes by functions of other libraries, which the loader looks for in ours first: those of tap.c note what passes
 * by and go on to the real ones. Should the loader look elsewhere, nothing is noted, and all else works.
 */
#ifndef PG_TAP_H
#define PG_TAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "globus_ftp_client.h"
#include "globus_gass_copy.h"

typedef struct pg_tap
{
    globus_gass_copy_handle_t *             handle;
    int                                     reads;      /* count what comes in, not what goes out */
    int                                     cancelled;  /* a request that gets its answer now is not wanted any more */
    _Atomic int64_t                         bytes;
    _Atomic int64_t                         length;     /* that the source has announced; 0: unknown */
    globus_size_t                           tail;       /* of the block that was sent last */
    globus_gass_transfer_callback_t         ready;
    globus_gass_transfer_bytes_callback_t   received;
    globus_gass_transfer_bytes_callback_t   sent;
    globus_ftp_client_data_callback_t       read;
    globus_ftp_client_data_callback_t       written;
    struct pg_tap *                         next;
} pg_tap;

/* From here to pg_tap_close the copies of handle are noted in tap. */
void pg_tap_open(pg_tap *tap, globus_gass_copy_handle_t *handle, int reads);
void pg_tap_close(pg_tap *tap);

#endif
