// SPDX-License-Identifier: Apache-2.0
//
// The record layer's way in: bytes of the network, in whatever pieces, become the content of
// records (RFC 8446, 5). All of it is the client's, so all of it may be hostile: a record's length
// is judged by its header alone, nothing of a record is looked at before its tag has been, and what
// brings nothing is counted.
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"
#include "lib/tls/record_priv.h"
#include "lib/tls/tls.h"

// The end of all reading. What it was is remembered, and answered again.
static enum tls_opened end(struct tls_records *r, enum tls_opened state, uint8_t alert)
{
    r->state = state;
    r->alert = alert;
    return state;
}

static size_t body_length(const uint8_t *header)
{
    return (size_t)header[3] << 8 | header[4];
}

// The alert that a header deserves, or 0. Its version must be ignored (RFC 8446, 5.1); as it is
// part of what the tag covers, it must still be what the client has sealed.
static uint8_t judge_header(const uint8_t *header)
{
    if (header[0] != TLS_APPLICATION_DATA)
        return TLS_UNEXPECTED_MESSAGE;
    if (body_length(header) > TLS_SEALED_MAX)
        return TLS_RECORD_OVERFLOW;
    return body_length(header) < TLS_SEALED_MIN ? TLS_BAD_RECORD_MAC : 0;
}

bool tls_records_at_boundary(const struct tls_records *r)
{
    return r->head_len == 0 && r->part == NULL;
}

static void take(const char **in, size_t *in_len, void *to, size_t n)
{
    memcpy(to, *in, n);
    *in += n;
    *in_len -= n;
}

// A whole header becomes the beginning of a record of our own. false: no memory.
static bool begin_part(struct tls_records *r)
{
    r->want = (uint16_t)(TLS_RECORD_HEADER + body_length(r->head));
    r->have = TLS_RECORD_HEADER;
    r->part = malloc(r->want);
    if (r->part == NULL)
        return false;
    memcpy(r->part, r->head, TLS_RECORD_HEADER);
    r->head_len = 0;
    return true;
}

// Keeps what has come of a record. TLS_OPENED_DATA: r->part is whole.
static enum tls_opened keep(struct tls_records *r, const char **in, size_t *in_len)
{
    if (r->part == NULL) {
        size_t n = min_of(*in_len, (size_t)(TLS_RECORD_HEADER - r->head_len));
        take(in, in_len, r->head + r->head_len, n);
        r->head_len = (uint8_t)(r->head_len + n);
        if (r->head_len < TLS_RECORD_HEADER)
            return TLS_OPENED_MORE;
        uint8_t alert = judge_header(r->head);
        if (alert != 0)
            return end(r, TLS_OPENED_BAD, alert);
        if (!begin_part(r))
            return end(r, TLS_OPENED_BAD, TLS_INTERNAL_ERROR);
    }
    size_t n = min_of(*in_len, (size_t)(r->want - r->have));
    take(in, in_len, r->part + r->have, n);
    r->have = (uint16_t)(r->have + n);
    return r->have == r->want ? TLS_OPENED_DATA : TLS_OPENED_MORE;
}

// Points at the next whole record: in the input itself, which is the rule, or in r->part.
static enum tls_opened next_record(struct tls_records *r, const char **in, size_t *in_len,
                                   const uint8_t **record)
{
    const uint8_t *header = (const uint8_t *)*in;

    if (tls_records_at_boundary(r) && *in_len >= TLS_RECORD_HEADER) {
        uint8_t alert = judge_header(header);
        if (alert != 0)
            return end(r, TLS_OPENED_BAD, alert);
        size_t whole = TLS_RECORD_HEADER + body_length(header);
        if (*in_len >= whole) {
            *record = header;
            *in += whole;
            *in_len -= whole;
            return TLS_OPENED_DATA;
        }
    }
    if (*in_len == 0)
        return TLS_OPENED_MORE;
    enum tls_opened kept = keep(r, in, in_len);
    *record = r->part;
    return kept;
}

