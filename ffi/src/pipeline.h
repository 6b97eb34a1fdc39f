/* SPDX-License-Identifier: Apache-2.0
 *
 * Many files, one after the other, over one control connection and one data channel, without a round trip for each.
 *
 * STOR or RETR commands go out ahead of their replies, up to a depth, which grows with the round trip; data moves for one file
 * at a time, in order, and only that file is open; replies are matched in order. A file is done only when the server has confirmed it (226), its data has gone out, or come in, up to
 * the MODE E end of file, and it has got its name.
 *
 * A file is put under a temporary name beside its own (temporary.h) and renamed when it is whole. Unless nothing can be there
 * (fresh), its name is looked at before, ahead as well: what is no regular file, belongs to another account than ours, or
 * may not be read by all (its temporary might be), must be written in place, which is not done here. Mode bits are kept. (A
 * symbolic link that leads nowhere looks to MLST like nothing, and is replaced.)
 *
 * With a checksum, what passes is digested as it passes. When a file has arrived the server is asked for its own (CKSM), ahead of
 * other files as all is; only where they agree does the file get its name. Else it fails with EILSEQ, and nothing of it stays.
 *
 * Servers keep the data channel when they refuse a file, and take what is in it for the next one. So data goes ahead of the
 * server's word (150) only if that is asked for, of servers that are known (pg_control_keeps_channel()), and a file refused
 * after its data has gone spoils the pipeline: nothing of what follows gets its name; the remains are deleted, and it ends.
 * One that is refused before its data moved fails alone. All else ends the pipeline: the file is reported with the reply,
 * those whose commands were out as begun, the others as untouched.
 *
 * pg_pipeline_open(), _abandon(), _feed(), _stop() and _cancel() belong to the engine's thread; any thread may call the others.
 */
#ifndef PG_PIPELINE_H
#define PG_PIPELINE_H

#include "control.h"
#include "engine.h"
#include "filequeue.h"

/* More commands would be more than a server should have to keep for us. */
#define PG_PIPELINE_MAX_DEPTH 512
/* Files that have been added and not reported yet. */
#define PG_PIPELINE_ROOM 4096

typedef struct pg_pipeline pg_pipeline;

/*
 * depth: commands that are out ahead; on a far server more, up to deepest. ahead: data need not wait for the server's word.
 * key: of temporary names (temporary.h). checksum: an algorithm (digest.h) that both ends must agree by, or NULL. NULL: no
 * memory.
 */
pg_pipeline *   pg_pipeline_new(const pg_control_options *options, int depth, int deepest, size_t block, int ahead,
    uint64_t key, const char *checksum);
/* The operation is queued when the pipeline has ended; it stays the caller's. */
void            pg_pipeline_open(pg_pipeline *pipeline, pg_operation *operation);
/* One that was never opened ends here. */
void            pg_pipeline_abandon(pg_pipeline *pipeline);
/* One that was opened and has not ended is left as it is. */
void            pg_pipeline_free(pg_pipeline *pipeline);

/*
 * size: bytes that must come, if files are received; -1: any. fresh: nothing can be under this name at the server.
 * 0, and there will be a record; or ENOBUFS (no room), ENOMEM. A name that no command can carry is a file that fails with
 * EINVAL, one that came in another size with EBADMSG, and one that must be written or read in place with EOPNOTSUPP, also
 * where a reply tells that its temporary name cannot be.
 */
int             pg_pipeline_add(pg_pipeline *pipeline, uint64_t id, const char *local, const char *remote, int64_t size,
    int fresh);
/* No more will be added: end when all is done. */
void            pg_pipeline_end(pg_pipeline *pipeline);
/* Look at what was added, or that no more will be. */
void            pg_pipeline_feed(pg_pipeline *pipeline);
/* Put: begin nothing more, delete what is not whole, and end. Get: the same as cancel. */
void            pg_pipeline_stop(pg_pipeline *pipeline);
/* End at once. */
void            pg_pipeline_cancel(pg_pipeline *pipeline);

int             pg_pipeline_take(pg_pipeline *pipeline, pg_file_record *records, int count);
/* Until there are so many records to take, or the pipeline has ended, or the time is over. */
void            pg_pipeline_wait(pg_pipeline *pipeline, double seconds, int records);
int             pg_pipeline_room(pg_pipeline *pipeline);
int64_t         pg_pipeline_bytes(pg_pipeline *pipeline);

/* After the end. A reply that refused the connection or a file: its code and text, or 0. */
int             pg_pipeline_code(pg_pipeline *pipeline);
const char *    pg_pipeline_text(pg_pipeline *pipeline);
/* The server lacks what a pipeline needs: MODE E, DCSC, renaming, checksums if they are asked for. */
int             pg_pipeline_unsupported(pg_pipeline *pipeline);
/* A file was refused after its data had gone ahead: without that, the others may go on. */
int             pg_pipeline_spoiled(pg_pipeline *pipeline);

#endif
