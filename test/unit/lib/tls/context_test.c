// SPDX-License-Identifier: Apache-2.0
//
// Contexts: what is loaded and what is refused in which words, and what a handshake with one agrees
// on. Sessions are in context_session_test.c, names in context_name_test.c.
#include "test/unit/lib/tls/context_fixture.h"

TestSuite(context, .init = context_init, .fini = context_fini);

// A handshake with a client that `set_up` (may be NULL) has changed. What it agreed on.
struct agreed {
    bool done;
    int version, alert;
    char cipher[64], name[64]; // name: of the server's certificate
    int chain;                 // certificates sent
};

static struct agreed meet(const struct tls_context *c, void (*set_up)(SSL *client))
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct agreed a = {.alert = -1};
    struct ends e;

    ends_open(&e, c, client, NULL);
    if (set_up != NULL)
        set_up(e.client);
    a.done = handshake(&e);
    if (a.done) {
        X509 *x509 = SSL_get0_peer_certificate(e.client);
        a.version = SSL_version(e.client);
        a.chain = sk_X509_num(SSL_get_peer_cert_chain(e.client));
        snprintf(a.cipher, sizeof(a.cipher), "%s", SSL_get_cipher_name(e.client));
        X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, a.name,
                                  sizeof(a.name));
    } else {
        a.alert = refused_with();
    }
    ends_close(&e);
    SSL_CTX_free(client);
    return a;
}

static void only_1_2(SSL *client)
{
    SSL_set_max_proto_version(client, TLS1_2_VERSION);
}

static void only_1_1(SSL *client)
{
    SSL_set_max_proto_version(client, TLS1_1_VERSION);
    SSL_set_min_proto_version(client, TLS1_1_VERSION);
    SSL_set_cipher_list(client, "ALL:@SECLEVEL=0");
}

static void only_rsa(SSL *client)
{
    SSL_set1_sigalgs_list(client, "RSA-PSS+SHA256:RSA+SHA256");
}

static void only_rsa_1_2(SSL *client)
{
    only_1_2(client);
    only_rsa(client);
}

static void only_cbc(SSL *client)
{
    only_1_2(client);
    SSL_set_cipher_list(client, "ECDHE-ECDSA-AES128-SHA256");
}

static void only_rsa_key_exchange(SSL *client)
{
    only_1_2(client);
    SSL_set_cipher_list(client, "AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256");
}

