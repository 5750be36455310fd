// SPDX-License-Identifier: Apache-2.0
#include "server/tls/ticket_rotation.h"

#include <string.h>

#include "lib/base/log.h"
#include "server/bounds.h"
#include "server/config/http_conf.h"

uint64_t ticket_life(const struct http_conf *http)
{
    uint64_t longest_s = 0;

    for (unsigned i = 0; http != NULL && i < http->nservers; i++) {
        const struct tls_conf *tls = &http->servers[i]->tls;

        // What is sealed with keys of its own is none of ours.
        if (tls->context != NULL && tls->session_tickets > 0 && tls->ticket_keys == NULL &&
            tls->session_timeout_s > 0)
            longest_s = max_of(longest_s, (uint64_t)tls->session_timeout_s);
    }
    return min_of(longest_s, UINT64_MAX / 4000) * 1000;
}

void ticket_rotation_begin(struct ticket_rotation *r, struct tls_ticket_keys *keys,
                           uint64_t now_ms)
{
    *r = (struct ticket_rotation){.keys = keys, .changed_ms = now_ms};
}

uint64_t ticket_rotation_due(const struct ticket_rotation *r)
{
    uint64_t due;

    if (r->keys == NULL || r->life_ms == 0)
        return UINT64_MAX;
    due = r->changed_ms + max_of(r->life_ms, (uint64_t)TICKET_ROTATE_MIN_MS);
    due = max_of(due, r->over_ms[TLS_TICKET_KEYS - 1]);
    return max_of(due, r->retry_ms);
}

static void change(struct ticket_rotation *r, uint64_t now_ms)
{
    int rc = tls_ticket_keys_rotate(r->keys);

    if (rc != 0) {
        log_alert(-rc, "the session ticket keys could not be changed");
        r->retry_ms = now_ms + TICKET_RETRY_MS;
        return;
    }
    r->over_ms[0] = now_ms + r->longest_ms;
    memmove(r->over_ms + 1, r->over_ms, sizeof(r->over_ms) - sizeof(r->over_ms[0]));
    r->over_ms[0] = 0;
    r->longest_ms = r->life_ms;
    r->changed_ms = now_ms;
}

void ticket_rotation_turn(struct ticket_rotation *r, uint64_t now_ms, uint64_t life_ms)
{
    // Tickets of a configuration that had TLS are still about: their keys go at its pace.
    if (life_ms != 0)
        r->life_ms = life_ms;
    r->longest_ms = max_of(r->longest_ms, r->life_ms);
    if (ticket_rotation_due(r) <= now_ms)
        change(r, now_ms);
}
