// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/kernel.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/sys.h"
#include "test/unit/support/descriptors.h"

static enum tls_control judge(bool tls13, int type, const char *bytes, size_t n)
{
    return tls_control_judge(tls13, (uint8_t)type, bytes, n);
}

Test(tls_control, application_data_is_data_unless_it_is_empty)
{
    cr_assert_eq(judge(true, TLS_APPLICATION_DATA, "\x15", 1), TLS_CONTROL_DATA);
    cr_assert_eq(judge(false, TLS_APPLICATION_DATA, "\x16\x01", 2), TLS_CONTROL_DATA);
    cr_assert_eq(judge(true, TLS_APPLICATION_DATA, NULL, 0), TLS_CONTROL_IGNORE);
    cr_assert_eq(judge(false, TLS_APPLICATION_DATA, NULL, 0), TLS_CONTROL_IGNORE);
}

Test(tls_control, no_other_type_than_the_known_three_may_come)
{
    for (int type = 0; type < 256; type++) {
        if (type >= TLS_ALERT && type <= TLS_APPLICATION_DATA)
            continue;
        cr_assert_eq(judge(true, type, "\x01", 1), TLS_CONTROL_BAD, "type %d", type);
        cr_assert_eq(judge(false, type, "\x01", 1), TLS_CONTROL_BAD, "type %d", type);
        cr_assert_eq(judge(true, type, NULL, 0), TLS_CONTROL_BAD, "type %d", type);
    }
}

static enum tls_control expected_alert(bool tls13, int level, int description)
{
    if (!tls13 && level != 1 && level != 2)
        return TLS_CONTROL_BAD;
    if (description == 0)
        return TLS_CONTROL_CLOSE;
    if (tls13)
        return description == 90 ? TLS_CONTROL_IGNORE : TLS_CONTROL_ABORT;
    return level == 1 ? TLS_CONTROL_IGNORE : TLS_CONTROL_ABORT;
}

Test(tls_control, every_alert_has_its_meaning)
{
    for (int i = 0; i < 2 * 256 * 256; i++) {
        int level = i >> 8 & 255, description = i & 255;
        bool tls13 = i >> 16;
        char alert[] = {(char)level, (char)description};

        cr_assert_eq(judge(tls13, TLS_ALERT, alert, 2),
                     expected_alert(tls13, level, description), "TLS 1.%d, level %d, alert %d",
                     tls13 ? 3 : 2, level, description);
    }
}

Test(tls_control, an_alert_of_another_length_is_refused)
{
    static const char alerts[] = "\x01\x00\x01\x00\x01\x00";

    for (size_t n = 0; n <= 6; n++) {
        if (n == 2)
            continue;
        cr_assert_eq(judge(true, TLS_ALERT, alerts, n), TLS_CONTROL_BAD, "%zu bytes", n);
        cr_assert_eq(judge(false, TLS_ALERT, alerts, n), TLS_CONTROL_BAD, "%zu bytes", n);
    }
}

Test(tls_control, a_key_update_of_tls_1_3_is_taken_whole_and_alone)
{
    static const char twice[] = "\x18\0\0\1\0\x18\0\0\1\1";

    cr_assert_eq(judge(true, TLS_HANDSHAKE, twice, 5), TLS_CONTROL_KEY_UPDATE);
    cr_assert_eq(judge(true, TLS_HANDSHAKE, twice + 5, 5), TLS_CONTROL_KEY_UPDATE_REQUESTED);
    for (size_t n = 0; n <= 10; n++)
        cr_assert_eq(judge(true, TLS_HANDSHAKE, twice, n) == TLS_CONTROL_BAD, n != 5, "%zu", n);
    for (int value = 2; value < 256; value++) {
        char update[] = {24, 0, 0, 1, (char)value};
        cr_assert_eq(judge(true, TLS_HANDSHAKE, update, 5), TLS_CONTROL_BAD, "%d", value);
    }
}

Test(tls_control, a_key_update_whose_length_lies_is_refused)
{
    for (size_t at = 1; at < 4; at++) {
        for (int value = 0; value < 256; value++) {
            char update[] = {24, 0, 0, 1, 0};
            update[at] = (char)value;
            bool whole = at == 3 ? value == 1 : value == 0;
            cr_assert_eq(judge(true, TLS_HANDSHAKE, update, 5),
                         whole ? TLS_CONTROL_KEY_UPDATE : TLS_CONTROL_BAD);
        }
    }
    cr_assert_eq(judge(true, TLS_HANDSHAKE, "\x18\0\0\2\0\0", 6), TLS_CONTROL_BAD);
    cr_assert_eq(judge(true, TLS_HANDSHAKE, "\x18\0\0\0", 4), TLS_CONTROL_BAD);
}

