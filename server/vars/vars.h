// SPDX-License-Identifier: Apache-2.0
//
// The variables of the http core: what each means for a request. Reading goes through here so that
// map results, captures and `set` values are kept for the request's life.
#pragma once

#include "lib/conf/template.h"

struct regex;
struct regex_match;
struct request;
struct http_conf;
struct map;

// Registers the core variables: called before the http block is read.
must_check int vars_register(struct var_registry *vr);

// A variable that keeps its value in the request: for `set`, named captures and the like. Defined
// again by the same kind it is the same variable. NULL with error filled: not changeable, or memory
// is out.
struct var *vars_define_slot(struct var_registry *vr, struct sv name, const struct conf_node *node,
                             struct conf_error *error);

// Reads with caching; false: no value (nginx's "not found").
bool vars_read(struct request *r, const struct var *v, struct sv *out);
// Stores into a slot variable, or calls its setter.
void vars_assign(struct request *r, const struct var *v, struct sv value);
// For template_eval.
extern const struct template_reader vars_reader;

// keepalive_disable: does the client's User-Agent belong to one of the named browsers?
enum { KEEPALIVE_NO_MSIE6 = 1, KEEPALIVE_NO_SAFARI = 2 };
bool keepalive_disabled_for(const struct request *r, int64_t browsers);

// $remote_addr, for log lines.
struct sv vars_client_text(struct request *r);

// $https: the request came over TLS. Plain HTTP to a port of TLS did not.
bool vars_is_https(const struct request *r);
// After loading: the $ssl_... variables that anything refers to, as http_conf.tls_facts_wanted.
uint32_t vars_tls_facts_wanted(const struct var_registry *vr);

// Puts named groups of a match into their variables.
void vars_set_captures(struct request *r, const struct regex *re, const struct var *const *captures,
                       const struct regex_match *m, struct sv subject);
