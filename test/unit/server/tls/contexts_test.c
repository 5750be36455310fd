// SPDX-License-Identifier: Apache-2.0
//
// From configurations to contexts, with certificates in a folder.
#include "server/tls/contexts.h"

#include "server/conn/conn_tls.h"
#include "server/tls/cache_zones.h"
#include "test/unit/lib/tls/rsa_key.h"
#include "test/unit/server/directives/load_fixture.h"
#include "test/unit/server/tls/files_fixture.h"

#include <criterion/redirect.h>

static struct identity ec, rsa;
static struct config *config;

static void init(void)
{
    folder_make();
    ec = make_identity("ec", EVP_EC_gen("P-256"), NULL, 30);
    rsa = make_identity("rsa", rsa_key(), NULL, 30);
    folder_write_pair("ec", &ec);
    folder_write_pair("rsa", &rsa);
}

static void fini(void)
{
    if (config != NULL) {
        tls_contexts_close(config->http);
        tls_cache_zones_close(config->http);
        config_free(config);
    }
    free_identity(&ec);
    free_identity(&rsa);
    folder_remove();
}

TestSuite(contexts, .init = init, .fini = fini);

// printf with as many %1$s as it likes: the folder.
static int open_text(const char *format)
{
    char text[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof(text), format, folder);
#pragma GCC diagnostic pop
    config = load_http(text);
    cr_assert_eq(tls_cache_zones_open(config->http), 0);
    return tls_contexts_open(config->http, NULL);
}

static const struct tls_conf *server(unsigned n)
{
    return &config->http->servers[n]->tls;
}

#define EC_PAIR "ssl_certificate %1$s/ec.crt; ssl_certificate_key %1$s/ec.key;\n"
#define RSA_PAIR "ssl_certificate %1$s/rsa.crt; ssl_certificate_key %1$s/rsa.key;\n"

Test(contexts, a_server_with_certificates_gets_one_and_others_do_not)
{
    cr_assert_eq(open_text("server { listen 443 ssl; " EC_PAIR RSA_PAIR "}\n"
                           "server { listen 81; }\n"
                           "server { listen 82; ssl_reject_handshake on; }"), 0);
    const struct tls_context *c = server(0)->context;

    cr_assert_eq(c->server, config->http->servers[0]);
    cr_assert_eq(c->hooks, &conn_tls_hooks);
    cr_assert_eq(c->ncertificates, 2);
    cr_assert_eq(X509_cmp(c->certificates[0].x509, ec.x509), 0);
    cr_assert_eq(X509_cmp(c->certificates[1].x509, rsa.x509), 0);
    cr_assert(c->has_certificate);
    cr_assert_null(server(1)->context);
    cr_assert_not_null(server(2)->context);
    cr_assert(server(2)->context->settings->reject_handshake);
    tls_contexts_close(config->http);
    cr_assert_null(server(0)->context);
}

Test(contexts, settings_say_what_the_directives_said)
{
    cr_assert_eq(open_text("server { " EC_PAIR "ssl_protocols SSLv3 TLSv1.2; ssl_ciphers AES;\n"
                           "ssl_ecdh_curve P-256; ssl_verify_client optional_no_ca;\n"
                           "ssl_verify_depth 4; ssl_client_certificate %1$s/rsa.crt;\n"
                           "ssl_trusted_certificate %1$s/ec.crt; ssl_session_timeout 7m;\n"
                           "ssl_session_tickets off; ssl_early_data on; ssl_stapling_file x;\n"
                           "ssl_prefer_server_ciphers on; }"), 0);
    const struct tls_settings *s = &server(0)->settings;

    cr_assert_eq(s->protocols, TLS_1_2);
    cr_assert_str_eq(s->ciphers, "AES");
    cr_assert_str_eq(s->curves, "P-256");
    cr_assert_eq(s->verify, TLS_VERIFY_OPTIONAL_NO_CA);
    cr_assert_eq(s->verify_depth, 4);
    cr_assert_not_null(s->client_certificate);
    cr_assert_not_null(s->trusted_certificate);
    cr_assert_eq(s->session_timeout_s, 420);
    cr_assert_not(s->session_tickets);
    cr_assert(s->early_data && s->prefer_server_ciphers);
    cr_assert_null(s->staple_file, "ssl_stapling is off");
    cr_assert_str_eq(s->id, "HTTP");
}

