// SPDX-License-Identifier: Apache-2.0
//
// limit_conn: how many requests of one key are being answered at a time, in all silos together.
//
// A node belongs to a key and to a silo, and a key's count is the sum over its nodes. That is why
// nothing leaks when a silo is killed: the master removes what carries its process id.
#pragma once

#include <sys/types.h>

#include "server/limits/limit_conf.h"
#include "server/limits/table.h"

struct request;

#define LIMIT_CONN_KEY_MAX 255 // bytes

enum limit_taken {
    LIMIT_TAKEN,
    LIMIT_TOO_MANY,
    LIMIT_NO_ROOM, // for another key
};

// Counts one more for `key` on behalf of a silo, unless there are `most` already. *node is for
// limit_conn_give().
enum limit_taken limit_conn_take(struct limit_table *t, struct sv key, uint32_t most, pid_t silo,
                                 uint32_t *node);
void limit_conn_give(struct limit_table *t, uint32_t node, pid_t silo);
// Removes everything a silo has counted.
void limit_conn_forget(struct limit_table *t, pid_t silo);

// A phase: PHASE_NEXT or a status.
int limit_conn(struct request *r);
// The request has ended; harmless when it was never counted.
void limit_conn_leave(struct request *r);
