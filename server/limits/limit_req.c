// SPDX-License-Identifier: Apache-2.0
#include "server/limits/limit_req.h"

#include "lib/base/clock.h"
#include "server/limits/zone.h"
#include "server/request/request.h"

#define EXPIRE_MS 60000 // a key that was not seen for this long, and owes nothing, may be forgotten
#define ONE_REQUEST 1000

// Workers read their clocks at different times, so a key's last request may be a little ahead of
// this one. Very far ahead means that the clock is another one: go on from here.
static int64_t elapsed(uint64_t now_ms, uint64_t last_ms)
{
    int64_t ms = (int64_t)(now_ms - last_ms);

    if (ms < -EXPIRE_MS)
        return 1;
    return ms < 0 ? 0 : ms;
}

static int64_t drained(int64_t excess, int64_t rate, int64_t ms)
{
    int64_t out;

    if (__builtin_mul_overflow(rate, ms, &out))
        return 0;
    out /= 1000;
    return out < excess ? excess - out : 0;
}

static int64_t excess_with(const struct limit_node *n, int64_t rate, int64_t ms)
{
    return drained(n->value.rate.excess + ONE_REQUEST, rate, ms);
}

static void count(struct limit_node *n, int64_t excess, int64_t ms, uint64_t now_ms)
{
    n->value.rate.excess = excess;
    if (ms != 0)
        n->value.rate.last_ms = now_ms;
}

static bool is_expired(const struct limit_node *n, int64_t rate, uint64_t now_ms)
{
    int64_t ms = (int64_t)(now_ms - n->value.rate.last_ms);

    ms = ms < 0 ? -ms : ms;
    return ms >= EXPIRE_MS && drained(n->value.rate.excess, rate, ms) == 0;
}

// Forgets one or two keys that have expired; by force, the oldest one before them.
static void expire(struct limit_table *t, int64_t rate, uint64_t now_ms, bool force)
{
    for (int i = force ? 0 : 1; i < 3; i++) {
        struct limit_node *oldest = limit_table_oldest(t);

        if (oldest == NULL || (i != 0 && !is_expired(oldest, rate, now_ms)))
            return;
        limit_table_remove(t, oldest);
    }
}

// A key's first request costs nothing; where it is yet to be counted, the bucket owes it.
static struct limit_node *remember(struct limit_table *t, int64_t rate, uint32_t hash,
                                   struct sv key, uint64_t now_ms, bool account)
{
    union limit_value value = {.rate = {account ? 0 : -ONE_REQUEST, now_ms}};
    struct limit_node *n;

    expire(t, rate, now_ms, false);
    n = limit_table_add(t, hash, key, &value);
    if (n != NULL)
        return n;
    expire(t, rate, now_ms, true);
    return limit_table_add(t, hash, key, &value);
}

static enum limit_verdict check_known(struct limit_table *t, struct limit_node *n, int64_t rate,
                                      int64_t burst, uint64_t now_ms, bool account,
                                      int64_t *excess)
{
    int64_t ms = elapsed(now_ms, n->value.rate.last_ms);

    limit_table_touch(t, n);
    *excess = excess_with(n, rate, ms);
    if (*excess > burst)
        return LIMIT_BUSY;
    if (account)
        count(n, *excess, ms, now_ms);
    return LIMIT_PASS;
}

enum limit_verdict limit_req_check(struct limit_table *t, int64_t rate, int64_t burst,
                                   struct sv key, uint64_t now_ms, bool account, int64_t *excess)
{
    uint32_t hash = limit_hash(key);
    enum limit_verdict verdict = LIMIT_PASS;

    *excess = 0;
    limit_table_lock(t);
    struct limit_node *n = limit_table_find(t, hash, key, NULL);
    if (n != NULL)
        verdict = check_known(t, n, rate, burst, now_ms, account, excess);
    else if (remember(t, rate, hash, key, now_ms, account) == NULL)
        verdict = LIMIT_FULL;
    limit_table_unlock(t);
    return verdict;
}

int64_t limit_req_account(struct limit_table *t, int64_t rate, struct sv key, uint64_t now_ms)
{
    uint32_t hash = limit_hash(key);
    int64_t excess = 0;

    limit_table_lock(t);
    struct limit_node *n = limit_table_find(t, hash, key, NULL);
    if (n != NULL) {
        int64_t ms = elapsed(now_ms, n->value.rate.last_ms);

        excess = excess_with(n, rate, ms);
        count(n, excess, ms, now_ms);
    } else {
        // Another worker needed the room since it was checked. Without room it goes uncounted.
        (void)remember(t, rate, hash, key, now_ms, true);
    }
    limit_table_unlock(t);
    return excess;
}

uint64_t limit_req_delay(int64_t excess, int64_t delay, int64_t rate)
{
    return excess <= delay ? 0 : (uint64_t)((excess - delay) * 1000 / rate);
}

