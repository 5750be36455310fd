// SPDX-License-Identifier: Apache-2.0
#include "server/limits/limit_conn.h"

#include <unistd.h>

#include "server/limits/zone.h"
#include "server/request/request.h"

struct limit_conn_hold {
    struct limit_table *table;
    uint32_t node;
    struct limit_conn_hold *next;
};

static enum limit_taken take(struct limit_table *t, struct sv key, uint32_t most, pid_t silo,
                             uint32_t *node)
{
    uint32_t hash = limit_hash(key);
    struct limit_node *own = NULL, *n = NULL;
    uint64_t sum = 0;

    while ((n = limit_table_find(t, hash, key, n)) != NULL) {
        sum += n->value.conns.count;
        if (n->value.conns.owner == silo)
            own = n;
    }
    if (sum >= most)
        return LIMIT_TOO_MANY;
    if (own != NULL) {
        own->value.conns.count++;
    } else {
        union limit_value value = {.conns = {.owner = silo, .count = 1}};

        own = limit_table_add(t, hash, key, &value);
        if (own == NULL)
            return LIMIT_NO_ROOM;
    }
    *node = limit_table_number(t, own);
    return LIMIT_TAKEN;
}

enum limit_taken limit_conn_take(struct limit_table *t, struct sv key, uint32_t most, pid_t silo,
                                 uint32_t *node)
{
    limit_table_lock(t);
    enum limit_taken got = take(t, key, most, silo, node);
    limit_table_unlock(t);
    return got;
}

void limit_conn_give(struct limit_table *t, uint32_t node, pid_t silo)
{
    limit_table_lock(t);
    struct limit_node *n = limit_table_at(t, node);
    // Another owner: the master took this silo for dead.
    if (n != NULL && n->value.conns.owner == silo && --n->value.conns.count == 0)
        limit_table_remove(t, n);
    limit_table_unlock(t);
}

void limit_conn_forget(struct limit_table *t, pid_t silo)
{
    limit_table_lock(t);
    for (uint32_t i = 1; i < t->blocks; i++) {
        struct limit_node *n = limit_table_at(t, i);
        if (n != NULL && n->value.conns.owner == silo)
            limit_table_remove(t, n);
    }
    limit_table_unlock(t);
}

void limit_conn_leave(struct request *r)
{
    struct limit_conn_hold *hold = r->limits.holds;

    r->limits.holds = NULL;
    for (; hold != NULL; hold = hold->next)
        limit_conn_give(hold->table, hold->node, getpid());
}

// A request that one rule refuses is counted by none.
static int refuse(struct request *r, const struct limit_zone *zone, enum limit_taken why)
{
    const struct limit_conf *conf = &r->location->limits;

    if (why == LIMIT_TOO_MANY)
        request_log(r, (enum log_level)conf->conn_log_level, 0,
                    "limiting connections%s by zone \"%.*s\"",
                    conf->conn_dry_run ? ", dry run," : "", SV_ARG(zone->name));
    else
        log_crit(0, "could not allocate node in limit_conn_zone \"%.*s\"", SV_ARG(zone->name));
    limit_conn_leave(r);
    r->limits.conn = conf->conn_dry_run ? LIMIT_REJECTED_DRY_RUN : LIMIT_REJECTED;
    return conf->conn_dry_run ? PHASE_NEXT : (int)conf->conn_status;
}

// The hold is allocated first, so that nothing can fail after the request has been counted.
static int take_one(struct request *r, const struct limit_conn_rule *rule, struct sv key,
                    enum limit_taken *got)
{
    struct limit_conn_hold *hold = arena_new(&r->arena, struct limit_conn_hold);

    if (hold == NULL)
        return 500;
    *got = limit_conn_take(rule->zone->table, key, rule->most, getpid(), &hold->node);
    if (*got != LIMIT_TAKEN)
        return 0;
    hold->table = rule->zone->table;
    hold->next = r->limits.holds;
    r->limits.holds = hold;
    return 0;
}

int limit_conn(struct request *r)
{
    const struct limit_conn_rules *rules = r->location->limits.conn;
    enum limit_taken got = LIMIT_TAKEN;
    struct sv key;

    if (rules == NULL || r->limits.conn != LIMIT_NOT_SEEN)
        return PHASE_NEXT;
    for (unsigned i = 0; i < rules->count; i++) {
        const struct limit_conn_rule *rule = &rules->rule[i];

        if (limit_zone_key(rule->zone, r, LIMIT_CONN_KEY_MAX, &key) != 0)
            return 500;
        if (key.n == 0)
            continue;
        r->limits.conn = LIMIT_PASSED;
        if (take_one(r, rule, key, &got) != 0)
            return 500;
        if (got != LIMIT_TAKEN)
            return refuse(r, rule->zone, got);
    }
    return PHASE_NEXT;
}
