// SPDX-License-Identifier: Apache-2.0
//
// What is said of a handshake, word for word as nginx's variables have it.
#include "lib/tls/facts.h"
#include "test/unit/lib/tls/context_fixture.h"

static struct tls_context *c;
static SSL_CTX *client;
static struct ends e;
static struct arena arena;

static void init(void)
{
    static struct tls_settings s;

    context_init();
    s = defaults(2);
    s.verify = TLS_VERIFY_OPTIONAL;
    s.client_certificate = ca.certificate;
    c = make(&s);
    client = SSL_CTX_new(TLS_client_method());
    arena_init(&arena, NULL);
}

static void fini(void)
{
    arena_reset(&arena);
    SSL_CTX_free(client);
    tls_context_free(c);
    context_fini();
}

TestSuite(facts, .init = init, .fini = fini);

static const char *fact(enum tls_fact which)
{
    struct sv out;

    if (!tls_fact_read(e.t.ssl, which, &arena, &out)) {
        cr_assert_eq(out.n, 0);
        return NULL;
    }
    cr_assert_gt(out.n, 0);
    return arena_strndup(&arena, out.p, out.n);
}

#define cr_assert_fact(name, expected) cr_assert_str_eq(fact(TLS_FACT_##name), expected)
#define cr_assert_no_fact(name) cr_assert_null(fact(TLS_FACT_##name))

static void open_as(const struct identity *who)
{
    ends_open(&e, c, client, NULL);
    if (who != NULL)
        cr_assert(SSL_use_certificate(e.client, who->x509) &&
                  SSL_use_PrivateKey(e.client, who->key));
}

static void meet_as(const struct identity *who)
{
    open_as(who);
    cr_assert(handshake(&e));
}

