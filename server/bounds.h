// SPDX-License-Identifier: Apache-2.0
//
// The limits that are not directives: each with its name, its unit and its reason.
#pragma once

// Bytes received ahead of a request being answered; then receiving pauses.
#define CONN_PENDING_MAX (32u << 10)
// Bytes one connection sends before others have their turn. Measured: with a quarter of it a 1 MiB
// body costs half as much again.
#define SEND_QUANTUM (1u << 20)
// Bytes of a file that are copied behind the head into one send. Measured: at 100 KiB the two
// copies cost less than sendfile's work for each page (19 against 21 us), at 256 KiB they are
// equal.
#define SMALL_BODY_MAX (128u << 10)
// The same where the kernel makes the records: head and body in one of them.
#define SMALL_TLS_BODY_MAX (15u << 10)
// Bytes of a body that is taken into memory to be recoded; larger ones are sent as stored.
#define BODY_MEMORY_MAX (1u << 20)
// Bytes of a body that is compressed, at once and by the worker: a few milliseconds of its time.
#define BODY_GZIP_MAX (256u << 10)
// Bytes of compressed bodies that a worker keeps.
#define GZIP_CACHE_MAX (4u << 20)
#define HEAD_MAX (32u << 10)          // bytes of a response head; larger ones end in 500
// A new worker looks at its queues itself, after pauses that double from the one to the other.
#define ACCEPT_LOOK_MIN_MS 10
#define ACCEPT_LOOK_MAX_MS 5000
#define ACCEPT_RETRY_MS 500           // pause of accepting when descriptors ran out, as nginx
// Accepting that was not refused for so long is well again: the next refusal gets a line.
#define ACCEPT_CALM_MS 10000
#define SEND_RETRY_MS 10              // pause of sending when the kernel had no memory for it
// An idle connection may still send a request when a drain begins: its client may be reading an
// answer that the kernel took long ago. keepalive_min_timeout makes it longer.
#define DRAIN_IDLE_GRACE_MS 1000
#define REUSE_WARN_MS 1000 // between two lines about idle connections closed for new ones
// A turn of the loop with less other work than this has nothing else to do: handshakes may go on
// for HANDSHAKE_FREE_NS. Otherwise they get as much time as the other work took.
#define HANDSHAKE_IDLE_NS (20 * 1000)
#define HANDSHAKE_FREE_NS (500 * 1000)
#define LOG_WAIT_MS 20     // a response waits for its error line at most so long
// The session ticket keys are changed once in a session's life, but not more often than this.
#define TICKET_ROTATE_MIN_MS 1000
// A worker that leaves waits for connections that are on their way to it: so long at most, looking
// so often.
#define HANDOFF_LEAVE_MS 1000
#define HANDOFF_RETRY_MS 1
// What is foretold about egress is looked at so often for being stale, and made anew not before the
// old one is so old; then nobody reads the one before it any more.
#define EGRESS_LOOK_MS 1000
#define EGRESS_GRACE_MS 1000
#define EGRESS_TRUST_MS 30000
// Between two copies of a chunk into a silo's replicas: half of the memory's or disk's time is left
// to what is being served.
#define REPLICA_PAUSE_MS 1
// HTTP/2: bytes of a body in a frame, which is what clients take unless they say more (RFC 9113,
// 6.5.2); bytes of bodies that are put into frames before they are sent (measured in the clear:
// with a quarter of it a body of 1 MiB costs a fifth more); and what a stream must have got within
// send_timeout, so that a window which is opened by a few bytes now and then holds nothing long.
#define HTTP2_DATA_MAX (16u << 10)
#define HTTP2_BATCH_MAX (512u << 10)
#define HTTP2_PROGRESS_MIN 1024
// The last of an answer waits for the rest of the request body as long as no pause in it is longer.
#define HTTP2_HOLD_MS 300
// The request of a stream that has not moved for so long is packed until it does.
#define HTTP2_PARK_MS 1000
#define HTTP2_QUEUE_SPARE 1000 // frames that wait for a client that does not read
// limit_rate of a stream: it may be so far ahead, and waits so long at most between two frames.
#define RATE_AHEAD_MS 100
#define RATE_WAIT_MAX_MS 500
#define TICKET_RETRY_MS 60000 // after a change that failed for want of random bytes
