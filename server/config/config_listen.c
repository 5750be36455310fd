// SPDX-License-Identifier: Apache-2.0
//
// From the `listen` lines of servers to addresses: each address once, with the servers and names it
// serves and the one that answers for all other names.
#include <errno.h>

#include "server/config/config_priv.h"
#include "server/directives/listen_line.h"
#include "server/config/name_table.h"
#include "server/process/report.h"

struct address_server { // a server of an address, in order of the file
    struct server_conf *server;
    struct address_server *next;
};

struct address {
    struct listen_conf *listen;
    unsigned protocols;       // what note_protocols() compares the next line with
    bool protocols_set, protocols_changed;
    struct address_server *servers, **tail;
    struct address *next;
};

struct gather {
    struct config *config;
    struct conf_error *error;
    struct address *first, **tail;
};

static int fail_address(const struct gather *g, const struct listen_line *line, const char *what,
                        const struct net_address *addr)
{
    char text[NET_ADDRESS_TEXT_MAX];

    net_address_format(addr, true, text);
    return conf_fail(g->error, line->where, 0, "%s %s", what, text);
}

static struct address *find_address(const struct gather *g, const struct net_address *addr)
{
    for (struct address *a = g->first; a != NULL; a = a->next) {
        if (net_address_eq(&a->listen->address, addr))
            return a;
    }
    return NULL;
}

static struct address *new_address(struct gather *g, const struct listen_line *line,
                                   const struct net_address *addr)
{
    struct address *a = arena_new(&g->config->arena, struct address);
    struct listen_conf *l = arena_new(&g->config->arena, struct listen_conf);

    if (a == NULL || l == NULL)
        return NULL;
    l->address = *addr;
    l->options = line->options;
    l->where = line->where;
    l->bound_by_set = line->set;
    l->ssl = line->ssl;
    l->http2 = line->http2;
    a->listen = l;
    a->tail = &a->servers;
    *g->tail = a;
    g->tail = &a->next;
    return a;
}

static int add_server(struct gather *g, const struct listen_line *line, struct server_conf *server,
                      struct address *a)
{
    struct address_server *s = arena_new(&g->config->arena, struct address_server);

    if (s == NULL)
        return -ENOMEM;
    for (const struct address_server *old = a->servers; old != NULL; old = old->next) {
        if (old->server == server)
            return fail_address(g, line, "a duplicate listen", &a->listen->address);
    }
    s->server = server;
    *a->tail = s;
    a->tail = &s->next;
    return 0;
}

// Options of the socket may be said once for an address, and so may default_server.
static int take_options(struct gather *g, const struct listen_line *line,
                        struct server_conf *server, struct listen_conf *l)
{
    if (line->set && l->where != line->where) {
        if (l->bound_by_set)
            return fail_address(g, line, "duplicate listen options for", &l->address);
        l->options = line->options;
        l->bound_by_set = true;
    }
    if (line->default_server && l->explicit_default)
        return fail_address(g, line, "a duplicate default server for", &l->address);
    if (line->default_server || l->names.fallback == NULL)
        l->names.fallback = server;
    l->explicit_default = l->explicit_default || line->default_server;
    return 0;
}

static unsigned protocol_bits(bool ssl, bool http2)
{
    return (unsigned)ssl | (unsigned)http2 << 1;
}

// Does a further line of an address say other protocols than nginx lets pass without a word? The
// first line, or the one with the options of the socket, may say them alone.
static bool redefines(const struct listen_line *line, const struct address *a, unsigned said,
                      unsigned before)
{
    bool differs = a->protocols_set && said != a->protocols;

    if (said & ~before) // added
        return (a->listen->bound_by_set && !line->set) || a->protocols_changed || (before & ~said);
    if (before & ~said) // left out
        return line->set || differs;
    return (line->set && a->protocols_changed) || differs;
}

// `ssl` and `http2` once said count for the address.
static void note_protocols(const struct listen_line *line, struct address *a)
{
    struct listen_conf *l = a->listen;
    unsigned before = protocol_bits(l->ssl, l->http2);
    unsigned said = protocol_bits(line->ssl, line->http2);
    char text[NET_ADDRESS_TEXT_MAX];

    if (redefines(line, a, said, before)) {
        net_address_format(&l->address, true, text);
        report(LOG_LEVEL_WARN, 0, "protocol options redefined for %s in %s:%u", text,
               line->where->file, line->where->line);
    }
    a->protocols = (said & ~before) ? before : said;
    a->protocols_set = true;
    a->protocols_changed = a->protocols_changed || said != before;
    l->ssl = l->ssl || line->ssl;
    l->http2 = l->http2 || line->http2;
}

