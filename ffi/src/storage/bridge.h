/* SPDX-License-Identifier: Apache-2.0
 *
 * A session's connection to the host of its storage. A request is sent and its reply waited for; requests for blocks are
 * sent ahead, and their replies fetched in order when they are wanted. No reply within `PG_STORAGE_PATIENCE` seconds ends
 * the connection: every later request then fails at once, and the session lives on without its storage.
 */
#ifndef PG_STORAGE_BRIDGE_H
#define PG_STORAGE_BRIDGE_H

#include <stddef.h>

#include "globus_gridftp_server.h"

#include "message.h"

typedef struct pg_bridge pg_bridge;

/* The storage's host listens at this path. NULL: errno says why. */
pg_bridge *     pg_bridge_open(const char *path, int patience);
void            pg_bridge_close(pg_bridge *bridge);

/* Either string may be NULL. `descriptor` goes along unless it is -1. */
globus_result_t pg_bridge_send(pg_bridge *bridge, uint32_t verb, const int64_t numbers[3], const char *first,
                               const char *second, int descriptor);

/* Whether a reply is there that can be had without waiting. */
int             pg_bridge_ready(pg_bridge *bridge);

/* Wait for the next reply. What it holds stays valid until the next call. `descriptor` may be NULL; it gets -1 where none
 * came along, and otherwise belongs to the caller. A refusal of the storage becomes an error with its FTP code. */
globus_result_t pg_bridge_receive(pg_bridge *bridge, pg_reply *reply, const char **text, size_t *length, int *descriptor);

/* Send, and wait for the reply. */
globus_result_t pg_bridge_ask(pg_bridge *bridge, uint32_t verb, const int64_t numbers[3], const char *first,
                              const char *second, pg_reply *reply, const char **text, size_t *length, int *descriptor);

/* `count` blocks of `size` bytes, shared with the host; the ones of before go. */
globus_result_t pg_bridge_map(pg_bridge *bridge, int count, size_t size);
globus_byte_t * pg_bridge_block(pg_bridge *bridge, int number);
/* The number of a block. */
int             pg_bridge_number(pg_bridge *bridge, const globus_byte_t *block);

#endif
