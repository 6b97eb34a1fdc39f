/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* strndup() */
#include "control_parts.h"

#include <stdlib.h>
#include <string.h>

#include "delegation.h"
#include "reply.h"

/* 0 to go on. */
static int pg_turned_away(pg_control *control, globus_object_t *error, globus_ftp_control_response_t *response)
{
    char *text;

    if (control->stage >= PG_CLOSING)
    {
        return 1;
    }
    if (error != NULL)
    {
        pg_control_fail(control, globus_object_copy(error));
        return 1;
    }
    pg_control_log_reply(control, response);
    if (response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        text = pg_reply_text(response);
        pg_control_refused(control, response->code, text != NULL ? text : "");
        free(text);
        return 1;
    }
    return 0;
}

/* Globus's servers say "230 User NAME logged in." */
static void pg_note_account(pg_control *control, const globus_ftp_control_response_t *response)
{
    static const char   before[] = "User ";
    static const char   after[] = " logged in";
    char *              text = pg_reply_text(response);
    const char *        name = text != NULL ? strstr(text, before) : NULL;
    const char *        end = name != NULL ? strstr(name, after) : NULL;

    if (end != NULL)
    {
        name += strlen(before);
        control->account = strndup(name, (size_t) (end - name));
    }
    free(text);
}

static void pg_logged_in(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    (void) handle;
    if (error == NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
    {
        return;
    }
    if (pg_turned_away(arg, error, response) == 0)
    {
        pg_note_account(arg, response);
        pg_control_advance(arg);
    }
}

void pg_login_greeted(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_control *                    control = arg;
    const pg_control_options *      options = &control->options;
    const char *                    user = options->user;
    const char *                    password = options->password;
    globus_ftp_control_auth_info_t  login;
    char *                          text;

    if ((error == NULL && response->response_class == GLOBUS_FTP_POSITIVE_PRELIMINARY_REPLY)
        || pg_turned_away(control, error, response) != 0)
    {
        return;
    }
    if ((text = pg_reply_text(response)) != NULL)
    {
        control->keeps_channel = strstr(text, "GridFTP Server") != NULL
            && (strstr(text, "Grid Community Toolkit") != NULL || strstr(text, "Globus Toolkit") != NULL);
        free(text);
    }
    if (!options->secure && user == NULL)
    {
        user = "anonymous";
        password = "globus@";
    }
    globus_ftp_control_auth_info_init(&login, options->credential, GLOBUS_FALSE, (char *) user, (char *) password, NULL,
        (char *) options->subject);
    if (options->delegation == NULL)
    {
        login.req_flags = GSS_C_DELEG_FLAG | GSS_C_GLOBUS_LIMITED_DELEG_PROXY_FLAG;
    }
    else if (strcmp(options->delegation, PG_DELEGATE_FULL) == 0)
    {
        login.req_flags = GSS_C_DELEG_FLAG;
    }
    control->stage = PG_LOGIN;
    pg_control_accept(control, globus_ftp_control_authenticate_ex(handle, &login, options->secure ? GLOBUS_TRUE : GLOBUS_FALSE,
        pg_logged_in, control));
}

