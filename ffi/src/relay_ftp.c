/* SPDX-License-Identifier: Apache-2.0
 *
 * The side of a relay that is an FTP server: a handle of its own, and a channel.
 */
#include <errno.h>
#include <stdlib.h>

#include "channel.h"
#include "errors.h"
#include "relay_side.h"

typedef struct
{
    pg_side     side;
    pg_ftp *    ftp;
    pg_channel  channel;
    int64_t     offset;             /* of the next block */
    int         counts;             /* offsets are those of the file: not so in ASCII */
} pg_ftp_side;

static void pg_ftp_block(void *arg, unsigned char *buffer, size_t length, int64_t offset)
{
    pg_ftp_side *this = arg;

    this->side.ready = !this->channel.closed;
    if (this->side.is_source && length > 0 && this->counts)
    {
        if (offset != this->offset)
        {
            length = 0;
            pg_side_failed(&this->side, NULL, EBADMSG, 0);
        }
        this->offset += (int64_t) length;
    }
    pg_side_back(&this->side, buffer, length);
}

static void pg_ftp_ended(void *arg, globus_object_t *error, int code)
{
    pg_ftp_side *this = arg;

    this->side.lost = this->channel.lost;
    if (error != NULL)
    {
        pg_side_failed(&this->side, error, 0, code);
    }
    else if (this->side.is_source)
    {
        pg_side_ended(&this->side);
    }
    else if (!pg_side_complete(&this->side))
    {
        pg_side_failed(&this->side, NULL, EBADMSG, 0);      /* the server was content with less than all */
    }
    pg_side_done(&this->side);
}

static globus_result_t pg_ftp_side_open(pg_side *side, const pg_end *end, const pg_stretch *stretch,
    const pg_client *client)
{
    pg_ftp_side *   this = (pg_ftp_side *) side;
    const pg_part   part = { end->ftp, NULL, stretch->start < 0 ? 0 : stretch->start, stretch->end, stretch->start >= 0 };
    globus_result_t result = pg_ftp_open(&this->ftp, client);

    if (result == GLOBUS_SUCCESS)
    {
        this->offset = part.start;
        this->counts = !end->ascii;
        this->channel = (pg_channel) { .ftp = this->ftp, .block = pg_ftp_block, .ended = pg_ftp_ended, .arg = this };
        side->seeks = 1;
        side->bounded = 1;
        side->ready = 1;
        side->room = PG_RELAY_BLOCKS;
        result = side->is_source
            ? pg_channel_get(&this->channel, end->url, &part) : pg_channel_put(&this->channel, end->url, &part);
    }
    return result;
}

static void pg_ftp_side_move(pg_side *side, unsigned char *buffer, size_t length, int last)
{
    pg_ftp_side *   this = (pg_ftp_side *) side;
    int             refused = side->is_source
        ? pg_channel_read(&this->channel, buffer, length)
        : pg_channel_write(&this->channel, buffer, length, this->offset, last);

    side->ready = !this->channel.closed;
    if (refused)
    {
        pg_side_back(side, buffer, 0);
    }
    else if (!side->is_source)
    {
        this->offset += (int64_t) length;
    }
}

static void pg_ftp_side_abort(pg_side *side)
{
    pg_drop(pg_channel_abort(&((pg_ftp_side *) side)->channel));
}

static void pg_ftp_side_free(pg_side *side)
{
    pg_ftp_side *this = (pg_ftp_side *) side;

    if (side->lost)
    {
        return;
    }
    pg_channel_clear(&this->channel);
    if (this->ftp != NULL)
    {
        pg_ftp_close(this->ftp);
    }
    free(this);
}

pg_side *pg_ftp_side_new(void)
{
    static const pg_side_kind   kind = { pg_ftp_side_open, pg_ftp_side_move, pg_ftp_side_abort, pg_ftp_side_free };
    pg_ftp_side *               this = calloc(1, sizeof *this);

    if (this != NULL)
    {
        this->side.kind = &kind;
    }
    return this != NULL ? &this->side : NULL;
}