static void chacha_first(SSL *client)
{
    only_1_2(client);
    SSL_set_cipher_list(client, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256");
}

Test(context, a_client_gets_the_certificate_that_it_can_verify)
{
    struct tls_settings s = defaults(2);
    struct tls_context *c = make(&s);

    cr_assert(c->has_certificate && c->kernel);
    cr_assert_eq(c->ncertificates, 2);
    cr_assert_eq(X509_cmp(c->certificates[1].x509, rsa.x509), 0);
    cr_assert_str_eq(c->certificates[1].path, "data:...");
    cr_assert_eq(tls_context_of(c->ssl_ctx), c);
    struct agreed a = meet(c, NULL);
    cr_assert(a.done);
    cr_assert_eq(a.version, TLS1_3_VERSION);
    cr_assert_str_eq(a.name, "ec.test");
    cr_assert_str_eq(meet(c, only_rsa).name, "rsa.test");
    cr_assert_str_eq(meet(c, only_rsa_1_2).name, "rsa.test");
    cr_assert_eq(meet(c, only_1_2).version, TLS1_2_VERSION);
    tls_context_free(c);
    tls_context_free(NULL);
}

Test(context, the_chain_is_sent_and_nothing_is_added_to_it)
{
    struct tls_settings s = defaults(1);
    char *path = malloc(16384);
    struct tls_context *c;

    s.client_certificate = ca.certificate;
    s.verify = TLS_VERIFY_OPTIONAL;
    c = make(&s);
    cr_assert_eq(meet(c, NULL).chain, 1, "the client's authority is no part of it");
    tls_context_free(c);
    snprintf(path, 16384, "%s%s", ec.certificate, ca.certificate + 5);
    struct tls_pair pair = {path, ec.private_key};
    s.pairs = &pair;
    c = make(&s);
    cr_assert_eq(meet(c, NULL).chain, 2);
    tls_context_free(c);
    free(path);
}

Test(context, protocols_are_those_of_the_settings)
{
    static const struct {
        uint32_t bits;
        int with_any, with_1_2; // the version agreed on, or 0
    } cases[] = {
        {TLS_1_3, TLS1_3_VERSION, 0},
        {TLS_1_2, TLS1_2_VERSION, TLS1_2_VERSION},
        {TLS_1_2 | TLS_1_3, TLS1_3_VERSION, TLS1_2_VERSION},
    };
    for (size_t i = 0; i < array_len(cases); i++) {
        struct tls_settings s = defaults(1);
        s.protocols = cases[i].bits;
        struct tls_context *c = make(&s);
        cr_assert_eq(meet(c, NULL).version, cases[i].with_any, "case %zu", i);
        struct agreed a = meet(c, only_1_2);
        cr_assert_eq(a.version, cases[i].with_1_2, "case %zu", i);
        cr_assert_eq(a.alert, a.done ? -1 : SSL_AD_PROTOCOL_VERSION, "case %zu", i);
        tls_context_free(c);
    }
}

Test(context, old_protocols_need_ciphers_of_their_own_and_that_is_said)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;

    s.protocols = TLS_1_1;
    c = make(&s);
    cr_assert_not_null(strstr(warning, "ssl_ciphers"));
    cr_assert_not(meet(c, only_1_1).done);
    tls_context_free(c);
    s.ciphers = "ALL:@SECLEVEL=0";
    c = make(&s);
    cr_assert_str_empty(warning);
    cr_assert_eq(meet(c, only_1_1).version, TLS1_1_VERSION);
    tls_context_free(c);
}

Test(context, default_ciphers_have_forward_secrecy_and_authenticate)
{
    struct tls_settings s = defaults(2);
    struct tls_context *c = make(&s);

    cr_assert_str_empty(warning);
    cr_assert_eq(meet(c, only_cbc).alert, SSL_AD_HANDSHAKE_FAILURE);
    cr_assert_eq(meet(c, only_rsa_key_exchange).alert, SSL_AD_HANDSHAKE_FAILURE);
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(c->ssl_ctx);
    cr_assert_gt(sk_SSL_CIPHER_num(all), 6);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(all, i);
        cr_assert(SSL_CIPHER_is_aead(cipher));
        cr_assert_neq(SSL_CIPHER_get_kx_nid(cipher), NID_kx_rsa);
    }
    tls_context_free(c);
}

Test(context, the_server_prefers_its_order_only_when_told)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make(&s);

    cr_assert_str_eq(meet(c, chacha_first).cipher, "ECDHE-ECDSA-CHACHA20-POLY1305");
    tls_context_free(c);
    s.prefer_server_ciphers = true;
    c = make(&s);
    cr_assert_str_eq(meet(c, chacha_first).cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
    tls_context_free(c);
    s.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    c = make(&s);
    cr_assert_str_eq(meet(c, only_1_2).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    tls_context_free(c);
    s.ciphers = "NONSENSE";
    refuse(&s, "SSL_CTX_set_cipher_list(\"NONSENSE\") failed (SSL: error:");
}

static void dhe(SSL *client)
{
    only_1_2(client);
    SSL_set_cipher_list(client, "DHE-RSA-AES128-GCM-SHA256");
}

Test(context, dhparam_brings_the_finite_field_ciphers)
{
    struct tls_settings s = defaults(2);
    struct tls_context *c = make(&s);
    EVP_PKEY_CTX *make_group = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *group = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("group", (char *)"ffdhe2048", 0),
                           OSSL_PARAM_construct_end()};

    cr_assert_not(meet(c, dhe).done);
    tls_context_free(c);
    cr_assert_eq(EVP_PKEY_fromdata_init(make_group), 1);
    cr_assert_eq(EVP_PKEY_fromdata(make_group, &group, EVP_PKEY_KEY_PARAMETERS, params), 1);
    cr_assert(PEM_write_bio_Parameters(bio, group));
    s.dhparam = write_data("dh.pem", keep(as_data(bio)));
    c = make(&s);
    cr_assert_str_eq(meet(c, dhe).cipher, "DHE-RSA-AES128-GCM-SHA256");
    tls_context_free(c);
    s.dhparam = "/nonexistent/dh.pem";
    refuse(&s, "BIO_new_file(\"/nonexistent/dh.pem\") failed (SSL: error:80000002:system library::"
               "No such file or directory");
    s.dhparam = write_text("bad.pem", "x", 1);
    refuse(&s, "PEM_read_bio_Parameters(\"/tmp/millrace-context-");
    EVP_PKEY_free(group);
    EVP_PKEY_CTX_free(make_group);
}