// `n` bytes of sealed content into buf of `size`. The last goes into *last as well, or there alone
// where a full record with its type has no room in a buffer for full contents.
static bool decrypt(EVP_CIPHER_CTX *cipher, const uint8_t *sealed, size_t n, uint8_t *buf,
                    size_t size, uint8_t *last)
{
    const uint8_t *tag = sealed + n;
    uint8_t none[TLS_TAG]; // an AEAD ends without bytes of its own
    size_t first = min_of(n, size);
    int len;

    if (EVP_DecryptUpdate(cipher, buf, &len, sealed, (int)first) != 1 ||
        (first < n && EVP_DecryptUpdate(cipher, last, &len, sealed + first, 1) != 1))
        return false;
    if (first == n)
        *last = buf[n - 1];
    return EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TLS_TAG, (void *)tag) == 1 &&
           EVP_DecryptFinal_ex(cipher, none, &len) == 1;
}

// The type is the last byte that is not zero (RFC 8446, 5.4). Returns the length of the content
// before it; *type is 0 when there is none.
static size_t find_type(const uint8_t *buf, size_t n, uint8_t last, uint8_t *type)
{
    *type = last;
    while (*type == 0 && n != 0)
        *type = buf[--n];
    return n;
}

static enum tls_opened pass_over(struct tls_records *r)
{
    if (r->idle == TLS_IDLE_RECORDS_MAX)
        return end(r, TLS_OPENED_BAD, TLS_UNEXPECTED_MESSAGE);
    r->idle++;
    return TLS_OPENED_MORE;
}

static enum tls_opened follow_update(struct tls_records *r, bool requested)
{
    enum tls_opened opened = pass_over(r);

    if (opened != TLS_OPENED_MORE)
        return opened;
    if (tls_records_update_receiving(r) != 0)
        return end(r, TLS_OPENED_BAD, TLS_INTERNAL_ERROR);
    r->owes_update |= requested;
    return TLS_OPENED_MORE;
}

static enum tls_opened act_on(struct tls_records *r, uint8_t type, const char *content, size_t n)
{
    switch (tls_control_judge(true, type, content, n)) {
    case TLS_CONTROL_DATA:
        r->idle = 0;
        return TLS_OPENED_DATA;
    case TLS_CONTROL_IGNORE:
        return pass_over(r);
    case TLS_CONTROL_CLOSE:
        return end(r, TLS_OPENED_CLOSED, TLS_CLOSE_NOTIFY);
    case TLS_CONTROL_ABORT:
        return end(r, TLS_OPENED_ABORT, (uint8_t)content[1]);
    case TLS_CONTROL_KEY_UPDATE:
        return follow_update(r, false);
    case TLS_CONTROL_KEY_UPDATE_REQUESTED:
        return follow_update(r, true);
    default:
        return end(r, TLS_OPENED_BAD, TLS_UNEXPECTED_MESSAGE);
    }
}

static enum tls_opened open_record(struct tls_records *r, const uint8_t *record, char *buf,
                                   size_t size, size_t *got)
{
    struct tls_direction *d = &r->receiving;
    size_t n = body_length(record) - TLS_TAG;
    uint8_t last, type;

    if (d->cipher == NULL || d->traffic.seq == UINT64_MAX)
        return end(r, TLS_OPENED_BAD, TLS_INTERNAL_ERROR);
    if (!tls_direction_begin(d, record) ||
        !decrypt(d->cipher, record + TLS_RECORD_HEADER, n, (uint8_t *)buf, size, &last)) {
        ERR_clear_error();
        OPENSSL_cleanse(buf, min_of(n, size)); // nobody has vouched for it
        return end(r, TLS_OPENED_BAD, TLS_BAD_RECORD_MAC);
    }
    d->traffic.seq++;
    n = find_type((const uint8_t *)buf, n - 1, last, &type);
    enum tls_opened opened = act_on(r, type, buf, n);
    *got = opened == TLS_OPENED_DATA ? n : 0;
    return opened;
}

enum tls_opened tls_records_open(struct tls_records *r, const char **in, size_t *in_len, char *buf,
                                 size_t size, size_t *got, uint8_t *alert)
{
    const uint8_t *record;

    check(size >= TLS_RECORD_MAX);
    *got = 0;
    *alert = 0;
    while (r->state == TLS_OPENED_MORE) {
        enum tls_opened opened = next_record(r, in, in_len, &record);
        if (opened == TLS_OPENED_MORE)
            return TLS_OPENED_MORE;
        if (opened == TLS_OPENED_DATA)
            opened = open_record(r, record, buf, size, got);
        if (r->part != NULL) {
            free(r->part);
            r->part = NULL;
        }
        if (opened == TLS_OPENED_DATA)
            return TLS_OPENED_DATA;
    }
    *in += *in_len;
    *in_len = 0;
    *alert = r->alert;
    return r->state;
}
