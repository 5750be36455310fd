// SPDX-License-Identifier: Apache-2.0
//
// Which OCSP response goes with which certificate, and for how long.
#include <openssl/ocsp.h>
#include <sys/stat.h>
#include <time.h>

#include "test/unit/lib/tls/context_fixture.h"

TestSuite(context_staple, .init = context_init, .fini = context_fini);

// A client that asks for a staple, and what it got.
static const unsigned char *stapled(const struct tls_context *c, bool use_rsa, long *n)
{
    static unsigned char copy[8192];
    const unsigned char *p;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct ends e;

    ends_open(&e, c, client, NULL);
    SSL_set_tlsext_status_type(e.client, TLSEXT_STATUSTYPE_ocsp);
    if (use_rsa)
        SSL_set1_sigalgs_list(e.client, "RSA-PSS+SHA256");
    cr_assert(handshake(&e));
    *n = SSL_get_tlsext_status_ocsp_resp(e.client, &p);
    if (*n > 0)
        memcpy(copy, p, (size_t)*n);
    ends_close(&e);
    SSL_CTX_free(client);
    return copy;
}

static struct tls_staple *staple_of(const char *text, int64_t expires_s)
{
    struct tls_staple *s = malloc(sizeof(*s) + strlen(text));

    s->n = strlen(text);
    s->expires_s = expires_s;
    memcpy(s->der, text, s->n);
    return s;
}

Test(context_staple, the_staple_of_the_certificate_in_use_is_sent_while_it_is_good)
{
    struct tls_settings s = defaults(2);
    struct tls_context *c = make(&s);
    int64_t now = time(NULL);
    long n;

    stapled(c, false, &n);
    cr_assert_eq(n, -1);
    tls_certificate_set_staple(&c->certificates[0], staple_of("of ec", now + 100));
    tls_certificate_set_staple(&c->certificates[1], staple_of("of rsa", now + 100));
    cr_assert_arr_eq(stapled(c, false, &n), "of ec", 5);
    cr_assert_eq(n, 5);
    cr_assert_arr_eq(stapled(c, true, &n), "of rsa", 6);
    cr_assert_eq(n, 6);
    tls_certificate_set_staple(&c->certificates[0], staple_of("old", now - 1));
    stapled(c, false, &n);
    cr_assert_eq(n, -1);
    tls_certificate_set_staple(&c->certificates[0], NULL);
    stapled(c, false, &n);
    cr_assert_eq(n, -1);
    tls_certificate_set_staple(&c->certificates[0], staple_of("new", now + 100));
    stapled(c, false, &n);
    cr_assert_eq(n, 3);
    tls_context_free(c);
}

static char *write_response(const char *name, int next_s)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, ec.x509, ca.x509);
    ASN1_TIME *this = X509_gmtime_adj(NULL, -7200), *next = X509_gmtime_adj(NULL, next_s);
    unsigned char *der = NULL;

    cr_assert_not_null(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, this,
                                              next_s != 0 ? next : NULL));
    cr_assert(OCSP_basic_sign(basic, ca.x509, ca.key, EVP_sha256(), NULL, 0));
    OCSP_RESPONSE *r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int n = i2d_OCSP_RESPONSE(r, &der);
    char *path = write_text(name, (char *)der, (size_t)n);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(r);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(this);
    ASN1_TIME_free(next);
    return path;
}

Test(context_staple, a_stapling_file_is_sent_until_its_next_update)
{
    struct tls_settings s = defaults(2);
    struct tls_context *c;
    struct stat st;
    long n;

    s.staple_file = write_response("good.der", 3600);
    c = make(&s);
    stapled(c, false, &n);
    cr_assert_eq(stat(s.staple_file, &st), 0);
    cr_assert_eq(n, st.st_size);
    stapled(c, true, &n);
    cr_assert_eq(n, st.st_size);
    int64_t left = atomic_load(&c->certificates[0].staple)->expires_s - time(NULL);
    cr_assert(left > 3500 && left <= 3600);
    tls_context_free(c);
    s.staple_file = write_response("endless.der", 0);
    c = make(&s);
    cr_assert_eq(atomic_load(&c->certificates[0].staple)->expires_s, INT64_MAX);
    tls_context_free(c);
    s.staple_file = write_response("old.der", -3600);
    c = make(&s);
    stapled(c, false, &n);
    cr_assert_eq(n, -1);
    tls_context_free(c);
    s.staple_file = "/nonexistent/r.der";
    refuse(&s, "BIO_new_file(\"/nonexistent/r.der\") failed (SSL: error:80000002:");
    s.staple_file = write_text("bad.der", "no", 2);
    refuse(&s, "d2i_OCSP_RESPONSE_bio(\"/tmp/");
}
