// SPDX-License-Identifier: Apache-2.0
//
// ssl_*: what is inherited, where paths start, what nginx refuses. No file is opened here.
#include "test/unit/server/directives/load_fixture.h"

#include <criterion/redirect.h>

#define PAIR "ssl_certificate c.pem; ssl_certificate_key k.pem;\n"

static const struct tls_conf *server(const struct config *c, unsigned n)
{
    return &c->http->servers[n]->tls;
}

// Relative paths of these directives start where the configuration file is.
static void assert_beside_file(struct sv path, const char *name)
{
    cr_assert(sv_starts(path, SV("/tmp/")), "%.*s", SV_ARG(path));
    assert_sv(sv_skip(path, 5), name);
}

Test(ssl, everything_has_the_default_of_nginx)
{
    struct config *c = load_http("server {}");
    const struct tls_conf *t = server(c, 0);

    cr_assert_null(t->certificates);
    cr_assert_null(t->commands);
    cr_assert_null(t->ticket_keys);
    cr_assert_null(t->cache_zone);
    cr_assert_null(t->certificate_policy);
    cr_assert_eq(t->protocols, TLS_1_2 | TLS_1_3);
    cr_assert_null(t->ciphers.p);
    assert_sv(t->ecdh_curve, "auto");
    cr_assert_eq(t->buffer_size, 16384);
    cr_assert_eq(t->session_timeout_s, 300);
    cr_assert_eq(t->session_tickets, 1);
    cr_assert_eq(t->cache_mode, TLS_CACHE_MODE_NONE);
    cr_assert_eq(t->verify, TLS_VERIFY_OFF);
    cr_assert_eq(t->verify_depth, 1);
    cr_assert_eq(t->prefer_server_ciphers + t->early_data + t->stapling + t->stapling_verify +
                 t->reject_handshake + t->certificate_compression, 0);
    cr_assert_not(c->http->listens->ssl);
    config_free(c);
}

Test(ssl, every_directive_reaches_its_field)
{
    struct config *c = load_http(
        "server { listen 443 ssl;\n" PAIR
        "ssl_password_file p; ssl_protocols TLSv1.3 tlsv1; ssl_ciphers X:Y;\n"
        "ssl_prefer_server_ciphers on; ssl_ecdh_curve P-256; ssl_dhparam /d.pem;\n"
        "ssl_conf_command Options -KTLS; ssl_conf_command Certificate c.pem; ssl_buffer_size 4k;\n"
        "ssl_early_data on; ssl_session_timeout 1h; ssl_session_tickets off;\n"
        "ssl_session_ticket_key one; ssl_session_ticket_key /two; ssl_verify_client optional;\n"
        "ssl_verify_depth 3; ssl_client_certificate ca; ssl_trusted_certificate ta; ssl_crl r;\n"
        "ssl_stapling on; ssl_stapling_file s; ssl_stapling_responder http://x/;\n"
        "ssl_stapling_verify on; ssl_ocsp off; ssl_ocsp_cache off; }");
    const struct tls_conf *t = server(c, 0);

    cr_assert(c->http->listens->ssl);
    assert_beside_file(t->password_file, "p");
    cr_assert_eq(t->protocols, TLS_1_0 | TLS_1_3);
    assert_sv(t->ciphers, "X:Y");
    assert_sv(t->ecdh_curve, "P-256");
    assert_sv(t->dhparam, "/d.pem");
    cr_assert_str_eq(t->commands->name, "Options");
    cr_assert_str_eq(t->commands->value, "-KTLS");
    assert_beside_file(sv_from(t->commands->next->value), "c.pem");
    cr_assert_null(t->commands->next->next);
    cr_assert_eq(t->buffer_size, 4096);
    cr_assert_eq(t->session_timeout_s, 3600);
    cr_assert_eq(t->session_tickets, 0);
    assert_beside_file(sv_from(t->ticket_keys->path), "one");
    cr_assert_str_eq(t->ticket_keys->next->path, "/two");
    cr_assert_eq(t->verify, TLS_VERIFY_OPTIONAL);
    cr_assert_eq(t->verify_depth, 3);
    assert_beside_file(t->client_certificate, "ca");
    assert_beside_file(t->trusted_certificate, "ta");
    assert_beside_file(t->crl, "r");
    assert_beside_file(t->stapling_file, "s");
    assert_sv(t->stapling_responder, "http://x/");
    cr_assert_eq(t->prefer_server_ciphers + t->early_data + t->stapling + t->stapling_verify, 4);
    config_free(c);
}

