// SPDX-License-Identifier: Apache-2.0
//
// Asking a responder, good and hostile ones.
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "lib/tls/stapling.h"
#include "test/unit/lib/tls/responder_fixture.h"
#include "test/unit/lib/tls/rsa_key.h"
#include "test/unit/lib/tls/stapling_fixture.h"

static struct pair ca, leaf, stranger;
static struct responder responder;
static struct tls_context context;
static struct tls_certificate certificate;
static struct tls_stapling asked = {.timeout_s = 5, .cancel_fd = -1};
static struct tls_staple *staple;
static int64_t next_s;
static char why[TLS_ERROR_MAX];

static void use_certificate(const struct pair *p, bool with_chain)
{
    cr_assert(SSL_CTX_use_certificate(context.ssl_ctx, p->x509));
    cr_assert(SSL_CTX_use_PrivateKey(context.ssl_ctx, p->key));
    if (with_chain)
        cr_assert(SSL_CTX_add1_chain_cert(context.ssl_ctx, ca.x509));
    certificate = (struct tls_certificate){.x509 = p->x509, .path = "/leaf.pem"};
    context.certificates = &certificate;
    context.ncertificates = 1;
}

static void setup(void)
{
    responder_listen(&responder);
    ca = pki_make("ca", 1, NULL, NULL);
    leaf = pki_make("leaf", 2, &ca, responder.url);
    stranger = pki_make("stranger", 3, NULL, NULL);
    context.ssl_ctx = SSL_CTX_new(TLS_server_method());
    use_certificate(&leaf, true);
}

static void free_pair(struct pair *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->x509);
}

static void teardown(void)
{
    SSL_CTX_free(context.ssl_ctx);
    free_pair(&ca);
    free_pair(&leaf);
    free_pair(&stranger);
    free(staple);
}

TestSuite(stapling, .init = setup, .fini = teardown, .timeout = 60);

static int fetch(void)
{
    int rc;

    responder_start(&responder);
    rc = tls_staple_fetch(&context, &certificate, &asked, &staple, &next_s, why);
    responder_end(&responder);
    return rc;
}

static int fetch_verdict(struct verdict v)
{
    responder.n = ocsp_make(&ca, leaf.x509, &v, &responder.der);
    return fetch();
}

static void expect(int rc, int wanted, const char *text)
{
    cr_assert_eq(rc, wanted, "%d: %s", rc, why);
    cr_assert(strstr(why, text) != NULL, "%s", why);
    cr_assert_null(staple);
}

Test(stapling, good_response_is_kept_as_it_came)
{
    unsigned char *sent;

    responder.n = ocsp_make(&ca, leaf.x509, &(struct verdict){.next_s = 7200}, &responder.der);
    sent = OPENSSL_memdup(responder.der, (size_t)responder.n);
    cr_assert_eq(fetch(), 0, "%s", why);
    cr_assert_eq(staple->n, (size_t)responder.n);
    cr_assert_arr_eq(staple->der, sent, staple->n);
    cr_assert_leq(llabs((long long)(staple->expires_s - time(NULL) - 7200)), 2);
    OPENSSL_free(sent);
}

Test(stapling, request_is_a_get_of_an_escaped_path)
{
    char host[64], *end;

    snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%d\r\n", responder.port);
    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
    cr_assert_eq(strncmp(responder.request, "GET /M", 6), 0, "%s", responder.request);
    cr_assert(strstr(responder.request, host) != NULL, "%s", responder.request);
    end = strstr(responder.request, " HTTP/1.0\r\n");
    cr_assert_not_null(end);
    for (char *p = responder.request + 5; p < end; p++)
        cr_assert_null(strchr("+/=", *p), "%s", responder.request);
}

Test(stapling, request_asks_for_the_certificate)
{
    unsigned char text[512], der[512];
    const unsigned char *p = der;
    size_t n = 0;
    OCSP_REQUEST *request;
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf.x509, ca.x509);

    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
    for (char *c = responder.request + 5; *c != ' '; c++) {
        unsigned code = (unsigned char)*c;

        if (*c == '%') {
            cr_assert_eq(sscanf(c, "%%%02X", &code), 1);
            c += 2;
        }
        text[n++] = (unsigned char)code;
    }
    cr_assert_gt(EVP_DecodeBlock(der, text, (int)n), 0);
    request = d2i_OCSP_REQUEST(NULL, &p, sizeof(der));
    cr_assert_not_null(request);
    cr_assert_eq(OCSP_request_onereq_count(request), 1);
    cr_assert_eq(OCSP_id_cmp(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0)), id), 0);
    OCSP_REQUEST_free(request);
    OCSP_CERTID_free(id);
}

