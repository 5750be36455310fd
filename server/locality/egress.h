// SPDX-License-Identifier: Apache-2.0
//
// Foretells which physical interface, and so which node, Linux sends a connection's bytes out of,
// and chooses marks (SO_MARK) that make it a given node. A snapshot of interfaces, routes and MAC
// addresses: made and freed by one thread, read without locks by any number. Whoever owns it makes
// another when interfaces changed, or when the old one says that it is stale.
//
// A mark names one bond member: BASE plus its ifindex. `millrace --egress-rules` installs one tc
// filter per member that sends the member's mark out of it (server/report/egress_rules.h). A mark
// without a filter goes by the bond's own choice, but one whose member is down is lost, so sockets
// are marked anew whenever a snapshot was made.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/compiler.h"
#include "lib/net/address.h"

// Marks are 0x2001 to 0x20ff, and filters look at the 14 lowest bits alone. Chosen to stay out of
// the way of what else marks packets: kube-proxy has bits 14 and 15, Calico and Tailscale have the
// upper 16, Cilium has 8 to 11, and what people write by hand is small.
#define EGRESS_MARK_BASE 0x2000
#define EGRESS_MARK_MASK 0x3fff
#define EGRESS_MARK_LINK_MAX 255 // an ifindex beyond it has no mark

struct egress;
struct machine;
struct machine_link;

struct egress_answer {
    int link;        // ifindex of the physical interface
    int node;        // its node, or MACHINE_NODE_UNKNOWN
    unsigned member; // its position in the bond's list; 0 without a bond
};

// Copies what it needs of `m`. Routes and MAC addresses are this machine's; with a machine that was
// captured elsewhere there are none, and nothing is foretold. Waits for the kernel's network lock:
// not for a worker. 0 or -errno.
must_check int egress_make(const struct machine *m, struct egress **out);
void egress_free(struct egress *e); // NULL is allowed

// Where a connection leaves without a mark, by its local and remote address (getsockname(2),
// getpeername(2)). False, and an answer of unknowns: loopback, Unix sockets, virtual interfaces, no
// route, a bond that goes by turns or by load, a next hop whose MAC address is wanted and unknown.
// Nanoseconds, except that a system call or some 5 us may be needed where policy rules or multipath
// routes decide.
bool egress_predict(const struct egress *e, const struct net_address *local,
                    const struct net_address *remote, struct egress_answer *answer);

// The mark that sends this connection out of a member on `node` of the bond that it leaves by; 0:
// there is none that transmits. With several members on the node, connections spread over them by
// addresses and ports.
uint32_t egress_mark(const struct egress *e, const struct net_address *local,
                     const struct net_address *remote, int node);
// Where a mark leads. False: it must no longer be used; its member does not transmit.
bool egress_marked(const struct egress *e, uint32_t mark, struct egress_answer *answer);
// Has the node a member that transmits, so that egress_mark() may have a mark for it?
bool egress_node_markable(const struct egress *e, int node);

// Was something asked for in vain that a new snapshot may know (a MAC address that was not there
// yet)? Make a new one then, at most once in a second or so.
bool egress_stale(const struct egress *e);

// The mark of a bond member, or 0.
uint32_t egress_member_mark(int link);
// Are marks of any use to this bond, that is: may each member that transmits send any frame?
bool egress_bond_takes_marks(const struct machine_link *bond);
