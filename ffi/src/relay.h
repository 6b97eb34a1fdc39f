/* SPDX-License-Identifier: Apache-2.0
 *
 * The relay moves a stream of bytes through this process between two ends, each an FTP server, an HTTP server or a
 * descriptor: for what the pump does not cover, which is http and https, pipes, and FTP to FTP without third party.
 *
 * A few buffers go round: an empty one to the source, a full one to the sink, in order. Nothing here blocks, so that a
 * silent server holds up nobody but its own operation. (globus_gass_copy does the same, but waits inside its start until
 * the source answers, and its cancelling loses ends.)
 */
#ifndef PG_RELAY_H
#define PG_RELAY_H

#include "engine.h"
#include "ftp.h"
#include "globus_ftp_client.h"

typedef struct pg_relay pg_relay;

typedef struct
{
    const char *                        url;        /* NULL: the descriptor */
    int                                 fd;         /* duplicated; a file is used from its position on */
    globus_ftp_client_operationattr_t * ftp;        /* for ftp and gsiftp; NULL else. A source must be in stream mode */
    const char *                        scheme;     /* "http" or "https"; NULL else */
    const char *                        subject;    /* https: the name that the server must have; NULL: the library's rule */
    int                                 ascii;
} pg_end;

/*
 * operation is queued when the relay has ended; it stays the caller's. start < 0: the whole source; else its bytes from start
 * to end (exclusive, -1: to the end), which arrive at the same offsets where the other end has any.
 */
globus_result_t pg_relay_start(pg_relay **out, pg_operation *operation, const pg_end *source, const pg_end *sink,
    size_t block, int64_t start, int64_t end, const pg_client *client);
/* The operation still ends by its queue, without an error of its own. */
void            pg_relay_cancel(pg_relay *relay);
/* Bytes that have reached the sink, and the length that an HTTP source has announced (0: none); any thread may ask. */
int64_t         pg_relay_bytes(pg_relay *relay);
int64_t         pg_relay_length(pg_relay *relay);
/* Only after its operation has ended. */
void            pg_relay_free(pg_relay *relay);

#endif
