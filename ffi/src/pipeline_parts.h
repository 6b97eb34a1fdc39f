/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files share that make up a pipeline: pipeline.c (its life, and files on their way), upload.c and download.c (the
 * commands for a file, and its name), verify.c (its checksum), stream.c (its data).
 *
 * A file is in one list: of those whose names are looked at, or of those whose STOR or RETR is out, in that order. It leaves by
 * pg_pipeline_finish(), which must wait until no reply to it is awaited and its data does not move.
 */
#ifndef PG_PIPELINE_PARTS_H
#define PG_PIPELINE_PARTS_H

#include <stdatomic.h>

#include "pipeline.h"

struct pg_pipeline
{
    pg_operation *      operation;
    pg_control *        control;
    pg_filequeue        queue;
    int                 receive;
    int                 depth;
    int                 deepest;
    int                 ahead;
    uint64_t            key;            /* of temporary names; 0: none */
    char *              checksum;       /* the algorithm by which files are verified, or NULL */
    int                 ready;
    int                 draining;       /* nothing begins, and nothing gets its name */
    int                 spoiled;
    int                 unsupported;
    int                 quitting;
    int                 closed;
    struct pg_files     looked_at;
    struct pg_files     asked;
    int                 begun;          /* files in these two */
    int                 under_way;      /* files whose data has not been confirmed or refused */
    int                 awaited;        /* commands whose last reply is still to come */
    int                 renamed;        /* files that got their names */
    int                 unnamed;        /* files that did not */
    globus_callback_handle_t timer;
    int                 timed;

    unsigned char *     buffer;
    size_t              block;
    pg_file *           turn;           /* its data moves, or will be the next to move; NULL: that of the next command */
    pg_file *           landed;         /* its data has moved, and pg_next_turn() is still to come */
    int                 connected;      /* the data channel is set for the next file */
    int                 moving;         /* a buffer is with the library */
    int                 drained;        /* put: only the end of file is left to send */
    int                 ending;         /* put: it is being sent */
    int                 data_failed;
    globus_object_t *   data_error;
    _Atomic int64_t     bytes;
};

/* pipeline.c */
/* Do what can be done now. */
void    pg_pipeline_go_on(pg_pipeline *pipeline);
/* Send a command for a file; each reply reaches callback, with the file as its argument. */
void    pg_pipeline_ask(pg_file *file, const char *verb, const char *argument, globus_ftp_control_response_callback_t callback);
/* First in each callback. 1: it was the last reply to the command; 0: not yet; -1: there is nothing to be done with it. */
int     pg_pipeline_replied(pg_file *file, globus_object_t *error, globus_ftp_control_response_t *response);
/* Keep the reply that refused a file, unless one did already. */
void    pg_pipeline_note_refusal(pg_file *file, const globus_ftp_control_response_t *response);
/* Act on the reply to STOR or RETR. */
void    pg_pipeline_moved_reply(pg_file *file, globus_object_t *error, globus_ftp_control_response_t *response);
/* The file goes to the end of this list, and counts as under way until pg_pipeline_settle() at the latest. */
void    pg_pipeline_enter(pg_file *file, struct pg_files *list);
void    pg_pipeline_settle(pg_file *file);
void    pg_pipeline_finish(pg_file *file, pg_file_state state);
void    pg_pipeline_fail_text(pg_pipeline *pipeline, const char *text);
/* Close after so many milliseconds. */
void    pg_pipeline_close_in(pg_pipeline *pipeline, int milliseconds);
/* The connection is gone, and nothing of it is left. */
void    pg_pipeline_closed(void *pipeline);

/*
 * upload.c, download.c: begin with a file that was taken from the queue; open it when its data is about to move; go on when
 * that has arrived.
 */
void    pg_upload_begin(pg_file *file);
void    pg_upload_lift(pg_file *file);
void    pg_upload_arrived(pg_file *file);
void    pg_download_begin(pg_file *file);
void    pg_download_land(pg_file *file);
void    pg_download_arrived(pg_file *file);

/*
 * verify.c: ask the server for the checksum of what lies under this path, if the file is to be verified and has not been. 1: it
 * was asked, and pg_upload_arrived() or pg_download_arrived() comes again; 0: there is nothing to wait for.
 */
int     pg_verify_begins(pg_file *file, const char *path);

/* stream.c: move what can be moved; the file will move no data (any more). */
void    pg_stream_go_on(pg_pipeline *pipeline);
void    pg_stream_skip(pg_file *file);
/* Whether data of the file is with the library; or has been; or its end has. */
int     pg_stream_holds(const pg_file *file);
int     pg_stream_has_sent(const pg_file *file);
int     pg_stream_has_ended(const pg_file *file);

#endif
