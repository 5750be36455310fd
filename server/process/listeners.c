// SPDX-License-Identifier: Apache-2.0
#include "server/process/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/address.h"
#include "lib/net/listener.h"
#include "server/process/fd_list.h"
#include "server/config/http_conf.h"
#include "server/process/report.h"

enum { BIND_TRIES = 5, BIND_PAUSE_MS = 500 };

struct group {
    struct list node;
    struct net_address address;
    struct fd_list fds;
    size_t kept;    // of fds, those that were there before the change
    bool wanted;    // by the change
    bool inherited; // from the binary before us
};

void listeners_init(struct listeners *l)
{
    list_init(&l->groups);
}

static struct group *group_find(const struct listeners *l, const struct net_address *address)
{
    list_each(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);

        if (net_address_eq(&g->address, address))
            return g;
    }
    return NULL;
}

static struct group *group_get(struct listeners *l, const struct net_address *address)
{
    struct group *g = group_find(l, address);

    if (g != NULL)
        return g;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->address = *address;
    list_append(&l->groups, &g->node);
    return g;
}

static void group_free(struct group *g)
{
    list_remove(&g->node);
    fd_list_free(&g->fds);
    free(g);
}

// Closes the sockets from `first` on.
static void group_cut(struct group *g, size_t first)
{
    while (g->fds.n > first)
        close(g->fds.at[--g->fds.n]);
}

static const char *address_text(const struct net_address *address)
{
    static char text[NET_ADDRESS_TEXT_MAX];

    net_address_format(address, true, text);
    return text;
}

static void group_unlink(struct group *g)
{
    int rc;

    if (g->address.sa.sa_family != AF_UNIX)
        return;
    rc = net_listener_unlink(&g->address);
    if (rc != 0)
        report(LOG_LEVEL_EMERG, -rc, "unlink() %s failed", g->address.un.sun_path);
}

static int inherit_one(struct listeners *l, int fd)
{
    struct net_address address;
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct group *g;

    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        report(LOG_LEVEL_CRIT, errno, "getsockname() of the inherited socket #%d failed", fd);
        return 0;
    }
    if (sa.ss_family != AF_INET && sa.ss_family != AF_INET6 && sa.ss_family != AF_UNIX) {
        report(LOG_LEVEL_CRIT, 0, "the inherited socket #%d has an unsupported protocol family",
               fd);
        return 0;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    net_address_set(&address, (struct sockaddr *)&sa, len);
    g = group_get(l, &address);
    if (g == NULL)
        return -ENOMEM;
    g->inherited = true;
    return fd_list_add(&g->fds, fd);
}

int listeners_inherit(struct listeners *l, const char *text)
{
    struct fd_list list = {.n = 0};
    const char *bad;
    int rc = fd_list_parse(text, &list, &bad);

    log_notice(0, "using inherited sockets from \"%s\"", text);
    if (bad != NULL)
        report(LOG_LEVEL_EMERG, 0,
               "invalid socket number \"%s\" in " FD_LIST_VARIABLE
               " environment variable, ignoring the rest of the variable",
               bad);
    for (size_t i = 0; rc == 0 && i < list.n; i++)
        rc = inherit_one(l, list.at[i]);
    fd_list_free(&list);
    return rc;
}

static void report_failed(const struct net_address *address, const struct listen_options *o,
                          const char *call, int rc)
{
    if (strcmp(call, "listen()") == 0)
        report(LOG_LEVEL_EMERG, -rc, "listen() to %s, backlog %d failed", address_text(address),
               o->backlog);
    else if (strcmp(call, "bind()") == 0)
        report(LOG_LEVEL_EMERG, -rc, "bind() to %s failed", address_text(address));
    else
        report(LOG_LEVEL_EMERG, -rc, "%s %s failed", call, address_text(address));
}

// An address is not probed when one of ours has its port: a wildcard and an address of one port
// may live side by side, which only SO_REUSEPORT on both lets them.
static bool port_is_ours(const struct listeners *l, const struct net_address *address)
{
    list_each(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);

        if (g->fds.n > 0 && g->address.sa.sa_family != AF_UNIX &&
            net_address_port(&g->address) == net_address_port(address))
            return true;
    }
    return false;
}

static size_t sockets_needed(const struct group *g, unsigned workers)
{
    return g->address.sa.sa_family == AF_UNIX ? 1 : workers;
}

