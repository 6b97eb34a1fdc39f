/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with a MyProxy server, by libmyproxy. All functions return 0, or -1 with the reason in verror; a reply
 * that is an error is one too.
 */

#ifndef PYGLOBUS_MYPROXY_EXCHANGE_H
#define PYGLOBUS_MYPROXY_EXCHANGE_H

#include "message.h"

#include "myproxy.h"

/* Connect to the host and port of the message. */
int pg_exchange_connect(myproxy_socket_attrs_t *server, const pg_field_t *target);

/*
 * Log in and check the server's name. With "anonymous" in the message a client that has no credential, or whose
 * credential does not do, is let in without one.
 */
int pg_exchange_login(myproxy_socket_attrs_t *server, const pg_field_t *target);

/* The name in the server's certificate. */
void pg_exchange_name(myproxy_socket_attrs_t *server, char *into, size_t size);

/* Make the library's request of a message; free it with myproxy_free(). */
myproxy_request_t *pg_exchange_request(const pg_field_t *message);

/* Send a request and receive the first reply. */
int pg_exchange_ask(myproxy_socket_attrs_t *server, myproxy_request_t *request, myproxy_response_t *reply);

/*
 * What follows the first reply: a credential in either direction. What is received goes to *credential, malloc'ed and
 * overwritten by the caller.
 */
int pg_exchange_carry(
    myproxy_socket_attrs_t *server,
    const pg_field_t *message,
    myproxy_request_t *request,
    myproxy_response_t *reply,
    char **credential,
    int *size);

#endif
