/* SPDX-License-Identifier: Apache-2.0
 *
 * What a handle of globus_ftp_client tells beside its callbacks, by the library's plugins: performance and restart markers
 * of servers, the log of the control channel, and the watch.
 *
 * The watch sees every reply and every fault before the library acts on it. It cuts replies to CKSM, which the library
 * copies into a buffer of unknown length, it warns an upload that cannot succeed any more (channel.h), and it notes when a
 * server begins to take a file, since what was there before is then there no more.
 */
#ifndef PG_PLUGINS_H
#define PG_PLUGINS_H

#include <stdint.h>
#include <stdio.h>
#include "globus_ftp_client.h"

/* Bytes that globus_ftp_client_cksm() may write into the caller's buffer on our handles: SHA-512 has 128 digits. */
#define PG_CHECKSUM_ROOM 256

/* More stripes than any server known has; bytes of further ones are not shown while the transfer runs. */
#define PG_STRIPES 64

enum { PG_NOT_BEGUN, PG_ASKED, PG_BEGUN };

/* Who is warned; NULL: nobody. */
typedef struct
{
    void    (*fault)(void *arg);                                                /* the connection is lost */
    void    (*reply)(void *arg, const globus_ftp_control_response_t *reply);    /* any reply of the server */
    void *  arg;
} pg_watcher;

typedef struct
{
    globus_ftp_client_plugin_t  performance;
    globus_ftp_client_plugin_t  restart;
    globus_ftp_client_plugin_t  debug;
    FILE *                      log;
    pg_watcher                  watcher;
    int64_t                     stripe[PG_STRIPES];
    _Atomic int64_t             reported;       /* bytes, by performance markers */
    char *                      marker;         /* the newest restart marker as text, or NULL */
    char *                      dest;           /* URL of the upload or third-party transfer that runs, or NULL */
    int                         begun;          /* its server was asked to take it, and has not refused */
} pg_plugins;

/* Put them into the attribute of a handle to be; they stay at this address. log_fd: duplicated; -1: no log. */
globus_result_t pg_plugins_add(pg_plugins *plugins, globus_ftp_client_handleattr_t *attr, int log_fd);
/* Forget what was reported. */
void            pg_plugins_reset(pg_plugins *plugins);
/* After the handle is gone, or if it never was. */
void            pg_plugins_clear(pg_plugins *plugins);

#endif
