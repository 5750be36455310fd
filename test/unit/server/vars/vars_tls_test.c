// SPDX-License-Identifier: Apache-2.0
#include <openssl/ssl.h>

#include "lib/tls/facts.h"
#include "lib/tls/tls.h"
#include "server/process/stats.h"
#include "test/unit/server/vars/expect.h"

// Names of all $ssl_ variables of lib/tls/facts.h.
static const char *const fact_names[] = {
#define FACT(name) "ssl_" #name,
    TLS_FACTS(FACT)
#undef FACT
};

static struct fixture *f;
static struct tls tls;
static SSL_CTX *ctx;
static SSL *server, *client;

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, key);
    cr_assert_gt(X509_sign(x, key, EVP_sha256()), 0);
    return x;
}

static void shake_hands(void)
{
    int done = 0;

    for (int turn = 0; turn < 10 && done != 3; turn++) {
        if (SSL_do_handshake(client) == 1)
            done |= 1;
        if (SSL_do_handshake(server) == 1)
            done |= 2;
    }
    cr_assert_eq(done, 3);
}

// A finished TLS 1.3 handshake between two ends in memory.
static void set_up(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = self_signed(key);
    BIO *a, *b;

    f = fixture_new();
    ctx = SSL_CTX_new(TLS_method());
    cr_assert(ctx != NULL && SSL_CTX_use_certificate(ctx, x) == 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
    cr_assert_eq(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION), 1);
    cr_assert_eq(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    server = SSL_new(ctx);
    client = SSL_new(ctx);
    SSL_set_bio(server, a, a);
    SSL_set_bio(client, b, b);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    cr_assert_eq(SSL_set_tlsext_host_name(client, "video.example"), 1);
    shake_hands();
    tls = (struct tls){.ssl = server};
    X509_free(x);
    EVP_PKEY_free(key);
}

static void tear_down(void)
{
    SSL_free(server);
    SSL_free(client);
    SSL_CTX_free(ctx);
    fixture_free(f);
}

TestSuite(vars_tls, .init = set_up, .fini = tear_down);

static uint32_t bit(enum tls_fact fact)
{
    return UINT32_C(1) << fact;
}

Test(vars_tls, plain_connection_has_none_of_it)
{
    struct sv https;

    expect("$scheme", "http");
    cr_assert(fixture_read(f, "https", &https) && https.n == 0);
    expect_none("tls_transport");
    for (size_t i = 0; i < array_len(fact_names); i++)
        expect_none(fact_names[i]);
}

Test(vars_tls, handshake_in_userspace_is_read_from_the_ssl)
{
    f->conn.tls = &tls;
    f->conn.security = CONN_SECURITY_userspace;
    expect("$scheme $https", "https on");
    expect("$tls_transport", "userspace");
    expect("$ssl_protocol", "TLSv1.3");
    expect("$ssl_cipher", SSL_get_cipher_name(server));
    expect("$ssl_server_name", "video.example");
    expect("$ssl_session_reused", ".");
    expect("$ssl_client_verify", "NONE");
    expect_none("ssl_client_cert");
}

Test(vars_tls, connection_of_the_kernel_keeps_what_is_wanted_and_no_more)
{
    struct tls_facts *kept =
        tls_facts_keep(server, bit(TLS_FACT_protocol) | bit(TLS_FACT_server_name));

    cr_assert_not_null(kept);
    f->conn.facts = kept;
    f->conn.security = CONN_SECURITY_kernel;
    expect("$scheme $https", "https on");
    expect("$tls_transport", "kernel");
    expect("$ssl_protocol $ssl_server_name", "TLSv1.3 video.example");
    expect_none("ssl_cipher");
    tls_facts_free(kept);
}

Test(vars_tls, connection_of_the_kernel_without_facts_has_no_values)
{
    f->conn.security = CONN_SECURITY_kernel;
    expect("$https", "on");
    expect_none("ssl_protocol");
}

Test(vars_tls, kernel_that_only_sends_is_said_so)
{
    f->conn.tls = &tls;
    f->conn.security = CONN_SECURITY_kernel_send;
    expect("$tls_transport $ssl_protocol", "kernel-send TLSv1.3");
}

Test(vars_tls, early_data_comes_over_tls_before_the_transport_is_known)
{
    f->conn.tls = &tls;
    f->conn.early = true;
    expect("$scheme $https", "https on");
    expect_none("tls_transport");
}

Test(vars_tls, plain_http_on_a_tls_port_is_http)
{
    f->conn.tls = &tls;
    f->conn.plain_on_tls = true;
    expect("$scheme", "http");
    expect("$https", "");
    expect_none("ssl_protocol");
}

Test(vars_tls, what_nobody_refers_to_is_not_wanted)
{
    struct conf_node node = {.argv = &SV("log_format"), .argc = 1};
    struct conf_error error;
    struct template *t;

    cr_assert_eq(vars_tls_facts_wanted(&f->http.vars), 0);
    cr_assert_eq(template_compile(&f->http.vars, SV("$ssl_cipher $host $SSL_Client_S_DN $https"),
                                  &node, &t, &error), 0);
    cr_assert_eq(vars_tls_facts_wanted(&f->http.vars),
                 bit(TLS_FACT_cipher) | bit(TLS_FACT_client_s_dn));
}

Test(vars_tls, counters_are_summed_over_all_workers)
{
    cr_assert_eq(stats_init(), 0);
    struct stats *one = stats_claim(), *other = stats_claim();

    stats_add(&one->tls_handshakes, 5);
    stats_add(&other->tls_handshakes, 2);
    stats_add(&one->tls_resumed, 3);
    stats_add(&one->tls_failed, 1);
    stats_add(&one->tls_kernel, 10);
    stats_add(&one->tls_kernel_send, 11);
    stats_add(&one->tls_userspace, 12);
    expect("$tls_handshakes $tls_resumed $tls_failed", "7 3 1");
    expect("$tls_connections_kernel $tls_connections_kernel_send $tls_connections_userspace",
           "10 11 12");
    stats_release(one);
    stats_release(other);
    expect("$tls_handshakes", "7");
}
