// SPDX-License-Identifier: Apache-2.0
//
// The limits that are not directives: each with its name, its unit and its reason.
#pragma once

// Bytes received ahead of a request being answered; then receiving pauses.
#define CONN_PENDING_MAX (32u << 10)
#define SEND_QUANTUM (256u << 10)     // bytes one connection sends before others have their turn
// bytes of a file that are copied behind the head into one send.
#define SMALL_BODY_MAX (32u << 10)
#define HEAD_MAX (32u << 10)          // bytes of a response head; larger ones end in 500
#define ACCEPT_RETRY_MS 500           // pause of accepting when descriptors ran out, as nginx
// Accepting that was not refused for so long is well again: the next refusal gets a line.
#define ACCEPT_CALM_MS 10000
#define SEND_RETRY_MS 10              // pause of sending when the kernel had no memory for it
// An idle connection may still send a request when a drain begins.
#define DRAIN_IDLE_GRACE_MS 250
#define REUSE_WARN_MS 1000 // between two lines about idle connections closed for new ones
