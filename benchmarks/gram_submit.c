/* SPDX-License-Identifier: Apache-2.0
 *
 * gram_submit CONTACT N RSL: submit so many jobs at once by globus_gram_client, and wait until each has ended.
 * Ends with 1 if one has failed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "globus_gram_client.h"

static int open_jobs, failed;

static void told(void *arg, char *contact, int state, int error)
{
    (void) arg, (void) contact, (void) error;
    if (state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE || state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_FAILED)
    {
        failed |= state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_FAILED;
        open_jobs--;
    }
}

static void submitted(void *arg, globus_gram_protocol_error_t error, const char *contact,
    globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t failure)
{
    (void) arg, (void) contact, (void) state, (void) failure;
    if (error != GLOBUS_SUCCESS)
    {
        failed = 1;
        open_jobs--;
    }
}

int main(int argc, char **argv)
{
    char *callback;

    if (argc != 4 || (open_jobs = atoi(argv[2])) <= 0)
    {
        return 2;
    }
    globus_thread_set_model("none");
    if (globus_module_activate(GLOBUS_GRAM_CLIENT_MODULE) != GLOBUS_SUCCESS
        || globus_gram_client_callback_allow(told, NULL, &callback) != GLOBUS_SUCCESS)
    {
        return 1;
    }
    for (int left = open_jobs; left > 0; left--)
    {
        if (globus_gram_client_register_job_request(argv[1], argv[3], GLOBUS_GRAM_PROTOCOL_JOB_STATE_ALL, callback,
            NULL, submitted, NULL) != GLOBUS_SUCCESS)
        {
            return 1;
        }
    }
    while (open_jobs > 0)
    {
        globus_callback_poll(&globus_i_abstime_infinity);
    }
    return failed;
}
