// SPDX-License-Identifier: Apache-2.0
//
// The signals that steer the process tree, as nginx has them. They are blocked in every thread and
// read from a signalfd, so that nothing ever runs in a signal handler.
#pragma once

#include "lib/base/compiler.h"

enum signal_action {
    SIGNAL_NONE,
    SIGNAL_QUIT,          // QUIT: let connections finish
    SIGNAL_TERMINATE,     // TERM, INT: at once
    SIGNAL_RELOAD,        // HUP
    SIGNAL_REOPEN,        // USR1: log files
    SIGNAL_NO_ACCEPT,     // WINCH: let silos finish, keep the master
    SIGNAL_CHANGE_BINARY, // USR2
    SIGNAL_CHILD,         // CHLD
};

enum signal_action signal_action(int signo);

// What -s calls it: "stop" -> SIGTERM. 0 for another word.
int signal_by_name(const char *word);

// ", shutting down": what a silo does about it, for the log.
const char *signal_silo_text(enum signal_action action);

// Blocks them, and ignores SIGPIPE. Before the process has a second thread.
void signals_block(void);
// As a program expects them when it starts: before an exec.
void signals_restore(void);
// A signalfd for them (blocking, close-on-exec), or -errno.
must_check int signals_open(void);

// "signal 1 (SIGHUP) received from 123, reconfiguring"; `from` 0: nobody we know.
void signal_log(int signo, int from, const char *action);
