/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshakes of GSSAPI in memory, both ends in one process, driven from C: what benchmarks/sockets.py compares with.
 *
 *   gss_handshake COUNT          prints the seconds of each
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "globus_common.h"
#include "globus_gss_assist.h"
#include "gssapi.h"

static void must(OM_uint32 major, const char *what)
{
    if (GSS_ERROR(major))
    {
        fprintf(stderr, "%s: GSSAPI status %#x\n", what, (unsigned) major);
        exit(1);
    }
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + time.tv_nsec / 1e9;
}

static void shake(gss_cred_id_t credential, gss_name_t name)
{
    gss_ctx_id_t    initiator = GSS_C_NO_CONTEXT, acceptor = GSS_C_NO_CONTEXT;
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER, answer = GSS_C_EMPTY_BUFFER;
    gss_cred_id_t   delegated = GSS_C_NO_CREDENTIAL;
    OM_uint32       minor, flags, mine, theirs = GSS_S_CONTINUE_NEEDED;

    do
    {
        must(mine = gss_init_sec_context(&minor, credential, &initiator, name, GSS_C_NO_OID,
            GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG, 0, NULL, &token,
            NULL, &answer, &flags, NULL), "initiate");
        gss_release_buffer(&minor, &token);
        if (answer.length > 0)
        {
            must(theirs = gss_accept_sec_context(&minor, &acceptor, credential, &answer, NULL, NULL, NULL, &token, &flags, NULL,
                &delegated), "accept");
            gss_release_buffer(&minor, &answer);
        }
    } while (mine != GSS_S_COMPLETE || theirs != GSS_S_COMPLETE);
    gss_delete_sec_context(&minor, &initiator, GSS_C_NO_BUFFER);
    gss_delete_sec_context(&minor, &acceptor, GSS_C_NO_BUFFER);
}

int main(int argc, char **argv)
{
    gss_cred_id_t   credential = GSS_C_NO_CREDENTIAL;
    gss_name_t      name = GSS_C_NO_NAME;
    OM_uint32       minor;
    long            count = argc > 1 ? strtol(argv[1], NULL, 10) : 100;

    globus_thread_set_model("none");
    globus_module_activate(GLOBUS_GSI_GSS_ASSIST_MODULE);
    must(gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET, GSS_C_BOTH, &credential, NULL, NULL),
        "credential");
    must(gss_inquire_cred(&minor, credential, &name, NULL, NULL, NULL), "name");
    for (; count > 0; count--)
    {
        double started = now();

        shake(credential, name);
        printf("%.6f\n", now() - started);
    }
    return 0;
}
