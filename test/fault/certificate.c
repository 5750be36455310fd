// SPDX-License-Identifier: Apache-2.0
//
// On P-256, the cheapest of what every client takes: a test may shake hands a thousand times.
#include "test/fault/certificate.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);

    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"a", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_gmtime_adj(X509_getm_notBefore(x509), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_set_pubkey(x509, key);
    cr_assert_gt(X509_sign(x509, key, EVP_sha256()), 0);
    return x509;
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s%s", folder, name);
    FILE *out = fopen(path, "we");
    cr_assert_not_null(out);
    return out;
}

void certificate_make(const char *folder)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = self_signed(key);
    FILE *crt = open_in(folder, "server.crt"), *pem = open_in(folder, "server.key");

    cr_assert_eq(PEM_write_X509(crt, x509), 1);
    cr_assert_eq(PEM_write_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(crt);
    fclose(pem);
    X509_free(x509);
    EVP_PKEY_free(key);
}
