/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* RTLD_NEXT */
#include "delegation.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "globus_ftp_control.h"

/* A clock of the other side that is this many seconds behind ours still finds the proxy valid. */
#define PG_CLOCK_SKEW 300

int pg_logins;

__attribute__((visibility("default")))
globus_result_t globus_ftp_control_authenticate(globus_ftp_control_handle_t *handle,
    globus_ftp_control_auth_info_t *auth_info, globus_bool_t use_auth, globus_ftp_control_response_callback_t callback,
    void *callback_arg)
{
    globus_ftp_control_auth_info_t  chosen;
    OM_uint32                       flags = GSS_C_DELEG_FLAG | GSS_C_GLOBUS_LIMITED_DELEG_PROXY_FLAG;

    pg_logins++;
    if (auth_info == NULL)
    {
        return globus_ftp_control_authenticate_ex(handle, auth_info, use_auth, callback, callback_arg);
    }
    chosen = *auth_info;
    if (chosen.account != NULL && chosen.account[0] == PG_DELEGATE_NONE[0])
    {
        flags = strcmp(chosen.account, PG_DELEGATE_FULL) == 0 ? GSS_C_DELEG_FLAG : 0;
        chosen.account = NULL;
    }
    chosen.req_flags |= flags;
    return globus_ftp_control_authenticate_ex(handle, &chosen, use_auth, callback, callback_arg);
}

/* The proxy ------------------------------------------------------------------------------------------------------------ */

/* ProxyCertInfo (RFC 3820, 3.8) with the policy language "limited" (1.3.6.1.4.1.3536.1.1.1.9) and no path length. */
static const unsigned char pg_limited[] = {
    0x30, 0x0f, 0x30, 0x0d, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9b, 0x50, 0x01, 0x01, 0x01, 0x09
};

static int pg_is_old_form(X509 *certificate)
{
    X509_NAME *         subject = X509_get_subject_name(certificate);
    int                 last = X509_NAME_entry_count(subject) - 1;
    ASN1_OBJECT *       draft = OBJ_txt2obj("1.3.6.1.4.1.3536.1.222", 1);
    ASN1_STRING *       name;
    int                 old = 0;

    if (draft != NULL)
    {
        old = X509_get_ext_by_OBJ(certificate, draft, -1) >= 0;
        ASN1_OBJECT_free(draft);
    }
    if (!old && last >= 0)
    {
        name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
        old = (ASN1_STRING_length(name) == 5 && memcmp(ASN1_STRING_get0_data(name), "proxy", 5) == 0)
            || (ASN1_STRING_length(name) == 13 && memcmp(ASN1_STRING_get0_data(name), "limited proxy", 13) == 0);
    }
    return old;
}

static int pg_may_issue(X509 *issuer)
{
    PROXY_CERT_INFO_EXTENSION * info;
    int                         may;

    if (pg_is_old_form(issuer))
    {
        return 0;
    }
    info = X509_get_ext_d2i(issuer, NID_proxyCertInfo, NULL, NULL);
    may = info == NULL || info->pcPathLengthConstraint == NULL || ASN1_INTEGER_get(info->pcPathLengthConstraint) != 0;
    PROXY_CERT_INFO_EXTENSION_free(info);
    return may;
}

