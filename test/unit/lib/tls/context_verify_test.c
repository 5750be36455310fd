// SPDX-License-Identifier: Apache-2.0
//
// Client certificates: whatever comes, the handshake is done, and the result says what it was.
#include "test/unit/lib/tls/context_fixture.h"

TestSuite(context_verify, .init = context_init, .fini = context_fini);

#define NO_CERTIFICATE (-1)
#define NO_HANDSHAKE (-2)

// SSL_get_verify_result() of a client that has `who` (may be NULL).
static long present(const struct tls_context *c, const struct identity *who, int version)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct ends e;
    long result = NO_HANDSHAKE;

    ends_open(&e, c, client, NULL);
    SSL_set_max_proto_version(e.client, version);
    if (who != NULL)
        cr_assert(SSL_use_certificate(e.client, who->x509) &&
                  SSL_use_PrivateKey(e.client, who->key));
    if (handshake(&e))
        result = SSL_get0_peer_certificate(e.t.ssl) != NULL ? SSL_get_verify_result(e.t.ssl)
                                                            : NO_CERTIFICATE;
    ends_close(&e);
    SSL_CTX_free(client);
    return result;
}

Test(context_verify, no_certificate_ends_the_handshake)
{
    struct identity stranger = make_identity("stranger", EVP_EC_gen("P-256"), NULL, 30);
    struct identity late = make_identity("late", EVP_EC_gen("P-256"), &ca, -2);
    static const enum tls_verify modes[] = {TLS_VERIFY_ON, TLS_VERIFY_OPTIONAL,
                                            TLS_VERIFY_OPTIONAL_NO_CA};

    for (size_t i = 0; i < array_len(modes) * 2; i++) {
        struct tls_settings s = defaults(1);
        int version = i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION;
        s.verify = modes[i / 2];
        s.client_certificate = ca.certificate;
        struct tls_context *c = make(&s);
        cr_assert_eq(present(c, NULL, version), NO_CERTIFICATE);
        cr_assert_eq(present(c, &rsa, version), X509_V_OK);
        cr_assert_eq(present(c, &stranger, version), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
        cr_assert_eq(present(c, &late, version), X509_V_ERR_CERT_HAS_EXPIRED);
        tls_context_free(c);
    }
    free_identity(&stranger);
    free_identity(&late);
}

Test(context_verify, a_server_that_verifies_nobody_asks_nobody)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;

    s.trusted_certificate = ca.certificate; // for stapling
    c = make(&s);
    cr_assert_eq(present(c, &rsa, TLS1_3_VERSION), NO_CERTIFICATE);
    tls_context_free(c);
}

Test(context_verify, trusted_authorities_are_not_told_to_clients)
{
    struct tls_settings s = defaults(1);
    char *both = keep(malloc(16384));
    struct identity second = make_identity("second", EVP_EC_gen("P-256"), NULL, 30);
    struct tls_context *c;

    s.verify = TLS_VERIFY_ON;
    s.trusted_certificate = ca.certificate;
    c = make(&s);
    cr_assert_eq(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(c->ssl_ctx)), 0);
    cr_assert_eq(present(c, &rsa, TLS1_3_VERSION), X509_V_OK);
    tls_context_free(c);
    snprintf(both, 16384, "%s%s%s", ca.certificate, second.certificate + 5, ca.certificate + 5);
    s.client_certificate = both;
    c = make(&s);
    cr_assert_eq(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(c->ssl_ctx)), 2, "each name once");
    cr_assert_eq(present(c, &rsa, TLS1_3_VERSION), X509_V_OK);
    tls_context_free(c);
    free_identity(&second);
}

static char *make_crl(const struct identity *revoked)
{
    X509_CRL *crl = X509_CRL_new();
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -60), *next = X509_gmtime_adj(NULL, 3600);
    BIO *bio = BIO_new(BIO_s_mem());

    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca.x509));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->x509));
    X509_REVOKED_set_revocationDate(entry, now);
    X509_CRL_add0_revoked(crl, entry);
    cr_assert(X509_CRL_sign(crl, ca.key, EVP_sha256()));
    cr_assert(PEM_write_bio_X509_CRL(bio, crl));
    X509_CRL_free(crl);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return keep(as_data(bio));
}

Test(context_verify, a_revoked_certificate_is_found_out)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;

    s.verify = TLS_VERIFY_ON;
    s.client_certificate = ca.certificate;
    s.crl = make_crl(&rsa);
    c = make(&s);
    cr_assert_eq(present(c, &rsa, TLS1_3_VERSION), X509_V_ERR_CERT_REVOKED);
    cr_assert_eq(present(c, &ec, TLS1_3_VERSION), X509_V_OK);
    tls_context_free(c);
}

Test(context_verify, the_depth_bounds_the_chain)
{
    struct identity root = make_identity("root", EVP_EC_gen("P-256"), NULL, 30);
    struct identity middle = {.key = EVP_EC_gen("P-256"), .x509 = NULL};
    struct tls_settings s = defaults(1);
    struct tls_context *c;
    char *both = keep(malloc(16384));

    // An authority that another one vouches for: as make_identity() makes them, but not its own.
    middle.x509 = X509_dup(ca.x509);
    EVP_PKEY_free(middle.key);
    X509_set_issuer_name(middle.x509, X509_get_subject_name(root.x509));
    cr_assert(X509_sign(middle.x509, root.key, EVP_sha256()));
    char *pem = keep(certificate_data(middle.x509));
    snprintf(both, 16384, "%s%s", root.certificate, pem + 5);
    s.verify = TLS_VERIFY_ON;
    s.trusted_certificate = both;
    s.verify_depth = 0;
    c = make(&s);
    long refused = present(c, &rsa, TLS1_3_VERSION); // which error it is differs by OpenSSL
    cr_assert(refused != X509_V_OK && refused != NO_HANDSHAKE && refused != NO_CERTIFICATE);
    tls_context_free(c);
    s.verify_depth = 1;
    c = make(&s);
    cr_assert_eq(present(c, &rsa, TLS1_3_VERSION), X509_V_OK);
    tls_context_free(c);
    X509_free(middle.x509);
    free_identity(&root);
}

Test(context_verify, what_is_missing_is_told_in_nginx_words)
{
    struct tls_settings s = defaults(1);

    s.verify = TLS_VERIFY_ON;
    refuse(&s, "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client");
    s.verify = TLS_VERIFY_OPTIONAL_NO_CA;
    tls_context_free(make(&s));
    s.client_certificate = "/nonexistent/ca.pem";
    refuse(&s, "cannot load certificate \"/nonexistent/ca.pem\": BIO_new_file() failed (SSL:");
    s.client_certificate = write_text("empty.pem", "", 0);
    refuse(&s, "cannot load certificate \"/tmp/");
    cr_assert_not_null(strstr(why, "PEM_read_bio_X509_AUX() failed (SSL: error:"));
    s.client_certificate = ca.certificate;
    s.crl = "/nonexistent/crl.pem";
    refuse(&s, "cannot load CRL \"/nonexistent/crl.pem\": BIO_new_file() failed (SSL:");
    s.crl = ca.certificate;
    refuse(&s, "cannot load CRL \"data:...\": PEM_read_bio_X509_CRL() failed (SSL: error:");
}
