// SPDX-License-Identifier: Apache-2.0
//
// $limit_req_status and $limit_conn_status: no value while no limit has looked at the request.
#include "server/vars/vars_priv.h"

static bool get_status(uint8_t status, struct sv *out)
{
    static const char *const names[] = {
        [LIMIT_NOT_SEEN] = "",
        [LIMIT_PASSED] = "PASSED",
        [LIMIT_DELAYED] = "DELAYED",
        [LIMIT_REJECTED] = "REJECTED",
        [LIMIT_DELAYED_DRY_RUN] = "DELAYED_DRY_RUN",
        [LIMIT_REJECTED_DRY_RUN] = "REJECTED_DRY_RUN",
    };

    *out = sv_from(names[status]);
    return status != LIMIT_NOT_SEEN;
}

static bool get_req_status(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    return get_status(r->limits.req, out);
}

static bool get_conn_status(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    return get_status(r->limits.conn, out);
}

static const struct var_row rows[] = {
    {"limit_req_status", get_req_status, 0, 0, NULL},
    {"limit_conn_status", get_conn_status, 0, 0, NULL},
};

const struct var_table vars_limits_table = {rows, array_len(rows)};
