// SPDX-License-Identifier: Apache-2.0
//
// Certificates that are found in mid-handshake: handshakes over memory, with the hooks of the
// program and a connection that has nothing but what they read.
#include "server/tls/certificate_hook.h"

#include "server/conn/conn.h"
#include "server/conn/conn_tls.h"
#include "server/tls/contexts.h"
#include "server/worker.h"
#include "test/unit/server/directives/load_fixture.h"
#include "test/unit/lib/tls/handshake_fixture.h"
#include "test/unit/lib/tls/rsa_key.h"
#include "test/unit/server/tls/files_fixture.h"

static struct identity a, b, rsa;
static struct config *config;
static struct worker *worker;
static struct stats stats;
static struct conn conn;
static char logged[4096];

static void emit(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    memcpy(logged, line, min_of(n, sizeof(logged) - 1));
    logged[min_of(n, sizeof(logged) - 1)] = '\0';
}

static struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = emit};

static void init(void)
{
    folder_make();
    a = make_identity("a", EVP_EC_gen("P-256"), NULL, 30);
    b = make_identity("b", EVP_EC_gen("P-256"), NULL, 30);
    rsa = make_identity("rsa", rsa_key(), NULL, 30);
    folder_write_pair("a.test", &a);
    folder_write_pair("b.test", &b);
    worker = calloc(1, (sizeof(*worker) + 63) / 64 * 64);
    log_use(&sink);
}

static void fini(void)
{
    tls_certificate_hook_forget();
    log_use(NULL);
    tls_contexts_close(config->http);
    config_free(config);
    worker_free_requests(worker);
    arena_pool_drain(&worker->chunks);
    free(worker);
    free_identity(&a);
    free_identity(&b);
    free_identity(&rsa);
    folder_remove();
}

TestSuite(certificate_hook, .init = init, .fini = fini);

#define VARYING "ssl_certificate %1$s/$ssl_server_name.crt;\n" \
                "ssl_certificate_key %1$s/$ssl_server_name.key;\n"

// `format` with the folder, as the only server.
static void begin(const char *format)
{
    char inner[1024], text[1200];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(inner, sizeof(inner), format, folder);
#pragma GCC diagnostic pop
    snprintf(text, sizeof(text), "server { listen 443 ssl; %s }", inner);
    config = load_http(text);
    cr_assert_eq(tls_contexts_open(config->http, NULL), 0);
    worker->magic = WORKER_MAGIC;
    worker->config = config;
    worker->stats = &stats;
    conn = (struct conn){.magic = CONN_MAGIC, .worker = worker, .listen = config->http->listens,
                         .fd = -1, .peer_known = true, .number = 42, .requests = 3};
}

// What a client that asks for `name` is shown: NULL when the handshake fails.
static X509 *shown(const char *name)
{
    const struct tls_context *context = config->http->servers[0]->tls.context;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    struct ends e;

    logged[0] = '\0';
    ends_open(&e, context, client, &conn);
    conn.tls = &e.t;
    SSL_set_tlsext_host_name(e.client, name);
    X509 *x = handshake(&e) ? SSL_get1_peer_certificate(e.client) : NULL;
    conn.tls = NULL;
    ends_close(&e);
    SSL_CTX_free(client);
    return x;
}

static bool shows(const char *name, const struct identity *i)
{
    X509 *x = shown(name);
    bool same = x != NULL && X509_cmp(x, i->x509) == 0;

    X509_free(x);
    return same;
}

Test(certificate_hook, the_name_chooses_the_certificate)
{
    begin(VARYING);
    cr_assert(shows("a.test", &a), "%s", logged);
    cr_assert(shows("b.test", &b), "%s", logged);
}

Test(certificate_hook, what_it_reads_variables_of_is_no_request)
{
    begin(VARYING);
    cr_assert(shows("a.test", &a));
    cr_assert_null(shown("none.test"));
    cr_assert_eq(conn.requests, 3);
    cr_assert_eq(atomic_load(&stats.requests), 0);
    cr_assert_null(conn.request);
}

Test(certificate_hook, without_a_cache_a_new_file_counts_at_once)
{
    begin(VARYING);
    cr_assert(shows("a.test", &a));
    folder_write_pair("a.test", &b);
    cr_assert(shows("a.test", &b));
}

Test(certificate_hook, with_a_cache_the_old_one_is_shown_for_a_while)
{
    begin(VARYING "ssl_certificate_cache max=10;");
    cr_assert(shows("a.test", &a));
    folder_write_pair("a.test", &b);
    cr_assert(shows("a.test", &a));
}

// The key was replaced together with the certificate, but is still the old one in the cache.
Test(certificate_hook, halves_of_two_pairs_are_read_again)
{
    folder_write("current.key", a.private_key + strlen("data:"));
    begin("ssl_certificate %1$s/$ssl_server_name.crt; ssl_certificate_key %1$s/current.key;\n"
          "ssl_certificate_cache max=10;");
    cr_assert(shows("a.test", &a));
    folder_write("current.key", b.private_key + strlen("data:"));
    cr_assert(shows("b.test", &b), "%s", logged);
}

Test(certificate_hook, a_key_of_another_certificate_fails_the_handshake)
{
    begin("ssl_certificate %1$s/$ssl_server_name.crt; ssl_certificate_key %1$s/b.test.key;\n"
          "ssl_certificate_cache max=10;");
    cr_assert_null(shown("a.test"));
    cr_assert_not_null(strstr(logged, "[error]"), "%s", logged);
    cr_assert_not_null(strstr(logged, "*42 SSL_use_PrivateKey(\""), "%s", logged);
}

Test(certificate_hook, a_key_of_another_type_fails_the_handshake)
{
    begin("ssl_certificate %1$s/$ssl_server_name.crt; ssl_certificate_key %1$s/rsa.key;\n");
    folder_write_pair("rsa", &rsa);
    cr_assert_null(shown("a.test"));
    cr_assert_not_null(strstr(logged, "SSL_use_PrivateKey(\""), "%s", logged);
}

Test(certificate_hook, a_missing_file_is_logged_in_the_words_of_nginx)
{
    begin(VARYING);
    cr_assert_null(shown("none.test"));
    cr_assert_not_null(strstr(logged, "[error]"), "%s", logged);
    cr_assert_not_null(strstr(logged, "*42 cannot load certificate \"/tmp/millrace-tls-"));
    cr_assert_not_null(strstr(logged, "none.test.crt\": BIO_new_file() failed (SSL: error:"));
    cr_assert_not_null(strstr(logged, " while SSL handshaking, client: "), "%s", logged);
}

Test(certificate_hook, a_name_cannot_lead_out_of_the_folder)
{
    begin("ssl_certificate %1$s/sub/$ssl_server_name.crt;\n"
          "ssl_certificate_key %1$s/sub/$ssl_server_name.key;");
    cr_assert_eq(mkdir(folder_path("sub"), 0700), 0);
    cr_assert_null(shown("../a.test"));
}

Test(certificate_hook, passwords_open_keys_although_their_file_is_gone)
{
    folder_write("passwords", "wrong\nsecret\n");
    folder_write_locked("a.test.key", a.key, "secret");
    begin(VARYING "ssl_password_file %1$s/passwords;");
    unlink(folder_path("passwords"));
    cr_assert(shows("a.test", &a), "%s", logged);
}

Test(certificate_hook, certificates_that_are_known_are_left_alone)
{
    begin("ssl_certificate %1$s/a.test.crt; ssl_certificate_key %1$s/a.test.key;");
    cr_assert(shows("whatever.test", &a));
}
