/* SPDX-License-Identifier: Apache-2.0
 *
 * The relay moves bytes with globus_gass_copy between two ends, each a URL or a descriptor of this process: for what the
 * pump does not cover, which is http and https, pipes, and FTP to FTP through this machine.
 */
#ifndef PG_RELAY_H
#define PG_RELAY_H

#include "engine.h"
#include "globus_gass_copy.h"

typedef struct pg_relay pg_relay;

typedef struct
{
    const char *                        url;        /* NULL: the descriptor */
    int                                 fd;         /* duplicated */
    globus_ftp_client_operationattr_t * ftp;        /* for ftp and gsiftp; NULL else */
    const char *                        scheme;     /* "http" or "https"; NULL else */
    const char *                        subject;    /* https: the name that the server must have; NULL: the library's rule */
    int                                 ascii;
} pg_end;

/* operation is queued when the copy has ended; it stays the caller's. start < 0: the whole source. */
globus_result_t pg_relay_start(pg_relay **out, pg_operation *operation, const pg_end *source, const pg_end *dest, int block,
    int64_t start, int64_t end, const char *client, const char *version, int debug_fd);
/* The operation still ends by its queue, without an error of its own; but not before a silent HTTP server says something. */
globus_result_t pg_relay_cancel(pg_relay *relay);
/* Bytes moved, and the length that an HTTP source has announced (0: none yet, or none at all); any thread may ask. */
int64_t         pg_relay_bytes(pg_relay *relay);
int64_t         pg_relay_length(pg_relay *relay);
/* Only after its operation has ended. */
void            pg_relay_free(pg_relay *relay);

#endif
