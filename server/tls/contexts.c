// SPDX-License-Identifier: Apache-2.0
#include "server/tls/contexts.h"

#include <errno.h>
#include <limits.h>

#include "lib/tls/stapling.h"
#include "server/config/http_conf.h"
#include "server/conn/conn_tls.h"
#include "server/process/report.h"
#include "server/tls/objects.h"

static const char *text_or_null(struct sv s)
{
    return s.n != 0 ? s.p : NULL;
}

// Where a key may be besides in a file is for OpenSSL to say.
static bool is_file(struct sv path)
{
    return !sv_starts(path, SV("data:")) && !sv_starts(path, SV("engine:")) &&
           !sv_starts(path, SV("store:"));
}

const char *tls_full_path(struct arena *a, const char *directory, struct sv path)
{
    if (!is_file(path) || sv_starts(path, SV("/")))
        directory = "";
    return arena_printf(a, "%s%.*s", directory, SV_ARG(path)).p;
}

static int fill_pairs(struct arena *a, const struct tls_conf *t, struct tls_settings *out)
{
    const struct tls_path *key = t->keys;
    unsigned n = 0;

    for (const struct tls_path *c = t->certificates; c != NULL; c = c->next)
        n++;
    if (n == 0 || t->certificates_vary)
        return 0;
    struct tls_pair *pairs = arena_array(a, struct tls_pair, n);
    if (pairs == NULL)
        return -ENOMEM;
    for (const struct tls_path *c = t->certificates; c != NULL; c = c->next, key = key->next) {
        struct tls_pair *pair = &pairs[out->npairs++];
        pair->certificate = tls_full_path(a, t->directory, c->value->literal);
        pair->key = tls_full_path(a, t->directory, key->value->literal);
        if (pair->certificate == NULL || pair->key == NULL)
            return -ENOMEM;
    }
    out->pairs = pairs;
    return 0;
}

// A session is good for all servers with the same certificates. Of those that are only found in
// mid-handshake there is nothing but their names.
static const char *session_id_context(struct arena *a, const struct tls_conf *t)
{
    struct sv id = SV("HTTP");

    for (const struct tls_path *c = t->certificates; id.p != NULL && c != NULL; c = c->next) {
        if (t->certificates_vary)
            id = arena_printf(a, "%.*s:%.*s", SV_ARG(id), SV_ARG(c->value->source));
    }
    return id.p;
}

static void fill_cache(const struct tls_conf *t, struct tls_settings *out)
{
    bool keeps = t->cache_mode == TLS_CACHE_MODE_BUILTIN || t->cache_mode == TLS_CACHE_MODE_ZONE;

    out->builtin_cache = TLS_CACHE_NONE;
    if (t->cache_mode == TLS_CACHE_MODE_BUILTIN)
        out->builtin_cache = TLS_CACHE_BUILTIN;
    else if (t->cache_mode == TLS_CACHE_MODE_OFF)
        out->builtin_cache = TLS_CACHE_OFF;
    out->builtin_sessions = t->builtin_sessions;
    out->cache = keeps && t->cache_zone != NULL ? t->cache_zone->cache : NULL;
}

static int fill_settings(struct http_conf *http, struct tls_conf *t,
                         struct tls_ticket_keys *tickets)
{
    struct arena *a = &http->config->arena;
    struct tls_settings *out = &t->settings;

