// SPDX-License-Identifier: Apache-2.0
//
// Two sockets with keys in the kernel, one as the client and one as ours. Where the kernel has no
// TLS these tests are skipped; the lab runs them where it has.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/tls/kernel.h"
#include "test/unit/lib/tls/kernel_ciphers.h"

union crypto {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes_128;
    struct tls12_crypto_info_aes_gcm_256 aes_256;
    struct tls12_crypto_info_chacha20_poly1305 chacha20;
    struct tls12_crypto_info_aes_ccm_128 ccm_128;
};

static int client = -1, server = -1;

static void connect_ends(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    socklen_t len = sizeof(address);

    cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, len), 0);
    server = accept(listener, NULL, NULL);
    cr_assert_geq(server, 0);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    close(listener);
}

static void disconnect(void)
{
    close(client);
    close(server);
}

// `secret` fills the keys, so that a different one makes different keys.
static int install(int fd, int direction, uint16_t version, unsigned cipher, int secret)
{
    union crypto crypto;

    memset(&crypto, secret, sizeof(crypto));
    crypto.info.version = version;
    crypto.info.cipher_type = ciphers[cipher].type;
    return setsockopt(fd, SOL_TLS, direction, &crypto, ciphers[cipher].size) == 0 ? 0 : -errno;
}

static void add_tls(int fd)
{
    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")), 0);
}

static void encrypt(uint16_t version, unsigned cipher)
{
    add_tls(client);
    add_tls(server);
    cr_assert_eq(install(client, TLS_TX, version, cipher, 1), 0);
    cr_assert_eq(install(server, TLS_RX, version, cipher, 1), 0);
    cr_assert_eq(install(server, TLS_TX, version, cipher, 2), 0);
    cr_assert_eq(install(client, TLS_RX, version, cipher, 2), 0);
}

static void open_ends(void)
{
    skip_without_tls();
    connect_ends();
    encrypt(TLS_1_3_VERSION, 0);
}

TestSuite(tls_kernel_socket, .init = open_ends, .fini = disconnect, .timeout = 20);

// Waits for what is on its way through the loopback.
static ssize_t receive(int fd, char *buf, size_t size, uint8_t *type)
{
    ssize_t n;

    for (unsigned i = 0; i < 5000; i++) {
        n = tls_kernel_receive(fd, buf, size, type);
        if (n != -EAGAIN)
            return n;
        usleep(1000);
    }
    return -EAGAIN;
}

static void assert_receives(int fd, uint8_t type, const char *bytes, size_t n)
{
    char buf[32768];
    uint8_t got = 0;
    ssize_t rc = receive(fd, buf, sizeof(buf), &got);

    cr_assert_eq(rc, (ssize_t)n, "%zd instead of %zu bytes", rc, n);
    cr_assert_eq(got, type, "type %u instead of %u", got, type);
    cr_assert_arr_eq(buf, bytes, n);
}

static void send_record(int fd, uint8_t type, const char *bytes, size_t n)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(1)];
    } control = {.space = {0}};
    struct iovec iov = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1,
                         .msg_control = &control, .msg_controllen = sizeof(control)};

    control.header = (struct cmsghdr){.cmsg_level = SOL_TLS, .cmsg_type = TLS_SET_RECORD_TYPE,
                                      .cmsg_len = CMSG_LEN(1)};
    *CMSG_DATA(&control.header) = type;
    cr_assert_eq(sendmsg(fd, &msg, 0), (ssize_t)n);
}

// A counter of /proc/net/tls_stat.
static unsigned long counter(const char *name)
{
    FILE *f = fopen("/proc/net/tls_stat", "re");
    char word[64];
    unsigned long value, found = 0;

    cr_assert_not_null(f);
    while (fscanf(f, "%63s %lu", word, &value) == 2) {
        if (strcmp(word, name) == 0)
            found = value;
    }
    fclose(f);
    return found;
}

static void converse(uint16_t version, unsigned cipher)
{
    connect_ends();
    encrypt(version, cipher);
    cr_assert_eq(send(client, "question", 8, 0), 8);
    assert_receives(server, TLS_APPLICATION_DATA, "question", 8);
    cr_assert_eq(send(server, "answer", 6, 0), 6);
    assert_receives(client, TLS_APPLICATION_DATA, "answer", 6);
    cr_assert_eq(tls_kernel_alert(server, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), 0);
    assert_receives(client, TLS_ALERT, "\1\0", 2);
    disconnect();
}

Test(tls_kernel_ciphers, carry_data_and_alerts_as_the_probe_says, .init = skip_without_tls)
{
    unsigned long before = counter("TlsTxSw"), conversations = 0;

    for (unsigned i = 0; i < array_len(ciphers); i++) {
        if (features.send_1_2 & features.receive_1_2 & ciphers[i].bit) {
            converse(TLS_1_2_VERSION, i);
            conversations++;
        }
        if (features.send_1_3 & features.receive_1_3 & ciphers[i].bit) {
            converse(TLS_1_3_VERSION, i);
            conversations++;
        }
    }
    // AES-GCM of both lengths and ChaCha20 in both versions at least.
    cr_assert_geq(conversations, 6);
    cr_assert_geq(counter("TlsTxSw") - before, 2 * conversations);
}

