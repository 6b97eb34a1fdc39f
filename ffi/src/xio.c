/* SPDX-License-Identifier: Apache-2.0 */
#include "xio.h"

#include <stdlib.h>

#include "globus_xio_file_driver.h"
#include "globus_xio_gsi.h"
#include "globus_xio_pipe_driver.h"
#include "globus_xio_tcp_driver.h"
#include "globus_xio_udp_driver.h"

/* Set one attribute, and leave the function with the error if that fails. */
#define PG_SET(...)                                                                     \
    do                                                                                  \
    {                                                                                   \
        globus_result_t pg_result = globus_xio_attr_cntl(attr, driver, __VA_ARGS__);    \
        if (pg_result != GLOBUS_SUCCESS)                                                \
        {                                                                               \
            return pg_result;                                                           \
        }                                                                               \
    } while (0)

globus_result_t pg_xio_text(globus_xio_attr_t attr, globus_xio_driver_t driver, const char *options)
{
    PG_SET(GLOBUS_XIO_SET_STRING_OPTIONS, options);
    return GLOBUS_SUCCESS;
}

globus_result_t pg_xio_set_tcp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net, int listens)
{
    if (net->interface != NULL)
    {
        PG_SET(GLOBUS_XIO_TCP_SET_INTERFACE, net->interface);
    }
    if (net->ipv4_only)
    {
        PG_SET(GLOBUS_XIO_TCP_SET_NO_IPV6, GLOBUS_TRUE);
    }
    if (net->first > 0)
    {
        PG_SET(listens ? GLOBUS_XIO_TCP_SET_LISTEN_RANGE : GLOBUS_XIO_TCP_SET_CONNECT_RANGE, net->first, net->last);
    }
    if (net->send_buffer > 0)
    {
        PG_SET(GLOBUS_XIO_TCP_SET_SNDBUF, net->send_buffer);
    }
    if (net->receive_buffer > 0)
    {
        PG_SET(GLOBUS_XIO_TCP_SET_RCVBUF, net->receive_buffer);
    }
    PG_SET(GLOBUS_XIO_TCP_SET_NODELAY, net->nodelay ? GLOBUS_TRUE : GLOBUS_FALSE);
    PG_SET(GLOBUS_XIO_TCP_SET_KEEPALIVE, net->keepalive ? GLOBUS_TRUE : GLOBUS_FALSE);
    if (listens)
    {
        if (net->port >= 0)
        {
            PG_SET(GLOBUS_XIO_TCP_SET_PORT, net->port);
        }
        if (net->backlog >= 0)
        {
            PG_SET(GLOBUS_XIO_TCP_SET_BACKLOG, net->backlog);
        }
        PG_SET(GLOBUS_XIO_TCP_SET_REUSEADDR, net->reuse ? GLOBUS_TRUE : GLOBUS_FALSE);
    }
    return GLOBUS_SUCCESS;
}

globus_result_t pg_xio_set_udp(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_net *net)
{
    if (net->interface != NULL)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_INTERFACE, net->interface);
    }
    if (net->ipv4_only)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_NO_IPV6, GLOBUS_TRUE);
    }
    if (net->first > 0)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_LISTEN_RANGE, net->first, net->last);
    }
    if (net->port > 0)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_PORT, net->port);
    }
    if (net->send_buffer > 0)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_SNDBUF, net->send_buffer);
    }
    if (net->receive_buffer > 0)
    {
        PG_SET(GLOBUS_XIO_UDP_SET_RCVBUF, net->receive_buffer);
    }
    return GLOBUS_SUCCESS;
}

globus_result_t pg_xio_set_gsi(globus_xio_attr_t attr, globus_xio_driver_t driver, const pg_xio_gsi *gsi)
{
    if (gsi->credential != GSS_C_NO_CREDENTIAL)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_CREDENTIAL, gsi->credential);
    }
    if (gsi->target != GSS_C_NO_NAME)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_TARGET_NAME, gsi->target);
    }
    if (gsi->buffer > 0)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_BUFFER_SIZE, (globus_size_t) gsi->buffer);
    }
    PG_SET(GLOBUS_XIO_GSI_SET_AUTHORIZATION_MODE, (globus_xio_gsi_authorization_mode_t) gsi->authorization);
    PG_SET(GLOBUS_XIO_GSI_SET_PROXY_MODE, (globus_xio_gsi_proxy_mode_t) gsi->proxies);
    PG_SET(GLOBUS_XIO_GSI_SET_PROTECTION_LEVEL, (globus_xio_gsi_protection_level_t) gsi->protection);
    if (gsi->anonymous)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_ANON, GLOBUS_TRUE);
    }
    if (gsi->ssl)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_SSL_COMPATIBLE, GLOBUS_TRUE);
    }
    else if (gsi->delegation != GLOBUS_XIO_GSI_DELEGATION_MODE_NONE)
    {
        PG_SET(GLOBUS_XIO_GSI_SET_DELEGATION_MODE, (globus_xio_gsi_delegation_mode_t) gsi->delegation);
    }
    return GLOBUS_SUCCESS;
}

