/* src/gss.h */
OM_uint32 pg_gss_unwrap(OM_uint32 *minor, gss_ctx_id_t context, gss_buffer_t input, gss_buffer_t output, int *confidential);
int pg_gss_whole(const void *token, size_t length);
gss_OID pg_gss_host_ip(void);
gss_OID pg_gss_peer_chain(void);
gss_OID pg_gss_tls_version(void);
gss_OID pg_gss_tls_cipher(void);
int64_t pg_gss_ends(const void *der, size_t length);
