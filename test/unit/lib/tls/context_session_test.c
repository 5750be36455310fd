// SPDX-License-Identifier: Apache-2.0
//
// Resumption: by ticket and by cache, over contexts of other processes, and what it must not cross.
#include <time.h>
#include <unistd.h>

#include "lib/tls/session_cache.h"
#include "lib/tls/ticket_keys.h"
#include "test/unit/lib/tls/context_fixture.h"

static struct tls_ticket_keys *keys, *other_keys;
static struct tls_session_cache *cache;
static SSL_CTX *client;
static SSL_SESSION *session; // the newest that the client was given
static unsigned given;       // since the last meeting began
static int version;          // the client's newest

static int on_session(SSL *ssl, SSL_SESSION *s)
{
    (void)ssl;
    given++;
    SSL_SESSION_free(session);
    session = s;
    return 1;
}

static void init(void)
{
    context_init();
    keys = tls_ticket_keys_new();
    other_keys = tls_ticket_keys_new();
    cache = tls_session_cache_new(1 << 20);
    cr_assert(keys != NULL && other_keys != NULL && cache != NULL);
    client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, on_session);
    version = TLS1_3_VERSION;
}

static void fini(void)
{
    SSL_SESSION_free(session);
    SSL_CTX_free(client);
    tls_session_cache_free(cache);
    tls_ticket_keys_free(keys);
    tls_ticket_keys_free(other_keys);
    context_fini();
}

TestSuite(context_session, .init = init, .fini = fini);

static void forget(void)
{
    SSL_SESSION_free(session);
    session = NULL;
}

// A handshake with what the client was given last. True when it was resumed.
static bool resumed(const struct tls_context *c)
{
    struct ends e;

    ends_open(&e, c, client, NULL);
    SSL_set_max_proto_version(e.client, version);
    if (session != NULL)
        cr_assert(SSL_set_session(e.client, session));
    given = 0;
    cr_assert(handshake(&e));
    bool yes = SSL_session_reused(e.client) == 1;
    cr_assert_eq(SSL_session_reused(e.t.ssl), yes);
    if (version == TLS1_2_VERSION) { // OpenSSL does not tell of a ticket that was renewed
        forget();
        session = SSL_get1_session(e.client);
    }
    ends_close(&e);
    return yes;
}

// Meets one server afresh, then another. True when the second resumes what the first gave.
static bool carries(const struct tls_settings *first, const struct tls_settings *second)
{
    struct tls_context *a = make(first), *b = make(second);

    forget();
    cr_assert_not(resumed(a));
    bool yes = resumed(b);
    tls_context_free(a);
    tls_context_free(b);
    return yes;
}

static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};

Test(context_session, a_ticket_is_good_for_every_context_of_the_same_keys)
{
    for (int i = 0; i < 2; i++) {
        struct tls_settings s = defaults(2), other = s;
        version = versions[i];
        s.tickets = keys;
        other.tickets = other_keys;
        cr_assert(carries(&s, &s));
        cr_assert_not(carries(&s, &other));
        cr_assert_eq(tls_session_cache_count(cache), 0);
    }
}

Test(context_session, one_ticket_is_given_and_a_resumption_renews_it)
{
    struct tls_settings s = defaults(1);
    struct tls_context *c;

    s.tickets = keys;
    c = make(&s);
    cr_assert_not(resumed(c));
    cr_assert_eq(given, 1);
    for (int i = 0; i < 3; i++) {
        cr_assert(resumed(c));
        cr_assert_eq(given, 1);
    }
    tls_context_free(c);
}

Test(context_session, a_ticket_of_an_older_key_is_taken_and_replaced)
{
    for (int i = 0; i < 2; i++) {
        struct tls_settings s = defaults(1);
        version = versions[i];
        s.tickets = keys;
        struct tls_context *c = make(&s);
        forget();
        cr_assert_not(resumed(c));
        for (int k = 0; k < 2 * TLS_TICKET_KEYS; k++) {
            cr_assert_eq(tls_ticket_keys_rotate(keys), 0);
            cr_assert(resumed(c)); // by the ticket of the last turn: three turns are a key's life
        }
        for (int k = 0; k < TLS_TICKET_KEYS; k++)
            cr_assert_eq(tls_ticket_keys_rotate(keys), 0);
        cr_assert_not(resumed(c));
        tls_context_free(c);
    }
}

Test(context_session, key_files_are_used_instead_of_the_masters_keys)
{
    static char bytes[80] = "0123456789abcdef", wrong[80] = "fedcba9876543210";
    struct tls_key_file file = {write_text("key", bytes, 80), NULL};
    struct tls_key_file second = {write_text("second", wrong, 48), &file};
    struct tls_settings s = defaults(1), both = s, without = s;

    s.tickets = keys;
    s.key_files = &file;
    both.tickets = other_keys;
    both.key_files = &second;
    without.tickets = keys;
    cr_assert(carries(&s, &both));
    cr_assert_not(carries(&both, &s));
    cr_assert_not(carries(&s, &without));
    file.path = "/nonexistent/key";
    struct tls_context *c;
    cr_assert_eq(tls_context_make(&s, NULL, &c, why, NULL), -EINVAL);
    cr_assert_str_eq(why, "open() \"/nonexistent/key\" failed (2: No such file or directory)");
}