static EVP_PKEY *pg_new_key(void)
{
    EVP_PKEY *      key = NULL;
    EVP_PKEY_CTX *  ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);

    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) <= 0
        || EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) <= 0
        || EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_NAMED_CURVE) <= 0
        || EVP_PKEY_keygen(ctx, &key) <= 0)
    {
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static int pg_add_extension(X509 *proxy, const char *oid, const unsigned char *der, int length)
{
    ASN1_OBJECT *       object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING * value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *    extension = NULL;
    int                 done;

    done = object != NULL && value != NULL && ASN1_OCTET_STRING_set(value, der, length)
        && (extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value)) != NULL
        && X509_add_ext(proxy, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return done;
}

static int pg_set_times(X509 *proxy, X509 *issuer, long seconds)
{
    time_t              now = time(NULL);
    const ASN1_TIME *   latest = X509_get0_notAfter(issuer);
    time_t              end = now + seconds;

    if (X509_cmp_time(latest, &end) < 0 ? !X509_set1_notAfter(proxy, latest)
        : X509_time_adj_ex(X509_getm_notAfter(proxy), 0, seconds, &now) == NULL)
    {
        return 0;
    }
    return X509_time_adj_ex(X509_getm_notBefore(proxy), 0, -PG_CLOCK_SKEW, &now) != NULL;
}

static X509 *pg_new_proxy(X509 *issuer, EVP_PKEY *issuer_key, EVP_PKEY *key, long seconds)
{
    static const unsigned char  usage[] = { 0x03, 0x02, 0x07, 0x80 };       /* digitalSignature */
    X509 *                      proxy = X509_new();
    X509_NAME *                 subject = X509_NAME_dup(X509_get_subject_name(issuer));
    unsigned char               random[4];
    char                        serial[16];
    uint32_t                    number;
    int                         done = 0;

    if (proxy != NULL && subject != NULL && RAND_bytes(random, sizeof random) == 1)
    {
        memcpy(&number, random, sizeof number);
        number = (number & 0x7fffffff) | 1;
        snprintf(serial, sizeof serial, "%u", number);
        done = X509_set_version(proxy, 2)
            && ASN1_INTEGER_set(X509_get_serialNumber(proxy), (long) number)
            && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (unsigned char *) serial, -1, -1, 0)
            && X509_set_subject_name(proxy, subject)
            && X509_set_issuer_name(proxy, X509_get_subject_name(issuer))
            && X509_set_pubkey(proxy, key)
            && pg_set_times(proxy, issuer, seconds)
            && pg_add_extension(proxy, "1.3.6.1.5.5.7.1.14", pg_limited, sizeof pg_limited)
            && pg_add_extension(proxy, "2.5.29.15", usage, sizeof usage)
            && X509_sign(proxy, issuer_key, EVP_sha256()) > 0;
    }
    X509_NAME_free(subject);
    if (!done)
    {
        X509_free(proxy);
        proxy = NULL;
    }
    return proxy;
}

