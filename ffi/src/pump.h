/* SPDX-License-Identifier: Apache-2.0
 *
 * The pump moves bytes between one local file and one channel (channel.h) without leaving C.
 *
 * A few buffers are under way at once. Each that comes back is written to the file, or filled with its next block, at its
 * own offset (MODE E delivers out of order), and handed over again. Of a long download, a thread writes the file while the
 * next blocks come (writer.h). The pump owns a duplicate of the descriptor until the channel has ended and all is written,
 * so that the caller may close its own at any time.
 */
#ifndef PG_PUMP_H
#define PG_PUMP_H

#include "channel.h"

/* A server that scatters its blocks into more ranges than this has some left out. */
#define PG_RANGES 65536

typedef struct pg_pump pg_pump;

/* NULL: no memory, no descriptor left, or no buffers asked for (errno). operation is queued when the pump has ended; it
   stays the caller's. */
pg_pump *       pg_pump_new(pg_operation *operation, pg_ftp *ftp, int fd, size_t block, int blocks);
/* Only after its operation has ended, or when the start failed. */
void            pg_pump_free(pg_pump *pump);

/* Send the file from start to end (exclusive; -1: to its end). partial: as a part of the remote file at these offsets. */
globus_result_t pg_pump_put(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial);
/* Before the put: leave these ranges out (count pairs of start and end, in order, apart); the restart marker tells the server.
   Returns 0, or -1 for no memory. */
int             pg_pump_skip(pg_pump *pump, const int64_t *pairs, int count);
/* Receive into the file, each byte at its remote offset less shift. */
globus_result_t pg_pump_get(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial, int64_t shift);
/* From now on neither read nor write the file, and end the transfer early. */
globus_result_t pg_pump_abort(pg_pump *pump);

/* Bytes moved so far; any thread may ask. */
int64_t         pg_pump_bytes(pg_pump *pump);
/* Received ranges in order, merged: fills at most count pairs of start and end, returns how many there are. */
int             pg_pump_ranges(pg_pump *pump, int64_t *pairs, int count);

#endif
