/* SPDX-License-Identifier: Apache-2.0 */
#include "presented.h"

#include "message.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "verror.h"

/* As many as the toolkit follows. */
#define MOST 100

static int
failed(void)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    verror_put_string("TLS handshake failed: %s", text);
    return -1;
}

int
pg_presented_write(int socket, int descriptor)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *connection = context ? SSL_new(context) : NULL;
    int status = -1;

    if (connection == NULL || SSL_set_fd(connection, socket) != 1 || SSL_connect(connection) != 1) {
        failed();
    } else {
        STACK_OF(X509) *chain = SSL_get_peer_cert_chain(connection);
        int i, count = chain ? sk_X509_num(chain) : 0;
        pg_text_write(descriptor, "event", "done");
        for (i = 0; i < count && i < MOST; i++) {
            unsigned char *der = NULL;
            int size = i2d_X509(sk_X509_value(chain, i), &der);
            if (size > 0)
                pg_field_write(descriptor, "certificate", der, (size_t)size);
            OPENSSL_free(der);
        }
        pg_field_write(descriptor, "", NULL, 0);
        status = 0;
    }
    SSL_free(connection);
    SSL_CTX_free(context);
    return status;
}
