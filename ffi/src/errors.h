/* SPDX-License-Identifier: Apache-2.0
 *
 * What one link of a Globus error chain knows beyond its text.
 */
#ifndef PG_ERRORS_H
#define PG_ERRORS_H

#include "globus_common.h"

/* The module's own error type, or -1 where the link is of another kind. */
int pg_error_type(globus_object_t *error);
/* The FTP reply code, or 0. */
int pg_error_ftp_code(globus_object_t *error);

#endif