Test(stapling, configured_responder_wins_and_keeps_its_path)
{
    char url[160];

    snprintf(url, sizeof(url), "HTTP://localhost:%d/a/b?c=d", responder.port);
    asked.responder = url;
    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
    cr_assert_eq(strncmp(responder.request, "GET /a/b?c=d/M", 14), 0, "%s", responder.request);
}

static void expect_refresh(struct verdict v, int64_t low, int64_t high)
{
    cr_assert_eq(fetch_verdict(v), 0, "%s", why);
    cr_assert(next_s >= low && next_s <= high, "%lld", (long long)next_s);
}

Test(stapling, without_next_update_it_never_expires)
{
    expect_refresh((struct verdict){0}, 3600, 3600);
    cr_assert_eq(staple->expires_s, INT64_MAX);
}

Test(stapling, refreshed_in_an_hour_at_the_latest)
{
    expect_refresh((struct verdict){.next_s = 86400}, 3600, 3600);
}

Test(stapling, refreshed_five_minutes_before_it_expires)
{
    expect_refresh((struct verdict){.next_s = 1000}, 695, 700);
}

Test(stapling, short_life_is_refreshed_at_its_half)
{
    expect_refresh((struct verdict){.next_s = 100}, 45, 50);
}

// OCSP_check_validity() allows a clock that differs; it must not become a busy loop.
Test(stapling, just_expired_within_the_skew_is_not_asked_for_at_once)
{
    expect_refresh((struct verdict){.this_s = -100, .next_s = -10}, 10, 10);
}

Test(stapling, expired)
{
    expect(fetch_verdict((struct verdict){.this_s = -7200, .next_s = -3600}), -EINVAL,
           "OCSP_check_validity() failed");
}

Test(stapling, not_yet_valid)
{
    expect(fetch_verdict((struct verdict){.this_s = 3600, .next_s = 7200}), -EINVAL,
           "OCSP_check_validity() failed");
}

Test(stapling, revoked_is_not_stapled)
{
    expect(fetch_verdict((struct verdict){.status = V_OCSP_CERTSTATUS_REVOKED}), -EINVAL,
           "certificate status \"revoked\" in the OCSP response while requesting certificate "
           "status, responder: 127.0.0.1, certificate: \"/leaf.pem\"");
}

Test(stapling, unknown_is_not_stapled)
{
    expect(fetch_verdict((struct verdict){.status = V_OCSP_CERTSTATUS_UNKNOWN}), -EINVAL,
           "certificate status \"unknown\"");
}

Test(stapling, response_about_another_serial)
{
    struct pair other = pki_make("leaf", 99, &ca, NULL);

    responder.n = ocsp_make(&ca, other.x509, &(struct verdict){0}, &responder.der);
    expect(fetch(), -EINVAL, "certificate status not found in the OCSP response");
    free_pair(&other);
}

Test(stapling, unsuccessful)
{
    OCSP_RESPONSE *later = OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL);

    responder.n = i2d_OCSP_RESPONSE(later, &responder.der);
    OCSP_RESPONSE_free(later);
    expect(fetch(), -EINVAL, "OCSP response not successful (3: trylater)");
}

Test(stapling, broken_signature_is_refused_even_without_verify)
{
    expect(fetch_verdict((struct verdict){.broken_signature = true}), -EINVAL,
           "OCSP_basic_verify() failed (SSL: error:");
}

Test(stapling, unknown_signer_passes_without_verify)
{
    cr_assert_eq(fetch_verdict((struct verdict){.signer = &stranger}), 0, "%s", why);
}

Test(stapling, unknown_signer_fails_with_verify)
{
    asked.verify = true;
    expect(fetch_verdict((struct verdict){.signer = &stranger}), -EINVAL,
           "OCSP_basic_verify() failed");
}

Test(stapling, issuer_as_signer_passes_with_verify_when_trusted)
{
    asked.verify = true;
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.ssl_ctx), ca.x509);
    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
}

Test(stapling, malformed_der)
{
    responder.der = OPENSSL_memdup("\x30\x03\x0a\x01\x00", 5);
    responder.n = 5;
    expect(fetch(), -EINVAL, "OCSP_response_get1_basic() failed");
}

