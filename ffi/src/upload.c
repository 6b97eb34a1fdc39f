/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply.h"
#include "temporary.h"

/* So many files that cannot be renamed, and none that could, are the server's fault and not theirs. */
#define PG_MOST_UNNAMED 8
/* Readable by all: of such a file the temporary one, with the mode that the server gives to new files, betrays nothing. */
#define PG_PUBLIC 0444

/* The end of a file --------------------------------------------------------------------------------------------------------- */

static void pg_deleted(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *       file = arg;
    pg_pipeline *   pipeline = file->pipeline;
    pg_file_state   state = file->code != 0 || file->local_errno != 0 ? PG_FILE_FAILED : PG_FILE_BEGUN;

    (void) handle;
    if (pg_pipeline_replied(file, error, response) != 1)
    {
        return;
    }
    if (response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY || pg_reply_nothing(response))
    {
        free(file->temporary);
        file->temporary = NULL;
        state = state == PG_FILE_FAILED ? state : PG_FILE_UNTOUCHED;
    }
    pg_pipeline_finish(file, state);
    pg_pipeline_go_on(pipeline);
}

static void pg_delete(pg_file *file)
{
    pg_pipeline_ask(file, "DELE", file->temporary, pg_deleted);
}

/* Its name ------------------------------------------------------------------------------------------------------------------ */

static void pg_unnamed(pg_file *file, const globus_ftp_control_response_t *response, int never)
{
    pg_pipeline *pipeline = file->pipeline;

    pg_pipeline_note_refusal(file, response);
    file->local_errno = EOPNOTSUPP;
    pipeline->unnamed++;
    if (pipeline->renamed == 0 && (never || pipeline->unnamed >= PG_MOST_UNNAMED))
    {
        pipeline->unsupported = 1;
        pipeline->draining = 1;
    }
}

static void pg_from(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *file = arg;

    (void) handle;
    if (pg_pipeline_replied(file, error, response) == 1
        && response->response_class != GLOBUS_FTP_POSITIVE_INTERMEDIATE_REPLY)
    {
        pg_unnamed(file, response, 1);              /* the reply to RNTO will say no as well */
    }
}

static void pg_to(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *       file = arg;
    pg_pipeline *   pipeline = file->pipeline;

    (void) handle;
    if (pg_pipeline_replied(file, error, response) != 1)
    {
        return;
    }
    if (response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY)
    {
        pipeline->renamed++;
        free(file->temporary);
        file->temporary = NULL;
        pg_pipeline_finish(file, PG_FILE_DONE);
    }
    else
    {
        if (file->code == 0)
        {
            pg_unnamed(file, response, 0);
        }
        pg_delete(file);
    }
    pg_pipeline_go_on(pipeline);
}

static void pg_rename(pg_file *file)
{
    pg_pipeline_ask(file, "RNFR", file->temporary, pg_from);
    pg_pipeline_ask(file, "RNTO", file->remote, pg_to);
}

static void pg_has_mode(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *       file = arg;
    pg_pipeline *   pipeline = file->pipeline;

    (void) handle;
    if (pg_pipeline_replied(file, error, response) != 1)
    {
        return;
    }
    if (response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY && !pipeline->draining)
    {
        pg_rename(file);
    }
    else
    {
        file->local_errno = pipeline->draining ? 0 : EOPNOTSUPP;
        pg_delete(file);
    }
    pg_pipeline_go_on(pipeline);
}

void pg_upload_arrived(pg_file *file)
{
    if (file->pipeline->draining || file->local_errno != 0)
    {
        pg_delete(file);
    }
    else if (pg_verify_begins(file, file->temporary))
    {
        return;
    }
    else if (file->mode >= 0)
    {
        size_t  room = strlen(file->temporary) + sizeof "07777 ";
        char *  argument = malloc(room);

        if (argument == NULL)
        {
            pg_pipeline_fail_text(file->pipeline, "no memory for a command");
            return;
        }
        snprintf(argument, room, "%04o %s", (unsigned) file->mode, file->temporary);
        pg_pipeline_ask(file, "SITE CHMOD", argument, pg_has_mode);
        free(argument);
    }
    else
    {
        pg_rename(file);
    }
}

