// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1 on a connection: one request after the other.
#pragma once

struct conn;

// limit_rate_after is used up: the kernel paces from now on.
void http1_start_pacing(struct conn *c);