Test(context_session, without_tickets_the_shared_cache_resumes)
{
    for (int i = 0; i < 2; i++) {
        struct tls_settings s = defaults(1);
        version = versions[i];
        s.tickets = keys;
        s.session_tickets = false;
        s.cache = cache;
        cr_assert(carries(&s, &s));
        cr_assert_gt(tls_session_cache_count(cache), 0);
    }
}

Test(context_session, with_tickets_the_cache_is_for_clients_without_them)
{
    struct tls_settings s = defaults(1);

    s.tickets = keys;
    s.cache = cache;
    cr_assert(carries(&s, &s));
    cr_assert_eq(tls_session_cache_count(cache), 0);
    SSL_CTX_set_options(client, SSL_OP_NO_TICKET);
    version = TLS1_2_VERSION;
    cr_assert(carries(&s, &s));
    cr_assert_eq(tls_session_cache_count(cache), 1);
}

Test(context_session, nothing_is_kept_and_no_useless_ticket_sent_when_it_is_off)
{
    static const enum tls_builtin_cache kinds[] = {TLS_CACHE_OFF, TLS_CACHE_NONE};

    for (int i = 0; i < 4; i++) {
        struct tls_settings s = defaults(1);
        s.session_tickets = false;
        s.builtin_cache = kinds[i % 2];
        s.cache = i % 2 == 0 ? cache : NULL; // "off" wins
        version = versions[i / 2];
        cr_assert_not(carries(&s, &s));
        cr_assert(version == TLS1_2_VERSION || given == 0);
        cr_assert_eq(tls_session_cache_count(cache), 0);
    }
}

Test(context_session, the_builtin_cache_is_of_one_process)
{
    struct tls_settings s = defaults(1);

    s.session_tickets = false;
    s.builtin_cache = TLS_CACHE_BUILTIN;
    s.builtin_sessions = 10;
    for (int i = 0; i < 2; i++) {
        version = versions[i];
        struct tls_context *c = make(&s);
        forget();
        cr_assert_not(resumed(c));
        cr_assert(resumed(c));
        tls_context_free(c);
        cr_assert_not(carries(&s, &s));
    }
}

Test(context_session, a_context_that_goes_leaves_the_shared_sessions)
{
    struct tls_settings s = defaults(1);

    s.session_tickets = false;
    s.builtin_cache = TLS_CACHE_BUILTIN;
    s.cache = cache;
    struct tls_context *c = make(&s);
    cr_assert_not(resumed(c));
    size_t kept = tls_session_cache_count(cache);
    cr_assert_gt(kept, 0);
    tls_context_free(c);
    cr_assert_eq(tls_session_cache_count(cache), kept);
    c = make(&s);
    cr_assert(resumed(c));
    tls_context_free(c);
}

Test(context_session, sessions_do_not_cross_certificates_authorities_or_names)
{
    struct identity second = make_identity("authority", EVP_EC_gen("P-256"), NULL, 30);
    struct tls_settings base = defaults(1), s;

    base.tickets = keys;
    s = base;
    s.pairs = &pairs[1];
    cr_assert_not(carries(&base, &s), "another certificate");
    s = base;
    s.id = "somebody else";
    cr_assert_not(carries(&base, &s));
    cr_assert_not(carries(&s, &base));
    s = base;
    s.verify = TLS_VERIFY_OPTIONAL;
    s.client_certificate = ca.certificate;
    cr_assert_not(carries(&base, &s));
    cr_assert(carries(&s, &s));
    base = s;
    s.client_certificate = second.certificate;
    cr_assert_not(carries(&base, &s), "an authority of the same name");
    base.client_certificate = NULL;
    base.trusted_certificate = ca.certificate;
    s = base;
    s.trusted_certificate = second.certificate;
    cr_assert_not(carries(&base, &s), "an authority that clients are not told of");
    s = base;
    s.verify_depth++;
    cr_assert_not(carries(&base, &s));
    free_identity(&second);
}

// What nginx's ngx_ssl_session_id_context() makes of a server that verifies no clients: with a key
// file of both, a ticket of one is good for the other.
Test(context_session, the_id_context_is_nginxs)
{
    struct tls_settings s = defaults(2);
    unsigned char text[64] = "HTTP", id[32], digest[32];
    unsigned n = 0, id_n = 0;
    struct tls_context *c;
    struct ends e;

    cr_assert(X509_digest(ec.x509, EVP_sha1(), text + 4, &n) && n == 20);
    cr_assert(X509_digest(rsa.x509, EVP_sha1(), text + 24, &n) && n == 20);
    cr_assert(EVP_Digest(text, 44, digest, &n, EVP_sha1(), NULL));
    c = make(&s);
    ends_open(&e, c, client, NULL);
    cr_assert(handshake(&e));
    const unsigned char *p =
        SSL_SESSION_get0_id_context(SSL_get0_session(e.t.ssl), &id_n);
    cr_assert_eq(id_n, 20);
    memcpy(id, p, id_n);
    cr_assert_arr_eq(id, digest, 20);
    ends_close(&e);
    tls_context_free(c);
}

