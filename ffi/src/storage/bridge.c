/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include "bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct pg_bridge {
    int             socket;
    int             patience; /* seconds */
    globus_byte_t * blocks;
    int             count;
    size_t          size;
    char            buffer[PG_MESSAGE_ROOM + 1];
};

pg_bridge *pg_bridge_open(const char *path, int patience)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pg_bridge *bridge;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    strcpy(address.sun_path, path);
    if ((bridge = calloc(1, sizeof *bridge)) == NULL)
        return NULL;
    bridge->patience = patience;
    bridge->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (bridge->socket < 0 || connect(bridge->socket, (struct sockaddr *)&address, sizeof address)) {
        int number = errno;
        pg_bridge_close(bridge);
        errno = number;
        return NULL;
    }
    return bridge;
}

static void forget_blocks(pg_bridge *bridge)
{
    if (bridge->blocks != NULL)
        munmap(bridge->blocks, bridge->count * bridge->size);
    bridge->blocks = NULL;
    bridge->count = 0;
}

void pg_bridge_close(pg_bridge *bridge)
{
    if (bridge == NULL)
        return;
    forget_blocks(bridge);
    if (bridge->socket >= 0)
        close(bridge->socket);
    free(bridge);
}

/* After this nothing that the host says can be matched with what it was asked. */
static globus_result_t broken(pg_bridge *bridge, const char *why)
{
    if (bridge->socket >= 0) {
        shutdown(bridge->socket, SHUT_RDWR);
        close(bridge->socket);
        bridge->socket = -1;
    }
    return globus_error_put(
        globus_gfs_ftp_response_error_construct(NULL, NULL, 500, "INTERNAL_ERROR", "the storage %s", why));
}

