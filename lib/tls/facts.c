// SPDX-License-Identifier: Apache-2.0
//
// What the handshake agreed on, in nginx's words, and keeping it when the SSL goes.
#include "lib/tls/facts.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/tls/facts_priv.h"

// OpenSSL's readers are not all declared for a const SSL; none that is called here changes it.
static SSL *unconst(const SSL *ssl)
{
    return (SSL *)(uintptr_t)ssl;
}

static bool view(const char *text, struct sv *out)
{
    *out = sv_from(text);
    return out->n > 0;
}

static bool hex(const unsigned char *bytes, size_t n, struct arena *a, struct sv *out)
{
    static const char digits[] = "0123456789abcdef";
    char *text = n > 0 ? arena_alloc(a, 2 * n) : NULL;

    if (text == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    *out = sv_of(text, 2 * n);
    return true;
}

// Names of a list, joined by colons as they come: appends to what stands in `out`.
struct joined {
    char *p;
    size_t n, size;
};

static bool join(struct joined *j, struct arena *a, struct sv name)
{
    size_t more = name.n + 1;

    if (j->size - j->n < more) {
        size_t size = 2 * (j->size + more) + 256;
        char *p = arena_alloc(a, size);
        if (p == NULL)
            return false;
        if (j->n > 0)
            memcpy(p, j->p, j->n);
        j->p = p;
        j->size = size;
    }
    if (j->n > 0)
        j->p[j->n++] = ':';
    memcpy(j->p + j->n, name.p, name.n);
    j->n += name.n;
    return true;
}

// What the client offered, not what is shared. `width` bytes a cipher.
static bool ciphers(const SSL *ssl, struct arena *a, struct sv *out)
{
    unsigned char *list = NULL;
    long width = SSL_get0_raw_cipherlist(unconst(ssl), NULL);
    long bytes = SSL_get0_raw_cipherlist(unconst(ssl), &list);
    struct joined j = {0};

    for (long i = 0; width > 0 && i + width <= bytes; i += width) {
        const SSL_CIPHER *known = SSL_CIPHER_find(unconst(ssl), list + i);
        char code[16] = "0x";
        for (long k = 0; k < width && k < 4; k++)
            snprintf(code + 2 + 2 * k, 3, "%02x", list[i + k]);
        if (!join(&j, a, sv_from(known != NULL ? SSL_CIPHER_get_name(known) : code)))
            return false;
    }
    *out = sv_of(j.p, j.n);
    return j.n > 0;
}

static bool group_name(const SSL *ssl, int nid, struct arena *a, struct sv *out)
{
    if ((nid & TLSEXT_nid_unknown) == 0)
        return view(OBJ_nid2sn(nid), out);
    const char *name = SSL_group_to_name(unconst(ssl), nid);
    if (name != NULL)
        return view(name, out);
    *out = arena_printf(a, "0x%04x", (unsigned)nid & 0xffff);
    return out->n > 0;
}

static bool curve(const SSL *ssl, struct arena *a, struct sv *out)
{
    int nid = (int)SSL_get_negotiated_group(unconst(ssl));

    return nid != NID_undef && group_name(ssl, nid, a, out);
}

static bool curves(const SSL *ssl, struct arena *a, struct sv *out)
{
    int n = (int)SSL_get1_groups(unconst(ssl), NULL);
    int *nids = n > 0 ? arena_array(a, int, (size_t)n) : NULL;
    struct joined j = {0};

    if (nids == NULL)
        return false;
    n = (int)SSL_get1_groups(unconst(ssl), nids);
    for (int i = 0; i < n; i++) {
        struct sv name;
        if (!group_name(ssl, nids[i], a, &name) || !join(&j, a, name))
            return false;
    }
    *out = sv_of(j.p, j.n);
    return j.n > 0;
}

static bool alpn(const SSL *ssl, struct sv *out)
{
    const unsigned char *p;
    unsigned n;

    SSL_get0_alpn_selected(ssl, &p, &n);
    *out = sv_of((const char *)p, n);
    return n > 0;
}

static bool session_id(const SSL *ssl, struct arena *a, struct sv *out)
{
    const SSL_SESSION *session = SSL_get0_session(ssl);
    unsigned n = 0;

    if (session == NULL)
        return false;
    const unsigned char *id = SSL_SESSION_get_id(session, &n);
    return hex(id, n, a, out);
}

// Only while the client could still be replaying it (RFC 8470, 5.1).
static bool early_data(const SSL *ssl, struct sv *out)
{
    *out = SV("1");
    return !SSL_is_init_finished(ssl);
}

static bool read_fact(const SSL *ssl, enum tls_fact fact, struct arena *a, struct sv *out)
{
    switch ((int)fact) {
    case TLS_FACT_protocol:
        return view(SSL_get_version(ssl), out);
    case TLS_FACT_cipher:
        return view(SSL_CIPHER_get_name(SSL_get_current_cipher(ssl)), out);
    case TLS_FACT_ciphers:
        return ciphers(ssl, a, out);
    case TLS_FACT_curve:
        return curve(ssl, a, out);
    case TLS_FACT_curves:
        return curves(ssl, a, out);
    case TLS_FACT_sigalg:
        return view(tls_signature_name(unconst(ssl), false), out);
    case TLS_FACT_client_sigalg:
        return view(tls_signature_name(unconst(ssl), true), out);
    case TLS_FACT_alpn_protocol:
        return alpn(ssl, out);
    case TLS_FACT_server_name:
        return view(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), out);
    case TLS_FACT_session_id:
        return session_id(ssl, a, out);
    case TLS_FACT_session_reused:
        return view(SSL_session_reused(ssl) ? "r" : ".", out);
    case TLS_FACT_early_data:
        return early_data(ssl, out);
    default:
        return tls_certificate_fact(ssl, SSL_get0_peer_certificate(ssl), fact, a, out);
    }
}

