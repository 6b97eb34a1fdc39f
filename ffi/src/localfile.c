/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* syncfs() */
#include "localfile.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define PG_PAGE 4096

unsigned char *pg_blocks(size_t block, int count)
{
    void *memory = NULL;

    errno = block == 0 || count <= 0 || block > SIZE_MAX / (size_t) count
        ? EINVAL : posix_memalign(&memory, PG_PAGE, block * (size_t) count);
    return memory;
}

ssize_t pg_read_at(int fd, unsigned char *buffer, size_t want, int64_t offset)
{
    size_t have = 0;

    while (have < want)
    {
        ssize_t n = pread(fd, buffer + have, want - have, (off_t) (offset + (int64_t) have));

        if (n == 0)
        {
            break;
        }
        if (n > 0)
        {
            have += (size_t) n;
        }
        else if (errno != EINTR)
        {
            return -1;
        }
    }
    return (ssize_t) have;
}

int pg_write_at(int fd, const unsigned char *buffer, size_t length, int64_t offset)
{
    while (length > 0)
    {
        ssize_t n = pwrite(fd, buffer, length, (off_t) offset);

        if (n > 0)
        {
            buffer += n;
            offset += n;
            length -= (size_t) n;
        }
        else if (n == 0 || errno != EINTR)
        {
            errno = n == 0 ? EIO : errno;
            return -1;
        }
    }
    return 0;
}

int pg_sync_system(int fd)
{
    return syncfs(fd);
}
