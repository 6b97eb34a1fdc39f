/* src/errors.h */
int pg_error_type(globus_object_t *error);
char *pg_error_text(globus_object_t *error);
int pg_error_ftp_code(globus_object_t *error);
