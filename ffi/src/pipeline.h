/* SPDX-License-Identifier: Apache-2.0
 *
 * Many files, one after the other, over one control connection and one data channel, without a round trip for each.
 *
 * STOR or RETR commands go out ahead of their replies, up to a depth; data moves for one file at a time, in order; replies
 * are matched in order. A file's data moves once the server has opened it (150 or 125), and the file is done only when the
 * server has confirmed it (226) and its data has gone out, or come in, up to the MODE E end of file.
 *
 * Data is never sent ahead of that: servers keep the data channel when they refuse a file, and take what is in it for the next
 * one, under a wrong name. A file that is refused before it was opened fails alone if the server is known to keep the channel
 * (pg_control_keeps_channel()), as one does whose local end cannot be opened. All else ends the pipeline: the file is reported
 * with the reply, those whose commands were out as begun, the others as untouched.
 *
 * pg_pipeline_open(), _abandon(), _feed() and _cancel() belong to the engine's thread; any thread may call the others.
 */
#ifndef PG_PIPELINE_H
#define PG_PIPELINE_H

#include "control.h"
#include "engine.h"

/* More commands under way would hold more local files open than the process can afford. */
#define PG_PIPELINE_MAX_DEPTH 128
/* Files that have been added and not reported yet. */
#define PG_PIPELINE_ROOM 4096

typedef struct pg_pipeline pg_pipeline;

typedef enum
{
    PG_FILE_DONE,
    PG_FILE_FAILED,         /* code and text: the server's reply; local_errno: ours; neither: see the operation's error */
    PG_FILE_BEGUN,          /* its command was out: at the destination there may be nothing, a part or the whole of it */
    PG_FILE_UNTOUCHED
} pg_file_state;

typedef struct
{
    uint64_t    id;
    int         state;
    int64_t     bytes;
    int         code;
    int         local_errno;
    char *      text;           /* malloc'ed, or NULL: whoever takes the record frees it */
} pg_file_record;

/* NULL: no memory. */
pg_pipeline *   pg_pipeline_new(const pg_control_options *options, int depth, size_t block);
/* The operation is queued when the pipeline has ended; it stays the caller's. */
void            pg_pipeline_open(pg_pipeline *pipeline, pg_operation *operation);
/* One that was never opened ends here. */
void            pg_pipeline_abandon(pg_pipeline *pipeline);
/* One that was opened and has not ended is left as it is. */
void            pg_pipeline_free(pg_pipeline *pipeline);

/* 0, and there will be a record; or ENOBUFS (no room), ENOMEM. A name that no command can carry is a file that fails with EINVAL. */
int             pg_pipeline_add(pg_pipeline *pipeline, uint64_t id, const char *local, const char *remote);
/* No more will be added: end when all is done. */
void            pg_pipeline_end(pg_pipeline *pipeline);
/* Look at what was added, or that no more will be. */
void            pg_pipeline_feed(pg_pipeline *pipeline);
void            pg_pipeline_cancel(pg_pipeline *pipeline);

int             pg_pipeline_take(pg_pipeline *pipeline, pg_file_record *records, int count);
/* Until there is a record to take, or the pipeline has ended, or the time is over. */
void            pg_pipeline_wait(pg_pipeline *pipeline, double seconds);
int             pg_pipeline_room(pg_pipeline *pipeline);
int64_t         pg_pipeline_bytes(pg_pipeline *pipeline);

/* After the end. A reply that refused the connection or a file: its code and text, or 0. */
int             pg_pipeline_code(pg_pipeline *pipeline);
const char *    pg_pipeline_text(pg_pipeline *pipeline);
int             pg_pipeline_unsupported(pg_pipeline *pipeline);

#endif