Test(tls_control, tls_1_2_has_no_key_update_and_tls_1_3_no_renegotiation)
{
    cr_assert_eq(judge(false, TLS_HANDSHAKE, "\x18\0\0\1\0", 5), TLS_CONTROL_BAD);
    cr_assert_eq(judge(false, TLS_HANDSHAKE, "\x01\0\0\2ab", 6), TLS_CONTROL_RENEGOTIATE);
    cr_assert_eq(judge(true, TLS_HANDSHAKE, "\x01\0\0\2ab", 6), TLS_CONTROL_BAD);
    cr_assert_eq(judge(false, TLS_HANDSHAKE, "\x01\0\0\2a", 5), TLS_CONTROL_BAD);
    cr_assert_eq(judge(false, TLS_HANDSHAKE, "\x01\0\0\2abc", 7), TLS_CONTROL_BAD);
}

Test(tls_control, no_other_handshake_message_may_come)
{
    for (int message = 0; message < 256; message++) {
        char bytes[] = {(char)message, 0, 0, 1, 0};

        cr_assert_eq(judge(true, TLS_HANDSHAKE, bytes, 5),
                     message == 24 ? TLS_CONTROL_KEY_UPDATE : TLS_CONTROL_BAD, "%d", message);
        cr_assert_eq(judge(false, TLS_HANDSHAKE, bytes, 5),
                     message == 1 ? TLS_CONTROL_RENEGOTIATE : TLS_CONTROL_BAD, "%d", message);
    }
}

// What the kernel itself says of its modules, once the probe has had it load them.
static bool kernel_lists_tls(void)
{
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_available_ulp", "re");
    char line[256] = "";

    if (f == NULL)
        return false;
    bool found = fgets(line, sizeof(line), f) != NULL && strstr(line, "tls") != NULL;
    fclose(f);
    return found;
}

Test(tls_kernel_probe, agrees_with_what_the_kernel_lists)
{
    struct tls_kernel_features f;

    memset(&f, 0x5a, sizeof(f));
    tls_kernel_probe(&f);
    if (kernel_lists_tls()) {
        cr_assert_eq(f.error, 0);
        cr_assert(f.send_1_2 & TLS_KERNEL_AES_128_GCM);
        cr_assert(f.send_1_3 & TLS_KERNEL_AES_128_GCM);
        cr_assert(f.receive_1_2 & TLS_KERNEL_AES_128_GCM);
        return;
    }
    cr_assert_eq(f.error, ENOENT, "%s", strerror(f.error));
    cr_assert_eq(f.send_1_2 | f.send_1_3 | f.receive_1_2 | f.receive_1_3, 0);
    cr_assert_not(f.rekey);
}

Test(tls_kernel_probe, leaves_no_descriptor_open)
{
    struct tls_kernel_features f;
    unsigned before = count_fds();

    tls_kernel_probe(&f);
    cr_assert_eq(count_fds(), before);
}

static void assert_text(const struct tls_kernel_features *f, const char *expected)
{
    char text[512], exact[20];

    tls_kernel_describe(f, text, sizeof(text));
    cr_assert_str_eq(text, expected);
    memset(exact, 'x', sizeof(exact));
    tls_kernel_describe(f, exact, 15);
    cr_assert_eq(exact[14], '\0', "the end of a short buffer was not kept");
    cr_assert_eq(exact[15], 'x', "a short buffer was overrun");
}

Test(tls_kernel_describe, says_in_one_line_what_there_is)
{
    struct tls_kernel_features f = {.send_1_2 = 3, .send_1_3 = 3, .receive_1_2 = 3,
                                    .receive_1_3 = 3, .rekey = true};

    assert_text(&f, "kernel TLS: aes-128-gcm aes-256-gcm, rekey");
    f.rekey = false;
    f.receive_1_3 = 0;
    f.send_1_2 = f.receive_1_2 = TLS_KERNEL_CHACHA20 | TLS_KERNEL_CCM_128;
    assert_text(&f, "kernel TLS: TLSv1.2 send chacha20-poly1305 aes-128-ccm, "
                    "receive chacha20-poly1305 aes-128-ccm; "
                    "TLSv1.3 send aes-128-gcm aes-256-gcm, receive none, no rekey");
}

