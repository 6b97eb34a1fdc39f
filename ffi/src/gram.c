/* SPDX-License-Identifier: Apache-2.0 */
#include "gram.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *name; int code; } pg_gram_errors[] = {
#define PG_GRAM_ERROR(name) { #name, GLOBUS_GRAM_PROTOCOL_ERROR_##name },
#include "gram_errors.h"            /* generated from the protocol's header */
#undef PG_GRAM_ERROR
};

static struct
{
    char *              contact;
    pg_operation *      waiting;
    pg_gram_reply *     first;
    pg_gram_reply **    last;
} listener = { NULL, NULL, NULL, &listener.first };

const char *pg_gram_error(int i, int *code)
{
    if (i < 0 || i >= (int) (sizeof pg_gram_errors / sizeof *pg_gram_errors))
    {
        return NULL;
    }
    *code = pg_gram_errors[i].code;
    return pg_gram_errors[i].name;
}

int pg_gram_activate(void)
{
    return globus_module_activate(GLOBUS_GRAM_CLIENT_MODULE);
}

int pg_gram_attr(globus_gram_client_attr_t *attr, gss_cred_id_t credential, int full)
{
    int rc = globus_gram_client_attr_init(attr);

    if (rc == GLOBUS_SUCCESS && credential != GSS_C_NO_CREDENTIAL)
    {
        rc = globus_gram_client_attr_set_credential(*attr, credential);
    }
    if (rc == GLOBUS_SUCCESS && full)
    {
        rc = globus_gram_client_attr_set_delegation_mode(*attr, GLOBUS_IO_SECURE_DELEGATION_MODE_FULL_PROXY);
    }
    return rc;
}

pg_gram_reply *pg_gram_reply_new(void)
{
    return calloc(1, sizeof (pg_gram_reply));
}

void pg_gram_reply_free(pg_gram_reply *reply)
{
    if (reply != NULL)
    {
        free(reply->message);
        free(reply->contact);
        free(reply->extensions);
        free(reply);
    }
}

static char *pg_copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

/* Append a name or a value; what does not fit into memory is left out as a whole pair by the caller. */
static int pg_append(pg_gram_reply *reply, const char *text)
{
    size_t  size = strlen(text) + 1;
    char *  grown = realloc(reply->extensions, reply->length + size);

    if (grown == NULL)
    {
        return 0;
    }
    memcpy(grown + reply->length, text, size);
    reply->extensions = grown;
    reply->length += size;
    return 1;
}

static void pg_extend(pg_gram_reply *reply, globus_hashtable_t *table)
{
    globus_gram_protocol_extension_t *  entry;

    if (*table == NULL)
    {
        return;
    }
    for (entry = globus_hashtable_first(table); entry != NULL; entry = globus_hashtable_next(table))
    {
        size_t before = reply->length;

        if (entry->attribute != NULL && entry->value != NULL
            && !(pg_append(reply, entry->attribute) && pg_append(reply, entry->value)))
        {
            reply->length = before;
        }
    }
}

/* The library keeps one text for errors of authentication and replaces it: it must be taken now. */
static void pg_finish(pg_gram_reply *reply)
{
    if (reply->error != GLOBUS_SUCCESS)
    {
        reply->message = pg_copy(globus_gram_protocol_error_string(reply->error));
    }
    pg_operation_finish(reply->operation, NULL);
}

static void pg_replied(void *arg, globus_gram_protocol_error_t error, const char *contact,
    globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t failure)
{
    pg_gram_reply * reply = arg;

    reply->error = error;
    reply->contact = pg_copy(contact);
    reply->state = state;
    reply->failure = failure;
    pg_finish(reply);
}

static void pg_informed(void *arg, const char *contact, globus_gram_client_job_info_t *info)
{
    pg_gram_reply * reply = arg;

    reply->error = info->protocol_error_code;
    reply->contact = pg_copy(contact);
    reply->state = info->job_state;
    pg_extend(reply, &info->extensions);
    pg_finish(reply);
}

int pg_gram_ping(pg_gram_reply *reply, pg_operation *operation, const char *contact, globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_ping(contact, attr, pg_replied, reply);
}

int pg_gram_version(pg_gram_reply *reply, pg_operation *operation, const char *contact, globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_get_jobmanager_version(contact, attr, pg_informed, reply);
}

int pg_gram_submit(pg_gram_reply *reply, pg_operation *operation, const char *contact, const char *rsl,
    const char *callback, globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_request_with_info(contact, rsl,
        callback != NULL ? GLOBUS_GRAM_PROTOCOL_JOB_STATE_ALL : 0, callback, attr, pg_informed, reply);
}

int pg_gram_status(pg_gram_reply *reply, pg_operation *operation, const char *job, globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_status_with_info(job, attr, pg_informed, reply);
}

int pg_gram_signal(pg_gram_reply *reply, pg_operation *operation, const char *job, int signal, const char *argument,
    globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_signal(job, (globus_gram_protocol_job_signal_t) signal, argument, attr,
        pg_replied, reply);
}

int pg_gram_cancel(pg_gram_reply *reply, pg_operation *operation, const char *job, globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_cancel(job, attr, pg_replied, reply);
}

int pg_gram_refresh(pg_gram_reply *reply, pg_operation *operation, const char *job, gss_cred_id_t credential,
    globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_refresh_credentials((char *) job, credential, attr, pg_replied, reply);
}

int pg_gram_register(pg_gram_reply *reply, pg_operation *operation, const char *job, const char *callback,
    globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_callback_registration(job, GLOBUS_GRAM_PROTOCOL_JOB_STATE_ALL, callback,
        attr, pg_replied, reply);
}

int pg_gram_unregister(pg_gram_reply *reply, pg_operation *operation, const char *job, const char *callback,
    globus_gram_client_attr_t attr)
{
    reply->operation = operation;
    return globus_gram_client_register_job_callback_unregistration(job, callback, attr, pg_replied, reply);
}

static void pg_wake_waiting(void)
{
    pg_operation * operation = listener.waiting;

    if (operation != NULL && listener.first != NULL)
    {
        listener.waiting = NULL;
        pg_operation_finish(operation, NULL);
    }
}

static void pg_heard(void *arg, const char *contact, globus_gram_client_job_info_t *info)
{
    pg_gram_reply * event = pg_gram_reply_new();

    (void) arg;
    if (event == NULL)
    {
        return;     /* whoever waits for it asks for the state now and then */
    }
    event->contact = pg_copy(contact);
    event->state = info->job_state;
    event->failure = info->protocol_error_code;
    pg_extend(event, &info->extensions);
    *listener.last = event;
    listener.last = &event->next;
    pg_wake_waiting();
}

int pg_gram_listen(const char **contact)
{
    int rc = GLOBUS_SUCCESS;

    if (listener.contact == NULL)
    {
        rc = globus_gram_client_info_callback_allow(pg_heard, NULL, &listener.contact);
    }
    *contact = listener.contact;
    return rc;
}

void pg_gram_await(pg_operation *operation)
{
    listener.waiting = operation;
    pg_wake_waiting();
}

pg_gram_reply *pg_gram_told(void)
{
    pg_gram_reply * event = listener.first;

    if (event != NULL && (listener.first = event->next) == NULL)
    {
        listener.last = &listener.first;
    }
    return event;
}
