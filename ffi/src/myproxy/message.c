/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* More than any credential or request has. */
#define LARGEST (4 << 20)

static int
read_all(int descriptor, void *into, size_t size)
{
    char *at = into;

    while (size > 0) {
        ssize_t got = read(descriptor, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

static void
write_all(int descriptor, const void *from, size_t size)
{
    const char *at = from;

    while (size > 0) {
        ssize_t put = write(descriptor, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            _exit(1);
        at += put;
        size -= (size_t)put;
    }
}

static char *
read_part(int descriptor, size_t *size)
{
    unsigned char head[4];
    char *part;

    if (read_all(descriptor, head, sizeof(head)) < 0)
        return NULL;
    *size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (*size > LARGEST || (part = malloc(*size + 1)) == NULL)
        return NULL;
    if (read_all(descriptor, part, *size) < 0) {
        OPENSSL_cleanse(part, *size);
        free(part);
        return NULL;
    }
    part[*size] = '\0';
    return part;
}

pg_field_t *
pg_message_read(int descriptor)
{
    pg_field_t *first = NULL, **end = &first;

    for (;;) {
        size_t size;
        char *name = read_part(descriptor, &size);
        if (name == NULL)
            break;
        if (size == 0) {
            free(name);
            return first;
        }
        *end = calloc(1, sizeof(**end));
        if (*end == NULL) {
            free(name);
            break;
        }
        (*end)->name = name;
        (*end)->value = read_part(descriptor, &(*end)->size);
        if ((*end)->value == NULL)
            break;
        end = &(*end)->next;
    }
    pg_message_free(first);
    return NULL;
}

static const pg_field_t *
find(const pg_field_t *message, const char *name)
{
    for (; message != NULL; message = message->next)
        if (strcmp(message->name, name) == 0)
            return message;
    return NULL;
}

const char *
pg_message_get(const pg_field_t *message, const char *name)
{
    const pg_field_t *found = find(message, name);
    return found ? found->value : NULL;
}

char *
pg_message_copy(const pg_field_t *message, const char *name)
{
    const char *found = pg_message_get(message, name);
    return found ? strdup(found) : NULL;
}

int
pg_message_number(const pg_field_t *message, const char *name)
{
    const char *found = pg_message_get(message, name);
    return found ? atoi(found) : 0;
}

void
pg_message_free(pg_field_t *message)
{
    while (message != NULL) {
        pg_field_t *next = message->next;
        if (message->value != NULL)
            OPENSSL_cleanse(message->value, message->size);
        free(message->value);
        free(message->name);
        free(message);
        message = next;
    }
}

static void
write_part(int descriptor, const void *part, size_t size)
{
    unsigned char head[4] = {
        (unsigned char)(size >> 24), (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size};

    write_all(descriptor, head, sizeof(head));
    write_all(descriptor, part, size);
}

void
pg_field_write(int descriptor, const char *name, const void *value, size_t size)
{
    write_part(descriptor, name, strlen(name));
    if (name[0] != '\0')
        write_part(descriptor, value, size);
}

void
pg_text_write(int descriptor, const char *name, const char *text)
{
    if (text != NULL)
        pg_field_write(descriptor, name, text, strlen(text));
}
