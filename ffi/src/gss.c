/* SPDX-License-Identifier: Apache-2.0 */
#include "gss.h"

#include <stdlib.h>
#include <time.h>

#include <openssl/asn1.h>

/* Content types of TLS records (RFC 8446 section 5.1), and the one GSI adds for messages that are signed, not encrypted. */
#define PG_TLS_FIRST 20
#define PG_GSI_MIC   26
#define PG_HEADER    5
/* Of an integrity-only record: its header, length of the MIC, sequence number, length of the message. */
#define PG_MIC_LEAST (PG_HEADER + 8 + 4)

/* Exported by the library without a header. */
extern gss_OID_desc *               gss_nt_host_ip;
extern const gss_OID_desc * const   gss_ext_x509_cert_chain_oid;
extern const gss_OID_desc * const   gss_ext_tls_version_oid;
extern const gss_OID_desc * const   gss_ext_tls_cipher_oid;

OM_uint32 pg_gss_unwrap(OM_uint32 *minor, gss_ctx_id_t context, gss_buffer_t input, gss_buffer_t output, int *confidential)
{
    OM_uint32 major = gss_unwrap(minor, context, input, output, confidential, NULL);

    if (major != GSS_S_COMPLETE)
    {
        /* After a TLS failure the library has freed the buffer that it still points to; after a wrong MIC it has not. */
        if (input->length > 0 && *(const unsigned char *) input->value == PG_GSI_MIC)
        {
            free(output->value);
        }
        output->value = NULL;
        output->length = 0;
    }
    return major;
}

int pg_gss_whole(const void *token, size_t length)
{
    const unsigned char *   at = token;

    if (length > PG_MIC_LEAST && at[0] == PG_GSI_MIC)
    {
        size_t mic = (size_t) at[3] << 8 | at[4];
        size_t data = (size_t) at[13] << 24 | (size_t) at[14] << 16 | (size_t) at[15] << 8 | at[16];

        return at[1] == 3 && at[2] == 0 && length == PG_HEADER + mic + data;
    }
    while (length >= PG_HEADER)
    {
        size_t record = PG_HEADER + ((size_t) at[3] << 8 | at[4]);

        if (at[0] < PG_TLS_FIRST || at[0] >= PG_GSI_MIC || at[1] != 3 || record > length)
        {
            return 0;
        }
        at += record;
        length -= record;
    }
    return length == 0 && at != token;
}

gss_OID pg_gss_host_ip(void)
{
    return gss_nt_host_ip;
}

gss_OID pg_gss_peer_chain(void)
{
    return (gss_OID) gss_ext_x509_cert_chain_oid;
}

gss_OID pg_gss_tls_version(void)
{
    return (gss_OID) gss_ext_tls_version_oid;
}

gss_OID pg_gss_tls_cipher(void)
{
    return (gss_OID) gss_ext_tls_cipher_oid;
}

/* Enter the element at the cursor, which must be of the tag: the cursor then stands at its content. */
static int pg_enter(const unsigned char **at, const unsigned char *end, int wanted, long *length)
{
    int tag, class;

    return !(ASN1_get_object(at, length, &tag, &class, end - *at) & 0x81) && tag == wanted;
}

/* RFC 5280 section 4.1: SEQUENCE { SEQUENCE { [0] version, serial, algorithm, issuer, SEQUENCE { notBefore, notAfter ... */
int64_t pg_gss_ends(const void *der, size_t length)
{
    static const int        before[] = { V_ASN1_INTEGER, V_ASN1_SEQUENCE, V_ASN1_SEQUENCE };
    const unsigned char *   at = der;
    const unsigned char *   end = at + length;
    ASN1_TIME *             not_after;
    struct tm               when;
    int64_t                 seconds = -1;
    long                    inner;
    size_t                  i;

    if (!pg_enter(&at, end, V_ASN1_SEQUENCE, &inner) || !pg_enter(&at, end, V_ASN1_SEQUENCE, &inner))
    {
        return -1;
    }
    if (at < end && *at == 0xa0)
    {
        if (!pg_enter(&at, end, 0, &inner))
        {
            return -1;
        }
        at += inner;
    }
    for (i = 0; i < sizeof before / sizeof *before; i++)
    {
        if (!pg_enter(&at, end, before[i], &inner))
        {
            return -1;
        }
        at += inner;
    }
    if (!pg_enter(&at, end, V_ASN1_SEQUENCE, &inner) || at >= end
        || !pg_enter(&at, end, *at == V_ASN1_UTCTIME ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME, &inner)
        || (at += inner) >= end)
    {
        return -1;
    }
    not_after = *at == V_ASN1_UTCTIME
        ? d2i_ASN1_UTCTIME(NULL, &at, end - at) : d2i_ASN1_GENERALIZEDTIME(NULL, &at, end - at);
    if (not_after != NULL)
    {
        if (ASN1_TIME_to_tm(not_after, &when) == 1)
        {
            seconds = (int64_t) timegm(&when);
        }
        ASN1_STRING_free(not_after);
    }
    return seconds;
}
