/* SPDX-License-Identifier: Apache-2.0
 *
 * What a session of the GridFTP server and the host of its storage say to each other: datagrams on a SOCK_SEQPACKET
 * socket, in the machine's own byte order, since both are on one machine. The host's side is core/storage/message.py.
 *
 * A request is its head and up to two strings, each with its NUL. A reply is its head and what the verb has: entries for
 * `PG_STAT` and `PG_LIST`, text for `PG_CHECKSUM`; where the status is `PG_FAILED`, three strings: the FTP code in
 * digits, the name that goes with it, and a sentence. Replies come in the order of the requests. `PG_MORE` says that
 * another reply to the same request follows.
 *
 * A session keeps the number of the one file that it has open to itself: there is never more than one.
 */
#ifndef PG_STORAGE_MESSAGE_H
#define PG_STORAGE_MESSAGE_H

#include <stdint.h>

/* Bytes of a request or a reply: below what a socket's buffer holds by default. */
#define PG_MESSAGE_ROOM 65536

enum {
    PG_HELLO = 1,   /* strings: the identity, the account; the status says whether they may come in */
    PG_STAT,        /* path; numbers[0]: 1 to follow a link */
    PG_LIST,        /* path; entries, in as many replies as it takes */
    PG_MAKE_DIRECTORY,
    PG_REMOVE_DIRECTORY,
    PG_REMOVE_TREE,
    PG_REMOVE,
    PG_RENAME,      /* path and new path */
    PG_CHANGE_MODE, /* numbers[0]: the mode */
    PG_CHANGE_TIME, /* numbers[0]: seconds since the epoch */
    PG_TRUNCATE,    /* numbers[0]: bytes */
    PG_LINK,        /* path of the link, and what it refers to */
    PG_CHECKSUM,    /* path and algorithm; numbers: offset, length or -1 */
    PG_MAP,         /* numbers: blocks, bytes of each; their memory comes along as a descriptor */
    PG_OPEN_READ,   /* path; the reply may bring a descriptor to read from, and then needs no `PG_READ` */
    PG_OPEN_WRITE,  /* path; numbers: 1 to begin with nothing, bytes to come or -1; a descriptor likewise; reply: 1 if the
                     * blocks must come in their order */
    PG_READ,        /* numbers: block, offset, most bytes; reply: bytes that are in the block, 0 at the end of the file */
    PG_WRITE,       /* numbers: block, offset, bytes */
    PG_CLOSE,       /* numbers[0]: 1 if what was written is whole; numbers[1]: time to give it, or -1 */
};

enum {
    PG_DONE = 0,
    PG_FAILED = 1,
    PG_MORE = 2,
};

typedef struct {
    uint32_t verb;
    uint32_t reserved;
    int64_t  numbers[3];
} pg_request;

typedef struct {
    uint32_t status;
    uint32_t entries;
    int64_t  number;
} pg_reply;

/* Behind it: the name and what a link refers to, each with its NUL; the next entry begins at a multiple of 8. */
typedef struct {
    uint32_t mode;
    uint32_t links;
    int64_t  size;
    int64_t  modified;
    int64_t  accessed;
    int64_t  changed;
    int64_t  device;
    int64_t  inode;
    int64_t  owner;  /* -1: the account of the session */
    int64_t  group;
    uint32_t target_mode;  /* of a link; 0 where it leads nowhere */
    uint32_t bytes;  /* of the entry with its names and what fills it up */
} pg_entry;

#endif
