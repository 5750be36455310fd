// SPDX-License-Identifier: Apache-2.0
//
// Descriptors through an inbox: what goes in comes out, nothing leaks, and a full or foreign inbox
// is said.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/net/handoff.h"
#include "test/unit/support/descriptors.h"

static int receive_fd, send_fd;

static void open_inbox(void)
{
    cr_assert_eq(handoff_open(&receive_fd, &send_fd), 0);
}

static void close_inbox(void)
{
    close(receive_fd);
    close(send_fd);
}

TestSuite(handoff, .init = open_inbox, .fini = close_inbox, .timeout = 20);

static ino_t inode(int fd)
{
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

Test(handoff, the_descriptor_and_the_words_arrive)
{
    struct handoff in = {.listen = 3}, out;
    int pair[2], got;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(handoff_send(send_fd, &in, pair[0]), 0);
    close(pair[0]);
    cr_assert_eq(handoff_receive(receive_fd, &out, &got), 0);
    cr_assert_eq(out.listen, 3);
    cr_assert_eq(fcntl(got, F_GETFD), FD_CLOEXEC);
    cr_assert_eq(write(got, "x", 1), 1);
    char byte = 0;
    cr_assert_eq(read(pair[1], &byte, 1), 1);
    cr_assert_eq(byte, 'x');
    close(got);
    close(pair[1]);
}

Test(handoff, an_empty_inbox_does_not_wait)
{
    struct handoff h;
    int fd;

    cr_assert_eq(handoff_receive(receive_fd, &h, &fd), -EAGAIN);
}

Test(handoff, a_full_inbox_refuses_and_keeps_what_it_has)
{
    struct handoff h = {.listen = 0};
    unsigned sent = 0, received = 0;
    int fd, rc;

    while ((rc = handoff_send(send_fd, &h, 0)) == 0 && sent < 100000) {
        h.listen = ++sent;
    }
    cr_assert_eq(rc, -EAGAIN);
    cr_assert_geq(sent, HANDOFF_QUEUE / 2, "%u messages", sent);
    while (handoff_receive(receive_fd, &h, &fd) == 0) {
        cr_assert_eq(h.listen, received);
        cr_assert_eq(inode(fd), inode(0));
        close(fd);
        received++;
    }
    cr_assert_eq(received, sent);
    cr_assert_eq(handoff_send(send_fd, &h, 0), 0);
}

Test(handoff, what_is_not_a_hand_off_is_dropped_with_its_descriptor)
{
    struct handoff h;
    unsigned before = count_fds();
    int fd;

    cr_assert_eq(send(send_fd, "hello", 5, 0), 5);
    cr_assert_eq(handoff_receive(receive_fd, &h, &fd), -EBADMSG);
    char big[4096] = {0};
    cr_assert_eq(send(send_fd, big, sizeof(big), 0), (ssize_t)sizeof(big));
    cr_assert_eq(handoff_receive(receive_fd, &h, &fd), -EBADMSG);
    cr_assert_eq(count_fds(), before);
}

Test(handoff, a_descriptor_that_does_not_fit_under_the_limit_is_a_bad_message)
{
    struct handoff h = {.listen = 0};
    struct rlimit old, low;
    int fd, spare = dup(0);

    cr_assert_eq(handoff_send(send_fd, &h, spare), 0);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){(rlim_t)spare, old.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    int rc = handoff_receive(receive_fd, &h, &fd);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    cr_assert_eq(rc, -EBADMSG);
    close(spare);
}

Test(handoff, the_end_of_all_senders_and_of_the_receiver_are_said)
{
    struct handoff h = {.listen = 0};
    int fd, other_receive, other_send;

    cr_assert_eq(handoff_open(&other_receive, &other_send), 0);
    close(other_receive);
    int rc = handoff_send(other_send, &h, 0);
    cr_assert(rc == -EPIPE || rc == -ECONNREFUSED, "%d", rc);
    close(other_send);
    cr_assert_eq(handoff_open(&other_receive, &other_send), 0);
    close(other_send);
    cr_assert_eq(handoff_receive(other_receive, &h, &fd), -ECONNRESET);
    close(other_receive);
}
