// SPDX-License-Identifier: Apache-2.0
//
// Where the next bytes of a file's slice are taken from, and the account of which nodes they
// passed: on a machine with several nodes each part that is sent is opened, sent from, and closed.
// With one node it is the file itself, and no account.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/file/replica.h"
#include "server/locality/placement.h"
#include "server/transport/transport.h"

struct request;
struct slice;

struct body_source {
    int fd;            // read or sendfile from here
    uint64_t off, len; // these bytes of it: the slice's first, at most as many as asked for
    struct placed placed;
    bool ask;          // where it lies is to be found out
    bool replica;
    struct replica_hit hit; // with replica
    bool identified;
    struct replica_file id; // with identified: the file as it is now
};

void body_source_open(struct request *r, const struct slice *s, uint64_t most,
                      struct body_source *src);
// `sent` of its bytes have gone to the socket (or into records), which is put to account.
// `cpu_reads`: the CPU read them, for encryption or to copy them. Before the slice moves on.
void body_source_close(struct request *r, const struct slice *s, struct body_source *src,
                       uint64_t sent, bool cpu_reads);
// The account alone, for bytes that a fetch has put into memory of our own.
void body_source_account(struct request *r, const struct slice *s, const struct body_source *src,
                         uint64_t sent, bool cpu_reads);