/* A credential in PEM is a certificate, its key, and the chain: derive, and write the same with the new proxy before them. */
static int pg_derive(const char *pem, size_t length, long seconds, char **out, size_t *out_length)
{
    BIO *       in = BIO_new_mem_buf(pem, (int) length);
    BIO *       keys = BIO_new_mem_buf(pem, (int) length);
    BIO *       result = BIO_new(BIO_s_secmem());
    X509 *      issuer = NULL;
    X509 *      other;
    X509 *      proxy = NULL;
    EVP_PKEY *  issuer_key = NULL;
    EVP_PKEY *  key = NULL;
    char *      text;
    long        size;
    int         done = 0;

    if (in != NULL && keys != NULL && result != NULL
        && (issuer = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL
        && (issuer_key = PEM_read_bio_PrivateKey(keys, NULL, NULL, NULL)) != NULL
        && pg_may_issue(issuer)
        && (key = pg_new_key()) != NULL
        && (proxy = pg_new_proxy(issuer, issuer_key, key, seconds)) != NULL
        && PEM_write_bio_X509(result, proxy)
        && PEM_write_bio_PKCS8PrivateKey(result, key, NULL, NULL, 0, NULL, NULL)
        && PEM_write_bio_X509(result, issuer))
    {
        done = 1;
        while (done && (other = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL)
        {
            done = PEM_write_bio_X509(result, other);
            X509_free(other);
        }
        size = BIO_get_mem_data(result, &text);
        if (done && (*out = malloc((size_t) size)) != NULL)
        {
            memcpy(*out, text, (size_t) size);
            *out_length = (size_t) size;
        }
        else
        {
            done = 0;
        }
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    X509_free(proxy);
    X509_free(issuer);
    BIO_free(result);
    BIO_free(keys);
    BIO_free(in);
    return done ? 0 : -1;
}

/* The data credentials in use, with their PEM ---------------------------------------------------------------------------- */

typedef struct pg_data pg_data;
struct pg_data
{
    gss_cred_id_t   credential;
    char *          pem;
    size_t          length;
    pg_data *       next;
};

static pg_data *pg_in_use;

static void pg_data_wipe(pg_data *data)
{
    if (data->pem != NULL)
    {
        OPENSSL_cleanse(data->pem, data->length);
        free(data->pem);
    }
    free(data);
}

int pg_data_credential_new(gss_cred_id_t credential, long seconds, gss_cred_id_t *out, OM_uint32 *minor)
{
    gss_buffer_desc buffer = GSS_C_EMPTY_BUFFER;
    OM_uint32       ignored;
    OM_uint32       major;
    pg_data *       data = calloc(1, sizeof *data);

    *minor = 0;
    if (data == NULL)
    {
        return GSS_S_FAILURE;
    }
    if ((major = gss_export_cred(minor, credential, GSS_C_NO_OID, 0, &buffer)) == GSS_S_COMPLETE)
    {
        int derived = pg_derive(buffer.value, buffer.length, seconds, &data->pem, &data->length);

        OPENSSL_cleanse(buffer.value, buffer.length);
        gss_release_buffer(&ignored, &buffer);
        if (derived != 0)
        {
            pg_data_wipe(data);
            return -1;
        }
        buffer.value = data->pem;
        buffer.length = data->length;
        major = gss_import_cred(minor, &data->credential, GSS_C_NO_OID, 0, &buffer, 0, NULL);
    }
    if (major != GSS_S_COMPLETE)
    {
        pg_data_wipe(data);
        return (int) major;
    }
    data->next = pg_in_use;
    pg_in_use = data;
    *out = data->credential;
    return 0;
}

void pg_data_credential_free(gss_cred_id_t credential)
{
    OM_uint32   ignored;
    pg_data **  place;

    for (place = &pg_in_use; *place != NULL; place = &(*place)->next)
    {
        if ((*place)->credential == credential)
        {
            pg_data *data = *place;

            *place = data->next;
            gss_release_cred(&ignored, &data->credential);
            pg_data_wipe(data);
            return;
        }
    }
}

const char *pg_data_credential_pem(gss_cred_id_t credential, size_t *length)
{
    pg_data *data;

    for (data = pg_in_use; data != NULL; data = data->next)
    {
        if (data->credential == credential)
        {
            *length = data->length;
            return data->pem;
        }
    }
    return NULL;
}

typedef OM_uint32 (*pg_export)(OM_uint32 *, const gss_cred_id_t, const gss_OID, OM_uint32, gss_buffer_t);

/* Stands before the library's own function, as globus_ftp_control_authenticate() does. */
__attribute__((visibility("default")))
OM_uint32 gss_export_cred_with_full_cert_chain(OM_uint32 *minor, const gss_cred_id_t credential, const gss_OID mechanism,
    OM_uint32 option, gss_buffer_t buffer)
{
    pg_export       original;
    size_t          length;
    const char *    pem = option == 0 ? pg_data_credential_pem(credential, &length) : NULL;

    if (pem != NULL)
    {
        if ((buffer->value = malloc(length)) == NULL)
        {
            return GSS_S_FAILURE;
        }
        memcpy(buffer->value, pem, length);
        buffer->length = length;
        *minor = 0;
        return GSS_S_COMPLETE;
    }
    original = (pg_export) dlsym(RTLD_NEXT, "gss_export_cred_with_full_cert_chain");
    return original != NULL ? original(minor, credential, mechanism, option, buffer)
        : gss_export_cred(minor, credential, mechanism, option, buffer);
}
