// SPDX-License-Identifier: Apache-2.0
//
// What key_schedule.c and key_provider.c share.
#pragma once

#include "lib/tls/key_schedule.h"

// Best effort: without it OpenSSL goes on with its own.
void tls_key_provider_load(void);
const EVP_MD *tls_hash_md(enum tls_hash hash);
