// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary that table rows and setters share.
#pragma once

#include <errno.h>
#include <stddef.h>

#include "lib/base/regex.h"
#include "server/directives/directives.h"

enum {
    IN_MAIN = CTX_MAIN,
    IN_HTTP = CTX_HTTP,
    IN_HS = CTX_HTTP | CTX_SERVER,
    IN_SL = CTX_SERVER | CTX_LOCATION,
    IN_HSL = CTX_HTTP | CTX_SERVER | CTX_LOCATION,
    IN_HSLI = IN_HSL | CTX_IF_LOCATION,
};

#define AT_MAIN(field) .level = LEVEL_MAIN, .offset = offsetof(struct main_conf, field)
#define AT_HTTP(field) .level = LEVEL_HTTP, .offset = offsetof(struct http_conf, field)
#define AT_SERVER(field) .level = LEVEL_SERVER, .offset = offsetof(struct server_conf, field)
#define AT_LOCATION(field) .level = LEVEL_LOCATION, .offset = offsetof(struct location_conf, field)
#define ELSE_INT(value) .merge = CONF_MERGE_INT, .default_int = (value)
#define ELSE_TEXT(value) .merge = CONF_MERGE_SV, .default_sv = (value)
#define ELSE_NULL .merge = CONF_MERGE_PTR

int fail_duplicate(struct conf_apply *ap, const struct conf_node *node);
int fail_value(struct conf_apply *ap, const struct conf_node *node, struct sv value);
int fail_parameter(struct conf_apply *ap, const struct conf_node *node, struct sv value);
// What a word of a directive says goes to *out; false when it says nothing.
typedef bool word_reader(struct sv word, void *out);
// All words of a directive, one after the other; `off` among them goes to *off.
int read_words(struct conf_apply *ap, const struct conf_node *node, word_reader *read, void *out,
               bool *off);
// A setter that does nothing, for directives whose only value is what we do anyway.
conf_setter set_nothing;
// A list of media types (struct strmap): text/html and those named.
conf_setter set_type_list;

// If `word` begins with `prefix`, the rest of it goes to *rest.
bool take_prefix(struct sv word, const char *prefix, struct sv *rest);
bool has_variables(struct sv text);
// A terminated lower-case copy; p == NULL when memory is out.
struct sv lower_copy(struct arena *a, struct sv s);

// Compiles, keeps it for config_free(), and defines a slot variable for each named group.
must_check int compile_regex(struct conf_apply *ap, const struct conf_node *node, struct sv pattern,
                             bool nocase, struct regex **out, const struct var ***captures);
