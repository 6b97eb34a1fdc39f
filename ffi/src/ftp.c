/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* fopencookie() */
#include "ftp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "globus_ftp_client_debug_plugin.h"
#include "globus_ftp_client_perf_plugin.h"
#include "globus_ftp_client_restart_marker_plugin.h"

/* More stripes than any server known has; bytes of further ones are not shown while the transfer runs. */
#define PG_STRIPES 64

struct pg_ftp
{
    globus_ftp_client_handle_t  handle;
    globus_ftp_client_plugin_t  perf;
    globus_ftp_client_plugin_t  markers;
    pg_debug                    debug;
    int64_t                     stripe[PG_STRIPES];
    _Atomic int64_t             reported;
    char *                      marker;
};

static globus_result_t pg_no_memory(void)
{
    return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, ENOMEM));
}

static void pg_perf_marker(void *arg, globus_ftp_client_handle_t *handle, long stamp, char tenth, int stripe, int stripes,
    globus_off_t nbytes)
{
    pg_ftp *    ftp = arg;
    int64_t     total = 0;
    int         i;

    (void) handle; (void) stamp; (void) tenth; (void) stripes;
    if (stripe < 0 || stripe >= PG_STRIPES)
    {
        return;
    }
    ftp->stripe[stripe] = nbytes;
    for (i = 0; i < PG_STRIPES; i++)
    {
        total += ftp->stripe[i];
    }
    atomic_store(&ftp->reported, total);
}

static globus_bool_t pg_marker_begin(void *arg, globus_ftp_client_handle_t *handle, const char *source, const char *dest,
    globus_ftp_client_restart_marker_t *saved)
{
    (void) arg; (void) handle; (void) source; (void) dest; (void) saved;
    return GLOBUS_FALSE;
}

static void pg_marker_seen(void *arg, globus_ftp_client_handle_t *handle, globus_ftp_client_restart_marker_t *marker)
{
    pg_ftp *        ftp = arg;
    char *          text = NULL;
    globus_result_t result;

    (void) handle;
    if ((result = globus_ftp_client_restart_marker_to_string(marker, &text)) == GLOBUS_SUCCESS)
    {
        free(ftp->marker);
        ftp->marker = text;
    }
    else
    {
        globus_object_free(globus_error_get(result));
    }
}

/* The library copies the checksum of a reply into the caller's buffer, however long it is: here it is cut first. */
static void pg_guard_reply(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, globus_object_t *error, const globus_ftp_control_response_t *reply)
{
    const size_t longest = sizeof "213 " - 1 + PG_CHECKSUM_ROOM - 1;

    (void) plugin; (void) arg; (void) handle; (void) url; (void) error;
    if (reply != NULL && reply->code == 213 && reply->response_length > longest)
    {
        reply->response_buffer[longest] = '\0';
    }
}

/* Replies are only shown to plugins that care for the operation. */
static void pg_guard_checksum(globus_ftp_client_plugin_t *plugin, void *arg, globus_ftp_client_handle_t *handle,
    const char *url, globus_off_t offset, globus_off_t length, const char *algorithm,
    const globus_ftp_client_operationattr_t *attr, globus_bool_t restart)
{
    (void) plugin; (void) arg; (void) handle; (void) url; (void) offset; (void) length; (void) algorithm; (void) attr;
    (void) restart;
}

static globus_ftp_client_plugin_t *pg_guard_copy(globus_ftp_client_plugin_t *plugin, void *arg);

static void pg_guard_destroy(globus_ftp_client_plugin_t *plugin, void *arg)
{
    (void) arg;
    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
}

static globus_result_t pg_guard_init(globus_ftp_client_plugin_t *plugin)
{
    globus_result_t result = globus_ftp_client_plugin_init(plugin, "pyglobus_guard", GLOBUS_FTP_CLIENT_CMD_MASK_ALL, NULL);

    if (result == GLOBUS_SUCCESS)
    {
        globus_ftp_client_plugin_set_copy_func(plugin, pg_guard_copy);
        globus_ftp_client_plugin_set_destroy_func(plugin, pg_guard_destroy);
        globus_ftp_client_plugin_set_cksm_func(plugin, pg_guard_checksum);
        globus_ftp_client_plugin_set_response_func(plugin, pg_guard_reply);
    }
    return result;
}

static globus_ftp_client_plugin_t *pg_guard_copy(globus_ftp_client_plugin_t *plugin, void *arg)
{
    globus_ftp_client_plugin_t *    copy = malloc(sizeof *copy);
    globus_result_t                 result;

    (void) plugin; (void) arg;
    if (copy != NULL && (result = pg_guard_init(copy)) != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
        free(copy);
        copy = NULL;
    }
    return copy;
}

