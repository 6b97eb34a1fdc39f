/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages over a stack of XIO drivers, driven from C with its blocking calls: what benchmarks/sockets.py compares with.
 *
 *   xio_pump receive STACK SIZE COUNT        prints the port, and at the end the seconds from first to last message
 *   xio_pump send STACK SIZE COUNT PORT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "globus_common.h"
#include "globus_xio.h"
#include "globus_xio_gsi.h"
#include "globus_xio_tcp_driver.h"

static void must(globus_result_t result, const char *what)
{
    if (result != GLOBUS_SUCCESS)
    {
        fprintf(stderr, "%s: %s\n", what, globus_error_print_friendly(globus_error_get(result)));
        exit(1);
    }
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    globus_xio_driver_t tcp, gsi;
    globus_xio_stack_t  stack;
    globus_xio_attr_t   attr;
    globus_xio_handle_t handle;
    globus_xio_server_t server;
    globus_byte_t *     buffer;
    globus_size_t       moved, size;
    long                count, i;
    double              started;
    char                contact[64], *where;

    if (argc < 5 || (strcmp(argv[1], "send") == 0 && argc < 6))
    {
        fputs("usage: xio_pump receive|send STACK SIZE COUNT [PORT]\n", stderr);
        return 2;
    }
    size = strtoul(argv[3], NULL, 10);
    count = strtol(argv[4], NULL, 10);
    buffer = malloc(size);
    memset(buffer, 'x', size);          /* memory that was never written would all be one page of zeros, in every cache */
    globus_thread_set_model("none");
    globus_module_activate(GLOBUS_XIO_MODULE);
    must(globus_xio_stack_init(&stack, NULL), "stack");
    must(globus_xio_attr_init(&attr), "attr");
    must(globus_xio_driver_load("tcp", &tcp), "tcp");
    must(globus_xio_stack_push_driver(stack, tcp), "push");
    must(globus_xio_attr_cntl(attr, tcp, GLOBUS_XIO_TCP_SET_INTERFACE, "127.0.0.1"), "interface");
    if (strstr(argv[2], "gsi") != NULL)
    {
        must(globus_xio_driver_load("gsi", &gsi), "gsi");
        must(globus_xio_stack_push_driver(stack, gsi), "push");
        must(globus_xio_attr_cntl(attr, gsi, GLOBUS_XIO_GSI_SET_AUTHORIZATION_MODE, GLOBUS_XIO_GSI_SELF_AUTHORIZATION),
            "authorization");
        must(globus_xio_attr_cntl(attr, gsi, GLOBUS_XIO_GSI_SET_PROTECTION_LEVEL, GLOBUS_XIO_GSI_PROTECTION_LEVEL_PRIVACY),
            "protection");
    }
    if (strcmp(argv[1], "receive") == 0)
    {
        must(globus_xio_server_create(&server, attr, stack), "server");
        must(globus_xio_server_cntl(server, tcp, GLOBUS_XIO_TCP_GET_LOCAL_NUMERIC_CONTACT, &where), "contact");
        printf("%s\n", strrchr(where, ':') + 1);
        fflush(stdout);
        must(globus_xio_server_accept(&handle, server), "accept");
        must(globus_xio_open(handle, NULL, attr), "open");
        for (started = 0, i = 0; i < count; i++)
        {
            must(globus_xio_read(handle, buffer, size, size, &moved, NULL), "read");
            started = i == 0 ? now() : started;
        }
        printf("%.6f\n", now() - started);
    }
    else
    {
        snprintf(contact, sizeof contact, "127.0.0.1:%s", argv[5]);
        must(globus_xio_handle_create(&handle, stack), "handle");
        must(globus_xio_open(handle, contact, attr), "open");
        for (i = 0; i < count; i++)
        {
            must(globus_xio_write(handle, buffer, size, size, &moved, NULL), "write");
        }
    }
    must(globus_xio_close(handle, NULL), "close");
    return 0;
}