Test(stapling, no_der_at_all)
{
    responder.der = (unsigned char *)OPENSSL_strdup("<html>not found</html>");
    responder.n = 22;
    expect(fetch(), -EIO,
           "OCSP responder sent invalid response while");
}

Test(stapling, truncated_der)
{
    responder.n = ocsp_make(&ca, leaf.x509, &(struct verdict){0}, &responder.der) - 1;
    expect(fetch(), -EIO,
           "OCSP responder prematurely closed connection while");
}

Test(stapling, empty_answer)
{
    responder.status = "200 OK";
    expect(fetch(), -EIO,
           "OCSP responder prematurely closed connection");
}

Test(stapling, error_status)
{
    responder.status = "500 Oops";
    expect(fetch_verdict((struct verdict){0}), -EIO,
           "OCSP responder answered with status 500");
}

Test(stapling, redirect_is_not_followed)
{
    responder.status = "302 Found\r\nLocation: http://127.0.0.1:1/";
    expect(fetch_verdict((struct verdict){0}), -EIO,
           "OCSP responder answered with status 302");
}

Test(stapling, other_content_type)
{
    responder.type = "text/html";
    expect(fetch_verdict((struct verdict){0}), -EIO,
           "OCSP responder sent invalid \"Content-Type\" header: \"text/html\"");
}

// As nginx: only one that says something else is refused.
Test(stapling, no_content_type)
{
    responder.type = NULL;
    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
}

static void reply_garbage(struct responder *r, int fd)
{
    (void)r;
    put(fd, "\x16\x03\x01\x02\n\nhello", 10);
}

Test(stapling, no_http)
{
    responder.reply = reply_garbage;
    expect(fetch(), -EIO, "OCSP responder sent invalid response");
}

static void reply_in_single_bytes(struct responder *r, int fd)
{
    static const char head[] =
        "HTTP/1.0 200 OK\r\ncontent-type: application/ocsp-response\r\nConnection: keep\r\n\r\n";

    for (size_t i = 0; i < sizeof(head) - 1; i++)
        put(fd, head + i, 1);
    for (int i = 0; i < r->n; i++)
        put(fd, r->der + i, 1);
    // The length of the DER says where it ends: no wait for the end of the connection.
    sleep(1);
}

Test(stapling, response_in_single_bytes_ends_with_the_der)
{
    responder.reply = reply_in_single_bytes;
    cr_assert_eq(fetch_verdict((struct verdict){0}), 0, "%s", why);
}

static void reply_for_ever(struct responder *r, int fd)
{
    static const char line[] = "X: 0123456789012345678901234567890123456789\r\n";

    (void)r;
    put(fd, "HTTP/1.0 200 OK\r\n", 17);
    for (int i = 0; i < 1000000; i++) {
        if (send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0)
            return;
    }
}

Test(stapling, endless_header)
{
    responder.reply = reply_for_ever;
    expect(fetch(), -EIO, "OCSP responder sent too much");
}

static void reply_huge(struct responder *r, int fd)
{
    char zeros[4096] = {0};

    reply_der(r, fd);
    for (int i = 0; i < 100; i++)
        put(fd, zeros, sizeof(zeros));
}

Test(stapling, huge_der)
{
    responder.der = OPENSSL_memdup("\x30\x83\x01\x86\xa0\x0a\x01\x00", 8);
    responder.n = 8;
    responder.reply = reply_huge;
    expect(fetch(), -EIO, "OCSP responder sent too much");
}

Test(stapling, length_of_four_gigabytes)
{
    responder.der = OPENSSL_memdup("\x30\x84\xff\xff\xff\xff\x0a\x01\x00", 9);
    responder.n = 9;
    expect(fetch(), -EIO, "OCSP responder sent invalid response");
}

static void reply_slowly(struct responder *r, int fd)
{
    put(fd, "HTTP/1.0 200 OK\r\nX: ", 20);
    for (int i = 0; i < 100; i++) {
        put(fd, "y", 1);
        usleep(30000);
        if (recv(fd, r->request, 1, MSG_DONTWAIT) == 0)
            return;
    }
}

static int64_t mono_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Test(stapling, dripping_responder_does_not_prolong_the_timeout)
{
    int64_t start = mono_ms();

    asked.timeout_s = 1;
    responder.reply = reply_slowly;
    expect(fetch(), -ETIMEDOUT, "OCSP responder timed out while requesting certificate status");
    cr_assert_lt(mono_ms() - start, 2500);
}

