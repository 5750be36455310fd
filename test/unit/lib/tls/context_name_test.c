// SPDX-License-Identifier: Apache-2.0
//
// What a ClientHello chooses: the server by its name with all that the server says, the protocol,
// certificates found in mid-handshake.
#include "test/unit/lib/tls/context_fixture.h"

// What the hooks saw and what they answer.
static struct {
    unsigned asked, found;
    char name[512];
    const struct tls_context *chosen;
    int certificate; // the hook's answer; 1 loads `pair`
    const struct tls_pair *pair;
    const struct tls_context *found_for;
    bool http2;      // the hook's answer
    unsigned asked_http2;
    const struct tls_context *http2_after; // what the name had chosen when it was asked
} program;

static const struct tls_context *choose(void *owner, struct sv name)
{
    cr_assert_eq(owner, &program);
    cr_assert_lt(name.n, sizeof(program.name));
    program.asked++;
    snprintf(program.name, sizeof(program.name), "%.*s", SV_ARG(name));
    return program.chosen;
}

static int find(void *owner, const struct tls_context *context, SSL *ssl)
{
    cr_assert_eq(owner, &program);
    program.found++;
    program.found_for = context;
    if (program.certificate == 1)
        cr_assert_eq(tls_load_pair(ssl, program.pair, NULL, why), 0);
    return program.certificate;
}

static bool serves_http2(void *owner)
{
    cr_assert_eq(owner, &program);
    program.asked_http2++;
    program.http2_after = program.asked != 0 ? program.chosen : NULL;
    return program.http2;
}

static const struct tls_hooks hooks = {choose, find, serves_http2};

static struct tls_context *make_hooked(const struct tls_settings *s)
{
    struct tls_context *c;

    cr_assert_eq(tls_context_make(s, &hooks, &c, why, NULL), 0, "%s", why);
    return c;
}

static SSL_CTX *client;

static void init(void)
{
    context_init();
    client = SSL_CTX_new(TLS_client_method());
}

static void fini(void)
{
    SSL_CTX_free(client);
    context_fini();
}

TestSuite(context_name, .init = init, .fini = fini);

static void open_named(struct ends *e, const struct tls_context *c, const char *name)
{
    ends_open(e, c, client, &program);
    if (name != NULL)
        cr_assert(SSL_set_tlsext_host_name(e->client, name));
}

Test(context_name, the_hook_gets_a_host_in_lower_case_or_nothing)
{
    static const struct {
        const char *sent, *seen;
    } cases[] = {
        {NULL, ""},
        {"WWW.Example.COM", "www.example.com"},
        {"www.example.com.", "www.example.com"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"under_score", "under_score"},
        {"a/b", ""},
        {"a b", ""},
        {"a..b", ""},
        {"caf\xc3\xa9", ""},
    };
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);

    program.chosen = c;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct ends e;
        open_named(&e, c, cases[i].sent);
        program.asked = 0;
        cr_assert(handshake(&e), "case %zu", i);
        cr_assert_eq(program.asked, 1);
        cr_assert_str_eq(program.name, cases[i].seen);
        cr_assert_eq(e.t.context, c);
        ends_close(&e);
    }
    tls_context_free(c);
}

Test(context_name, the_longest_name_is_taken)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);
    char name[256];
    struct ends e;

    program.chosen = c;
    memset(name, 'A', sizeof(name));
    name[255] = '\0';
    open_named(&e, c, name);
    cr_assert(handshake(&e));
    cr_assert_eq(strlen(program.name), 255);
    ends_close(&e);
    tls_context_free(c);
}

Test(context_name, a_name_that_no_server_has_may_be_refused)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);
    struct ends e;

    program.chosen = NULL;
    open_named(&e, c, "nobody.test");
    cr_assert_not(handshake(&e));
    cr_assert_eq(refused_with(), SSL_AD_UNRECOGNIZED_NAME);
    ends_close(&e);
    tls_context_free(c);
}

Test(context_name, a_server_that_rejects_handshakes_needs_no_certificate)
{
    struct tls_settings s = defaults(0);
    struct tls_context *c;
    struct ends e;

    s.reject_handshake = true;
    c = make_hooked(&s);
    cr_assert_not(c->has_certificate);
    tls_context_free(c);
    c = make(&s); // nor hooks
    open_named(&e, c, "any.test");
    cr_assert_not(handshake(&e));
    cr_assert_eq(refused_with(), SSL_AD_UNRECOGNIZED_NAME);
    ends_close(&e);
    tls_context_free(c);
}

