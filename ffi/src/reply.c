/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE             /* strcasestr(), strndup() */
#include "reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A reply is kept up to here: a list of features has some kilobytes at most. */
#define PG_MAX_REPLY 16384
/* Permanently refused: the path is not there, or may not be used (RFC 959). */
#define PG_NO_SUCH_PATH 550

char *pg_reply_text(const globus_ftp_control_response_t *response)
{
    size_t length = strnlen((const char *) response->response_buffer,
        response->response_length < PG_MAX_REPLY ? response->response_length : PG_MAX_REPLY);

    while (length > 0 && isspace(response->response_buffer[length - 1]))
    {
        length--;
    }
    return strndup((const char *) response->response_buffer, length);
}

int pg_reply_names(const char *text, const char *feature)
{
    size_t length = strlen(feature);

    while (text != NULL && (text = strchr(text, '\n')) != NULL)
    {
        for (text++; *text == ' '; text++)
        {
        }
        if (strncasecmp(text, feature, length) == 0 && !isalnum((unsigned char) text[length]))
        {
            return 1;
        }
    }
    return 0;
}

int pg_reply_address(const char *text, globus_ftp_control_host_port_t *address)
{
    int n[6];
    int i;

    for (text += strnlen(text, 4); *text != '\0' && !isdigit((unsigned char) *text); text++)
    {
    }
    if (sscanf(text, "%3d,%3d,%3d,%3d,%3d,%3d", n, n + 1, n + 2, n + 3, n + 4, n + 5) != 6)
    {
        return -1;
    }
    memset(address, 0, sizeof *address);
    for (i = 0; i < 6; i++)
    {
        if (n[i] < 0 || n[i] > 255)
        {
            return -1;
        }
        if (i < 4)
        {
            address->host[i] = n[i];
        }
    }
    address->hostlen = 4;
    address->port = (unsigned short) (n[4] * 256 + n[5]);
    return address->port != 0 ? 0 : -1;
}

int pg_reply_port(const char *text, unsigned short *port)
{
    const char *    place = strchr(text, '(');
    unsigned        number;
    char            bar[4];

    if (place == NULL || sscanf(place, "(%c%c%c%5u%c", bar, bar + 1, bar + 2, &number, bar + 3) != 5
        || bar[0] != bar[1] || bar[0] != bar[2] || bar[0] != bar[3] || number == 0 || number > 65535)
    {
        return -1;
    }
    *port = (unsigned short) number;
    return 0;
}

char *pg_reply_fact(const char *text, const char *fact)
{
    size_t          length = strlen(fact);
    const char *    line = strstr(text, "\n ");
    const char *    end;

    if (line == NULL)
    {
        return NULL;
    }
    for (line += 2; (end = line + strcspn(line, "; \r\n"))[0] == ';'; line = end + 1)
    {
        if (strncasecmp(line, fact, length) == 0 && line[length] == '=')
        {
            return strndup(line + length + 1, (size_t) (end - line) - length - 1);
        }
    }
    return NULL;
}

int pg_reply_nothing(const globus_ftp_control_response_t *response)
{
    char *  text = pg_reply_text(response);
    int     nothing = text != NULL && response->code == PG_NO_SUCH_PATH
        && (strcasestr(text, "No such file") != NULL || strstr(text, "PATH_NOT_FOUND") != NULL);

    free(text);
    return nothing;
}
