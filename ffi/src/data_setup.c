/* SPDX-License-Identifier: Apache-2.0 */
#include "control_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "delegation.h"
#include "errors.h"
#include "reply.h"

/* Features --------------------------------------------------------------------------------------------------------------- */

static void pg_use_features(pg_control *control, const char *text)
{
    free(control->features);
    control->features = strdup(text);
}

static const pg_command pg_feat = { "FEAT", 1, pg_use_features };
static const pg_command pg_type = { "TYPE", 0, NULL };
static const pg_command pg_mode = { "MODE", 0, NULL };

void pg_data_ask_features(pg_control *control)
{
    pg_control_ask(control, &pg_feat, "");
    pg_control_ask(control, &pg_type, "I");
    pg_control_ask(control, &pg_mode, "E");
}

/* The data channel ------------------------------------------------------------------------------------------------------- */

static void pg_use_pasv(pg_control *control, const char *text)
{
    globus_ftp_control_host_port_t address;

    if (pg_reply_address(text, &address) != 0)
    {
        pg_control_fail_text(control, "the server's reply to PASV names no address");
        return;
    }
    pg_control_accept(control, globus_ftp_control_local_port(&control->handle, &address));
}

static void pg_use_epsv(pg_control *control, const char *text)
{
    globus_ftp_control_host_port_t  address;
    unsigned short                  port;

    memset(&address, 0, sizeof address);
    if (pg_reply_port(text, &port) != 0)
    {
        pg_control_fail_text(control, "the server's reply to EPSV names no port");
    }
    else if (pg_control_accept(control,
        globus_ftp_control_client_get_connection_info_ex(&control->handle, NULL, &address)) == 0)
    {
        address.port = port;
        pg_control_accept(control, globus_ftp_control_local_port(&control->handle, &address));
    }
}

static void pg_use_pbsz(pg_control *control, const char *text)
{
    const char *    place = strstr(text, "PBSZ=");
    unsigned long   size;

    if (place != NULL && sscanf(place, "PBSZ=%lu", &size) == 1)
    {
        pg_control_accept(control, globus_ftp_control_local_pbsz(&control->handle, size));
    }
}

static const pg_command pg_info = { "SITE CLIENTINFO", 1, NULL };
static const pg_command pg_dcsc = { "DCSC P", 0, NULL };
static const pg_command pg_dcau = { "DCAU", 0, NULL };
static const pg_command pg_pbsz = { "PBSZ", 0, pg_use_pbsz };
static const pg_command pg_prot = { "PROT", 0, NULL };
static const pg_command pg_sbuf = { "SBUF", 1, NULL };
static const pg_command pg_trev = { "TREV", 1, NULL };
static const pg_command pg_opts = { "OPTS RETR", 0, NULL };
static const pg_command pg_pasv = { "PASV", 0, pg_use_pasv };
static const pg_command pg_port = { "PORT", 0, NULL };
static const pg_command pg_epsv = { "EPSV", 0, pg_use_epsv };
static const pg_command pg_eprt = { "EPRT", 0, NULL };

static int pg_send_credential(pg_control *control)
{
    size_t          length;
    const char *    pem = pg_data_credential_pem(control->options.data_credential, &length);
    char *          text = pem != NULL ? malloc(4 * ((length + 2) / 3) + 1) : NULL;

    if (text == NULL)
    {
        pg_control_fail_text(control, "the credential for data channels cannot be sent");
        return -1;
    }
    EVP_EncodeBlock((unsigned char *) text, (const unsigned char *) pem, (int) length);
    pg_control_ask(control, &pg_dcsc, text);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    return 0;
}

/* Our side of it, which must be settled before it has an address. */
static int pg_set_local(pg_control *control)
{
    globus_ftp_control_handle_t *       handle = &control->handle;
    const pg_control_options *          options = &control->options;
    globus_ftp_control_parallelism_t    parallel;
    globus_ftp_control_tcpbuffer_t      buffer;
    globus_ftp_control_dcau_t           dcau;
    globus_result_t                     result;

    memset(&dcau, 0, sizeof dcau);
    dcau.mode = options->secure && options->authenticate_data
        ? GLOBUS_FTP_CONTROL_DCAU_SELF : GLOBUS_FTP_CONTROL_DCAU_NONE;
    parallel.fixed.mode = GLOBUS_FTP_CONTROL_PARALLELISM_FIXED;
    parallel.fixed.size = 1;
    buffer.fixed.mode = GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED;
    buffer.fixed.size = options->tcp_buffer;
    result = globus_ftp_control_local_type(handle, GLOBUS_FTP_CONTROL_TYPE_IMAGE, 0);
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_mode(handle, GLOBUS_FTP_CONTROL_MODE_EXTENDED_BLOCK);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_parallelism(handle, &parallel);
    }
    if (result == GLOBUS_SUCCESS && options->tcp_buffer > 0)
    {
        result = globus_ftp_control_local_tcp_buffer(handle, &buffer);
    }
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_control_local_dcau(handle, &dcau, options->data_credential != GSS_C_NO_CREDENTIAL
            ? options->data_credential : handle->cc_handle.auth_info.credential_handle);
    }
    if (result == GLOBUS_SUCCESS && options->secure && options->protection != 0)
    {
        result = globus_ftp_control_local_prot(handle, (globus_ftp_control_protection_t) options->protection);
    }
    return pg_control_accept(control, result);
}