static int add_line(struct gather *g, const struct listen_line *line, struct server_conf *server)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < line->addresses.count; i++) {
        const struct net_address *addr = &line->addresses.at[i];
        struct address *a = find_address(g, addr);
        bool known = a != NULL;
        if (!known)
            a = new_address(g, line, addr);
        rc = a != NULL ? add_server(g, line, server, a) : -ENOMEM;
        if (rc == 0)
            rc = take_options(g, line, server, a->listen);
        if (rc == 0 && known)
            note_protocols(line, a);
    }
    return rc;
}

static int add_lines(struct gather *g, struct block *server)
{
    int rc = 0;

    if (server->listens == NULL)
        rc = listen_line_default(&g->config->arena, server);
    for (const struct listen_line *l = server->listens; rc == 0 && l != NULL; l = l->next)
        rc = add_line(g, l, server->server);
    return rc;
}

// A server without a name is called "", which is what a request without a host asks for.
static int name_nameless(struct arena *a, struct server_conf *s)
{
    struct server_name *n;

    if (s->nnames != 0)
        return 0;
    n = arena_new(a, struct server_name);
    s->names = arena_new(a, struct server_name *);
    if (n == NULL || s->names == NULL)
        return -ENOMEM;
    n->name = SV("");
    n->server = s;
    s->names[s->nnames++] = n;
    return 0;
}

// A star stands once, at the beginning before a dot or at the end behind one; no two dots in a row.
static bool is_sound(struct sv name)
{
    unsigned stars = 0;

    for (size_t i = 0; i < name.n; i++) {
        stars += name.p[i] == '*';
        if (name.p[i] == '\0' || (name.p[i] == '.' && i + 1 < name.n && name.p[i + 1] == '.'))
            return false;
    }
    bool edge = name.n > 2 && (sv_starts(name, SV("*.")) || sv_ends(name, SV(".*")));
    return stars == 0 || (stars == 1 && edge);
}

static int add_names(const struct gather *g, const struct address *a, const struct server_conf *s)
{
    bool several = a->servers->next != NULL;
    char text[NET_ADDRESS_TEXT_MAX];
    int rc = 0;

    net_address_format(&a->listen->address, true, text);
    for (unsigned i = 0; rc == 0 && i < s->nnames; i++) {
        struct server_name *n = s->names[i];
        if (several && n->regex == NULL && !is_sound(n->name))
            return conf_fail(g->error, NULL, 0, "invalid server name or wildcard \"%.*s\" on %s",
                             SV_ARG(n->name), text);
        rc = name_table_add(&a->listen->names, n, text);
    }
    return rc;
}

static int build_names(struct gather *g, const struct address *a)
{
    struct http_conf *http = g->config->http;
    unsigned names = 0, servers = 0;

    for (const struct address_server *s = a->servers; s != NULL; s = s->next) {
        names += s->server->nnames;
        servers++;
    }
    http->server_names_in_use |= servers > 1;
    int rc = name_table_init(&a->listen->names, &g->config->arena, names);
    for (const struct address_server *s = a->servers; rc == 0 && s != NULL; s = s->next)
        rc = add_names(g, a, s->server);
    return rc;
}

static int fail_certificate(const struct gather *g, const struct server_conf *s)
{
    return conf_fail(g->error, s->where, 0, "no \"ssl_certificate\" is defined for the "
                     "\"listen ... ssl\" directive");
}

// A server without a certificate takes the default server's; where that refuses handshakes, there
// is none to take.
static int check_certificates(const struct gather *g, const struct address *a)
{
    const struct server_conf *fallback = a->listen->names.fallback;

    if (!a->listen->ssl || fallback->tls.certificates != NULL)
        return 0;
    if (!fallback->tls.reject_handshake)
        return fail_certificate(g, fallback);
    for (const struct address_server *s = a->servers; s != NULL; s = s->next) {
        if (!tls_conf_is_server(&s->server->tls))
            return fail_certificate(g, s->server);
    }
    return 0;
}

static int publish(struct gather *g)
{
    struct http_conf *http = g->config->http;
    struct listen_conf **tail = &http->listens;
    int rc = 0;

    for (const struct address *a = g->first; rc == 0 && a != NULL; a = a->next) {
        rc = check_certificates(g, a);
        if (rc == 0)
            rc = build_names(g, a);
        *tail = a->listen;
        tail = &a->listen->next;
        a->listen->index = http->nlistens++;
    }
    return rc;
}

int config_listen(struct config *c, struct block *http, struct conf_error *error)
{
    struct gather g = {.config = c, .error = error};
    int rc = 0;

    g.tail = &g.first;
    for (struct block *b = http->children; rc == 0 && b != NULL; b = b->next) {
        rc = name_nameless(&c->arena, b->server);
        if (rc == 0)
            rc = add_lines(&g, b);
    }
    return rc != 0 ? rc : publish(&g);
}
