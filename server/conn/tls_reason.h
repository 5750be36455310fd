// SPDX-License-Identifier: Apache-2.0
//
// Why a connection got no better transport than it has: one [info] line for each distinct reason.
#pragma once

struct conn;

// Of a finished handshake that did not leave both directions to the kernel. Once per silo.
void tls_reason_report(struct conn *c);
