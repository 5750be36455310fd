// SPDX-License-Identifier: Apache-2.0
//
// nginx's stub_status page, byte for byte, summed over all workers of all silos.
#include "server/handlers/handlers.h"
#include "server/request/request.h"
#include "server/process/stats.h"

int handler_stub_status(struct request *r)
{
    struct response *s = &r->response;
    struct stats sum;

    if (r->method != METHOD_GET && r->method != METHOD_HEAD)
        return 405;
    stats_sum(&sum);
    struct sv text = arena_printf(
        &r->arena,
        "Active connections: %lld \n"
        "server accepts handled requests\n"
        " %lld %lld %lld \n"
        "Reading: %lld Writing: %lld Waiting: %lld \n",
        (long long)sum.active, (long long)sum.accepted, (long long)sum.handled,
        (long long)sum.requests, (long long)sum.reading, (long long)sum.writing,
        (long long)sum.waiting);
    if (text.p == NULL)
        return 500;
    s->status = 200;
    s->content_type = SV("text/plain");
    s->content_length = (int64_t)text.n;
    if (r->header_only)
        return PHASE_DONE;
    return response_add_memory(r, text) == 0 ? PHASE_DONE : 500;
}
