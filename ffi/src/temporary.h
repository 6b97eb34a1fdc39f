/* SPDX-License-Identifier: Apache-2.0
 *
 * The name of a file until it is whole: ".NAME.XXXXXXXX.part" in the same directory, where X are hexadecimal digits: random
 * ones, or such as a key and the path give, so that who has the key finds the file again.
 */
#ifndef PG_TEMPORARY_H
#define PG_TEMPORARY_H

#include <stdint.h>

/* key 0: random digits. For a path with a name in it, malloc'ed; NULL: errno says why, EISDIR for a path that ends in a slash. */
char *  pg_temporary_name(const char *path, uint64_t key);

#endif