// A handshake by name, from `first` to `second`.
static bool cross(struct ends *e, struct tls_settings *first, struct tls_settings *second,
                  struct tls_context *made[2])
{
    made[0] = make_hooked(first);
    made[1] = make_hooked(second);
    program.chosen = made[1];
    open_named(e, made[0], "second.test");
    return handshake(e);
}

static void end(struct ends *e, struct tls_context *made[2])
{
    ends_close(e);
    tls_context_free(made[0]);
    tls_context_free(made[1]);
}

Test(context_name, the_chosen_server_says_which_certificate_protocol_and_cipher)
{
    struct tls_settings first = defaults(1), second = defaults(1);
    struct tls_command no_kernel = {"Options", "-KTLS", NULL};
    struct tls_context *made[2];
    struct ends e;

    first.protocols = TLS_1_3;
    second.pairs = &pairs[1];
    second.protocols = TLS_1_2;
    second.ciphers = "ECDHE-RSA-AES256-GCM-SHA384";
    second.commands = &no_kernel;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_eq(e.t.context, made[1]);
    cr_assert_eq(SSL_version(e.client), TLS1_2_VERSION);
    cr_assert_str_eq(SSL_get_cipher_name(e.client), "ECDHE-RSA-AES256-GCM-SHA384");
    cr_assert_eq(X509_cmp(SSL_get0_peer_certificate(e.client), rsa.x509), 0);
    cr_assert_not(SSL_get_options(e.t.ssl) & SSL_OP_ENABLE_KTLS);
    cr_assert(SSL_get_options(e.t.ssl) & SSL_OP_NO_RENEGOTIATION);
    end(&e, made);
}

Test(context_name, a_range_of_versions_from_a_command_is_the_chosen_servers)
{
    struct tls_settings first = defaults(1), second = defaults(1);
    struct tls_command most = {"MaxProtocol", "TLSv1.2", NULL};
    struct tls_context *made[2];
    struct ends e;

    second.commands = &most;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_eq(SSL_version(e.client), TLS1_2_VERSION);
    end(&e, made);
    cr_assert(cross(&e, &second, &first, made));
    cr_assert_eq(SSL_version(e.client), TLS1_3_VERSION);
    end(&e, made);
    struct tls_command least = {"MinProtocol", "TLSv1.3", NULL};
    first.commands = &least;
    cr_assert(cross(&e, &second, &first, made));
    cr_assert_eq(SSL_version(e.client), TLS1_3_VERSION);
    end(&e, made);
}

Test(context_name, suites_of_tls_1_3_are_the_chosen_servers)
{
    struct tls_settings first = defaults(1), second = defaults(1);
    struct tls_command suites = {"Ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", NULL};
    struct tls_context *made[2];
    struct ends e;

    second.commands = &suites;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_str_eq(SSL_get_cipher_name(e.client), "TLS_CHACHA20_POLY1305_SHA256");
    end(&e, made);
}

// Whether early data is taken is a matter of the server that answers it.
Test(context_name, early_data_is_the_chosen_servers_choice)
{
    struct tls_settings first = defaults(1), second = defaults(1);
    struct tls_context *made[2];
    struct ends e;

    first.early_data = true;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_eq(SSL_get_max_early_data(e.t.ssl), 0);
    end(&e, made);
    cr_assert(cross(&e, &second, &first, made));
    cr_assert_eq(SSL_get_max_early_data(e.t.ssl), 16384);
    end(&e, made);
}

// An SSL that has not been attached has nobody to ask: it is refused, not guessed for.
Test(context_name, a_hello_for_nobody_is_refused)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);
    struct ends e;

    program.chosen = c;
    open_named(&e, c, "any.test");
    tls_attach(e.t.ssl, NULL);
    cr_assert_not(handshake(&e));
    cr_assert_eq(refused_with(), SSL_AD_INTERNAL_ERROR);
    cr_assert_eq(program.asked, 0);
    ends_close(&e);
    tls_context_free(c);
}

Test(context_name, the_chosen_server_says_whose_client_certificates_it_takes)
{
    struct tls_settings first = defaults(1), second = defaults(1);
    struct tls_context *made[2];
    struct ends e;

    second.verify = TLS_VERIFY_ON;
    second.verify_depth = 7;
    second.client_certificate = ca.certificate;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_eq(SSL_get_verify_mode(e.t.ssl), SSL_VERIFY_PEER);
    cr_assert_eq(SSL_get_verify_depth(e.t.ssl), 7);
    cr_assert_eq(sk_X509_NAME_num(SSL_get_client_CA_list(e.client)), 1);
    end(&e, made);
    cr_assert(cross(&e, &second, &first, made));
    cr_assert_eq(SSL_get_verify_mode(e.t.ssl), SSL_VERIFY_NONE);
    end(&e, made);
}

