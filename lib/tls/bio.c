// SPDX-License-Identifier: Apache-2.0
//
// Memory as OpenSSL's two ends of a connection. The one BIO method serves all connections; it is
// made once and never freed, as OpenSSL's own are.
#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/tls_priv.h"

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int bio_read(BIO *bio, char *buf, int size)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    if (t->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = min_of((size_t)size, t->in_len);
    memcpy(buf, t->in, n);
    t->in += n;
    t->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *buf, int n)
{
    struct tls *t = BIO_get_data(bio);
    struct tls_output *out = &t->out;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (out->cap - out->len < (size_t)n && !out->reserve(out, (size_t)n))
        return -1;
    memcpy(out->p + out->len, buf, (size_t)n);
    out->len += (size_t)n;
    return n;
}

// Kernel TLS is asked for here too; 0 says that there is none behind memory.
static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace memory");

    if (m == NULL)
        return;
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    method = m;
}

BIO *tls_bio_new(struct tls *t)
{
    pthread_once(&once, make_method);
    BIO *bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}
