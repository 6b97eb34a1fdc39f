/* SPDX-License-Identifier: Apache-2.0
 *
 * The side of a relay that is an HTTP server, reached by globus_gass_transfer.
 *
 * A request is opened by a callback, once the server has answered, and then takes one buffer at a time. Failing it before
 * that callback only makes a note in the library: a server that never answers keeps the request (Operation.cancel in
 * engine.py lets the waiter go).
 */
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "globus_gass_transfer.h"
#include "relay_side.h"

/* Redirections that are followed. */
#define PG_HOPS 5

typedef struct
{
    pg_side                             side;
    globus_gass_transfer_requestattr_t  attr;
    globus_gass_transfer_request_t      request;
    char *                              url;
    char *                              scheme;
    int                                 hops;
    int                                 is_open;        /* the server has agreed */
    int                                 failing;        /* another callback will come for our failing it */
} pg_gass_side;

static void pg_gass_opened(void *arg, globus_gass_transfer_request_t request);

static void pg_gass_failed(pg_gass_side *this, const char *what, int number, const char *why)
{
    globus_object_t *error = globus_error_construct_string(GLOBUS_GASS_TRANSFER_MODULE, NULL,
        "url: %s %s: %d%s%s", this->url, what, number, why != NULL ? ", " : "", why != NULL ? why : "");

    pg_side_failed(&this->side, error, 0, 0);
    globus_object_free(error);
}

static void pg_gass_close(pg_gass_side *this)
{
    if (!this->side.done)
    {
        globus_gass_transfer_request_destroy(this->request);
        pg_side_done(&this->side);
    }
}

static int pg_gass_begin(pg_gass_side *this)
{
    return this->side.is_source
        ? globus_gass_transfer_register_get(&this->request, &this->attr, this->url, pg_gass_opened, this)
        : globus_gass_transfer_register_put(&this->request, &this->attr, this->url, GLOBUS_GASS_TRANSFER_LENGTH_UNKNOWN,
            pg_gass_opened, this);
}

/* Follow a redirection, but not to another protocol: https must not become http. */
static void pg_gass_follow(pg_gass_side *this)
{
    globus_gass_transfer_referral_t referral;
    size_t                          length = strlen(this->scheme);
    const char *                    place = NULL;
    char *                          url = NULL;
    int                             rc;

    if ((rc = globus_gass_transfer_request_get_referral(this->request, &referral)) == GLOBUS_SUCCESS)
    {
        place = globus_gass_transfer_referral_get_url(&referral, 0);
        if (place != NULL && strncmp(place, this->scheme, length) == 0 && place[length] == ':' && this->hops++ < PG_HOPS)
        {
            url = strdup(place);
        }
        globus_gass_transfer_referral_destroy(&referral);
    }
    globus_gass_transfer_request_destroy(this->request);
    if (url == NULL)
    {
        pg_gass_failed(this, "is redirected to where we do not follow", this->hops, NULL);
        pg_side_done(&this->side);
        return;
    }
    free(this->url);
    this->url = url;
    if ((rc = pg_gass_begin(this)) != GLOBUS_SUCCESS)
    {
        pg_gass_failed(this, "cannot be asked for", rc, NULL);
        pg_side_done(&this->side);
    }
}

static void pg_gass_opened(void *arg, globus_gass_transfer_request_t request)
{
    pg_gass_side *  this = arg;
    char *          why;

    switch (globus_gass_transfer_request_get_status(request))
    {
        case GLOBUS_GASS_TRANSFER_REQUEST_PENDING:
            this->is_open = 1;
            this->side.ready = 1;
            if (this->side.is_source)
            {
                pg_side_announced(&this->side, (int64_t) globus_gass_transfer_request_get_length(request));
            }
            pg_side_changed(&this->side);
            break;
        case GLOBUS_GASS_TRANSFER_REQUEST_REFERRED:
            pg_gass_follow(this);
            break;
        case GLOBUS_GASS_TRANSFER_REQUEST_DENIED:
            why = globus_gass_transfer_request_get_denial_message(request);
            pg_gass_failed(this, "request was DENIED, for reason", globus_gass_transfer_request_get_denial_reason(request),
                why);
            free(why);
            pg_gass_close(this);
            break;
        default:
            pg_gass_failed(this, "gass_transfer_request_status", globus_gass_transfer_request_get_status(request), NULL);
            pg_gass_close(this);
    }
}

/* Only here, because it reads the user's credential, which costs half as much as all the other modules. */
static int pg_gass_activate(void)
{
    static int  active = 0;
    int         rc = GLOBUS_SUCCESS;

    if (!active && (rc = globus_module_activate(GLOBUS_GASS_TRANSFER_MODULE)) == GLOBUS_SUCCESS)
    {
        active = 1;
    }
    return rc;
}