// RFC 8446, 4.1.2: the second ClientHello is the first one again. Who could choose twice could
// present his certificate to one server and be served by another.
Test(context_name, a_retried_hello_does_not_choose_again)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;
    struct ends e;

    s.curves = "P-384";
    c = make_hooked(&s);
    program.chosen = c;
    open_named(&e, c, "retry.test");
    SSL_set1_groups_list(e.client, "X25519:P-384");
    cr_assert(handshake(&e));
    cr_assert_eq(program.asked, 1);
    ends_close(&e);
    tls_context_free(c);
}

// The client's first flight, changed on its way: `from` becomes `to`.
static bool handshake_changed(struct ends *e, const char *from, const char *to, size_t n)
{
    char *p;

    (void)SSL_do_handshake(e->client);
    int have = BIO_nread0(SSL_get_rbio(e->t.ssl), &p);
    char *at = have > 0 ? memmem(p, (size_t)have, from, n) : NULL;
    cr_assert_not_null(at);
    memcpy(at, to, n);
    return handshake(e);
}

Test(context_name, a_hostile_name_is_answered_with_an_alert)
{
    static const struct {
        const char *from, *to;
        size_t n;
        int alert;
    } cases[] = {
        {"evil.test", "ev\0l.test", 9, SSL_AD_UNRECOGNIZED_NAME},
        {"\x00\x00\x09" "evil.test", "\x01\x00\x09" "evil.test", 12, SSL_AD_DECODE_ERROR},
        {"\x00\x00\x09" "evil.test", "\x00\x00\x08" "evil.test", 12, SSL_AD_DECODE_ERROR},
        {"\x00\x00\x09" "evil.test", "\x00\xff\xff" "evil.test", 12, SSL_AD_DECODE_ERROR},
        {"\x00\x0c\x00\x00\x09" "evil", "\x00\x0d\x00\x00\x09" "evil", 9, SSL_AD_DECODE_ERROR},
    };
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);

    program.chosen = c;
    for (size_t i = 0; i < array_len(cases); i++) {
        struct ends e;
        open_named(&e, c, "evil.test");
        cr_assert_not(handshake_changed(&e, cases[i].from, cases[i].to, cases[i].n));
        cr_assert_eq(refused_with(), cases[i].alert, "case %zu: %d", i, refused_with());
        cr_assert_eq(program.asked, 0);
        ends_close(&e);
    }
    tls_context_free(c);
}

struct alpn_case {
    const char *offered, *agreed;
    bool done;
};

// A handshake for each case; what was agreed upon is the same to both ends.
static void check_alpn(struct tls_context *c, const struct alpn_case *cases, size_t count)
{
    program.chosen = c;
    for (size_t i = 0; i < count; i++) {
        struct ends e;
        const unsigned char *p;
        unsigned n = 0;
        open_named(&e, c, NULL);
        SSL_set_alpn_protos(e.client, (const unsigned char *)cases[i].offered,
                            (unsigned)strlen(cases[i].offered));
        cr_assert_eq(handshake(&e), cases[i].done, "case %zu", i);
        if (!cases[i].done)
            cr_assert_eq(refused_with(), SSL_AD_NO_APPLICATION_PROTOCOL);
        SSL_get0_alpn_selected(e.client, &p, &n);
        cr_assert_eq(n, strlen(cases[i].agreed), "case %zu", i);
        cr_assert(n == 0 || memcmp(p, cases[i].agreed, n) == 0);
        cr_assert_eq(tls_alpn_is_h2(e.t.ssl), strcmp(cases[i].agreed, "h2") == 0, "case %zu", i);
        ends_close(&e);
    }
}

Test(context_name, http_1_is_what_alpn_agrees_on)
{
    static const struct alpn_case cases[] = {
        {"\x02h2\x08http/1.1", "http/1.1", true},
        {"\x08http/1.0", "http/1.0", true},
        {"\x08http/1.0\x08http/1.1", "http/1.1", true},
        {"", "", true},
        {"\x02h2", "", false},
        {"\x08http/1.2\x03xyz", "", false},
    };
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);

    check_alpn(c, cases, array_len(cases));
    cr_assert_eq(program.asked_http2, array_len(cases) - 1); // not where there was no ALPN
    tls_context_free(c);
}

