// SPDX-License-Identifier: Apache-2.0
//
// What a record means is decided by its type and its first bytes alone, the same each time, and
// every verdict that lets the connection go on has exactly the bytes that the RFC gives it. The
// first byte says the version, the second is the record's type; the rest is the record.
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The verdict's own condition, written from the other side: from the verdict to the bytes.
static void check_verdict(enum tls_control verdict, bool tls13, uint8_t type,
                          const unsigned char *p, size_t n)
{
    switch (verdict) {
    case TLS_CONTROL_DATA:
        check(type == TLS_APPLICATION_DATA && n > 0);
        return;
    case TLS_CONTROL_IGNORE:
        check((type == TLS_APPLICATION_DATA && n == 0) ||
              (type == TLS_ALERT && n == 2 && p[1] != 0 && (tls13 ? p[1] == 90 : p[0] == 1)));
        return;
    case TLS_CONTROL_CLOSE:
        check(type == TLS_ALERT && n == 2 && p[1] == 0);
        return;
    case TLS_CONTROL_ABORT:
        check(type == TLS_ALERT && n == 2 && p[1] != 0 && (tls13 || p[0] == 2));
        return;
    case TLS_CONTROL_KEY_UPDATE:
        check(tls13 && type == TLS_HANDSHAKE && n == 5 && memcmp(p, "\x18\0\0\1\0", 5) == 0);
        return;
    case TLS_CONTROL_KEY_UPDATE_REQUESTED:
        check(tls13 && type == TLS_HANDSHAKE && n == 5 && memcmp(p, "\x18\0\0\1\1", 5) == 0);
        return;
    case TLS_CONTROL_RENEGOTIATE:
        check(!tls13 && type == TLS_HANDSHAKE && n >= 4 && p[0] == 1);
        check(((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) + 4 == n);
        return;
    case TLS_CONTROL_BAD:
        check(type != TLS_APPLICATION_DATA);
        return;
    }
    check(!"a verdict that does not exist");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    bool tls13 = data[0] & 1;
    uint8_t type = data[1];
    size_t n = size - 2;
    // A copy of its own, so that a step behind its end is seen; NULL when there is nothing.
    char *record = n != 0 ? malloc(n) : NULL;
    check(n == 0 || record != NULL);
    if (n != 0)
        memcpy(record, data + 2, n);
    enum tls_control verdict = tls_control_judge(tls13, type, record, n);
    check_verdict(verdict, tls13, type, (const unsigned char *)record, n);
    check(tls_control_judge(tls13, type, record, n) == verdict);
    free(record);
    return 0;
}