Test(contexts, authorities_of_clients_count_only_where_clients_are_asked)
{
    cr_assert_eq(open_text("ssl_client_certificate %1$s/none.crt;\nserver { " EC_PAIR "}"), 0);
    cr_assert_null(server(0)->settings.client_certificate);
    cr_assert_null(server(0)->settings.ciphers, "ours");
    cr_assert_str_eq(server(0)->settings.curves, "auto");
}

Test(contexts, session_caches_are_those_of_nginx)
{
    cr_assert_eq(open_text("ssl_session_cache shared:A:1m;\n" EC_PAIR
                           "server {}\n"
                           "server { listen 81; ssl_session_cache builtin:9; }\n"
                           "server { listen 82; ssl_session_cache none; }\n"
                           "server { listen 83; ssl_session_cache off; }"), 0);
    struct tls_session_cache *a = config->http->tls_cache_zones->cache;

    cr_assert_not_null(a);
    cr_assert(server(0)->settings.cache == a &&
              server(0)->settings.builtin_cache == TLS_CACHE_NONE);
    cr_assert(server(1)->settings.cache == a && server(1)->settings.builtin_sessions == 9 &&
              server(1)->settings.builtin_cache == TLS_CACHE_BUILTIN);
    cr_assert(server(2)->settings.cache == NULL &&
              server(2)->settings.builtin_cache == TLS_CACHE_NONE);
    cr_assert(server(3)->settings.cache == NULL &&
              server(3)->settings.builtin_cache == TLS_CACHE_OFF);
}

Test(contexts, certificates_that_vary_are_not_loaded_but_their_passwords_are)
{
    folder_write("passwords", "one\n\ntwo\n");
    cr_assert_eq(open_text("server { ssl_certificate $host.crt; ssl_certificate_key k.key;\n"
                           "ssl_password_file %1$s/passwords; }"), 0);
    cr_assert_eq(server(0)->settings.npairs, 0);
    cr_assert(server(0)->context->has_certificate);
    cr_assert_eq(server(0)->passwords.n, 2);
    cr_assert_str_eq(server(0)->settings.id, "HTTP:$host.crt");
    tls_contexts_close(config->http);
    cr_assert_eq(server(0)->passwords.n, 0);
}

static void assert_said(const char *words)
{
    char text[4096] = "";

    fflush(stderr);
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr()), 0);
    cr_assert_not_null(strstr(text, words), "%s", text);
}

Test(contexts, what_cannot_be_loaded_is_said_and_nothing_stays_open)
{
    cr_redirect_stderr();
    cr_assert_eq(open_text("server { " EC_PAIR "}\n"
                           "server { listen 81; ssl_certificate none.crt;\n"
                           "ssl_certificate_key none.key; }"), -EINVAL);
    cr_assert_null(server(0)->context);
    cr_assert_null(server(1)->context);
    assert_said("[emerg] cannot load certificate \"/tmp/none.crt\": BIO_new_file() failed (SSL: ");
}

Test(contexts, a_key_that_does_not_fit_is_refused)
{
    cr_redirect_stderr();
    cr_assert_eq(open_text("server { ssl_certificate %1$s/ec.crt;\n"
                           "ssl_certificate_key %1$s/rsa.key; }"), -EINVAL);
    assert_said("SSL_CTX_use_PrivateKey(");
}

Test(contexts, stapling_that_cannot_be_is_a_warning)
{
    cr_redirect_stderr();
    cr_assert_eq(open_text("server { " EC_PAIR "ssl_stapling on; }"), 0);
    assert_said("[warn] \"ssl_stapling\" ignored, ");
}

Test(contexts, full_paths)
{
    struct arena a;

    arena_init(&a, NULL);
    cr_assert_str_eq(tls_full_path(&a, "/etc/", SV("x.pem")), "/etc/x.pem");
    cr_assert_str_eq(tls_full_path(&a, "/etc/", SV("/x.pem")), "/x.pem");
    cr_assert_str_eq(tls_full_path(&a, "/etc/", SV("data:x")), "data:x");
    cr_assert_str_eq(tls_full_path(&a, "/etc/", SV("store:x")), "store:x");
    arena_reset(&a);
}
