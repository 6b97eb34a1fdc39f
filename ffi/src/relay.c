/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "localfile.h"
#include "relay_side.h"

typedef struct
{
    unsigned char * buffer;
    size_t          length;
} pg_full;

struct pg_relay
{
    pg_operation *      operation;
    pg_side *           source;
    pg_side *           sink;
    size_t              block;
    unsigned char *     memory;
    unsigned char *     idle[PG_RELAY_BLOCKS];
    int                 idles;
    pg_full             full[PG_RELAY_BLOCKS];      /* in order */
    int                 fulls;
    int64_t             skip;                       /* bytes to drop first */
    int64_t             left;                       /* bytes still wanted; -1: all */
    int                 ended;                      /* the source has no more, or no more is wanted */
    int                 complete;                   /* the sink knows */
    int                 failed;
    int                 going;
    int                 again;
    int                 finished;
    globus_object_t *   error;
    _Atomic int64_t     bytes;
    _Atomic int64_t     length;                     /* announced; 0: unknown */
};

static void pg_hand(pg_side *side, unsigned char *buffer, size_t length, int last)
{
    side->held++;
    side->kind->move(side, buffer, length, last);
}

static void pg_feed(pg_relay *relay)
{
    pg_side *source = relay->source;
    pg_side *sink = relay->sink;

    while (!relay->failed && !relay->ended && source->ready && source->held < source->room && relay->idles > 0)
    {
        pg_hand(source, relay->idle[--relay->idles], relay->block, 0);
    }
    while (!relay->failed && sink->ready && sink->held < sink->room && relay->fulls > 0)
    {
        pg_full next = relay->full[0];

        memmove(relay->full, relay->full + 1, (size_t) --relay->fulls * sizeof *relay->full);
        pg_hand(sink, next.buffer, next.length, 0);
    }
    if (!relay->failed && relay->ended && source->held == 0 && relay->fulls == 0 && sink->ready && !relay->complete
        && sink->held < sink->room && relay->idles > 0)
    {
        relay->complete = 1;
        pg_hand(sink, relay->idle[--relay->idles], 0, 1);
    }
}

/* Sides may call back while they are handed a buffer: then go round once more instead of deeper. */
static void pg_go(pg_relay *relay)
{
    relay->again = 1;
    if (relay->going)
    {
        return;
    }
    relay->going = 1;
    while (relay->again)
    {
        relay->again = 0;
        pg_feed(relay);
    }
    relay->going = 0;
    if (relay->source->done && relay->sink->done && !relay->finished)
    {
        relay->finished = 1;
        pg_operation_finish(relay->operation, relay->error);
    }
}

static void pg_abort(pg_side *side)
{
    side->ready = 0;
    if (!side->done)
    {
        side->kind->abort(side);
    }
}

void pg_side_changed(pg_side *side)
{
    pg_go(side->relay);
}

/* What is left of a block when the unwanted bytes before and after the part are gone. */
static size_t pg_trim(pg_relay *relay, unsigned char *buffer, size_t length)
{
    if (relay->skip > 0)
    {
        size_t drop = relay->skip < (int64_t) length ? (size_t) relay->skip : length;

        relay->skip -= (int64_t) drop;
        length -= drop;
        memmove(buffer, buffer + drop, length);
    }
    if (relay->left >= 0)
    {
        length = relay->left < (int64_t) length ? (size_t) relay->left : length;
        relay->left -= (int64_t) length;
        if (relay->left == 0 && !relay->ended)
        {
            relay->ended = 1;
            pg_abort(relay->source);
        }
    }
    return length;
}

void pg_side_back(pg_side *side, unsigned char *buffer, size_t length)
{
    pg_relay *relay = side->relay;

    side->held--;
    if (side->is_source)
    {
        length = pg_trim(relay, buffer, length);
    }
    else
    {
        atomic_fetch_add(&relay->bytes, (int64_t) length);
        length = 0;
    }
    if (length > 0)
    {
        relay->full[relay->fulls++] = (pg_full) { buffer, length };
    }
    else
    {
        relay->idle[relay->idles++] = buffer;
    }
    pg_go(relay);
}

void pg_side_ended(pg_side *side)
{
    side->ready = 0;
    side->relay->ended = 1;
    pg_go(side->relay);
}

