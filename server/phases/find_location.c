// SPDX-License-Identifier: Apache-2.0
//
// Chooses the location and applies what it says about the connection.
#include "server/conn/conn.h"
#include "server/config/location_set.h"
#include "server/phases/phases.h"
#include "server/vars/vars.h"

static void take_match(struct request *r, const struct location_match *found)
{
    if (found->location != NULL)
        r->location = found->location;
    if (found->m.count == 0)
        return;
    r->captures = found->m;
    r->captures_subject = r->path;
    vars_set_captures(r, r->location->regex, r->location->captures, &found->m, r->path);
}

// The conditions under which nginx ends a connection after the response.
static void limit_keep_alive(struct request *r)
{
    const struct location_conf *l = r->location;

    if (!r->keep_alive)
        return;
    if (conn_is_spent(r->conn, l))
        r->keep_alive = false;
    else if (l->keepalive_disable != 0 && keepalive_disabled_for(r, l->keepalive_disable))
        r->keep_alive = false;
}

static int check_body_size(struct request *r)
{
    int64_t most = r->location->client_max_body_size;

    if (r->parsed.has_length && most != 0 && r->parsed.content_length > (uint64_t)most) {
        request_log(r, LOG_LEVEL_ERROR, 0, "client intended to send too large body: %llu bytes",
                    (unsigned long long)r->parsed.content_length);
        r->expect_tested = true;
        return 413;
    }
    return PHASE_NEXT;
}

int phase_find_location(struct request *r)
{
    struct location_match found = {.location = NULL};

    r->location = r->server->location;
    if (r->server->locations != NULL)
        location_set_find(r->server->locations, r->path, &found);
    take_match(r, &found);
    if (r->location->internal && !r->internal)
        return 404;
    limit_keep_alive(r);
    return check_body_size(r);
}
