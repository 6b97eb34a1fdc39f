/* src/localfile.h */
int pg_sync_system(int fd);
