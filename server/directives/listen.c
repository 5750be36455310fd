// SPDX-License-Identifier: Apache-2.0
//
// The `listen` directive.
#include <unistd.h>

#include "lib/conf/value.h"
#include "server/directives/listen_line.h"
#include "server/directives/rows_priv.h"
#include "server/process/report.h"

struct listen_read {
    struct conf_apply *ap;
    const struct conf_node *node;
    struct listen_line *line;
};

// A parameter: its word, or its beginning up to "=". `value` is empty for a word.
struct parameter {
    const char *text;
    int (*take)(const struct listen_read *r, struct sv word, struct sv value);
};

static int take_default(const struct listen_read *r, struct sv word, struct sv value)
{
    (void)word;
    (void)value;
    r->line->default_server = true;
    return 0;
}

static int take_bind(const struct listen_read *r, struct sv word, struct sv value)
{
    (void)word;
    (void)value;
    r->line->set = true;
    return 0;
}

static int take_ssl(const struct listen_read *r, struct sv word, struct sv value)
{
    (void)word;
    (void)value;
    r->line->ssl = true;
    return 0;
}

static int take_http2(const struct listen_read *r, struct sv word, struct sv value)
{
    (void)word;
    (void)value;
    report(LOG_LEVEL_WARN, 0, "the \"listen ... http2\" directive is deprecated, use the \"http2\" "
           "directive instead in %s:%u", r->node->file, r->node->line);
    r->line->http2 = true;
    return 0;
}

static int take_deferred(const struct listen_read *r, struct sv word, struct sv value)
{
    r->line->options.deferred = true;
    return take_bind(r, word, value);
}

static int take_reuseport(const struct listen_read *r, struct sv word, struct sv value)
{
    r->line->options.reuseport = true;
    return take_bind(r, word, value);
}

static int take_number(const struct listen_read *r, struct sv word, struct sv value, int least,
                       const char *name, int *out)
{
    int64_t n;

    if (conf_number(value, &n) != 0 || n > INT32_MAX || n < least)
        return conf_fail(r->ap->error, r->node, 0, "invalid %s \"%.*s\"", name, SV_ARG(word));
    *out = (int)n;
    return take_bind(r, word, value);
}

static int take_fastopen(const struct listen_read *r, struct sv word, struct sv value)
{
    return take_number(r, word, value, 0, "fastopen", &r->line->options.fastopen);
}

static int take_backlog(const struct listen_read *r, struct sv word, struct sv value)
{
    return take_number(r, word, value, 1, "backlog", &r->line->options.backlog);
}

static int take_size(const struct listen_read *r, struct sv word, struct sv value,
                     const char *name, int *out)
{
    int64_t n;

    if (conf_size(value, &n) != 0 || n > INT32_MAX)
        return conf_fail(r->ap->error, r->node, 0, "invalid %s \"%.*s\"", name, SV_ARG(word));
    *out = (int)n;
    return take_bind(r, word, value);
}

static int take_rcvbuf(const struct listen_read *r, struct sv word, struct sv value)
{
    return take_size(r, word, value, "rcvbuf", &r->line->options.rcvbuf);
}

static int take_sndbuf(const struct listen_read *r, struct sv word, struct sv value)
{
    return take_size(r, word, value, "sndbuf", &r->line->options.sndbuf);
}

static int take_ipv6only(const struct listen_read *r, struct sv word, struct sv value)
{
    if (!sv_eq(value, SV("on")) && !sv_eq(value, SV("off")))
        return conf_fail(r->ap->error, r->node, 0, "invalid ipv6only flags \"%.*s\"",
                         SV_ARG(value));
    r->line->options.ipv6only = sv_eq(value, SV("on"));
    return take_bind(r, word, value);
}

static struct sv next_field(struct sv *rest)
{
    ptrdiff_t colon = sv_find(*rest, ':');
    struct sv field = colon < 0 ? *rest : sv_take(*rest, (size_t)colon);

    *rest = colon < 0 ? sv_of(NULL, 0) : sv_skip(*rest, (size_t)colon + 1);
    return field;
}

static bool read_keepalive_field(struct sv field, bool time, int *out)
{
    int64_t n = 0;

    if (field.n == 0)
        return true;
    if ((time ? conf_sec(field, &n) : conf_number(field, &n)) != 0 || n == 0 || n > INT32_MAX)
        return false;
    *out = (int)n;
    return true;
}

