/* src/relay.h */
typedef ... pg_relay;
typedef struct
{
    const char *url; int fd; globus_ftp_client_operationattr_t *ftp; const char *scheme; const char *subject; int ascii; ...;
} pg_end;
globus_result_t pg_relay_start(pg_relay **out, pg_operation *operation, const pg_end *source, const pg_end *sink,
    size_t block, int64_t start, int64_t end, const pg_client *client);
void pg_relay_cancel(pg_relay *relay);
int64_t pg_relay_bytes(pg_relay *relay);
int64_t pg_relay_length(pg_relay *relay);
void pg_relay_free(pg_relay *relay);
