/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "globus_ftp_client.h"
#include "globus_ftp_client_debug_plugin.h"
#include "globus_ftp_client_perf_plugin.h"
#include "globus_ftp_client_restart_marker_plugin.h"
#include "globus_gss_assist.h"
#include "globus_xio_file_driver.h"

/* XIO aborts the process when a descriptor reaches FD_SETSIZE, whatever the limit says. */
#define PG_MAX_DESCRIPTORS 1000

static struct
{
    globus_xio_driver_t driver;
    globus_xio_stack_t  stack;
    globus_xio_handle_t handle;
    int                 write_fd;
    atomic_flag         pending;
    atomic_int          called;         /* by pg_engine_wake(): the loop is to be left */
    pthread_mutex_t     gate;           /* of the jobs and of closed */
    pg_job *            jobs;
    pg_job **           last_job;
    int                 closed;
    globus_byte_t       buffer[16];
    pg_operation *      first;
    pg_operation **     last;
} engine = {
    .write_fd = -1, .pending = ATOMIC_FLAG_INIT, .gate = PTHREAD_MUTEX_INITIALIZER, .last_job = &engine.jobs,
    .last = &engine.first
};

static void pg_listen(void);

static void pg_run_jobs(void)
{
    pg_job *job, *next;

    pthread_mutex_lock(&engine.gate);
    job = engine.jobs;
    engine.jobs = NULL;
    engine.last_job = &engine.jobs;
    pthread_mutex_unlock(&engine.gate);
    for (; job != NULL; job = next)
    {
        next = job->next;       /* who waits for the job may use it again as soon as it has run */
        job->run(job);
    }
}

static void pg_woken(globus_xio_handle_t handle, globus_result_t result, globus_byte_t *buffer, globus_size_t length,
    globus_size_t nbytes, globus_xio_data_descriptor_t descriptor, void *arg)
{
    (void) handle; (void) buffer; (void) length; (void) nbytes; (void) descriptor; (void) arg;
    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));       /* the pipe is being closed */
        return;
    }
    atomic_flag_clear(&engine.pending);
    pg_listen();
    pg_run_jobs();
    if (atomic_exchange(&engine.called, 0))
    {
        globus_callback_signal_poll();
    }
}

static void pg_listen(void)
{
    globus_result_t result = globus_xio_register_read(
        engine.handle, engine.buffer, sizeof engine.buffer, 1, NULL, pg_woken, NULL);

    if (result != GLOBUS_SUCCESS)
    {
        globus_object_free(globus_error_get(result));
    }
}

globus_result_t pg_engine_convert(int fd, globus_xio_handle_t *handle, globus_xio_callback_t opened, void *arg)
{
    globus_xio_attr_t   attr;
    globus_result_t     result = globus_xio_attr_init(&attr);

    if (result != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((result = globus_xio_attr_cntl(attr, engine.driver, GLOBUS_XIO_FILE_SET_HANDLE, fd)) == GLOBUS_SUCCESS
        && (result = globus_xio_handle_create(handle, engine.stack)) == GLOBUS_SUCCESS)
    {
        result = opened != NULL
            ? globus_xio_register_open(*handle, NULL, attr, opened, arg) : globus_xio_open(*handle, NULL, attr);
    }
    globus_xio_attr_destroy(attr);
    return result;
}

static globus_result_t pg_open_pipe(void)
{
    globus_result_t     result;
    int                 fds[2];
    int                 i;

    if (pipe(fds) != 0)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, errno));
    }
    for (i = 0; i < 2; i++)
    {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    if ((result = globus_xio_driver_load("file", &engine.driver)) == GLOBUS_SUCCESS
        && (result = globus_xio_stack_init(&engine.stack, NULL)) == GLOBUS_SUCCESS
        && (result = globus_xio_stack_push_driver(engine.stack, engine.driver)) == GLOBUS_SUCCESS)
    {
        result = pg_engine_convert(fds[0], &engine.handle, NULL, NULL);
    }
    if (result == GLOBUS_SUCCESS)
    {
        engine.write_fd = fds[1];
    }
    else
    {
        close(fds[0]);
        close(fds[1]);
    }
    return result;
}

