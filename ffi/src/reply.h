/* SPDX-License-Identifier: Apache-2.0
 *
 * What replies of a server say, read from their text. Nothing in them is believed that does not look as it must.
 */
#ifndef PG_REPLY_H
#define PG_REPLY_H

#include "globus_ftp_control.h"

/* A copy of the reply's text without the line end, malloc'ed and cut where it is longer than any reply should be. */
char *  pg_reply_text(const globus_ftp_control_response_t *response);
/* Whether a reply to FEAT (RFC 2389) names this feature. NULL names none. */
int     pg_reply_names(const char *text, const char *feature);
/* The address in a reply to PASV (RFC 959), or the port in one to EPSV (RFC 2428). 0, or -1: there is none. */
int     pg_reply_address(const char *text, globus_ftp_control_host_port_t *address);
int     pg_reply_port(const char *text, unsigned short *port);
/* A copy of the value of a fact in a reply to MLST (RFC 3659), malloc'ed; NULL: it is not told. */
char *  pg_reply_fact(const char *text, const char *fact);
/* Whether a refusal says that there is nothing of that name. */
int     pg_reply_nothing(const globus_ftp_control_response_t *response);

#endif
