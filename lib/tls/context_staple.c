// SPDX-License-Identifier: Apache-2.0
//
// OCSP responses sent with certificates (RFC 6066, 8): read from a file or published by who asked
// the responder, and sent while they are good.
#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/tls/context_priv.h"

// When the response is no longer good: its nextUpdate (RFC 6960, 4.2.2.1). One without, or one that
// says only that the responder failed, is sent for as long as it is configured, as nginx does.
static int64_t expiry(OCSP_RESPONSE *response)
{
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
    OCSP_SINGLERESP *single = basic != NULL ? OCSP_resp_get0(basic, 0) : NULL;
    ASN1_GENERALIZEDTIME *next = NULL;
    struct tm tm;
    int64_t end = INT64_MAX;

    if (single != NULL)
        (void)OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
    if (next != NULL && ASN1_TIME_to_tm(next, &tm) == 1)
        end = timegm(&tm);
    OCSP_BASICRESP_free(basic);
    ERR_clear_error();
    return end;
}

static struct tls_staple *encode(OCSP_RESPONSE *response)
{
    int n = i2d_OCSP_RESPONSE(response, NULL);
    struct tls_staple *staple = n > 0 ? malloc(sizeof(*staple) + (size_t)n) : NULL;

    if (staple == NULL)
        return NULL;
    unsigned char *p = staple->der;
    staple->n = (size_t)i2d_OCSP_RESPONSE(response, &p);
    staple->expires_s = expiry(response);
    return staple;
}

static int read_staple(const char *path, struct tls_staple **out, char *why)
{
    BIO *bio = BIO_new_file(path, "rb");

    if (bio == NULL)
        return tls_fail(why, "BIO_new_file(\"%s\") failed", path);
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE_bio(bio, NULL);
    BIO_free(bio);
    if (response == NULL)
        return tls_fail(why, "d2i_OCSP_RESPONSE_bio(\"%s\") failed", path);
    *out = encode(response);
    OCSP_RESPONSE_free(response);
    return *out != NULL ? 0 : tls_fail(why, "i2d_OCSP_RESPONSE(\"%s\") failed", path);
}

static const struct tls_certificate *used_certificate(SSL *ssl)
{
    const struct tls_context *c = tls_context_of(SSL_get_SSL_CTX(ssl));
    const X509 *x509 = SSL_get_certificate(ssl);

    for (unsigned i = 0; x509 != NULL && i < c->ncertificates; i++)
        if (c->certificates[i].x509 == x509)
            return &c->certificates[i];
    return NULL;
}

// SSL_CTX_set_tlsext_status_cb(3).
static int on_status(SSL *ssl, void *arg)
{
    const struct tls_certificate *certificate = used_certificate(ssl);

    (void)arg;
    if (certificate == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    const struct tls_staple *staple =
        atomic_load_explicit(&certificate->staple, memory_order_acquire);
    if (staple == NULL || staple->expires_s < time(NULL))
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(staple->der, staple->n); // OpenSSL frees it
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->n);
    return SSL_TLSEXT_ERR_OK;
}

void tls_certificate_set_staple(struct tls_certificate *c, struct tls_staple *staple)
{
    struct tls_staple *old =
        atomic_exchange_explicit(&c->staple, staple, memory_order_acq_rel);

    free(c->before);
    c->before = old;
}

int tls_context_staples(struct tls_context *c, char *why)
{
    SSL_CTX_set_tlsext_status_cb(c->ssl_ctx, on_status);
    if (c->settings->staple_file == NULL)
        return 0;
    // One file for each of them, as nginx has it: clients drop a response for another certificate.
    for (unsigned i = 0; i < c->ncertificates; i++) {
        struct tls_staple *staple = NULL;
        int rc = read_staple(c->settings->staple_file, &staple, why);
        if (rc != 0)
            return rc;
        tls_certificate_set_staple(&c->certificates[i], staple);
    }
    return 0;
}

void tls_context_drop_staples(struct tls_context *c)
{
    for (unsigned i = 0; i < c->ncertificates; i++) {
        free(atomic_load(&c->certificates[i].staple));
        free(c->certificates[i].before);
    }
}
