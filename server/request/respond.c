// SPDX-License-Identifier: Apache-2.0
//
// From a described response to the connection: header filters in their order, redirects made
// absolute, rate limits.
#include <stdio.h>

#include "lib/conf/value.h"
#include "lib/net/sockopt.h"
#include "server/conn/conn.h"
#include "server/filters/filters.h"
#include "server/request/request.h"
#include "server/vars/vars.h"

typedef int (*filter_fn)(struct request *r);

static const filter_fn filters[] = {
    filter_not_modified,
    filter_headers,
    filter_charset,
    filter_gzip,
    filter_range,
    filter_trailers,
};

static struct sv redirect_host(struct request *r)
{
    struct net_address local;
    char text[NET_ADDRESS_TEXT_MAX];

    if (r->location->server_name_in_redirect && r->server->name.n != 0)
        return r->server->name;
    if (r->host.n != 0)
        return r->host;
    if (net_local_address(r->conn->fd, &local) != 0)
        return sv_of("", 0);
    return arena_sv(&r->arena, sv_of(text, net_address_format(&local, false, text)));
}

// nginx writes the whole URL unless absolute_redirect is off (RFC 9110, 10.2.2 allows both).
static int make_absolute(struct request *r)
{
    struct response *s = &r->response;
    bool https = vars_is_https(r);
    char port[8] = "";

    if (s->location.n == 0 || s->location.p[0] != '/' || !r->location->absolute_redirect)
        return 0;
    uint16_t number = net_address_port(&r->conn->listen->address);
    if (r->location->port_in_redirect && number != 0 && number != (https ? 443 : 80))
        snprintf(port, sizeof(port), ":%u", number);
    struct sv host = redirect_host(r);
    s->location = arena_printf(&r->arena, "http%s://%.*s%s%.*s", https ? "s" : "",
                               SV_ARG(host), port, SV_ARG(s->location));
    return s->location.p != NULL ? 0 : 500;
}

static void read_rate(struct request *r, const struct template *t, uint64_t *rate)
{
    struct sv text;
    int64_t value;

    *rate = 0;
    if (t != NULL && request_eval(r, t, &text) == 0 && conf_offset(text, &value) == 0 && value > 0)
        *rate = (uint64_t)value;
}

static void set_rates(struct request *r)
{
    if (!r->limit_rate_set)
        read_rate(r, r->location->limit_rate, &r->limit_rate);
    r->limit_rate_after = 0;
    if (r->limit_rate != 0)
        read_rate(r, r->location->limit_rate_after, &r->limit_rate_after);
}

// Filters from the first on, or from the one that waited.
static int run_filters(struct request *r)
{
    size_t i = r->filter != 0 ? r->filter - 1u : 0;
    int rc = 0;

    r->filter = 0;
    for (; rc == 0 && i < array_len(filters); i++) {
        rc = filters[i](r);
        if (rc == PHASE_WAIT)
            r->filter = (uint8_t)(i + 1);
    }
    return rc;
}

int request_respond(struct request *r)
{
    int rc = 0;

    if (r->filter == 0) {
        rc = make_absolute(r);
        if (r->error_status != 0)
            r->response.status = r->error_status;
    }
    if (rc == 0)
        rc = run_filters(r);
    if (rc != 0)
        return rc;
    set_rates(r);
    r->owner->respond(r);
    return PHASE_DONE;
}
