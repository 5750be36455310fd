// SPDX-License-Identifier: Apache-2.0
//
// Interfaces that change, in a network namespace of the test's own.
#include "lib/topo/link_watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_up(bool up)
{
    struct ifreq r = {.ifr_flags = (short)(up ? IFF_UP : 0)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(r.ifr_name, "lo");
    cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 1000) == 1;
}

Test(link_watch, needs_no_privilege_and_is_silent_without_changes)
{
    if (getuid() == 0)
        cr_assert_eq(setuid(65534), 0);
    int fd = link_watch_open();
    cr_assert_geq(fd, 0);
    cr_expect_not(link_watch_changed(fd));
    close(fd);
}

Test(link_watch, up_and_down_are_told_once)
{
    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("a network namespace needs privileges");
    int fd = link_watch_open();
    cr_assert_geq(fd, 0);
    set_up(true);
    cr_assert(readable(fd));
    cr_expect(link_watch_changed(fd));
    cr_expect_not(link_watch_changed(fd), "all was taken");
    set_up(false);
    cr_assert(readable(fd));
    cr_expect(link_watch_changed(fd));
    close(fd);
}

// Lost messages may have been the ones that mattered.
Test(link_watch, an_overrun_counts_as_a_change)
{
    int small = 1;

    if (unshare(CLONE_NEWNET) != 0)
        cr_skip_test("a network namespace needs privileges");
    int fd = link_watch_open();
    cr_assert_geq(fd, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    for (int i = 0; i < 100; i++)
        set_up(i % 2 == 0);
    cr_expect(link_watch_changed(fd));
    cr_expect_not(link_watch_changed(fd), "the socket goes on after an overrun");
    set_up(true);
    cr_assert(readable(fd));
    cr_expect(link_watch_changed(fd));
    close(fd);
}
