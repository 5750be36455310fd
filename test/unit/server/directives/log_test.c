// SPDX-License-Identifier: Apache-2.0
//
// log_format, access_log and error_log below http.
#include "test/unit/server/directives/load_fixture.h"

#include "server/log/access_log.h"
#include "server/log/log_paths.h"
#include "server/config/location_set.h"

static const struct location_conf *find(const struct config *c, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(c->http->servers[0]->locations, sv_from(path), &m);
    return m.location;
}

Test(log, without_one_combined_lines_go_to_the_prefix)
{
    const struct location_conf *l;
    struct config *c = load_server("", &l);

    cr_assert_str_eq(l->access_logs->file->path, FIXTURE_PREFIX "logs/access.log");
    assert_sv(l->access_logs->format->name, "combined");
    cr_assert_null(l->access_logs->next);
    config_free(c);
}

Test(log, several_lines_of_a_level_and_off)
{
    struct config *c = load_http("log_format f escape=json '$host ' x$uri; log_format g fixed;\n"
                                 "access_log /a f buffer=32k flush=2s if=$arg_x; access_log /a g;\n"
                                 "server { location /off { access_log off; access_log /b; }\n"
                                 "location /v { access_log logs/$host.log; } location / { } }");
    const struct access_log_use *u = find(c, "/")->access_logs;

    cr_assert_eq(u->format->escape, LOG_ESCAPE_JSON);
    cr_assert_eq(u->format->nparts, 3);
    assert_sv(u->format->parts[1].literal, " x");
    cr_assert_eq(u->buffer, 32768);
    cr_assert_eq(u->flush_ms, 2000);
    assert_sv(u->condition->source, "$arg_x");
    cr_assert_eq(u->file, u->next->file, "a path is opened once");
    cr_assert_eq(u->next->format->nparts, 1);
    assert_sv(u->next->format->parts[0].literal, "fixed");
    cr_assert_null(find(c, "/off")->access_logs);
    cr_assert_null(find(c, "/v")->access_logs->file);
    assert_sv(find(c, "/v")->access_logs->path->source, FIXTURE_PREFIX "logs/$host.log");
    config_free(c);
}

Test(log, error_logs_of_a_level_replace_inherited_ones)
{
    struct config *c = load_http("server { error_log /a info; error_log /b; location / { }\n"
                                 "location /c { error_log /c crit; } }");
    const struct log_use *u = find(c, "/")->error_log;

    cr_assert_eq(u->level, LOG_LEVEL_INFO);
    cr_assert_str_eq(u->next->file->path, "/b");
    cr_assert_eq(u->next->level, LOG_LEVEL_ERROR);
    cr_assert_str_eq(find(c, "/c")->error_log->file->path, "/c");
    cr_assert_null(find(c, "/c")->error_log->next);
    cr_assert_str_neq(c->main.error_log->file->path != NULL ? "x" : "stderr", "");
    config_free(c);
}

Test(log, gzip_brings_a_buffer_of_its_own)
{
    struct config *c = load_http("access_log /a combined gzip; access_log /b combined gzip=9\n"
                                 "buffer=1m flush=5m; server { location / { } }");
    const struct access_log_use *u = find(c, "/")->access_logs;

    cr_assert_eq(u->gzip, 1);
    cr_assert_eq(u->buffer, 64 << 10);
    cr_assert_eq(u->file->gzip, 1);
    cr_assert_eq(u->next->file->gzip, 9);
    cr_assert_eq(u->next->file->gzip_buffer, 1 << 20);
    config_free(c);
}

Test(log, caches_of_paths_are_inherited_and_each_has_a_number)
{
    struct config *c = load_http("open_log_file_cache max=7;\n"
                                 "server { location / { }\n"
                                 "location /off { open_log_file_cache off; }\n"
                                 "location /own { open_log_file_cache max=3 inactive=20s valid=1m\n"
                                 "min_uses=2; } }");
    const struct log_path_policy *p = find(c, "/")->log_paths;

    cr_assert_eq(p->index, 1);
    cr_assert_eq(p->max, 7);
    cr_assert_eq(p->inactive_ms, 10000);
    cr_assert_eq(p->valid_ms, 60000);
    cr_assert_eq(p->min_uses, 1);
    cr_assert_null(find(c, "/off")->log_paths);
    p = find(c, "/own")->log_paths;
    cr_assert_eq(p->index, 2);
    cr_assert_eq(p->inactive_ms, 20000);
    cr_assert_eq(p->min_uses, 2);
    cr_assert_eq(c->http->log_path_caches, 2);
    config_free(c);
}

Test(log, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"access_log off x;", "invalid parameter \"x\" in ", 3},
        {"access_log /a nonesuch;", "unknown log format \"nonesuch\" in ", 3},
        {"access_log /a combined buffer=x;", "invalid buffer size \"x\" in ", 3},
        {"access_log /a combined buffer=1k flush=x;", "invalid flush time \"x\" in ", 3},
        {"access_log /a combined flush=1s;", "no buffer is defined for access_log \"/a\" in ", 3},
        {"access_log /$host combined buffer=1k;", "buffered logs cannot have variables in ", 3},
        {"access_log /a combined gzip=0;", "invalid compression level \"0\" in ", 3},
        {"access_log /a combined gzip=x;", "invalid compression level \"x\" in ", 3},
        {"access_log /a combined gzipped;", "invalid parameter \"gzipped\" in ", 3},
        {"access_log /$host combined gzip;", "buffered logs cannot have variables in ", 3},
        {"access_log /a combined gzip;\naccess_log /a combined buffer=64k;",
         "access_log \"/a\" already defined with conflicting parameters in ", 4},
        {"open_log_file_cache max=x;", "invalid \"open_log_file_cache\" parameter \"max=x\" ", 3},
        {"open_log_file_cache valid=1m;", "\"open_log_file_cache\" must have \"max\" param", 3},
        {"open_log_file_cache off;\nopen_log_file_cache off;",
         "\"open_log_file_cache\" directive is duplicate in ", 4},
        {"access_log syslog:server=x;", "\"syslog:\" of the \"access_log\" directive is not ", 3},
        {"access_log /a combined buffer=1k;\naccess_log /a combined buffer=2k;",
         "access_log \"/a\" already defined with conflicting parameters in ", 4},
        {"access_log /a combined what;", "invalid parameter \"what\" in ", 3},
        {"log_format a x;\nlog_format a y;", "duplicate \"log_format\" name \"a\" in ", 4},
        {"log_format combined x;", "duplicate \"log_format\" name \"combined\" in ", 3},
        {"log_format a escape=xml x;", "unknown log format escaping \"xml\" in ", 3},
        {"log_format a ${host;", "the closing bracket in \"host\" variable is missing in ", 3},
        {"log_format a $nonesuch;", "unknown \"nonesuch\" variable in ", 3},
        {"error_log /a loud;", "invalid log level \"loud\" in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
