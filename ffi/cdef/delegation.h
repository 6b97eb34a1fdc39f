/* src/delegation.h */
static char *const PG_DELEGATE_NONE;
static char *const PG_DELEGATE_FULL;
extern int pg_logins;
int pg_data_credential_new(gss_cred_id_t credential, long seconds, gss_cred_id_t *out, OM_uint32 *minor);
void pg_data_credential_free(gss_cred_id_t credential);
