// SPDX-License-Identifier: Apache-2.0
//
// The registry's side of the core variables: their tables are put in, values are read with
// caching, assigned, and filled from regular expressions. What each variable means is in the
// vars_*.c files.
#include "server/vars/vars.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "server/vars/vars_priv.h"
#include "version.h"

// A map may refer to itself in a circle, which is only seen when it is read. nginx's limit.
#define READ_DEPTH_MAX 100

static _Thread_local unsigned depth;

char *vars_put_number(char *out, uint64_t n, int width)
{
    char text[20];
    size_t at = sizeof(text);

    while (n >= 10) {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    }
    text[--at] = (char)('0' + n);
    while (sizeof(text) - at < (size_t)width)
        text[--at] = '0';
    memcpy(out, text + at, sizeof(text) - at);
    return out + (sizeof(text) - at);
}

bool vars_number(struct request *r, uint64_t n, int width, struct sv *out)
{
    char *p = arena_alloc(&r->arena, VARS_NUMBER_MAX);

    if (p == NULL)
        return false;
    *out = sv_of(p, (size_t)(vars_put_number(p, n, width) - p));
    return true;
}

bool vars_seconds(struct request *r, uint64_t ms, struct sv *out)
{
    char *p = arena_alloc(&r->arena, VARS_NUMBER_MAX);

    if (p == NULL)
        return false;
    char *end = vars_put_number(p, ms / 1000, 1);
    *end++ = '.';
    end = vars_put_number(end, ms % 1000, 3);
    *out = sv_of(p, (size_t)(end - p));
    return true;
}

bool vars_copy(struct request *r, struct sv text, struct sv *out)
{
    *out = arena_sv(&r->arena, text);
    return out->p != NULL;
}

bool vars_get_text(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    *out = *(const struct sv *)v->data;
    return true;
}

bool vars_get_none(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    (void)v;
    *out = sv_of("", 0);
    return false;
}

bool vars_get_empty(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    (void)v;
    *out = sv_of("", 0);
    return true;
}

static int define_table(struct var_registry *vr, const struct var_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct var_row *row = &t->rows[i];
        struct var v = {.name = sv_from(row->name), .get = row->get, .set = row->set,
                        .data = row->data, .flags = row->flags};
        int rc = var_define(vr, &v, NULL);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int define_text(struct var_registry *vr, struct sv name, struct sv text)
{
    struct sv *kept = arena_new(vr->arena, struct sv);

    if (kept == NULL)
        return -ENOMEM;
    *kept = arena_sv(vr->arena, text);
    if (kept->p == NULL)
        return -ENOMEM;
    struct var v = {.name = name, .get = vars_get_text, .data = (uintptr_t)kept};
    return var_define(vr, &v, NULL);
}

static int define_hostname(struct var_registry *vr)
{
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1) != 0)
        return -errno;
    for (char *p = host; *p != '\0'; p++)
        *p = ascii_lower(*p);
    return define_text(vr, SV("hostname"), sv_from(host));
}

int vars_register(struct var_registry *vr)
{
    const struct var_table *const tables[] = {
        &vars_request_table, &vars_conn_table, &vars_headers_table,
        &vars_sent_table, &vars_time_table, &vars_limits_table, &vars_tls_table,
        &vars_absent_table,
    };

    for (size_t i = 0; i < array_len(tables); i++) {
        int rc = define_table(vr, tables[i]);
        if (rc != 0)
            return rc;
    }
    int rc = define_hostname(vr);
    if (rc == 0)
        rc = define_text(vr, SV("nginx_version"), SV(MILLRACE_NGINX_VERSION));
    return rc;
}

// What only `set` fills is empty without it; what a regular expression fills is not there at all.
static var_get_fn unset_getter(const struct conf_node *node)
{
    bool by_set = node != NULL && node->argc > 0 && sv_eq(node->argv[0], SV("set"));

    return by_set ? vars_get_empty : vars_get_none;
}

