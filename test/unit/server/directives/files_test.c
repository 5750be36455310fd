// SPDX-License-Identifier: Apache-2.0
//
// root, alias, index, try_files, open_file_cache, disable_symlinks and the media types.
#include "test/unit/server/directives/load_fixture.h"

#include "server/config/location_set.h"

static const struct location_conf *find(const struct config *c, const char *path)
{
    struct location_match m = {.location = NULL};

    location_set_find(c->http->servers[0]->locations, sv_from(path), &m);
    return m.location;
}

static const char *type_of(const struct location_conf *l, const char *extension)
{
    const struct sv *type = strmap_get(l->types, sv_from(extension));

    return type != NULL ? type->p : NULL;
}

Test(files, relative_roots_start_from_the_prefix)
{
    struct config *c = load_http("root a/; server { location /b/ { root /b//; }\n"
                                 "location /c/ { root $host/c; } location /d/ { alias d/; } }");

    assert_sv(c->http->servers[0]->location->root->literal, FIXTURE_PREFIX "a");
    assert_sv(find(c, "/b/")->root->literal, "/b/");
    assert_sv(find(c, "/c/")->root->source, "$host/c");
    assert_sv(find(c, "/d/")->root->literal, FIXTURE_PREFIX "d/");
    config_free(c);
}

Test(files, an_alias_is_inherited_with_the_length_it_replaces)
{
    struct config *c = load_http("server { location /v/ { alias /srv/; location ~ mp4$ { } }\n"
                                 "location ~ ^/r/(.*)$ { alias /r/$1; } location /p/ { } }");
    const struct location_conf *inner = find(c, "/v/x.mp4"), *re = find(c, "/r/x");

    cr_assert_eq(inner->kind, LOC_REGEX);
    cr_assert(inner->alias);
    cr_assert_eq(inner->alias_len, 3);
    cr_assert_not(inner->root_is_final);
    cr_assert(re->alias && re->root_is_final);
    cr_assert_not(find(c, "/p/")->alias);
    config_free(c);
}

Test(files, index_lines_of_one_level_add_up)
{
    const struct location_conf *l;
    struct config *c = load_server("index a b; index $host.html /c;", &l);

    assert_sv(l->index[1]->literal, "b");
    cr_assert_not(l->index[2]->constant);
    assert_sv(l->index[3]->literal, "/c");
    cr_assert_null(l->index[4]);
    config_free(c);
}

Test(files, try_files_has_names_directories_and_a_last_resort)
{
    struct config *c = load_http("server { location /a { try_files $uri $uri/ =404;\n"
                                 "location /ab {} }\n"
                                 "location /b { try_files /x @y; } \n"
                                 "location /c { try_files x /d/; } }");
    const struct location_conf *l = find(c, "/a");

    cr_assert_eq(l->ntry_files, 3);
    cr_assert_not(l->try_files[0].directory);
    cr_assert(l->try_files[1].directory);
    assert_sv(l->try_files[1].name->source, "$uri");
    cr_assert_eq(l->try_files[2].status, 404);
    cr_assert_null(l->try_files[2].name);
    cr_assert(find(c, "/b")->try_files[1].named);
    assert_sv(find(c, "/c")->try_files[1].name->literal, "/d/");
    cr_assert_null(find(c, "/ab")->try_files, "try_files is not inherited");
    config_free(c);
}

Test(files, one_cache_is_shared_where_it_is_inherited)
{
    struct config *c = load_http("open_file_cache max=10; server { open_file_cache_valid 5s;\n"
                                 "location /a { open_file_cache off; }\n"
                                 "location /b { open_file_cache max=7 inactive=9s;\n"
                                 " open_file_cache_errors on; open_file_cache_min_uses 2; } }");
    const struct file_cache_policy *s = c->http->servers[0]->location->open_file_cache;
    const struct file_cache_policy *b = find(c, "/b")->open_file_cache;

    cr_assert_eq(c->http->cache_count, 2);
    cr_assert_eq(s->max, 10);
    cr_assert_eq(s->index, 0);
    cr_assert_eq(s->inactive_s, 60);
    cr_assert_eq(s->valid_s, 5);
    cr_assert_eq(s->min_uses, 1);
    cr_assert_null(find(c, "/a")->open_file_cache);
    cr_assert_eq(b->index, 1);
    cr_assert_eq(b->inactive_s, 9);
    cr_assert_eq(b->valid_s, 5);
    cr_assert_eq(b->min_uses, 2);
    cr_assert(b->errors);
    config_free(c);
}

