/* SPDX-License-Identifier: Apache-2.0
 *
 * The toolkit modules that this extension is linked with, and their versions.
 */
#ifndef PG_MODULES_H
#define PG_MODULES_H

/* The i-th module's name, and its version in major and minor; NULL past the last. */
const char *pg_module(int i, int *major, int *minor);
const char *pg_openssl(void);

#endif
