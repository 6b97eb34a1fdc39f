/* src/pump.h */
typedef ... pg_pump;
pg_pump *pg_pump_new(pg_operation *operation, pg_ftp *ftp, int fd, size_t block, int blocks);
void pg_pump_free(pg_pump *pump);
globus_result_t pg_pump_put(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial);
globus_result_t pg_pump_get(pg_pump *pump, const char *url, globus_ftp_client_operationattr_t *attr,
    globus_ftp_client_restart_marker_t *restart, int64_t start, int64_t end, int partial, int64_t shift);
globus_result_t pg_pump_abort(pg_pump *pump);
int pg_pump_skip(pg_pump *pump, const int64_t *pairs, int count);
int64_t pg_pump_bytes(pg_pump *pump);
int pg_pump_ranges(pg_pump *pump, int64_t *pairs, int count);
