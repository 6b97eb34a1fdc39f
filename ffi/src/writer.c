/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "engine.h"
#include "localfile.h"

typedef struct pg_block pg_block;
struct pg_block
{
    pg_job              job;            /* first: it is the block, on its way back */
    pg_block *          next;
    pg_writer *         writer;
    unsigned char *     buffer;
    size_t              length;
    int64_t             position;
    int                 error;
};

struct pg_writer
{
    int                 fd;
    pg_written          written;
    void *              arg;
    atomic_int          stopped;
    pthread_t           thread;
    pthread_mutex_t     gate;           /* of what follows */
    pthread_cond_t      changed;
    pg_block *          first;
    pg_block **         last;
    int                 ending;
};

static void pg_back(pg_job *job)
{
    pg_block *block = (pg_block *) job;

    block->writer->written(block->writer->arg, block->buffer, block->length, block->position, block->error);
    free(block);
}

/* The next block, or NULL when there will be none. */
static pg_block *pg_next(pg_writer *writer)
{
    pg_block *block;

    pthread_mutex_lock(&writer->gate);
    while (writer->first == NULL && !writer->ending)
    {
        pthread_cond_wait(&writer->changed, &writer->gate);
    }
    if ((block = writer->first) != NULL && (writer->first = block->next) == NULL)
    {
        writer->last = &writer->first;
    }
    pthread_mutex_unlock(&writer->gate);
    return block;
}

static void *pg_write_all(void *arg)
{
    pg_writer * writer = arg;
    pg_block *  block;

    while ((block = pg_next(writer)) != NULL)
    {
        block->error = ECANCELED;
        if (!atomic_load(&writer->stopped))
        {
            block->error = pg_write_at(writer->fd, block->buffer, block->length, block->position) == 0 ? 0 : errno;
        }
        if (pg_engine_hand(&block->job) != 0)
        {
            free(block);                /* the engine is closed: nobody waits for it */
        }
    }
    return NULL;
}

/* Signals are for the threads of Python. */
static int pg_start(pg_writer *writer)
{
    sigset_t    all, before;
    int         error;

    sigfillset(&all);
    if ((error = pthread_sigmask(SIG_SETMASK, &all, &before)) == 0)
    {
        error = pthread_create(&writer->thread, NULL, pg_write_all, writer);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return error;
}

pg_writer *pg_writer_new(int fd, pg_written written, void *arg)
{
    pg_writer * writer = calloc(1, sizeof *writer);
    int         error;

    if (writer == NULL)
    {
        return NULL;
    }
    writer->fd = fd;
    writer->written = written;
    writer->arg = arg;
    writer->last = &writer->first;
    pthread_mutex_init(&writer->gate, NULL);
    pthread_cond_init(&writer->changed, NULL);
    if ((error = pg_start(writer)) != 0)
    {
        pthread_cond_destroy(&writer->changed);
        pthread_mutex_destroy(&writer->gate);
        free(writer);
        errno = error;
        return NULL;
    }
    return writer;
}

int pg_writer_write(pg_writer *writer, unsigned char *buffer, size_t length, int64_t position)
{
    pg_block *block = calloc(1, sizeof *block);

    if (block == NULL)
    {
        return ENOMEM;
    }
    block->job.run = pg_back;
    block->writer = writer;
    block->buffer = buffer;
    block->length = length;
    block->position = position;
    pthread_mutex_lock(&writer->gate);
    *writer->last = block;
    writer->last = &block->next;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->gate);
    return 0;
}

void pg_writer_stop(pg_writer *writer)
{
    atomic_store(&writer->stopped, 1);
}

void pg_writer_free(pg_writer *writer)
{
    pthread_mutex_lock(&writer->gate);
    writer->ending = 1;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->gate);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->gate);
    free(writer);
}
