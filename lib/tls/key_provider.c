// SPDX-License-Identifier: Apache-2.0
//
// The key schedule as OpenSSL calls it: a provider that has "TLS13-KDF" and nothing else. It keeps
// no parameters (libssl gives all of them with each derivation), so EVP_KDF_CTX_set_params(3) has
// no effect here.
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>
#include <strings.h>

#include "lib/tls/key_schedule_priv.h"

#define LABEL_MAX 255u // bytes, with the prefix

static _Thread_local struct {
    tls_key_tap *call;
    void *arg;
} tap;

void tls_key_schedule_tap(tls_key_tap *call, void *arg)
{
    tap.call = call;
    tap.arg = arg;
}

// Of one derivation; all but `label` are views of the caller's.
struct given {
    int mode;          // EVP_KDF_HKDF_MODE_...; -1: none
    bool has_hash;
    enum tls_hash hash;
    struct sv key, salt, prefix, label, data; // p NULL: not given
};

static bool read_hash(const OSSL_PARAM *p, struct given *g)
{
    const char *name;

    if (!OSSL_PARAM_get_utf8_string_ptr(p, &name))
        return false;
    g->has_hash = true;
    if (strcasecmp(name, "SHA2-256") == 0 || strcasecmp(name, "SHA256") == 0)
        g->hash = TLS_SHA256;
    else if (strcasecmp(name, "SHA2-384") == 0 || strcasecmp(name, "SHA384") == 0)
        g->hash = TLS_SHA384;
    else
        g->has_hash = false;
    return g->has_hash;
}

static bool read_octets(const OSSL_PARAM *p, struct sv *out)
{
    const void *bytes;
    size_t n;

    if (!OSSL_PARAM_get_octet_string_ptr(p, &bytes, &n))
        return false;
    *out = sv_of(bytes != NULL ? bytes : "", n);
    return true;
}

static bool read_one(const OSSL_PARAM *p, struct given *g)
{
    const struct {
        const char *name;
        struct sv *value;
    } octets[] = {
        {OSSL_KDF_PARAM_KEY, &g->key},
        {OSSL_KDF_PARAM_SALT, &g->salt},
        {OSSL_KDF_PARAM_PREFIX, &g->prefix},
        {OSSL_KDF_PARAM_LABEL, &g->label},
        {OSSL_KDF_PARAM_DATA, &g->data},
    };

    if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0)
        return OSSL_PARAM_get_int(p, &g->mode) == 1;
    if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0)
        return read_hash(p, g);
    for (size_t i = 0; i < array_len(octets); i++)
        if (strcmp(p->key, octets[i].name) == 0)
            return read_octets(p, octets[i].value);
    return true; // what later versions may add
}

static bool read_given(const OSSL_PARAM *p, struct given *g)
{
    *g = (struct given){.mode = -1};
    for (; p != NULL && p->key != NULL; p++)
        if (!read_one(p, g))
            return false;
    return g->has_hash && g->prefix.p != NULL && g->label.p != NULL &&
           g->prefix.n + g->label.n <= LABEL_MAX;
}

// HKDF-Extract of the schedule: the secret before it is expanded under "derived" to be the salt,
// and what is missing is zeros.
static bool extract(const struct tls_hkdf *h, const struct given *g, struct sv label, uint8_t *out,
                    size_t n)
{
    static const char zeros[TLS_HASH_MAX];
    uint8_t salt[TLS_HASH_MAX], empty[TLS_HASH_MAX];
    size_t size = tls_hash_size(h->hash);
    struct sv salt_view = sv_of(zeros, 0);
    bool done = n == size;

    if (done && g->salt.p != NULL) {
        done = EVP_DigestInit_ex2(h->md, tls_hash_md(h->hash), NULL) == 1 &&
               EVP_DigestFinal_ex(h->md, empty, NULL) == 1 &&
               tls_hkdf_expand(h, g->salt, label, sv_of((char *)empty, size), salt, size) == 0;
        salt_view = sv_of((char *)salt, size);
    }
    done = done && tls_hkdf_extract(h, salt_view, g->key.p != NULL ? g->key : sv_of(zeros, size),
                                    out) == 0;
    OPENSSL_cleanse(salt, sizeof(salt));
    return done;
}

static int derive(void *ctx, unsigned char *out, size_t n, const OSSL_PARAM params[])
{
    struct tls_hkdf h = {.md = ctx};
    struct given g;
    char bytes[LABEL_MAX];

    if (!read_given(params, &g))
        return 0;
    h.hash = g.hash;
    memcpy(mempcpy(bytes, g.prefix.p, g.prefix.n), g.label.p, g.label.n);
    struct sv label = sv_of(bytes, g.prefix.n + g.label.n);
    if (g.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
        return extract(&h, &g, label, out, n);
    if (g.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || g.key.p == NULL ||
        tls_hkdf_expand(&h, g.key, label, g.data, out, n) != 0)
        return 0;
    if (tap.call != NULL)
        tap.call(tap.arg, label, out, n);
    return 1;
}

// A digest is all that a derivation needs; it wipes itself.
static void *new_context(void *provider)
{
    (void)provider;
    return EVP_MD_CTX_new();
}

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_context},
    {OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_context},
    {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
    {0, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_store)
{
    static const OSSL_ALGORITHM kdfs[] = {
        {"TLS13-KDF", "provider=millrace", functions, "HKDF of TLS 1.3"},
        {NULL, NULL, NULL, NULL},
    };

    (void)provider;
    *no_store = 0;
    return operation == OSSL_OP_KDF ? kdfs : NULL;
}

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                const OSSL_DISPATCH **out, void **provider)
{
    static const OSSL_DISPATCH provider_functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {0, NULL},
    };

    (void)core;
    *provider = (void *)handle; // not NULL, and not used
    *out = provider_functions;
    return 1;
}

// Never unloaded; kept for those who look for leaks.
__attribute__((used)) static OSSL_PROVIDER *loaded;

void tls_key_provider_load(void)
{
    // The others are still to be loaded without being asked for, as if this one were not there.
    if (OSSL_PROVIDER_add_builtin(NULL, "millrace", init) == 1)
        loaded = OSSL_PROVIDER_try_load(NULL, "millrace", 1);
}
