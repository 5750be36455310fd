// SPDX-License-Identifier: Apache-2.0
//
// When the master's ticket keys are changed. Pure but for the keys: the time is given.
//
// The newest key seals, the older ones open. Keys change once in a session's life (`life`: the
// longest ssl_session_timeout in use), as nginx changes its own. A key is thrown away when
// TLS_TICKET_KEYS newer ones would stand before it, that is TLS_TICKET_KEYS - 1 changes after it
// sealed its last ticket: at least one whole life later, so that no ticket dies early. A reload may
// shorten the life: the keys that sealed for the longer one are kept until that is over.
#pragma once

#include <stdint.h>

#include "lib/tls/ticket_keys.h"

struct http_conf;

struct ticket_rotation {
    struct tls_ticket_keys *keys; // NULL: nothing to do
    uint64_t changed_ms;          // when the newest key began to seal
    uint64_t retry_ms;            // not before that, after a failure
    uint64_t life_ms;             // of tickets that are sealed now; 0: none are
    // The longest life that the i-th newest key gave to a ticket, and when that is over. The newest
    // one's is not known before it is changed.
    uint64_t longest_ms;
    uint64_t over_ms[TLS_TICKET_KEYS];
};

// Milliseconds of the longest ssl_session_timeout among the servers whose tickets are sealed with
// the master's keys; 0 when there is none. `http` may be NULL.
uint64_t ticket_life(const struct http_conf *http);

void ticket_rotation_begin(struct ticket_rotation *r, struct tls_ticket_keys *keys,
                           uint64_t now_ms);
// Changes the keys if it is time. `life_ms`: the longest of all configurations that may seal from
// now on. CLOCK_MONOTONIC. Master only.
void ticket_rotation_turn(struct ticket_rotation *r, uint64_t now_ms, uint64_t life_ms);
// When there will be something to do: UINT64_MAX for never.
uint64_t ticket_rotation_due(const struct ticket_rotation *r);