// OpenSSL would begin the whole timeout anew with each resumption of TLS 1.3, and a client
// certificate that was revoked meanwhile would never be looked at again.
Test(context_session, resumptions_do_not_prolong_a_session, .timeout = 30)
{
    for (int i = 0; i < 2; i++) { // tickets, then the cache
        struct tls_settings s = defaults(1);
        s.tickets = keys;
        s.session_tickets = i == 0;
        s.cache = i == 0 ? NULL : cache;
        s.session_timeout_s = 3;
        struct tls_context *c = make(&s);
        forget();
        cr_assert_not(resumed(c));
        time_t begin = time(NULL);
        cr_assert_eq(SSL_SESSION_get_ticket_lifetime_hint(session), 3);
        while (resumed(c)) {
            cr_assert_leq(time(NULL), begin + 4);
            usleep(300 * 1000);
        }
        cr_assert_geq(time(NULL), begin + 2);
        tls_context_free(c);
    }
}

Test(context_session, a_shorter_timeout_is_kept_by_longer_ones)
{
    struct tls_settings longer = defaults(1), shorter = longer;
    struct tls_context *a, *b;

    longer.tickets = shorter.tickets = keys;
    shorter.session_timeout_s = 100;
    a = make(&longer);
    b = make(&shorter);
    cr_assert_not(resumed(a));
    cr_assert_eq(SSL_SESSION_get_ticket_lifetime_hint(session), 300);
    cr_assert(resumed(b));
    unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(session);
    cr_assert(hint > 90 && hint <= 100);
    cr_assert(resumed(a));
    cr_assert_leq(SSL_SESSION_get_ticket_lifetime_hint(session), hint);
    tls_context_free(a);
    tls_context_free(b);
}

static const struct tls_context *chosen;

static const struct tls_context *choose(void *owner, struct sv name)
{
    (void)owner;
    (void)name;
    return chosen;
}

// The sessions of a listening socket are its default server's, as with nginx, whatever server the
// name chose: OpenSSL looks there before and saves there after.
Test(context_session, the_first_context_keeps_the_sessions_of_chosen_ones)
{
    static const struct tls_hooks hooks = {.server_name = choose};
    struct tls_session_cache *second = tls_session_cache_new(1 << 20);
    struct tls_context *made[2];

    for (int i = 0; i < 4; i++) {
        struct tls_settings s = defaults(1), t = s;
        version = versions[i % 2];
        s.session_tickets = t.session_tickets = i >= 2;
        s.cache = cache;
        t.cache = i == 0 ? second : NULL;
        s.tickets = keys;
        t.tickets = other_keys;
        cr_assert_eq(tls_context_make(&s, &hooks, &made[0], why, NULL), 0);
        cr_assert_eq(tls_context_make(&t, &hooks, &made[1], why, NULL), 0);
        chosen = made[1];
        forget();
        cr_assert_not(resumed(made[0]));
        cr_assert(resumed(made[0]), "case %d", i);
        cr_assert_eq(tls_session_cache_count(second), 0);
        tls_context_free(made[0]);
        tls_context_free(made[1]);
    }
    tls_session_cache_free(second);
}

// Early data in a resumed handshake: what the server made of "hello".
static int send_early(const struct tls_context *c)
{
    struct ends e;
    char buf[16];
    size_t n = 0;

    ends_open(&e, c, client, NULL);
    cr_assert(SSL_set_session(e.client, session));
    cr_assert_eq(SSL_write_early_data(e.client, "hello", 5, &n), 1);
    int rc = SSL_read_early_data(e.t.ssl, buf, sizeof(buf), &n);
    if (rc == SSL_READ_EARLY_DATA_SUCCESS)
        cr_assert(n == 5 && memcmp(buf, "hello", 5) == 0);
    ends_close(&e);
    return rc;
}

Test(context_session, early_data_is_taken_where_it_is_allowed)
{
    struct tls_settings s = defaults(1), off = s;
    struct tls_context *c, *without;

    s.tickets = off.tickets = keys;
    s.early_data = true;
    c = make(&s);
    without = make(&off);
    cr_assert_not(resumed(without));
    cr_assert_eq(SSL_SESSION_get_max_early_data(session), 0);
    cr_assert_not((forget(), resumed(c)));
    cr_assert_eq(SSL_SESSION_get_max_early_data(session), 16384);
    cr_assert_eq(send_early(c), SSL_READ_EARLY_DATA_SUCCESS);
    cr_assert_neq(send_early(without), SSL_READ_EARLY_DATA_SUCCESS);
    tls_context_free(c);
    tls_context_free(without);
}
