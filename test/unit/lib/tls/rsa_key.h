// SPDX-License-Identifier: Apache-2.0
//
// An RSA key of 2048 bits for tests, and for nothing else: anybody can read it. To make one takes
// seconds in an emulated machine, and each test of Criterion is a process that would do it anew.
#pragma once

#include <criterion/criterion.h>
#include <openssl/pem.h>

static const char rsa_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCJscyv9/PNHedR\n"
    "aVtCkbTUygGkWiKZINvHeYhuNGJqOjMQqgBbNl+aoF91CMQwMabzzH5Mo+ZVT2hP\n"
    "c1T7zaI1TPVAXgI8HTLytHglBAiAol31qh+uJvJjYplaY14dAJnDlTZ5x/RLOJZ2\n"
    "xp38g4i5W6pGGhAyxaztcD4vdHX9CazsAgQBY/OUuq6LnCTADSkfPArOXnCwQkhU\n"
    "OWuvfnpqk6L86W2HY+FAkoGWiT/C9ltVCjGLDDcbXj5NOXk8Eo/IIHT+PrIIfzTB\n"
    "KfdX8msTSl5HAodk3rl1A4X1Y90ANdmsyGunF7wrRD17MZoHkOrRGePS2UkPaHQK\n"
    "AbZauJb/AgMBAAECggEAIYe5d3Ri2yUYCjwkq/49Ub/rTHFikXVt75JJxcRd3s5T\n"
    "VxB+y7de6pF5DU/YLoA4zo+Shek3krimhwpnvHWjtWULJ+R8mNTnbjDCPQlRZLml\n"
    "Nch6tHbpeYguHdOqvFdEGluAi4FEnPinsz7EhBQnvDN1MGLyZNq8NImrqvSqMrbH\n"
    "/fCbcaNfKDeyxz7hhmOv3CrQkUuGfUwhYxkEmxzgtUEGOBGnYoxo5v/Hxag+3/q5\n"
    "e4SXrKiV33PAgic7lMbyuvmZZWpoyRe/btJ5xqn8lLNLKV3a7YnD298bE4u2IX/x\n"
    "nEu8RGRUkSBlr5EyZ1KSy2eKYXxnkZesnb6zVy1YqQKBgQC/7lAqqTm6nqsIVJDa\n"
    "lD3dHjgjX3+skSfu3cz+EvizktXHtfShMIWzK79nwXi+m0aba3JT31Mji0zCYvBf\n"
    "2lkiWCCQX3b9tpxXhRMIGoI/wU1oe8kh6uC8LNhJjr0hBSdfYKY0SMcsE/2W95lY\n"
    "aE8eneAQqOz8ZhCUWIORDFJiXQKBgQC3qKa112wGwlS00DXFL5/HdWormyRjUPb7\n"
    "4AgcokHs/IMbP2MKm48nf3iRjlrg6rRk6Ert/yHtuKBQjr48TZWRRkmUdmx9zdv9\n"
    "e/d7/5p/bcX5MzPPMnhDrRWEYg0ImwyhmCGAXpPrjMsvYJhOD8kmj1xREem3SWne\n"
    "Wu4MDzwBCwKBgEOfwQk29MsnKpXVze/luWJWSmtUM5Tm1A4agianIo+K1d3240mD\n"
    "4ie960OwbE2kQh1ynyakEhP8+b+nwo/TTAKI0Hht2mwMUkuX7Ju3U1sJTa/ZpYVY\n"
    "z3QdzNsl+sdOnI/DauwTFHIYXQo7FQGMRww/jfnwuwc3IvJRuZF6qPBVAoGBAJho\n"
    "IxgJkYK2Zza5BbYBxFTv8dAH6ZVlTeBM1E52s8Cm92F4I4dc+dnsJTCc8nttKZAH\n"
    "WI7RxuUP7jGLkwBV3cV1j3/dGkD3wRREeGZ1AU+3167pt5e8qSJ4EsAN4gT/Lec3\n"
    "aK2vTo8NAlvpi9pTrTgLha9c7xcDnBBCYwKs7b1rAoGBAJckXs769N05/eZ5bcY5\n"
    "CZdDuxKAoHEw3iSnm8hf++BC14cGQHy2nJZhw9pwVyckET3jBSLGf1dcDVnkuUPW\n"
    "V5g+Nq0+0RPjswBhh+vW9NVeQWCbs3SXQwVod9Ddnh4vDxYEwp23EA0ZeAusH9li\n"
    "rb8+K7HjontmzC/l6OZQNSe1\n"
    "-----END PRIVATE KEY-----\n";

// The same key each time; EVP_PKEY_free() when done.
static inline EVP_PKEY *rsa_key(void)
{
    BIO *bio = BIO_new_mem_buf(rsa_key_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    cr_assert_not_null(key);
    return key;
}