globus_result_t pg_bridge_send(pg_bridge *bridge, uint32_t verb, const int64_t numbers[3], const char *first,
                               const char *second, int descriptor)
{
    pg_request request = {.verb = verb};
    char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec parts[3] = {{&request, sizeof request}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
    const char *strings[] = {first, second};
    size_t total = sizeof request;
    ssize_t sent;

    if (bridge->socket < 0)
        return broken(bridge, "is gone");
    if (numbers != NULL)
        memcpy(request.numbers, numbers, sizeof request.numbers);
    for (int i = 0; i < 2 && strings[i] != NULL; i++) {
        parts[message.msg_iovlen++] = (struct iovec){(void *)strings[i], strlen(strings[i]) + 1};
        total += strlen(strings[i]) + 1;
    }
    if (total > PG_MESSAGE_ROOM)
        return globus_error_put(
            globus_gfs_ftp_response_error_construct(NULL, NULL, 553, "INVALID_PATH_NAME", "the name is too long"));
    if (descriptor >= 0) {
        struct cmsghdr *head;
        message.msg_control = room;
        message.msg_controllen = sizeof room;
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
    }
    do
        sent = sendmsg(bridge->socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? broken(bridge, "does not listen any more") : GLOBUS_SUCCESS;
}

int pg_bridge_ready(pg_bridge *bridge)
{
    struct pollfd waiting = {bridge->socket, POLLIN, 0};

    return bridge->socket < 0 || poll(&waiting, 1, 0) > 0;
}

/* Until something has come, or patience has an end; whether it has come. */
static int await(pg_bridge *bridge)
{
    struct pollfd waiting = {bridge->socket, POLLIN, 0};
    struct timespec now, end;
    long left;
    int found;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += bridge->patience;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = (end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000;
        found = poll(&waiting, 1, left > 0 ? (int)left : 0);
    } while (found < 0 && errno == EINTR);
    return found > 0;
}

/* The string at *place, which then moves behind it; "" at the end. */
static const char *next_string(const char **place, const char *end)
{
    const char *string = *place;

    if (string >= end)
        return "";
    *place = string + strlen(string) + 1; /* the buffer ends with a NUL of ours */
    return string;
}

static globus_result_t refusal(const char *text, size_t length)
{
    const char *place = text, *end = text + length;
    int code = atoi(next_string(&place, end));
    const char *name = next_string(&place, end);
    const char *why = next_string(&place, end);

    if (code < 400 || code > 599)
        code = 500;
    return globus_error_put(globus_gfs_ftp_response_error_construct(NULL, NULL, code, name, "%s", why));
}

globus_result_t pg_bridge_receive(pg_bridge *bridge, pg_reply *reply, const char **text, size_t *length, int *descriptor)
{
    char room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {bridge->buffer, PG_MESSAGE_ROOM};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head;
    int came = -1;
    ssize_t got;

    if (descriptor != NULL)
        *descriptor = -1;
    if (bridge->socket < 0)
        return broken(bridge, "is gone");
    if (!await(bridge))
        return broken(bridge, "does not answer");
    do
        got = recvmsg(bridge->socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got > 0 && (head = CMSG_FIRSTHDR(&message)) != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(&came, CMSG_DATA(head), sizeof(int));
    if (descriptor != NULL)
        *descriptor = came;
    else if (came >= 0)
        close(came);
    if (got < (ssize_t)sizeof *reply || message.msg_flags & MSG_TRUNC)
        return broken(bridge, got > 0 ? "does not answer sensibly" : "is gone");
    bridge->buffer[got] = '\0';
    memcpy(reply, bridge->buffer, sizeof *reply);
    if (text != NULL) {
        *text = bridge->buffer + sizeof *reply;
        *length = got - sizeof *reply;
    }
    if (reply->status != PG_FAILED)
        return GLOBUS_SUCCESS;
    if (descriptor != NULL && came >= 0) {
        close(came);
        *descriptor = -1;
    }
    return refusal(bridge->buffer + sizeof *reply, got - sizeof *reply);
}

globus_result_t pg_bridge_ask(pg_bridge *bridge, uint32_t verb, const int64_t numbers[3], const char *first,
                              const char *second, pg_reply *reply, const char **text, size_t *length, int *descriptor)
{
    globus_result_t result = pg_bridge_send(bridge, verb, numbers, first, second, -1);

    if (descriptor != NULL)
        *descriptor = -1;
    return result == GLOBUS_SUCCESS ? pg_bridge_receive(bridge, reply, text, length, descriptor) : result;
}

globus_result_t pg_bridge_map(pg_bridge *bridge, int count, size_t size)
{
    int64_t numbers[3] = {count, (int64_t)size, 0};
    globus_result_t result;
    pg_reply reply;
    void *memory;
    int file;

    if (bridge->blocks != NULL && bridge->count == count && bridge->size == size)
        return GLOBUS_SUCCESS;
    forget_blocks(bridge);
    /* Sealed, so that neither side can take the memory from under the other. */
    file = memfd_create("pyglobus-storage", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 || ftruncate(file, (off_t)(count * size)) || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)) {
        result = GlobusGFSErrorSystemError("memfd_create", errno);
        if (file >= 0)
            close(file);
        return result;
    }
    memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        result = GlobusGFSErrorSystemError("mmap", errno);
        close(file);
        return result;
    }
    bridge->blocks = memory;
    bridge->count = count;
    bridge->size = size;
    result = pg_bridge_send(bridge, PG_MAP, numbers, NULL, NULL, file);
    close(file);
    if (result == GLOBUS_SUCCESS)
        result = pg_bridge_receive(bridge, &reply, NULL, NULL, NULL);
    if (result != GLOBUS_SUCCESS)
        forget_blocks(bridge);
    return result;
}

globus_byte_t *pg_bridge_block(pg_bridge *bridge, int number)
{
    return bridge->blocks + (size_t)number * bridge->size;
}

int pg_bridge_number(pg_bridge *bridge, const globus_byte_t *block)
{
    return (int)((size_t)(block - bridge->blocks) / bridge->size);
}