/* An address as PORT takes it (RFC 959), or with IPv6 as EPRT does (RFC 2428). */
static void pg_ask_port(pg_control *control, const globus_ftp_control_host_port_t *address)
{
    unsigned char   bytes[16];
    char            host[INET6_ADDRSTRLEN];
    char            text[INET6_ADDRSTRLEN + 16];
    int             i;

    for (i = 0; i < 16; i++)
    {
        bytes[i] = (unsigned char) (i < address->hostlen ? address->host[i] : 0);
    }
    if (address->hostlen == 16 && inet_ntop(AF_INET6, bytes, host, sizeof host) != NULL)
    {
        snprintf(text, sizeof text, "|2|%s|%d|", host, address->port);
        pg_control_ask(control, &pg_eprt, text);
    }
    else
    {
        snprintf(text, sizeof text, "%d,%d,%d,%d,%d,%d", bytes[0], bytes[1], bytes[2], bytes[3], address->port / 256,
            address->port % 256);
        pg_control_ask(control, &pg_port, text);
    }
}

/* In MODE E the sender connects: we to the server if files are put. */
static void pg_ask_address(pg_control *control)
{
    globus_ftp_control_host_port_t  address;
    int                             sixth;

    memset(&address, 0, sizeof address);
    if (pg_control_accept(control,
        globus_ftp_control_client_get_connection_info_ex(&control->handle, &address, NULL)) != 0)
    {
        return;
    }
    sixth = address.hostlen == 16;
    if (!control->options.receive)
    {
        pg_control_ask(control, &pg_trev, "PERF 0");        /* else there are three markers for each file, however small */
        pg_control_ask(control, &pg_trev, "RESTART 0");
        pg_control_ask(control, sixth ? &pg_epsv : &pg_pasv, "");
        return;
    }
    memset(&address, 0, sizeof address);
    address.hostlen = sixth ? 16 : 4;
    if (pg_control_accept(control, globus_ftp_control_local_pasv(&control->handle, &address)) == 0)
    {
        pg_control_ask(control, &pg_opts, "Parallelism=1,1,1;");
        pg_ask_port(control, &address);
    }
}

void pg_data_set_up(pg_control *control)
{
    const pg_control_options *  options = &control->options;
    int                         authenticated = options->secure && options->authenticate_data;
    unsigned long               size = 0;
    char                        number[24];

    if (!pg_reply_names(control->features, "PARALLEL"))
    {
        pg_control_lacks(control, "the server has no MODE E (FEAT does not name PARALLEL)");
        return;
    }
    if (authenticated && options->data_credential != GSS_C_NO_CREDENTIAL && !pg_reply_names(control->features, "DCSC"))
    {
        pg_control_lacks(control, "the server does not take a credential for data channels (FEAT does not name DCSC)");
        return;
    }
    if (pg_set_local(control) != 0)
    {
        return;
    }
    if (options->client != NULL)
    {
        pg_control_ask(control, &pg_info, options->client);
    }
    if (authenticated && options->data_credential != GSS_C_NO_CREDENTIAL && pg_send_credential(control) != 0)
    {
        return;
    }
    if (options->secure)
    {
        pg_control_ask(control, &pg_dcau, authenticated ? "A" : "N");
    }
    if (options->secure && options->protection != 0)
    {
        pg_drop(globus_ftp_control_get_pbsz(&control->handle, &size));
        snprintf(number, sizeof number, "%lu", size);
        pg_control_ask(control, &pg_pbsz, number);
        snprintf(number, sizeof number, "%c", options->protection);
        pg_control_ask(control, &pg_prot, number);
    }
    if (options->tcp_buffer > 0)
    {
        snprintf(number, sizeof number, "%d", options->tcp_buffer);
        pg_control_ask(control, &pg_sbuf, number);
    }
    pg_ask_address(control);
}

