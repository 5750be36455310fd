// SPDX-License-Identifier: Apache-2.0
//
// TLS 1.3 keys that we give the kernel ourselves: where OpenSSL is too old to let it receive
// (before 3.2), and after a KeyUpdate, which the kernel can follow from Linux 6.14 on (RFC 8446,
// 7.2; tls.rst of the kernel, "TLS 1.3 Key Updates").
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/base/compiler.h"
#include "lib/tls/record_layer.h"

// Installs the keys of a direction; the socket has the ULP already. 0 or -errno (-EBUSY: it has
// keys, and the kernel is older than 6.14).
must_check int tls_kernel_install(int fd, bool sending, enum tls_aead aead,
                                  const struct tls_traffic *keys);

struct tls_kernel_keys; // the secrets of both directions; one small malloc

// Of a finished handshake, before its SSL is freed. NULL when this connection has no such secrets,
// or memory is out: its keys then stay what they are.
struct tls_kernel_keys *tls_kernel_keys_keep(const SSL *ssl, const struct tls_secrets *secrets);
void tls_kernel_keys_free(struct tls_kernel_keys *k); // wipes; NULL is allowed

// The client's KeyUpdate has been read: what comes next has its new keys. 0, -ENOMEM, -EIO or
// -errno of the kernel; then nothing more can be read.
must_check int tls_kernel_keys_follow(struct tls_kernel_keys *k, int fd);
// Sends a KeyUpdate and goes on under new keys; does not wait. 0; -EAGAIN when there is no room
// (then nothing has happened); other -errno as above, and nothing more can be sent.
must_check int tls_kernel_keys_change(struct tls_kernel_keys *k, int fd);
