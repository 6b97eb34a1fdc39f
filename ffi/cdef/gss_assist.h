/* gss-assist: the grid-mapfile. */
int globus_gss_assist_gridmap(char *subject, char **user);
int globus_gss_assist_userok(char *subject, char *user);
globus_result_t globus_gss_assist_lookup_all_globusid(char *user, char ***subjects, int *count);
