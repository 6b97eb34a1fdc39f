/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process for one exchange with a MyProxy server: messages in on standard input, out on standard output.
 *
 *   in   host, port, anonymous          which server; "present" asks for its certificates only
 *   out  event=connected, server, ...   the server is who it should be
 *   in   command, username, ...         the request
 *   out  event=done, the reply          or event=failed, stage, text, errno, at any time
 *
 * What the library prints goes to standard error.
 */

#include "exchange.h"
#include "presented.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* What a hostile server can make the libraries use. */
#define MEMORY (512UL << 20)

static int out;

static int
failed(const char *stage)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", verror_get_errno());
    pg_text_write(out, "event", "failed");
    pg_text_write(out, "stage", stage);
    pg_text_write(out, "text", verror_get_string());
    pg_text_write(out, "errno", number);
    pg_field_write(out, "", NULL, 0);
    return 1;
}

static void
write_time(const char *name, time_t moment)
{
    char number[32];

    snprintf(number, sizeof(number), "%lld", (long long)moment);
    pg_text_write(out, name, number);
}

static void
write_reply(const myproxy_response_t *reply, const char *credential, int size)
{
    const myproxy_creds_t *creds;
    const myproxy_certs_t *certs;

    pg_text_write(out, "event", "done");
    for (creds = reply->info_creds; creds != NULL; creds = creds->next) {
        pg_text_write(out, "owner", creds->owner_name ? creds->owner_name : "");
        pg_text_write(out, "name", creds->credname);
        pg_text_write(out, "description", creds->creddesc);
        pg_text_write(out, "retrievers", creds->retrievers);
        pg_text_write(out, "renewers", creds->renewers);
        pg_text_write(out, "key_retrievers", creds->keyretrieve);
        pg_text_write(out, "trusted_retrievers", creds->trusted_retrievers);
        pg_text_write(out, "locked", creds->lockmsg);
        write_time("start", creds->start_time);
        write_time("end", creds->end_time);
    }
    for (certs = reply->trusted_certs; certs != NULL; certs = certs->next) {
        pg_text_write(out, "file", certs->filename);
        pg_field_write(out, "content", certs->contents ? certs->contents : "", certs->contents ? certs->size : 0);
    }
    if (credential != NULL)
        pg_field_write(out, "credential", credential, (size_t)size);
    pg_field_write(out, "", NULL, 0);
}

static int
ask(myproxy_socket_attrs_t *server)
{
    myproxy_response_t *reply = calloc(1, sizeof(*reply));
    pg_field_t *message = pg_message_read(STDIN_FILENO);
    myproxy_request_t *request;
    char *credential = NULL;
    int size = 0, status = 0;

    if (message == NULL || reply == NULL || (request = pg_exchange_request(message)) == NULL)
        return 1;
    if (pg_exchange_ask(server, request, reply) < 0)
        status = failed("request");
    else if (pg_exchange_carry(server, message, request, reply, &credential, &size) < 0)
        status = failed("credential");
    else
        write_reply(reply, credential, size);
    if (credential != NULL)
        OPENSSL_cleanse(credential, (size_t)size);
    OPENSSL_cleanse(request->passphrase, sizeof(request->passphrase));
    OPENSSL_cleanse(request->new_passphrase, sizeof(request->new_passphrase));
    pg_message_free(message);
    return status;
}

int
main(int argc, char *argv[])
{
    struct rlimit memory = {MEMORY, MEMORY}, none = {0, 0};
    myproxy_socket_attrs_t *server = calloc(1, sizeof(*server));
    pg_field_t *target;
    char name[1024];
    int status;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_AS, &memory);
    out = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    myproxy_log_use_stream(stderr);
    myproxy_debug_set_level(argc > 1 && strcmp(argv[1], "-v") == 0);
    target = pg_message_read(STDIN_FILENO);
    if (target == NULL || server == NULL)
        return 1;
    if (pg_exchange_connect(server, target) < 0)
        return failed("connect");
    if (pg_message_number(target, "present")) {
        status = pg_presented_write(server->socket_fd, out) < 0 ? failed("login") : 0;
    } else if (pg_exchange_login(server, target) < 0) {
        status = failed("login");
    } else {
        pg_exchange_name(server, name, sizeof(name));
        pg_text_write(out, "event", "connected");
        pg_text_write(out, "server", name);
        pg_text_write(out, "library", myproxy_version(NULL, NULL, NULL));
        pg_field_write(out, "", NULL, 0);
        status = ask(server);
    }
    pg_message_free(target);
    return status; /* the libraries' memory goes with the process */
}
