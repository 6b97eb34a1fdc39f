/* SPDX-License-Identifier: Apache-2.0 */
#include "ftp.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "plugins.h"

struct pg_ftp
{
    globus_ftp_client_handle_t  handle;
    pg_plugins                  plugins;
    int                         spoilt;
};

static globus_result_t pg_no_memory(void)
{
    return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, ENOMEM));
}

static globus_result_t pg_set_handle(pg_ftp *ftp, globus_ftp_client_handleattr_t *attr, const pg_client *client)
{
    globus_result_t result;

    if ((result = globus_ftp_client_handleattr_set_cache_all(attr, GLOBUS_TRUE)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_set_gridftp2(attr, client->gridftp2)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_set_rfc1738_url(attr, client->relative)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_set_clientinfo(attr, client->name, client->version, NULL)) == GLOBUS_SUCCESS)
    {
        result = pg_plugins_add(&ftp->plugins, attr, client->debug_fd);
    }
    return result;
}

globus_result_t pg_ftp_open(pg_ftp **out, const pg_client *client)
{
    globus_ftp_client_handleattr_t  attr;
    globus_result_t                 result;
    pg_ftp *                        ftp = calloc(1, sizeof *ftp);

    *out = NULL;
    if (ftp == NULL)
    {
        return pg_no_memory();
    }
    if ((result = globus_ftp_client_handleattr_init(&attr)) == GLOBUS_SUCCESS)
    {
        if ((result = pg_set_handle(ftp, &attr, client)) == GLOBUS_SUCCESS)
        {
            result = globus_ftp_client_handle_init(&ftp->handle, &attr);
        }
        globus_ftp_client_handleattr_destroy(&attr);
    }
    if (result != GLOBUS_SUCCESS)
    {
        pg_ftp_close(ftp);
        return result;
    }
    *out = ftp;
    return GLOBUS_SUCCESS;
}

void pg_ftp_spoil(pg_ftp *ftp)
{
    ftp->spoilt = 1;
}

int pg_ftp_spoilt(pg_ftp *ftp)
{
    return ftp->spoilt;
}

void pg_ftp_close(pg_ftp *ftp)
{
    if (ftp->spoilt)
    {
        return;                                 /* its callbacks may come, so nothing may be freed */
    }
    if (ftp->handle != NULL)
    {
        globus_result_t result = globus_ftp_client_handle_destroy(&ftp->handle);

        if (result != GLOBUS_SUCCESS)
        {
            globus_object_free(globus_error_get(result));
            return;                             /* still in use: its callbacks may come, so nothing may be freed */
        }
    }
    pg_plugins_clear(&ftp->plugins);
    free(ftp);
}

globus_ftp_client_handle_t *pg_ftp_handle(pg_ftp *ftp)
{
    return &ftp->handle;
}

void pg_ftp_watch(pg_ftp *ftp, const pg_watcher *watcher)
{
    ftp->plugins.watcher = watcher != NULL ? *watcher : (pg_watcher) { NULL, NULL, NULL };
}

void pg_ftp_reset(pg_ftp *ftp)
{
    pg_plugins_reset(&ftp->plugins);
}

int64_t pg_ftp_reported(pg_ftp *ftp)
{
    return atomic_load(&ftp->plugins.reported);
}

int pg_ftp_begun(pg_ftp *ftp)
{
    return ftp->plugins.begun;
}

const char *pg_ftp_marker(pg_ftp *ftp)
{
    return ftp->plugins.marker;
}

static globus_result_t pg_set_channel(globus_ftp_client_operationattr_t *attr, const pg_ftp_options *options)
{
    globus_result_t                     result = GLOBUS_SUCCESS;
    globus_ftp_control_parallelism_t    parallelism;
    globus_ftp_control_tcpbuffer_t      buffer;
    globus_ftp_control_dcau_t           dcau;

    if (options->extended)
    {
        result = globus_ftp_client_operationattr_set_mode(attr, GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK);
    }
    if (result == GLOBUS_SUCCESS && options->parallel > 0)
    {
        parallelism.fixed.mode = GLOBUS_FTP_CONTROL_PARALLELISM_FIXED;
        parallelism.fixed.size = (globus_size_t) options->parallel;
        result = globus_ftp_client_operationattr_set_parallelism(attr, &parallelism);
    }
    if (result == GLOBUS_SUCCESS && options->tcp_buffer > 0)
    {
        buffer.fixed.mode = GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED;
        buffer.fixed.size = options->tcp_buffer;
        result = globus_ftp_client_operationattr_set_tcp_buffer(attr, &buffer);
    }
    if (result == GLOBUS_SUCCESS && options->dcau != 0)
    {
        dcau.subject.mode = (globus_ftp_control_dcau_mode_t) options->dcau;
        dcau.subject.subject = (char *) options->dcau_subject;
        result = globus_ftp_client_operationattr_set_dcau(attr, &dcau);
    }
    if (result == GLOBUS_SUCCESS && options->protection != 0)
    {
        result = globus_ftp_client_operationattr_set_data_protection(
            attr, (globus_ftp_control_protection_t) options->protection);
    }
    return result;
}

