// SPDX-License-Identifier: Apache-2.0
//
// A small public key infrastructure in memory.
#pragma once

#include <criterion/criterion.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdbool.h>

struct pair {
    EVP_PKEY *key;
    X509 *x509;
};

static inline void pki_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert(ext != NULL && X509_add_ext(x509, ext, -1));
    X509_EXTENSION_free(ext);
}

// Signed by `ca`, or by itself with NULL. `responder` goes into its authorityInfoAccess.
static inline struct pair pki_make(const char *name, long serial, const struct pair *ca,
                                   const char *responder)
{
    struct pair p = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *subject = X509_get_subject_name(p.x509);

    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_version(p.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(p.x509), serial);
    X509_gmtime_adj(X509_getm_notBefore(p.x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(p.x509), 86400);
    X509_set_pubkey(p.x509, p.key);
    X509_set_issuer_name(p.x509, ca != NULL ? X509_get_subject_name(ca->x509) : subject);
    if (ca == NULL)
        pki_extension(p.x509, NID_basic_constraints, "critical,CA:TRUE");
    if (responder != NULL) {
        char value[512];

        snprintf(value, sizeof(value), "OCSP;URI:%s", responder);
        pki_extension(p.x509, NID_info_access, value);
    }
    cr_assert(X509_sign(p.x509, ca != NULL ? ca->key : p.key, EVP_sha256()));
    return p;
}

// What a response says of the certificate; zero is a good one without nextUpdate.
struct verdict {
    int status;            // V_OCSP_CERTSTATUS_
    int this_s, next_s;    // from now; next_s 0: none
    const struct pair *signer; // NULL: the CA
    bool broken_signature;
};

static inline int ocsp_make(const struct pair *ca, X509 *about, const struct verdict *v,
                            unsigned char **der)
{
    const struct pair *signer = v->signer != NULL ? v->signer : ca;
    ASN1_TIME *now = X509_gmtime_adj(NULL, v->this_s), *next = NULL, *revoked = NULL;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, about, ca->x509);
    OCSP_RESPONSE *response;
    int n;

    if (v->next_s != 0)
        next = X509_gmtime_adj(NULL, v->next_s);
    if (v->status == V_OCSP_CERTSTATUS_REVOKED)
        revoked = X509_gmtime_adj(NULL, -60);
    cr_assert(OCSP_basic_add1_status(basic, id, v->status, 0, revoked, now, next) != NULL);
    cr_assert(OCSP_basic_sign(basic, signer->x509, signer->key, EVP_sha256(), NULL, 0));
    if (v->broken_signature)
        ((unsigned char *)OCSP_resp_get0_signature(basic)->data)[12] ^= 1;
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    n = i2d_OCSP_RESPONSE(response, der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    ASN1_TIME_free(revoked);
    return n;
}
