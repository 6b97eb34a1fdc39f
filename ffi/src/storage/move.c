/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include "move.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Blocks of a transfer, and what they may take in all. Only those that are used cost memory. */
#define MOST_BLOCKS 16
#define MOST_BYTES (64u << 20)

typedef struct {
    int          block;
    globus_off_t offset;
    size_t       length;
} pg_asked;

typedef struct {
    globus_gfs_operation_t op;
    pg_bridge *            bridge;
    int                    descriptor; /* the storage's file, or -1 */
    int                    opened;     /* whether the host is to be told of the end */
    int                    outward;
    globus_byte_t *        memory;     /* of the blocks, where there is a descriptor */
    size_t                 size;       /* of a block */
    int                    count;
    int                    free[MOST_BLOCKS];
    int                    free_count;
    pg_asked               asked[MOST_BLOCKS]; /* what the host has not answered yet, the oldest first */
    int                    asked_count;
    int                    pending; /* blocks with the network */
    globus_off_t           offset;  /* outward: where to read on */
    globus_off_t           left;    /* bytes of this range; -1: to the end of the file */
    int                    ended;   /* outward: all has been asked for; inward: all has come */
    int                    aborted;
    globus_object_t *      error;   /* the first one */
} pg_move;

static void go_out(pg_move *move);
static void go_in(pg_move *move);

static void fail(pg_move *move, globus_result_t result)
{
    globus_object_t *error = globus_error_get(result);

    if (move->error == NULL)
        move->error = error;
    else
        globus_object_free(error);
}

static void fail_system(pg_move *move, const char *call, int number)
{
    fail(move, GlobusGFSErrorSystemError(call, number));
}

static globus_byte_t *block_at(const pg_move *move, int number)
{
    return move->memory != NULL ? move->memory + (size_t)number * move->size : pg_bridge_block(move->bridge, number);
}

static int number_of(const pg_move *move, const globus_byte_t *block)
{
    return move->memory != NULL ? (int)((size_t)(block - move->memory) / move->size)
                                : pg_bridge_number(move->bridge, block);
}

static int concurrency(const pg_move *move)
{
    int count = 1;

    globus_gridftp_server_get_optimal_concurrency(move->op, &count);
    return count < 1 ? 1 : count < move->count ? count : move->count;
}

/* The host's next reply, to the request for or of the oldest block, which is free then; its number. */
static int64_t take_reply(pg_move *move, pg_asked *asked)
{
    pg_reply reply = {0};
    globus_result_t result;

    *asked = move->asked[0];
    memmove(move->asked, move->asked + 1, --move->asked_count * sizeof *asked);
    result = pg_bridge_receive(move->bridge, &reply, NULL, NULL, NULL);
    if (result != GLOBUS_SUCCESS) {
        fail(move, result);
        reply.number = 0;
    }
    return reply.number;
}

static void ask(pg_move *move, uint32_t verb, int block, globus_off_t offset, size_t length)
{
    int64_t numbers[3] = {block, offset, (int64_t)length};
    globus_result_t result = pg_bridge_send(move->bridge, verb, numbers, NULL, NULL, -1);

    if (result != GLOBUS_SUCCESS) {
        fail(move, result);
        move->free[move->free_count++] = block;
    } else {
        move->asked[move->asked_count++] = (pg_asked){block, offset, length};
    }
}

/* Tell the host and the client, if nothing is under way. */
static void finish(pg_move *move)
{
    int64_t numbers[3] = {0, -1, 0};
    globus_result_t result;
    pg_reply reply;

    if (move->aborted && move->error == NULL)
        fail(move, GlobusGFSErrorGeneric("the transfer was aborted"));
    if (move->opened) {
        time_t modified = -1;
        if (!move->outward && globus_gridftp_server_get_recv_modification_time(move->op, &modified) == GLOBUS_SUCCESS)
            numbers[1] = modified;
        numbers[0] = move->error == NULL;
        result = pg_bridge_ask(move->bridge, PG_CLOSE, numbers, NULL, NULL, &reply, NULL, NULL, NULL);
        if (result != GLOBUS_SUCCESS)
            fail(move, result);
    }
    if (move->descriptor >= 0)
        close(move->descriptor);
    if (move->memory != NULL)
        munmap(move->memory, move->count * move->size);
    globus_gridftp_server_finished_transfer(
        move->op, move->error == NULL ? GLOBUS_SUCCESS : globus_error_put(move->error));
    free(move);
}

