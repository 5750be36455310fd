// SPDX-License-Identifier: Apache-2.0
//
// The command: against a process with counters, into a file and on a pseudo terminal.
#include "server/report/status.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "server/process/stats.h"

static char pid_path[] = "/tmp/millrace-status-test-XXXXXX";

static void write_pid(const char *text)
{
    int fd = open(pid_path, O_WRONLY | O_TRUNC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

// This process is the master.
static void set_up(void)
{
    char text[16];
    int fd = mkstemp(pid_path);

    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(text, sizeof(text), "%d\n", getpid());
    write_pid(text);
    cr_assert_eq(stats_init(), 0);
    stats_describe_silo(0, 0, "0-1");
    stats_silo_state(0, STATS_SILO_UP, getpid(), 0);
    stats_place(stats_claim(), 0);
}

static void tear_down(void)
{
    unlink(pid_path);
}

TestSuite(status_command, .init = set_up, .fini = tear_down, .timeout = 30);

static char *output(bool json, int *code)
{
    char *text = NULL;
    size_t n;
    FILE *out = tmpfile();

    cr_assert_not_null(out);
    *code = status_command(pid_path, 20, false, json, out);
    n = (size_t)ftell(out);
    rewind(out);
    text = calloc(1, n + 1);
    cr_assert_eq(fread(text, 1, n, out), n);
    fclose(out);
    return text;
}

Test(status_command, what_is_no_terminal_gets_one_whole_table)
{
    int code;
    char *text = output(false, &code);

    cr_assert_eq(code, 0);
    cr_expect(strstr(text, "nic/B") != NULL, "all columns: %s", text);
    cr_expect(strstr(text, "\n   0    0          0-1       up    1") != NULL, "%s", text);
    cr_expect(strchr(text, '\033') == NULL);
    free(text);
}

Test(status_command, json_is_that_of_the_location)
{
    int code;
    char *text = output(true, &code);

    cr_assert_eq(code, 0);
    cr_expect(strncmp(text, "{\"schema\":1,", 12) == 0, "%s", text);
    cr_expect_str_eq(text + strlen(text) - 3, "]}\n");
    free(text);
}

static void expect_failure(const char *what)
{
    int code;
    char *text = output(false, &code);

    cr_expect_eq(code, 1, "%s", what);
    cr_expect_str_eq(text, "", "%s", what);
    free(text);
}

Test(status_command, a_master_that_cannot_be_looked_at_is_a_message)
{
    char text[16];
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    snprintf(text, sizeof(text), "%d\n", pid);
    write_pid(text);
    expect_failure("a process that is gone");
    write_pid("abc\n");
    expect_failure("no number");
    unlink(pid_path);
    expect_failure("no pid file");
}

// A pseudo terminal with the command on it.
struct screen {
    int fd;
    pid_t pid;
    struct termios before;
    char text[65536];
    size_t n;
};

static struct screen *show(void)
{
    struct winsize size = {.ws_row = 10, .ws_col = 80};
    struct screen *s = calloc(1, sizeof(*s));

    setenv("TERM", "xterm", 1);
    s->pid = forkpty(&s->fd, NULL, NULL, &size);
    cr_assert_geq(s->pid, 0);
    if (s->pid == 0)
        _exit(status_command(pid_path, 50, false, false, stdout));
    return s;
}

// Reads until `wanted` has come since `from`; false when the other end closed or time is over.
static bool sees(struct screen *s, size_t from, const char *wanted)
{
    struct pollfd fd = {s->fd, POLLIN, 0};

    while (strstr(s->text + from, wanted) == NULL) {
        ssize_t n;

        if (s->n + 1 >= sizeof(s->text) || poll(&fd, 1, 5000) <= 0)
            return false;
        n = read(s->fd, s->text + s->n, sizeof(s->text) - 1 - s->n);
        if (n <= 0)
            return false;
        s->n += (size_t)n;
    }
    return true;
}

static void expect_end(struct screen *s)
{
    int status;

    cr_expect(sees(s, 0, "\033[?1049l"), "the screen comes back: %s", s->text);
    cr_assert_eq(waitpid(s->pid, &status, 0), s->pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
    close(s->fd);
    free(s);
}

static bool echoes(const struct screen *s)
{
    struct termios now;

    cr_assert_eq(tcgetattr(s->fd, &now), 0);
    return (now.c_lflag & ECHO) != 0;
}

Test(status_command, a_terminal_is_drawn_again_and_again_until_q)
{
    struct screen *s = show();
    size_t first;

    cr_assert(sees(s, 0, "\033[?1049h"));
    cr_assert(sees(s, 0, "\033[J"));
    first = s->n;
    cr_assert(sees(s, first, "\033[J"), "a second time");
    cr_expect(!echoes(s), "keys are not shown");
    cr_assert_eq(write(s->fd, "xq", 2), 2);
    expect_end(s);
}

Test(status_command, counters_move_on_the_screen)
{
    struct screen *s = show();
    struct stats *worker = stats_claim();

    stats_place(worker, 0);
    cr_assert(sees(s, 0, "\033[J"));
    stats_add(&worker->active, 4321);
    cr_expect(sees(s, s->n, "4321"), "%s", s->text);
    cr_assert_eq(write(s->fd, "q", 1), 1);
    expect_end(s);
}

Test(status_command, control_c_ends_and_restores_the_terminal)
{
    struct screen *s = show();
    siginfo_t info;
    int slave;

    // Held open here, so that its settings outlive the command.
    slave = open(ptsname(s->fd), O_RDWR | O_NOCTTY);
    cr_assert_geq(slave, 0);
    cr_assert(sees(s, 0, "\033[J"));
    cr_assert(!echoes(s));
    cr_assert_eq(write(s->fd, "\003", 1), 1);
    cr_assert(sees(s, 0, "\033[?25h\033[?1049l"));
    cr_assert_eq(waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOWAIT), 0);
    cr_expect(echoes(s));
    close(slave);
    expect_end(s);
}

Test(status_command, a_smaller_window_gets_fewer_columns_and_lines_at_once)
{
    struct screen *s = show();
    struct winsize size = {.ws_row = 2, .ws_col = 30};
    size_t from;

    cr_assert(sees(s, 0, "cross/B"));
    cr_assert(sees(s, 0, "\033[J"));
    cr_assert_eq(ioctl(s->fd, TIOCSWINSZ, &size), 0);
    // The draw that was under way may still be the old one.
    for (int i = 0; i < 3; i++) {
        from = s->n;
        cr_assert(sees(s, from, "\033[J"));
    }
    cr_expect(strstr(s->text + from, "cross/B") == NULL, "%s", s->text + from);
    cr_expect(strstr(s->text + from, "silo") == NULL, "it would be the third line");
    cr_assert_eq(write(s->fd, "q", 1), 1);
    expect_end(s);
}
