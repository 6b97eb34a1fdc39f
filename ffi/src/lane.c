/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* sem_clockwait() */
#include "lane.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "engine.h"

struct pg_lane
{
    pg_job              job;
    globus_xio_handle_t handle;
    int                 writes;
    globus_byte_t *     memory;
    size_t              length;
    size_t              least;
    pg_lane_result      result;
    sem_t               ended;
    int                 moving;     /* for the lane's thread */
    atomic_uint         turn;
    atomic_int          busy;       /* from the hand-over to the end */

    /* The engine's thread alone: */
    int                 begun;      /* XIO works for it */
    int                 stopping;
    int                 shut;
    pg_lane *           next;
    pg_lane **          link;
};

static pg_lane *lanes;

static void pg_begin(pg_job *job);

pg_lane *pg_lane_new(globus_xio_handle_t handle, int writes)
{
    pg_lane *lane = calloc(1, sizeof *lane);

    if (lane != NULL)
    {
        lane->job.run = pg_begin;
        lane->handle = handle;
        lane->writes = writes;
        sem_init(&lane->ended, 0, 0);
    }
    return lane;
}

void pg_lane_free(pg_lane *lane)
{
    sem_destroy(&lane->ended);
    free(lane);
}

/* The engine's thread -------------------------------------------------------------------------------------------------- */

static void pg_end(pg_lane *lane)
{
    if (lane->begun)
    {
        lane->begun = 0;
        if ((*lane->link = lane->next) != NULL)
        {
            lane->next->link = lane->link;
        }
    }
    atomic_store(&lane->busy, 0);
    sem_post(&lane->ended);
}

static void pg_end_with(pg_lane *lane, globus_result_t result)
{
    if (result != GLOBUS_SUCCESS)
    {
        lane->result.eof = globus_xio_error_is_eof(result) == GLOBUS_TRUE;
        lane->result.cancelled = !lane->result.eof
            && (lane->stopping || globus_xio_error_is_canceled(result) == GLOBUS_TRUE);
        lane->result.error = globus_error_get(result);
        if (lane->result.eof || lane->result.cancelled)
        {
            globus_object_free(lane->result.error);
            lane->result.error = NULL;
        }
    }
    pg_end(lane);
}

static void pg_moved(globus_xio_handle_t handle, globus_result_t result, globus_byte_t *buffer, globus_size_t length,
    globus_size_t nbytes, globus_xio_data_descriptor_t descriptor, void *arg)
{
    pg_lane *lane = arg;

    (void) handle; (void) buffer; (void) length; (void) descriptor;
    lane->result.bytes = nbytes;
    pg_end_with(lane, result);
}

static void pg_begin(pg_job *job)
{
    pg_lane *       lane = (pg_lane *) job;
    globus_result_t result;

    if (lane->shut || lane->stopping || pg_engine_closes())
    {
        lane->result.cancelled = 1;
        pg_end(lane);
        return;
    }
    lane->begun = 1;
    lane->link = &lanes;
    if ((lane->next = lanes) != NULL)
    {
        lanes->link = &lane->next;
    }
    lanes = lane;
    result = lane->writes
        ? globus_xio_register_write(lane->handle, lane->memory, lane->length, lane->least, NULL, pg_moved, lane)
        : globus_xio_register_read(lane->handle, lane->memory, lane->length, lane->least, NULL, pg_moved, lane);
    if (result != GLOBUS_SUCCESS)
    {
        pg_end_with(lane, result);
    }
}

static void pg_cancel(pg_lane *lane)
{
    lane->stopping = 1;
    if (lane->begun)
    {
        globus_result_t result = globus_xio_handle_cancel_operations(
            lane->handle, lane->writes ? GLOBUS_XIO_CANCEL_WRITE : GLOBUS_XIO_CANCEL_READ);

        if (result != GLOBUS_SUCCESS)
        {
            globus_object_free(globus_error_get(result));       /* it is ending by itself */
        }
    }
}

void pg_lane_stop(pg_lane *lane, unsigned turn)
{
    /* In this order: who begins the next operation counts it before it is busy. */
    if (atomic_load(&lane->busy) && atomic_load(&lane->turn) == turn)
    {
        pg_cancel(lane);
    }
}

void pg_lane_shut(pg_lane *lane)
{
    lane->shut = 1;
}

void pg_lanes_stop(void)
{
    pg_lane *lane, *next;

    for (lane = lanes; lane != NULL; lane = next)
    {
        next = lane->next;
        pg_cancel(lane);
    }
}

int pg_lanes_moving(void)
{
    return lanes != NULL;
}

void pg_lanes_leave(void)
{
    while (lanes != NULL)
    {
        lanes->result.cancelled = 1;
        pg_end(lanes);
    }
}

/* The lane's thread ---------------------------------------------------------------------------------------------------- */

pg_lane_state pg_lane_wait(pg_lane *lane, double seconds)
{
    struct timespec end;

    if (seconds >= 0)
    {
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += (time_t) seconds;
        if ((end.tv_nsec += (long) ((seconds - (double) (time_t) seconds) * 1e9)) >= 1000000000)
        {
            end.tv_sec++;
            end.tv_nsec -= 1000000000;
        }
    }
    if (seconds < 0 ? sem_wait(&lane->ended) : sem_clockwait(&lane->ended, CLOCK_MONOTONIC, &end))
    {
        return errno == EINTR ? PG_LANE_INTERRUPTED : PG_LANE_LATE;
    }
    lane->moving = 0;
    return PG_LANE_ENDED;
}

pg_lane_state pg_lane_move(pg_lane *lane, void *memory, size_t length, size_t least, double seconds)
{
    lane->memory = memory;
    lane->length = length;
    lane->least = least;
    lane->result.bytes = 0;
    lane->result.eof = lane->result.cancelled = lane->stopping = 0;
    lane->moving = 1;
    atomic_fetch_add(&lane->turn, 1);
    atomic_store(&lane->busy, 1);
    if (pg_engine_hand(&lane->job) != 0)
    {
        lane->moving = 0;
        atomic_store(&lane->busy, 0);
        return PG_LANE_REFUSED;
    }
    return pg_lane_wait(lane, seconds);
}

int pg_lane_moving(pg_lane *lane)
{
    return lane->moving;
}

unsigned pg_lane_turn(pg_lane *lane)
{
    return atomic_load(&lane->turn);
}

pg_lane_result *pg_lane_came(pg_lane *lane)
{
    return &lane->result;
}
