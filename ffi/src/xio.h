/* SPDX-License-Identifier: Apache-2.0
 *
 * globus_xio with fixed arguments: its attribute and handle controls are variadic. And its asynchronous operations, which end
 * in the engine's queue. The end of a stream and a cancelled operation are no errors here but flags of the pg_xio_io, because
 * bytes may have moved all the same.
 */
#ifndef PG_XIO_H
#define PG_XIO_H

#include <stddef.h>
#include "engine.h"
#include "globus_xio.h"
#include "gssapi.h"

typedef struct
{
    int             protection;
    int             delegation;
    int             authorization;
    int             proxies;
    int             anonymous;
    int             ssl;            /* no byte of GSI's own after the TLS handshake: the peer is no GSI */
    size_t          buffer;         /* bytes; 0: the driver's choice */
    gss_cred_id_t   credential;     /* must live as long as handles opened with it */
    gss_name_t      target;         /* copied */
} pg_xio_gsi;

/* 0, a negative number or NULL: the driver's choice. */
typedef struct
{
    const char *    interface;
    int             port;           /* -1: none */
    int             backlog;
    int             first;          /* of the port range; 0: none */
    int             last;
    int             send_buffer;
    int             receive_buffer;
    int             nodelay;
    int             keepalive;
    int             reuse;
    int             ipv4_only;
} pg_xio_net;

/* One operation in flight: what it is for, and what came of it. Freed by Python, after its pg_operation has ended. */
typedef struct pg_xio_io
{
    pg_operation *      operation;
    int                 eof;
    int                 cancelled;
    globus_xio_handle_t handle;     /* accepted */
} pg_xio_io;

globus_result_t pg_xio_text(globus_xio_attr_t attr, globus_xio_driver_t driver, const char *options);
globus_result_t pg_xio_set_tcp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net, int listens);
globus_result_t pg_xio_set_udp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net);
globus_result_t pg_xio_set_gsi(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_gsi *gsi);
globus_result_t pg_xio_set_file(globus_xio_attr_t attr, globus_xio_driver_t driver, int flags, int mode);
globus_result_t pg_xio_set_pipe(globus_xio_attr_t attr, globus_xio_driver_t driver, int in, int out);

pg_xio_io *     pg_xio_io_new(void);
void            pg_xio_io_free(pg_xio_io *io);
globus_result_t pg_xio_open(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle, const char *contact,
    globus_xio_attr_t attr);
globus_result_t pg_xio_accept(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server);
globus_result_t pg_xio_close(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle);
globus_result_t pg_xio_close_server(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server);

/* The numeric contact "host:port" of either end; to be freed. */
globus_result_t pg_xio_contact(globus_xio_handle_t handle, int remote, char **contact);
globus_result_t pg_xio_server_contact(globus_xio_server_t server, globus_xio_driver_t driver, char **contact);
/* The system's descriptor of an open tcp handle; it stays XIO's. */
globus_result_t pg_xio_descriptor(globus_xio_handle_t handle, globus_xio_driver_t driver, int *fd);
/* Who is at the other end of a gsi handle, and what credential it has delegated: both stay the driver's. */
globus_result_t pg_xio_peer(globus_xio_handle_t handle, globus_xio_driver_t driver, gss_name_t *peer, gss_cred_id_t *delegated);

#endif
