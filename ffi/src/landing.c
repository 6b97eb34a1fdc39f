/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* getentropy() */
#include "landing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name is cut so that the temporary one is not longer than a directory takes (255 bytes). */
#define PG_MAX_STEM 200

int pg_landing_read(pg_landing *landing, const char *path)
{
    struct stat status;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int         error = 0;

    if (fd < 0)
    {
        return errno;
    }
    if (fstat(fd, &status) != 0)
    {
        error = errno;
    }
    else if (!S_ISREG(status.st_mode))
    {
        error = S_ISDIR(status.st_mode) ? EISDIR : EOPNOTSUPP;
    }
    if (error != 0)
    {
        close(fd);
        return error;
    }
    landing->fd = fd;
    landing->size = (int64_t) status.st_size;
    return 0;
}

int pg_landing_write(pg_landing *landing, const char *path)
{
    const char *    slash = strrchr(path, '/');
    const char *    name = slash != NULL ? slash + 1 : path;
    size_t          room = strlen(path) + 32;
    struct stat     status;
    uint32_t        salt;
    int             exists = lstat(path, &status) == 0;
    mode_t          mode = exists ? status.st_mode & 07777 : 0666;

    if (!exists && errno != ENOENT)
    {
        return errno;
    }
    if (*name == '\0' || (exists && S_ISDIR(status.st_mode)))
    {
        return EISDIR;
    }
    if (exists && (!S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != geteuid()))
    {
        return EOPNOTSUPP;
    }
    if ((exists && access(path, W_OK) != 0) || getentropy(&salt, sizeof salt) != 0)
    {
        return errno;
    }
    if ((landing->temporary = malloc(room)) == NULL)
    {
        return ENOMEM;
    }
    snprintf(landing->temporary, room, "%.*s.%.*s.%08x.part", (int) (name - path), path, PG_MAX_STEM, name, (unsigned) salt);
    landing->fd = open(landing->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    if (landing->fd < 0)
    {
        int error = errno;

        free(landing->temporary);
        landing->temporary = NULL;
        return error;
    }
    if (exists && fchmod(landing->fd, mode) != 0)
    {
        int error = errno;

        pg_landing_discard(landing);
        return error;
    }
    return 0;
}

int pg_landing_commit(pg_landing *landing, const char *path)
{
    int error = 0;

    if (close(landing->fd) != 0)
    {
        error = errno;
    }
    landing->fd = -1;
    if (landing->temporary != NULL)
    {
        if (error == 0 && rename(landing->temporary, path) != 0)
        {
            error = errno;
        }
        if (error == 0)
        {
            free(landing->temporary);
            landing->temporary = NULL;
        }
    }
    pg_landing_discard(landing);
    return error;
}

void pg_landing_discard(pg_landing *landing)
{
    if (landing->fd >= 0)
    {
        close(landing->fd);
        landing->fd = -1;
    }
    if (landing->temporary != NULL)
    {
        unlink(landing->temporary);
        free(landing->temporary);
        landing->temporary = NULL;
    }
}
