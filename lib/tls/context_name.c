// SPDX-License-Identifier: Apache-2.0
//
// What the ClientHello asks for: the server by its name (RFC 6066, 3), the protocol (RFC 7301), a
// certificate. The name is read before OpenSSL has negotiated anything, so that the chosen server's
// protocols, ciphers and sessions are the ones that count.
#include <openssl/err.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/http/uri.h"
#include "lib/tls/context_priv.h"
#include "lib/tls/tls.h"

#define NAME_MAX_BYTES TLSEXT_MAXLEN_host_name // 255

// One name of type host_name is all that the extension may have. 0, or the alert.
static int parse_server_name(const unsigned char *p, size_t n, struct sv *name)
{
    if (n < 5 || ((size_t)p[0] << 8) + p[1] + 2 != n || p[2] != TLSEXT_NAMETYPE_host_name ||
        ((size_t)p[3] << 8) + p[4] + 5 != n)
        return SSL_AD_DECODE_ERROR;
    *name = sv_of((const char *)p + 5, n - 5);
    if (name->n > NAME_MAX_BYTES || sv_find(*name, '\0') >= 0)
        return SSL_AD_UNRECOGNIZED_NAME;
    return 0;
}

// The name in lower case into `buf`, without what a Host header may have behind it. A name that
// cannot be a host's is as none, as with nginx. 0, or the alert.
static int server_name(SSL *ssl, char buf[NAME_MAX_BYTES], struct sv *name)
{
    const unsigned char *p;
    size_t n;
    struct sv raw;
    struct arena a; // stays empty: nothing is left to be lowered
    uint16_t port;

    *name = sv_of(NULL, 0);
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n))
        return 0;
    int alert = parse_server_name(p, n, &raw);
    if (alert != 0)
        return alert;
    for (size_t i = 0; i < raw.n; i++)
        buf[i] = ascii_lower(raw.p[i]);
    arena_init(&a, NULL);
    if (host_parse(sv_of(buf, raw.n), &a, name, &port) != 0)
        *name = sv_of(NULL, 0);
    arena_reset(&a);
    return 0;
}

// SSL_set_SSL_CTX() takes certificates, ciphers, authorities and the session id context over. All
// else was copied when the SSL was made, and has to be set again.
static bool switch_context(SSL *ssl, const struct tls_context *chosen)
{
    SSL_CTX *ctx = chosen->ssl_ctx;

    if (SSL_set_SSL_CTX(ssl, ctx) == NULL)
        return false;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
    SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(ctx));
    SSL_clear_options(ssl, SSL_get_options(ssl) & ~SSL_CTX_get_options(ctx));
    SSL_set_options(ssl, SSL_CTX_get_options(ctx));
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx));
    SSL_set_max_early_data(ssl, SSL_CTX_get_max_early_data(ctx));
    return SSL_set_max_proto_version(ssl, 0) == 1 && // so that no minimum is above it
           SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(ctx)) == 1 &&
           SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(ctx)) == 1;
}

// With TLS 1.3 OpenSSL sends an id of its cache where tickets are off, also when there is no cache
// to find it in: a record for nothing.
static void drop_useless_tickets(SSL *ssl)
{
    bool tickets = !(SSL_get_options(ssl) & SSL_OP_NO_TICKET);

    if (!tickets && !tls_context_has_cache(tls_first_context(ssl)->settings))
        SSL_set_num_tickets(ssl, 0);
}

// 0, or the alert.
static int choose(SSL *ssl, struct tls *t)
{
    const struct tls_hooks *hooks = t->context->hooks;
    char buf[NAME_MAX_BYTES];
    struct sv name;
    int alert = server_name(ssl, buf, &name);

    if (alert != 0)
        return alert;
    if (!tls_set_chosen(ssl))
        return SSL_AD_INTERNAL_ERROR;
    if (hooks == NULL || hooks->server_name == NULL)
        return t->context->settings->reject_handshake ? SSL_AD_UNRECOGNIZED_NAME : 0;
    const struct tls_context *chosen = hooks->server_name(t->owner, name);
    if (chosen == NULL)
        return SSL_AD_UNRECOGNIZED_NAME;
    if (chosen != t->context && !switch_context(ssl, chosen))
        return SSL_AD_INTERNAL_ERROR;
    t->context = chosen;
    return 0;
}

// SSL_CTX_set_client_hello_cb(3).
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    struct tls *t = tls_of(ssl);

    (void)arg;
    if (tls_is_chosen(ssl))
        return SSL_CLIENT_HELLO_SUCCESS;
    int refused = t != NULL ? choose(ssl, t) : SSL_AD_INTERNAL_ERROR;
    if (refused != 0) {
        *alert = refused;
        return SSL_CLIENT_HELLO_ERROR;
    }
    drop_useless_tickets(ssl);
    return SSL_CLIENT_HELLO_SUCCESS;
}

// The choice was made above; this tells the client that its name was taken into account, and makes
// OpenSSL keep it in the session.
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl;
    (void)alert;
    (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

// In the order of our preference (RFC 7301, 3.1), which is what OpenSSL takes its first list for.
#define ALPN_HTTP_1 "\x08http/1.1\x08http/1.0\x08http/0.9"
#define ALPN_HTTP_2 "\x02h2"

static bool serves_http2(const struct tls *t)
{
    const struct tls_hooks *hooks = t != NULL ? t->context->hooks : NULL;

    return hooks != NULL && hooks->http2 != NULL && hooks->http2(t->owner);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    struct sv ours = serves_http2(tls_of(ssl)) ? SV(ALPN_HTTP_2 ALPN_HTTP_1) : SV(ALPN_HTTP_1);

    (void)arg;
    // A client that speaks none of them would not understand what we send (RFC 7301, 3.2).
    if (SSL_select_next_proto((unsigned char **)out, out_len, (const unsigned char *)ours.p,
                              (unsigned)ours.n, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

bool tls_alpn_is_h2(const SSL *ssl)
{
    const unsigned char *p;
    unsigned n;

    SSL_get0_alpn_selected(ssl, &p, &n);
    return sv_eq(sv_of((const char *)p, n), SV("h2"));
}

// SSL_CTX_set_cert_cb(3).
static int on_certificate(SSL *ssl, void *arg)
{
    const struct tls_context *c = arg;
    struct tls *t = tls_of(ssl);

    check(t != NULL);
    return c->hooks->certificate(t->owner, c, ssl);
}

void tls_context_names(struct tls_context *c)
{
    SSL_CTX_set_client_hello_cb(c->ssl_ctx, on_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(c->ssl_ctx, on_server_name);
    SSL_CTX_set_alpn_select_cb(c->ssl_ctx, on_alpn, NULL);
    if (c->hooks != NULL && c->hooks->certificate != NULL && c->settings->npairs == 0)
        SSL_CTX_set_cert_cb(c->ssl_ctx, on_certificate, c);
}