static globus_result_t pg_gass_open(pg_side *side, const pg_end *end, const pg_stretch *stretch,
    const pg_client *client)
{
    pg_gass_side *  this = (pg_gass_side *) side;
    int             rc = GLOBUS_FAILURE;

    (void) stretch; (void) client;
    side->room = 1;
    this->url = strdup(end->url);
    this->scheme = strdup(end->scheme);
    if (this->url != NULL && this->scheme != NULL
        && (rc = pg_gass_activate()) == GLOBUS_SUCCESS
        && (rc = globus_gass_transfer_requestattr_init(&this->attr, this->scheme)) == GLOBUS_SUCCESS
        && (rc = globus_gass_transfer_requestattr_set_file_mode(&this->attr,
            end->ascii ? GLOBUS_GASS_TRANSFER_FILE_MODE_TEXT : GLOBUS_GASS_TRANSFER_FILE_MODE_BINARY)) == GLOBUS_SUCCESS
        && (end->subject == NULL || (rc = globus_gass_transfer_secure_requestattr_set_authorization(
            &this->attr, GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT, (char *) end->subject)) == GLOBUS_SUCCESS))
    {
        rc = pg_gass_begin(this);
    }
    return rc == GLOBUS_SUCCESS ? GLOBUS_SUCCESS : globus_error_put(globus_error_construct_string(
        GLOBUS_GASS_TRANSFER_MODULE, NULL, "url: %s cannot be asked for: %d", end->url, rc));
}

static void pg_gass_moved(void *arg, globus_gass_transfer_request_t request, globus_byte_t *buffer, globus_size_t length,
    globus_bool_t last)
{
    pg_gass_side *  this = arg;
    int             status;

    if (!last)
    {
        pg_side_back(&this->side, buffer, length);
        return;
    }
    status = globus_gass_transfer_request_get_status(request);
    this->side.ready = 0;
    if (!this->failing && (status == GLOBUS_GASS_TRANSFER_REQUEST_FAILING || status == GLOBUS_GASS_TRANSFER_REQUEST_FAILED
        || (!this->side.is_source && !pg_side_complete(&this->side))))
    {
        pg_gass_failed(this, "gass_transfer_request_status", status, NULL);
    }
    pg_side_back(&this->side, buffer, length);
    if (!this->failing)
    {
        if (this->side.is_source)
        {
            pg_side_ended(&this->side);
        }
        pg_gass_close(this);
    }
}

static void pg_gass_move(pg_side *side, unsigned char *buffer, size_t length, int last)
{
    pg_gass_side *  this = (pg_gass_side *) side;
    int             rc = side->is_source
        ? globus_gass_transfer_receive_bytes(this->request, buffer, length, 1, pg_gass_moved, this)
        : globus_gass_transfer_send_bytes(this->request, buffer, length, last ? GLOBUS_TRUE : GLOBUS_FALSE,
            pg_gass_moved, this);

    if (rc != GLOBUS_SUCCESS)
    {
        side->ready = 0;
        pg_gass_failed(this, "takes no more data", rc, NULL);
        pg_side_back(side, buffer, 0);
    }
}

static void pg_gass_aborted(void *arg, globus_gass_transfer_request_t request)
{
    (void) request;
    pg_gass_close(arg);
}

static void pg_gass_abort(pg_side *side)
{
    pg_gass_side *  this = (pg_gass_side *) side;
    int             noted;

    if (this->failing)
    {
        return;
    }
    noted = globus_gass_transfer_fail(this->request, pg_gass_aborted, this) == GLOBUS_SUCCESS;
    this->failing = noted && this->is_open;         /* before it is open, the callback that opens it tells of the end */
    if (!noted && this->is_open && side->held == 0)
    {
        pg_gass_close(this);
    }
}

static void pg_gass_free(pg_side *side)
{
    pg_gass_side *this = (pg_gass_side *) side;

    if (this->attr != NULL)
    {
        globus_gass_transfer_requestattr_destroy(&this->attr);
    }
    free(this->url);
    free(this->scheme);
    free(this);
}

pg_side *pg_gass_side_new(void)
{
    static const pg_side_kind   kind = { pg_gass_open, pg_gass_move, pg_gass_abort, pg_gass_free };
    pg_gass_side *              this = calloc(1, sizeof *this);

    if (this != NULL)
    {
        this->side.kind = &kind;
    }
    return this != NULL ? &this->side : NULL;
}
