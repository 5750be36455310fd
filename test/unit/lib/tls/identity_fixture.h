// SPDX-License-Identifier: Apache-2.0
//
// Certificates made in memory, and files of them.
#pragma once

#include <criterion/criterion.h>
#include <dirent.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What a test leaves behind: it ends with its process.
static inline void *keep(void *p)
{
    static void *kept[256];
    static unsigned n;

    cr_assert_lt(n, 256u);
    return kept[n++] = p;
}

static inline void remove_directory(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d != NULL && (entry = readdir(d)) != NULL)
        (void)unlinkat(dirfd(d), entry->d_name, 0);
    if (d != NULL)
        closedir(d);
    rmdir(path);
}

struct identity {
    EVP_PKEY *key;
    X509 *x509;
    char *certificate, *private_key; // "data:" and PEM
};

static inline char *as_data(BIO *bio)
{
    char *pem;
    long n = BIO_get_mem_data(bio, &pem);
    char *out = malloc((size_t)n + 6);

    snprintf(out, (size_t)n + 6, "data:%.*s", (int)n, pem);
    BIO_free(bio);
    return out;
}

static inline char *certificate_data(X509 *x509)
{
    BIO *bio = BIO_new(BIO_s_mem());

    cr_assert(PEM_write_bio_X509(bio, x509));
    return as_data(bio);
}

// Signed by `ca`, or by itself. `days` may be negative: it has ended.
static inline struct identity make_identity(const char *name, EVP_PKEY *key,
                                            const struct identity *ca, int days)
{
    static long serial = 0xabc123;
    struct identity i = {.key = key, .x509 = X509_new()};
    X509_NAME *subject = X509_get_subject_name(i.x509);
    BIO *pem = BIO_new(BIO_s_mem());

    X509_set_version(i.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(i.x509), serial++);
    X509_NAME_add_entry_by_txt(subject, "C", MBSTRING_ASC, (const unsigned char *)"DE", -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_gmtime_adj(X509_getm_notBefore(i.x509), -20L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(i.x509), days * 86400L + 60);
    X509_set_pubkey(i.x509, key);
    X509_set_issuer_name(i.x509, ca != NULL ? X509_get_subject_name(ca->x509) : subject);
    if (ca == NULL) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                                "critical,CA:TRUE");
        X509_add_ext(i.x509, e, -1);
        X509_EXTENSION_free(e);
    }
    cr_assert(X509_sign(i.x509, ca != NULL ? ca->key : key, EVP_sha256()));
    cr_assert(PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL));
    i.certificate = certificate_data(i.x509);
    i.private_key = as_data(pem);
    return i;
}

static inline void free_identity(struct identity *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->x509);
    free(i->certificate);
    free(i->private_key);
}

