/* SPDX-License-Identifier: Apache-2.0 */
#include "filequeue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pg_note
{
    pg_file_record          record;
    STAILQ_ENTRY(pg_note)   link;
};

pg_file *pg_file_new(uint64_t id, const char *local, const char *remote)
{
    pg_file *file = calloc(1, sizeof *file);

    if (file == NULL)
    {
        return NULL;
    }
    file->id = id;
    file->size = -1;
    file->mode = -1;
    file->landing.fd = -1;
    file->local = strdup(local);
    file->remote = strdup(remote);
    if (file->local == NULL || file->remote == NULL)
    {
        pg_file_free(file);
        return NULL;
    }
    return file;
}

void pg_file_free(pg_file *file)
{
    pg_landing_discard(&file->landing);
    pg_digest_free(file->digest);
    free(file->local);
    free(file->remote);
    free(file->temporary);
    free(file->text);
    free(file);
}

void pg_filequeue_init(pg_filequeue *queue)
{
    pthread_condattr_t clock;

    TAILQ_INIT(&queue->added);
    STAILQ_INIT(&queue->notes);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &clock);
    pthread_condattr_destroy(&clock);
}

void pg_filequeue_destroy(pg_filequeue *queue)
{
    pg_file *   file;
    pg_note *   note;

    while ((file = TAILQ_FIRST(&queue->added)) != NULL)
    {
        TAILQ_REMOVE(&queue->added, file, link);
        pg_file_free(file);
    }
    while ((note = STAILQ_FIRST(&queue->notes)) != NULL)
    {
        STAILQ_REMOVE_HEAD(&queue->notes, link);
        free(note->record.text);
        free(note->record.remains);
        free(note);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
}

int pg_filequeue_add(pg_filequeue *queue, pg_file *file, int room)
{
    int error = 0;

    pthread_mutex_lock(&queue->mutex);
    if (queue->no_more)
    {
        error = EPIPE;
    }
    else if (queue->unreported >= room)
    {
        error = ENOBUFS;
    }
    else
    {
        queue->unreported++;
        TAILQ_INSERT_TAIL(&queue->added, file, link);
    }
    pthread_mutex_unlock(&queue->mutex);
    return error;
}

pg_file *pg_filequeue_next(pg_filequeue *queue, int *no_more)
{
    pg_file *file;

    pthread_mutex_lock(&queue->mutex);
    if ((file = TAILQ_FIRST(&queue->added)) != NULL)
    {
        TAILQ_REMOVE(&queue->added, file, link);
    }
    *no_more = queue->no_more;
    pthread_mutex_unlock(&queue->mutex);
    return file;
}

void pg_filequeue_end(pg_filequeue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->no_more = 1;
    pthread_mutex_unlock(&queue->mutex);
}

void pg_filequeue_report(pg_filequeue *queue, pg_file *file, pg_file_state state, int counted)
{
    pg_note *note = calloc(1, sizeof *note);

    if (note != NULL)
    {
        note->record.id = file->id;
        note->record.state = state;
        note->record.bytes = file->bytes;
        note->record.code = file->code;
        note->record.local_errno = file->local_errno;
        note->record.text = file->text;
        note->record.remains = file->temporary;
        file->text = NULL;
        file->temporary = NULL;
    }
    pthread_mutex_lock(&queue->mutex);
    if (note != NULL)                               /* without memory the file stays unreported: it counts as not done */
    {
        STAILQ_INSERT_TAIL(&queue->notes, note, link);
        queue->noted++;
    }
    queue->unreported -= counted;
    if (queue->noted >= queue->wanted)
    {
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->mutex);
    pg_file_free(file);
}

void pg_filequeue_close(pg_filequeue *queue)
{
    pg_file *   file;
    int         no_more;

    pg_filequeue_end(queue);
    while ((file = pg_filequeue_next(queue, &no_more)) != NULL)
    {
        pg_filequeue_report(queue, file, PG_FILE_UNTOUCHED, 1);
    }
    pthread_mutex_lock(&queue->mutex);
    queue->over = 1;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

int pg_filequeue_is_over(pg_filequeue *queue)
{
    int over;

    pthread_mutex_lock(&queue->mutex);
    over = queue->over;
    pthread_mutex_unlock(&queue->mutex);
    return over;
}

int pg_filequeue_take(pg_filequeue *queue, pg_file_record *records, int count)
{
    pg_note *   note;
    int         taken = 0;

    pthread_mutex_lock(&queue->mutex);
    while (taken < count && (note = STAILQ_FIRST(&queue->notes)) != NULL)
    {
        STAILQ_REMOVE_HEAD(&queue->notes, link);
        queue->noted--;
        records[taken++] = note->record;
        free(note);
    }
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

void pg_filequeue_wait(pg_filequeue *queue, double seconds, int records)
{
    struct timespec until;
    int             error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t) seconds;
    until.tv_nsec += (long) ((seconds - (double) (time_t) seconds) * 1e9);
    if (until.tv_nsec >= 1000000000)
    {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&queue->mutex);
    queue->wanted = records;
    while (error == 0 && queue->noted < records && !queue->over)
    {
        error = pthread_cond_timedwait(&queue->changed, &queue->mutex, &until);
    }
    pthread_mutex_unlock(&queue->mutex);
}

int pg_filequeue_room(pg_filequeue *queue, int room)
{
    int left;

    pthread_mutex_lock(&queue->mutex);
    left = queue->no_more ? 0 : room - queue->unreported;
    pthread_mutex_unlock(&queue->mutex);
    return left;
}
