/* SPDX-License-Identifier: Apache-2.0
 *
 * One download or upload of globus_ftp_client, seen as a channel that buffers are handed to and come back from.
 *
 * The library keeps some buffers for good, or calls an upload not ended, when a transfer fails in the middle. What it needs
 * to be kept from is done here: nothing is registered after a fault or after a buffer that was thrown away, and an upload
 * that its server refuses in the middle is aborted, with the refusal as its error: the library would wait for a last buffer
 * that it never sends. Still a buffer may never come back, as the one that ends an upload when the refusal crosses it. Such a
 * channel ends half a second after its operation, lost: the library may yet call back, so neither the channel nor the
 * memory of its buffers is ever freed, and its handle does no further operation.
 */
#ifndef PG_CHANNEL_H
#define PG_CHANNEL_H

#include "ftp.h"

/* A buffer is back: so many bytes of it have come from the offset on, or have gone. 0 bytes: it was not used. */
typedef void (*pg_channel_block)(void *arg, unsigned char *buffer, size_t length, int64_t offset);
/* The transfer has ended and all buffers are back, or lost. The error (NULL: success) is borrowed; code: of a reply that it lacks. */
typedef void (*pg_channel_ended)(void *arg, globus_object_t *error, int code);

typedef struct
{
    pg_ftp *            ftp;
    pg_channel_block    block;
    pg_channel_ended    ended;
    void *              arg;
    int                 outstanding;    /* buffers that C has */
    int                 closed;         /* takes no more */
    int                 moving;         /* the server has said that data may flow */
    int                 done;           /* the operation's own callback has come */
    int                 lost;           /* has ended with buffers outstanding: it and they must stay where they are */
    int                 timed;
    globus_callback_handle_t timer;
    int                 code;           /* of the refusal */
    globus_object_t *   refusal;
    globus_object_t *   error;
} pg_channel;

/* What a transfer needs beside the URL: partial: the bytes from start to end (exclusive, -1: to the end) alone. */
typedef struct
{
    globus_ftp_client_operationattr_t *     attr;
    globus_ftp_client_restart_marker_t *    restart;
    int64_t                                 start;
    int64_t                                 end;
    int                                     partial;
} pg_part;

/* Begin. If that fails, nothing is called back. The channel starts zeroed but for ftp, block, ended and arg. */
globus_result_t pg_channel_get(pg_channel *channel, const char *url, const pg_part *part);
globus_result_t pg_channel_put(pg_channel *channel, const char *url, const pg_part *part);
/* Hand over a buffer. Not 0: the channel takes no more. */
int             pg_channel_read(pg_channel *channel, unsigned char *buffer, size_t size);
int             pg_channel_write(pg_channel *channel, unsigned char *buffer, size_t length, int64_t offset, int last);
/* End it early: it still ends by its callback. */
globus_result_t pg_channel_abort(pg_channel *channel);
/* After it has ended, or has not begun. */
void            pg_channel_clear(pg_channel *channel);

#endif
