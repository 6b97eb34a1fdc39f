/* src/modules.h */
const char *pg_module(int i, int *major, int *minor);
const char *pg_openssl(void);
