// SPDX-License-Identifier: Apache-2.0
//
// Conditional requests (RFC 9110, 13): 304 and 412.
#include "lib/http/cond.h"
#include "server/filters/filters.h"
#include "server/filters/filters_priv.h"
#include "server/request/request.h"
#include "server/worker.h"

void read_conditions(const struct request *r, struct cond_headers *h, struct cond_validators *v)
{
    *h = (struct cond_headers){
        .if_match = request_header(r, SV("if-match")),
        .if_none_match = request_header(r, SV("if-none-match")),
        .if_modified_since = request_header(r, SV("if-modified-since")),
        .if_unmodified_since = request_header(r, SV("if-unmodified-since")),
        .if_range = request_header(r, SV("if-range")),
    };
    *v = (struct cond_validators){
        .etag = r->response.etag,
        .mtime_s = r->response.last_modified,
        .mode = (enum ims_mode)r->location->if_modified_since,
    };
}

int filter_not_modified(struct request *r)
{
    struct response *s = &r->response;
    struct cond_headers h;
    struct cond_validators v;

    if (s->status != 200)
        return 0;
    read_conditions(r, &h, &v);
    int verdict = cond_evaluate(&h, &v);
    if (verdict == 412)
        return 412;
    if (verdict != 304)
        return 0;
    s->status = 304;
    s->content_type = sv_of(NULL, 0);
    s->no_content_type = true;
    s->content_length = -1;
    s->no_body = true;
    s->body = NULL;
    r->allow_ranges = false;
    return 0;
}
