// SPDX-License-Identifier: Apache-2.0
//
// From a NAPI id (SO_INCOMING_NAPI_ID, socket(7)) to the interface whose queue it is: the netdev
// family of generic netlink (Documentation/netlink/specs/netdev.yaml, napi-get), Linux 6.8 and
// later. Ids change when an interface goes down and up.
#pragma once

#include <stdint.h>

#include "lib/base/compiler.h"

struct napi_lookup {
    int fd;          // of the netlink socket
    uint16_t family; // the number that the kernel gave to "netdev"
    uint32_t sequence;
};

// 0, -EOPNOTSUPP when this kernel has no such family or command, or another -errno.
must_check int napi_lookup_open(struct napi_lookup *n);
void napi_lookup_close(struct napi_lookup *n);
// The ifindex; -ENOENT: no such id now, in the network namespace that the look-up was opened in;
// another -errno. The kernel answers at once, but may take its lock of network configuration for it
// (rtnl, until 6.13): look an id up once and remember it until interfaces change.
must_check int napi_lookup_link(struct napi_lookup *n, uint32_t napi_id);
typedef void napi_found(uint32_t napi_id, int ifindex, void *ctx);
// Calls `found` for every queue of every interface that is up, in that network namespace. 0, or
// -errno when not all have been told.
must_check int napi_lookup_all(struct napi_lookup *n, napi_found *found, void *ctx);
