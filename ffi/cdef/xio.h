/* src/xio.h, and the handles of globus_xio behind it. */
typedef ... *globus_xio_driver_t;
typedef ... *globus_xio_stack_t;
typedef ... *globus_xio_attr_t;
typedef ... *globus_xio_handle_t;
typedef ... *globus_xio_server_t;

typedef struct
{
    int protection; int delegation; int authorization; int proxies; int anonymous; int ssl; size_t buffer;
    gss_cred_id_t credential; gss_name_t target; ...;
} pg_xio_gsi;
typedef struct
{
    const char *interface; int port; int backlog; int first; int last; int send_buffer; int receive_buffer;
    int nodelay; int keepalive; int reuse; int ipv4_only; ...;
} pg_xio_net;
typedef struct pg_xio_io { int eof; int cancelled; globus_xio_handle_t handle; ...; } pg_xio_io;

globus_result_t globus_xio_driver_load(const char *name, globus_xio_driver_t *driver);
globus_result_t globus_xio_stack_init(globus_xio_stack_t *stack, globus_xio_attr_t attr);
globus_result_t globus_xio_stack_push_driver(globus_xio_stack_t stack, globus_xio_driver_t driver);
globus_result_t globus_xio_stack_destroy(globus_xio_stack_t stack);
globus_result_t globus_xio_attr_init(globus_xio_attr_t *attr);
globus_result_t globus_xio_attr_destroy(globus_xio_attr_t attr);
globus_result_t globus_xio_handle_create(globus_xio_handle_t *handle, globus_xio_stack_t stack);
globus_result_t globus_xio_server_create(globus_xio_server_t *server, globus_xio_attr_t attr, globus_xio_stack_t stack);
globus_result_t globus_xio_handle_cancel_operations(globus_xio_handle_t handle, int mask);
globus_result_t globus_xio_server_cancel_accept(globus_xio_server_t server);
#define GLOBUS_XIO_CANCEL_OPEN ...
#define GLOBUS_XIO_CANCEL_READ ...
#define GLOBUS_XIO_CANCEL_WRITE ...
#define GLOBUS_XIO_GSI_PROTECTION_LEVEL_NONE ...
#define GLOBUS_XIO_GSI_PROTECTION_LEVEL_INTEGRITY ...
#define GLOBUS_XIO_GSI_PROTECTION_LEVEL_PRIVACY ...
#define GLOBUS_XIO_GSI_DELEGATION_MODE_NONE ...
#define GLOBUS_XIO_GSI_DELEGATION_MODE_LIMITED ...
#define GLOBUS_XIO_GSI_DELEGATION_MODE_FULL ...
#define GLOBUS_XIO_GSI_PROXY_MODE_FULL ...
#define GLOBUS_XIO_GSI_PROXY_MODE_MANY ...
#define GLOBUS_XIO_GSI_NO_AUTHORIZATION ...
#define GLOBUS_XIO_GSI_SELF_AUTHORIZATION ...
#define GLOBUS_XIO_GSI_IDENTITY_AUTHORIZATION ...
#define GLOBUS_XIO_GSI_HOST_AUTHORIZATION ...
#define GLOBUS_XIO_GSI_AUTHORIZATION_FAILED ...

globus_result_t pg_xio_text(globus_xio_attr_t attr, globus_xio_driver_t driver, const char *options);
globus_result_t pg_xio_set_tcp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net, int listens);
globus_result_t pg_xio_set_udp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net);
globus_result_t pg_xio_set_gsi(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_gsi *gsi);
globus_result_t pg_xio_set_file(globus_xio_attr_t attr, globus_xio_driver_t driver, int flags, int mode);
globus_result_t pg_xio_set_pipe(globus_xio_attr_t attr, globus_xio_driver_t driver, int in, int out);

pg_xio_io *pg_xio_io_new(void);
void pg_xio_io_free(pg_xio_io *io);
globus_result_t pg_xio_open(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle, const char *contact,
    globus_xio_attr_t attr);
globus_result_t pg_xio_accept(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server);
globus_result_t pg_xio_close(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle);
globus_result_t pg_xio_close_server(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server);

globus_result_t pg_xio_contact(globus_xio_handle_t handle, int remote, char **contact);
globus_result_t pg_xio_server_contact(globus_xio_server_t server, globus_xio_driver_t driver, char **contact);
globus_result_t pg_xio_descriptor(globus_xio_handle_t handle, globus_xio_driver_t driver, int *fd);
globus_result_t pg_xio_peer(globus_xio_handle_t handle, globus_xio_driver_t driver, gss_name_t *peer, gss_cred_id_t *delegated);
