/* SPDX-License-Identifier: Apache-2.0
 *
 * rls_load CASE SECONDS COUNT TOTAL SEED BULK FD...: put load on a replica catalogue, over connections that are open and
 * logged in already: one request after the other on each of them, until SECONDS have passed or COUNT requests are sent.
 *
 * Two sorts of names: number i of TOTAL, which are evenly spread and ascend with i; and random ones, which a SEED and a
 * number give, so that what one run has created another can delete. Cases: query, bulkquery and load are about the
 * first sort (load creates them, in bulks, in their order); create, add, delete and bulkcreate are about random ones, where
 * add gives what has been created one more replica.
 *
 * Prints requests, seconds, and the 50th and 99th per cent and the longest of their times in microseconds. Ends with 1
 * at an answer that is not success.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define LFN "store/run/%016llx.root"
#define PFN "gsiftp://dtn%llu.example.org/pool/%016llx.root"
#define NAME 96
#define PATIENCE 0.0002 /* seconds */
#define MOST_EVENTS 256
#define MOST_TIMES 4000000

typedef unsigned long long number;

struct client
{
    int fd;
    long missing; /* strings that the reply still lacks */
    int begun;
    double sent;
};

static enum { QUERY, BULKQUERY, LOAD, CREATE, ADD, DELETE, BULKCREATE } what;
static const char *const names[] = {"query", "bulkquery", "load", "create", "add", "delete", "bulkcreate"};
static number total, seed, bulk, next;
static uint64_t chance;
static char *request;
static float *times;
static long answered;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static uint64_t mixed(uint64_t z) /* the finisher of splitmix64: one to one */
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static number spread(number i)
{
    return i * (UINT64_MAX / total);
}

static number anyone(void) /* of the first sort */
{
    chance += 0x9e3779b97f4a7c15ULL;
    return spread(mixed(chance) % total);
}

static char *put(char *at, const char *format, number a, number b)
{
    return at + sprintf(at, format, a, b) + 1;
}

static char *pair(char *at, number key)
{
    at = put(at, LFN, key, 0);
    return put(at, PFN, key % 7, key);
}

/* The next request; its length. */
static size_t compose(struct client *client)
{
    static const char *const methods[] = {
        "lrc_get_pfn", "lrc_get_pfn_bulk", "lrc_create_bulk", "lrc_create", "lrc_add", "lrc_delete", "lrc_create_bulk"};
    char *at = put(request, methods[what], 0, 0);
    number key;

    client->missing = 1;
    switch (what)
    {
    case QUERY:
        at = put(at, LFN, anyone(), 0);
        at = put(put(at, "0", 0, 0), "0", 0, 0);
        client->missing = 4;
        break;
    case CREATE:
    case DELETE:
        at = pair(at, mixed(seed + next++));
        break;
    case ADD:
        key = mixed(seed + next++);
        at = put(at, LFN, key, 0);
        at = put(at, PFN, 8, key);
        break;
    default:
        for (number i = 0; i < bulk; i++)
        {
            at = what == BULKQUERY ? put(at, LFN, anyone(), 0)
                : pair(at, what == LOAD ? spread(next++) : mixed(seed + next++));
        }
        *at++ = 0;
        client->missing = what == BULKQUERY ? 3 * (long) bulk + 2 : 2;
    }
    return (size_t) (at - request);
}

static void give(struct client *client)
{
    size_t length = compose(client), done = 0;

    client->begun = 0;
    client->sent = now();
    while (done < length)
    {
        ssize_t n = send(client->fd, request + done, length - done, MSG_NOSIGNAL);

        if (n < 0)
        {
            perror("rls_load: send");
            exit(1);
        }
        done += (size_t) n;
    }
}

/* Whether the reply is whole now. */
static int take(struct client *client)
{
    static char data[1 << 18];
    ssize_t n = recv(client->fd, data, sizeof data, 0);
    const char *at = data;

    if (n <= 0)
    {
        fprintf(stderr, "rls_load: %s\n", n ? strerror(errno) : "the server has closed a connection");
        exit(1);
    }
    if (!client->begun && (data[0] != '0' || (n > 1 && data[1])))
    {
        fprintf(stderr, "rls_load: %s: code %.*s\n", names[what], (int) n, data);
        exit(1);
    }
    client->begun = 1;
    while (at < data + n && (at = memchr(at, 0, (size_t) (data + n - at))) != NULL)
    {
        at++;
        client->missing--;
    }
    if (client->missing < 0)
    {
        fprintf(stderr, "rls_load: %s: a reply is too long\n", names[what]);
        exit(1);
    }
    if (client->missing == 0 && answered < MOST_TIMES)
    {
        times[answered++] = (float) ((now() - client->sent) * 1e6);
    }
    return client->missing == 0;
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

/* Queries are answered in less time than it takes to be woken on a virtual machine whose processor has gone idle: what
 * is to be measured is the server, so look for a while before sleeping. Changes wait for the disk, and need the processor.
 */
static int awaited(int poll, struct epoll_event *events)
{
    double until = what <= BULKQUERY ? now() + PATIENCE : 0;
    int ready;

    do
    {
        ready = epoll_wait(poll, events, MOST_EVENTS, 0);
    }
    while (ready == 0 && now() < until);
    return ready ? ready : epoll_wait(poll, events, MOST_EVENTS, 30000);
}

int main(int argc, char **argv)
{
    struct epoll_event events[MOST_EVENTS];
    struct client *clients;
    int poll = epoll_create1(0), open = argc - 7;
    double begun, end;
    long count, sent = 0;

    for (what = QUERY; argc > 7 && what <= BULKCREATE && strcmp(names[what], argv[1]); what++) {}
    if (argc < 8 || what > BULKCREATE)
    {
        fprintf(stderr, "usage: rls_load CASE SECONDS COUNT TOTAL SEED BULK FD...\n");
        return 2;
    }
    count = atol(argv[3]);
    total = strtoull(argv[4], NULL, 10);
    chance = seed = mixed(strtoull(argv[5], NULL, 10) + 1);
    bulk = strtoull(argv[6], NULL, 10);
    request = malloc((2 * bulk + 4) * NAME);
    times = malloc(MOST_TIMES * sizeof *times);
    clients = calloc((size_t) open, sizeof *clients);
    begun = now();
    end = begun + atof(argv[2]);
    for (int i = 0; i < open; i++)
    {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};

        clients[i].fd = atoi(argv[7 + i]);
        epoll_ctl(poll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    for (int i = 0; i < argc - 7; i++)
    {
        if (sent < count)
        {
            sent++;
            give(&clients[i]);
        }
        else
        {
            open--;
        }
    }
    while (open > 0)
    {
        int ready = awaited(poll, events);

        if (ready <= 0)
        {
            fprintf(stderr, "rls_load: %s: no answer\n", names[what]);
            return 1;
        }
        for (int i = 0; i < ready; i++)
        {
            struct client *client = events[i].data.ptr;

            if (!take(client))
            {
                continue;
            }
            if (sent < count && now() < end)
            {
                sent++;
                give(client);
            }
            else
            {
                open--;
            }
        }
    }
    end = now();
    qsort(times, (size_t) answered, sizeof *times, ascending);
    printf("%ld %.6f %.0f %.0f %.0f\n", answered, end - begun, times[answered / 2], times[answered * 99 / 100],
        times[answered - 1]);
    return 0;
}
