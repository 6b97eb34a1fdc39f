/* gssapi-gsi: credentials, names, contexts (RFC 2744) and delegation at any time (GFD.24). */
typedef uint32_t OM_uint32;
typedef ... *gss_cred_id_t;
typedef ... *gss_ctx_id_t;
typedef ... *gss_name_t;
typedef struct { OM_uint32 length; void *elements; ...; } gss_OID_desc;
typedef gss_OID_desc *gss_OID;
typedef ... *gss_OID_set;
typedef struct { size_t length; void *value; } gss_buffer_desc;
typedef gss_buffer_desc *gss_buffer_t;
typedef struct { size_t count; gss_buffer_t elements; ...; } gss_buffer_set_desc;
typedef gss_buffer_set_desc *gss_buffer_set_t;
typedef ... *gss_channel_bindings_t;
typedef OM_uint32 gss_qop_t;
typedef int gss_cred_usage_t;

#define GSS_C_BOTH ...
#define GSS_C_INITIATE ...
#define GSS_C_ACCEPT ...
#define GSS_C_DELEG_FLAG ...
#define GSS_C_MUTUAL_FLAG ...
#define GSS_C_REPLAY_FLAG ...
#define GSS_C_SEQUENCE_FLAG ...
#define GSS_C_CONF_FLAG ...
#define GSS_C_INTEG_FLAG ...
#define GSS_C_ANON_FLAG ...
#define GSS_C_GLOBUS_DONT_ACCEPT_LIMITED_PROXY_FLAG ...
#define GSS_C_GLOBUS_DELEGATE_LIMITED_PROXY_FLAG ...
#define GSS_C_GLOBUS_ACCEPT_PROXY_SIGNED_BY_LIMITED_PROXY_FLAG ...
#define GSS_C_GLOBUS_RECEIVED_LIMITED_PROXY_FLAG ...
#define GSS_C_GLOBUS_SSL_COMPATIBLE ...
#define GSS_S_COMPLETE ...
#define GSS_S_CONTINUE_NEEDED ...
#define GSS_S_DUPLICATE_TOKEN ...
#define GSS_S_OLD_TOKEN ...
#define GSS_S_UNSEQ_TOKEN ...
#define GSS_S_GAP_TOKEN ...
extern gss_OID GSS_C_NT_HOSTBASED_SERVICE;
extern gss_OID GSS_C_NT_ANONYMOUS;

OM_uint32 gss_acquire_cred(OM_uint32 *minor, gss_name_t name, OM_uint32 time, gss_OID_set mechs, gss_cred_usage_t usage,
    gss_cred_id_t *cred, gss_OID_set *actual, OM_uint32 *time_rec);
OM_uint32 gss_import_cred(OM_uint32 *minor, gss_cred_id_t *cred, gss_OID mech, OM_uint32 option, gss_buffer_t token,
    OM_uint32 time, OM_uint32 *time_rec);
OM_uint32 gss_export_cred(OM_uint32 *minor, gss_cred_id_t cred, gss_OID mech, OM_uint32 option, gss_buffer_t token);
OM_uint32 gss_inquire_cred(OM_uint32 *minor, gss_cred_id_t cred, gss_name_t *name, OM_uint32 *lifetime,
    gss_cred_usage_t *usage, gss_OID_set *mechs);
OM_uint32 gss_release_cred(OM_uint32 *minor, gss_cred_id_t *cred);

OM_uint32 gss_import_name(OM_uint32 *minor, gss_buffer_t text, gss_OID type, gss_name_t *name);
OM_uint32 gss_export_name(OM_uint32 *minor, gss_name_t name, gss_buffer_t exported);
OM_uint32 gss_display_name(OM_uint32 *minor, gss_name_t name, gss_buffer_t text, gss_OID *type);
OM_uint32 gss_compare_name(OM_uint32 *minor, gss_name_t one, gss_name_t other, int *equal);
OM_uint32 gss_release_name(OM_uint32 *minor, gss_name_t *name);

OM_uint32 gss_init_sec_context(OM_uint32 *minor, gss_cred_id_t cred, gss_ctx_id_t *context, gss_name_t target, gss_OID mech,
    OM_uint32 flags, OM_uint32 time, gss_channel_bindings_t bindings, gss_buffer_t input, gss_OID *actual,
    gss_buffer_t output, OM_uint32 *ret_flags, OM_uint32 *time_rec);
OM_uint32 gss_accept_sec_context(OM_uint32 *minor, gss_ctx_id_t *context, gss_cred_id_t cred, gss_buffer_t input,
    gss_channel_bindings_t bindings, gss_name_t *source, gss_OID *mech, gss_buffer_t output, OM_uint32 *ret_flags,
    OM_uint32 *time_rec, gss_cred_id_t *delegated);
OM_uint32 gss_inquire_context(OM_uint32 *minor, gss_ctx_id_t context, gss_name_t *source, gss_name_t *target,
    OM_uint32 *lifetime, gss_OID *mech, OM_uint32 *flags, int *local, int *open);
OM_uint32 gss_inquire_sec_context_by_oid(OM_uint32 *minor, gss_ctx_id_t context, gss_OID object, gss_buffer_set_t *set);
OM_uint32 gss_delete_sec_context(OM_uint32 *minor, gss_ctx_id_t *context, gss_buffer_t output);
OM_uint32 gss_wrap(OM_uint32 *minor, gss_ctx_id_t context, int conf, gss_qop_t qop, gss_buffer_t input, int *state,
    gss_buffer_t output);
OM_uint32 gss_get_mic(OM_uint32 *minor, gss_ctx_id_t context, gss_qop_t qop, gss_buffer_t message, gss_buffer_t token);
OM_uint32 gss_verify_mic(OM_uint32 *minor, gss_ctx_id_t context, gss_buffer_t message, gss_buffer_t token, gss_qop_t *qop);
OM_uint32 gss_init_delegation(OM_uint32 *minor, gss_ctx_id_t context, gss_cred_id_t cred, gss_OID mech,
    gss_OID_set extensions, gss_buffer_set_t buffers, gss_buffer_t input, OM_uint32 flags, OM_uint32 time,
    gss_buffer_t output);
OM_uint32 gss_accept_delegation(OM_uint32 *minor, gss_ctx_id_t context, gss_OID_set extensions, gss_buffer_set_t buffers,
    gss_buffer_t input, OM_uint32 flags, OM_uint32 time, OM_uint32 *time_rec, gss_cred_id_t *delegated, gss_OID *mech,
    gss_buffer_t output);

OM_uint32 gss_release_buffer(OM_uint32 *minor, gss_buffer_t buffer);
OM_uint32 gss_release_buffer_set(OM_uint32 *minor, gss_buffer_set_t *set);
