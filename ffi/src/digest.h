/* SPDX-License-Identifier: Apache-2.0
 *
 * A running checksum, by the names that CKSM has for them (GFD.47): MD5, ADLER32, SHA1, SHA256, SHA512.
 */
#ifndef PG_DIGEST_H
#define PG_DIGEST_H

#include <stddef.h>

/* Hexadecimal digits of the longest, and the NUL. */
#define PG_DIGEST_ROOM 129

typedef struct pg_digest pg_digest;

/* NULL: no memory, or the name is not known; case does not matter. */
pg_digest * pg_digest_new(const char *algorithm);
void        pg_digest_update(pg_digest *digest, const void *data, size_t length);
/* The checksum in lower-case hexadecimal, once, when all is in. 0, or -1. */
int         pg_digest_end(pg_digest *digest, char text[PG_DIGEST_ROOM]);
/* NULL is nothing. */
void        pg_digest_free(pg_digest *digest);

#endif
