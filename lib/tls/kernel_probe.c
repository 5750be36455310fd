// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's TLS can do, found by trying it on connections to ourselves: versions of kernels
// and their configuration tell less than that.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/tls/kernel.h"

// Keys as the kernel takes them. All of them zero: nothing is ever sealed with them.
union crypto {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes_128;
    struct tls12_crypto_info_aes_gcm_256 aes_256;
    struct tls12_crypto_info_chacha20_poly1305 chacha20;
    struct tls12_crypto_info_aes_ccm_128 ccm_128;
};

static const struct cipher {
    enum tls_kernel_cipher bit;
    uint16_t type; // TLS_CIPHER_*
    socklen_t size;
    const char *name;
} ciphers[] = {
    {TLS_KERNEL_AES_128_GCM, TLS_CIPHER_AES_GCM_128,
     sizeof(struct tls12_crypto_info_aes_gcm_128), "aes-128-gcm"},
    {TLS_KERNEL_AES_256_GCM, TLS_CIPHER_AES_GCM_256,
     sizeof(struct tls12_crypto_info_aes_gcm_256), "aes-256-gcm"},
    {TLS_KERNEL_CHACHA20, TLS_CIPHER_CHACHA20_POLY1305,
     sizeof(struct tls12_crypto_info_chacha20_poly1305), "chacha20-poly1305"},
    {TLS_KERNEL_CCM_128, TLS_CIPHER_AES_CCM_128,
     sizeof(struct tls12_crypto_info_aes_ccm_128), "aes-128-ccm"},
};

// A firewall may swallow what we send to ourselves: the start does not hang on that.
static void limit_wait(int fd, int option)
{
    struct timeval second = {.tv_sec = 1};

    setsockopt(fd, SOL_SOCKET, option, &second, sizeof(second));
}

static int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -errno;
    limit_wait(fd, SO_RCVTIMEO); // of accept4()
    if (bind(fd, (struct sockaddr *)address, len) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &len) != 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    return fd;
}

// A connection with ourselves. Closed by a reset: the probe leaves nothing in TIME_WAIT.
struct pair {
    int near, far;
};

static void pair_close(const struct pair *p)
{
    struct linger reset = {.l_onoff = 1};

    if (p->near >= 0) {
        setsockopt(p->near, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(p->near);
    }
    if (p->far >= 0)
        close(p->far);
}

static int pair_open(int listener, const struct sockaddr_in *address, struct pair *p)
{
    int err;

    p->far = -1;
    p->near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->near >= 0)
        limit_wait(p->near, SO_SNDTIMEO); // of connect()
    if (p->near >= 0 &&
        connect(p->near, (const struct sockaddr *)address, sizeof(*address)) == 0)
        p->far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (p->far >= 0)
        return 0;
    err = errno;
    pair_close(p);
    return -err;
}

// The socket must be connected; this is where the kernel loads its module.
static int add_tls(int fd)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 ? 0 : -errno;
}

static int install(int fd, int direction, uint16_t version, const struct cipher *c)
{
    union crypto crypto;

    memset(&crypto, 0, sizeof(crypto));
    crypto.info.version = version;
    crypto.info.cipher_type = c->type;
    return setsockopt(fd, SOL_TLS, direction, &crypto, c->size) == 0 ? 0 : -errno;
}

static void probe_cipher(int fd, uint16_t version, const struct cipher *c,
                         struct tls_kernel_features *f)
{
    bool tls13 = version == TLS_1_3_VERSION;

    if (install(fd, TLS_TX, version, c) == 0) {
        *(tls13 ? &f->send_1_3 : &f->send_1_2) |= c->bit;
        // Keys for a second time: EBUSY before Linux 6.14.
        if (tls13 && install(fd, TLS_TX, version, c) == 0)
            f->rekey = true;
    }
    if (install(fd, TLS_RX, version, c) == 0)
        *(tls13 ? &f->receive_1_3 : &f->receive_1_2) |= c->bit;
}

static int probe(int listener, const struct sockaddr_in *address, struct tls_kernel_features *f)
{
    static const uint16_t versions[] = {TLS_1_2_VERSION, TLS_1_3_VERSION};

    for (size_t i = 0; i < array_len(ciphers) * array_len(versions); i++) {
        const struct cipher *c = &ciphers[i / array_len(versions)];
        struct pair p;
        int rc = pair_open(listener, address, &p);

        if (rc != 0)
            return rc;
        rc = add_tls(p.near);
        if (rc == 0)
            probe_cipher(p.near, versions[i % array_len(versions)], c, f);
        pair_close(&p);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void tls_kernel_probe(struct tls_kernel_features *f)
{
    struct sockaddr_in address;
    int listener, rc;

    *f = (struct tls_kernel_features){.error = 0};
    listener = listen_on_loopback(&address);
    rc = listener < 0 ? listener : probe(listener, &address, f);
    if (listener >= 0)
        close(listener);
    // What was found before something failed is not to be relied upon.
    if (rc != 0)
        *f = (struct tls_kernel_features){.error = -rc};
}

static void append(char *out, size_t size, const char *text)
{
    size_t n = strlen(out);

    if (n < size)
        snprintf(out + n, size - n, "%s", text);
}

static void append_ciphers(char *out, size_t size, const char *label, uint32_t bits)
{
    append(out, size, label);
    for (size_t i = 0; i < array_len(ciphers); i++) {
        if (bits & ciphers[i].bit) {
            append(out, size, " ");
            append(out, size, ciphers[i].name);
        }
    }
    if (bits == 0)
        append(out, size, " none");
}

static void append_directions(char *out, size_t size, const struct tls_kernel_features *f)
{
    append_ciphers(out, size, " TLSv1.2 send", f->send_1_2);
    append_ciphers(out, size, ", receive", f->receive_1_2);
    append_ciphers(out, size, "; TLSv1.3 send", f->send_1_3);
    append_ciphers(out, size, ", receive", f->receive_1_3);
}

static void describe_missing(const struct tls_kernel_features *f, char *out, size_t size)
{
    char text[64];

    if (f->error == ENOENT)
        snprintf(out, size, "kernel TLS: no (the kernel has no tls module, or may not load it)");
    else if (f->error != 0)
        snprintf(out, size, "kernel TLS: no (%d: %s)", f->error,
                 strerror_r(f->error, text, sizeof(text)));
    else
        snprintf(out, size, "kernel TLS: no (the kernel takes no cipher)");
}

void tls_kernel_describe(const struct tls_kernel_features *f, char *out, size_t size)
{
    uint32_t any = f->send_1_2 | f->send_1_3 | f->receive_1_2 | f->receive_1_3;
    uint32_t all = f->send_1_2 & f->send_1_3 & f->receive_1_2 & f->receive_1_3;

    if (f->error != 0 || any == 0) {
        describe_missing(f, out, size);
        return;
    }
    snprintf(out, size, "kernel TLS:");
    if (any == all)
        append_ciphers(out, size, "", all);
    else
        append_directions(out, size, f);
    append(out, size, f->rekey ? ", rekey" : ", no rekey");
}
