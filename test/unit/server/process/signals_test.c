// SPDX-License-Identifier: Apache-2.0
#include "server/process/signals.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

Test(signals, words_of_s_are_nginx_signals)
{
    cr_assert_eq(signal_by_name("stop"), SIGTERM);
    cr_assert_eq(signal_by_name("quit"), SIGQUIT);
    cr_assert_eq(signal_by_name("reload"), SIGHUP);
    cr_assert_eq(signal_by_name("reopen"), SIGUSR1);
    cr_assert_eq(signal_by_name(""), 0);
    cr_assert_eq(signal_by_name("kill"), 0);
}

Test(signals, each_has_its_action)
{
    cr_assert_eq(signal_action(SIGQUIT), SIGNAL_QUIT);
    cr_assert_eq(signal_action(SIGINT), SIGNAL_TERMINATE);
    cr_assert_eq(signal_action(SIGUSR2), SIGNAL_CHANGE_BINARY);
    cr_assert_eq(signal_action(SIGWINCH), SIGNAL_NO_ACCEPT);
    cr_assert_eq(signal_action(SIGALRM), SIGNAL_NONE);
}

Test(signals, blocked_ones_come_out_of_the_descriptor)
{
    struct signalfd_siginfo info;
    int fd;

    signals_block();
    fd = signals_open();
    cr_assert_geq(fd, 0);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(read(fd, &info, sizeof(info)), sizeof(info));
    cr_assert_eq(info.ssi_signo, SIGUSR1);
    cr_assert_eq(info.ssi_pid, getpid());
    close(fd);
    signals_restore();
}
