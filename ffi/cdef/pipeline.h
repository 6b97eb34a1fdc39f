/* src/control.h, src/filequeue.h and src/pipeline.h */
typedef ... pg_pipeline;
typedef struct
{
    const char *host; int port; int secure; int receive; gss_cred_id_t credential; const char *delegation;
    gss_cred_id_t data_credential; const char *user; const char *password; const char *subject; int ipv6; int authenticate_data;
    int protection; int tcp_buffer; const char *client; int debug_fd; ...;
} pg_control_options;
typedef enum { PG_FILE_DONE, PG_FILE_FAILED, PG_FILE_BEGUN, PG_FILE_UNTOUCHED, ... } pg_file_state;
typedef struct { uint64_t id; int state; int64_t bytes; int code; int local_errno; char *text; char *remains; ...; }
    pg_file_record;
pg_pipeline *pg_pipeline_new(const pg_control_options *options, int depth, int deepest, size_t block, int ahead,
    uint64_t key, const char *checksum);
void pg_pipeline_open(pg_pipeline *pipeline, pg_operation *operation);
void pg_pipeline_abandon(pg_pipeline *pipeline);
void pg_pipeline_free(pg_pipeline *pipeline);
int pg_pipeline_add(pg_pipeline *pipeline, uint64_t id, const char *local, const char *remote, int64_t size,
    int fresh);
void pg_pipeline_end(pg_pipeline *pipeline);
void pg_pipeline_feed(pg_pipeline *pipeline);
void pg_pipeline_stop(pg_pipeline *pipeline);
void pg_pipeline_cancel(pg_pipeline *pipeline);
int pg_pipeline_take(pg_pipeline *pipeline, pg_file_record *records, int count);
void pg_pipeline_wait(pg_pipeline *pipeline, double seconds, int records);
int pg_pipeline_room(pg_pipeline *pipeline);
int64_t pg_pipeline_bytes(pg_pipeline *pipeline);
int pg_pipeline_code(pg_pipeline *pipeline);
const char *pg_pipeline_text(pg_pipeline *pipeline);
int pg_pipeline_unsupported(pg_pipeline *pipeline);
int pg_pipeline_spoiled(pg_pipeline *pipeline);
