// SPDX-License-Identifier: Apache-2.0
//
// Directives without effect are accepted in any shape; directives we don't have are refused by
// name with a reason; what protects something is never ignored.
#include "test/unit/server/directives/load_fixture.h"

#include "server/directives/directives.h"

Test(classes, tuning_is_accepted_anywhere_with_any_arguments)
{
    struct config *c = load_main("pcre_jit on; worker_cpu_affinity auto; timer_resolution 1ms;\n"
                                 "thread_pool p threads=2;\n"
                                 "events { use epoll; multi_accept on; accept_mutex off; }\n"
                                 "http { gzip on; gzip_types a b c; types_hash_max_size 2048;\n"
                                 "server { aio threads=p; directio 4m; output_buffers 2 64k;\n"
                                 "location / { gzip_static on; client_body_buffer_size 1k; } } }");

    config_free(c);
}

Test(classes, what_is_missing_is_named_with_a_reason)
{
    static const struct refused rows[] = {
        {"load_module x.so;\nevents {}", "directive \"load_module\" is not supported: ", 1},
        {"events {}\nrtmp { server { bogus; } }", "directive \"rtmp\" is not supported: ", 2},
        {"events {}\nstream { }", "directive \"stream\" is not supported: ", 2},
        {"events {}\nhttp { proxy_pass http://x; }", "directive \"proxy_pass\" is not ", 2},
        {"events {}\nhttp { ssl on; }", "directive \"ssl\" is not supported: say \"ssl\" in ", 2},
        {"events {}\nhttp { ssl_ech_file x; }", "directive \"ssl_ech_file\" is not supported", 2},
        {"ssl_engine x;\nevents {}", "directive \"ssl_engine\" is not supported: ", 1},
        {"events {}\nhttp { http3 on; }", "directive \"http3\" is not supported: ", 2},
        {"events {}\nhttp { content_by_lua_block { x } }", "directive \"content_by_lua_", 2},
        {"events {}\nhttp { fastcgi_pass x; }", "directive \"fastcgi_pass\" is not supported: ", 2},
        {"events {}\nhttp { geoip_country x; }", "directive \"geoip_country\" is not supported", 2},
        {"events {}\nhttp { vod_mode local; }", "directive \"vod_mode\" is not supported: ", 2},
    };

    check_refused(rows, array_len(rows));
}

Test(classes, nothing_that_protects_is_ignored)
{
    static const char *const protects[] = {
        "auth_basic x;", "auth_basic_user_file x;", "auth_request /x;", "auth_jwt x;",
        "limit_except GET { deny all; }", "secure_link x;", "secure_link_md5 x;",
        "valid_referers none;", "ssl_ocsp_responder http://x/;", "proxy_protocol on;",
        "set_real_ip_from 10.0.0.0/8;", "satisfy any;",
        "secure_token $host;", "akamai_token x;", "access_by_lua_file x;",
    };

    for (size_t i = 0; i < array_len(protects); i++) {
        struct config *c = NULL;
        char text[160];
        snprintf(text, sizeof(text), "server { location / { %s } }", protects[i]);
        char *all = in_http(text);
        cr_expect_eq(load(all, NULL, &c), -EINVAL, "%s", protects[i]);
        cr_expect(strstr(load_error.text, "not supported") != NULL, "%s", load_error.text);
        free(all);
    }
}

Test(classes, each_row_that_is_not_supported_says_why)
{
    const struct conf_schema *s = &directives_schema;

    for (size_t t = 0; t < s->ntables; t++) {
        for (const struct conf_directive *row = s->tables[t]; row->name != NULL; row++) {
            if (row->klass == CONF_SUPPORTED)
                cr_expect_not_null(row->set, "%s", row->name);
            else
                cr_expect_not_null(row->reason, "%s", row->name);
        }
    }
    for (const struct conf_family *f = s->families; f->prefix != NULL; f++)
        cr_expect_not_null(f->reason, "%s", f->prefix);
}
