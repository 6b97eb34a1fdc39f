/* SPDX-License-Identifier: Apache-2.0
 *
 * Results and error objects: what one link of a chain knows beyond its text, and how to be rid of them.
 */
#ifndef PG_ERRORS_H
#define PG_ERRORS_H

#include "globus_common.h"

/* The module's own error type, or -1 where the link is of another kind. */
int     pg_error_type(globus_object_t *error);
/* Its text, malloc'ed, or NULL. Of an error of OpenSSL only library and reason: of file, function and data the toolkit keeps
 * OpenSSL's own pointers, and OpenSSL 3 frees what they lead to with its next errors, or while the call that failed returns. */
char *  pg_error_text(globus_object_t *error);
/* The FTP reply code, or 0. */
int     pg_error_ftp_code(globus_object_t *error);

/* Free what a result stands for, if it is not success. */
void    pg_drop(globus_result_t result);

#endif
