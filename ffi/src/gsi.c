/* SPDX-License-Identifier: Apache-2.0 */
#include "gsi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "globus_gsi_callback.h"
#include "globus_gsi_cert_utils.h"

#define PG_DRAFT_OID "1.3.6.1.4.1.3536.1.222"

static globus_result_t pg_no_memory(void)
{
    return globus_error_put(globus_error_construct_errno_error(GLOBUS_GSI_CREDENTIAL_MODULE, NULL, ENOMEM));
}

/* What a memory BIO holds, as malloc'ed bytes with a NUL behind them; the BIO is freed, and its content wiped. */
static globus_result_t pg_take(BIO *bio, char **data, size_t *length)
{
    char *  inside = NULL;
    long    size = BIO_get_mem_data(bio, &inside);

    *data = size >= 0 ? malloc((size_t) size + 1) : NULL;
    if (*data != NULL)
    {
        if (size > 0)
        {
            memcpy(*data, inside, (size_t) size);
        }
        (*data)[size] = '\0';
        if (length != NULL)
        {
            *length = (size_t) size;
        }
    }
    if (size > 0)
    {
        OPENSSL_cleanse(inside, (size_t) size);
    }
    BIO_free(bio);
    return *data != NULL ? GLOBUS_SUCCESS : pg_no_memory();
}

static globus_result_t pg_cred_from(const char *pem, int length, globus_gsi_cred_handle_t *cred,
    globus_result_t (*read)(globus_gsi_cred_handle_t, BIO *))
{
    globus_result_t result;
    BIO *           bio = BIO_new_mem_buf(pem, length);

    if (bio == NULL)
    {
        return pg_no_memory();
    }
    *cred = NULL;
    if ((result = globus_gsi_cred_handle_init(cred, NULL)) == GLOBUS_SUCCESS && (result = read(*cred, bio)) != GLOBUS_SUCCESS)
    {
        globus_gsi_cred_handle_destroy(*cred);
        *cred = NULL;
    }
    BIO_free(bio);
    return result;
}

globus_result_t pg_cred_read(const char *pem, int length, globus_gsi_cred_handle_t *cred)
{
    return pg_cred_from(pem, length, cred, globus_gsi_cred_read_proxy_bio);
}

globus_result_t pg_cred_certificates(const char *pem, int length, globus_gsi_cred_handle_t *cred)
{
    return pg_cred_from(pem, length, cred, globus_gsi_cred_read_cert_bio);
}

globus_result_t pg_cred_type(globus_gsi_cred_handle_t cred, int *type)
{
    globus_gsi_cert_utils_cert_type_t   found = 0;
    globus_result_t                     result = globus_gsi_cred_get_cert_type(cred, &found);

    *type = (int) found;
    return result;
}

globus_result_t pg_cred_rfc2253(globus_gsi_cred_handle_t cred, int which, char **text)
{
    X509_NAME *     name = NULL;
    globus_result_t result;
    BIO *           bio;

    result = which == 0 ? globus_gsi_cred_get_X509_subject_name(cred, &name)
           : which == 1 ? globus_gsi_cred_get_X509_issuer_name(cred, &name)
           : globus_gsi_cred_get_X509_identity_name(cred, &name);
    if (result != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((bio = BIO_new(BIO_s_mem())) == NULL)
    {
        X509_NAME_free(name);
        return pg_no_memory();
    }
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    X509_NAME_free(name);
    return pg_take(bio, text, NULL);
}

globus_result_t pg_cred_text(globus_gsi_cred_handle_t cred, char **text)
{
    X509 *          certificate = NULL;
    globus_result_t result = globus_gsi_cred_get_cert(cred, &certificate);
    BIO *           bio;

    if (result != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((bio = BIO_new(BIO_s_mem())) == NULL)
    {
        X509_free(certificate);
        return pg_no_memory();
    }
    X509_print(bio, certificate);
    X509_free(certificate);
    return pg_take(bio, text, NULL);
}

globus_result_t pg_cred_write(globus_gsi_cred_handle_t cred, char **pem, size_t *length)
{
    BIO *           bio = BIO_new(BIO_s_mem());
    globus_result_t result;

    if (bio == NULL)
    {
        return pg_no_memory();
    }
    result = globus_gsi_cred_write(cred, bio);
    if (result != GLOBUS_SUCCESS)
    {
        BIO_free(bio);
        return result;
    }
    return pg_take(bio, pem, length);
}

void pg_secret_free(char *secret, size_t length)
{
    if (secret != NULL)
    {
        OPENSSL_cleanse(secret, length);
        free(secret);
    }
}

/* A policy is no reason to refuse a chain: who may do what with it is for the application to say. */
static int pg_is_proxy_extension(globus_gsi_callback_data_t data, X509_EXTENSION *extension)
{
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));

    (void) data;
    return nid == NID_proxyCertInfo || (nid != NID_undef && nid == OBJ_txt2nid(PG_DRAFT_OID));
}

