// SPDX-License-Identifier: Apache-2.0
//
// The listening sockets, owned by the master over all configurations. A socket may hold connections
// that nobody accepted yet, so one that is still wanted is never closed: not for a reload, not for
// another number of workers, not for a new binary. A change is prepared by listeners_open() and
// then either committed or rolled back.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/base/list.h"

struct http_conf;
struct fd_list;
struct net_address;

struct listeners {
    struct list groups; // one for each address
};

void listeners_init(struct listeners *l);

// Takes over the sockets that the binary before us listed (fd_list.h); those that are none are
// logged and left alone. 0 or -ENOMEM.
must_check int listeners_inherit(struct listeners *l, const char *list);

// Binds and listens on what the configuration names and we don't have: one socket for each of
// `workers` on every TCP address, one on a Unix path. Sets fds and nfds of each listen_conf, valid
// until the next change. An address in use is tried five times over two seconds, as nginx does.
// 0, or -errno with everything said and rolled back.
must_check int listeners_open(struct listeners *l, struct http_conf *http, unsigned workers);
// Sets the `fds` of a configuration in use anew: preparing another one may have moved them.
void listeners_refresh(const struct listeners *l, struct http_conf *http);
// In a silo that was just forked: closes every socket that none of its workers (`count` from
// `first` of all `workers`) accepts from. An address that is given up must not live on in a silo
// that never knew it.
void listeners_keep(const struct listeners *l, const struct http_conf *http, unsigned workers,
                    unsigned first, unsigned count);
// What -t asks: could they be bound? An address in use is no error, for it may be our own.
must_check int listeners_probe(const struct http_conf *http);

// Closes what the last listeners_open() opened; for a configuration that is given up.
void listeners_rollback(struct listeners *l);
// Closes the addresses that the last listeners_open() did not ask for.
void listeners_commit(struct listeners *l);

// Closes all. `unlink_paths`: also removes the paths of Unix sockets. `parent_lives`: the binary
// that gave us inherited sockets still runs, so their paths stay.
void listeners_close(struct listeners *l, bool unlink_paths, bool parent_lives);

// Calls `fn` for each TCP address with its sockets, in the order in which they were bound.
void listeners_each_tcp(const struct listeners *l,
                        void (*fn)(void *ctx, const struct net_address *address, const int *fds,
                                   unsigned nfds),
                        void *ctx);

// Every descriptor, for the next binary. 0 or -ENOMEM.
must_check int listeners_list(const struct listeners *l, struct fd_list *list);

// Which of an address's sockets a worker accepts from: with at least as many sockets as workers,
// its own and an equal share of the surplus; else (a Unix path) it shares one. Pure.
static inline unsigned listeners_share(unsigned nfds, unsigned workers, unsigned worker)
{
    return nfds < workers ? nfds > 0 : (nfds - worker + workers - 1) / workers;
}
static inline unsigned listeners_share_at(unsigned nfds, unsigned workers, unsigned worker,
                                          unsigned i)
{
    return nfds < workers ? worker % nfds : worker + i * workers;
}