struct var *vars_define_slot(struct var_registry *vr, struct sv name, const struct conf_node *node,
                             struct conf_error *error)
{
    struct var *v = strmap_get(&vr->by_name, name);
    bool defined = v != NULL && !(v->flags & VAR_WEAK) && v->suffix.p == NULL;

    if (defined && !(v->flags & VAR_CHANGEABLE)) {
        conf_fail(error, node, 0, "the duplicate \"%.*s\" variable", SV_ARG(name));
        return NULL;
    }
    if (!defined) {
        struct var proto = {.name = name, .get = unset_getter(node),
                            .flags = VAR_CACHED | VAR_CHANGEABLE};
        if (var_define(vr, &proto, &v) != 0) {
            conf_fail(error, node, ENOMEM, "the \"%.*s\" variable", SV_ARG(name));
            return NULL;
        }
        return v;
    }
    // Another kind's variable keeps its getter (a map's, say) and is stored into from now on.
    if (v->get == vars_get_none)
        v->get = unset_getter(node);
    if (v->set == NULL && v->slot == 0)
        v->slot = vr->slots++;
    return v;
}

static struct value_slot *slot_of(struct request *r, const struct var *v)
{
    const struct http_conf *http = r->server->http;

    if (v->slot == 0)
        return NULL;
    check(v->slot < http->vars.slots);
    if (unlikely(r->slots == NULL))
        r->slots = arena_array(&r->arena, struct value_slot, http->vars.slots);
    return r->slots != NULL ? &r->slots[v->slot] : NULL;
}

static bool get_value(struct request *r, const struct var *v, struct sv *out)
{
    if (unlikely(depth >= READ_DEPTH_MAX)) {
        request_log(r, LOG_LEVEL_ERROR, 0, "cycle while evaluating variable \"%.*s\"",
                    SV_ARG(v->name));
        return false;
    }
    depth++;
    bool found = v->get(r, v, out);
    depth--;
    return found;
}

bool vars_read(struct request *r, const struct var *v, struct sv *out)
{
    struct value_slot *slot = slot_of(r, v);

    *out = sv_of("", 0);
    if (slot != NULL && slot->known) {
        *out = slot->value;
        return slot->found;
    }
    bool found = get_value(r, v, out);
    if (slot != NULL && (v->flags & VAR_CACHED) != 0)
        *slot = (struct value_slot){.value = *out, .known = true, .found = found};
    return found;
}

static void store(struct request *r, const struct var *v, struct sv value)
{
    struct value_slot *slot = slot_of(r, v);

    if (value.p == NULL)
        value = sv_of("", 0);
    if (slot != NULL)
        *slot = (struct value_slot){.value = value, .known = true, .found = true};
}

void vars_assign(struct request *r, const struct var *v, struct sv value)
{
    if (v->set != NULL)
        v->set(r, v, value);
    else
        store(r, v, value);
}

static struct sv group_of(const struct regex_match *m, unsigned n, struct sv subject)
{
    if (n >= m->count || n >= REGEX_CAPTURES || m->at[n][0] == UINT32_MAX)
        return sv_of("", 0);
    return sv_of(subject.p + m->at[n][0], m->at[n][1] - m->at[n][0]);
}

void vars_set_captures(struct request *r, const struct regex *re, const struct var *const *captures,
                       const struct regex_match *m, struct sv subject)
{
    r->captures = *m;
    r->captures_subject = subject;
    for (unsigned i = 0; captures != NULL && i < re->nnamed; i++) {
        if (captures[i] != NULL)
            vars_assign(r, captures[i], group_of(m, re->named[i].number, subject));
    }
}

static bool read_for_template(void *ctx, const struct var *v, struct sv *out)
{
    return vars_read(ctx, v, out);
}

static bool capture_for_template(void *ctx, int n, struct sv *out)
{
    const struct request *r = ctx;

    *out = sv_of("", 0);
    if (n < 0 || (unsigned)n >= r->captures.count)
        return false;
    *out = group_of(&r->captures, (unsigned)n, r->captures_subject);
    return true;
}

const struct template_reader vars_reader = {
    .read = read_for_template,
    .capture = capture_for_template,
};