Test(ssl, certificates_add_up_in_order_and_are_inherited_as_one)
{
    struct config *c = load_http("ssl_certificate rsa.pem; ssl_certificate ec.pem;\n"
                                 "ssl_certificate_key rsa.key; ssl_certificate_key ec.key;\n"
                                 "server {}\n"
                                 "server { listen 81; ssl_certificate data:x; }");
    const struct tls_conf *t = server(c, 0);

    assert_sv(t->certificates->value->literal, "rsa.pem");
    assert_sv(t->certificates->next->value->literal, "ec.pem");
    cr_assert_null(t->certificates->next->next);
    assert_sv(t->keys->next->value->literal, "ec.key");
    cr_assert_str_eq(t->directory, "/tmp/");
    cr_assert_not(t->certificates_vary);
    assert_sv(server(c, 1)->certificates->value->literal, "data:x");
    cr_assert_null(server(c, 1)->certificates->next);
    cr_assert_str_eq(server(c, 1)->directory, "/tmp/");
    config_free(c);
}

Test(ssl, a_variable_in_either_path_makes_them_vary)
{
    struct config *c = load_http("server { ssl_certificate $host.pem; ssl_certificate_key k; }\n"
                                 "server { ssl_certificate c; ssl_certificate_key $host.key; }\n"
                                 "server { " PAIR "ssl_certificate_key $host.key; }");

    cr_assert(server(c, 0)->certificates_vary);
    cr_assert(server(c, 1)->certificates_vary);
    // A key without a certificate has no part in it.
    cr_assert_not(server(c, 2)->certificates_vary);
    config_free(c);
}

Test(ssl, lines_of_protocols_add_up_and_the_old_ones_may_be_said)
{
    cr_redirect_stderr();
    struct config *c = load_http("server { " PAIR "ssl_protocols SSLv2 SSLv3;\n"
                                 "ssl_protocols TLSv1.1; ssl_protocols TLSv1.1; }");

    cr_assert_eq(server(c, 0)->protocols, TLS_1_1 | TLS_CONF_SSL_2 | TLS_CONF_SSL_3);
    config_free(c);
    fflush(stderr);
    char text[512] = "";
    FILE *err = cr_get_redirected_stderr();
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, err), 0);
    cr_assert_not_null(strstr(text, "duplicate value \"TLSv1.1\" in "), "%s", text);
}

Test(ssl, session_cache_in_all_its_forms)
{
    struct config *c = load_http("ssl_session_cache shared:A:1m;\n"
                                 "server {}\n"
                                 "server { ssl_session_cache builtin:7; }\n"
                                 "server { ssl_session_cache none; }\n"
                                 "server { ssl_session_cache off; }\n"
                                 "server { ssl_session_cache builtin shared:B:2m; }\n"
                                 "server { ssl_session_cache shared:A:1m; }");
    const struct tls_cache_zone *a = server(c, 0)->cache_zone;

    assert_sv(a->name, "A");
    cr_assert_eq(a->size, 1 << 20);
    cr_assert_eq(server(c, 0)->cache_mode, TLS_CACHE_MODE_ZONE);
    cr_assert_eq(server(c, 1)->cache_mode, TLS_CACHE_MODE_BUILTIN);
    cr_assert_eq(server(c, 1)->builtin_sessions, 7);
    cr_assert_eq(server(c, 1)->cache_zone, a, "nginx inherits the zone");
    cr_assert_eq(server(c, 2)->cache_mode, TLS_CACHE_MODE_NONE);
    cr_assert_eq(server(c, 3)->cache_mode, TLS_CACHE_MODE_OFF);
    cr_assert_eq(server(c, 4)->cache_mode, TLS_CACHE_MODE_BUILTIN);
    assert_sv(server(c, 4)->cache_zone->name, "B");
    cr_assert_eq(server(c, 5)->cache_zone, a);
    cr_assert_eq(c->http->tls_cache_zones, a);
    cr_assert_eq(a->next, server(c, 4)->cache_zone);
    cr_assert_null(a->next->next);
    config_free(c);
}

