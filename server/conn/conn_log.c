// SPDX-License-Identifier: Apache-2.0
//
// Lines about a connection that has no request to be named by.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/address.h"
#include "server/config/http_conf.h"
#include "server/conn/conn_priv.h"

#define LINE_MAX_BYTES 2048 // what is longer is cut

static void client_text(struct conn *c, char out[NET_ADDRESS_TEXT_MAX])
{
    struct net_address peer = {0};

    conn_peer(c);
    if (c->peer.sa.sa_family == 0)
        peer.sa.sa_family = AF_UNIX;
    else
        net_address_set(&peer, &c->peer.sa, sizeof(c->peer));
    net_address_format(&peer, false, out);
}

void conn_log(struct conn *c, enum log_level level, int err, const char *fmt, ...)
{
    char client[NET_ADDRESS_TEXT_MAX], server[NET_ADDRESS_TEXT_MAX], text[LINE_MAX_BYTES];
    va_list args;

    if (!log_wants(level))
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    client_text(c, client);
    net_address_format(&c->listen->address, true, server);
    // As everywhere, the errno's text stands behind the words and before the names.
    if (err != 0)
        log_write(level, c->number, 0, "%s (%d: %s), client: %s, server: %s", text, err,
                  strerrordesc_np(err), client, server);
    else
        log_write(level, c->number, 0, "%s, client: %s, server: %s", text, client, server);
}
