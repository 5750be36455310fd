// SPDX-License-Identifier: Apache-2.0
//
// Our side's keys are in the kernel, and the client counts bytes of records without opening them.
// Where the kernel has no TLS most of these are skipped; the lab runs them where it has.
#include "lib/tls/kernel_flow.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/tls.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "lib/tls/kernel.h"
#include "test/unit/lib/tls/kernel_ciphers.h"

static int client = -1, server = -1;
static char much[65536];

static void connect_ends(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 8192;
    socklen_t len = sizeof(address);

    cr_assert_eq(setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, len), 0);
    server = accept(listener, NULL, NULL);
    cr_assert_geq(server, 0);
    close(listener);
}

static void disconnect(void)
{
    if (client >= 0)
        close(client);
    if (server >= 0)
        close(server);
    client = server = -1;
}

static void encrypt(uint16_t version, unsigned cipher)
{
    union {
        struct tls_crypto_info info;
        char space[128];
    } crypto = {.space = {0}};

    crypto.info.version = version;
    crypto.info.cipher_type = ciphers[cipher].type;
    cr_assert_eq(setsockopt(server, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")), 0);
    cr_assert_eq(setsockopt(server, SOL_TLS, TLS_TX, &crypto, ciphers[cipher].size), 0);
}

static uint64_t given_to_tcp(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    int queued = 0;

    cr_assert_eq(getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    cr_assert_eq(ioctl(server, SIOCOUTQ, &queued), 0);
    return info.tcpi_bytes_acked + (uint64_t)queued;
}

// As much as the socket takes of a client that does not read.
static uint64_t fill(void)
{
    uint64_t taken = 0;
    ssize_t n;

    while ((n = send(server, much, sizeof(much), MSG_DONTWAIT)) > 0)
        taken += (uint64_t)n;
    usleep(100000); // acknowledgements that were delayed
    return taken;
}

// The same until TLS holds something: delayed acknowledgements may have made room for its last.
static uint64_t overfill(const struct tls_kernel_flow *flow, uint64_t taken)
{
    uint64_t more = 0;

    for (int i = 0; i < 50 && tls_kernel_held(flow, server, taken + more) == 0; i++)
        more += fill();
    cr_assert_gt(tls_kernel_held(flow, server, taken + more), 0);
    return more;
}

static uint64_t drain(void)
{
    uint64_t all = 0;

    for (int quiet = 0; quiet < 20;) {
        ssize_t n = recv(client, much, sizeof(much), MSG_DONTWAIT);
        if (n == 0)
            break;
        if (n < 0) {
            quiet++;
            usleep(20000);
            continue;
        }
        all += (uint64_t)n;
        quiet = 0;
    }
    return all;
}

static void check_cipher(uint16_t version, unsigned cipher)
{
    static const size_t sizes[] = {1, 2, 100, 1400, 4000};
    struct tls_kernel_flow flow;
    uint64_t taken = 7; // what was counted before does not matter

    connect_ends();
    encrypt(version, cipher);
    tls_kernel_flow_begin(&flow, server, taken);
    cr_assert_neq(flow.overhead, 0);
    for (unsigned i = 0; i < array_len(sizes); i++) {
        cr_assert_eq(send(server, much, sizes[i], 0), (ssize_t)sizes[i]);
        taken += sizes[i];
        cr_assert_eq(tls_kernel_held(&flow, server, taken), 0, "version %x, cipher %u", version,
                     cipher);
    }
    taken += overfill(&flow, taken);
    uint64_t held = tls_kernel_held(&flow, server, taken), with_tcp = given_to_tcp();
    uint64_t read = drain();
    cr_assert_eq(read, with_tcp + held, "%lu read, %lu with TCP and %lu held", read, with_tcp,
                 held);
    cr_assert_eq(tls_kernel_held(&flow, server, taken), 0);
    disconnect();
}

Test(tls_kernel_flow, counts_what_is_held_to_the_byte_with_every_cipher, .init = skip_without_tls,
     .fini = disconnect, .timeout = 120)
{
    for (unsigned i = 0; i < array_len(ciphers); i++) {
        if (features.send_1_2 & ciphers[i].bit)
            check_cipher(TLS_1_2_VERSION, i);
        if (features.send_1_3 & ciphers[i].bit)
            check_cipher(TLS_1_3_VERSION, i);
    }
}

static void open_ends(void)
{
    skip_without_tls();
    connect_ends();
    encrypt(TLS_1_3_VERSION, 0);
}

TestSuite(tls_kernel_flow_socket, .init = open_ends, .fini = disconnect, .timeout = 60);

Test(tls_kernel_flow_socket, an_alert_counts_like_any_payload)
{
    struct tls_kernel_flow flow;

    tls_kernel_flow_begin(&flow, server, 0);
    cr_assert_eq(tls_kernel_alert(server, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), 0);
    cr_assert_eq(tls_kernel_held(&flow, server, TLS_ALERT_SIZE), 0);
    // One byte that was counted and never given shows that the sum is not merely below.
    cr_assert_eq(tls_kernel_held(&flow, server, TLS_ALERT_SIZE + 1), 1);
}

Test(tls_kernel_flow_socket, a_close_loses_nothing_once_nothing_is_held)
{
    struct tls_kernel_flow flow;
    uint64_t read = 0;

    tls_kernel_flow_begin(&flow, server, 0);
    uint64_t taken = overfill(&flow, 0);
    for (int i = 0; i < 1000 && tls_kernel_held(&flow, server, taken) != 0; i++) {
        ssize_t n = recv(client, much, 512, MSG_DONTWAIT);
        read += n > 0 ? (uint64_t)n : 0;
        usleep(1000);
    }
    cr_assert_eq(tls_kernel_held(&flow, server, taken), 0);
    uint64_t all = given_to_tcp();
    close(server);
    server = -1;
    read += drain();
    cr_assert_eq(read, all, "%lu of %lu", read, all);
}

Test(tls_kernel_flow_socket, an_unknown_flow_waits_for_acknowledgements)
{
    struct tls_kernel_flow unknown = {0};

    cr_assert_eq(tls_kernel_held(&unknown, server, 0), 0);
    uint64_t taken = fill();
    cr_assert_gt(tls_kernel_held(&unknown, server, taken), 0);
    drain();
    cr_assert_eq(tls_kernel_held(&unknown, server, taken), 0);
}

Test(tls_kernel_flow_socket, nothing_is_waited_for_behind_a_reset)
{
    const struct linger reset = {.l_onoff = 1};
    struct tls_kernel_flow flow;

    tls_kernel_flow_begin(&flow, server, 0);
    uint64_t taken = fill();
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(client);
    client = -1;
    usleep(50000);
    cr_assert_eq(tls_kernel_held(&flow, server, taken), 0);
}

Test(tls_kernel_flow, without_keys_it_stays_unknown, .fini = disconnect, .timeout = 20)
{
    struct tls_kernel_flow flow = {.overhead = 1};

    connect_ends();
    tls_kernel_flow_begin(&flow, server, 0);
    cr_assert_eq(flow.overhead, 0);
    cr_assert_eq(tls_kernel_held(&flow, server, 0), 0);
    uint64_t taken = fill();
    cr_assert_gt(tls_kernel_held(&flow, server, taken), 0);
}

Test(tls_kernel_flow, of_what_is_no_connection_nothing_is_held)
{
    struct tls_kernel_flow flow;

    tls_kernel_flow_begin(&flow, -1, 0);
    cr_assert_eq(flow.overhead, 0);
    cr_assert_eq(tls_kernel_held(&flow, -1, 5), 0);
}
