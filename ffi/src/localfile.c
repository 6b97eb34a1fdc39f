/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* syncfs() */
#include "localfile.h"

#include <errno.h>
#include <unistd.h>

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
