// SPDX-License-Identifier: Apache-2.0
//
// The client's certificate in nginx's words: $ssl_client_*.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/base/check.h"
#include "lib/tls/facts_priv.h"

typedef bool (*printer)(BIO *bio, const X509 *x509);

// What a printer wrote, in the arena.
static bool print(const X509 *x509, printer into, struct arena *a, struct sv *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    *out = sv_of(NULL, 0);
    if (bio != NULL && into(bio, x509)) {
        long n = BIO_get_mem_data(bio, &text);
        if (n > 0)
            *out = arena_sv(a, sv_of(text, (size_t)n));
    }
    BIO_free(bio);
    ERR_clear_error();
    return out->n > 0;
}

static bool print_pem(BIO *bio, const X509 *x509)
{
    return PEM_write_bio_X509(bio, (X509 *)x509) == 1;
}

static bool print_subject(BIO *bio, const X509 *x509)
{
    return X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0, XN_FLAG_RFC2253) >= 0;
}

static bool print_issuer(BIO *bio, const X509 *x509)
{
    return X509_NAME_print_ex(bio, X509_get_issuer_name(x509), 0, XN_FLAG_RFC2253) >= 0;
}

static bool print_serial(BIO *bio, const X509 *x509)
{
    return i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(x509)) > 0;
}

static bool print_start(BIO *bio, const X509 *x509)
{
    return ASN1_TIME_print(bio, X509_get0_notBefore(x509)) == 1;
}

static bool print_end(BIO *bio, const X509 *x509)
{
    return ASN1_TIME_print(bio, X509_get0_notAfter(x509)) == 1;
}

// "/C=../CN=..", which nginx gave before it knew RFC 2253.
static bool legacy_name(const X509_NAME *name, struct arena *a, struct sv *out)
{
    char *line = X509_NAME_oneline(name, NULL, 0);

    if (line == NULL)
        return false;
    *out = arena_sv(a, sv_from(line));
    OPENSSL_free(line);
    return out->n > 0;
}

// PEM without its last newline, and with a tab behind each other one: a folded header field.
static bool folded_pem(const X509 *x509, struct arena *a, struct sv *out)
{
    struct sv raw;
    size_t n = 0;

    if (!print(x509, print_pem, a, &raw))
        return false;
    char *text = arena_alloc(a, 2 * raw.n);
    if (text == NULL)
        return false;
    for (size_t i = 0; i + 1 < raw.n; i++) {
        text[n++] = raw.p[i];
        if (raw.p[i] == '\n')
            text[n++] = '\t';
    }
    *out = sv_of(text, n);
    return true;
}

static bool is_unreserved(char c) // RFC 3986, 2.3
{
    char l = (char)(c | 0x20);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

static bool escaped_pem(const X509 *x509, struct arena *a, struct sv *out)
{
    static const char hex[] = "0123456789ABCDEF";
    struct sv raw;
    size_t n = 0;

    if (!print(x509, print_pem, a, &raw))
        return false;
    char *text = arena_alloc(a, 3 * raw.n);
    if (text == NULL)
        return false;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (is_unreserved(raw.p[i])) {
            text[n++] = raw.p[i];
            continue;
        }
        text[n++] = '%';
        text[n++] = hex[c >> 4];
        text[n++] = hex[c & 15];
    }
    *out = sv_of(text, n);
    return true;
}

static bool fingerprint(const X509 *x509, struct arena *a, struct sv *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    char *text = X509_digest(x509, EVP_sha1(), digest, &n) == 1 ? arena_alloc(a, 2 * n) : NULL;
    if (text == NULL)
        return false;
    for (unsigned i = 0; i < n; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    *out = sv_of(text, 2 * n);
    return true;
}

// Whole days until it ends, 0 when it has.
static bool remaining_days(const X509 *x509, struct arena *a, struct sv *out)
{
    int days, seconds;

    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x509)) != 1)
        return false;
    *out = arena_printf(a, "%d", max_of(days, 0));
    return out->n > 0;
}

static bool verify_result(const SSL *ssl, const X509 *x509, struct arena *a, struct sv *out)
{
    long result = SSL_get_verify_result(ssl);

    if (x509 == NULL)
        *out = SV("NONE");
    else if (result == X509_V_OK)
        *out = SV("SUCCESS");
    else
        *out = arena_printf(a, "FAILED:%s", X509_verify_cert_error_string(result));
    return out->n > 0;
}

bool tls_certificate_fact(const SSL *ssl, const X509 *x509, enum tls_fact fact, struct arena *a,
                          struct sv *out)
{
    if (fact == TLS_FACT_client_verify)
        return verify_result(ssl, x509, a, out);
    if (x509 == NULL)
        return false;
    switch ((int)fact) {
    case TLS_FACT_client_cert:
        return folded_pem(x509, a, out);
    case TLS_FACT_client_raw_cert:
        return print(x509, print_pem, a, out);
    case TLS_FACT_client_escaped_cert:
        return escaped_pem(x509, a, out);
    case TLS_FACT_client_s_dn:
        return print(x509, print_subject, a, out);
    case TLS_FACT_client_i_dn:
        return print(x509, print_issuer, a, out);
    case TLS_FACT_client_s_dn_legacy:
        return legacy_name(X509_get_subject_name(x509), a, out);
    case TLS_FACT_client_i_dn_legacy:
        return legacy_name(X509_get_issuer_name(x509), a, out);
    case TLS_FACT_client_serial:
        return print(x509, print_serial, a, out);
    case TLS_FACT_client_fingerprint:
        return fingerprint(x509, a, out);
    case TLS_FACT_client_v_start:
        return print(x509, print_start, a, out);
    case TLS_FACT_client_v_end:
        return print(x509, print_end, a, out);
    case TLS_FACT_client_v_remain:
        return remaining_days(x509, a, out);
    default:
        check(!"a fact of the client's certificate");
        return false;
    }
}
