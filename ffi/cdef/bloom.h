/* src/bloom.h */
int64_t pg_bloom_add(unsigned char *bits, uint64_t size, int hashes, const unsigned char *names, size_t length);
