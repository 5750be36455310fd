// SPDX-License-Identifier: Apache-2.0
//
// Kernel TLS (Documentation/networking/tls.rst of the kernel) from our side of OpenSSL: whether it
// is there, records that are not data, alerts of our own.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/compiler.h"
#include "lib/base/sv.h"

enum tls_kernel_cipher { // bits
    TLS_KERNEL_AES_128_GCM = 1,
    TLS_KERNEL_AES_256_GCM = 2,
    TLS_KERNEL_CHACHA20 = 4,
    TLS_KERNEL_CCM_128 = 8,
};

struct tls_kernel_features {
    int error;            // 0, or the errno of TCP_ULP: ENOENT without the module
    uint32_t send_1_2, send_1_3, receive_1_2, receive_1_3; // enum tls_kernel_cipher
    bool rekey;           // keys can be replaced (6.14)
};

// Tries everything on a loopback connection of its own. With CAP_NET_ADMIN the kernel loads its
// module for it: so the master does this before privileges go.
void tls_kernel_probe(struct tls_kernel_features *f);
// "kernel TLS: aes-128-gcm aes-256-gcm ..., rekey" or "kernel TLS: no (reason)" for the log.
void tls_kernel_describe(const struct tls_kernel_features *f, char *out, size_t size);

enum tls_content_type { // RFC 8446, 5.1
    TLS_CHANGE_CIPHER_SPEC = 20,
    TLS_ALERT = 21,
    TLS_HANDSHAKE = 22,
    TLS_APPLICATION_DATA = 23,
};

// What a record that is not data means for the connection.
enum tls_control {
    TLS_CONTROL_DATA,       // it is data after all
    TLS_CONTROL_IGNORE,     // nothing (a warning; an empty record)
    TLS_CONTROL_CLOSE,      // close_notify: the client sends no more
    TLS_CONTROL_ABORT,      // a fatal alert
    TLS_CONTROL_KEY_UPDATE, // the client's next records have new keys
    TLS_CONTROL_KEY_UPDATE_REQUESTED, // and it wants the same of us
    TLS_CONTROL_RENEGOTIATE, // TLS 1.2: to be answered with no_renegotiation
    TLS_CONTROL_BAD,        // answer with unexpected_message and close
};

// Judges the decrypted bytes of a record of `type`; pure. Several handshake messages in one record,
// or a part of one, are TLS_CONTROL_BAD but for a KeyUpdate alone.
enum tls_control tls_control_judge(bool tls13, uint8_t type, const char *bytes, size_t n);

// recvmsg(2) with a control buffer: bytes of one record, or of several of the type data. *type is
// set. >= 0, -EAGAIN, -errno.
must_check ssize_t tls_kernel_receive(int fd, char *buf, size_t size, uint8_t *type);
// Sends an alert record; does not wait. 0 or -errno.
must_check int tls_kernel_alert(int fd, uint8_t level, uint8_t description);
// The same with a KeyUpdate that asks for nothing: the next record must have new keys.
must_check int tls_kernel_key_update(int fd);

enum { TLS_ALERT_SIZE = 2, TLS_ALERT_WARNING = 1, TLS_ALERT_FATAL = 2 };
enum { TLS_CLOSE_NOTIFY = 0, TLS_UNEXPECTED_MESSAGE = 10, TLS_BAD_RECORD_MAC = 20,
       TLS_RECORD_OVERFLOW = 22, TLS_INTERNAL_ERROR = 80, TLS_NO_RENEGOTIATION = 100 };
