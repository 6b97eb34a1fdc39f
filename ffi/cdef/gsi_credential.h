/* globus_gsi_credential: whose credential a file holds, and until when. */
typedef int... time_t;
typedef ... *globus_gsi_cred_handle_t;
typedef ... *globus_gsi_cred_handle_attrs_t;

globus_result_t globus_gsi_cred_handle_init(globus_gsi_cred_handle_t *handle, globus_gsi_cred_handle_attrs_t attrs);
globus_result_t globus_gsi_cred_handle_destroy(globus_gsi_cred_handle_t handle);
globus_result_t globus_gsi_cred_read_proxy(globus_gsi_cred_handle_t handle, const char *filename);
globus_result_t globus_gsi_cred_read_cert(globus_gsi_cred_handle_t handle, const char *filename);
globus_result_t globus_gsi_cred_get_subject_name(globus_gsi_cred_handle_t handle, char **name);
globus_result_t globus_gsi_cred_get_issuer_name(globus_gsi_cred_handle_t handle, char **name);
globus_result_t globus_gsi_cred_get_identity_name(globus_gsi_cred_handle_t handle, char **name);
globus_result_t globus_gsi_cred_get_goodtill(globus_gsi_cred_handle_t handle, time_t *end);
globus_result_t globus_gsi_cred_get_key_bits(globus_gsi_cred_handle_t handle, int *bits);
void OPENSSL_free(void *memory);
