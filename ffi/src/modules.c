/* SPDX-License-Identifier: Apache-2.0 */
#include "modules.h"

#include <openssl/crypto.h>

#include "globus_common.h"
#include "globus_ftp_client.h"
#include "globus_gass_copy.h"
#include "globus_gram_client.h"
#include "globus_gram_protocol.h"
#include "globus_gass_transfer.h"
#include "globus_gsi_callback.h"
#include "globus_gsi_cert_utils.h"
#include "globus_gsi_credential.h"
#include "globus_gsi_proxy.h"
#include "globus_gsi_system_config.h"
#include "globus_gss_assist.h"
#include "globus_rsl.h"
#include "globus_io.h"
#include "globus_openssl.h"
#include "globus_xio.h"
#include "gssapi.h"

static globus_module_descriptor_t *const pg_linked[] = {
    GLOBUS_COMMON_MODULE, GLOBUS_XIO_MODULE, GLOBUS_IO_MODULE, GLOBUS_OPENSSL_MODULE, GLOBUS_GSI_SYSCONFIG_MODULE,
    GLOBUS_GSI_CERT_UTILS_MODULE, GLOBUS_GSI_CALLBACK_MODULE, GLOBUS_GSI_CREDENTIAL_MODULE, GLOBUS_GSI_PROXY_MODULE,
    GLOBUS_GSI_GSSAPI_MODULE, GLOBUS_GSI_GSS_ASSIST_MODULE, GLOBUS_FTP_CONTROL_MODULE, GLOBUS_FTP_CLIENT_MODULE,
    GLOBUS_GASS_TRANSFER_MODULE, GLOBUS_GASS_COPY_MODULE, GLOBUS_RSL_MODULE, GLOBUS_GRAM_PROTOCOL_MODULE,
    GLOBUS_GRAM_CLIENT_MODULE
};

const char *pg_module(int i, int *major, int *minor)
{
    if (i < 0 || i >= (int) (sizeof pg_linked / sizeof *pg_linked))
    {
        return NULL;
    }
    *major = pg_linked[i]->version ? pg_linked[i]->version->major : 0;
    *minor = pg_linked[i]->version ? pg_linked[i]->version->minor : 0;
    return pg_linked[i]->module_name;
}

const char *pg_openssl(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
