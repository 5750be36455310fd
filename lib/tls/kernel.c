// SPDX-License-Identifier: Apache-2.0
//
// Records of a connection whose keys are in the kernel: what those that are not data mean, and how
// they come and go beside a socket's bytes. Whether there is kernel TLS at all is asked in
// kernel_probe.c.
#include "lib/tls/kernel.h"

#include <errno.h>
#include <linux/tls.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/sys.h"

enum { USER_CANCELED = 90 }; // an alert
enum { HANDSHAKE_CLIENT_HELLO = 1, HANDSHAKE_KEY_UPDATE = 24, HANDSHAKE_HEADER = 4 };
enum { UPDATE_NOT_REQUESTED = 0, UPDATE_REQUESTED = 1 };

// TLS 1.3 has done away with the level: what is not the end of data is fatal, whatever it says (RFC
// 8446, 6). user_canceled is the exception, and a close_notify follows it.
static enum tls_control judge_alert(bool tls13, const unsigned char *p, size_t n)
{
    if (n != 2 || (!tls13 && p[0] != TLS_ALERT_WARNING && p[0] != TLS_ALERT_FATAL))
        return TLS_CONTROL_BAD;
    if (p[1] == TLS_CLOSE_NOTIFY)
        return TLS_CONTROL_CLOSE;
    if (tls13)
        return p[1] == USER_CANCELED ? TLS_CONTROL_IGNORE : TLS_CONTROL_ABORT;
    return p[0] == TLS_ALERT_WARNING ? TLS_CONTROL_IGNORE : TLS_CONTROL_ABORT;
}

// A message of its own type, its length in three bytes, and nothing behind it.
static bool is_one_message(const unsigned char *p, size_t n)
{
    return n >= HANDSHAKE_HEADER &&
           ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) == n - HANDSHAKE_HEADER;
}

static enum tls_control judge_key_update(const unsigned char *p, size_t n)
{
    if (n != HANDSHAKE_HEADER + 1)
        return TLS_CONTROL_BAD;
    switch (p[HANDSHAKE_HEADER]) {
    case UPDATE_NOT_REQUESTED:
        return TLS_CONTROL_KEY_UPDATE;
    case UPDATE_REQUESTED:
        return TLS_CONTROL_KEY_UPDATE_REQUESTED;
    default:
        return TLS_CONTROL_BAD;
    }
}

static enum tls_control judge_handshake(bool tls13, const unsigned char *p, size_t n)
{
    if (!is_one_message(p, n))
        return TLS_CONTROL_BAD;
    if (tls13 && p[0] == HANDSHAKE_KEY_UPDATE)
        return judge_key_update(p, n);
    if (!tls13 && p[0] == HANDSHAKE_CLIENT_HELLO)
        return TLS_CONTROL_RENEGOTIATE;
    return TLS_CONTROL_BAD;
}

enum tls_control tls_control_judge(bool tls13, uint8_t type, const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;

    switch (type) {
    case TLS_APPLICATION_DATA:
        return n != 0 ? TLS_CONTROL_DATA : TLS_CONTROL_IGNORE;
    case TLS_ALERT:
        return judge_alert(tls13, p, n);
    case TLS_HANDSHAKE:
        return judge_handshake(tls13, p, n);
    default:
        // A change_cipher_spec too: none is allowed behind the handshake (RFC 8446, 5).
        return TLS_CONTROL_BAD;
    }
}

union record_type_buffer { // aligned as cmsg(3) demands
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(uint8_t))];
};

// The end of the stream comes without a record type, and so do the bytes of a plain socket.
static uint8_t record_type(struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
            return *CMSG_DATA(c);
    }
    return TLS_APPLICATION_DATA;
}

ssize_t tls_kernel_receive(int fd, char *buf, size_t size, uint8_t *type)
{
    union record_type_buffer control;
    struct iovec iov = {.iov_base = buf, .iov_len = size};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1,
                         .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n;

    do {
        n = recvmsg(fd, &msg, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *type = record_type(&msg);
    return n;
}

// One record of a type that is not data.
static int send_record(int fd, uint8_t type, const unsigned char *bytes, size_t size)
{
    union record_type_buffer control;
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size}; // it is only read
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1,
                         .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n;

    memset(&control, 0, sizeof(control));
    control.header.cmsg_level = SOL_TLS;
    control.header.cmsg_type = TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = CMSG_LEN(sizeof(uint8_t));
    *CMSG_DATA(&control.header) = type;
    do {
        n = sys->sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -EIO;
}

int tls_kernel_alert(int fd, uint8_t level, uint8_t description)
{
    const unsigned char alert[] = {level, description};

    return send_record(fd, TLS_ALERT, alert, sizeof(alert));
}

int tls_kernel_key_update(int fd)
{
    static const unsigned char message[] = {HANDSHAKE_KEY_UPDATE, 0, 0, 1, UPDATE_NOT_REQUESTED};

    return send_record(fd, TLS_HANDSHAKE, message, sizeof(message));
}
