// SPDX-License-Identifier: Apache-2.0
//
// What this machine's kernel can do of TLS: asked once by the master, while it has the privilege
// that loading the kernel's module takes, and inherited by the silos.
#pragma once

#include "lib/tls/kernel.h"

// All of it is missing until it was asked.
const struct tls_kernel_features *server_tls_kernel(void);

// Asks, unless that was done before. With `say` a line of what came of it is logged. Master only.
void server_tls_kernel_probe(bool say);
