/* SPDX-License-Identifier: Apache-2.0
 *
 * Bloom filters of names. The first 16 bytes of a name's SHA-256 are two numbers a and b of 64 bits, big-endian, the second
 * made odd; its bits are (a + i*b mod 2^64) mod size for i = 0 to hashes - 1, bit n being n % 8, from the least significant
 * one on, of byte n / 8.
 */
#ifndef PG_BLOOM_H
#define PG_BLOOM_H

#include <stddef.h>
#include <stdint.h>

/* Add names, each followed by NUL, to a filter of so many bits. How many there were, or -1: no memory, or no SHA-256. */
int64_t pg_bloom_add(unsigned char *bits, uint64_t size, int hashes, const unsigned char *names, size_t length);

#endif