/* A handle takes a copy of each plugin that its attribute has. */
static globus_result_t pg_guard_add(globus_ftp_client_handleattr_t *attr)
{
    globus_ftp_client_plugin_t  guard = NULL;
    globus_result_t             result = pg_guard_init(&guard);

    if (result == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_handleattr_add_plugin(attr, &guard);
        globus_ftp_client_plugin_destroy(&guard);
    }
    return result;
}

/* The log of the control channel: what goes to the descriptor, without the private key that DCSC carries. */
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

static globus_result_t pg_debug_open(globus_ftp_client_handleattr_t *attr, int fd, pg_debug *debug)
{
    globus_result_t result;

    if ((debug->stream = pg_log_open(fd)) == NULL)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    if ((result = globus_ftp_client_debug_plugin_init(&debug->plugin, debug->stream, "debug")) == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_handleattr_add_plugin(attr, &debug->plugin);
    }
    return result;
}

globus_result_t pg_handleattr_init(globus_ftp_client_handleattr_t *attr, const char *client, const char *version,
    int gridftp2, int debug_fd, pg_debug *debug)
{
    globus_result_t result;

    if ((result = globus_ftp_client_handleattr_init(attr)) != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((result = globus_ftp_client_handleattr_set_cache_all(attr, GLOBUS_TRUE)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_set_gridftp2(attr, gridftp2)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_set_clientinfo(attr, client, version, NULL)) == GLOBUS_SUCCESS
        && debug_fd >= 0)
    {
        result = pg_debug_open(attr, debug_fd, debug);
    }
    if (result != GLOBUS_SUCCESS)
    {
        globus_ftp_client_handleattr_destroy(attr);
        pg_debug_close(debug);
    }
    return result;
}

void pg_debug_close(pg_debug *debug)
{
    if (debug->plugin != NULL)
    {
        globus_ftp_client_debug_plugin_destroy(&debug->plugin);
        debug->plugin = NULL;
    }
    if (debug->stream != NULL)
    {
        fclose(debug->stream);
        debug->stream = NULL;
    }
}

globus_result_t pg_ftp_open(pg_ftp **out, const char *client, const char *version, int gridftp2, int debug_fd)
{
    globus_ftp_client_handleattr_t  attr;
    globus_result_t                 result;
    pg_ftp *                        ftp = calloc(1, sizeof *ftp);

    *out = NULL;
    if (ftp == NULL)
    {
        return pg_no_memory();
    }
    if ((result = pg_handleattr_init(&attr, client, version, gridftp2, debug_fd, &ftp->debug)) != GLOBUS_SUCCESS)
    {
        free(ftp);
        return result;
    }
    if ((result = globus_ftp_client_perf_plugin_init(&ftp->perf, NULL, pg_perf_marker, NULL, ftp)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_restart_marker_plugin_init(
            &ftp->markers, pg_marker_begin, pg_marker_seen, NULL, ftp)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_add_plugin(&attr, &ftp->perf)) == GLOBUS_SUCCESS
        && (result = globus_ftp_client_handleattr_add_plugin(&attr, &ftp->markers)) == GLOBUS_SUCCESS
        && (result = pg_guard_add(&attr)) == GLOBUS_SUCCESS)
    {
        result = globus_ftp_client_handle_init(&ftp->handle, &attr);
    }
    globus_ftp_client_handleattr_destroy(&attr);
    if (result != GLOBUS_SUCCESS)
    {
        pg_ftp_close(ftp);
        return result;
    }
    *out = ftp;
    return GLOBUS_SUCCESS;
}

void pg_ftp_close(pg_ftp *ftp)
{
    if (ftp->handle != NULL)
    {
        globus_result_t result = globus_ftp_client_handle_destroy(&ftp->handle);

        if (result != GLOBUS_SUCCESS)
        {
            globus_object_free(globus_error_get(result));
            return;                             /* still in use: its callbacks may come, so nothing may be freed */
        }
    }
    if (ftp->perf != NULL)
    {
        globus_ftp_client_perf_plugin_destroy(&ftp->perf);
    }
    if (ftp->markers != NULL)
    {
        globus_ftp_client_restart_marker_plugin_destroy(&ftp->markers);
    }
    pg_debug_close(&ftp->debug);
    free(ftp->marker);
    free(ftp);
}

globus_ftp_client_handle_t *pg_ftp_handle(pg_ftp *ftp)
{
    return &ftp->handle;
}

void pg_ftp_reset(pg_ftp *ftp)
{
    memset(ftp->stripe, 0, sizeof ftp->stripe);
    atomic_store(&ftp->reported, 0);
    free(ftp->marker);
    ftp->marker = NULL;
}

int64_t pg_ftp_reported(pg_ftp *ftp)
{
    return atomic_load(&ftp->reported);
}

const char *pg_ftp_marker(pg_ftp *ftp)
{
    return ftp->marker;
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
