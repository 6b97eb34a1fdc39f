/* src/body.h */
typedef ... pg_body;
typedef enum { PG_BODY_LENGTH, PG_BODY_CHUNKED, PG_BODY_UNTIL_END, ... } pg_framing;
typedef enum { PG_BODY_MORE, PG_BODY_COMPLETE, PG_BODY_CUT, PG_BODY_MALFORMED, PG_BODY_TOO_LARGE, ... } pg_body_state;
pg_body *pg_body_new(pg_framing framing, int64_t length, int64_t limit, const void *first, size_t count);
void pg_body_free(pg_body *body);
pg_body_state pg_body_where(pg_body *body);
int64_t pg_body_bytes(pg_body *body);
globus_result_t pg_body_store(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd);
globus_result_t pg_body_take(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, unsigned char *memory,
    size_t room);
size_t pg_body_taken(pg_body *body);
globus_result_t pg_body_send(pg_body *body, pg_operation *operation, globus_xio_handle_t handle, int fd, int64_t offset);
