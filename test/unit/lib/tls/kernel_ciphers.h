// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's TLS has, and the ciphers that it may have, as tests give them keys.
#pragma once

#include <criterion/criterion.h>
#include <linux/tls.h>
#include <sys/socket.h>

#include "lib/tls/kernel.h"

static const struct {
    enum tls_kernel_cipher bit;
    uint16_t type;
    socklen_t size;
} ciphers[] = {
    {TLS_KERNEL_AES_128_GCM, TLS_CIPHER_AES_GCM_128,
     sizeof(struct tls12_crypto_info_aes_gcm_128)},
    {TLS_KERNEL_AES_256_GCM, TLS_CIPHER_AES_GCM_256,
     sizeof(struct tls12_crypto_info_aes_gcm_256)},
    {TLS_KERNEL_CHACHA20, TLS_CIPHER_CHACHA20_POLY1305,
     sizeof(struct tls12_crypto_info_chacha20_poly1305)},
    {TLS_KERNEL_CCM_128, TLS_CIPHER_AES_CCM_128, sizeof(struct tls12_crypto_info_aes_ccm_128)},
};

static struct tls_kernel_features features;

static void skip_without_tls(void)
{
    char text[512];

    tls_kernel_probe(&features);
    tls_kernel_describe(&features, text, sizeof(text));
    if (features.error != 0)
        cr_skip("%s", text);
}
