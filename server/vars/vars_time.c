// SPDX-License-Identifier: Apache-2.0
//
// Variables of time. The clock's texts change under a request that lives long, so they are copied.
#include <unistd.h>

#include "lib/base/clock.h"
#include "server/vars/vars_priv.h"

static bool get_msec(void *ctx, const struct var *v, struct sv *out)
{
    const struct clock_now *now = clock_now();

    (void)v;
    return vars_seconds(ctx, (uint64_t)now->real_s * 1000 + now->real_ms, out);
}

static bool get_time_local(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    return vars_copy(ctx, sv_of(clock_now()->log_local, sizeof(clock_now()->log_local) - 1), out);
}

static bool get_time_iso8601(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    return vars_copy(ctx, sv_of(clock_now()->log_iso8601, sizeof(clock_now()->log_iso8601) - 1),
                     out);
}

static bool get_request_time(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    uint64_t now = clock_mono_ms();

    (void)v;
    return vars_seconds(r, now > r->start_ms ? now - r->start_ms : 0, out);
}

static bool get_pid(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    return vars_number(ctx, (uint64_t)getpid(), 1, out);
}

static const struct var_row rows[] = {
    {"msec", get_msec, 0, 0, NULL},
    {"time_local", get_time_local, 0, 0, NULL},
    {"time_iso8601", get_time_iso8601, 0, 0, NULL},
    {"request_time", get_request_time, 0, 0, NULL},
    {"pid", get_pid, 0, 0, NULL},
};

const struct var_table vars_time_table = {rows, array_len(rows)};