static void nist_curves(SSL *client)
{
    SSL_set1_groups_list(client, "P-384:P-256");
}

static void only_x25519(SSL *client)
{
    SSL_set1_groups_list(client, "X25519");
}

Test(context, curves_are_those_of_the_settings)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;

    s.curves = "auto";
    c = make(&s);
    cr_assert(meet(c, only_x25519).done);
    tls_context_free(c);
    s.curves = "prime256v1:secp384r1";
    c = make(&s);
    cr_assert(meet(c, nist_curves).done);
    cr_assert_eq(meet(c, only_x25519).alert, SSL_AD_HANDSHAKE_FAILURE);
    tls_context_free(c);
    s.curves = "nonsense";
    refuse(&s, "SSL_CTX_set1_curves_list(\"nonsense\") failed");
}

Test(context, commands_have_the_last_word)
{
    struct tls_settings s = defaults(1);
    struct tls_command suites = {"Ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", NULL};
    struct tls_command no_kernel = {"Options", "-KTLS", &suites};
    struct tls_command groups = {"Groups", "P-384", &no_kernel};
    struct tls_command bad = {"Nonsense", "x", NULL};

    s.commands = &groups;
    struct tls_context *c = make(&s);
    cr_assert_not(c->kernel);
    cr_assert_not(SSL_CTX_get_options(c->ssl_ctx) & SSL_OP_ENABLE_KTLS);
    cr_assert_str_eq(meet(c, NULL).cipher, "TLS_CHACHA20_POLY1305_SHA256");
    cr_assert_eq(meet(c, only_x25519).alert, SSL_AD_HANDSHAKE_FAILURE);
    tls_context_free(c);
    s.commands = &bad;
    refuse(&s, "SSL_CONF_cmd(\"Nonsense\", \"x\") failed (SSL: error:");
    bad.name = "Protocol";
    bad.value = "TLSv9";
    refuse(&s, "SSL_CONF_cmd(\"Protocol\", \"TLSv9\") failed (SSL: error:");
}

Test(context, what_cannot_be_loaded_is_told_in_nginx_words)
{
    struct tls_settings s = defaults(1);
    struct tls_pair pair = {"/nonexistent/x.pem", ec.private_key};
    s.pairs = &pair;

    refuse(&s, "cannot load certificate \"/nonexistent/x.pem\": BIO_new_file() failed (SSL: "
               "error:80000002:system library::No such file or directory:calling fopen("
               "/nonexistent/x.pem, r))");
    pair.certificate = write_text("none.pem", "nothing\n", 8);
    refuse(&s, "cannot load certificate \"/tmp/");
    cr_assert_not_null(strstr(why, "none.pem\": PEM_read_bio_X509_AUX() failed (SSL: error:"));
    pair = (struct tls_pair){ec.certificate, "/nonexistent/x.key"};
    refuse(&s, "cannot load certificate key \"/nonexistent/x.key\": BIO_new_file() failed (SSL:");
    pair.key = write_text("none.key", "nothing\n", 8);
    refuse(&s, "cannot load certificate key \"/tmp/");
    cr_assert_not_null(strstr(why, "none.key\": PEM_read_bio_PrivateKey() failed (SSL: error:"));
    pair.key = "engine:pkcs11:token";
    refuse(&s, "cannot load certificate key \"engine:pkcs11:token\": loading \"engine:...\" "
               "certificate keys is not supported");
}