// on, off, or idle:interval:count with at least one of them.
static bool read_keepalive(struct sv value, struct listen_options *o)
{
    o->so_keepalive = KEEPALIVE_ON;
    if (sv_eq(value, SV("on")))
        return true;
    if (sv_eq(value, SV("off"))) {
        o->so_keepalive = KEEPALIVE_OFF;
        return true;
    }
    if (sv_find(value, ':') < 0)
        return false;
    bool ok = read_keepalive_field(next_field(&value), true, &o->keepidle_s) &&
              read_keepalive_field(next_field(&value), true, &o->keepintvl_s) &&
              read_keepalive_field(value, false, &o->keepcnt);
    return ok && (o->keepidle_s != 0 || o->keepintvl_s != 0 || o->keepcnt != 0);
}

static int take_so_keepalive(const struct listen_read *r, struct sv word, struct sv value)
{
    if (!read_keepalive(value, &r->line->options))
        return conf_fail(r->ap->error, r->node, 0, "invalid so_keepalive value: \"%.*s\"",
                         SV_ARG(value));
    return take_bind(r, word, value);
}

static int take_ignored(const struct listen_read *r, struct sv word, struct sv value)
{
    (void)value;
    report(LOG_LEVEL_WARN, 0, "the \"%.*s\" parameter is not supported on this platform, ignored "
           "in %s:%u", SV_ARG(word), r->node->file, r->node->line);
    return 0;
}

static int take_refused(const struct listen_read *r, struct sv word, struct sv value)
{
    const char *why = "only HTTP/1.1 and HTTP/2 are served";

    (void)value;
    if (sv_eq(word, SV("proxy_protocol")))
        why = "the address in front of a proxy would not be the one that is checked and logged";
    return conf_fail(r->ap->error, r->node, 0,
                     "the \"%.*s\" parameter of the \"listen\" directive is not supported: %s",
                     SV_ARG(word), why);
}

static const struct parameter parameters[] = {
    {"default_server", take_default},   {"default", take_default},
    {"bind", take_bind},                {"deferred", take_deferred},
    {"reuseport", take_reuseport},      {"fastopen=", take_fastopen},
    {"backlog=", take_backlog},         {"rcvbuf=", take_rcvbuf},
    {"sndbuf=", take_sndbuf},           {"ipv6only=", take_ipv6only},
    {"so_keepalive=", take_so_keepalive}, {"accept_filter=", take_ignored},
    {"multipath", take_ignored},        {"ssl", take_ssl},
    {"http2", take_http2},              {"quic", take_refused},
    {"spdy", take_refused},             {"proxy_protocol", take_refused},
};

static int take_parameter(const struct listen_read *r, struct sv word)
{
    for (size_t i = 0; i < array_len(parameters); i++) {
        const struct parameter *p = &parameters[i];
        bool has_value = p->text[strlen(p->text) - 1] == '=';
        struct sv value;
        if (take_prefix(word, p->text, &value) && (has_value || value.n == 0))
            return p->take(r, word, value);
    }
    return fail_parameter(r->ap, r->node, word);
}

static void append(struct block *server, struct listen_line *line)
{
    struct listen_line **tail = &server->listens;

    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = line;
}

static struct listen_line *new_line(struct arena *a, const struct conf_node *where)
{
    struct listen_line *line = arena_new(a, struct listen_line);

    if (line == NULL)
        return NULL;
    line->options = LISTEN_OPTIONS_DEFAULT;
    line->where = where;
    return line;
}

int listen_line_default(struct arena *a, struct block *server)
{
    struct listen_line *line = new_line(a, server->node);
    struct sv text = geteuid() == 0 ? SV("*:80") : SV("*:8000");
    const char *why;

    if (line == NULL)
        return -ENOMEM;
    int rc = net_address_parse(a, text, 80, &line->addresses, &why);
    if (rc == 0)
        append(server, line);
    return rc;
}

static int set_listen(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct listen_line *line = new_line(ap->arena, node);
    struct listen_read r = {ap, node, line};
    const char *why;

    (void)row;
    (void)field;
    if (line == NULL)
        return -ENOMEM;
    int rc = net_address_parse(ap->arena, node->argv[1], 80, &line->addresses, &why);
    if (rc == -EINVAL)
        return conf_fail(ap->error, node, 0, "%s in \"%s\" of the \"listen\" directive", why,
                         node->argv[1].p);
    for (unsigned i = 2; rc == 0 && i < node->argc; i++)
        rc = take_parameter(&r, node->argv[i]);
    if (rc == 0)
        append(block_of(ap), line);
    return rc;
}

const struct conf_directive directives_listen[] = {
    {.name = "listen", .contexts = CTX_SERVER, .args = CONF_ARGS_1MORE, .set = set_listen},
    {.name = NULL},
};
