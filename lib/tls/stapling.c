// SPDX-License-Identifier: Apache-2.0
//
// What is asked about a certificate, and whether the answer may be passed on. The rules are
// nginx's: no nonce, the status "good", a response for this very certificate that is valid now.
#include "lib/tls/stapling.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/tls/staple_http_priv.h"

#define CLOCK_SKEW_S 300 // that a responder's clock may be ahead of ours
#define REFRESH_MAX_S 3600
#define REFRESH_MIN_S 300
#define REFRESH_LEAST_S 10 // with responses of a short life

struct query {
    const struct tls_certificate *certificate;
    SSL *ssl;              // shows the certificate's chain without touching the SSL_CTX
    STACK_OF(X509) *chain; // borrowed; may be NULL
    X509 *issuer;          // owned
    struct staple_url url;
    char *why;
};

static int say(const struct query *q, const char *what)
{
    snprintf(q->why, TLS_ERROR_MAX, "%s", what);
    return -EINVAL;
}

static int say_ssl(const struct query *q, const char *what)
{
    char text[TLS_ERROR_MAX];

    tls_error_text(text);
    snprintf(q->why, TLS_ERROR_MAX, "%s%.800s", what, text);
    return -EINVAL;
}

static int ignored(const struct query *q, const char *why)
{
    snprintf(q->why, TLS_ERROR_MAX, "\"ssl_stapling\" ignored, %s \"%.400s\"", why,
             q->certificate->path);
    return -EINVAL;
}

static int ignored_url(const struct query *q, const char *why, const char *url)
{
    snprintf(q->why, TLS_ERROR_MAX,
             "\"ssl_stapling\" ignored, %s in OCSP responder \"%.400s\" in the certificate "
             "\"%.400s\"", why, url, q->certificate->path);
    return -EINVAL;
}

// SSL_CTX_select_current_cert() would change what workers are reading, so a connection that is
// never made shows the chain instead.
static int find_chain(struct query *q, const struct tls_context *c)
{
    q->ssl = SSL_new(c->ssl_ctx);
    if (q->ssl == NULL)
        return -ENOMEM;
    if (SSL_select_current_cert(q->ssl, q->certificate->x509))
        SSL_get0_chain_certs(q->ssl, &q->chain);
    if (q->chain == NULL)
        SSL_CTX_get_extra_chain_certs_only(c->ssl_ctx, &q->chain);
    return 0;
}

static int find_issuer_in_store(struct query *q, const struct tls_context *c)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE *store = SSL_CTX_get_cert_store(c->ssl_ctx);
    int rc = -1;

    if (ctx != NULL && X509_STORE_CTX_init(ctx, store, NULL, NULL))
        rc = X509_STORE_CTX_get1_issuer(&q->issuer, ctx, q->certificate->x509);
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    if (rc == 0)
        return ignored(q, "issuer certificate not found for certificate");
    return rc > 0 ? 0 : -ENOMEM;
}

static int find_issuer(struct query *q, const struct tls_context *c)
{
    for (int i = 0; i < sk_X509_num(q->chain); i++) {
        X509 *issuer = sk_X509_value(q->chain, i);

        if (X509_check_issued(issuer, q->certificate->x509) == X509_V_OK) {
            X509_up_ref(issuer);
            q->issuer = issuer;
            return 0;
        }
    }
    return find_issuer_in_store(q, c);
}

static int find_url(struct query *q, const struct tls_stapling *s)
{
    STACK_OF(OPENSSL_STRING) *own = NULL;
    const char *text = s->responder;
    int rc = 0;

    if (text == NULL) {
        own = X509_get1_ocsp(q->certificate->x509);
        text = sk_OPENSSL_STRING_value(own, 0);
    }
    if (text == NULL)
        rc = ignored(q, "no OCSP responder URL in the certificate");
    else if (strncasecmp(text, "http://", 7) != 0)
        rc = ignored_url(q, "invalid URL prefix", text);
    else if (staple_url_parse(text, &q->url) != 0)
        rc = ignored_url(q, "invalid URL", text);
    X509_email_free(own);
    return rc;
}