Test(context_name, h2_goes_before_http_1_where_it_is_served)
{
    static const struct alpn_case cases[] = {
        {"\x02h2\x08http/1.1", "h2", true},
        {"\x08http/1.1\x02h2", "h2", true},
        {"\x02h2", "h2", true},
        {"\x08http/1.1", "http/1.1", true},
        {"\x03h2c\x08http/1.0", "http/1.0", true},
        {"\x02h3\x03h2c\x05h2-14", "", false},
        {"", "", true},
    };
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);

    program.http2 = true;
    check_alpn(c, cases, array_len(cases));
    tls_context_free(c);
}

Test(context_name, http_2_is_asked_for_once_the_name_has_chosen)
{
    struct tls_settings s = defaults(1);
    struct tls_context *first = make_hooked(&s), *second = make_hooked(&s);
    struct ends e;

    program.chosen = second;
    program.http2 = true;
    open_named(&e, first, "second.test");
    SSL_set_alpn_protos(e.client, (const unsigned char *)"\x02h2", 3);
    cr_assert(handshake(&e));
    cr_assert_eq(program.http2_after, second);
    cr_assert(tls_alpn_is_h2(e.t.ssl));
    ends_close(&e);
    tls_context_free(first);
    tls_context_free(second);
}

// ALPN is no part of a session (RFC 7301, 3.1): a reload may have switched HTTP/2 off meanwhile.
Test(context_name, a_resumed_session_agrees_anew)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c = make_hooked(&s);
    const unsigned char both[] = "\x02h2\x08http/1.1";
    SSL_SESSION *session;
    struct ends e;

    program.chosen = c;
    program.http2 = true;
    open_named(&e, c, NULL);
    SSL_set_max_proto_version(e.client, TLS1_2_VERSION);
    SSL_set_alpn_protos(e.client, both, sizeof(both) - 1);
    cr_assert(handshake(&e) && tls_alpn_is_h2(e.t.ssl));
    session = SSL_get1_session(e.client);
    ends_close(&e);
    program.http2 = false;
    open_named(&e, c, NULL);
    SSL_set_max_proto_version(e.client, TLS1_2_VERSION);
    SSL_set_alpn_protos(e.client, both, sizeof(both) - 1);
    SSL_set_session(e.client, session);
    cr_assert(handshake(&e));
    cr_assert(SSL_session_reused(e.client));
    cr_assert_not(tls_alpn_is_h2(e.t.ssl));
    ends_close(&e);
    SSL_SESSION_free(session);
    tls_context_free(c);
}

Test(context_name, certificates_are_found_in_mid_handshake)
{
    struct tls_settings s = defaults(0);
    struct tls_context *c = make_hooked(&s);
    struct ends e;

    cr_assert(c->has_certificate);
    program.chosen = c;
    program.pair = &pairs[1];
    program.certificate = 1;
    open_named(&e, c, NULL);
    cr_assert(handshake(&e));
    cr_assert_eq(program.found_for, c);
    cr_assert_eq(X509_cmp(SSL_get0_peer_certificate(e.client), rsa.x509), 0);
    ends_close(&e);

    program.certificate = 0;
    open_named(&e, c, NULL);
    cr_assert_not(handshake(&e));
    ends_close(&e);
    tls_context_free(c);
}

Test(context_name, a_lookup_that_waits_is_asked_again)
{
    struct tls_settings s = defaults(0);
    struct tls_context *c = make_hooked(&s);
    struct ends e;

    program.chosen = c;
    program.pair = &pairs[0];
    program.certificate = -1;
    open_named(&e, c, NULL);
    (void)SSL_do_handshake(e.client);
    int rc = SSL_do_handshake(e.t.ssl);
    cr_assert_eq(SSL_get_error(e.t.ssl, rc), SSL_ERROR_WANT_X509_LOOKUP);
    cr_assert_eq(program.found, 1);
    program.certificate = 1;
    cr_assert(handshake(&e));
    cr_assert_eq(program.found, 2);
    ends_close(&e);
    tls_context_free(c);
}

Test(context_name, the_chosen_servers_certificates_are_looked_up)
{
    struct tls_settings first = defaults(1), second = defaults(0);
    struct tls_context *made[2];
    struct ends e;

    program.pair = &pairs[1];
    program.certificate = 1;
    cr_assert(cross(&e, &first, &second, made));
    cr_assert_eq(program.found_for, made[1]);
    cr_assert_eq(X509_cmp(SSL_get0_peer_certificate(e.client), rsa.x509), 0);
    end(&e, made);
}