Test(context, a_chain_that_is_cut_off_is_not_taken_for_its_end)
{
    struct tls_settings s = defaults(1);
    char *text = malloc(16384);
    struct tls_pair pair = {text, ec.private_key};

    s.pairs = &pair;
    snprintf(text, 16384, "%s%.*s", ec.certificate, 200, ca.certificate + 5);
    refuse(&s, "cannot load certificate \"data:...\": PEM_read_bio_X509() failed (SSL: error:");
    free(text);
}

Test(context, a_key_of_another_certificate_is_refused_and_never_shown)
{
    struct tls_settings s = defaults(1);
    struct identity other = make_identity("other", EVP_EC_gen("P-256"), &ca, 30);
    struct tls_pair pair = {ec.certificate, other.private_key};

    s.pairs = &pair;
    refuse(&s, "SSL_CTX_use_PrivateKey(\"data:...\") failed (SSL: error:05800074:");
    cr_assert_not_null(strstr(why, "key values mismatch"));
    pair.key = rsa.private_key; // nginx takes it, and then fails each handshake
    refuse(&s, "SSL_CTX_use_PrivateKey(\"data:...\") failed (SSL: error:");
    free_identity(&other);
}

static char *write_encrypted(const struct identity *i, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());

    cr_assert(PEM_write_bio_PKCS8PrivateKey(bio, i->key, EVP_aes_256_cbc(), password,
                                            (int)strlen(password), NULL, NULL));
    return write_data("encrypted.key", keep(as_data(bio)));
}

Test(context, passwords_are_tried_in_order)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"secret\n", true},         {"secret", true},
        {"one\ntwo\nsecret\n", true}, {"\r\none\r\nsecret\r\n", true},
        {"\n\nsecret\nthree", true},  {"one\ntwo\n", false},
        {"", false},                  {"secre\nsecrett\n", false},
    };
    struct tls_settings s = defaults(1);
    struct tls_pair pair = {ec.certificate, write_encrypted(&ec, "secret")};

    s.pairs = &pair;
    refuse(&s, "cannot load certificate key \"/tmp/"); // and nobody is asked at the terminal
    for (size_t i = 0; i < array_len(cases); i++) {
        s.password_file = write_text("passwords", cases[i].text, strlen(cases[i].text));
        if (!cases[i].good) {
            refuse(&s, "cannot load certificate key \"/tmp/");
            continue;
        }
        struct tls_context *c = make(&s);
        cr_assert(meet(c, NULL).done);
        tls_context_free(c);
    }
}

Test(context, a_bad_password_file_is_told_in_nginx_words)
{
    struct tls_settings s = defaults(1);
    char *text = malloc(70000);

    s.password_file = "/nonexistent/p";
    refuse(&s, "open() \"/nonexistent/p\" failed (2: No such file or directory)");
    s.password_file = directory;
    refuse(&s, "read() \"/tmp/millrace-context-");
    memset(text, 'x', 70000);
    s.password_file = write_text("long", text, 4096);
    refuse(&s, "too long line in \"/tmp/millrace-context-");
    s.password_file = write_text("large", text, 70000);
    refuse(&s, "\"/tmp/millrace-context-");
    free(text);
}

