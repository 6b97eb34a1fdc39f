/* SPDX-License-Identifier: Apache-2.0
 *
 * What may pass from a server's control connection to the Globus libraries, which believe their servers: a reply nobody
 * asked for is taken for the answer to the next command, a preliminary reply to a command that has none makes the client's
 * state machine run ahead until it asserts or crashes, "done" counts as a transfer that never began, and a reply may be as
 * long as memory lasts.
 *
 * globus_ftp_client reaches the functions of globus_ftp_control, and that one those of globus_io, through the dynamic linker,
 * which looks in ours first. Those of gate.c look at what passes by and go on to the real ones:
 *   - more final replies at a time than commands are waiting, and a reply longer than PG_LONGEST_REPLY, end the connection;
 *   - a preliminary reply (RFC 959, 4.2) reaches only those who sent a command that moves data or takes its time;
 *   - a transfer or listing that is done without having begun (a 2xx reply without a 1xx before it) has failed.
 * Replies that are wrapped for security (63x) are counted only after they are unwrapped.
 */
#ifndef PG_GATE_H
#define PG_GATE_H

/* Bytes. The longest honest replies, to FEAT and STAT, have some kilobytes. */
#define PG_LONGEST_REPLY (1 << 20)

#endif