// A socket that nginx handed over may not be in a reuseport group yet, and then no second one of
// its address could be bound.
static void allow_more(struct group *g)
{
    int one = 1;

    for (size_t i = 0; i < g->kept; i++) {
        if (setsockopt(g->fds.at[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
            report(LOG_LEVEL_ALERT, errno, "setsockopt(SO_REUSEPORT) %s failed, ignored",
                   address_text(&g->address));
    }
}

static int group_fill(struct listeners *l, struct group *g, const struct listen_options *o,
                      unsigned workers)
{
    size_t need = sockets_needed(g, workers);

    if (g->inherited && g->fds.n < need && g->address.sa.sa_family != AF_UNIX)
        allow_more(g);
    while (g->fds.n < need) {
        bool first = g->fds.n == 0 &&
                     (g->address.sa.sa_family == AF_UNIX || !port_is_ours(l, &g->address));
        const char *call = "";
        int fd, rc = net_listen(&g->address, o, first, &fd, &call);

        if (rc != 0) {
            report_failed(&g->address, o, call, rc);
            return rc;
        }
        if (fd_list_add(&g->fds, fd) != 0) {
            close(fd);
            return -ENOMEM;
        }
    }
    return 0;
}

// One pass over all addresses. An address in use is left for a later pass.
static int open_pass(struct listeners *l, struct http_conf *http, unsigned workers)
{
    int result = 0;

    for (struct listen_conf *c = http->listens; c != NULL; c = c->next) {
        struct group *g = group_get(l, &c->address);
        int rc = g == NULL ? -ENOMEM : group_fill(l, g, &c->options, workers);

        if (rc == -EADDRINUSE)
            result = rc;
        else if (rc != 0)
            return rc;
        else
            g->wanted = true;
    }
    return result;
}

static void begin_change(struct listeners *l)
{
    list_each(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);

        g->kept = g->fds.n;
        g->wanted = false;
    }
}

static void hand_out(struct listeners *l, struct http_conf *http)
{
    for (struct listen_conf *c = http->listens; c != NULL; c = c->next) {
        struct group *g = group_find(l, &c->address);

        for (size_t i = 0; i < g->kept; i++)
            net_listener_apply(g->fds.at[i], &g->address, &c->options);
        c->fds = g->fds.at;
        c->nfds = (unsigned)g->fds.n;
    }
}

int listeners_open(struct listeners *l, struct http_conf *http, unsigned workers)
{
    int rc = -EADDRINUSE;

    begin_change(l);
    if (http == NULL)
        return 0;
    for (int i = 0; i < BIND_TRIES && rc == -EADDRINUSE; i++) {
        if (i > 0) {
            log_notice(0, "try again to bind() after %dms", BIND_PAUSE_MS);
            poll(NULL, 0, BIND_PAUSE_MS);
        }
        rc = open_pass(l, http, workers);
    }
    if (rc == -EADDRINUSE)
        report(LOG_LEVEL_EMERG, 0, "still could not bind()");
    if (rc != 0)
        listeners_rollback(l);
    else
        hand_out(l, http);
    return rc;
}

void listeners_refresh(const struct listeners *l, struct http_conf *http)
{
    for (struct listen_conf *c = http != NULL ? http->listens : NULL; c != NULL; c = c->next)
        c->fds = group_find(l, &c->address)->fds.at;
}

static const struct listen_conf *conf_of(const struct http_conf *http, const struct group *g)
{
    const struct listen_conf *c = http != NULL ? http->listens : NULL;

    for (; c != NULL; c = c->next) {
        if (net_address_eq(&c->address, &g->address))
            return c;
    }
    return NULL;
}

void listeners_keep(const struct listeners *l, const struct http_conf *http, unsigned workers,
                    unsigned first, unsigned count)
{
    list_each(it, &l->groups) {
        const struct group *g = container_of(it, struct group, node);
        const struct listen_conf *c = conf_of(http, g);

        for (size_t i = 0; i < g->fds.n; i++) {
            size_t worker = i % workers;
            bool ours = c != NULL && i < c->nfds &&
                        (c->nfds < workers || (worker >= first && worker < first + count));

            if (!ours)
                close(g->fds.at[i]);
        }
    }
}

int listeners_probe(const struct http_conf *http)
{
    for (struct listen_conf *c = http != NULL ? http->listens : NULL; c != NULL; c = c->next) {
        const char *call = "";
        int rc = net_probe(&c->address, &c->options, &call);

        if (rc != 0 && rc != -EADDRINUSE) {
            report_failed(&c->address, &c->options, call, rc);
            return rc;
        }
    }
    return 0;
}

void listeners_rollback(struct listeners *l)
{
    list_each_safe(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);
        bool made = g->fds.n > 0 && g->kept == 0;

        group_cut(g, g->kept);
        if (made)
            group_unlink(g);
        if (g->kept == 0)
            group_free(g);
    }
}

void listeners_commit(struct listeners *l)
{
    list_each_safe(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);

        if (g->wanted) {
            g->kept = g->fds.n;
            continue;
        }
        group_cut(g, 0);
        if (g->address.sa.sa_family == AF_UNIX) {
            log_warn(0, "deleting socket %s", g->address.un.sun_path);
            group_unlink(g);
        }
        group_free(g);
    }
}

void listeners_close(struct listeners *l, bool unlink_paths, bool parent_lives)
{
    list_each_safe(it, &l->groups) {
        struct group *g = container_of(it, struct group, node);

        group_cut(g, 0);
        if (unlink_paths && !(g->inherited && parent_lives))
            group_unlink(g);
        group_free(g);
    }
}

void listeners_each_tcp(const struct listeners *l,
                        void (*fn)(void *ctx, const struct net_address *address, const int *fds,
                                   unsigned nfds),
                        void *ctx)
{
    list_each(it, &l->groups) {
        const struct group *g = container_of(it, struct group, node);

        if (g->address.sa.sa_family != AF_UNIX)
            fn(ctx, &g->address, g->fds.at, (unsigned)g->fds.n);
    }
}

int listeners_list(const struct listeners *l, struct fd_list *list)
{
    list_each(it, &l->groups) {
        const struct group *g = container_of(it, struct group, node);

        for (size_t i = 0; i < g->fds.n; i++) {
            if (fd_list_add(list, g->fds.at[i]) != 0)
                return -ENOMEM;
        }
    }
    return 0;
}
