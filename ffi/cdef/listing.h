/* src/listing.h */
typedef ... pg_listing;
typedef enum { PG_LIST_NAMES, PG_LIST_FACTS, PG_LIST_TREE, ... } pg_list_kind;
globus_result_t pg_listing_start(pg_listing **out, pg_operation *operation, globus_ftp_client_handle_t *handle,
    const char *url, globus_ftp_client_operationattr_t *attr, pg_list_kind kind);
const char *pg_listing_take(pg_listing *listing, size_t *length);
void pg_listing_free(pg_listing *listing);
