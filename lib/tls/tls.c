// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/check.h"
#include "lib/tls/kernel.h"
#include "lib/tls/kernel_keys.h"
#include "lib/tls/record_layer.h"
#include "lib/tls/tls_priv.h"

static bool set_memory(struct tls *t, bool reading, bool writing)
{
    BIO *bio = tls_bio_new(t);

    if (bio == NULL)
        return false;
    if (reading && writing && !BIO_up_ref(bio)) {
        BIO_free(bio);
        return false;
    }
    if (reading)
        SSL_set0_rbio(t->ssl, bio);
    if (writing)
        SSL_set0_wbio(t->ssl, bio);
    return true;
}

struct tls *tls_open(const struct tls_context *context, int fd, enum tls_mode mode, void *owner)
{
    struct tls *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->owner = owner;
    t->context = context;
    t->fd = fd;
    t->mode = mode;
    t->ssl = SSL_new(context->ssl_ctx);
    bool ready = t->ssl != NULL && (mode == TLS_THROUGH_MEMORY ? set_memory(t, true, true)
                                                               : SSL_set_fd(t->ssl, fd) == 1);
    if (!ready) {
        tls_free(t);
        ERR_clear_error();
        return NULL;
    }
    tls_attach(t->ssl, t);
    SSL_set_accept_state(t->ssl);
    t->early = context->settings->early_data;
    return t;
}

static void free_ssl(struct tls *t)
{
    if (t->ssl == NULL)
        return;
    // Otherwise a session whose connection ended without ceremony could not be resumed.
    if (t->handshake_done && !t->failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    t->ssl = NULL;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    free_ssl(t);
    tls_records_free(t->records);
    tls_secrets_wipe(&t->secrets);
    free(t);
}

// What OpenSSL's refusal to go on means.
static enum tls_result refused(struct tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_INPUT;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_ROOM;
    case SSL_ERROR_WANT_X509_LOOKUP:
        return TLS_WANT_LOOKUP;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        t->failed = true;
        return TLS_FAILED;
    }
}

static enum tls_result finish(struct tls *t)
{
    ERR_clear_error();
    tls_secrets_tap(&t->secrets);
    int rc = SSL_do_handshake(t->ssl);
    tls_secrets_tap(NULL);
    if (rc != 1)
        return refused(t, rc);
    t->handshake_done = true;
    return TLS_DONE;
}

// Early data comes before the client's Finished, so it is asked for first. TLS_DONE: there was
// none, or that was its end.
static enum tls_result read_early(struct tls *t, char *buf, size_t size, size_t *got)
{
    ERR_clear_error();
    tls_secrets_tap(&t->secrets);
    int rc = SSL_read_early_data(t->ssl, buf, size, got);
    tls_secrets_tap(NULL);
    switch (rc) {
    case SSL_READ_EARLY_DATA_SUCCESS:
        return TLS_EARLY;
    case SSL_READ_EARLY_DATA_FINISH:
        t->early = false;
        return TLS_DONE;
    default:
        return refused(t, -1);
    }
}

// One byte is taken to see whether there is early data at all; tls_read() gives it out again.
static enum tls_result try_early(struct tls *t)
{
    size_t got;

    if (t->has_early_byte)
        return TLS_EARLY;
    enum tls_result result = read_early(t, &t->early_byte, 1, &got);
    t->has_early_byte = t->was_early = result == TLS_EARLY;
    return result;
}

enum tls_result tls_handshake(struct tls *t)
{
    if (t->early) {
        enum tls_result result = try_early(t);
        if (result != TLS_DONE)
            return result;
    }
    return finish(t);
}

unsigned tls_kernel(const struct tls *t)
{
    unsigned directions = 0;

    if (t->mode != TLS_THROUGH_SOCKET || t->ssl == NULL)
        return 0;
    if (BIO_get_ktls_send(SSL_get_wbio(t->ssl)))
        directions |= TLS_KERNEL_SEND;
    if (t->receive_given ||
        (BIO_get_ktls_recv(SSL_get_rbio(t->ssl)) && !SSL_has_pending(t->ssl)))
        directions |= TLS_KERNEL_RECEIVE;
    return directions;
}

bool tls_kernel_receives_too(struct tls *t)
{
    if (!t->handshake_done || t->was_early || tls_kernel(t) != TLS_KERNEL_SEND)
        return false;
    struct tls_records *r = tls_records_new(t->ssl, &t->secrets);
    if (r == NULL)
        return false;
    t->receive_given = tls_kernel_install(t->fd, false, tls_records_aead(r),
                                          tls_records_receiving(r)) == 0;
    tls_records_free(r);
    return t->receive_given;
}

int tls_leave_socket(struct tls *t)
{
    unsigned kernel = tls_kernel(t);
    bool reading = !(kernel & TLS_KERNEL_RECEIVE), writing = !(kernel & TLS_KERNEL_SEND);

    if (t->mode != TLS_THROUGH_SOCKET || (!reading && !writing))
        return 0;
    return set_memory(t, reading, writing) ? 0 : -ENOMEM;
}

// Padding is OpenSSL's alone.
static bool wants_padding(const struct tls_context *context)
{
    for (const struct tls_command *c = context->settings->commands; c != NULL; c = c->next) {
        if (strcasecmp(c->name, "RecordPadding") == 0)
            return true;
    }
    return false;
}

bool tls_take_over(struct tls *t)
{
    bool fit = t->handshake_done && !t->early && !t->was_early && tls_kernel(t) == 0 &&
               !wants_padding(t->context);

    if (fit)
        t->records = tls_records_new(t->ssl, &t->secrets);
    tls_secrets_wipe(&t->secrets);
    if (t->records == NULL)
        return false;
    free_ssl(t);
    return true;
}

