/* src/ftp.h */
#define PG_CHECKSUM_ROOM ...
typedef ... pg_ftp;
typedef struct { const char *name; const char *version; int gridftp2; int relative; int debug_fd; ...; } pg_client;
typedef struct
{
    int extended; int ascii; int parallel; int tcp_buffer; int dcau; const char *dcau_subject; int protection; int ipv6;
    int delayed_passive; int striped; int64_t stripe_block; const char *module; const char *module_arguments;
    const char *net_stack; const char *disk_stack; const char *assertion; int keep_assertion;
    int64_t allocate; gss_cred_id_t credential; const char *delegation; gss_cred_id_t data_credential;
    const char *user; const char *password; const char *subject; ...;
} pg_ftp_options;
globus_result_t pg_ftp_open(pg_ftp **out, const pg_client *client);
void pg_ftp_close(pg_ftp *ftp);
int pg_ftp_spoilt(pg_ftp *ftp);
globus_ftp_client_handle_t *pg_ftp_handle(pg_ftp *ftp);
void pg_ftp_reset(pg_ftp *ftp);
int64_t pg_ftp_reported(pg_ftp *ftp);
int pg_ftp_begun(pg_ftp *ftp);
const char *pg_ftp_marker(pg_ftp *ftp);
globus_result_t pg_ftp_attr_new(const pg_ftp_options *options, globus_ftp_client_operationattr_t **out);
void pg_ftp_attr_free(globus_ftp_client_operationattr_t *attr);
globus_ftp_client_restart_marker_t *pg_marker_new(int64_t stream_offset, const int64_t *ranges, int count);
void pg_marker_free(globus_ftp_client_restart_marker_t *marker);
