// SPDX-License-Identifier: Apache-2.0
//
// The stapler's thread against a responder on loopback.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "server/config/http_conf.h"
#include "server/tls/stapler.h"
#include "test/unit/lib/tls/responder_fixture.h"
#include "test/unit/lib/tls/stapling_fixture.h"

static struct pair ca, leaf;
static struct responder responder;
static struct tls_context context;
static struct tls_certificate certificate;
static struct server_conf server;
static struct server_conf *servers[] = {&server};
static struct http_conf http = {.servers = servers, .nservers = 1};
static struct stapler *stapler;
static char logged[4096];
static atomic_int lines;

static void emit(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    memcpy(logged, line, n);
    logged[n] = '\0';
    atomic_fetch_add(&lines, 1);
}

static struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = emit};

static void setup(void)
{
    responder_listen(&responder);
    ca = pki_make("ca", 1, NULL, NULL);
    leaf = pki_make("leaf", 2, &ca, responder.url);
    context.ssl_ctx = SSL_CTX_new(TLS_server_method());
    cr_assert(SSL_CTX_use_certificate(context.ssl_ctx, leaf.x509));
    cr_assert(SSL_CTX_use_PrivateKey(context.ssl_ctx, leaf.key));
    cr_assert(SSL_CTX_add1_chain_cert(context.ssl_ctx, ca.x509));
    certificate.x509 = leaf.x509;
    certificate.path = "/leaf.pem";
    context.certificates = &certificate;
    context.ncertificates = 1;
    server.tls.context = &context;
    server.tls.stapling = 1;
}

static void teardown(void)
{
    tls_certificate_set_staple(&certificate, NULL);
    tls_certificate_set_staple(&certificate, NULL); // and the one before
    SSL_CTX_free(context.ssl_ctx);
    EVP_PKEY_free(ca.key);
    EVP_PKEY_free(leaf.key);
    X509_free(ca.x509);
    X509_free(leaf.x509);
}

TestSuite(stapler, .init = setup, .fini = teardown, .timeout = 30);

static struct tls_staple *published(void)
{
    return atomic_load(&certificate.staple);
}

static void wait_until_published(void)
{
    for (int i = 0; i < 500 && published() == NULL; i++)
        usleep(10000);
    cr_assert_not_null(published(), "%s", logged);
}

Test(stapler, publishes_what_the_responder_said)
{
    responder.n = ocsp_make(&ca, leaf.x509, &(struct verdict){.next_s = 7200}, &responder.der);
    responder_start(&responder);
    cr_assert_eq(stapler_start(&http, &sink, &stapler), 0);
    cr_assert_not_null(stapler);
    wait_until_published();
    cr_assert_eq(published()->n, (size_t)responder.n);
    cr_assert_arr_eq(published()->der, responder.der, (size_t)responder.n);
    stapler_free(stapler);
    responder_end(&responder);
    cr_assert_eq(lines, 0, "%s", logged);
}

Test(stapler, configured_responder_and_verify_are_passed_on)
{
    // Nobody trusts the signer, so the answer of the configured one is refused.
    struct pair stranger = pki_make("stranger", 3, NULL, NULL);

    EVP_PKEY_free(leaf.key);
    X509_free(leaf.x509);
    leaf = pki_make("leaf", 2, &ca, NULL);
    certificate.x509 = leaf.x509;
    cr_assert(SSL_CTX_use_certificate(context.ssl_ctx, leaf.x509));
    cr_assert(SSL_CTX_use_PrivateKey(context.ssl_ctx, leaf.key));
    server.tls.stapling_responder = sv_from(responder.url);
    server.tls.stapling_verify = 1;
    responder.n = ocsp_make(&ca, leaf.x509, &(struct verdict){.signer = &stranger}, &responder.der);
    responder_start(&responder);
    cr_assert_eq(stapler_start(&http, &sink, &stapler), 0);
    for (int i = 0; i < 500 && lines == 0; i++)
        usleep(10000);
    stapler_free(stapler);
    responder_end(&responder);
    cr_assert_eq(lines, 1);
    cr_assert(strstr(logged, "[error]") != NULL, "%s", logged);
    cr_assert(strstr(logged, "OCSP_basic_verify() failed") != NULL, "%s", logged);
    cr_assert_null(published());
    EVP_PKEY_free(stranger.key);
    X509_free(stranger.x509);
}

static void reply_never(struct responder *r, int fd)
{
    (void)!recv(fd, r->request, 1, 0);
}

Test(stapler, end_does_not_wait_for_a_responder_that_hangs)
{
    uint64_t start;

    responder.reply = reply_never;
    responder_start(&responder);
    cr_assert_eq(stapler_start(&http, &sink, &stapler), 0);
    usleep(200000);
    clock_update();
    start = clock_mono_ms();
    stapler_stop(stapler);
    stapler_stop(stapler);
    stapler_free(stapler);
    clock_update();
    cr_assert_lt(clock_mono_ms() - start, 2000u);
    responder_end(&responder);
    cr_assert_eq(lines, 0, "%s", logged);
}

static void expect_no_thread(void)
{
    cr_assert_eq(stapler_start(&http, &sink, &stapler), 0);
    cr_assert_null(stapler);
    stapler_stop(stapler);
    stapler_free(stapler);
    cr_assert_eq(lines, 0, "%s", logged);
}

Test(stapler, no_thread_when_nothing_is_to_be_stapled)
{
    server.tls.stapling = 0;
    expect_no_thread();
    server.tls.stapling = 1;
    server.tls.stapling_file = SV("/a.der");
    expect_no_thread();
    server.tls.stapling_file = SV("");
    server.tls.stapling_responder = SV("https://refused/");
    expect_no_thread();
    server.tls.context = NULL;
    expect_no_thread();
    http.nservers = 0;
    expect_no_thread();
    cr_assert_eq(stapler_start(NULL, &sink, &stapler), 0);
    cr_assert_null(stapler);
}
