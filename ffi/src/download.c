/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_parts.h"

static void pg_retrieved(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
    globus_ftp_control_response_t *response)
{
    (void) handle;
    pg_pipeline_moved_reply(arg, error, response);
}

void pg_download_begin(pg_file *file)
{
    pg_pipeline_enter(file, &file->pipeline->asked);
    pg_pipeline_ask(file, "RETR", file->remote, pg_retrieved);
}

/* What comes for a file that cannot be written is dropped. */
void pg_download_land(pg_file *file)
{
    file->local_errno = pg_landing_write(&file->landing, file->local, file->size, file->pipeline->key);
}

void pg_download_arrived(pg_file *file)
{
    if (file->local_errno == 0 && pg_verify_begins(file, file->remote))
    {
        return;
    }
    if (file->local_errno == 0)
    {
        file->local_errno = pg_landing_commit(&file->landing, file->local);
    }
    pg_pipeline_finish(file, file->local_errno == 0 ? PG_FILE_DONE : PG_FILE_FAILED);
}
