/* SPDX-License-Identifier: Apache-2.0
 *
 * The local file at one end of a pipelined transfer: a source, or a destination that appears under its name only when whole.
 */
#ifndef PG_LANDING_H
#define PG_LANDING_H

#include <stdint.h>

typedef struct
{
    int         fd;             /* -1: not open */
    int64_t     size;           /* source: bytes when it was opened; destination: bytes that it must have, -1: any */
    char *      temporary;      /* destination: its name until it is whole */
} pg_landing;

/* Whether this is, as far as can be told without opening it, a regular file that may be read. 0 or an errno value. */
int     pg_landing_is_readable(const char *path);
/* A regular file to read from. 0 or an errno value. */
int     pg_landing_read(pg_landing *landing, const char *path);
/*
 * A temporary file beside path, which must not exist or be a regular file of the user's with one link, whose mode bits and
 * group it gets. Its name is made of key (temporary.h): then what a process that was killed has left under it is gone. 0 or an
 * errno value; EOPNOTSUPP: path is something that must be written in place.
 */
int     pg_landing_write(pg_landing *landing, const char *path, int64_t size, uint64_t key);
/* Close, and let it appear if it has the size that it must have: else EBADMSG. 0 or an errno value; then nothing is left. */
int     pg_landing_commit(pg_landing *landing, const char *path);
/* Close, and leave nothing behind. */
void    pg_landing_discard(pg_landing *landing);

#endif
