/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* getentropy() */
#include "temporary.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes. The name is cut so that the temporary one is not longer than a directory takes (255). */
#define PG_MAX_STEM 200
#define PG_ADDED sizeof "..XXXXXXXX.part"

/* FNV-1a, begun with the key. */
static uint32_t pg_digits(const char *path, uint64_t key)
{
    uint64_t hash = key;

    while (*path != '\0')
    {
        hash = (hash ^ (unsigned char) *path++) * UINT64_C(0x100000001b3);
    }
    return (uint32_t) (hash ^ hash >> 32);
}

char *pg_temporary_name(const char *path, uint64_t key)
{
    const char *    slash = strrchr(path, '/');
    const char *    name = slash != NULL ? slash + 1 : path;
    size_t          stem = strlen(name);
    size_t          room = (size_t) (name - path) + PG_MAX_STEM + PG_ADDED;
    uint32_t        salt = pg_digits(path, key);
    char *          made;

    if (stem == 0)
    {
        errno = EISDIR;
        return NULL;
    }
    if (stem > PG_MAX_STEM)
    {
        stem = PG_MAX_STEM;
        while (stem > PG_MAX_STEM - 4 && (name[stem] & 0xC0) == 0x80)      /* not within a character of UTF-8 */
        {
            stem--;
        }
    }
    if ((key == 0 && getentropy(&salt, sizeof salt) != 0) || (made = malloc(room)) == NULL)
    {
        return NULL;
    }
    snprintf(made, room, "%.*s.%.*s.%08x.part", (int) (name - path), path, (int) stem, name, (unsigned) salt);
    return made;
}
