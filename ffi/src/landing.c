/* SPDX-License-Identifier: Apache-2.0 */
#include "landing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary.h"

static int pg_not_regular(const struct stat *status)
{
    return S_ISREG(status->st_mode) ? 0 : S_ISDIR(status->st_mode) ? EISDIR : EOPNOTSUPP;
}

int pg_landing_is_readable(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0 || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) != 0)
    {
        return errno;
    }
    return pg_not_regular(&status);
}

int pg_landing_read(pg_landing *landing, const char *path)
{
    struct stat status;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int         error = 0;

    if (fd < 0)
    {
        return errno;
    }
    if ((error = fstat(fd, &status) != 0 ? errno : pg_not_regular(&status)) != 0)
    {
        close(fd);
        return error;
    }
    landing->fd = fd;
    landing->size = (int64_t) status.st_size;
    return 0;
}

/* Mode bits and group of the file that is replaced. */
static int pg_take_after(int fd, const struct stat *status)
{
    struct stat own;

    if (fstat(fd, &own) != 0)
    {
        return errno;
    }
    if (own.st_gid != status->st_gid && fchown(fd, (uid_t) -1, status->st_gid) != 0)
    {
        return errno == EPERM ? EOPNOTSUPP : errno;
    }
    return fchmod(fd, status->st_mode & 07777) != 0 ? errno : 0;
}

int pg_landing_write(pg_landing *landing, const char *path, int64_t size, uint64_t key)
{
    struct stat status;
    int         error = 0;
    int         exists = lstat(path, &status) == 0;

    if (!exists && errno != ENOENT)
    {
        return errno;
    }
    if (exists && S_ISDIR(status.st_mode))
    {
        return EISDIR;
    }
    if (exists && (!S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != geteuid()))
    {
        return EOPNOTSUPP;
    }
    if ((exists && access(path, W_OK) != 0) || (landing->temporary = pg_temporary_name(path, key)) == NULL)
    {
        return errno;
    }
    landing->size = size;
    if (key != 0)
    {
        unlink(landing->temporary);
    }
    landing->fd = open(landing->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, exists ? status.st_mode & 0777 : 0666);
    if (landing->fd < 0)
    {
        error = exists && errno == EACCES ? EOPNOTSUPP : errno;         /* only the directory forbids it */
        free(landing->temporary);
        landing->temporary = NULL;
    }
    else if (exists && (error = pg_take_after(landing->fd, &status)) != 0)
    {
        pg_landing_discard(landing);
    }
    return error;
}

int pg_landing_commit(pg_landing *landing, const char *path)
{
    struct stat status;
    int         error = 0;

    if (landing->size >= 0 && fstat(landing->fd, &status) != 0)
    {
        error = errno;
    }
    else if (landing->size >= 0 && (int64_t) status.st_size != landing->size)
    {
        error = EBADMSG;
    }
    if (close(landing->fd) != 0 && error == 0)
    {
        error = errno;
    }
    landing->fd = -1;
    if (error == 0 && rename(landing->temporary, path) != 0)
    {
        error = errno;
    }
    if (error == 0)
    {
        free(landing->temporary);
        landing->temporary = NULL;
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
