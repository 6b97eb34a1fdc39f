/* globus_common: results, error objects, module versions. */
typedef uint32_t globus_result_t;
typedef int... globus_bool_t;
typedef ... globus_object_t;
typedef struct { int major; int minor; ...; } globus_version_t;
typedef struct { char *module_name; globus_version_t *version; ...; } globus_module_descriptor_t;

globus_object_t *globus_error_get(globus_result_t result);
globus_object_t *globus_error_get_cause(globus_object_t *error);
globus_module_descriptor_t *globus_error_get_source(globus_object_t *error);
int globus_error_errno_search(globus_object_t *error);
void globus_object_free(globus_object_t *object);
void free(void *memory);
