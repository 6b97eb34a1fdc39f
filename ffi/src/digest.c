/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <openssl/evp.h>

/* Adler-32 (RFC 1950): the modulus, and how many bytes may be added up before 32 bits overflow. */
#define PG_ADLER_MODULUS 65521
#define PG_ADLER_RUN 5552

struct pg_digest
{
    EVP_MD_CTX *    context;        /* NULL: Adler-32 */
    uint32_t        a;
    uint32_t        b;
    int             failed;
};

pg_digest *pg_digest_new(const char *algorithm)
{
    pg_digest *     digest = calloc(1, sizeof *digest);
    const EVP_MD *  type = EVP_get_digestbyname(algorithm);

    if (digest == NULL)
    {
        return NULL;
    }
    digest->a = 1;
    if (strcasecmp(algorithm, "adler32") != 0
        && (type == NULL || (digest->context = EVP_MD_CTX_new()) == NULL
            || EVP_DigestInit_ex(digest->context, type, NULL) != 1))
    {
        pg_digest_free(digest);
        return NULL;
    }
    return digest;
}

static void pg_adler(pg_digest *digest, const unsigned char *data, size_t length)
{
    while (length > 0)
    {
        size_t run = length < PG_ADLER_RUN ? length : PG_ADLER_RUN;

        for (length -= run; run > 0; run--)
        {
            digest->a += *data++;
            digest->b += digest->a;
        }
        digest->a %= PG_ADLER_MODULUS;
        digest->b %= PG_ADLER_MODULUS;
    }
}

void pg_digest_update(pg_digest *digest, const void *data, size_t length)
{
    if (digest->context == NULL)
    {
        pg_adler(digest, data, length);
    }
    else if (EVP_DigestUpdate(digest->context, data, length) != 1)
    {
        digest->failed = 1;
    }
}

int pg_digest_end(pg_digest *digest, char text[PG_DIGEST_ROOM])
{
    unsigned char   sum[EVP_MAX_MD_SIZE];
    unsigned int    length = 0;
    unsigned int    i;

    if (digest->context == NULL)
    {
        snprintf(text, PG_DIGEST_ROOM, "%08lx", (unsigned long) (digest->b << 16 | digest->a));
        return 0;
    }
    if (digest->failed || EVP_DigestFinal_ex(digest->context, sum, &length) != 1 || length * 2 >= PG_DIGEST_ROOM)
    {
        return -1;
    }
    for (i = 0; i < length; i++)
    {
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    }
    return 0;
}

void pg_digest_free(pg_digest *digest)
{
    if (digest != NULL)
    {
        EVP_MD_CTX_free(digest->context);
        free(digest);
    }
}