void tls_feed(struct tls *t, const char *bytes, size_t n)
{
    check(t->in_len == 0);
    t->in = bytes;
    t->in_len = n;
}

static enum tls_result read_early_part(struct tls *t, char *buf, size_t size, size_t *got)
{
    if (t->has_early_byte) {
        t->has_early_byte = false;
        buf[0] = t->early_byte;
        *got = 1;
        return TLS_DONE;
    }
    enum tls_result result = read_early(t, buf, size, got);
    return result == TLS_EARLY ? TLS_DONE : result;
}

static void append_alert(struct tls *t, uint8_t level, uint8_t description)
{
    struct tls_output *out = &t->out;
    size_t len;

    if (out->cap - out->len < TLS_ALERT_SEALED && !out->reserve(out, TLS_ALERT_SEALED))
        return;
    if (tls_records_alert(t->records, level, description, out->p + out->len, &len) == 0)
        out->len += len;
}

static enum tls_result open_record(struct tls *t, char *buf, size_t size, size_t *got)
{
    uint8_t alert = 0;

    switch (tls_records_open(t->records, &t->in, &t->in_len, buf, size, got, &alert)) {
    case TLS_OPENED_DATA:
        return TLS_DONE;
    case TLS_OPENED_MORE:
        return TLS_WANT_INPUT;
    case TLS_OPENED_CLOSED:
        return TLS_CLOSED;
    case TLS_OPENED_BAD:
        append_alert(t, TLS_ALERT_FATAL, alert);
        break;
    case TLS_OPENED_ABORT:
        break;
    }
    t->alert = alert;
    t->failed = true;
    return TLS_FAILED;
}

enum tls_result tls_read(struct tls *t, char *buf, size_t size, size_t *got)
{
    *got = 0;
    if (t->records != NULL)
        return open_record(t, buf, size, got);
    if (t->early) {
        enum tls_result result = read_early_part(t, buf, size, got);
        if (result != TLS_DONE || *got != 0)
            return result;
    }
    if (!t->handshake_done) {
        enum tls_result result = finish(t);
        if (result != TLS_DONE)
            return result;
    }
    ERR_clear_error();
    int rc = SSL_read_ex(t->ssl, buf, size, got);
    return rc == 1 ? TLS_DONE : refused(t, rc);
}

static bool write_all(struct tls *t, const char *bytes, size_t n)
{
    while (n != 0) {
        size_t written = 0;
        int rc = t->handshake_done ? SSL_write_ex(t->ssl, bytes, n, &written)
                                   : SSL_write_early_data(t->ssl, bytes, n, &written);
        if (rc != 1)
            return false;
        bytes += written;
        n -= written;
    }
    return true;
}

static int seal_records(struct tls *t, const char *bytes, size_t n, size_t record_max)
{
    size_t len, most = tls_records_sealed_size(n, record_max);
    struct tls_output *out = &t->out;

    if (t->failed)
        return -EIO;
    if (out->cap - out->len < most && !out->reserve(out, most))
        return -ENOMEM;
    int rc = tls_records_seal(t->records, bytes, n, record_max, out->p + out->len, &len);
    if (rc == 0)
        out->len += len;
    else
        t->failed = true;
    return rc;
}

int tls_seal(struct tls *t, const char *bytes, size_t n, size_t record_max)
{
    if (t->records != NULL)
        return seal_records(t, bytes, n, record_max);
    if (record_max != t->record_max) {
        t->record_max = record_max;
        SSL_set_max_send_fragment(t->ssl, (long)record_max);
    }
    // All at once, so that the memory is not moved while records are appended.
    size_t sealed = n + (n / record_max + 1) * TLS_RECORD_OVERHEAD;
    if (t->out.cap - t->out.len < sealed && !t->out.reserve(&t->out, sealed))
        return -ENOMEM;
    ERR_clear_error();
    if (write_all(t, bytes, n))
        return 0;
    t->failed = true;
    return -EIO;
}

void tls_close(struct tls *t)
{
    if (t->closed || t->failed || !t->handshake_done)
        return;
    t->closed = true;
    if (t->records != NULL) {
        append_alert(t, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY);
        return;
    }
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); // 0: the client's own has not come, and need not
    ERR_clear_error();
}

bool tls_owes_key_update(const struct tls *t)
{
    if (t->records != NULL)
        return tls_records_owes_update(t->records);
    return SSL_get_key_update_type(t->ssl) != SSL_KEY_UPDATE_NONE;
}

bool tls_verify_error_is_optional(long error)
{
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return true;
    default:
        return false;
    }
}

// A client can send anything, so what it can provoke is no matter for the operator. Out of memory
// and faults of our own are.
static bool is_client_fault(unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    return error == 0 || (reason != ERR_R_MALLOC_FAILURE && reason != ERR_R_INTERNAL_ERROR &&
                          !ERR_SYSTEM_ERROR(error));
}

void tls_failure(struct tls *t, char *out, bool *client_fault)
{
    char detail[TLS_ERROR_MAX];
    unsigned long error = ERR_peek_error();

    if (t->records != NULL) {
        *client_fault = true;
        snprintf(out, TLS_ERROR_MAX, "TLS record was refused (alert %u: %s)", t->alert,
                 SSL_alert_desc_string_long(t->alert));
        return;
    }

    *client_fault = is_client_fault(error);
    tls_error_text(detail);
    snprintf(out, TLS_ERROR_MAX, "%s() failed%.*s", t->handshake_done ? "SSL_read" :
             "SSL_do_handshake", (int)(TLS_ERROR_MAX - 32), detail);
}
