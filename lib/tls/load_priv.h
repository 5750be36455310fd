// SPDX-License-Identifier: Apache-2.0
//
// Reading what only a context needs: authorities and lists of revoked certificates. As the readers
// in load.h, with *error a static text in nginx's words.
#pragma once

#include "lib/tls/load.h"

STACK_OF(X509) *tls_load_authorities(const char *path, const char **error);
STACK_OF(X509_CRL) *tls_load_crls(const char *path, const char **error);
