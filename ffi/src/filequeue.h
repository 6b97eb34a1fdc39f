/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the threads of a pipeline meet: files that were added and not begun, and records of files that have ended. Any thread
 * may call any of these.
 */
#ifndef PG_FILEQUEUE_H
#define PG_FILEQUEUE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>

#include "digest.h"
#include "landing.h"

typedef enum
{
    PG_FILE_DONE,
    PG_FILE_FAILED,         /* code and text: the server's reply; local_errno: ours */
    PG_FILE_BEGUN,          /* get: nothing of it is here; put: there may be remains, or the whole of it under its name */
    PG_FILE_UNTOUCHED
} pg_file_state;

typedef struct
{
    uint64_t    id;
    int         state;
    int64_t     bytes;
    int         code;
    int         local_errno;
    char *      text;           /* of the reply, or the checksum of a file that is done; malloc'ed: whoever takes the record frees it */
    char *      remains;        /* the same: a name at the server under which a part of the file may be left */
} pg_file_record;

typedef struct pg_file pg_file;
TAILQ_HEAD(pg_files, pg_file);

/* A file from when it is added until its record is made. */
struct pg_file
{
    struct pg_pipeline *    pipeline;
    uint64_t                id;
    char *                  local;
    char *                  remote;
    int64_t                 size;           /* get: bytes that must come, -1: any */
    int                     fresh;          /* put: there is known to be nothing of its name */
    pg_landing              landing;
    char *                  temporary;      /* put: its name at the server until it is whole */
    int                     mode;           /* put: mode bits of what it replaces, -1: nothing */
    int64_t                 bytes;
    struct pg_files *       list;           /* that it is in, or NULL */
    int                     under_way;      /* its data has neither been confirmed nor refused */
    pg_digest *             digest;         /* of what has moved; NULL: nobody asks */
    int                     verified;       /* the server has told its checksum, or refused to */
    int                     welcome;        /* the server has opened it: 150 or 125 */
    int                     moved;          /* all data is out, or in */
    int                     confirmed;      /* the final reply was 2xx */
    int                     awaited;        /* commands whose last reply is still to come */
    int                     code;           /* of the reply that refused it, or 0 */
    int                     local_errno;    /* why it will not be done, or 0 */
    char *                  text;
    TAILQ_ENTRY(pg_file)    link;
};

typedef struct pg_note pg_note;
STAILQ_HEAD(pg_notes, pg_note);

typedef struct
{
    pthread_mutex_t     mutex;
    pthread_cond_t      changed;
    struct pg_files     added;
    struct pg_notes     notes;
    int                 noted;          /* how many those are */
    int                 wanted;         /* how many somebody waits for */
    int                 unreported;
    int                 no_more;
    int                 over;
} pg_filequeue;

/* NULL: no memory. */
pg_file *   pg_file_new(uint64_t id, const char *local, const char *remote);
void        pg_file_free(pg_file *file);

void        pg_filequeue_init(pg_filequeue *queue);
/* With all that is still in it. */
void        pg_filequeue_destroy(pg_filequeue *queue);

/* 0, EPIPE after the end, or ENOBUFS with room for so many files only: then the file stays the caller's. */
int         pg_filequeue_add(pg_filequeue *queue, pg_file *file, int room);
/* The next one, which is then the caller's; NULL: there is none, and *no_more tells if there will be one. */
pg_file *   pg_filequeue_next(pg_filequeue *queue, int *no_more);
void        pg_filequeue_end(pg_filequeue *queue);

/* Make the file's record and free it. counted: it has been added. */
void        pg_filequeue_report(pg_filequeue *queue, pg_file *file, pg_file_state state, int counted);
/* Report what was not begun, and wake who waits for good. */
void        pg_filequeue_close(pg_filequeue *queue);
int         pg_filequeue_is_over(pg_filequeue *queue);

int         pg_filequeue_take(pg_filequeue *queue, pg_file_record *records, int count);
/* Until there are so many records to take, or the queue is closed, or the time is over. */
void        pg_filequeue_wait(pg_filequeue *queue, double seconds, int records);
/* How many more files there is room for, of so many; 0 after the end. */
int         pg_filequeue_room(pg_filequeue *queue, int room);

#endif
