// SPDX-License-Identifier: Apache-2.0
//
// Certificates, lists of revoked ones and private keys out of PEM (RFC 7468).
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <string.h>

#include "lib/tls/load_priv.h"

#define DATA_PREFIX "data:"

const char *tls_shown_path(const char *path)
{
    return strncmp(path, DATA_PREFIX, sizeof(DATA_PREFIX) - 1) == 0 ? "data:..." : path;
}

static BIO *open_pem(const char *path, const char **error)
{
    bool data = strncmp(path, DATA_PREFIX, sizeof(DATA_PREFIX) - 1) == 0;
    BIO *bio = data ? BIO_new_mem_buf(path + sizeof(DATA_PREFIX) - 1, -1)
                    : BIO_new_file(path, "r");
    if (bio == NULL)
        *error = data ? "BIO_new_mem_buf() failed" : "BIO_new_file() failed";
    return bio;
}

// PEM has no end of its own: that nothing more begins is how it is found.
static bool is_end(void)
{
    unsigned long e = ERR_peek_last_error();
    bool end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

    if (end)
        ERR_clear_error();
    return end;
}

// Appends certificates until none begins. `trusted`: "TRUSTED CERTIFICATE" is taken as well, and
// there must be one.
static bool read_certificates(BIO *bio, STACK_OF(X509) *chain, bool trusted, const char **error)
{
    for (;;) {
        X509 *x = trusted ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)
                          : PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (x == NULL) {
            *error = trusted ? "PEM_read_bio_X509_AUX() failed" : "PEM_read_bio_X509() failed";
            return sk_X509_num(chain) > 0 && is_end();
        }
        if (!sk_X509_push(chain, x)) {
            X509_free(x);
            *error = "sk_X509_push() failed";
            return false;
        }
    }
}

static bool read_first(BIO *bio, STACK_OF(X509) *chain, const char **error)
{
    X509 *x = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);

    if (x != NULL && sk_X509_push(chain, x))
        return true;
    X509_free(x);
    *error = x == NULL ? "PEM_read_bio_X509_AUX() failed" : "sk_X509_push() failed";
    return false;
}

static STACK_OF(X509) *load_certificates(const char *path, bool authorities, const char **error)
{
    BIO *bio = open_pem(path, error);
    STACK_OF(X509) *chain = bio != NULL ? sk_X509_new_null() : NULL;
    bool good = false;

    if (bio != NULL && chain == NULL)
        *error = "sk_X509_new_null() failed";
    if (chain != NULL)
        good = (authorities || read_first(bio, chain, error)) &&
               read_certificates(bio, chain, authorities, error);
    BIO_free(bio);
    if (good)
        return chain;
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

STACK_OF(X509) *tls_load_chain(const char *path, const char **error)
{
    return load_certificates(path, false, error);
}

STACK_OF(X509) *tls_load_authorities(const char *path, const char **error)
{
    return load_certificates(path, true, error);
}

static bool read_crls(BIO *bio, STACK_OF(X509_CRL) *list, const char **error)
{
    for (;;) {
        X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (crl == NULL) {
            *error = "PEM_read_bio_X509_CRL() failed";
            return sk_X509_CRL_num(list) > 0 && is_end();
        }
        if (!sk_X509_CRL_push(list, crl)) {
            X509_CRL_free(crl);
            *error = "sk_X509_CRL_push() failed";
            return false;
        }
    }
}

STACK_OF(X509_CRL) *tls_load_crls(const char *path, const char **error)
{
    BIO *bio = open_pem(path, error);
    STACK_OF(X509_CRL) *list = bio != NULL ? sk_X509_CRL_new_null() : NULL;

    if (bio != NULL && list == NULL)
        *error = "sk_X509_CRL_new_null() failed";
    bool good = list != NULL && read_crls(bio, list, error);
    BIO_free(bio);
    if (good)
        return list;
    sk_X509_CRL_pop_free(list, X509_CRL_free);
    return NULL;
}

// pem_password_cb(3). Without passwords a key that has one cannot be read: OpenSSL's own callback
// would ask at the terminal, and a server that waits there on a reload serves nobody.
static int give_password(char *buf, int size, int writing, void *arg)
{
    const struct sv *password = arg;

    if (writing || password == NULL || size <= 0)
        return -1;
    size_t n = min_of(password->n, (size_t)size);
    memcpy(buf, password->p, n);
    return (int)n;
}

static EVP_PKEY *read_key(BIO *bio, const struct tls_passwords *passwords, const char **error)
{
    unsigned tries = passwords->n > 0 ? passwords->n : 1;

    for (unsigned i = 0; i < tries; i++) {
        struct sv *password = passwords->n > 0 ? &passwords->lines[i] : NULL;
        ERR_clear_error();
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_password, password);
        if (key != NULL) {
            ERR_clear_error();
            return key;
        }
        (void)BIO_reset(bio);
    }
    *error = "PEM_read_bio_PrivateKey() failed";
    return NULL;
}

static EVP_PKEY *next_store_key(OSSL_STORE_CTX *store)
{
    EVP_PKEY *key = NULL;

    while (key == NULL && !OSSL_STORE_eof(store) && !OSSL_STORE_error(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info != NULL && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    return key;
}

// "store:" and a URI of a provider (ossl_store(7)), such as a PKCS#11 token's. The first password
// is the one.
static EVP_PKEY *load_from_store(const char *uri, const struct tls_passwords *passwords,
                                 const char **error)
{
    UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give_password, 0);
    OSSL_STORE_CTX *store = NULL;
    EVP_PKEY *key = NULL;

    *error = "OSSL_STORE_open() failed";
    if (ui != NULL)
        store = OSSL_STORE_open(uri, ui, passwords->n > 0 ? passwords->lines : NULL, NULL, NULL);
    if (store != NULL) {
        *error = "OSSL_STORE_load() failed";
        key = next_store_key(store);
        OSSL_STORE_close(store);
    }
    UI_destroy_method(ui);
    return key;
}

EVP_PKEY *tls_load_key(const char *path, const struct tls_passwords *passwords, const char **error)
{
    if (strncmp(path, "engine:", 7) == 0) {
        *error = "loading \"engine:...\" certificate keys is not supported";
        return NULL;
    }
    if (strncmp(path, "store:", 6) == 0)
        return load_from_store(path + 6, passwords, error);
    BIO *bio = open_pem(path, error);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *key = read_key(bio, passwords, error);
    BIO_free(bio);
    return key;
}