Test(tls_kernel_describe, says_why_there_is_none)
{
    struct tls_kernel_features f = {.error = ENOENT};

    assert_text(&f, "kernel TLS: no (the kernel has no tls module, or may not load it)");
    f.error = EPERM;
    assert_text(&f, "kernel TLS: no (1: Operation not permitted)");
    f.error = 0;
    assert_text(&f, "kernel TLS: no (the kernel takes no cipher)");
}

static int ends[2];

static void open_ends(void)
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
}

TestSuite(tls_kernel_records, .init = open_ends, .fini = close_ends);

Test(tls_kernel_records, bytes_without_a_record_type_are_data)
{
    char buf[8];
    uint8_t type = 0;

    cr_assert_eq(send(ends[0], "hello", 5, 0), 5);
    cr_assert_eq(tls_kernel_receive(ends[1], buf, sizeof(buf), &type), 5);
    cr_assert_eq(type, TLS_APPLICATION_DATA);
    cr_assert_arr_eq(buf, "hello", 5);
}

Test(tls_kernel_records, receiving_never_waits)
{
    char buf[8];
    uint8_t type;

    cr_assert_eq(tls_kernel_receive(ends[1], buf, sizeof(buf), &type), -EAGAIN);
}

Test(tls_kernel_records, the_end_of_the_stream_is_data_of_no_bytes)
{
    char buf[8];
    uint8_t type = 0;

    cr_assert_eq(shutdown(ends[0], SHUT_WR), 0);
    cr_assert_eq(tls_kernel_receive(ends[1], buf, sizeof(buf), &type), 0);
    cr_assert_eq(type, TLS_APPLICATION_DATA);
}

Test(tls_kernel_records, an_error_of_the_socket_is_told)
{
    char buf[8];
    uint8_t type;

    cr_assert_eq(tls_kernel_receive(-1, buf, sizeof(buf), &type), -EBADF);
    cr_assert_eq(tls_kernel_alert(-1, TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), -EBADF);
}

Test(tls_kernel_records, an_alert_to_a_client_that_has_gone_raises_no_signal)
{
    close(ends[1]);
    cr_assert_eq(tls_kernel_alert(ends[0], TLS_ALERT_WARNING, TLS_CLOSE_NOTIFY), -EPIPE);
    ends[1] = -1;
}

Test(tls_kernel_records, an_alert_does_not_wait_for_room)
{
    static const char much[4096];

    while (send(ends[0], much, sizeof(much), MSG_DONTWAIT) > 0)
        ;
    cr_assert_eq(tls_kernel_alert(ends[0], TLS_ALERT_FATAL, TLS_UNEXPECTED_MESSAGE), -EAGAIN);
}

static struct cmsghdr seen_control;
static uint8_t seen_type, seen_alert[2];
static unsigned interruptions;
static ssize_t answer;

static ssize_t watch_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    (void)fd;
    (void)flags;
    if (interruptions != 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    seen_control = *CMSG_FIRSTHDR(msg);
    seen_type = *CMSG_DATA(CMSG_FIRSTHDR(msg));
    cr_assert_eq(msg->msg_iov->iov_len, 2);
    memcpy(seen_alert, msg->msg_iov->iov_base, 2);
    return answer;
}

static void watch(ssize_t result, unsigned interrupted)
{
    static struct sys_calls calls;

    calls = sys_default;
    calls.sendmsg = watch_sendmsg;
    answer = result;
    interruptions = interrupted;
    sys = &calls;
}

Test(tls_kernel_records, an_alert_carries_its_record_type_beside_it)
{
    watch(2, 3);
    cr_assert_eq(tls_kernel_alert(ends[0], TLS_ALERT_FATAL, TLS_INTERNAL_ERROR), 0);
    cr_assert_eq(seen_control.cmsg_level, SOL_TLS);
    cr_assert_eq(seen_control.cmsg_type, 1); // TLS_SET_RECORD_TYPE of <linux/tls.h>
    cr_assert_eq(seen_type, TLS_ALERT);
    cr_assert_eq(seen_alert[0], 2);
    cr_assert_eq(seen_alert[1], 80);
    cr_assert_eq(interruptions, 0);
}

Test(tls_kernel_records, half_an_alert_is_an_error)
{
    watch(1, 0);
    cr_assert_eq(tls_kernel_alert(ends[0], TLS_ALERT_FATAL, TLS_INTERNAL_ERROR), -EIO);
}
