// SPDX-License-Identifier: Apache-2.0
//
// The certificates and keys of a configuration, each read once, however many servers name it. At a
// reload, those whose files seem the same are taken over (ssl_object_cache_inheritable).
#pragma once

#include <stdbool.h>

struct tls_loader;
struct tls_objects;

// Takes over from the objects that were opened last and are still open. `inheritable`: others may
// take over from these. NULL when memory is out. Master only.
struct tls_objects *tls_objects_open(bool inheritable);
const struct tls_loader *tls_objects_loader(const struct tls_objects *o);
// All is loaded: those that were taken over from may go.
void tls_objects_settle(struct tls_objects *o);
void tls_objects_close(struct tls_objects *o); // NULL is allowed
