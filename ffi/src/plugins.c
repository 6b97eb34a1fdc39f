/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* fopencookie() */
#include "plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "globus_ftp_client_debug_plugin.h"
#include "globus_ftp_client_perf_plugin.h"
#include "globus_ftp_client_restart_marker_plugin.h"

/* Markers -------------------------------------------------------------------------------------------------------------- */

static void pg_perf_marker(void *arg, globus_ftp_client_handle_t *handle, long stamp, char tenth, int stripe, int stripes,
    globus_off_t nbytes)
{
    pg_plugins *    plugins = arg;
    int64_t         total = 0;
    int             i;

    (void) handle; (void) stamp; (void) tenth; (void) stripes;
    if (stripe < 0 || stripe >= PG_STRIPES)
    {
        return;
    }
    plugins->stripe[stripe] = nbytes;
    for (i = 0; i < PG_STRIPES; i++)
    {
        total += plugins->stripe[i];
    }
    atomic_store(&plugins->reported, total);
}

static globus_bool_t pg_marker_begin(void *arg, globus_ftp_client_handle_t *handle, const char *source, const char *dest,
    globus_ftp_client_restart_marker_t *saved)
{
    (void) arg; (void) handle; (void) source; (void) dest; (void) saved;
    return GLOBUS_FALSE;
}

static void pg_marker_seen(void *arg, globus_ftp_client_handle_t *handle, globus_ftp_client_restart_marker_t *marker)
{
    pg_plugins *    plugins = arg;
    char *          text = NULL;
    globus_result_t result;

    (void) handle;
    if ((result = globus_ftp_client_restart_marker_to_string(marker, &text)) == GLOBUS_SUCCESS)
    {
        free(plugins->marker);
        plugins->marker = text;
    }
    else
    {
        globus_object_free(globus_error_get(result));
    }
}

/* The watch ------------------------------------------------------------------------------------------------------------ */

static void pg_watch_reply(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error, const globus_ftp_control_response_t *reply)
{
    const size_t    longest = sizeof "213 " - 1 + PG_CHECKSUM_ROOM - 1;
    pg_plugins *    plugins = arg;

    (void) plugin; (void) handle; (void) error;
    if (reply == NULL || reply->response_buffer == NULL)
    {
        return;
    }
    if (reply->code == 213 && reply->response_length > longest)
    {
        reply->response_buffer[longest] = '\0';
    }
    if (plugins->begun == PG_ASKED && strcmp(url, plugins->dest) == 0)
    {
        plugins->begun = reply->code >= 400 ? PG_NOT_BEGUN : PG_BEGUN;
    }
    if (plugins->watcher.reply != NULL)
    {
        plugins->watcher.reply(plugins->watcher.arg, reply);
    }
}

static void pg_watch_command(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, const char *command)
{
    pg_plugins *plugins = arg;

    (void) plugin; (void) handle;
    if (plugins->dest != NULL && strcmp(url, plugins->dest) == 0
        && (strncmp(command, "STOR ", 5) == 0 || strncmp(command, "ESTO ", 5) == 0 || strncmp(command, "PUT ", 4) == 0))
    {
        plugins->begun = PG_ASKED;
    }
}

static void pg_watch_fault(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error)
{
    pg_plugins *plugins = arg;

    (void) plugin; (void) handle; (void) url; (void) error;
    if (plugins->watcher.fault != NULL)
    {
        plugins->watcher.fault(plugins->watcher.arg);
    }
}

/* The library shows an operation only to plugins that have a function for its kind. */
static void pg_watch_cksm(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, globus_off_t offset, globus_off_t length, const char *algorithm,
    const globus_ftp_client_operationattr_t *attr, globus_bool_t restart)
{
    (void) plugin; (void) arg; (void) handle; (void) url; (void) offset; (void) length; (void) algorithm; (void) attr;
    (void) restart;
}

static void pg_watch_dest(pg_plugins *plugins, const char *url)
{
    free(plugins->dest);
    plugins->dest = strdup(url);
}

static void pg_watch_put(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, const globus_ftp_client_operationattr_t *attr, globus_bool_t restart)
{
    (void) plugin; (void) handle; (void) attr; (void) restart;
    pg_watch_dest(arg, url);
}

static void pg_watch_third_party(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *source_url, const globus_ftp_client_operationattr_t *source_attr, const char *dest_url,
    const globus_ftp_client_operationattr_t *dest_attr, globus_bool_t restart)
{
    (void) plugin; (void) handle; (void) source_url; (void) source_attr; (void) dest_attr; (void) restart;
    pg_watch_dest(arg, dest_url);
}

static globus_ftp_client_plugin_t *pg_watch_copy(globus_ftp_client_plugin_t *plugin, void *arg);

static void pg_watch_destroy(globus_ftp_client_plugin_t *plugin, void *arg)
{
    (void) arg;
    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
}

static globus_result_t pg_watch_init(globus_ftp_client_plugin_t *plugin, void *arg)
{
    globus_result_t result = globus_ftp_client_plugin_init(plugin, "pyglobus_watch", GLOBUS_FTP_CLIENT_CMD_MASK_ALL, arg);

    if (result == GLOBUS_SUCCESS)
    {
        globus_ftp_client_plugin_set_copy_func(plugin, pg_watch_copy);
        globus_ftp_client_plugin_set_destroy_func(plugin, pg_watch_destroy);
        globus_ftp_client_plugin_set_cksm_func(plugin, pg_watch_cksm);
        globus_ftp_client_plugin_set_put_func(plugin, pg_watch_put);
        globus_ftp_client_plugin_set_third_party_transfer_func(plugin, pg_watch_third_party);
        globus_ftp_client_plugin_set_command_func(plugin, pg_watch_command);
        globus_ftp_client_plugin_set_response_func(plugin, pg_watch_reply);
        globus_ftp_client_plugin_set_fault_func(plugin, pg_watch_fault);
    }
    return result;
}