// A request before the rules of its location.
struct turn {
    struct request *r;
    const struct limit_req_rules *rules;
    struct sv *keys;      // one for each rule; empty: not accounted
    enum limit_verdict verdict;
    bool accounted;       // some key is not empty
    const struct limit_zone *zone; // that decides, and its excess
    int64_t excess;
    uint64_t delay_ms;
};

// Only the last rule counts while it checks: a request that a later rule refuses is counted by
// none. 0 or 500.
static int check_rules(struct turn *turn)
{
    const struct limit_req_rules *rules = turn->rules;
    uint64_t now = clock_mono_ms();

    for (unsigned i = 0; i < rules->count && turn->verdict == LIMIT_PASS; i++) {
        const struct limit_req_rule *rule = &rules->rule[i];
        bool last = i == rules->count - 1;

        turn->zone = rule->zone;
        if (limit_zone_key(rule->zone, turn->r, LIMIT_REQ_KEY_MAX, &turn->keys[i]) != 0)
            return 500;
        if (turn->keys[i].n == 0)
            continue;
        turn->accounted = true;
        turn->verdict = limit_req_check(rule->zone->table, rule->zone->rate, rule->burst,
                                        turn->keys[i], now, last, &turn->excess);
        if (last && turn->verdict == LIMIT_PASS)
            turn->delay_ms = limit_req_delay(turn->excess, rule->delay, rule->zone->rate);
    }
    return 0;
}

// Counts the request for the rules before the last. The longest delay is the one that is waited
// for; of equal ones the later rule's.
static void count_rules(struct turn *turn)
{
    uint64_t now = clock_mono_ms();

    for (unsigned i = turn->rules->count - 1; i-- > 0;) {
        const struct limit_req_rule *rule = &turn->rules->rule[i];

        if (turn->keys[i].n == 0)
            continue;
        int64_t excess = limit_req_account(rule->zone->table, rule->zone->rate, turn->keys[i], now);
        uint64_t delay = limit_req_delay(excess, rule->delay, rule->zone->rate);
        if (delay > turn->delay_ms) {
            turn->delay_ms = delay;
            turn->excess = excess;
            turn->zone = rule->zone;
        }
    }
}

static void log_turn(const struct turn *turn, enum log_level level, const char *what,
                     const char *by)
{
    request_log(turn->r, level, 0, "%s%s, excess: %lld.%03lld%s zone \"%.*s\"", what,
                turn->r->location->limits.req_dry_run ? ", dry run" : "",
                (long long)(turn->excess / 1000), (long long)(turn->excess % 1000), by,
                SV_ARG(turn->zone->name));
}

static int refuse(const struct turn *turn)
{
    struct request *r = turn->r;
    const struct limit_conf *conf = &r->location->limits;

    if (turn->verdict == LIMIT_FULL)
        log_alert(0, "could not allocate node in limit_req zone \"%.*s\"",
                  SV_ARG(turn->zone->name));
    else
        log_turn(turn, (enum log_level)conf->req_log_level, "limiting requests", " by");
    r->limits.req = conf->req_dry_run ? LIMIT_REJECTED_DRY_RUN : LIMIT_REJECTED;
    return conf->req_dry_run ? PHASE_NEXT : (int)conf->req_status;
}

static int wait_or_pass(const struct turn *turn)
{
    struct request *r = turn->r;
    const struct limit_conf *conf = &r->location->limits;
    enum log_level level = (enum log_level)conf->req_log_level;

    if (turn->delay_ms == 0) {
        r->limits.req = LIMIT_PASSED;
        return PHASE_NEXT;
    }
    // A delay is one level less severe than a refusal.
    log_turn(turn, level == LOG_LEVEL_INFO ? level : level + 1, "delaying request", ", by");
    r->limits.req = conf->req_dry_run ? LIMIT_DELAYED_DRY_RUN : LIMIT_DELAYED;
    if (conf->req_dry_run)
        return PHASE_NEXT;
    r->owner->delay(r, turn->delay_ms);
    return PHASE_WAIT;
}

int limit_req(struct request *r)
{
    struct turn turn = {.r = r, .rules = r->location->limits.req};

    if (turn.rules == NULL || r->limits.req != LIMIT_NOT_SEEN)
        return PHASE_NEXT;
    turn.keys = arena_array(&r->arena, struct sv, turn.rules->count);
    if (turn.keys == NULL || check_rules(&turn) != 0)
        return 500;
    if (turn.verdict != LIMIT_PASS)
        return refuse(&turn);
    // nginx leaves the status unset then, and looks again after an internal redirect.
    if (!turn.accounted)
        return PHASE_NEXT;
    count_rules(&turn);
    return wait_or_pass(&turn);
}
