// SPDX-License-Identifier: Apache-2.0
//
// The record layer under a client that sends anything. The first byte says the AEAD, the size of
// the pieces, and what follows: bytes as they are, or the insides of records (each behind its
// length, in two bytes) that are sealed here with the client's own keys, so that the tag holds and
// the content is what is judged. Two layers get the same bytes, one of them in pieces: they must
// agree; what comes out must be what went in; and the way out must still work.
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"
#include "lib/tls/record_priv.h"
#include "lib/tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 17, SIDE_BY_SIDE = 2 };

struct stream {
    char bytes[ROOM];
    size_t n;
};

static struct stream wire, expected, opened[SIDE_BY_SIDE];

static void append(struct stream *s, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    check(n <= ROOM - s->n);
    memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
}

static struct tls_records *make(enum tls_aead aead, bool client)
{
    uint8_t one[TLS_SECRET_MAX], other[TLS_SECRET_MAX];

    memset(one, 1, sizeof(one));
    memset(other, 2, sizeof(other));
    struct tls_records *r = client ? tls_records_from_secrets(aead, other, one)
                                   : tls_records_from_secrets(aead, one, other);
    check(r != NULL);
    return r;
}

// A record of this inside on the wire.
static void seal_inside(struct tls_direction *d, const uint8_t *inner, size_t n)
{
    uint8_t record[TLS_RECORD_HEADER + TLS_TAG + TLS_RECORD_MAX + 1] =
        {23, 3, 3, (uint8_t)((n + TLS_TAG) >> 8), (uint8_t)(n + TLS_TAG)};
    uint8_t *p = record + TLS_RECORD_HEADER;
    int len;

    check(tls_direction_begin(d, record));
    check(n == 0 || EVP_EncryptUpdate(d->cipher, p, &len, inner, (int)n) == 1);
    check(EVP_EncryptFinal_ex(d->cipher, p + n, &len) == 1);
    check(EVP_CIPHER_CTX_ctrl(d->cipher, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, p + n) == 1);
    d->traffic.seq++;
    append(&wire, record, TLS_RECORD_HEADER + n + TLS_TAG);
}

// What the inside means, in the test's own words. false: nothing may be read behind it.
static bool expect(struct tls_records *client, const uint8_t *inner, size_t n)
{
    while (n != 0 && inner[n - 1] == 0)
        n--;
    if (n == 0)
        return false;
    switch (inner[--n]) {
    case 23:
        append(&expected, inner, n);
        return true;
    case 21:
        return n == 2 && inner[1] == 90;
    case 22:
        return n == 5 && memcmp(inner, "\x18\0\0\1", 4) == 0 && inner[4] <= 1 &&
               tls_records_update_sending(client) == 0;
    default:
        return false;
    }
}

// Puts the records of the input on the wire. Returns whether all of them are good.
static bool seal_insides(struct tls_records *client, const uint8_t *data, size_t size)
{
    bool good = true;

    while (size >= 2 && wire.n < ROOM / 2) {
        size_t n = min_of(((size_t)data[0] << 8 | data[1]) % (TLS_RECORD_MAX + 2), size - 2);
        data += 2;
        size -= 2;
        seal_inside(&client->sending, data, n);
        // Those behind a bad one are sealed too: they must come to nothing.
        good = good && expect(client, data, n);
        data += n;
        size -= n;
    }
    return good;
}

static enum tls_opened open_wire(struct tls_records *r, size_t piece, struct stream *out,
                                 uint8_t *alert)
{
    static char buf[TLS_RECORD_MAX];
    enum tls_opened result = TLS_OPENED_MORE;

    for (size_t at = 0; at < wire.n; at += piece) {
        size_t left = min_of(piece, wire.n - at), part = left, got;
        char *copy = malloc(part);
        const char *in = copy;
        check(copy != NULL);
        memcpy(copy, wire.bytes + at, part);
        bool ended = result != TLS_OPENED_MORE;
        enum tls_opened before = result;
        while ((result = tls_records_open(r, &in, &left, buf, sizeof(buf), &got, alert)) ==
               TLS_OPENED_DATA) {
            check(got > 0 && got <= TLS_RECORD_MAX);
            append(out, buf, got);
        }
        check(got == 0 && left == 0 && in == copy + part);
        check(!ended || result == before);
        check(result != TLS_OPENED_BAD || *alert != 0);
        free(copy);
    }
    return result;
}

// Whatever has come in, the client understands what goes out.
static void check_way_out(struct tls_records *server, struct tls_records *client)
{
    char sealed[200], buf[TLS_RECORD_MAX];
    const char *in = sealed;
    size_t len, got;
    uint8_t alert;

    check(tls_records_sealed_size(5, 3) <= sizeof(sealed));
    check(tls_records_seal(server, "hello", 5, 3, sealed, &len) == 0);
    check(!tls_records_owes_update(server));
    check(tls_records_open(client, &in, &len, buf, sizeof(buf), &got, &alert) == TLS_OPENED_DATA);
    check(got == 3 && memcmp(buf, "hel", 3) == 0);
    check(tls_records_open(client, &in, &len, buf, sizeof(buf), &got, &alert) == TLS_OPENED_DATA);
    check(got == 2 && memcmp(buf, "lo", 2) == 0 && len == 0);
    check(!tls_records_owes_update(client));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_records *servers[SIDE_BY_SIDE];
    enum tls_opened results[SIDE_BY_SIDE];
    uint8_t alerts[SIDE_BY_SIDE] = {0};

    if (size == 0 || size > ROOM / 2)
        return 0;
    enum tls_aead aead = (enum tls_aead)((data[0] & 3) % 3);
    bool sealing = data[0] & 4;
    size_t piece = (size_t)(data[0] >> 3) + 1;
    struct tls_records *client = make(aead, true);
    wire.n = expected.n = 0;
    bool good = sealing ? seal_insides(client, data + 1, size - 1) : false;
    if (!sealing)
        append(&wire, data + 1, size - 1);
    for (int i = 0; i < SIDE_BY_SIDE; i++) {
        opened[i].n = 0;
        servers[i] = make(aead, false);
        results[i] = open_wire(servers[i], i == 0 ? ROOM : piece, &opened[i], &alerts[i]);
    }
    check(results[0] == results[1] && alerts[0] == alerts[1] && opened[0].n == opened[1].n);
    check(memcmp(opened[0].bytes, opened[1].bytes, opened[0].n) == 0);
    if (sealing) {
        check(opened[0].n <= expected.n);
        check(memcmp(opened[0].bytes, expected.bytes, opened[0].n) == 0);
        // Only a flood may have ended it before its time.
        check(results[0] != TLS_OPENED_MORE || (good && opened[0].n == expected.n));
        check(results[0] == TLS_OPENED_MORE || !good || servers[0]->idle == TLS_IDLE_RECORDS_MAX);
    }
    check_way_out(servers[0], client);
    for (int i = 0; i < SIDE_BY_SIDE; i++)
        tls_records_free(servers[i]);
    tls_records_free(client);
    return 0;
}