static void query_close(struct query *q)
{
    staple_url_free(&q->url);
    X509_free(q->issuer);
    SSL_free(q->ssl);
}

static int query_open(struct query *q, const struct tls_context *c,
                      const struct tls_certificate *certificate, const struct tls_stapling *s,
                      char *why)
{
    int rc;

    *q = (struct query){.certificate = certificate, .why = why};
    why[0] = '\0';
    ERR_clear_error();
    rc = find_chain(q, c);
    if (rc == 0)
        rc = find_issuer(q, c);
    if (rc == 0)
        rc = find_url(q, s);
    return rc;
}

int tls_stapling_check(const struct tls_context *c, const struct tls_certificate *certificate,
                       const struct tls_stapling *s, char *why)
{
    struct query q;
    int rc = query_open(&q, c, certificate, s, why);

    query_close(&q);
    return rc;
}

// The DER of a request for this one certificate (RFC 6960, 4.1); its length, or <= 0.
static int make_request(const struct query *q, unsigned char **der)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, q->certificate->x509, q->issuer);
    int n = -1;

    if (request != NULL && id != NULL && OCSP_request_add0_id(request, id) != NULL) {
        id = NULL;
        n = i2d_OCSP_REQUEST(request, der);
    }
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    return n;
}

// Base64 as one path segment: three of its characters mean something else there.
static char *escape(char *out, const char *base64)
{
    for (; *base64 != '\0'; base64++) {
        if (strchr("+/=", *base64) != NULL)
            out += sprintf(out, "%%%02X", (unsigned)*base64);
        else
            *out++ = *base64;
    }
    *out = '\0';
    return out;
}

// The request line's target: the URL's path and the request behind it (RFC 6960, A.1). malloc.
static char *make_target(const struct query *q)
{
    const struct staple_url *u = &q->url;
    size_t path = strlen(u->path), query = u->query != NULL ? strlen(u->query) : 0;
    unsigned char *der = NULL;
    int n = make_request(q, &der);
    char *base64 = NULL, *target = NULL;

    if (n <= 0)
        return NULL;
    base64 = malloc(((size_t)n + 2) / 3 * 4 + 1);
    target = malloc(path + query + ((size_t)n + 2) / 3 * 12 + 4);
    if (base64 != NULL && target != NULL) {
        size_t at = (size_t)sprintf(target, "%s%s%s", u->path, query > 0 ? "?" : "",
                                    query > 0 ? u->query : "");

        EVP_EncodeBlock((unsigned char *)base64, der, n);
        if (target[at - 1] != '/')
            target[at++] = '/';
        escape(target + at, base64);
    } else {
        free(target);
        target = NULL;
    }
    free(base64);
    OPENSSL_free(der);
    return target;
}

// Unix time of `t`, INT64_MAX for none. 0 or -EINVAL.
static int to_time(const ASN1_GENERALIZEDTIME *t, int64_t *out)
{
    struct tm tm;

    *out = INT64_MAX;
    if (t == NULL)
        return 0;
    if (!ASN1_TIME_to_tm(t, &tm))
        return -EINVAL;
    *out = timegm(&tm);
    return 0;
}

static int judge_status(const struct query *q, OCSP_BASICRESP *basic, int64_t *expires_s)
{
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, q->certificate->x509, q->issuer);
    ASN1_GENERALIZEDTIME *this_update, *next_update;
    int status, found;

    if (id == NULL)
        return -ENOMEM;
    found = OCSP_resp_find_status(basic, id, &status, NULL, NULL, &this_update, &next_update);
    OCSP_CERTID_free(id);
    if (found != 1)
        return say(q, "certificate status not found in the OCSP response");
    if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW_S, -1) != 1)
        return say_ssl(q, "OCSP_check_validity() failed");
    if (to_time(next_update, expires_s) != 0)
        return say(q, "invalid nextUpdate time in certificate status");
    if (status == V_OCSP_CERTSTATUS_GOOD)
        return 0;
    snprintf(q->why, TLS_ERROR_MAX, "certificate status \"%s\" in the OCSP response",
             OCSP_cert_status_str(status));
    return -EINVAL;
}