Test(context, a_key_comes_out_of_a_store)
{
    struct tls_settings s = defaults(1);
    char uri[96];
    struct tls_pair pair = {ec.certificate, uri};

    s.pairs = &pair;
    s.password_file = write_text("passwords", "secret\n", 7);
    snprintf(uri, sizeof(uri), "store:file:%s", write_encrypted(&ec, "secret"));
    struct tls_context *c = make(&s);
    cr_assert(meet(c, NULL).done);
    tls_context_free(c);
    snprintf(uri, sizeof(uri), "store:file:/nonexistent/key");
    refuse(&s, "cannot load certificate key \"store:file:/nonexistent/key\": OSSL_STORE_");
}

Test(context, a_pair_is_loaded_into_one_connection)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make(&s);
    struct tls_pair missing = {"/nonexistent/x.pem", "x"}, wrong = {ec.certificate,
                                                                    rsa.private_key};
    SSL *ssl = SSL_new(c->ssl_ctx);

    cr_assert_eq(tls_load_pair(ssl, &pairs[1], NULL, why), 0);
    cr_assert_eq(ERR_peek_error(), 0);
    cr_assert_eq(X509_cmp(SSL_get_certificate(ssl), rsa.x509), 0);
    cr_assert_eq(tls_load_pair(ssl, &missing, NULL, why), -EINVAL);
    cr_assert_not_null(strstr(why, "cannot load certificate \"/nonexistent/x.pem\": BIO_new_file"));
    cr_assert_eq(tls_load_pair(ssl, &wrong, NULL, why), -EINVAL);
    cr_assert_not_null(strstr(why, "SSL_use_PrivateKey(\"data:...\") failed (SSL: error:"));
    SSL_free(ssl);
    tls_context_free(c);
}

Test(context, renegotiation_is_refused_and_the_connection_goes_on)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make(&s);
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct ends e;
    char byte;

    cr_assert(SSL_CTX_get_options(c->ssl_ctx) & SSL_OP_NO_RENEGOTIATION, "whatever a command says");
    ends_open(&e, c, client, NULL);
    only_1_2(e.client);
    cr_assert(handshake(&e));
    cr_assert(SSL_renegotiate(e.client));
    (void)SSL_do_handshake(e.client);
    int rc = SSL_read(e.t.ssl, &byte, 1);
    cr_assert_eq(SSL_get_error(e.t.ssl, rc), SSL_ERROR_WANT_READ);
    cr_assert_neq(SSL_do_handshake(e.client), 1);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    cr_assert_eq(SSL_write(e.t.ssl, "x", 1), 1);
    ends_close(&e);
    SSL_CTX_free(client);
    tls_context_free(c);
}

// Many clients just close: that is no error, and no line for the log.
Test(context, an_end_without_close_notify_is_an_end)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make(&s);
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct ends e;
    char byte;

    ends_open(&e, c, client, NULL);
    cr_assert(handshake(&e));
    (void)BIO_shutdown_wr(SSL_get_wbio(e.client));
    int rc = SSL_read(e.t.ssl, &byte, 1);
    cr_assert_eq(SSL_get_error(e.t.ssl, rc), SSL_ERROR_ZERO_RETURN);
    cr_assert_eq(ERR_peek_error(), 0);
    ends_close(&e);
    SSL_CTX_free(client);
    tls_context_free(c);
}

Test(context, an_error_text_is_one_line_and_drains_the_queue)
{
    char text[TLS_ERROR_MAX], data[1000];

    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL); // the texts of its errors
    ERR_clear_error();
    tls_error_text(text);
    cr_assert_str_empty(text);
    memset(data, 'x', sizeof(data));
    data[3] = '\n';
    data[sizeof(data) - 1] = '\0';
    ERR_raise_data(ERR_LIB_SSL, SSL_R_BAD_LENGTH, "%s", data);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_PACKET);
    tls_error_text(text);
    cr_assert_eq(ERR_peek_error(), 0);
    cr_assert_null(strchr(text, '\n'));
    cr_assert_eq(strncmp(text, " (SSL: error:", 13), 0);
    cr_assert_not_null(strstr(text, "bad length:xxx xxx"));
    cr_assert_eq(text[strlen(text) - 1], ')');
}