static globus_module_descriptor_t *pg_modules[] = {
    GLOBUS_COMMON_MODULE, GLOBUS_XIO_MODULE, GLOBUS_GSI_GSS_ASSIST_MODULE, GLOBUS_FTP_CLIENT_MODULE,
    GLOBUS_FTP_CLIENT_PERF_PLUGIN_MODULE, GLOBUS_FTP_CLIENT_RESTART_MARKER_PLUGIN_MODULE,
    GLOBUS_FTP_CLIENT_DEBUG_PLUGIN_MODULE, NULL
};

int pg_engine_open(const char **failed, int *number)
{
    globus_module_descriptor_t *culprit = NULL;
    globus_result_t             result;
    struct rlimit               limit;
    int                         rc;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    {
        limit.rlim_cur = limit.rlim_max < PG_MAX_DESCRIPTORS ? limit.rlim_max : PG_MAX_DESCRIPTORS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if ((rc = globus_thread_set_model("none")) != GLOBUS_SUCCESS)
    {
        *failed = "the thread model";
        return rc;
    }
    if ((rc = globus_module_activate_array(pg_modules, &culprit)) != GLOBUS_SUCCESS)
    {
        *failed = culprit ? culprit->module_name : "a module";
        return rc;
    }
    if ((result = pg_open_pipe()) != GLOBUS_SUCCESS)
    {
        globus_object_t *error = globus_error_get(result);

        *number = globus_error_errno_search(error);
        globus_object_free(error);
        *failed = "the wake-up pipe";
        return -1;
    }
    pg_listen();
    return 0;
}

void pg_engine_turn(double seconds)
{
    globus_abstime_t    stop = globus_i_abstime_infinity;

    if (engine.first != NULL)
    {
        return;
    }
    if (seconds >= 0)
    {
        globus_reltime_t    delay;

        GlobusTimeReltimeSet(delay, (time_t) seconds, (long) ((seconds - (double) (time_t) seconds) * 1e6));
        GlobusTimeAbstimeGetCurrent(stop);
        GlobusTimeAbstimeInc(stop, delay);
    }
    globus_callback_space_poll(&stop, GLOBUS_CALLBACK_GLOBAL_SPACE);
}

static void pg_knock(void)
{
    if (!atomic_flag_test_and_set(&engine.pending) && write(engine.write_fd, "", 1) < 0)
    {
        atomic_flag_clear(&engine.pending);     /* full is impossible (one byte at most); not open: nobody sleeps */
    }
}

void pg_engine_wake(void)
{
    atomic_store(&engine.called, 1);
    pg_knock();
}

int pg_engine_hand(pg_job *job)
{
    int closed;

    job->next = NULL;
    pthread_mutex_lock(&engine.gate);
    if (!(closed = engine.closed))
    {
        *engine.last_job = job;
        engine.last_job = &job->next;
    }
    pthread_mutex_unlock(&engine.gate);
    if (!closed)
    {
        pg_knock();
    }
    return closed;
}

void pg_engine_refuse(void)
{
    pthread_mutex_lock(&engine.gate);
    engine.closed = 1;
    pthread_mutex_unlock(&engine.gate);
    pg_run_jobs();
}

int pg_engine_closes(void)
{
    return engine.closed;       /* set by the engine's thread alone */
}

pg_operation *pg_engine_take(void)
{
    pg_operation *operation = engine.first;

    if (operation != NULL && (engine.first = operation->next) == NULL)
    {
        engine.last = &engine.first;
    }
    return operation;
}

pg_operation *pg_operation_new(uint64_t id)
{
    pg_operation *operation = calloc(1, sizeof *operation);

    if (operation != NULL)
    {
        operation->id = id;
    }
    return operation;
}

void pg_operation_free(pg_operation *operation)
{
    if (operation->error != NULL)
    {
        globus_object_free(operation->error);
    }
    free(operation);
}

void pg_operation_finish(pg_operation *operation, globus_object_t *borrowed)
{
    if (borrowed != NULL && (operation->error = globus_object_copy(borrowed)) == NULL && operation->local_errno == 0)
    {
        operation->local_errno = ENOMEM;            /* a failure must not look like success */
    }
    operation->next = NULL;
    *engine.last = operation;
    engine.last = &operation->next;
    globus_callback_signal_poll();
}

void pg_operation_done(void *operation, void *handle, globus_object_t *borrowed)
{
    (void) handle;
    pg_operation_finish(operation, borrowed);
}
