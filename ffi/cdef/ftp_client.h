/* globus_ftp_client: operations on remote files; handles and attributes are made by our own glue (ftp.h). */
typedef ... *globus_ftp_client_handle_t;
typedef ... *globus_ftp_client_operationattr_t;
typedef ... globus_ftp_client_restart_marker_t;
typedef int64_t globus_off_t;
typedef size_t globus_size_t;
typedef unsigned char globus_byte_t;
typedef void (*globus_ftp_client_complete_callback_t)(void *arg, globus_ftp_client_handle_t *handle, globus_object_t *error);

globus_result_t globus_ftp_client_abort(globus_ftp_client_handle_t *handle);
globus_result_t globus_ftp_client_handle_flush_url_state(globus_ftp_client_handle_t *handle, const char *url);
globus_result_t globus_ftp_client_size(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_off_t *size,
    globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_mlst(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_byte_t **buffer, globus_size_t *length,
    globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_cksm(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, char *cksm, globus_off_t offset, globus_off_t length, const char *algorithm,
    globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_mkdir(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_delete(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_chmod(globus_ftp_client_handle_t *handle, const char *url, int mode,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
struct tm { int tm_sec; int tm_min; int tm_hour; int tm_mday; int tm_mon; int tm_year; ...; };
globus_result_t globus_ftp_client_utime(globus_ftp_client_handle_t *handle, const char *url, const struct tm *time,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_rmdir(globus_ftp_client_handle_t *handle, const char *url,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_move(globus_ftp_client_handle_t *handle, const char *source, const char *dest,
    globus_ftp_client_operationattr_t *attr, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_third_party_transfer(globus_ftp_client_handle_t *handle,
    const char *source, globus_ftp_client_operationattr_t *source_attr,
    const char *dest, globus_ftp_client_operationattr_t *dest_attr,
    globus_ftp_client_restart_marker_t *restart, globus_ftp_client_complete_callback_t callback, void *arg);
globus_result_t globus_ftp_client_partial_third_party_transfer(globus_ftp_client_handle_t *handle,
    const char *source, globus_ftp_client_operationattr_t *source_attr,
    const char *dest, globus_ftp_client_operationattr_t *dest_attr,
    globus_ftp_client_restart_marker_t *restart, globus_off_t start, globus_off_t end,
    globus_ftp_client_complete_callback_t callback, void *arg);

