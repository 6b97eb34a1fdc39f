/* SPDX-License-Identifier: Apache-2.0
 *
 * What GSSAPI of the toolkit needs beside its own functions: a safe way to unwrap, the shape of tokens, object identifiers
 * that have no header, and a look into certificates.
 */
#ifndef PG_GSS_H
#define PG_GSS_H

#include <stdint.h>
#include "globus_common.h"
#include "gssapi.h"

/* gss_unwrap() leaves a dangling or an unverified buffer behind when it fails; this one leaves none. */
OM_uint32       pg_gss_unwrap(OM_uint32 *minor, gss_ctx_id_t context, gss_buffer_t input, gss_buffer_t output,
    int *confidential);
/* Whether a message token is complete: TLS records with nothing missing or left over, or one integrity-only record. */
int             pg_gss_whole(const void *token, size_t length);

gss_OID         pg_gss_host_ip(void);
gss_OID         pg_gss_peer_chain(void);
gss_OID         pg_gss_tls_version(void);
gss_OID         pg_gss_tls_cipher(void);

/* Seconds since the epoch at which a certificate in DER ends; -1 if that is no certificate. */
int64_t         pg_gss_ends(const void *der, size_t length);

#endif
