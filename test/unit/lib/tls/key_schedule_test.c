// SPDX-License-Identifier: Apache-2.0
//
// The key schedule against what is known of it: RFC 5869's vectors for the parts, RFC 8448's
// handshake for the labels, and OpenSSL's own function for everything that libssl may ask of ours.
#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/key_schedule.h"

static struct tls_hkdf open_hkdf(enum tls_hash hash)
{
    cr_assert_eq(tls_key_schedule_init(), 0);
    return (struct tls_hkdf){.md = EVP_MD_CTX_new(), .hash = hash};
}

static struct sv bytes(const void *p, size_t n)
{
    return sv_of(p, n);
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;

    for (; hex[2 * n] != '\0'; n++)
        cr_assert_eq(sscanf(hex + 2 * n, "%2hhx", &out[n]), 1);
    return n;
}

Test(key_schedule, extract_is_that_of_rfc_5869_a_1)
{
    struct tls_hkdf h = open_hkdf(TLS_SHA256);
    uint8_t ikm[32], salt[32], want[32], got[32];
    size_t nikm = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", ikm);
    size_t nsalt = unhex("000102030405060708090a0b0c", salt);

    unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", want);
    cr_assert_eq(tls_hkdf_extract(&h, bytes(salt, nsalt), bytes(ikm, nikm), got), 0);
    cr_assert_arr_eq(got, want, 32);
    EVP_MD_CTX_free(h.md);
}

// RFC 8448, 3: the server's handshake secret, its key and its iv.
Test(key_schedule, labels_are_those_of_rfc_8448)
{
    struct tls_hkdf h = open_hkdf(TLS_SHA256);
    uint8_t secret[32], key[16], iv[12], want[32];

    unhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", secret);
    cr_assert_eq(tls_hkdf_expand(&h, bytes(secret, 32), SV("tls13 key"), bytes("", 0), key, 16), 0);
    unhex("3fce516009c21727d0f2e4e86ee403bc", want);
    cr_assert_arr_eq(key, want, 16);
    cr_assert_eq(tls_hkdf_expand(&h, bytes(secret, 32), SV("tls13 iv"), bytes("", 0), iv, 12), 0);
    unhex("5d313eb2671276ee13000b30", want);
    cr_assert_arr_eq(iv, want, 12);
    EVP_MD_CTX_free(h.md);
}

Test(key_schedule, what_is_too_long_is_refused)
{
    struct tls_hkdf h = open_hkdf(TLS_SHA256);
    static char big[300];
    static uint8_t out[256 * 32];

    cr_assert_neq(tls_hkdf_extract(&h, bytes(big, 49), bytes(big, 1), out), 0);
    cr_assert_neq(tls_hkdf_expand(&h, bytes(big, 49), SV("x"), bytes("", 0), out, 32), 0);
    cr_assert_neq(tls_hkdf_expand(&h, bytes(big, 32), bytes(big, 256), bytes("", 0), out, 32), 0);
    cr_assert_neq(tls_hkdf_expand(&h, bytes(big, 32), SV("x"), bytes(big, 256), out, 32), 0);
    cr_assert_neq(tls_hkdf_expand(&h, bytes(big, 32), SV("x"), bytes("", 0), out, 255 * 32 + 1),
                  0);
    cr_assert_eq(tls_hkdf_expand(&h, bytes(big, 32), SV("x"), bytes(big, 255), out, 255 * 32), 0);
    EVP_MD_CTX_free(h.md);
}

#define SECRET_32 "01234567890123456789012345678901"

struct asked {
    int mode;
    const char *digest;
    struct sv key, salt, data; // p NULL: left out
    size_t n;
};

