/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that writes blocks to a file, so that the engine's thread receives the next ones meanwhile: a write may have to
 * wait for memory or a disk. Blocks are written in the order in which they are handed over, each at its own position.
 */
#ifndef PG_WRITER_H
#define PG_WRITER_H

#include <stddef.h>
#include <stdint.h>

typedef struct pg_writer pg_writer;

/* A block is back, in the engine's thread. error: 0 if all of it is in the file, else an errno value. */
typedef void (*pg_written)(void *arg, unsigned char *buffer, size_t length, int64_t position, int error);

/* fd stays the caller's, and open until pg_writer_free(). NULL: no memory, or no thread (errno). */
pg_writer *     pg_writer_new(int fd, pg_written written, void *arg);
/* Hand over a block, which belongs to the writer until it is back. Not 0: an errno value, and it is not taken. */
int             pg_writer_write(pg_writer *writer, unsigned char *buffer, size_t length, int64_t position);
/* What waits comes back unwritten, with ECANCELED; a write that is under way is finished. */
void            pg_writer_stop(pg_writer *writer);
/* Only when all blocks are back. */
void            pg_writer_free(pg_writer *writer);

#endif
