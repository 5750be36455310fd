// SPDX-License-Identifier: Apache-2.0
//
// Variables of TLS: what nginx says of a handshake and of the client's certificate ($ssl_...), who
// makes the connection's records, and the counters. None has a value on a plain connection, but for
// $https and the counters.
#include <stddef.h>

#include "lib/tls/facts.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/process/stats.h"
#include "server/vars/vars_priv.h"

bool vars_is_https(const struct request *r)
{
    const struct conn *c = r->conn;

    // In early data the security is not settled yet, and the kernel's connections have no struct
    // tls: either of the two says that there is TLS.
    return !c->plain_on_tls && (c->tls != NULL || c->security != CONN_SECURITY_plain);
}

static bool get_https(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    *out = vars_is_https(ctx) ? SV("on") : SV("");
    return true;
}

static bool get_scheme(void *ctx, const struct var *v, struct sv *out)
{
    (void)v;
    *out = vars_is_https(ctx) ? SV("https") : SV("http");
    return true;
}

static bool get_transport(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = sv_of("", 0);
    if (r->conn->security == CONN_SECURITY_plain)
        return false;
    *out = sv_from(conn_security_name((enum conn_security)r->conn->security));
    return true;
}

// `data` is the enum tls_fact.
static bool get_fact(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct conn *c = r->conn;
    enum tls_fact fact = (enum tls_fact)v->data;

    *out = sv_of("", 0);
    if (!vars_is_https(r))
        return false;
    if (c->tls != NULL && c->tls->ssl != NULL)
        return tls_fact_read(c->tls->ssl, fact, &r->arena, out);
    return c->facts != NULL && tls_facts_get(c->facts, fact, out);
}

uint32_t vars_tls_facts_wanted(const struct var_registry *vr)
{
    uint32_t wanted = 0;

    _Static_assert(TLS_NFACTS <= 32, "one bit for each fact");
    for (const struct var *v = vr->all; v != NULL; v = v->next) {
        if (v->get == get_fact && v->first_use != NULL)
            wanted |= UINT32_C(1) << v->data;
    }
    return wanted;
}

#define COUNTED(name, counter) {name, vars_get_stat, offsetof(struct stats, counter), 0, NULL}

static const struct var_row rows[] = {
    {"https", get_https, 0, 0, NULL},
    {"scheme", get_scheme, 0, 0, NULL},
    {"tls_transport", get_transport, 0, 0, NULL},
#define FACT(name) {"ssl_" #name, get_fact, TLS_FACT_##name, 0, NULL},
    TLS_FACTS(FACT)
#undef FACT
    COUNTED("tls_handshakes", tls_handshakes),
    COUNTED("tls_resumed", tls_resumed),
    COUNTED("tls_failed", tls_failed),
    COUNTED("tls_connections_kernel", tls_kernel),
    COUNTED("tls_connections_kernel_send", tls_kernel_send),
    COUNTED("tls_connections_userspace", tls_userspace),
};

const struct var_table vars_tls_table = {rows, array_len(rows)};