static globus_ftp_client_plugin_t *pg_watch_copy(globus_ftp_client_plugin_t *plugin, void *arg)
{
    globus_ftp_client_plugin_t *    copy = malloc(sizeof *copy);
    globus_result_t                 result;

    (void) plugin;
    if (copy != NULL && (result = pg_watch_init(copy, arg)) != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        free(copy);
        copy = NULL;
    }
    return copy;
}

/* An attribute takes a copy of the plugin. */
static globus_result_t pg_watch_add(pg_plugins *plugins, globus_ftp_client_handleattr_t *attr)
{
    globus_ftp_client_plugin_t  plugin = NULL;
    globus_result_t             result = pg_watch_init(&plugin, plugins);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_handleattr_add_plugin(attr, &plugin);
        globus_ftp_client_plugin_destroy(&plugin);
    }
    return result;
}

/* The log -------------------------------------------------------------------------------------------------------------- */

/* Where the library logs to: what goes to the descriptor, without the private key that DCSC carries. */
typedef struct
{
    int     fd;
    size_t  matched;            /* bytes of pg_secret seen since the line began; SIZE_MAX: this line is another */
} pg_log;

static const char pg_secret[] = "DCSC P ";

static ssize_t pg_log_write(void *cookie, const char *data, size_t length)
{
    pg_log *    log = cookie;
    char *      shown = malloc(length);
    size_t      count = 0;
    size_t      i;
    int         failed = shown == NULL;

    for (i = 0; !failed && i < length; i++)
    {
        if (log->matched == sizeof pg_secret - 1 && data[i] != '\n')
        {
            continue;
        }
        shown[count++] = data[i];
        if (data[i] == '\n')
        {
            log->matched = 0;
        }
        else if (log->matched < sizeof pg_secret - 1)
        {
            log->matched = data[i] == pg_secret[log->matched] ? log->matched + 1 : SIZE_MAX;
        }
    }
    for (i = 0; !failed && i < count; )
    {
        ssize_t n = write(log->fd, shown + i, count - i);

        failed = n < 0 && errno != EINTR;
        i += n > 0 ? (size_t) n : 0;
    }
    free(shown);
    return failed ? 0 : (ssize_t) length;
}

static int pg_log_close(void *cookie)
{
    pg_log *log = cookie;

    close(log->fd);
    free(log);
    return 0;
}

static FILE *pg_log_open(int fd)
{
    static const cookie_io_functions_t  functions = { .write = pg_log_write, .close = pg_log_close };
    pg_log *                            log = calloc(1, sizeof *log);
    FILE *                              stream = NULL;

    if (log != NULL && (log->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0
        && (stream = fopencookie(log, "w", functions)) != NULL)
    {
        setvbuf(stream, NULL, _IOLBF, 0);
        return stream;
    }
    if (log != NULL && log->fd >= 0)
    {
        close(log->fd);
    }
    free(log);
    return NULL;
}

static globus_result_t pg_log_add(pg_plugins *plugins, globus_ftp_client_handleattr_t *attr, int fd)
{
    globus_result_t result;

    if ((plugins->log = pg_log_open(fd)) == NULL)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    if ((result = globus_ftp_client_debug_plugin_init(&plugins->debug, plugins->log, "debug")) == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_handleattr_add_plugin(attr, &plugins->debug);
    }
    return result;
}

/* All of them ---------------------------------------------------------------------------------------------------------- */

globus_result_t pg_plugins_add(pg_plugins *plugins, globus_ftp_client_handleattr_t *attr, int log_fd)
{
    globus_result_t result = GLOBUS_SUCCESS;

    if (log_fd >= 0)
    {
        result = pg_log_add(plugins, attr, log_fd);
    }
    if (result == GLOBUS_SUCCESS
        && (result = globus_ftp_client_perf_plugin_init(
            &plugins->performance, NULL, pg_perf_marker, NULL, plugins)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_restart_marker_plugin_init(
            &plugins->restart, pg_marker_begin, pg_marker_seen, NULL, plugins)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_add_plugin(attr, &plugins->performance)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_add_plugin(attr, &plugins->restart)) == GLOBUS_SUCCESS)
    {
        result = pg_watch_add(plugins, attr);
    }
    return result;
}

void pg_plugins_reset(pg_plugins *plugins)
{
    memset(plugins->stripe, 0, sizeof plugins->stripe);
    atomic_store(&plugins->reported, 0);
    free(plugins->marker);
    plugins->marker = NULL;
    free(plugins->dest);
    plugins->dest = NULL;
    plugins->begun = PG_NOT_BEGUN;
}

void pg_plugins_clear(pg_plugins *plugins)
{
    if (plugins->performance != NULL)
    {
        globus_ftp_client_perf_plugin_destroy(&plugins->performance);
    }
    if (plugins->restart != NULL)
    {
        globus_ftp_client_restart_marker_plugin_destroy(&plugins->restart);
    }
    if (plugins->debug != NULL)
    {
        globus_ftp_client_debug_plugin_destroy(&plugins->debug);
    }
    if (plugins->log != NULL)
    {
        fclose(plugins->log);
    }
    free(plugins->marker);
    free(plugins->dest);
}
