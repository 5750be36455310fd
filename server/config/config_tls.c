// SPDX-License-Identifier: Apache-2.0
//
// What the ssl_ directives of a server must agree on. As in nginx, a server that names no
// certificate and does not refuse handshakes is not looked at: it is none for TLS.
#include <errno.h>

#include "server/config/config_priv.h"
#include "server/config/http_conf.h"
#include "server/limits/zone.h"

static int check_pairs(const struct tls_conf *t, struct conf_error *error)
{
    const struct tls_path *key = t->keys, *last = NULL;
    bool missing = false;

    for (const struct tls_path *c = t->certificates; c != NULL; c = c->next) {
        last = c;
        missing = key == NULL;
        key = missing ? NULL : key->next;
    }
    if (!missing)
        return 0;
    return conf_fail(error, NULL, 0, "no \"ssl_certificate_key\" is defined for certificate "
                     "\"%.*s\"", SV_ARG(last->value->source));
}

static bool pairs_vary(const struct tls_conf *t)
{
    const struct tls_path *key = t->keys;

    for (const struct tls_path *c = t->certificates; c != NULL; c = c->next, key = key->next) {
        if (!c->value->constant || !key->value->constant)
            return true;
    }
    return false;
}

static int check_verify(const struct tls_conf *t, struct conf_error *error)
{
    if (t->verify == TLS_VERIFY_OFF || t->verify == TLS_VERIFY_OPTIONAL_NO_CA ||
        t->client_certificate.n != 0 || t->trusted_certificate.n != 0)
        return 0;
    return conf_fail(error, NULL, 0, "no ssl_client_certificate or ssl_trusted_certificate for "
                     "ssl_verify_client");
}

static int check_compression(const struct tls_conf *t, struct conf_error *error)
{
    if (!t->certificate_compression || !t->stapling)
        return 0;
    return conf_fail(error, NULL, 0, "\"ssl_stapling\" is incompatible with "
                     "\"ssl_certificate_compression\"");
}

// Names of shared memory are one set, whoever uses it.
static int check_zone(const struct http_conf *http, const struct tls_cache_zone *zone,
                      struct conf_error *error)
{
    for (const struct limit_zone *l = http->limit_zones; zone != NULL && l != NULL; l = l->next) {
        if (sv_eq(l->name, zone->name))
            return conf_fail(error, zone->where, 0, "the shared memory zone \"%.*s\" is already "
                             "declared for a different use", SV_ARG(zone->name));
    }
    return 0;
}

int config_check_tls(const struct http_conf *http, struct server_conf *s, struct conf_error *error)
{
    struct tls_conf *t = &s->tls;
    int rc = check_zone(http, t->cache_zone, error);

    if (rc != 0 || !tls_conf_is_server(t))
        return rc;
    rc = check_pairs(t, error);
    if (rc == 0)
        rc = check_verify(t, error);
    if (rc == 0)
        rc = check_compression(t, error);
    if (rc == 0 && (t->protocols & (TLS_1_0 | TLS_1_1 | TLS_1_2 | TLS_1_3)) == 0)
        rc = conf_fail(error, s->where, 0, "\"ssl_protocols\" names no protocol that OpenSSL has");
    t->certificates_vary = rc == 0 && pairs_vary(t);
    return rc;
}
