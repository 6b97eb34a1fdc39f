/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a login hands a proxy of the user to the server, and the short-lived credential that data channels get instead.
 *
 * globus_ftp_client always delegates, for which the server makes an RSA key at every login. It reaches
 * globus_ftp_control_authenticate() through the dynamic linker, which finds ours first, since this extension is what loads the
 * library. The choice travels with the operation attribute, in its account string, which GridFTP has no use for.
 */
#ifndef PG_DELEGATION_H
#define PG_DELEGATION_H

#include "gssapi.h"
#include "globus_common.h"

/* Account strings that choose; any other account, or none, is handled as the library does: limited. */
#define PG_DELEGATE_NONE "\001none"
#define PG_DELEGATE_FULL "\001full"

/* Logins that passed through here: 0 after one means that the linker found another function first. */
extern int pg_logins;

/*
 * A limited RFC 3820 proxy of the credential with a new EC P-256 key, for at most so many seconds. 0; -1: the credential
 * cannot have such a proxy (it is one of an older form, or its path length is used up); else a GSS major status, with
 * *minor set. The library exports a data credential with its whole chain for each use, which takes it 20 ms: for those made
 * here we hand out the PEM that is there already. Free it when no handle uses it any more.
 */
int     pg_data_credential_new(gss_cred_id_t credential, long seconds, gss_cred_id_t *out, OM_uint32 *minor);
void    pg_data_credential_free(gss_cred_id_t credential);
/* Its PEM, with the private key; NULL: it was not made here. It stays ours. */
const char *pg_data_credential_pem(gss_cred_id_t credential, size_t *length);

#endif
