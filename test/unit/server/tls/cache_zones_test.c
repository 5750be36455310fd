// SPDX-License-Identifier: Apache-2.0
#include "server/tls/cache_zones.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/tls/session_cache.h"
#include "server/config/http_conf.h"

// A configuration with two zones.
struct site {
    struct http_conf http;
    struct tls_cache_zone zones[2];
};

static void make_site(struct site *s, const char *a, int64_t a_size, const char *b, int64_t b_size)
{
    *s = (struct site){.zones = {{.name = sv_from(a), .size = a_size},
                                 {.name = sv_from(b), .size = b_size}}};
    s->zones[0].next = &s->zones[1];
    s->http.tls_cache_zones = s->zones;
}

static void remember(const struct tls_cache_zone *z, unsigned char id)
{
    cr_assert_eq(tls_session_cache_put(z->cache, &id, 1, &id, 1, 0, 100), 0);
}

static bool knows(const struct tls_cache_zone *z, unsigned char id)
{
    unsigned char der[TLS_SESSION_MAX];
    size_t n;

    return tls_session_cache_get(z->cache, &id, 1, 0, der, &n) == 0;
}

Test(tls_cache_zones, are_carried_over_to_the_next_configuration)
{
    struct site old, fresh;

    make_site(&old, "a", 65536, "b", 65536);
    make_site(&fresh, "b", 65536, "a", 65536);
    cr_assert_eq(tls_cache_zones_open(&old.http), 0);
    remember(&old.zones[0], 1);
    remember(&old.zones[1], 2);
    cr_assert_eq(tls_cache_zones_open(&fresh.http), 0);
    tls_cache_zones_close(&old.http);
    cr_assert_null(old.zones[0].cache);
    cr_assert(knows(&fresh.zones[1], 1) && !knows(&fresh.zones[1], 2));
    cr_assert(knows(&fresh.zones[0], 2) && !knows(&fresh.zones[0], 1));
    tls_cache_zones_close(&fresh.http);
}

Test(tls_cache_zones, are_forgotten_when_no_configuration_names_them)
{
    struct site old, between, fresh;

    make_site(&old, "a", 65536, "b", 65536);
    make_site(&between, "b", 65536, "c", 65536);
    fresh = old;
    fresh.zones[0].next = &fresh.zones[1];
    fresh.http.tls_cache_zones = fresh.zones;
    cr_assert_eq(tls_cache_zones_open(&old.http), 0);
    remember(&old.zones[0], 1);
    remember(&old.zones[1], 2);
    cr_assert_eq(tls_cache_zones_open(&between.http), 0);
    tls_cache_zones_close(&old.http);
    tls_cache_zones_close(&old.http);
    cr_assert_eq(tls_cache_zones_open(&fresh.http), 0);
    tls_cache_zones_close(&between.http);
    cr_assert_not(knows(&fresh.zones[0], 1));
    cr_assert(knows(&fresh.zones[1], 2));
    tls_cache_zones_close(&fresh.http);
}

Test(tls_cache_zones, of_another_size_are_others)
{
    struct site old, fresh;

    make_site(&old, "a", 65536, "b", 65536);
    make_site(&fresh, "a", 131072, "b", 65536);
    cr_assert_eq(tls_cache_zones_open(&old.http), 0);
    cr_assert_eq(tls_cache_zones_open(&fresh.http), 0);
    cr_assert_neq(old.zones[0].cache, fresh.zones[0].cache);
    cr_assert_eq(old.zones[1].cache, fresh.zones[1].cache);
    // Given up, as a reload that fails later: the old ones go on.
    tls_cache_zones_close(&fresh.http);
    remember(&old.zones[0], 1);
    remember(&old.zones[1], 1);
    cr_assert(knows(&old.zones[0], 1) && knows(&old.zones[1], 1));
    tls_cache_zones_close(&old.http);
}

Test(tls_cache_zones, that_cannot_all_be_opened_are_all_closed, .init = cr_redirect_stderr)
{
    struct site undeclared, huge, fine;

    make_site(&undeclared, "a", 65536, "b", 0);
    make_site(&huge, "a", 65536, "b", (int64_t)1 << 60);
    make_site(&fine, "a", 65536, "b", 65536);
    cr_assert_eq(tls_cache_zones_open(&fine.http), 0);
    remember(&fine.zones[0], 1);
    cr_assert_eq(tls_cache_zones_open(&undeclared.http), -EINVAL);
    cr_assert_eq(tls_cache_zones_open(&huge.http), -ENOMEM);
    cr_assert_null(undeclared.zones[0].cache);
    cr_assert_null(huge.zones[0].cache);
    cr_assert(knows(&fine.zones[0], 1));
    tls_cache_zones_close(&fine.http);
}

Test(tls_cache_zones, are_none_without_an_http_block)
{
    cr_assert_eq(tls_cache_zones_open(NULL), 0);
    tls_cache_zones_close(NULL);
}

Test(tls_cache_zones, are_shared_with_processes_that_are_forked_later)
{
    struct site s;
    int status;

    make_site(&s, "a", 65536, "b", 65536);
    cr_assert_eq(tls_cache_zones_open(&s.http), 0);
    pid_t child = fork();
    if (child == 0) {
        remember(&s.zones[0], 9);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(knows(&s.zones[0], 9));
    tls_cache_zones_close(&s.http);
}
