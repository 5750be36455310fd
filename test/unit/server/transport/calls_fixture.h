// SPDX-License-Identifier: Apache-2.0
//
// System calls that take as little as a test wants, a file that is as little in the page cache, and
// what was logged.
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/sys.h"
#include "lib/file/open_file.h"

#define FILE_SIZE (1u << 20)
#define ALL_OF_IT SIZE_MAX

static struct open_file file;
static char content[FILE_SIZE];

// What the system calls may do, and what they were asked for.
static struct sys_calls fake;
static size_t budget, bytes_read;     // bytes that the socket still takes
static int send_error;                // 0: none
static off_t cold_from;               // what lies behind is not in the page cache
static int cold_error;
static struct call {
    char name; // s: send, m: sendmsg, f: sendfile
    size_t asked;
    int flags;
} calls[4096];
static size_t ncalls;

static char log_text[4096];

static inline bool may_send(char name, size_t *n, int flags)
{
    calls[ncalls++ % array_len(calls)] = (struct call){name, *n, flags};
    if (budget == 0 || send_error != 0) {
        errno = send_error != 0 ? send_error : EAGAIN;
        return false;
    }
    *n = min_of(*n, budget);
    return true;
}

static inline ssize_t took(ssize_t n)
{
    if (n > 0)
        budget -= (size_t)n;
    return n;
}

static inline ssize_t fake_send(int fd, const void *p, size_t n, int flags)
{
    return may_send('s', &n, flags) ? took(send(fd, p, n, flags)) : -1;
}

static inline ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    static char flat[65536];
    size_t n = 0;

    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        if (msg->msg_iov[i].iov_len != 0)
            memcpy(flat + n, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
        n += msg->msg_iov[i].iov_len;
    }
    return may_send('m', &n, flags) ? took(send(fd, flat, n, flags)) : -1;
}

static inline ssize_t fake_sendfile(int out, int in, off_t *off, size_t n)
{
    return may_send('f', &n, 0) ? took(sys_default.sendfile(out, in, off, n)) : -1;
}

static inline ssize_t fake_preadv2(int fd, const struct iovec *iov, int count, off_t off,
                                   int flags)
{
    struct iovec part[64];
    int n = 0;

    if (flags != 0 && off >= cold_from && off < (off_t)FILE_SIZE) {
        errno = cold_error;
        return -1;
    }
    off_t left = flags != 0 && cold_from < (off_t)FILE_SIZE ? cold_from - off : (off_t)FILE_SIZE;
    for (; n < count && left > 0; left -= (off_t)part[n++].iov_len)
        part[n] = (struct iovec){iov[n].iov_base, min_of(iov[n].iov_len, (size_t)left)};
    ssize_t got = preadv(fd, part, n, off);
    bytes_read += got > 0 ? (size_t)got : 0;
    return got;
}

static inline void emit(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)sink;
    (void)level;
    strncat(log_text, line, min_of(n, sizeof(log_text) - strlen(log_text) - 1));
}

static inline void open_content(void)
{
    char path[] = "/tmp/units-XXXXXX";

    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (char)(i * 31 + i / 251);
    file = (struct open_file){.refs = 1, .fd = mkstemp(path), .is_file = true, .size = FILE_SIZE};
    cr_assert_geq(file.fd, 0);
    unlink(path);
    cr_assert_eq(write(file.fd, content, FILE_SIZE), (ssize_t)FILE_SIZE);
}

static inline void fake_calls(void)
{
    fake = sys_default;
    fake.send = fake_send;
    fake.sendmsg = fake_sendmsg;
    fake.sendfile = fake_sendfile;
    fake.preadv2 = fake_preadv2;
    sys = &fake;
    budget = ALL_OF_IT;
    cold_from = FILE_SIZE;
    cold_error = EAGAIN;
}