static int derive(const char *properties, const struct asked *a, uint8_t *out)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties);
    cr_assert_not_null(kdf, "%s", properties);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    int mode = a->mode;
    OSSL_PARAM params[8], *p = params;

    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)a->digest, 0);
    if (a->key.p != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)a->key.p, a->key.n);
    if (a->salt.p != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)a->salt.p,
                                                 a->salt.n);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (char *)"tls13 ", 6);
    *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (char *)"derived", 7);
    if (a->data.p != NULL)
        *p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA, (void *)a->data.p,
                                                 a->data.n);
    *p = OSSL_PARAM_construct_end();
    int rc = EVP_KDF_derive(ctx, out, a->n, params);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return rc;
}

static void compare(const struct asked *a)
{
    uint8_t theirs[512] = {1}, ours[512] = {2};

    cr_assert_eq(derive("provider=default", a, theirs), 1);
    cr_assert_eq(derive(TLS_KEY_SCHEDULE, a, ours), 1);
    cr_assert_arr_eq(ours, theirs, a->n);
}

Test(key_schedule, the_provider_derives_what_openssl_does)
{
    static const struct {
        const char *name;
        size_t size;
    } digests[] = {{"SHA2-256", 32}, {"SHA256", 32}, {"SHA2-384", 48}, {"SHA384", 48}};
    char one[48], other[48];

    cr_assert_eq(tls_key_schedule_init(), 0);
    memset(one, 0x5a, sizeof(one));
    memset(other, 0x77, sizeof(other));
    for (size_t i = 0; i < array_len(digests); i++) {
        size_t n = digests[i].size;
        struct asked extract = {EVP_KDF_HKDF_MODE_EXTRACT_ONLY, digests[i].name,
                                {NULL, 0}, {NULL, 0}, {NULL, 0}, n};
        compare(&extract);
        extract.key = bytes(one, n);
        compare(&extract);
        extract.salt = bytes(other, n);
        compare(&extract);
        extract.key.p = NULL;
        compare(&extract);
        static const size_t sizes[] = {1, 12, 16, 32, 48, 49, 200};
        for (size_t j = 0; j < array_len(sizes); j++) {
            struct asked expand = {EVP_KDF_HKDF_MODE_EXPAND_ONLY, digests[i].name, bytes(one, n),
                                   {NULL, 0}, {NULL, 0}, sizes[j]};
            compare(&expand);
            expand.data = bytes(other, n);
            compare(&expand);
        }
    }
}

Test(key_schedule, the_provider_refuses_what_it_does_not_know)
{
    uint8_t out[48];
    struct asked a = {EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA2-256", SV(SECRET_32), {NULL, 0},
                      {NULL, 0}, 32};

    cr_assert_eq(tls_key_schedule_init(), 0);
    cr_assert_eq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
    a.digest = "SHA2-512";
    cr_assert_neq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
    a.digest = "SHA2-256";
    a.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
    cr_assert_neq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
    a.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    a.key.p = NULL;
    cr_assert_neq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
}

Test(key_schedule, openssls_own_providers_are_still_loaded)
{
    cr_assert_eq(tls_key_schedule_init(), 0);
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-512", TLS_KEY_SCHEDULE);
    cr_assert_not_null(md);
    EVP_MD_free(md);
}

static unsigned seen;

static void see(void *arg, struct sv label, const uint8_t *secret, size_t n)
{
    cr_assert_eq(arg, &seen);
    cr_assert_eq(label.n, 13);
    cr_assert_arr_eq(label.p, "tls13 derived", 13);
    cr_assert_eq(n, 32);
    cr_assert_not_null(secret);
    seen++;
}

Test(key_schedule, the_tap_sees_what_is_expanded_until_it_is_closed)
{
    uint8_t out[32];
    struct asked a = {EVP_KDF_HKDF_MODE_EXPAND_ONLY, "SHA2-256", SV(SECRET_32), {NULL, 0},
                      {NULL, 0}, 32};

    cr_assert_eq(tls_key_schedule_init(), 0);
    tls_key_schedule_tap(see, &seen);
    cr_assert_eq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
    tls_key_schedule_tap(NULL, NULL);
    cr_assert_eq(derive(TLS_KEY_SCHEDULE, &a, out), 1);
    cr_assert_eq(seen, 1);
}