void pg_side_failed(pg_side *side, globus_object_t *error, int local_errno, int ftp_code)
{
    pg_relay *relay = side->relay;

    if (relay->failed || (side->is_source && relay->left == 0))
    {
        return;                                 /* a source that was told to stop fails, which is no failure */
    }
    relay->failed = 1;
    relay->error = error != NULL ? globus_object_copy(error) : NULL;
    relay->operation->local_errno = local_errno;
    relay->operation->ftp_code = ftp_code;
    pg_abort(relay->source);
    pg_abort(relay->sink);
    pg_go(relay);
}

void pg_side_failed_result(pg_side *side, globus_result_t result)
{
    globus_object_t *error = globus_error_get(result);

    pg_side_failed(side, error, 0, 0);
    globus_object_free(error);
}

void pg_side_done(pg_side *side)
{
    side->ready = 0;
    side->done = 1;
    pg_go(side->relay);
}

void pg_side_announced(pg_side *side, int64_t length)
{
    atomic_store(&side->relay->length, length);
}

int pg_side_complete(pg_side *side)
{
    return side->relay->complete;
}

/* From outside --------------------------------------------------------------------------------------------------------- */

static pg_side *pg_side_new(pg_relay *relay, const pg_end *end, int is_source)
{
    pg_side *side = end->url == NULL ? pg_file_side_new() : end->ftp != NULL ? pg_ftp_side_new() : pg_gass_side_new();

    if (side != NULL)
    {
        side->relay = relay;
        side->is_source = is_source;
    }
    return side;
}

static pg_relay *pg_relay_new(pg_operation *operation, const pg_end *source, const pg_end *sink, size_t block)
{
    pg_relay *  relay = calloc(1, sizeof *relay);
    int         i;

    if (relay == NULL)
    {
        return NULL;
    }
    relay->operation = operation;
    relay->block = block;
    relay->left = -1;
    relay->memory = pg_blocks(block, PG_RELAY_BLOCKS);
    relay->source = pg_side_new(relay, source, 1);
    relay->sink = pg_side_new(relay, sink, 0);
    if (relay->memory == NULL || relay->source == NULL || relay->sink == NULL)
    {
        pg_relay_free(relay);
        return NULL;
    }
    for (i = 0; i < PG_RELAY_BLOCKS; i++)
    {
        relay->idle[relay->idles++] = relay->memory + (size_t) i * block;
    }
    return relay;
}

globus_result_t pg_relay_start(pg_relay **out, pg_operation *operation, const pg_end *source, const pg_end *sink,
    size_t block, int64_t start, int64_t end, const pg_client *client)
{
    const pg_stretch    stretch = { start, start < 0 ? -1 : end };
    pg_relay *          relay = pg_relay_new(operation, source, sink, block);
    globus_result_t     result;

    *out = NULL;
    if (relay == NULL)
    {
        return globus_error_put(globus_error_construct_errno_error(GLOBUS_COMMON_MODULE, NULL, ENOMEM));
    }
    relay->going = 1;                           /* nothing moves before both sides are open */
    if ((result = relay->source->kind->open(relay->source, source, &stretch, client)) != GLOBUS_SUCCESS)
    {
        pg_relay_free(relay);
        return result;
    }
    if (start >= 0)
    {
        relay->skip = relay->source->seeks ? 0 : start;
        relay->left = end < 0 || relay->source->bounded ? -1 : end - start;
    }
    if ((result = relay->sink->kind->open(relay->sink, sink, &stretch, client)) != GLOBUS_SUCCESS)
    {
        relay->sink->done = 1;
        pg_side_failed_result(relay->sink, result);
    }
    else if (relay->left == 0)
    {
        relay->ended = 1;
        pg_abort(relay->source);
    }
    relay->going = 0;
    pg_go(relay);
    *out = relay;
    return GLOBUS_SUCCESS;
}

void pg_relay_cancel(pg_relay *relay)
{
    relay->failed = 1;
    pg_abort(relay->source);
    pg_abort(relay->sink);
    pg_go(relay);
}

int64_t pg_relay_bytes(pg_relay *relay)
{
    return atomic_load(&relay->bytes);
}

int64_t pg_relay_length(pg_relay *relay)
{
    return atomic_load(&relay->length);
}

void pg_relay_free(pg_relay *relay)
{
    int lost = (relay->source != NULL && relay->source->lost) || (relay->sink != NULL && relay->sink->lost);

    if (relay->source != NULL)
    {
        relay->source->kind->free(relay->source);
    }
    if (relay->sink != NULL)
    {
        relay->sink->kind->free(relay->sink);
    }
    if (relay->error != NULL)
    {
        globus_object_free(relay->error);
    }
    if (!lost)
    {
        free(relay->memory);
    }
    free(relay);
}