static globus_result_t pg_set_striping(globus_ftp_client_operationattr_t *attr, const pg_ftp_options *options)
{
    globus_result_t             result;
    globus_ftp_control_layout_t layout;

    memset(&layout, 0, sizeof layout);
    layout.mode = options->stripe_block < 0 ? GLOBUS_FTP_CONTROL_STRIPING_NONE
        : options->stripe_block == 0 ? GLOBUS_FTP_CONTROL_STRIPING_PARTITIONED
        : GLOBUS_FTP_CONTROL_STRIPING_BLOCKED_ROUND_ROBIN;
    if (options->stripe_block > 0)
    {
        layout.round_robin.block_size = (globus_size_t) options->stripe_block;
    }
    if ((result = globus_ftp_client_operationattr_set_mode(
            attr, GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_operationattr_set_striped(attr, GLOBUS_TRUE)) == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_operationattr_set_layout(attr, &layout);
    }
    return result;
}

/* What the server does with its own disk and network. */
static globus_result_t pg_set_server(globus_ftp_client_operationattr_t *attr, const pg_ftp_options *options)
{
    globus_result_t result = GLOBUS_SUCCESS;

    if (options->striped)
    {
        result = pg_set_striping(attr, options);
    }
    if (result == GLOBUS_SUCCESS && options->delayed_passive)
    {
        result = globus_ftp_client_operationattr_set_delayed_pasv(attr, GLOBUS_TRUE);
    }
    if (result == GLOBUS_SUCCESS && options->module != NULL)
    {
        result = globus_ftp_client_operationattr_set_storage_module(attr, options->module, options->module_arguments);
    }
    if (result == GLOBUS_SUCCESS && options->net_stack != NULL)
    {
        result = globus_ftp_client_operationattr_set_net_stack(attr, options->net_stack);
    }
    if (result == GLOBUS_SUCCESS && options->disk_stack != NULL)
    {
        result = globus_ftp_client_operationattr_set_disk_stack(attr, options->disk_stack);
    }
    if (result == GLOBUS_SUCCESS && options->assertion != NULL)
    {
        result = globus_ftp_client_operationattr_set_authz_assert(attr, options->assertion, options->keep_assertion);
    }
    return result;
}

globus_result_t pg_ftp_attr_new(const pg_ftp_options *options, globus_ftp_client_operationattr_t **out)
{
    globus_result_t                     result;
    globus_ftp_client_operationattr_t * attr = calloc(1, sizeof *attr);

    *out = NULL;
    if (attr == NULL)
    {
        return pg_no_memory();
    }
    if ((result = globus_ftp_client_operationattr_init(attr)) != GLOBUS_SUCCESS)
    {
        free(attr);
        return result;
    }
    result = pg_set_channel(attr, options);
    if (result == GLOBUS_SUCCESS)
    {
        result = pg_set_server(attr, options);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_operationattr_set_type(
            attr, options->ascii ? GLOBUS_FTP_CONTROL_TYPE_ASCII : GLOBUS_FTP_CONTROL_TYPE_IMAGE);
    }
    if (result == GLOBUS_SUCCESS && options->ipv6)
    {
        result = globus_ftp_client_operationattr_set_allow_ipv6(attr, GLOBUS_TRUE);
    }
    if (result == GLOBUS_SUCCESS && options->allocate >= 0)
    {
        result = globus_ftp_client_operationattr_set_allocate(attr, (globus_off_t) options->allocate);
    }
    if (result == GLOBUS_SUCCESS
        && (options->credential != GSS_C_NO_CREDENTIAL || options->user || options->password || options->subject
            || options->delegation))
    {
        result = globus_ftp_client_operationattr_set_authorization(
            attr, options->credential, options->user, options->password, options->delegation, options->subject);
    }
    if (result == GLOBUS_SUCCESS && options->data_credential != GSS_C_NO_CREDENTIAL)
    {
        result = globus_ftp_client_operationattr_set_data_security(attr, 'P', options->data_credential);
    }
    if (result != GLOBUS_SUCCESS)
    {
        pg_ftp_attr_free(attr);
        return result;
    }
    *out = attr;
    return GLOBUS_SUCCESS;
}

void pg_ftp_attr_free(globus_ftp_client_operationattr_t *attr)
{
    globus_ftp_client_operationattr_destroy(attr);
    free(attr);
}

globus_ftp_client_restart_marker_t *pg_marker_new(int64_t stream_offset, const int64_t *ranges, int count)
{
    globus_ftp_client_restart_marker_t *marker = calloc(1, sizeof *marker);
    int                                 i;

    if (marker == NULL)
    {
        return NULL;
    }
    globus_ftp_client_restart_marker_init(marker);
    if (stream_offset >= 0)
    {
        globus_ftp_client_restart_marker_set_offset(marker, (globus_off_t) stream_offset);
    }
    for (i = 0; stream_offset < 0 && i < count; i++)
    {
        globus_ftp_client_restart_marker_insert_range(
            marker, (globus_off_t) ranges[2 * i], (globus_off_t) ranges[2 * i + 1]);
    }
    return marker;
}

void pg_marker_free(globus_ftp_client_restart_marker_t *marker)
{
    globus_ftp_client_restart_marker_destroy(marker);
    free(marker);
}
