// SPDX-License-Identifier: Apache-2.0
#include "server/tls/kernel_support.h"

#include <errno.h>

#include "lib/base/log.h"

// Written before the first silo is forked or, when TLS came with a reload, before those of the new
// configuration are.
static struct tls_kernel_features features = {.error = ENOENT};
static bool probed;

const struct tls_kernel_features *server_tls_kernel(void)
{
    return &features;
}

void server_tls_kernel_probe(bool say)
{
    char text[512];

    if (probed)
        return;
    probed = true;
    tls_kernel_probe(&features);
    if (!say)
        return;
    tls_kernel_describe(&features, text, sizeof(text));
    log_notice(0, "%s", text);
}