static void finish_if_done(pg_move *move)
{
    pg_asked asked;

    if (move->pending > 0 || !(move->ended || move->error != NULL || move->aborted))
        return;
    while (move->asked_count > 0) {
        take_reply(move, &asked);
        if (!move->outward && move->error == NULL)
            globus_gridftp_server_update_bytes_written(move->op, asked.offset, asked.length);
    }
    finish(move);
}

/* Open it at the host and have blocks. */
static pg_move *begin(globus_gfs_operation_t op, pg_bridge *bridge, const globus_gfs_transfer_info_t *info, int outward)
{
    int64_t numbers[3] = {info->truncate, info->alloc_size > 0 ? info->alloc_size : -1, 0};
    globus_result_t result;
    pg_reply reply;
    pg_move *move = calloc(1, sizeof *move);

    if (move == NULL) {
        globus_gridftp_server_finished_transfer(op, GlobusGFSErrorMemory("move"));
        return NULL;
    }
    move->op = op;
    move->bridge = bridge;
    move->outward = outward;
    move->descriptor = -1;
    if (info->expected_checksum != NULL) {
        fail(move, globus_error_put(globus_gfs_ftp_response_error_construct(
                       NULL, NULL, 500, "NOT_IMPLEMENTED", "this storage takes no checksum in advance: ask with CKSM")));
        finish(move);
        return NULL;
    }
    result = pg_bridge_ask(bridge, outward ? PG_OPEN_READ : PG_OPEN_WRITE, numbers, info->pathname, NULL, &reply, NULL,
                           NULL, &move->descriptor);
    if (result != GLOBUS_SUCCESS) {
        fail(move, result);
        finish(move);
        return NULL;
    }
    move->opened = 1;
    if (!outward && reply.number)
        globus_gridftp_server_set_ordered_data(op, GLOBUS_TRUE);
    globus_gridftp_server_get_block_size(op, &move->size);
    move->count = MOST_BYTES / move->size < MOST_BLOCKS ? (int)(MOST_BYTES / move->size) : MOST_BLOCKS;
    if (move->count < 2)
        move->count = 2;
    if (move->descriptor < 0) {
        result = pg_bridge_map(bridge, move->count, move->size);
    } else {
        move->memory = mmap(NULL, move->count * move->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        result = move->memory == MAP_FAILED ? GlobusGFSErrorSystemError("mmap", errno) : GLOBUS_SUCCESS;
        if (result != GLOBUS_SUCCESS)
            move->memory = NULL;
    }
    if (result != GLOBUS_SUCCESS) {
        fail(move, result);
        finish(move);
        return NULL;
    }
    while (move->free_count < move->count) {
        move->free[move->free_count] = move->count - 1 - move->free_count;
        move->free_count++;
    }
    globus_gridftp_server_begin_transfer(op, GLOBUS_GFS_EVENT_TRANSFER_ABORT, move);
    return move;
}

/* Outward ----------------------------------------------------------------------------------------------------------- */

/* How much is to be read next, at `offset`; 0: all has been. */
static size_t next_piece(pg_move *move)
{
    if (move->left == 0 && !move->ended) {
        globus_gridftp_server_get_read_range(move->op, &move->offset, &move->left);
        if (move->left == 0)
            move->ended = 1;
    }
    if (move->ended)
        return 0;
    return move->left < 0 || (globus_off_t)move->size < move->left ? move->size : (size_t)move->left;
}

static void passed(pg_move *move, size_t length)
{
    move->offset += length;
    if (move->left > 0)
        move->left -= length;
}

static void wrote_to_network(globus_gfs_operation_t op, globus_result_t result, globus_byte_t *buffer,
                             globus_size_t length, void *argument)
{
    pg_move *move = argument;

    move->pending--;
    move->free[move->free_count++] = number_of(move, buffer);
    if (result != GLOBUS_SUCCESS)
        fail(move, result);
    go_out(move);
}

static void hand_over(pg_move *move, int block, globus_off_t offset, size_t length)
{
    globus_result_t result = globus_gridftp_server_register_write(move->op, block_at(move, block), length, offset, -1,
                                                                  wrote_to_network, move);

    if (result != GLOBUS_SUCCESS) {
        fail(move, result);
        move->free[move->free_count++] = block;
    } else {
        move->pending++;
    }
}

/* A block from the descriptor; how much of it there is. */
static size_t read_block(pg_move *move, int block, globus_off_t offset, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t got = pread(move->descriptor, block_at(move, block) + done, length - done, offset + (globus_off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail_system(move, "read", errno);
        if (got <= 0)
            break;
        done += got;
    }
    return done;
}

static void send_from_file(pg_move *move)
{
    size_t length;

    while (move->error == NULL && move->free_count > 0 && move->pending < concurrency(move) &&
           (length = next_piece(move)) > 0) {
        int block = move->free[--move->free_count];
        size_t got = read_block(move, block, move->offset, length);
        if (got < length)
            move->ended = 1; /* of the file, whatever was asked for */
        if (got > 0 && move->error == NULL)
            hand_over(move, block, move->offset, got);
        else
            move->free[move->free_count++] = block;
        passed(move, got);
    }
}

static void send_from_host(pg_move *move)
{
    size_t length;

    while (move->error == NULL && move->free_count > 0 && (length = next_piece(move)) > 0) {
        ask(move, PG_READ, move->free[--move->free_count], move->offset, length);
        passed(move, length);
    }
    while (move->error == NULL && move->asked_count > 0 && move->pending < concurrency(move)) {
        pg_asked asked;
        int64_t got;
        if (move->pending > 0 && !pg_bridge_ready(move->bridge))
            return; /* the network has something to do: look again when it has done it */
        got = take_reply(move, &asked);
        if (got < 0 || got > (int64_t)asked.length) {
            fail(move, GlobusGFSErrorGeneric("the storage does not answer sensibly"));
            got = 0;
        }
        if (got < (int64_t)asked.length)
            move->ended = 1;
        if (got > 0 && move->error == NULL)
            hand_over(move, asked.block, asked.offset, got);
        else
            move->free[move->free_count++] = asked.block;
    }
}

static void go_out(pg_move *move)
{
    if (!move->aborted && move->descriptor >= 0)
        send_from_file(move);
    else if (!move->aborted)
        do {
            send_from_host(move);
        } while (move->pending == 0 && move->error == NULL && !(move->ended && move->asked_count == 0));
    finish_if_done(move);
}

void pg_move_out(globus_gfs_operation_t op, pg_bridge *bridge, const globus_gfs_transfer_info_t *info)
{
    pg_move *move = begin(op, bridge, info, 1);

    if (move != NULL)
        go_out(move);
}

/* Inward ------------------------------------------------------------------------------------------------------------ */

static void write_block(pg_move *move, int block, globus_off_t offset, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t put = pwrite(move->descriptor, block_at(move, block) + done, length - done, offset + (globus_off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            fail_system(move, "write", put < 0 ? errno : EIO);
            break;
        }
        done += put;
    }
    move->free[move->free_count++] = block;
    if (done == length)
        globus_gridftp_server_update_bytes_written(move->op, offset, length);
}

static void read_from_network(globus_gfs_operation_t op, globus_result_t result, globus_byte_t *buffer,
                              globus_size_t length, globus_off_t offset, globus_bool_t end, void *argument)
{
    pg_move *move = argument;
    int block = number_of(move, buffer);

    move->pending--;
    if (end)
        move->ended = 1;
    if (result != GLOBUS_SUCCESS)
        fail(move, result);
    if (length == 0 || move->error != NULL)
        move->free[move->free_count++] = block;
    else if (move->descriptor >= 0)
        write_block(move, block, offset, length);
    else
        ask(move, PG_WRITE, block, offset, length);
    go_in(move);
}

static void go_in(pg_move *move)
{
    while (move->error == NULL && move->asked_count > 0 &&
           (pg_bridge_ready(move->bridge) || (move->free_count == 0 && move->pending == 0))) {
        pg_asked asked;
        take_reply(move, &asked);
        move->free[move->free_count++] = asked.block;
        if (move->error == NULL)
            globus_gridftp_server_update_bytes_written(move->op, asked.offset, asked.length);
    }
    while (!move->ended && !move->aborted && move->error == NULL && move->free_count > 0 &&
           move->pending < concurrency(move)) {
        int block = move->free[--move->free_count];
        globus_result_t result =
            globus_gridftp_server_register_read(move->op, block_at(move, block), move->size, read_from_network, move);
        if (result != GLOBUS_SUCCESS) {
            fail(move, result);
            move->free[move->free_count++] = block;
        } else {
            move->pending++;
        }
    }
    finish_if_done(move);
}

void pg_move_in(globus_gfs_operation_t op, pg_bridge *bridge, const globus_gfs_transfer_info_t *info)
{
    pg_move *move = begin(op, bridge, info, 0);
    globus_off_t offset, length;

    if (move == NULL)
        return;
    globus_gridftp_server_get_write_range(op, &offset, &length); /* which lets the server shift what comes by REST */
    go_in(move);
}

void pg_move_event(const globus_gfs_event_info_t *event)
{
    pg_move *move = event->event_arg;

    if (event->type == GLOBUS_GFS_EVENT_TRANSFER_ABORT)
        move->aborted = 1; /* what is with the network comes back with an error */
}
