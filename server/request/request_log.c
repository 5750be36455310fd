// SPDX-License-Identifier: Apache-2.0
//
// Error log lines about a request, with what nginx puts behind them.
#include <stdarg.h>
#include <stdio.h>

#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/vars/vars.h"

struct text {
    char bytes[LOG_LINE_MAX];
    size_t n;
};

static void add(struct text *t, struct sv s)
{
    size_t n = min_of(s.n, sizeof(t->bytes) - 1 - t->n);

    if (n != 0)
        memcpy(t->bytes + t->n, s.p, n);
    t->n += n;
}

static void add_field(struct text *t, struct sv label, struct sv value)
{
    if (value.n == 0)
        return;
    add(t, label);
    add(t, SV("\""));
    add(t, value);
    add(t, SV("\""));
}

void request_log(struct request *r, enum log_level level, int err, const char *fmt, ...)
{
    struct text t = {.n = 0};
    char errtext[128], number[32];
    va_list args;

    if (!log_wants(level))
        return;
    r->logged = true;
    va_start(args, fmt);
    int n = vsnprintf(t.bytes, sizeof(t.bytes), fmt, args);
    va_end(args);
    t.n = n < 0 ? 0 : min_of((size_t)n, sizeof(t.bytes) - 1);
    if (err != 0) {
        snprintf(number, sizeof(number), " (%d: ", err);
        add(&t, sv_from(number));
        add(&t, sv_from(strerror_r(err, errtext, sizeof(errtext))));
        add(&t, SV(")"));
    }
    if (r->owner != NULL)
        add(&t, r->owner->doing(r));
    add(&t, SV(", client: "));
    add(&t, vars_client_text(r));
    add(&t, SV(", server: "));
    add(&t, r->server->name);
    add_field(&t, SV(", request: "), r->request_line);
    add_field(&t, SV(", host: "), request_header(r, SV("host")));
    add_field(&t, SV(", referrer: "), request_header(r, SV("referer")));
    t.bytes[t.n] = '\0';
    log_write(level, r->conn->number, 0, "%s", t.bytes);
}