bool tls_fact_read(const SSL *ssl, enum tls_fact fact, struct arena *a, struct sv *out)
{
    check((unsigned)fact < TLS_NFACTS);
    *out = sv_of(NULL, 0);
    if (read_fact(ssl, fact, a, out))
        return true;
    *out = sv_of(NULL, 0);
    return false;
}

struct tls_facts {
    size_t size; // of the allocation, for wiping
    struct {
        uint32_t off, n; // n 0: no value
    } at[TLS_NFACTS];
    char text[];
};

static struct tls_facts *pack(const struct sv values[TLS_NFACTS])
{
    size_t n = 0;

    for (unsigned i = 0; i < TLS_NFACTS; i++)
        n += values[i].n;
    struct tls_facts *f = n <= UINT32_MAX ? calloc(1, sizeof(*f) + n) : NULL;
    if (f == NULL)
        return NULL;
    f->size = sizeof(*f) + n;
    uint32_t off = 0;
    for (unsigned i = 0; i < TLS_NFACTS; i++) {
        f->at[i].off = off;
        f->at[i].n = (uint32_t)values[i].n;
        if (values[i].n > 0)
            memcpy(f->text + off, values[i].p, values[i].n);
        off += f->at[i].n;
    }
    return f;
}

struct tls_facts *tls_facts_keep(const SSL *ssl, uint32_t wanted)
{
    struct sv values[TLS_NFACTS] = {0};
    struct arena a;

    arena_init(&a, NULL);
    for (unsigned i = 0; i < TLS_NFACTS; i++)
        if (wanted & (UINT32_C(1) << i))
            (void)tls_fact_read(ssl, (enum tls_fact)i, &a, &values[i]);
    struct tls_facts *f = pack(values);
    arena_reset(&a);
    return f;
}

bool tls_facts_get(const struct tls_facts *f, enum tls_fact fact, struct sv *out)
{
    check((unsigned)fact < TLS_NFACTS);
    *out = sv_of(f->text + f->at[fact].off, f->at[fact].n);
    return out->n > 0;
}

void tls_facts_free(struct tls_facts *f)
{
    if (f == NULL)
        return;
    OPENSSL_cleanse(f, f->size);
    free(f);
}