/* Its data ------------------------------------------------------------------------------------------------------------------ */

static void pg_stored(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    (void) handle;
    pg_pipeline_moved_reply(arg, error, response);
}

static void pg_store(pg_file *file)
{
    if ((file->temporary = pg_temporary_name(file->remote, file->pipeline->key)) == NULL)
    {
        file->local_errno = errno;
        pg_pipeline_finish(file, PG_FILE_FAILED);
        return;
    }
    pg_pipeline_enter(file, &file->pipeline->asked);
    pg_pipeline_ask(file, "STOR", file->temporary, pg_stored);
}

/* What is there now --------------------------------------------------------------------------------------------------------- */

/* Whether the file that MLST tells of may be replaced by another of its name; its mode bits, or -1. */
static int pg_replaceable_mode(const pg_control *control, const char *text)
{
    const char *    account = pg_control_account((pg_control *) control);
    char *          type = pg_reply_fact(text, "type");
    char *          link = pg_reply_fact(text, "unix.slink");
    char *          owner = pg_reply_fact(text, "unix.owner");
    char *          bits = pg_reply_fact(text, "unix.mode");
    char *          end = bits;
    long            mode = bits != NULL ? strtol(bits, &end, 8) : -1;

    if (type == NULL || strcasecmp(type, "file") != 0 || link != NULL || account == NULL || owner == NULL
        || strcmp(owner, account) != 0 || end == bits || *end != '\0' || mode < 0 || mode > 07777
        || (mode & PG_PUBLIC) != PG_PUBLIC)
    {
        mode = -1;
    }
    free(type);
    free(link);
    free(owner);
    free(bits);
    return (int) mode;
}

static void pg_seen(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *       file = arg;
    pg_pipeline *   pipeline = file->pipeline;
    char *          text;
    int             is_there;

    (void) handle;
    if (pg_pipeline_replied(file, error, response) != 1)
    {
        return;
    }
    is_there = !pg_reply_nothing(response);
    if (is_there && response->response_class == GLOBUS_FTP_POSITIVE_COMPLETION_REPLY
        && (text = pg_reply_text(response)) != NULL)
    {
        file->mode = pg_replaceable_mode(pipeline->control, text);
        free(text);
    }
    if (pipeline->draining || (is_there && file->mode < 0))
    {
        file->local_errno = pipeline->draining ? 0 : EOPNOTSUPP;
        pg_pipeline_finish(file, pipeline->draining ? PG_FILE_UNTOUCHED : PG_FILE_FAILED);
    }
    else
    {
        pg_store(file);
    }
    pg_pipeline_go_on(pipeline);
}

void pg_upload_begin(pg_file *file)
{
    pg_pipeline *pipeline = file->pipeline;

    file->local_errno = pg_landing_is_readable(file->local);
    if (file->local_errno == 0 && !file->fresh && !pg_control_names(pipeline->control, "MLST"))
    {
        file->local_errno = EOPNOTSUPP;
    }
    if (file->local_errno != 0)
    {
        pg_pipeline_finish(file, PG_FILE_FAILED);
    }
    else if (file->fresh)
    {
        pg_store(file);
    }
    else
    {
        pg_pipeline_enter(file, &pipeline->looked_at);
        pg_pipeline_ask(file, "MLST", file->remote, pg_seen);
    }
}

/* Of a file that cannot be opened any more nothing is sent but its end, and what the server makes of that is deleted. */
void pg_upload_lift(pg_file *file)
{
    if (!file->pipeline->draining)
    {
        file->local_errno = pg_landing_read(&file->landing, file->local);
    }
}