    *out = (struct tls_settings){
        .loader = tls_objects_loader(http->tls_objects),
        .password_file = text_or_null(t->password_file),
        .protocols = (uint32_t)t->protocols & (TLS_1_0 | TLS_1_1 | TLS_1_2 | TLS_1_3),
        .ciphers = t->ciphers.p,
        .prefer_server_ciphers = t->prefer_server_ciphers,
        .curves = t->ecdh_curve.p,
        .dhparam = text_or_null(t->dhparam),
        .commands = t->commands,
        .verify = (enum tls_verify)t->verify,
        .client_certificate = t->verify != TLS_VERIFY_OFF ? text_or_null(t->client_certificate)
                                                          : NULL,
        .trusted_certificate = text_or_null(t->trusted_certificate),
        .crl = text_or_null(t->crl),
        .verify_depth = (int)min_of(t->verify_depth, INT_MAX),
        .reject_handshake = t->reject_handshake,
        .session_timeout_s = t->session_timeout_s,
        .session_tickets = t->session_tickets,
        .key_files = t->ticket_keys,
        .tickets = tickets,
        .early_data = t->early_data,
        .staple_file = t->stapling ? text_or_null(t->stapling_file) : NULL,
        .id = session_id_context(a, t),
    };
    fill_cache(t, out);
    return out->id != NULL ? fill_pairs(a, t, out) : -ENOMEM;
}

#ifdef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
static void compress_certificates(SSL_CTX *ctx)
{
    char why[TLS_ERROR_MAX];

    if (SSL_CTX_compress_certs(ctx, 0) != 0) {
        SSL_CTX_clear_options(ctx, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
        return;
    }
    tls_error_text(why);
    report(LOG_LEVEL_WARN, 0, "SSL_CTX_compress_certs() failed, ignored%s", why);
}
#else
static void compress_certificates(SSL_CTX *ctx)
{
    (void)ctx;
    report(LOG_LEVEL_WARN, 0, "\"ssl_certificate_compression\" is not supported on this platform, "
           "ignored");
}
#endif

// What stands in the way of stapling is worth a warning, and no more: clients can ask themselves.
static void check_stapling(const struct tls_conf *t)
{
    struct tls_stapling s = {.responder = text_or_null(t->stapling_responder),
                             .verify = t->stapling_verify,
                             .cancel_fd = -1};
    char why[TLS_ERROR_MAX];

    if (!t->stapling || t->stapling_file.n != 0)
        return;
    for (unsigned i = 0; i < t->context->ncertificates; i++) {
        if (tls_stapling_check(t->context, &t->context->certificates[i], &s, why) != 0)
            report(LOG_LEVEL_WARN, 0, "%s", why);
    }
}

static int open_one(struct server_conf *s, struct tls_ticket_keys *tickets)
{
    char why[TLS_ERROR_MAX] = "", warning[TLS_ERROR_MAX] = "";
    struct tls_conf *t = &s->tls;
    int rc = fill_settings(s->http, t, tickets);

    if (rc != 0)
        return rc;
    if (t->certificates_vary)
        rc = tls_passwords_read(t->settings.password_file, &t->passwords, why);
    if (rc == 0)
        rc = tls_context_make(&t->settings, &conn_tls_hooks, &t->context, why, warning);
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, 0, "%s", why);
        return rc;
    }
    if (warning[0] != '\0')
        report(LOG_LEVEL_WARN, 0, "%s", warning);
    t->context->server = s;
    if (t->certificate_compression && !t->certificates_vary)
        compress_certificates(t->context->ssl_ctx);
    check_stapling(t);
    return 0;
}

int tls_contexts_open(struct http_conf *http, struct tls_ticket_keys *tickets)
{
    int rc = 0;

    if (http == NULL)
        return 0;
    http->tls_objects = tls_objects_open(http->config->main.ssl_objects_inheritable);
    if (http->tls_objects == NULL)
        return -ENOMEM;
    for (unsigned i = 0; rc == 0 && i < http->nservers; i++) {
        struct server_conf *s = http->servers[i];

        if (tls_conf_is_server(&s->tls))
            rc = open_one(s, tickets);
    }
    tls_objects_settle(http->tls_objects);
    if (rc != 0)
        tls_contexts_close(http);
    return rc;
}

void tls_contexts_close(struct http_conf *http)
{
    if (http == NULL)
        return;
    tls_objects_close(http->tls_objects);
    http->tls_objects = NULL;
    for (unsigned i = 0; i < http->nservers; i++) {
        struct tls_conf *t = &http->servers[i]->tls;

        tls_context_free(t->context);
        t->context = NULL;
        tls_passwords_wipe(&t->passwords);
    }
}
