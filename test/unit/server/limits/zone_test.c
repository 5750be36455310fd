// SPDX-License-Identifier: Apache-2.0
#include "server/limits/zone.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/config/http_conf.h"
#include "server/limits/limit_conn.h"

// A configuration with one zone.
struct site {
    struct http_conf http;
    struct limit_zone zone;
    struct template key;
};

static struct site site(enum limit_kind kind, const char *name, int64_t size, const char *key)
{
    return (struct site){.zone = {.name = sv_from(name), .kind = kind, .size = size},
                         .key = {.source = sv_from(key)}};
}

static int open_site(struct site *s)
{
    s->zone.key = s->key.source.n != 0 ? &s->key : NULL;
    s->http.limit_zones = &s->zone;
    return limit_zones_open(&s->http);
}

static void remember(struct limit_zone *z, struct sv key)
{
    union limit_value value = {.rate = {.excess = 5}};

    limit_table_lock(z->table);
    cr_assert_not_null(limit_table_add(z->table, limit_hash(key), key, &value));
    limit_table_unlock(z->table);
}

static bool knows(struct limit_zone *z, struct sv key)
{
    limit_table_lock(z->table);
    bool found = limit_table_find(z->table, limit_hash(key), key, NULL) != NULL;
    limit_table_unlock(z->table);
    return found;
}

Test(limit_zone, is_carried_over_to_the_next_configuration)
{
    struct site old = site(LIMIT_KIND_REQ, "one", 65536, "$a"), fresh = old;

    cr_assert_eq(open_site(&old), 0);
    remember(&old.zone, SV("x"));
    cr_assert_eq(open_site(&fresh), 0);
    cr_assert_eq(old.zone.table, fresh.zone.table);
    limit_zones_close(&old.http);
    cr_assert(knows(&fresh.zone, SV("x")));
    limit_zones_close(&fresh.http);
}

Test(limit_zone, is_forgotten_when_no_configuration_names_it)
{
    struct site old = site(LIMIT_KIND_REQ, "one", 65536, "$a"), fresh = old;

    cr_assert_eq(open_site(&old), 0);
    remember(&old.zone, SV("x"));
    limit_zones_close(&old.http);
    limit_zones_close(&old.http);
    cr_assert_eq(open_site(&fresh), 0);
    cr_assert_not(knows(&fresh.zone, SV("x")));
    limit_zones_close(&fresh.http);
}

Test(limit_zone, of_another_size_or_use_is_another_one)
{
    struct site old = site(LIMIT_KIND_REQ, "one", 65536, "$a");
    struct site bigger = site(LIMIT_KIND_REQ, "one", 131072, "$b");
    struct site other = site(LIMIT_KIND_CONN, "one", 65536, "$c");

    cr_assert_eq(open_site(&old), 0);
    cr_assert_eq(open_site(&bigger), 0);
    cr_assert_eq(open_site(&other), 0);
    cr_assert_neq(old.zone.table, bigger.zone.table);
    cr_assert_neq(old.zone.table, other.zone.table);
    cr_assert_gt(bigger.zone.table->blocks, old.zone.table->blocks);
    limit_zones_close(&old.http);
    limit_zones_close(&bigger.http);
    limit_zones_close(&other.http);
}

Test(limit_zone, refuses_another_key_and_keeps_the_old_configuration, .init = cr_redirect_stderr)
{
    struct site old = site(LIMIT_KIND_REQ, "one", 65536, "$a");
    struct site fresh = site(LIMIT_KIND_REQ, "one", 65536, "$b");

    cr_assert_eq(open_site(&old), 0);
    remember(&old.zone, SV("x"));
    cr_assert_eq(open_site(&fresh), -EINVAL);
    cr_assert_null(fresh.zone.table);
    limit_zones_close(&fresh.http);
    cr_assert(knows(&old.zone, SV("x")));
    limit_zones_close(&old.http);
}

Test(limit_zone, that_was_only_referred_to_is_refused, .init = cr_redirect_stderr)
{
    struct site s = site(LIMIT_KIND_CONN, "nowhere", 0, "");

    cr_assert_eq(open_site(&s), -EINVAL);
}

Test(limit_zone, is_shared_with_processes_that_are_forked_later)
{
    struct site s = site(LIMIT_KIND_REQ, "one", 65536, "$a");
    int status;

    cr_assert_eq(open_site(&s), 0);
    pid_t child = fork();
    if (child == 0) {
        remember(&s.zone, SV("from the child"));
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(knows(&s.zone, SV("from the child")));
    limit_zones_close(&s.http);
}

Test(limit_zone, gives_back_what_a_dead_silo_held)
{
    struct site conns = site(LIMIT_KIND_CONN, "conns", 65536, "$a");
    struct site rates = site(LIMIT_KIND_REQ, "rates", 65536, "$a");
    uint32_t node;

    cr_assert_eq(open_site(&conns), 0);
    cr_assert_eq(open_site(&rates), 0);
    remember(&rates.zone, SV("x"));
    cr_assert_eq(limit_conn_take(conns.zone.table, SV("x"), 1, 77, &node), LIMIT_TAKEN);
    limit_zones_silo_ended(76);
    cr_assert_eq(limit_conn_take(conns.zone.table, SV("x"), 1, 78, &node), LIMIT_TOO_MANY);
    limit_zones_silo_ended(77);
    cr_assert_eq(limit_conn_take(conns.zone.table, SV("x"), 1, 78, &node), LIMIT_TAKEN);
    cr_assert(knows(&rates.zone, SV("x")));
    limit_zones_close(&conns.http);
    limit_zones_close(&rates.http);
}
