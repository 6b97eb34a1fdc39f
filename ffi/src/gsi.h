/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials, proxies and chains by the toolkit's own libraries, with memory where these take BIOs and OpenSSL's structures.
 *
 * A credential that is returned is the caller's: globus_gsi_cred_handle_destroy(). Text is malloc'ed; what holds a private key
 * goes to pg_secret_free(). Results other than success are taken from the error table by the caller, as everywhere.
 */
#ifndef PG_GSI_H
#define PG_GSI_H

#include <stddef.h>

#include "globus_gsi_credential.h"
#include "globus_gsi_proxy.h"

/* What a proxy shall be: type is of globus_gsi_cert_utils_cert_type_t, minutes 0 means "as long as the issuer", path_length
 * below 0 means none, language is dotted and NULL when the type says it all. */
typedef struct
{
    int                     type;
    int                     bits;
    int                     minutes;
    long                    path_length;
    const char *            language;
    const unsigned char *   policy;
    int                     policy_length;
} pg_proxy_wish;

/* A proxy file's content: certificates and a clear key. */
globus_result_t pg_cred_read(const char *pem, int length, globus_gsi_cred_handle_t *cred);
/* A certificate and its chain, without a key. */
globus_result_t pg_cred_certificates(const char *pem, int length, globus_gsi_cred_handle_t *cred);
globus_result_t pg_cred_type(globus_gsi_cred_handle_t cred, int *type);
/* The name in RFC 2253's form: which is 0 for the subject, 1 the issuer, 2 the identity. */
globus_result_t pg_cred_rfc2253(globus_gsi_cred_handle_t cred, int which, char **name);
/* The certificate in OpenSSL's long form. */
globus_result_t pg_cred_text(globus_gsi_cred_handle_t cred, char **text);
globus_result_t pg_cred_write(globus_gsi_cred_handle_t cred, char **pem, size_t *length);
/* The chain against a trusted directory, which must exist: the library takes any chain for good if it cannot use it. */
globus_result_t pg_cred_verify(globus_gsi_cred_handle_t cred, const char *directory);
void            pg_secret_free(char *secret, size_t length);

globus_result_t pg_proxy_make(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, globus_gsi_cred_handle_t *proxy);
/* Delegation: a request in DER and the handle that keeps its key; the proxy certificate and chain for it; both together. */
globus_result_t pg_proxy_request(const pg_proxy_wish *wish, globus_gsi_proxy_handle_t *handle, char **der, size_t *length);
globus_result_t pg_proxy_sign(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, const char *request, int request_length,
    char **der, size_t *length);
globus_result_t pg_proxy_assemble(globus_gsi_proxy_handle_t handle, const char *der, int length, globus_gsi_cred_handle_t *cred);

#endif
