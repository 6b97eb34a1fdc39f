/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "reply.h"

static const char PG_DIGITS[] = "0123456789abcdefABCDEF";

/* What the server says to CKSM is "213 " and digits. Whether they are those of sum; else *told is what it says. */
static int pg_agrees(const globus_ftp_control_response_t *response, const char *sum, char told[PG_DIGEST_ROOM])
{
    char *  text = pg_reply_text(response);
    char *  digits = text != NULL ? text + strnlen(text, 4) : NULL;

    told[0] = '\0';
    if (digits != NULL)
    {
        digits += strspn(digits, " ");
        snprintf(told, PG_DIGEST_ROOM, "%.*s", (int) strspn(digits, PG_DIGITS), digits);
    }
    free(text);
    return strcasecmp(told, sum) == 0;
}

static void pg_summed(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    pg_file *       file = arg;
    pg_pipeline *   pipeline = file->pipeline;
    char            sum[PG_DIGEST_ROOM];
    char            told[PG_DIGEST_ROOM];
    size_t          room = 2 * PG_DIGEST_ROOM + sizeof " at the source,  at the destination";

    (void) handle;
    if (pg_pipeline_replied(file, error, response) != 1)
    {
        return;
    }
    if (response->response_class != GLOBUS_FTP_POSITIVE_COMPLETION_REPLY || pg_digest_end(file->digest, sum) != 0)
    {
        file->local_errno = EOPNOTSUPP;
    }
    else if (pg_agrees(response, sum, told))
    {
        file->text = strdup(sum);
    }
    else
    {
        file->local_errno = EILSEQ;
        if ((file->text = malloc(room)) != NULL)
        {
            snprintf(file->text, room, "%s at the source, %s at the destination", pipeline->receive ? told : sum,
                pipeline->receive ? sum : told);
        }
    }
    file->verified = 1;
    (pipeline->receive ? pg_download_arrived : pg_upload_arrived)(file);
    pg_pipeline_go_on(pipeline);
}

int pg_verify_begins(pg_file *file, const char *path)
{
    pg_pipeline *   pipeline = file->pipeline;
    size_t          room;
    char *          argument;

    if (file->digest == NULL || file->verified)
    {
        return 0;
    }
    room = strlen(pipeline->checksum) + sizeof " 0 -1 " + strlen(path);
    if ((argument = malloc(room)) == NULL)
    {
        pg_pipeline_fail_text(pipeline, "no memory for a command");
        return 1;
    }
    snprintf(argument, room, "%s 0 -1 %s", pipeline->checksum, path);
    pg_pipeline_ask(file, "CKSM", argument, pg_summed);
    free(argument);
    return 1;
}