static int judge_basic(const struct query *q, const struct tls_context *c, bool verify,
                       OCSP_RESPONSE *response, int64_t *expires_s)
{
    // Without ssl_stapling_verify the signature is checked, and not who the signer is.
    unsigned long flags = verify ? OCSP_TRUSTOTHER : OCSP_NOVERIFY;
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    int rc;

    if (basic == NULL)
        return say_ssl(q, "OCSP_response_get1_basic() failed");
    if (OCSP_basic_verify(basic, q->chain, SSL_CTX_get_cert_store(c->ssl_ctx), flags) != 1)
        rc = say_ssl(q, "OCSP_basic_verify() failed");
    else
        rc = judge_status(q, basic, expires_s);
    OCSP_BASICRESP_free(basic);
    return rc;
}

static int judge(const struct query *q, const struct tls_context *c, bool verify,
                 const unsigned char *der, size_t n, int64_t *expires_s)
{
    const unsigned char *p = der;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)n);
    int status, rc;

    if (response == NULL || p != der + n) {
        OCSP_RESPONSE_free(response);
        return say_ssl(q, "d2i_OCSP_RESPONSE() failed");
    }
    status = OCSP_response_status(response);
    if (status == OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        rc = judge_basic(q, c, verify, response, expires_s);
    } else {
        snprintf(q->why, TLS_ERROR_MAX, "OCSP response not successful (%d: %s)", status,
                 OCSP_response_status_str(status));
        rc = -EINVAL;
    }
    OCSP_RESPONSE_free(response);
    return rc;
}

// Five minutes before it expires, but not within the next five and not later than in an hour;
// one that lives for minutes alone is asked for at half its time.
static int64_t refresh_after(int64_t expires_s)
{
    int64_t now = time(NULL), left = expires_s == INT64_MAX ? INT64_MAX : expires_s - now;

    if (left >= 2 * REFRESH_MIN_S)
        return min_of(left - REFRESH_MIN_S, REFRESH_MAX_S);
    return max_of(left / 2, REFRESH_LEAST_S);
}

static int make_staple(const unsigned char *der, size_t n, int64_t expires_s,
                       struct tls_staple **out)
{
    struct tls_staple *staple = malloc(sizeof(*staple) + n);

    if (staple == NULL)
        return -ENOMEM;
    staple->n = n;
    staple->expires_s = expires_s;
    memcpy(staple->der, der, n);
    *out = staple;
    return 0;
}

static int ask(const struct query *q, const struct tls_context *c, const struct tls_stapling *s,
               struct tls_staple **staple)
{
    unsigned char *der = NULL;
    char *target = make_target(q);
    int64_t expires_s = 0;
    size_t n;
    int rc = target == NULL ? -ENOMEM : 0;

    if (rc == 0)
        rc = staple_http_get(&q->url, target, s->timeout_s, s->cancel_fd, &der, &n, q->why);
    if (rc == 0)
        rc = judge(q, c, s->verify, der, n, &expires_s);
    if (rc == 0)
        rc = make_staple(der, n, expires_s, staple);
    free(target);
    free(der);
    return rc;
}

// As nginx's lines end.
static void add_circumstances(const struct query *q)
{
    size_t n = strlen(q->why);

    snprintf(q->why + n, TLS_ERROR_MAX - n,
             " while requesting certificate status, responder: %.255s, certificate: \"%.400s\"",
             q->url.host, q->certificate->path);
}

int tls_staple_fetch(const struct tls_context *c, const struct tls_certificate *certificate,
                     const struct tls_stapling *s, struct tls_staple **staple, int64_t *next_s,
                     char *why)
{
    struct query q;
    int rc = query_open(&q, c, certificate, s, why);

    if (rc == 0) {
        rc = ask(&q, c, s, staple);
        if (rc == -ENOMEM)
            say(&q, "out of memory");
        if (rc == 0)
            *next_s = refresh_after((*staple)->expires_s);
        else if (rc != -ECANCELED)
            add_circumstances(&q);
    }
    ERR_clear_error();
    query_close(&q);
    return rc;
}
