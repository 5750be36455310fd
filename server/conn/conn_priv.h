// SPDX-License-Identifier: Apache-2.0
//
// What the files of the connection share with each other alone.
#pragma once

#include "server/conn/protocol.h"

// Completion of c->recv.
void conn_received(struct op *op, int32_t res, uint32_t flags);