globus_result_t pg_xio_set_file(globus_xio_attr_t attr, globus_xio_driver_t driver, int flags, int mode)
{
    PG_SET(GLOBUS_XIO_FILE_SET_FLAGS, flags);
    PG_SET(GLOBUS_XIO_FILE_SET_MODE, mode);
    return GLOBUS_SUCCESS;
}

globus_result_t pg_xio_set_pipe(globus_xio_attr_t attr, globus_xio_driver_t driver, int in, int out)
{
    PG_SET(GLOBUS_XIO_PIPE_SET_IN_HANDLE, in);
    PG_SET(GLOBUS_XIO_PIPE_SET_OUT_HANDLE, out);
    return GLOBUS_SUCCESS;
}

pg_xio_io *pg_xio_io_new(void)
{
    return calloc(1, sizeof (pg_xio_io));
}

void pg_xio_io_free(pg_xio_io *io)
{
    free(io);
}

static void pg_xio_finish(pg_xio_io *io, globus_result_t result)
{
    globus_object_t *   error = NULL;

    if (result != GLOBUS_SUCCESS)
    {
        io->eof = globus_xio_error_is_eof(result) == GLOBUS_TRUE;
        io->cancelled = globus_xio_error_is_canceled(result) == GLOBUS_TRUE;
        error = globus_error_get(result);
    }
    pg_operation_finish(io->operation, io->eof || io->cancelled ? NULL : error);
    if (error != NULL)
    {
        globus_object_free(error);
    }
}

static void pg_xio_done(globus_xio_handle_t handle, globus_result_t result, void *arg)
{
    (void) handle;
    pg_xio_finish(arg, result);
}

static void pg_xio_accepted(globus_xio_server_t server, globus_xio_handle_t handle, globus_result_t result, void *arg)
{
    pg_xio_io *io = arg;

    (void) server;
    io->handle = result == GLOBUS_SUCCESS ? handle : NULL;
    pg_xio_finish(io, result);
}

static void pg_xio_closed_server(globus_xio_server_t server, void *arg)
{
    (void) server;
    pg_xio_finish(arg, GLOBUS_SUCCESS);
}

globus_result_t pg_xio_open(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle, const char *contact,
    globus_xio_attr_t attr)
{
    io->operation = operation;
    return globus_xio_register_open(handle, contact, attr, pg_xio_done, io);
}

globus_result_t pg_xio_accept(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server)
{
    io->operation = operation;
    return globus_xio_server_register_accept(server, pg_xio_accepted, io);
}

globus_result_t pg_xio_close(pg_xio_io *io, pg_operation *operation, globus_xio_handle_t handle)
{
    io->operation = operation;
    return globus_xio_register_close(handle, NULL, pg_xio_done, io);
}

globus_result_t pg_xio_close_server(pg_xio_io *io, pg_operation *operation, globus_xio_server_t server)
{
    io->operation = operation;
    return globus_xio_server_register_close(server, pg_xio_closed_server, io);
}

globus_result_t pg_xio_contact(globus_xio_handle_t handle, int remote, char **contact)
{
    return globus_xio_handle_cntl(handle, GLOBUS_XIO_QUERY,
        remote ? GLOBUS_XIO_GET_REMOTE_NUMERIC_CONTACT : GLOBUS_XIO_GET_LOCAL_NUMERIC_CONTACT, contact);
}

globus_result_t pg_xio_server_contact(globus_xio_server_t server, globus_xio_driver_t driver, char **contact)
{
    return globus_xio_server_cntl(server, driver, GLOBUS_XIO_TCP_GET_LOCAL_NUMERIC_CONTACT, contact);
}

globus_result_t pg_xio_descriptor(globus_xio_handle_t handle, globus_xio_driver_t driver, int *fd)
{
    globus_xio_system_socket_t  socket = -1;
    globus_result_t             result = globus_xio_handle_cntl(handle, driver, GLOBUS_XIO_TCP_GET_HANDLE, &socket);

    *fd = (int) socket;
    return result;
}

globus_result_t pg_xio_peer(globus_xio_handle_t handle, globus_xio_driver_t driver, gss_name_t *peer, gss_cred_id_t *delegated)
{
    globus_result_t result = globus_xio_handle_cntl(handle, driver, GLOBUS_XIO_GSI_GET_PEER_NAME, peer);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_xio_handle_cntl(handle, driver, GLOBUS_XIO_GSI_GET_DELEGATED_CRED, delegated);
    }
    return result;
}
