/* SPDX-License-Identifier: Apache-2.0
 *
 * A file on its way between the network and the storage. Blocks go to and fro: a few are with the network, the others with
 * the storage. Where the storage has handed over a descriptor, they are read from it and written to it here, and the host
 * hears only of the beginning and the end. Otherwise they lie in memory that host and session share: the storage is asked
 * for blocks ahead of the network, and given blocks while the network fills others.
 *
 * The end is told once nothing is under way any more, neither there nor here.
 */
#ifndef PG_STORAGE_MOVE_H
#define PG_STORAGE_MOVE_H

#include "bridge.h"

/* Send a file to the client. */
void pg_move_out(globus_gfs_operation_t op, pg_bridge *bridge, const globus_gfs_transfer_info_t *info);

/* Receive one from it. */
void pg_move_in(globus_gfs_operation_t op, pg_bridge *bridge, const globus_gfs_transfer_info_t *info);

/* Something has happened to the transfer of whom `event->event_arg` tells. */
void pg_move_event(const globus_gfs_event_info_t *event);

#endif
