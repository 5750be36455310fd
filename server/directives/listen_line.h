// SPDX-License-Identifier: Apache-2.0
//
// One `listen` line of a server, before lines for one address are put together.
#pragma once

#include "lib/net/address.h"
#include "lib/net/listener.h"
#include "server/directives/directives.h"

struct listen_line {
    struct net_address_list addresses;
    struct listen_options options;
    bool set;              // an option of the socket was given: only one line of an address may
    bool default_server;
    bool ssl, http2;
    const struct conf_node *where;
    struct listen_line *next;
};

// What nginx takes where a server has no `listen`: *:80 for root, else *:8000.
must_check int listen_line_default(struct arena *a, struct block *server);
