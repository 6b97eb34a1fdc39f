/* gsi proxy and cert_utils: kinds of certificates, and making proxies. */
typedef ... *globus_gsi_proxy_handle_t;
#define GLOBUS_GSI_CERT_UTILS_TYPE_EEC ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_CA ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_GSI_2 ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_GSI_3 ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_RFC ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY ...
#define GLOBUS_GSI_CERT_UTILS_TYPE_INDEPENDENT_PROXY ...
globus_result_t globus_gsi_proxy_handle_destroy(globus_gsi_proxy_handle_t handle);
/* src/gsi.h */
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
globus_result_t pg_cred_read(const char *pem, int length, globus_gsi_cred_handle_t *cred);
globus_result_t pg_cred_certificates(const char *pem, int length, globus_gsi_cred_handle_t *cred);
globus_result_t pg_cred_type(globus_gsi_cred_handle_t cred, int *type);
globus_result_t pg_cred_rfc2253(globus_gsi_cred_handle_t cred, int which, char **name);
globus_result_t pg_cred_text(globus_gsi_cred_handle_t cred, char **text);
globus_result_t pg_cred_write(globus_gsi_cred_handle_t cred, char **pem, size_t *length);
globus_result_t pg_cred_verify(globus_gsi_cred_handle_t cred, const char *directory);
void pg_secret_free(char *secret, size_t length);
globus_result_t pg_proxy_make(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, globus_gsi_cred_handle_t *proxy);
globus_result_t pg_proxy_request(const pg_proxy_wish *wish, globus_gsi_proxy_handle_t *handle, char **der, size_t *length);
globus_result_t pg_proxy_sign(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, const char *request, int request_length,
    char **der, size_t *length);
globus_result_t pg_proxy_assemble(globus_gsi_proxy_handle_t handle, const char *der, int length, globus_gsi_cred_handle_t *cred);