Test(ssl, certificate_cache_and_its_defaults)
{
    struct config *c = load_http("ssl_certificate_cache max=5;\n"
                                 "server {}\n"
                                 "server { ssl_certificate_cache off; }\n"
                                 "server { ssl_certificate_cache max=6 valid=1m inactive=2h; }");
    const struct tls_certificate_policy *p = server(c, 0)->certificate_policy;

    cr_assert(p->max == 5 && p->inactive_s == 10 && p->valid_s == 60);
    cr_assert_null(server(c, 1)->certificate_policy);
    p = server(c, 2)->certificate_policy;
    cr_assert(p->max == 6 && p->inactive_s == 7200 && p->valid_s == 60);
    config_free(c);
}

Test(ssl, an_address_is_for_tls_when_any_line_says_so)
{
    cr_redirect_stderr();
    struct config *c = load_http("server { listen 443; " PAIR "}\n"
                                 "server { listen 443 ssl http2; }\n"
                                 "server { listen 80; }");

    cr_assert(c->http->listens->ssl);
    cr_assert_not(c->http->listens->next->ssl);
    config_free(c);
}

// The rules are those of nginx, with what seems odd in them.
Test(ssl, lines_that_differ_get_the_warning_of_nginx)
{
    static const struct {
        const char *first, *second, *third;
        bool warns;
    } rows[] = {
        {"ssl", "ssl", "ssl", false},       {"ssl", "", "", false},
        {"", "", "ssl", false},             {"ssl", "", "ssl", true},
        {"", "ssl", "", false},             {"", "ssl", "ssl", true},
        {"ssl backlog=5", "", "", false},   {"ssl", "backlog=5", "", true},
        {"backlog=5", "ssl", "", true},     {"", "ssl backlog=5", "", false},
    };
    char text[4096] = "";

    cr_redirect_stderr();
    for (size_t i = 0; i < array_len(rows); i++) {
        char all[256];
        snprintf(all, sizeof(all), "server { listen 4%zu %s; " PAIR "}\n"
                 "server { listen 4%zu %s; }\nserver { listen 4%zu %s; }", i, rows[i].first, i,
                 rows[i].second, i, rows[i].third);
        config_free(load_http(all));
    }
    fflush(stderr);
    FILE *err = cr_get_redirected_stderr();
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, err), 0);
    for (size_t i = 0; i < array_len(rows); i++) {
        char line[64];
        snprintf(line, sizeof(line), "protocol options redefined for 0.0.0.0:4%zu in", i);
        cr_expect_eq(strstr(text, line) != NULL, rows[i].warns, "row %zu", i);
    }
}

Test(ssl, a_server_without_a_certificate_is_served_by_the_default_one)
{
    struct config *c = load_http("server { listen 443 ssl; " PAIR "}\n"
                                 "server { listen 443 ssl; }\n"
                                 "server { listen 444 ssl; ssl_reject_handshake on; }\n"
                                 "server { listen 444 ssl; " PAIR "}");

    cr_assert(tls_conf_is_server(server(c, 0)));
    cr_assert_not(tls_conf_is_server(server(c, 1)));
    cr_assert(tls_conf_is_server(server(c, 2)));
    config_free(c);
}

