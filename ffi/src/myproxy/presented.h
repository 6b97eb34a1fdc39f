/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates that a server presents, before anything is known that could verify them. */

#ifndef PYGLOBUS_MYPROXY_PRESENTED_H
#define PYGLOBUS_MYPROXY_PRESENTED_H

/*
 * Shake hands on a connected socket and write a message, event=done, with a field "certificate" (DER) for each
 * certificate, the server's own first. Returns 0, or -1 with the reason in verror and nothing written.
 */
int pg_presented_write(int socket, int descriptor);

#endif