Test(tls_kernel_socket, receiving_never_waits)
{
    char buf[8];
    uint8_t type;

    cr_assert_eq(tls_kernel_receive(server, buf, sizeof(buf), &type), -EAGAIN);
}

Test(tls_kernel_socket, several_records_of_data_come_at_once_and_in_parts)
{
    char buf[8];
    uint8_t type;

    cr_assert_eq(send(client, "abcd", 4, 0), 4);
    cr_assert_eq(send(client, "efgh", 4, 0), 4);
    usleep(50000);
    cr_assert_eq(receive(server, buf, 3, &type), 3);
    assert_receives(server, TLS_APPLICATION_DATA, "defgh", 5);
}

Test(tls_kernel_socket, data_ends_before_a_record_of_another_type)
{
    cr_assert_eq(send(client, "abcd", 4, 0), 4);
    cr_assert_eq(tls_kernel_alert(client, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), 0);
    usleep(50000);
    assert_receives(server, TLS_APPLICATION_DATA, "abcd", 4);
    assert_receives(server, TLS_ALERT, "\1\0", 2);
}

Test(tls_kernel_socket, an_alert_closes_an_open_record_and_follows_it)
{
    cr_assert_eq(send(server, "abcd", 4, MSG_MORE), 4);
    cr_assert_eq(tls_kernel_alert(server, TLS_ALERT_FATAL, TLS_INTERNAL_ERROR), 0);
    assert_receives(client, TLS_APPLICATION_DATA, "abcd", 4);
    assert_receives(client, TLS_ALERT, "\2\120", 2);
}

Test(tls_kernel_socket, an_alert_does_not_wait_for_room)
{
    static const char much[65536];

    while (send(server, much, sizeof(much), MSG_DONTWAIT) > 0)
        ;
    cr_assert_eq(tls_kernel_alert(server, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), -EAGAIN);
}

Test(tls_kernel_socket, an_alert_to_a_client_that_has_gone_raises_no_signal)
{
    struct linger reset = {.l_onoff = 1};

    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(client);
    usleep(50000);
    int rc = tls_kernel_alert(server, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY);
    cr_assert(rc == -EPIPE || rc == -ECONNRESET, "%d", rc);
    client = -1;
}

Test(tls_kernel_socket, a_plain_recv_of_an_alert_is_eio_and_does_not_lose_it)
{
    char buf[8];

    cr_assert_eq(tls_kernel_alert(client, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), 0);
    cr_assert_eq(recv(server, buf, sizeof(buf), 0), -1);
    cr_assert_eq(errno, EIO);
    assert_receives(server, TLS_ALERT, "\1\0", 2);
}

Test(tls_kernel_socket, the_end_without_close_notify_is_data_of_no_bytes)
{
    cr_assert_eq(shutdown(client, SHUT_WR), 0);
    assert_receives(server, TLS_APPLICATION_DATA, "", 0);
}

static const char key_update[] = "\x18\0\0\1\0";

Test(tls_kernel_socket, a_key_update_is_seen_as_what_it_is)
{
    char buf[64];
    uint8_t type = 0;

    cr_assert_eq(send(client, "before", 6, 0), 6);
    send_record(client, TLS_HANDSHAKE, key_update, 5);
    assert_receives(server, TLS_APPLICATION_DATA, "before", 6);
    ssize_t n = receive(server, buf, sizeof(buf), &type);
    cr_assert_eq(n, 5);
    cr_assert_eq(tls_control_judge(true, type, buf, (size_t)n), TLS_CONTROL_KEY_UPDATE);
}

Test(tls_kernel_socket, new_keys_are_taken_where_the_probe_says_so_and_else_refused)
{
    send_record(client, TLS_HANDSHAKE, key_update, 5);
    assert_receives(server, TLS_HANDSHAKE, key_update, 5);
    if (!features.rekey) {
        cr_assert_eq(install(server, TLS_RX, TLS_1_3_VERSION, 0, 3), -EBUSY);
        return;
    }
    char buf[8];
    uint8_t type;
    cr_assert_eq(tls_kernel_receive(server, buf, sizeof(buf), &type), -EKEYEXPIRED);
    cr_assert_eq(install(client, TLS_TX, TLS_1_3_VERSION, 0, 3), 0);
    cr_assert_eq(install(server, TLS_RX, TLS_1_3_VERSION, 0, 3), 0);
    cr_assert_eq(send(client, "after", 5, 0), 5);
    assert_receives(server, TLS_APPLICATION_DATA, "after", 5);
}

Test(tls_kernel_ciphers, a_forged_record_is_an_error_of_the_connection, .init = skip_without_tls,
     .fini = disconnect)
{
    static const char forged[5 + 48] = {23, 3, 3, 0, 48};
    unsigned long before = counter("TlsDecryptError");
    char buf[64];
    uint8_t type;

    connect_ends();
    add_tls(server);
    cr_assert_eq(install(server, TLS_RX, TLS_1_3_VERSION, 0, 1), 0);
    cr_assert_eq(send(client, forged, sizeof(forged), 0), sizeof(forged));
    cr_assert_eq(receive(server, buf, sizeof(buf), &type), -EBADMSG);
    cr_assert_eq(counter("TlsDecryptError"), before + 1);
}
