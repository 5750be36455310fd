// SPDX-License-Identifier: Apache-2.0
//
// allow and deny: the first rule that matches the peer decides.
#include "server/conn/conn.h"
#include "server/phases/phases.h"

static bool rule_matches(const struct access_rule *rule, const struct conn *c)
{
    if (rule->all)
        return true;
    if (c->peer.sa.sa_family == 0)
        return rule->unix_socket;
    return !rule->unix_socket && net_prefix_has(&rule->prefix, &c->peer.sa);
}

int phase_access(struct request *r)
{
    if (r->location->access_rules == NULL)
        return PHASE_NEXT;
    conn_peer(r->conn);
    const struct access_rule *rule = r->location->access_rules;
    for (; rule != NULL; rule = rule->next) {
        if (!rule_matches(rule, r->conn))
            continue;
        if (!rule->deny)
            return PHASE_NEXT;
        request_log(r, LOG_LEVEL_ERROR, 0, "access forbidden by rule");
        return 403;
    }
    return PHASE_NEXT;
}