Test(facts, of_a_handshake_of_tls_1_3)
{
    ends_open(&e, c, client, NULL);
    SSL_set_tlsext_host_name(e.client, "Www.Example.com");
    SSL_set_alpn_protos(e.client, (const unsigned char *)"\x08http/1.1", 9);
    SSL_set_ciphersuites(e.client, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
    SSL_set_min_proto_version(e.client, TLS1_3_VERSION);
    SSL_set1_groups_list(e.client, "P-256:X25519");
    cr_assert(handshake(&e));
    cr_assert_fact(protocol, "TLSv1.3");
    cr_assert_fact(cipher, "TLS_CHACHA20_POLY1305_SHA256");
    cr_assert_eq(strncmp(fact(TLS_FACT_ciphers),
                         "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", 51), 0);
    cr_assert_fact(curve, "prime256v1");
    cr_assert_fact(curves, "prime256v1:X25519");
    cr_assert_fact(sigalg, "ecdsa_secp256r1_sha256");
    cr_assert_no_fact(client_sigalg);
    cr_assert_fact(alpn_protocol, "http/1.1");
    cr_assert_fact(server_name, "Www.Example.com");
    cr_assert_fact(session_reused, ".");
    cr_assert_no_fact(early_data);
    ends_close(&e);
}

Test(facts, of_a_handshake_of_tls_1_2)
{
    ends_open(&e, c, client, NULL);
    SSL_set_max_proto_version(e.client, TLS1_2_VERSION);
    SSL_set_cipher_list(e.client, "ECDHE-RSA-AES128-GCM-SHA256");
    SSL_set1_sigalgs_list(e.client, "RSA+SHA384");
    cr_assert(handshake(&e));
    cr_assert_fact(protocol, "TLSv1.2");
    cr_assert_fact(cipher, "ECDHE-RSA-AES128-GCM-SHA256");
    // A client of OpenSSL 3.0 also signals with a cipher that is none (RFC 5746, 3.3).
    cr_assert_eq(strncmp(fact(TLS_FACT_ciphers), "ECDHE-RSA-AES128-GCM-SHA256", 27), 0);
    cr_assert_fact(sigalg, "rsa_pkcs1_sha384");
    cr_assert_no_fact(server_name);
    cr_assert_no_fact(alpn_protocol);
    ends_close(&e);
}

Test(facts, a_resumed_session_says_so_and_has_its_id)
{
    SSL_SESSION *session;
    unsigned n;

    meet_as(NULL);
    const char *first = fact(TLS_FACT_session_id);
    cr_assert_eq(strlen(first), 64);
    cr_assert_eq(strspn(first, "0123456789abcdef"), 64);
    const unsigned char *id = SSL_SESSION_get_id(SSL_get0_session(e.t.ssl), &n);
    cr_assert_eq(strtoul((char[]){first[0], first[1], 0}, NULL, 16), id[0]);
    session = SSL_get1_session(e.client);
    ends_close(&e);
    ends_open(&e, c, client, NULL);
    SSL_set_session(e.client, session);
    cr_assert(handshake(&e));
    cr_assert_fact(session_reused, "r");
    cr_assert_no_fact(sigalg);
    ends_close(&e);
    SSL_SESSION_free(session);
}

Test(facts, early_data_is_said_until_the_handshake_is_done)
{
    ends_open(&e, c, client, NULL);
    (void)SSL_do_handshake(e.client);
    (void)SSL_do_handshake(e.t.ssl);
    cr_assert_fact(early_data, "1");
    cr_assert(handshake(&e));
    cr_assert_no_fact(early_data);
    ends_close(&e);
}

static void change(const char *from, const char *to, size_t n)
{
    char *p;
    int have = BIO_nread0(SSL_get_rbio(e.t.ssl), &p);
    char *at = memmem(p, (size_t)have, from, n);

    cr_assert_not_null(at);
    memcpy(at, to, n);
}

// As browsers do to keep servers tolerant (RFC 8701).
Test(facts, what_openssl_does_not_know_is_given_in_hexadecimal)
{
    ends_open(&e, c, client, NULL);
    SSL_set_ciphersuites(e.client, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
    SSL_set_min_proto_version(e.client, TLS1_3_VERSION);
    SSL_set1_groups_list(e.client, "X25519:P-521:P-384");
    (void)SSL_do_handshake(e.client);
    change("\x13\x01\x13\x02", "\x13\x01\x6A\xda", 4);
    change("\x00\x1d\x00\x19\x00\x18", "\x00\x1d\x0a\xFA\x00\x18", 6);
    (void)SSL_do_handshake(e.t.ssl);
    cr_assert_eq(strncmp(fact(TLS_FACT_ciphers), "TLS_AES_128_GCM_SHA256:0x6ada", 29), 0);
    cr_assert_fact(curves, "X25519:0x0afa:secp384r1");
    ends_close(&e);
}

Test(facts, of_a_client_without_a_certificate)
{
    meet_as(NULL);
    cr_assert_fact(client_verify, "NONE");
    for (unsigned i = 0; i < TLS_NFACTS; i++)
        if (i >= TLS_FACT_client_sigalg && i != TLS_FACT_client_verify)
            cr_assert_null(fact((enum tls_fact)i), "fact %u", i);
    ends_close(&e);
}

Test(facts, of_a_clients_certificate)
{
    struct identity who = make_identity("J\xc3\xbcrgen, of \"x\"", EVP_EC_gen("P-384"), &ca, 30);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;

    meet_as(&who);
    cr_assert_fact(client_verify, "SUCCESS");
    cr_assert_fact(client_sigalg, "ecdsa_secp384r1_sha384");
    cr_assert_fact(client_s_dn, "CN=J\\C3\\BCrgen\\, of \\\"x\\\",C=DE");
    cr_assert_fact(client_i_dn, "CN=authority,C=DE");
    cr_assert_fact(client_s_dn_legacy, "/C=DE/CN=J\\xC3\\xBCrgen, of \"x\"");
    cr_assert_fact(client_i_dn_legacy, "/C=DE/CN=authority");
    cr_assert_fact(client_serial, "ABC126");
    cr_assert_fact(client_v_remain, "30");
    cr_assert_not_null(strstr(fact(TLS_FACT_client_v_start), " GMT"));
    cr_assert_str_neq(fact(TLS_FACT_client_v_start), fact(TLS_FACT_client_v_end));
    PEM_write_bio_X509(bio, who.x509);
    long n = BIO_get_mem_data(bio, &pem);
    cr_assert_eq(strlen(fact(TLS_FACT_client_raw_cert)), (size_t)n);
    cr_assert_eq(memcmp(fact(TLS_FACT_client_raw_cert), pem, (size_t)n), 0);
    BIO_free(bio);
    ends_close(&e);
    free_identity(&who);
}

Test(facts, a_certificate_in_a_header_field_is_folded_or_escaped)
{
    meet_as(&rsa);
    const char *raw = fact(TLS_FACT_client_raw_cert), *folded = fact(TLS_FACT_client_cert);
    const char *escaped = fact(TLS_FACT_client_escaped_cert);
    size_t k = 0;

    for (size_t i = 0; raw[i + 1] != '\0'; i++) {
        cr_assert_eq(folded[k++], raw[i]);
        if (raw[i] == '\n')
            cr_assert_eq(folded[k++], '\t');
    }
    cr_assert_eq(folded[k], '\0');
    cr_assert_eq(strncmp(escaped, "-----BEGIN%20CERTIFICATE-----%0A", 32), 0);
    cr_assert_eq(strspn(escaped, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                 "-._~%"), strlen(escaped));
    cr_assert_not_null(strstr(escaped, "%2B"));
    ends_close(&e);
}

Test(facts, a_fingerprint_is_sha1_in_lower_case)
{
    unsigned char digest[20];
    char text[41];

    meet_as(&ec);
    X509_digest(ec.x509, EVP_sha1(), digest, NULL);
    for (int i = 0; i < 20; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    cr_assert_fact(client_fingerprint, text);
    ends_close(&e);
}

Test(facts, what_does_not_verify_is_told_with_the_reason)
{
    struct identity stranger = make_identity("stranger", EVP_EC_gen("P-256"), NULL, 30);
    struct identity late = make_identity("late", rsa_key(), &ca, -3);

    meet_as(&stranger);
    const char *verify = fact(TLS_FACT_client_verify);
    cr_assert_eq(strncmp(verify, "FAILED:self", 11), 0, "%s", verify);
    ends_close(&e);
    meet_as(&late);
    cr_assert_fact(client_verify, "FAILED:certificate has expired");
    cr_assert_fact(client_v_remain, "0");
    cr_assert_fact(client_sigalg, "rsa_pss_rsae_sha256");
    ends_close(&e);
    free_identity(&stranger);
    free_identity(&late);
}

Test(facts, what_is_kept_outlives_the_connection)
{
    uint32_t wanted = (1u << TLS_FACT_protocol) | (1u << TLS_FACT_client_s_dn) |
                      (1u << TLS_FACT_client_raw_cert) | (1u << TLS_FACT_early_data);
    struct sv out;

    meet_as(&rsa);
    const char *raw = fact(TLS_FACT_client_raw_cert);
    struct tls_facts *kept = tls_facts_keep(e.t.ssl, wanted);
    struct tls_facts *all = tls_facts_keep(e.t.ssl, UINT32_MAX);
    struct tls_facts *none = tls_facts_keep(e.t.ssl, 0);
    cr_assert(kept != NULL && all != NULL && none != NULL);
    for (unsigned i = 0; i < TLS_NFACTS; i++) {
        const char *is = fact((enum tls_fact)i);
        cr_assert_eq(tls_facts_get(all, (enum tls_fact)i, &out), is != NULL);
        cr_assert(is == NULL || sv_eq(out, sv_from(is)));
        cr_assert_not(tls_facts_get(none, (enum tls_fact)i, &out));
    }
    ends_close(&e);
    cr_assert(tls_facts_get(kept, TLS_FACT_protocol, &out) && sv_eq(out, SV("TLSv1.3")));
    cr_assert(tls_facts_get(kept, TLS_FACT_client_s_dn, &out));
    cr_assert(sv_eq(out, SV("CN=rsa.test,C=DE")));
    cr_assert(tls_facts_get(kept, TLS_FACT_client_raw_cert, &out) && sv_eq(out, sv_from(raw)));
    cr_assert_not(tls_facts_get(kept, TLS_FACT_early_data, &out));
    cr_assert_not(tls_facts_get(kept, TLS_FACT_cipher, &out), "it was not wanted");
    tls_facts_free(kept);
    tls_facts_free(all);
    tls_facts_free(none);
    tls_facts_free(NULL);
}
