/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole blocks to and from a local file, whatever interrupts the system calls; and all that was written, to the disk.
 */
#ifndef PG_LOCALFILE_H
#define PG_LOCALFILE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Memory for so many blocks, to be freed. It begins with a page, as the pages of a file do: some processors (AMD's Zen 3 and
 * 4) copy three times slower to an address that is a few bytes further into its page than the source is, which is where
 * malloc() puts what is large. NULL: errno.
 */
unsigned char * pg_blocks(size_t block, int count);
/* How many bytes were read, fewer than wanted only at the end of the file; -1: errno. */
ssize_t pg_read_at(int fd, unsigned char *buffer, size_t want, int64_t offset);
/* 0, or -1: errno. */
int     pg_write_at(int fd, const unsigned char *buffer, size_t length, int64_t offset);
/* Write out the whole file system that fd is on, as syncfs(2). 0, or -1: errno. */
int     pg_sync_system(int fd);

#endif