globus_result_t pg_cred_verify(globus_gsi_cred_handle_t cred, const char *directory)
{
    globus_gsi_callback_data_t  data = NULL;
    globus_result_t             result = globus_gsi_callback_data_init(&data);

    if (result != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((result = globus_gsi_callback_set_cert_dir(data, (char *) directory)) == GLOBUS_SUCCESS
        && (result = globus_gsi_callback_set_extension_cb(data, pg_is_proxy_extension)) == GLOBUS_SUCCESS)
    {
        result = globus_gsi_cred_verify_cert_chain(cred, data);
    }
    globus_gsi_callback_data_destroy(data);
    return result;
}

static globus_result_t pg_handle(const pg_proxy_wish *wish, globus_gsi_proxy_handle_t *handle)
{
    globus_gsi_proxy_handle_attrs_t attributes = NULL;
    globus_result_t                 result = globus_gsi_proxy_handle_attrs_init(&attributes);
    int                             nid;

    if (result != GLOBUS_SUCCESS)
    {
        return result;
    }
    if ((result = globus_gsi_proxy_handle_attrs_set_keybits(attributes, wish->bits)) == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_handle_init(handle, attributes);
    }
    globus_gsi_proxy_handle_attrs_destroy(attributes);
    if (result != GLOBUS_SUCCESS
        || (result = globus_gsi_proxy_handle_set_time_valid(*handle, wish->minutes)) != GLOBUS_SUCCESS
        || (result = globus_gsi_proxy_handle_set_type(*handle, (globus_gsi_cert_utils_cert_type_t) wish->type)) != GLOBUS_SUCCESS)
    {
        return result;
    }
    if (wish->path_length >= 0
        && (result = globus_gsi_proxy_handle_set_pathlen(*handle, wish->path_length)) != GLOBUS_SUCCESS)
    {
        return result;
    }
    if (wish->language != NULL)
    {
        nid = OBJ_txt2nid(wish->language);
        if (nid == NID_undef)
        {
            nid = OBJ_create(wish->language, NULL, NULL);
        }
        result = globus_gsi_proxy_handle_set_policy(*handle, wish->policy, wish->policy_length, nid);
    }
    return result;
}

globus_result_t pg_proxy_make(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, globus_gsi_cred_handle_t *proxy)
{
    globus_gsi_proxy_handle_t   handle = NULL;
    globus_result_t             result = pg_handle(wish, &handle);

    *proxy = NULL;
    if (result == GLOBUS_SUCCESS)
    {
        result = globus_gsi_proxy_create_signed(handle, issuer, proxy);
    }
    if (result != GLOBUS_SUCCESS)
    {
        *proxy = NULL;      /* what the library leaves there has been freed */
    }
    if (handle != NULL)
    {
        globus_gsi_proxy_handle_destroy(handle);
    }
    return result;
}

globus_result_t pg_proxy_request(const pg_proxy_wish *wish, globus_gsi_proxy_handle_t *handle, char **der, size_t *length)
{
    globus_result_t result;
    BIO *           bio;

    *handle = NULL;
    if ((result = pg_handle(wish, handle)) == GLOBUS_SUCCESS)
    {
        if ((bio = BIO_new(BIO_s_mem())) == NULL)
        {
            result = pg_no_memory();
        }
        else if ((result = globus_gsi_proxy_create_req(*handle, bio)) == GLOBUS_SUCCESS)
        {
            result = pg_take(bio, der, length);
        }
        else
        {
            BIO_free(bio);
        }
    }
    if (result != GLOBUS_SUCCESS && *handle != NULL)
    {
        globus_gsi_proxy_handle_destroy(*handle);
        *handle = NULL;
    }
    return result;
}

/* The issuer's certificate and its chain, behind the new one. */
static globus_result_t pg_add_chain(globus_gsi_cred_handle_t issuer, BIO *bio)
{
    X509 *              certificate = NULL;
    STACK_OF(X509) *    chain = NULL;
    globus_result_t     result;
    int                 i;

    if ((result = globus_gsi_cred_get_cert(issuer, &certificate)) != GLOBUS_SUCCESS)
    {
        return result;
    }
    i2d_X509_bio(bio, certificate);
    X509_free(certificate);
    if ((result = globus_gsi_cred_get_cert_chain(issuer, &chain)) == GLOBUS_SUCCESS && chain != NULL)
    {
        for (i = 0; i < sk_X509_num(chain); i++)
        {
            i2d_X509_bio(bio, sk_X509_value(chain, i));
        }
        sk_X509_pop_free(chain, X509_free);
    }
    return result;
}

globus_result_t pg_proxy_sign(globus_gsi_cred_handle_t issuer, const pg_proxy_wish *wish, const char *request, int request_length,
    char **der, size_t *length)
{
    globus_gsi_proxy_handle_t   handle = NULL;
    globus_result_t             result;
    BIO *                       in = BIO_new_mem_buf(request, request_length);
    BIO *                       out = BIO_new(BIO_s_mem());

    if (in == NULL || out == NULL)
    {
        BIO_free(in);
        BIO_free(out);
        return pg_no_memory();
    }
    if ((result = globus_gsi_proxy_handle_init(&handle, NULL)) == GLOBUS_SUCCESS
        && (result = globus_gsi_proxy_inquire_req(handle, in)) == GLOBUS_SUCCESS
        && (result = globus_gsi_proxy_handle_set_type(handle, (globus_gsi_cert_utils_cert_type_t) wish->type)) == GLOBUS_SUCCESS
        && (result = globus_gsi_proxy_handle_set_time_valid(handle, wish->minutes)) == GLOBUS_SUCCESS
        && (result = globus_gsi_proxy_sign_req(handle, issuer, out)) == GLOBUS_SUCCESS)
    {
        result = pg_add_chain(issuer, out);
    }
    if (handle != NULL)
    {
        globus_gsi_proxy_handle_destroy(handle);
    }
    BIO_free(in);
    if (result == GLOBUS_SUCCESS)
    {
        return pg_take(out, der, length);
    }
    BIO_free(out);
    return result;
}

globus_result_t pg_proxy_assemble(globus_gsi_proxy_handle_t handle, const char *der, int length, globus_gsi_cred_handle_t *cred)
{
    globus_result_t result;
    BIO *           bio = BIO_new_mem_buf(der, length);

    *cred = NULL;
    if (bio == NULL)
    {
        return pg_no_memory();
    }
    if ((result = globus_gsi_proxy_assemble_cred(handle, cred, bio)) != GLOBUS_SUCCESS)
    {
        *cred = NULL;       /* what the library leaves there has been freed */
    }
    BIO_free(bio);
    return result;
}
