// SPDX-License-Identifier: Apache-2.0
//
// The bookkeeping of crossings: which of its four stops take a byte of a body to another node.
// Pure: it is told the nodes and counts. What it says can be checked from outside, with the pages'
// nodes, the threads' CPUs, the interfaces' byte counters and the disks' places.
//
//   1. disk to memory   The bytes were read from a disk for this response (`fetched`), and the disk
//      (cross_disk)     is on another node than the worker, whose memory policy places the pages.
//   2. memory to CPU    A CPU reads the bytes (`cpu_reads`: kernel or userspace TLS, a copy into
//      (cross_read)     the socket, compression), and the page is on another node than the worker.
//                       sendfile without TLS hands the page itself to the interface: no stop.
//   3. CPU to memory    What that CPU wrote is on another node than the worker. Memory is bound, so
//      (cross_write)    this is counted only when `buffer_node` says where the buffer is.
//   4. memory to NIC    What is transmitted (the page, or after cpu_reads the buffer) is on another
//      (cross_nic)      node than the interface that sends it.
//
// A byte adds at most one to each. It is placed (bytes_placed) when page, egress and, after
// cpu_reads, worker are known; otherwise it is unplaced (bytes_unplaced), and none of its stops is
// counted, also not those that are known: crossings per byte are the sums divided by bytes_placed.
// Of a placed byte, stop 1 is not counted when disk or worker are unknown.
//
// By its page a byte is a replica's (bytes_replica, always where the worker is), local or remote
// (bytes_local, bytes_remote), or none of these when page or worker are unknown; whether it is
// placed does not matter for that. What leaves by which interface is counted in any case.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define METER_MEMBER_NONE UINT32_MAX // no known interface

struct stats;

// Nodes are the kernel's; -1: unknown.
struct meter_path {
    int worker_node;
    int page_node;   // of the page-cache page, or of the replica
    int egress_node; // of the interface the bytes leave by
    int disk_node;   // that the bytes were fetched from
    int buffer_node; // what the CPU wrote; -1: on the worker's node, as it should be
    bool cpu_reads;
    bool fetched;
    bool replica;
    unsigned member; // number of the interface (stats_describe_member)
};

// Nothing is known yet.
#define METER_PATH_UNKNOWN \
    {.worker_node = -1, .page_node = -1, .egress_node = -1, .disk_node = -1, .buffer_node = -1, \
     .member = METER_MEMBER_NONE}

// `n` body bytes went that way. `stats` is the calling worker's own.
void meter_bytes(struct stats *stats, const struct meter_path *path, uint64_t n);
