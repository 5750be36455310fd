// SPDX-License-Identifier: Apache-2.0
//
// The name of a handshake's signature algorithm (RFC 8446, 4.2.3). OpenSSL 3.5 tells it; before
// that the name is put together from the type of the key and the digest.
#include <openssl/evp.h>
#include <openssl/objects.h>

#include "lib/base/compiler.h"
#include "lib/tls/facts_priv.h"

#ifdef SSL_get0_signature_name

const char *tls_signature_name(SSL *ssl, bool of_client)
{
    const char *name = NULL;
    long known = of_client ? SSL_get0_peer_signature_name(ssl, &name)
                           : SSL_get0_signature_name(ssl, &name);

    return known > 0 ? name : NULL;
}

#else

static const struct {
    int type, digest;
    const char *name;
} names[] = {
    {EVP_PKEY_EC, NID_sha256, "ecdsa_secp256r1_sha256"},
    {EVP_PKEY_EC, NID_sha384, "ecdsa_secp384r1_sha384"},
    {EVP_PKEY_EC, NID_sha512, "ecdsa_secp521r1_sha512"},
    {EVP_PKEY_EC, NID_sha224, "ecdsa_sha224"},
    {EVP_PKEY_EC, NID_sha1, "ecdsa_sha1"},
    {EVP_PKEY_RSA_PSS, NID_sha256, "rsa_pss_rsae_sha256"},
    {EVP_PKEY_RSA_PSS, NID_sha384, "rsa_pss_rsae_sha384"},
    {EVP_PKEY_RSA_PSS, NID_sha512, "rsa_pss_rsae_sha512"},
    {EVP_PKEY_RSA, NID_sha256, "rsa_pkcs1_sha256"},
    {EVP_PKEY_RSA, NID_sha384, "rsa_pkcs1_sha384"},
    {EVP_PKEY_RSA, NID_sha512, "rsa_pkcs1_sha512"},
    {EVP_PKEY_RSA, NID_sha224, "rsa_pkcs1_sha224"},
    {EVP_PKEY_RSA, NID_sha1, "rsa_pkcs1_sha1"},
    {EVP_PKEY_ED25519, NID_undef, "ed25519"},
    {EVP_PKEY_ED448, NID_undef, "ed448"},
};

// A key that is for PSS alone has other names than an RSA key that is used with it.
static const char *pss_name(int digest)
{
    switch (digest) {
    case NID_sha256:
        return "rsa_pss_pss_sha256";
    case NID_sha384:
        return "rsa_pss_pss_sha384";
    default:
        return "rsa_pss_pss_sha512";
    }
}

const char *tls_signature_name(SSL *ssl, bool of_client)
{
    int type = NID_undef, digest = NID_undef;
    X509 *x509 = of_client ? SSL_get0_peer_certificate(ssl) : SSL_get_certificate(ssl);
    bool known = of_client ? SSL_get_peer_signature_type_nid(ssl, &type) == 1
                           : SSL_get_signature_type_nid(ssl, &type) == 1;

    if (!known || x509 == NULL)
        return NULL;
    if (of_client)
        (void)SSL_get_peer_signature_nid(ssl, &digest);
    else
        (void)SSL_get_signature_nid(ssl, &digest);
    if (type == EVP_PKEY_RSA_PSS &&
        EVP_PKEY_get_base_id(X509_get0_pubkey(x509)) == EVP_PKEY_RSA_PSS)
        return pss_name(digest);
    for (size_t i = 0; i < array_len(names); i++)
        if (names[i].type == type && (names[i].digest == digest || names[i].digest == NID_undef))
            return names[i].name;
    return NULL;
}

#endif
