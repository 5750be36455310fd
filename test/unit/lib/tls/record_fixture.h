// SPDX-License-Identifier: Apache-2.0
//
// The other side of a record layer, for its tests: records of any inside, sealed with the client's
// keys.
#pragma once

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tls/record_priv.h"
#include "lib/tls/tls.h"

// What has come out of the layer so far.
struct opened {
    char data[200000];
    size_t n;
    unsigned records;
    uint8_t alert;
};

// A client's layer with the same secrets: it seals with what the server opens with.
static inline struct tls_records *pair_of_layers(enum tls_aead aead, struct tls_records **client)
{
    uint8_t one[TLS_SECRET_MAX], other[TLS_SECRET_MAX];

    memset(one, 0x11, sizeof(one));
    memset(other, 0x22, sizeof(other));
    struct tls_records *server = tls_records_from_secrets(aead, one, other);
    *client = tls_records_from_secrets(aead, other, one);
    cr_assert(server != NULL && *client != NULL);
    return server;
}

// Seals `inner` (content, type and padding as they stand) under a header of any version. Returns
// the record's size.
static inline size_t craft(struct tls_direction *d, uint8_t version, const char *inner, size_t n,
                           char *out)
{
    uint8_t *p = (uint8_t *)out;
    int len;

    p[0] = 23;
    p[1] = 3;
    p[2] = version;
    p[3] = (uint8_t)((n + TLS_TAG) >> 8);
    p[4] = (uint8_t)(n + TLS_TAG);
    cr_assert(tls_direction_begin(d, p));
    p += TLS_RECORD_HEADER;
    if (n != 0)
        cr_assert_eq(EVP_EncryptUpdate(d->cipher, p, &len, (const uint8_t *)inner, (int)n), 1);
    cr_assert_eq(EVP_EncryptFinal_ex(d->cipher, p + n, &len), 1);
    cr_assert_eq(EVP_CIPHER_CTX_ctrl(d->cipher, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, p + n), 1);
    d->traffic.seq++;
    return TLS_RECORD_HEADER + n + TLS_TAG;
}

// Gives the layer `n` bytes in pieces of at most `piece`, each in memory of its own size, so that a
// step behind its end is seen. Stops at the first result that is neither data nor a wish for more.
static inline enum tls_opened open_all(struct tls_records *r, const char *bytes, size_t n,
                                       size_t piece, struct opened *o)
{
    static char buf[TLS_RECORD_MAX];
    enum tls_opened result = TLS_OPENED_MORE;

    while (n != 0 && result == TLS_OPENED_MORE) {
        size_t part = min_of(n, piece), left = part, got;
        char *copy = malloc(part);
        const char *at = copy;
        memcpy(copy, bytes, part);
        while ((result = tls_records_open(r, &at, &left, buf, sizeof(buf), &got, &o->alert)) ==
               TLS_OPENED_DATA) {
            cr_assert_gt(got, 0);
            cr_assert_leq(o->n + got, sizeof(o->data));
            memcpy(o->data + o->n, buf, got);
            o->n += got;
            o->records++;
        }
        cr_assert_eq(left, 0, "all is taken when no data are left");
        cr_assert_eq(at, copy + part);
        free(copy);
        bytes += part;
        n -= part;
    }
    return result;
}
