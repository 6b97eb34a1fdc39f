/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between this program and the process that has started it: fields, each a name and a value, both with their
 * length (four bytes, big-endian) before them; an empty name ends a message. Values may hold anything.
 */

#ifndef PYGLOBUS_MYPROXY_MESSAGE_H
#define PYGLOBUS_MYPROXY_MESSAGE_H

#include <stddef.h>

typedef struct pg_field {
    struct pg_field *next;
    char *name;
    char *value; /* a NUL follows it */
    size_t size;
} pg_field_t;

/* The fields of the next message; NULL at the end of the input, and if it is none. */
pg_field_t *pg_message_read(int descriptor);

/* The value of a field, NULL if there is none. It is the message's. */
const char *pg_message_get(const pg_field_t *message, const char *name);

/* A copy that free() frees, NULL if there is no such field. */
char *pg_message_copy(const pg_field_t *message, const char *name);

int pg_message_number(const pg_field_t *message, const char *name);

/* Free a message, with all that it held overwritten. */
void pg_message_free(pg_field_t *message);

/* Write a field, or (name "") the end of a message. The program ends if nobody reads. */
void pg_field_write(int descriptor, const char *name, const void *value, size_t size);

/* The same for a string; nothing for NULL. */
void pg_text_write(int descriptor, const char *name, const char *text);

#endif