static void *cancel_soon(void *arg)
{
    usleep(200000);
    eventfd_write(*(int *)arg, 1);
    return NULL;
}

Test(stapling, cancelled_at_once)
{
    int64_t start = mono_ms();
    pthread_t thread;

    asked.timeout_s = 30;
    asked.cancel_fd = eventfd(0, EFD_NONBLOCK);
    responder.reply = reply_slowly;
    pthread_create(&thread, NULL, cancel_soon, &asked.cancel_fd);
    cr_assert_eq(fetch(), -ECANCELED);
    cr_assert_lt(mono_ms() - start, 1500);
    pthread_join(thread, NULL);
    close(asked.cancel_fd);
}

Test(stapling, nobody_there)
{
    close(responder.fd);
    expect(tls_staple_fetch(&context, &certificate, &asked, &staple, &next_s, why), -EIO,
           "connect() failed (111: Connection refused) while requesting certificate status");
}

Test(stapling, host_that_does_not_exist)
{
    asked.responder = "http://nowhere.invalid/";
    expect(tls_staple_fetch(&context, &certificate, &asked, &staple, &next_s, why), -EIO,
           "host not found in OCSP responder \"nowhere.invalid\"");
}

static void expect_check(const char *text)
{
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), -EINVAL);
    cr_assert_str_eq(why, text);
}

Test(stapling, check_of_a_good_one)
{
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0);
    cr_assert_str_empty(why);
}

Test(stapling, check_finds_the_issuer_in_the_store)
{
    struct pair second = pki_make("second", 5, &ca, "http://127.0.0.1/");

    SSL_CTX_clear_chain_certs(context.ssl_ctx);
    use_certificate(&second, false);
    expect_check("\"ssl_stapling\" ignored, issuer certificate not found for certificate "
                 "\"/leaf.pem\"");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.ssl_ctx), ca.x509);
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0, "%s", why);
    free_pair(&second);
}

Test(stapling, check_finds_the_issuer_in_the_extra_chain)
{
    SSL_CTX_clear_chain_certs(context.ssl_ctx);
    X509_up_ref(ca.x509);
    SSL_CTX_add_extra_chain_cert(context.ssl_ctx, ca.x509);
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0, "%s", why);
}

// With an RSA and an ECDSA certificate each has a chain of its own.
Test(stapling, check_looks_at_the_chain_of_the_right_certificate)
{
    struct pair rsa = pki_make("rsa", 6, &stranger, "http://127.0.0.1/");

    EVP_PKEY_free(rsa.key);
    rsa.key = rsa_key();
    X509_set_pubkey(rsa.x509, rsa.key);
    X509_sign(rsa.x509, stranger.key, EVP_sha256());
    cr_assert(SSL_CTX_use_certificate(context.ssl_ctx, rsa.x509));
    cr_assert(SSL_CTX_use_PrivateKey(context.ssl_ctx, rsa.key));
    cr_assert(SSL_CTX_add1_chain_cert(context.ssl_ctx, stranger.x509));
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0, "%s", why);
    certificate.x509 = rsa.x509;
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0, "%s", why);
    free_pair(&rsa);
}

Test(stapling, check_without_a_responder)
{
    struct pair second = pki_make("second", 5, &ca, NULL);

    use_certificate(&second, true);
    expect_check("\"ssl_stapling\" ignored, no OCSP responder URL in the certificate "
                 "\"/leaf.pem\"");
    asked.responder = "http://127.0.0.1/";
    cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), 0, "%s", why);
    free_pair(&second);
}

Test(stapling, check_refuses_https)
{
    asked.responder = "https://ocsp.example/";
    expect_check("\"ssl_stapling\" ignored, invalid URL prefix in OCSP responder "
                 "\"https://ocsp.example/\" in the certificate \"/leaf.pem\"");
}

Test(stapling, check_refuses_urls_that_would_break_the_request)
{
    static const char *const urls[] = {"http://", "http:///x", "http://a:b/", "http://a/ HTTP/1.1",
                                       "http://a/\r\nX: y", "http://a:99999999/"};

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        asked.responder = urls[i];
        cr_assert_eq(tls_stapling_check(&context, &certificate, &asked, why), -EINVAL, "%s",
                     urls[i]);
        cr_assert(strstr(why, "invalid URL in OCSP responder") != NULL, "%s", why);
    }
}
