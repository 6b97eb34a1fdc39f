/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* The library exports these, but has no public header for them. */
typedef struct _gsi_socket pg_gsi_socket_t;
extern void GSI_SOCKET_allow_anonymous(pg_gsi_socket_t *self, const int value);
extern int GSI_SOCKET_check_creds(pg_gsi_socket_t *self);
extern int GSI_SOCKET_use_creds(pg_gsi_socket_t *self, const char *creds);
extern void GSI_SOCKET_set_max_token_len(pg_gsi_socket_t *self, int bytes);
extern int GSI_SOCKET_get_peer_name(pg_gsi_socket_t *self, char *buffer, const int buffer_len);

/* Trust roots of all the grid's authorities, with their revocation lists in base64, have a few megabytes. */
#define LARGEST_REPLY (16 << 20)

int
pg_exchange_connect(myproxy_socket_attrs_t *server, const pg_field_t *target)
{
    if (server->pshost == NULL) {
        server->pshost = pg_message_copy(target, "host");
        server->psport = pg_message_number(target, "port");
    }
    if (server->pshost == NULL || myproxy_init_client(server) < 0)
        return -1;
    GSI_SOCKET_set_max_token_len(server->gsi_socket, LARGEST_REPLY);
    GSI_SOCKET_allow_anonymous(server->gsi_socket, pg_message_number(target, "anonymous"));
    return 0;
}

int
pg_exchange_login(myproxy_socket_attrs_t *server, const pg_field_t *target)
{
    if (myproxy_authenticate_init(server, NULL) >= 0)
        return 0;
    if (!pg_message_number(target, "anonymous") || GSI_SOCKET_check_creds(server->gsi_socket) != 0)
        return -1;
    /* The server may have refused the credential, which cannot be told from other faults. */
    verror_clear();
    GSI_SOCKET_use_creds(server->gsi_socket, "/dev/null");
    if (pg_exchange_connect(server, target) < 0)
        return -1;
    return myproxy_authenticate_init(server, NULL) < 0 ? -1 : 0;
}

void
pg_exchange_name(myproxy_socket_attrs_t *server, char *into, size_t size)
{
    into[0] = '\0';
    GSI_SOCKET_get_peer_name(server->gsi_socket, into, (int)size);
}

static void
copy_phrase(const pg_field_t *message, const char *name, char *into)
{
    const char *phrase = pg_message_get(message, name);
    if (phrase != NULL)
        strncpy(into, phrase, MAX_PASS_LEN);
}

myproxy_request_t *
pg_exchange_request(const pg_field_t *message)
{
    myproxy_request_t *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->version = strdup(MYPROXY_VERSION);
    request->command_type = (myproxy_proto_request_type_t)pg_message_number(message, "command");
    request->username = pg_message_copy(message, "username");
    copy_phrase(message, "passphrase", request->passphrase);
    copy_phrase(message, "new_passphrase", request->new_passphrase);
    request->proxy_lifetime = pg_message_number(message, "lifetime");
    request->retrievers = pg_message_copy(message, "retrievers");
    request->renewers = pg_message_copy(message, "renewers");
    request->credname = pg_message_copy(message, "credname");
    request->creddesc = pg_message_copy(message, "creddesc");
    request->authzcreds = pg_message_copy(message, "authzcreds");
    request->keyretrieve = pg_message_copy(message, "keyretrieve");
    request->trusted_retrievers = pg_message_copy(message, "trusted_retrievers");
    request->want_trusted_certs = pg_message_number(message, "want_trusted_certs");
    request->voname = pg_message_copy(message, "voname");
    request->vomses = pg_message_copy(message, "vomses");
    request->certreq = pg_message_copy(message, "certreq");
    return request;
}

int
pg_exchange_ask(myproxy_socket_attrs_t *server, myproxy_request_t *request, myproxy_response_t *reply)
{
    char *text = NULL;
    int size = myproxy_serialize_request_ex(request, &text), sent;

    if (size < 0)
        return -1;
    sent = myproxy_send(server, text, size);
    OPENSSL_cleanse(text, (size_t)size);
    free(text);
    if (sent < 0)
        return -1;
    return myproxy_recv_response_ex(server, reply, request) != 0 ? -1 : 0;
}

/* A stored credential comes as it was stored, with the last reply behind it; the library would put it into a file. */
static int
take_stored(myproxy_socket_attrs_t *server, char **credential, int *size)
{
    int got = myproxy_recv_ex(server, credential);
    int at;

    if (got <= 0)
        return -1;
    for (at = 0; at < got && (*credential)[at] != '\0'; at++)
        if (strncmp(*credential + at, "VERSION=", strlen("VERSION=")) == 0)
            break;
    *size = at;
    if (at > 0)
        return 0;
    return myproxy_handle_response(*credential, got, &(myproxy_response_t){0});
}

int
pg_exchange_carry(
    myproxy_socket_attrs_t *server,
    const pg_field_t *message,
    myproxy_request_t *request,
    myproxy_response_t *reply,
    char **credential,
    int *size)
{
    const char *stored = pg_message_get(message, "credential");
    int done;

    switch (request->command_type) {
    case MYPROXY_GET_PROXY:
        if (pg_message_number(message, "nothing"))
            return 0;
        if (request->certreq != NULL)
            return myproxy_request_cert(server, request->certreq, credential, size) < 0 ? -1 : 0;
        return myproxy_accept_delegation_ex(server, credential, size, NULL) < 0 ? -1 : 0;
    case MYPROXY_PUT_PROXY:
        done = myproxy_init_delegation(
            server, getenv("X509_USER_PROXY"), pg_message_number(message, "delegated_lifetime"), NULL);
        return done < 0 || myproxy_recv_response(server, reply) != 0 ? -1 : 0;
    case MYPROXY_STORE_CERT:
        if (stored == NULL || myproxy_init_credentials(server, stored) < 0)
            return -1;
        return myproxy_recv_response(server, reply) != 0 ? -1 : 0;
    case MYPROXY_RETRIEVE_CERT:
        return take_stored(server, credential, size);
    default:
        return 0;
    }
}
