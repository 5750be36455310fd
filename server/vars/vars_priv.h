// SPDX-License-Identifier: Apache-2.0
//
// What the variable tables share: the shape of a row, and the few ways to make a value. A getter
// gives a view that stays valid until the request ends: of the head, the connection, the
// configuration, or the request's arena.
#pragma once

#include "server/request/request.h"
#include "server/vars/vars.h"

struct var_row {
    const char *name;
    var_get_fn get;
    uintptr_t data;
    uint32_t flags;
    var_set_fn set;
};

struct var_table {
    const struct var_row *rows;
    size_t count;
};

extern const struct var_table vars_request_table;
extern const struct var_table vars_conn_table;
extern const struct var_table vars_headers_table;
extern const struct var_table vars_sent_table;
extern const struct var_table vars_time_table;
extern const struct var_table vars_limits_table;
extern const struct var_table vars_tls_table;
extern const struct var_table vars_absent_table;

#define VARS_NUMBER_MAX 24 // room for a number of 64 bits, or of seconds with milliseconds

// Decimal digits at `out`, at least `width` of them (at most 20); gives the end.
char *vars_put_number(char *out, uint64_t n, int width);
// In the request's arena; false when memory is out.
bool vars_number(struct request *r, uint64_t n, int width, struct sv *out);
// "1.234" from milliseconds.
bool vars_seconds(struct request *r, uint64_t ms, struct sv *out);
bool vars_copy(struct request *r, struct sv text, struct sv *out);

// A constant text: `data` points at a struct sv of the configuration.
bool vars_get_text(void *ctx, const struct var *v, struct sv *out);
// No value, ever: what belongs to a module or a connection that this request does not have.
bool vars_get_none(void *ctx, const struct var *v, struct sv *out);
// Found, and empty.
bool vars_get_empty(void *ctx, const struct var *v, struct sv *out);

// A counter or gauge summed over all workers: `data` is its offset in struct stats.
bool vars_get_stat(void *ctx, const struct var *v, struct sv *out);

// Does a header's name (any case, '-') match a variable's suffix (lower case, '_')?
bool vars_name_matches(struct sv header, struct sv suffix);
