/* SPDX-License-Identifier: Apache-2.0 */
#include "bloom.h"

#include <string.h>

#include <openssl/evp.h>

#define PG_WORD 8

static uint64_t pg_word(const unsigned char *bytes)
{
    uint64_t    word = 0;
    int         i;

    for (i = 0; i < PG_WORD; i++)
    {
        word = word << 8 | bytes[i];
    }
    return word;
}

int64_t pg_bloom_add(unsigned char *bits, uint64_t size, int hashes, const unsigned char *names, size_t length)
{
    const unsigned char *   end = names + length;
    EVP_MD_CTX *            context = EVP_MD_CTX_new();
    unsigned char           sum[EVP_MAX_MD_SIZE];
    int64_t                 count = 0;

    /* the algorithm is looked up once, and kept in the context */
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
    {
        EVP_MD_CTX_free(context);
        return -1;
    }
    while (names < end)
    {
        const unsigned char *   stop = memchr(names, '\0', (size_t) (end - names));
        uint64_t                at;
        uint64_t                step;
        int                     i;

        if (stop == NULL)
        {
            stop = end;
        }
        if (EVP_DigestUpdate(context, names, (size_t) (stop - names)) != 1 || EVP_DigestFinal_ex(context, sum, NULL) != 1
            || EVP_DigestInit_ex(context, NULL, NULL) != 1)
        {
            count = -1;
            break;
        }
        at = pg_word(sum);
        step = pg_word(sum + PG_WORD) | 1;
        for (i = 0; i < hashes; i++, at += step)
        {
            uint64_t bit = at % size;

            bits[bit >> 3] |= (unsigned char) (1U << (bit & 7));
        }
        count++;
        names = stop + 1;
    }
    EVP_MD_CTX_free(context);
    return count;
}
