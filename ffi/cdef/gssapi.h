/* gssapi-gsi: whose credential is in use. */
typedef uint32_t OM_uint32;
typedef ... *gss_cred_id_t;
typedef ... *gss_name_t;
typedef ... *gss_OID;
typedef ... *gss_OID_set;
typedef struct { size_t length; void *value; } gss_buffer_desc;
typedef gss_buffer_desc *gss_buffer_t;
typedef int gss_cred_usage_t;
#define GSS_C_INITIATE ...
#define GSS_S_COMPLETE ...

OM_uint32 gss_acquire_cred(OM_uint32 *minor, gss_name_t name, OM_uint32 time, gss_OID_set mechs, gss_cred_usage_t usage,
    gss_cred_id_t *cred, gss_OID_set *actual, OM_uint32 *time_rec);
OM_uint32 gss_import_cred(OM_uint32 *minor, gss_cred_id_t *cred, gss_OID mech, OM_uint32 option, gss_buffer_t token,
    OM_uint32 time, OM_uint32 *time_rec);
OM_uint32 gss_release_cred(OM_uint32 *minor, gss_cred_id_t *cred);
