/* SPDX-License-Identifier: Apache-2.0 */
#include "errors.h"

#include "globus_error_openssl.h"
#include "globus_ftp_client.h"

static int pg_is(globus_object_t *error, const globus_object_type_t *type)
{
    return globus_object_type_match(globus_object_get_type(error), type) == GLOBUS_TRUE;
}

int pg_error_type(globus_object_t *error)
{
    return pg_is(error, GLOBUS_ERROR_TYPE_GLOBUS) ? globus_error_get_type(error) : -1;
}

static const char *pg_or_unknown(const char *text)
{
    return text != NULL ? text : "(null)";
}

char *pg_error_text(globus_object_t *error)
{
    if (!pg_is(error, GLOBUS_ERROR_TYPE_OPENSSL))
    {
        return globus_object_printable_to_string(error);
    }
    return globus_common_create_string("OpenSSL Error: in library: %s: %s",
        pg_or_unknown(globus_error_openssl_error_get_library(error)),
        pg_or_unknown(globus_error_openssl_error_get_reason(error)));
}

int pg_error_ftp_code(globus_object_t *error)
{
    return pg_is(error, GLOBUS_ERROR_TYPE_FTP) ? globus_error_ftp_error_get_code(error) : 0;
}

void pg_drop(globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}
