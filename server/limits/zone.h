// SPDX-License-Identifier: Apache-2.0
//
// Limit zones: the tables in shared memory that limit_req and limit_conn keep their clients in.
//
// The master maps them before it starts silos, so that all workers of all silos have the same ones.
// A zone of the same name, use and size is carried over from one configuration to the next; one
// that no configuration names any more is unmapped.
#pragma once

#include <sys/types.h>

#include "lib/conf/template.h"
#include "server/limits/table.h"

struct http_conf;
struct request;

enum limit_kind { LIMIT_KIND_REQ, LIMIT_KIND_CONN };

struct limit_memory; // a mapping; the master's heap

// A zone of one configuration; configuration arena.
struct limit_zone {
    struct sv name;
    enum limit_kind kind;
    int64_t size;                // bytes; 0 while it has only been referred to
    struct template *key;        // NULL until it is declared
    int64_t rate;                // thousandths of a request in a second; limit_req_zone only
    struct limit_memory *memory; // NULL until opened
    struct limit_table *table;   // the same
    struct limit_zone *next;     // http_conf.limit_zones, in order of first mention
};

#define LIMIT_ZONE_PAGES_MIN 8

// Maps the zones that are new and takes over the others. 0, or -errno with everything said.
must_check int limit_zones_open(struct http_conf *http);
// Harmless for zones that were never opened.
void limit_zones_close(struct http_conf *http);

// A silo has ended: what it held is given back. Master only.
void limit_zones_silo_ended(pid_t silo);

// What is remembered under for this request: out->n is 0 when the request is not accounted, because
// its key is empty, or longer than `most` (then there is a line in the log). 0 or 500.
must_check int limit_zone_key(const struct limit_zone *z, struct request *r, size_t most,
                              struct sv *out);
