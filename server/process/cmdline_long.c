// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/sv.h"
#include "server/process/cmdline_priv.h"

static const struct long_option *find(const struct long_table *t, struct sv name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (sv_eq(name, sv_from(t->rows[i].name)))
            return &t->rows[i];
    }
    return NULL;
}

static void *field(struct cmdline *c, const struct long_option *o)
{
    return (char *)c + o->offset;
}

static bool is_given(const struct cmdline *c, const struct long_option *o)
{
    const void *at = (const char *)c + o->offset;

    switch (o->kind) {
    case LONG_FLAG:
        return *(const bool *)at;
    case LONG_TEXT:
        return *(const char *const *)at != NULL;
    case LONG_SECONDS:
        return *(const unsigned *)at != 0;
    default:
        return (o->modes & WITH(c->mode)) != 0;
    }
}

#define SECONDS_MAX 86400

// "2", "0.5", "0.125": at most three digits after the point, and not nothing.
static int parse_seconds(const char *text, unsigned *ms)
{
    struct sv s = sv_from(text), part = {NULL, 0};
    ptrdiff_t dot = sv_find(s, '.');
    uint64_t whole, fraction = 0;

    if (dot >= 0) {
        part = sv_skip(s, (size_t)dot + 1);
        s = sv_take(s, (size_t)dot);
        if (part.n > 3 || sv_to_u64(part, &fraction) != 0)
            return -EINVAL;
        for (size_t i = part.n; i < 3; i++)
            fraction *= 10;
    }
    if (sv_to_u64(s, &whole) != 0 || whole > SECONDS_MAX || whole * 1000 + fraction == 0)
        return -EINVAL;
    *ms = (unsigned)(whole * 1000 + fraction);
    return 0;
}

static int set_mode(struct cmdline *c, const struct long_option *o, char *why, size_t why_size)
{
    enum cmdline_mode mode = CMD_SERVE;

    while (o->modes != WITH(mode))
        check(++mode < CMD_MODES);
    if (c->mode != CMD_SERVE && c->mode != mode) {
        snprintf(why, why_size, "option \"--%s\" cannot follow another command", o->name);
        return -EINVAL;
    }
    c->mode = mode;
    return 0;
}

static int set_value(struct cmdline *c, const struct long_option *o, const char *value, char *why,
                     size_t why_size)
{
    if (value == NULL || value[0] == '\0') {
        snprintf(why, why_size, "option \"--%s\" requires %s", o->name, o->requires);
        return -EINVAL;
    }
    if (o->kind == LONG_TEXT) {
        *(const char **)field(c, o) = value;
    } else if (parse_seconds(value, field(c, o)) != 0) {
        snprintf(why, why_size, "invalid option: \"--%s=%s\"", o->name, value);
        return -EINVAL;
    }
    return 0;
}

int cmdline_parse_long(const struct long_table *t, char *const argv[], int *i, struct cmdline *c,
                       char *why, size_t why_size)
{
    struct sv word = sv_from(argv[*i] + strlen("--"));
    ptrdiff_t equals = sv_find(word, '=');
    const struct long_option *o = find(t, equals < 0 ? word : sv_take(word, (size_t)equals));

    if (o == NULL || (equals >= 0 && o->requires == NULL)) {
        snprintf(why, why_size, "invalid option: \"%s\"", argv[*i]);
        return -EINVAL;
    }
    if (o->requires != NULL) {
        const char *value = equals >= 0 ? word.p + equals + 1 : argv[++*i];

        return set_value(c, o, value, why, why_size);
    }
    if (o->kind == LONG_MODE)
        return set_mode(c, o, why, why_size);
    *(bool *)field(c, o) = true;
    return 0;
}

int cmdline_check_long(const struct long_table *t, const struct cmdline *c, char *why,
                       size_t why_size)
{
    const struct long_option *mode = NULL;

    for (size_t i = 0; i < t->count; i++) {
        const struct long_option *o = &t->rows[i];

        if (!is_given(c, o))
            continue;
        if (o->kind == LONG_MODE)
            mode = o;
        else if ((o->modes & WITH(c->mode)) == 0) {
            snprintf(why, why_size, "option \"--%s\" goes with another command", o->name);
            return -EINVAL;
        }
    }
    if (c->apply && c->undo) {
        snprintf(why, why_size, "options \"--apply\" and \"--undo\" exclude each other");
        return -EINVAL;
    }
    if (mode != NULL && (c->test || c->signal != NULL)) {
        snprintf(why, why_size, "option \"-%c\" cannot go with \"--%s\"", c->test ? 't' : 's',
                 mode->name);
        return -EINVAL;
    }
    return 0;
}
