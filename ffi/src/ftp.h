/* SPDX-License-Identifier: Apache-2.0
 *
 * One globus_ftp_client handle at a fixed address with its plugins, and the attributes of an operation from one flat record.
 */
#ifndef PG_FTP_H
#define PG_FTP_H

#include "engine.h"
#include "globus_ftp_client.h"
#include "plugins.h"

typedef struct pg_ftp pg_ftp;

/* Who we are, and how a handle behaves. relative: URLs are read as RFC 1738 has it. debug_fd: where the control channel is
   logged, or -1; it is duplicated. */
typedef struct
{
    const char *    name;
    const char *    version;
    int             gridftp2;
    int             relative;
    int             debug_fd;
} pg_client;

globus_result_t pg_ftp_open(pg_ftp **out, const pg_client *client);
/* The handle must be idle; one that is not is left to the exit of the process. */
void            pg_ftp_close(pg_ftp *ftp);
/* From now on the handle does nothing more: the library has kept a buffer of it. */
void            pg_ftp_spoil(pg_ftp *ftp);
int             pg_ftp_spoilt(pg_ftp *ftp);
globus_ftp_client_handle_t *pg_ftp_handle(pg_ftp *ftp);
/* Who is warned from now on; NULL: nobody. */
void            pg_ftp_watch(pg_ftp *ftp, const pg_watcher *watcher);
/* Begin to count anew. */
void            pg_ftp_reset(pg_ftp *ftp);
/* Bytes that the servers of a third-party transfer have reported so far; any thread may ask. */
int64_t         pg_ftp_reported(pg_ftp *ftp);
/* The newest restart marker as text ("0-1048576,2097152-3145728"), or NULL; valid until the next turn. */
const char *    pg_ftp_marker(pg_ftp *ftp);
/* Whether the destination's server was asked to take an upload or third-party transfer, and has not refused: what it had
   before is gone, or may be. */
int             pg_ftp_begun(pg_ftp *ftp);

typedef struct
{
    int             extended;           /* MODE E instead of stream */
    int             ascii;
    int             parallel;           /* 0: as the library does */
    int             tcp_buffer;         /* bytes; 0: as the system does */
    int             dcau;               /* 'N', 'A', 'S', or 0: as the library does */
    const char *    dcau_subject;
    int             protection;         /* 'C', 'S', 'P', or 0: as the library does */
    int             ipv6;
    int             delayed_passive;
    int             striped;
    int64_t         stripe_block;       /* striped: -1 as the server likes, 0 partitioned, else blocks of so many bytes */
    const char *    module;             /* storage module of the server, with its arguments */
    const char *    module_arguments;
    const char *    net_stack;          /* XIO drivers of the server's network and disk */
    const char *    disk_stack;
    const char *    assertion;          /* authorization assertion; whether the server keeps it */
    int             keep_assertion;
    int64_t         allocate;           /* bytes announced by ALLO; -1: none */
    gss_cred_id_t   credential;         /* NULL: the user's default */
    const char *    delegation;         /* PG_DELEGATE_NONE, PG_DELEGATE_FULL, or NULL: limited */
    gss_cred_id_t   data_credential;    /* for data channels, by DCSC; NULL: the delegated one */
    const char *    user;
    const char *    password;
    const char *    subject;            /* NULL: the host's name decides */
} pg_ftp_options;

globus_result_t pg_ftp_attr_new(const pg_ftp_options *options, globus_ftp_client_operationattr_t **out);
void            pg_ftp_attr_free(globus_ftp_client_operationattr_t *attr);

/* A marker to go on where another operation ended: at a stream offset, or (that being negative) after these byte ranges,
   which are count pairs of start and end. NULL: no memory. */
globus_ftp_client_restart_marker_t *pg_marker_new(int64_t stream_offset, const int64_t *ranges, int count);
void            pg_marker_free(globus_ftp_client_restart_marker_t *marker);

#endif