Test(ssl, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"server { listen 443 ssl; }",
         "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in ", 3},
        {PAIR "server {}\nserver { listen 1; ssl_certificate x; ssl_certificate y; }\n"
         "server { listen 2; ssl_certificate_key z; }\n",
         "no \"ssl_certificate_key\" is defined for certificate \"y\"", 0},
        {"server { listen 443 ssl; ssl_reject_handshake on; }\nserver { listen 443 ssl; }",
         "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive in ", 4},
        {"server { ssl_certificate x; }",
         "no \"ssl_certificate_key\" is defined for certificate \"x\"", 0},
        {"server { " PAIR "ssl_verify_client on; }",
         "no ssl_client_certificate or ssl_trusted_certificate for ssl_verify_client", 0},
        {"server { " PAIR "ssl_stapling on; ssl_certificate_compression on; }",
         "\"ssl_stapling\" is incompatible with \"ssl_certificate_compression\"", 0},
        {"server { ssl_protocols TLSv1.4; }", "invalid value \"TLSv1.4\" in ", 3},
        {"server { ssl_verify_client maybe; }", "invalid value \"maybe\" in ", 3},
        {"server { ssl_dhparam a; ssl_dhparam b; }", "\"ssl_dhparam\" directive is duplicate ", 3},
        {"server { ssl_session_cache shared:A; }", "invalid session cache \"shared:A\" in ", 3},
        {"server { ssl_session_cache shared::1m; }", "invalid session cache \"shared::1m\" in ", 3},
        {"server { ssl_session_cache shared:A:1x; }", "invalid session cache \"shared:A:1x\"", 3},
        {"server { ssl_session_cache shared:A:4k; }",
         "session cache \"shared:A:4k\" is too small in ", 3},
        {"server { ssl_session_cache builtin:; }", "invalid session cache \"builtin:\" in ", 3},
        {"server { ssl_session_cache x; }", "invalid session cache \"x\" in ", 3},
        {"ssl_session_cache shared:A:1m;\nserver { ssl_session_cache shared:A:2m; }",
         "the size 2097152 of shared memory zone \"A\" conflicts with already declared size "
         "1048576 in ", 4},
        {"limit_req_zone $host zone=A:1m rate=1r/s;\nserver { ssl_session_cache shared:A:1m; }",
         "the shared memory zone \"A\" is already declared for a different use in ", 4},
        {"server { ssl_certificate_cache valid=1s; }",
         "\"ssl_certificate_cache\" must have the \"max\" parameter in ", 3},
        {"server { ssl_certificate_cache max=0; }", "invalid parameter \"max=0\" in ", 3},
        {"server { ssl_certificate_cache min=1; }", "invalid parameter \"min=1\" in ", 3},
        {"server { ssl_certificate_cache max=1; ssl_certificate_cache off; }",
         "\"ssl_certificate_cache\" directive is duplicate in ", 3},
        {"server { ssl_buffer_size 0; }", "\"ssl_buffer_size\" directive invalid value in ", 3},
        {"server { location / { ssl_certificate x; } }",
         "\"ssl_certificate\" directive is not allowed here in ", 3},
        {"server { ssl_certificate $nothing; ssl_certificate_key k; }",
         "unknown \"nothing\" variable", 0},
    };

    check_refused_http(rows, array_len(rows));
}

// nginx would let them in, too, or keep revoked clients out where we don't.
Test(ssl, refuses_what_would_not_protect)
{
    static const struct refused rows[] = {
        {"server { ssl_ocsp on; }",
         "the value \"on\" of the \"ssl_ocsp\" directive is not supported: clients' ", 3},
        {"server { ssl_ocsp leaf; }", "the value \"leaf\" of the \"ssl_ocsp\" ", 3},
        {"server { " PAIR "ssl_protocols SSLv3; }",
         "\"ssl_protocols\" names no protocol that OpenSSL has in ", 0},
    };

    check_refused_http(rows, array_len(rows));
}