Test(files, symbolic_links)
{
    struct config *c = load_http("server { disable_symlinks if_not_owner from=$document_root;\n"
                                 "location /a { disable_symlinks on; } location /b { } }");

    cr_assert_eq(find(c, "/a")->symlinks, SYMLINKS_OFF);
    cr_assert_null(find(c, "/a")->symlinks_from);
    cr_assert_eq(find(c, "/b")->symlinks, SYMLINKS_IF_OWNER);
    assert_sv(find(c, "/b")->symlinks_from->source, "$document_root");
    config_free(c);
}

Test(types, blocks_of_one_level_add_up_and_the_last_line_counts)
{
    const struct location_conf *l;
    struct config *c = load_server("types { a/b x y; }\ntypes { c/d Y z; }", &l);

    cr_assert_str_eq(type_of(l, "x"), "a/b");
    cr_assert_str_eq(type_of(l, "y"), "c/d");
    cr_assert_str_eq(type_of(l, "Z"), "c/d");
    cr_assert_null(type_of(l, "html"));
    config_free(c);
}

Test(types, an_empty_block_takes_all_types_away)
{
    struct config *c = load_http("server { location /a { types { } default_type x/y; }\n"
                                 "location /b {} }");

    cr_assert_null(type_of(find(c, "/a"), "html"));
    cr_assert_str_eq(type_of(find(c, "/b"), "html"), "text/html");
    cr_assert_str_eq(type_of(find(c, "/b"), "gif"), "image/gif");
    cr_assert_str_eq(type_of(find(c, "/b"), "jpg"), "image/jpeg");
    config_free(c);
}

Test(files, refuses_what_nginx_refuses_in_its_words)
{
    static const struct refused rows[] = {
        {"root /a;\nroot /b;", "\"root\" directive is duplicate in ", 4},
        {"server { location / { root /a;\nalias /b; } }",
         "\"alias\" directive is duplicate, \"root\" directive was specified earlier in ", 4},
        {"server { location @x { alias /b; } }",
         "the \"alias\" directive cannot be used inside the named location in ", 3},
        {"server { alias /b; }", "\"alias\" directive is not allowed here in ", 3},
        {"root $document_root/x;",
         "the $document_root variable cannot be used in the \"root\" directive in ", 3},
        {"index a \"\";", "index \"\" in \"index\" directive is invalid in ", 3},
        {"server { try_files $uri; }", "invalid number of arguments in \"try_files\" directive", 3},
        {"server { try_files $uri =abc; }", "invalid code \"=abc\" in ", 3},
        {"server { try_files $uri =1000; }", "invalid code \"=1000\" in ", 3},
        {"open_file_cache inactive=2s;", "\"open_file_cache\" must have the \"max\" ", 3},
        {"open_file_cache max=0;", "invalid \"open_file_cache\" parameter \"max=0\" in ", 3},
        {"disable_symlinks maybe;", "invalid parameter \"maybe\" in ", 3},
        {"disable_symlinks from=/x;",
         "\"disable_symlinks\" must have \"off\", \"on\" or \"if_not_owner\" parameter in ", 3},
        {"disable_symlinks off from=/x;", "\"from=\" cannot be used with \"off\" parameter in ", 3},
        {"disable_symlinks on off;", "duplicate parameters \"on off\" in ", 3},
        {"internal;", "\"internal\" directive is not allowed here in ", 3},
        {"types { a/b x { } }", "unexpected \"{\" in ", 3},
    };

    check_refused_http(rows, array_len(rows));
}
