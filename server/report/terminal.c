// SPDX-License-Identifier: Apache-2.0
//
// The few sequences of ECMA-48 that every terminal of today obeys, and termios(3).
#include "server/report/terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/base/clock.h"

#define SCREEN_OWN "\033[?1049h\033[?25l" // the other screen, without a cursor
#define SCREEN_BACK "\033[?25h\033[?1049l"
#define TO_TOP "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

bool terminal_is(FILE *out)
{
    const char *name = getenv("TERM");

    return isatty(fileno(out)) && name != NULL && strcmp(name, "dumb") != 0;
}

// Keys come at once and unseen. Ctrl-C stays a signal; Ctrl-Z would leave the screen as it is.
static void take_keys(struct terminal *t)
{
    struct termios own;

    t->has_keys = tcgetattr(STDIN_FILENO, &t->before) == 0;
    if (!t->has_keys)
        return;
    own = t->before;
    own.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    own.c_cc[VMIN] = 1;
    own.c_cc[VTIME] = 0;
    own.c_cc[VSUSP] = _POSIX_VDISABLE;
    t->has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &own) == 0;
}

int terminal_open(struct terminal *t, FILE *out)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    sigset_t wanted;

    sigemptyset(&wanted);
    for (size_t i = 0; i < array_len(signals); i++)
        sigaddset(&wanted, signals[i]);
    t->out = out;
    t->signal_fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (t->signal_fd < 0)
        return -errno;
    sigprocmask(SIG_BLOCK, &wanted, &t->mask_before);
    take_keys(t);
    fputs(SCREEN_OWN, out);
    fflush(out);
    return 0;
}

void terminal_close(struct terminal *t)
{
    fputs(SCREEN_BACK, t->out);
    fflush(t->out);
    if (t->has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
    close(t->signal_fd);
    sigprocmask(SIG_SETMASK, &t->mask_before, NULL);
}

void terminal_size(FILE *out, unsigned *columns, unsigned *rows)
{
    struct winsize size = {.ws_col = 0};

    *columns = 80;
    *rows = 24;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_col != 0)
        *columns = size.ws_col;
    if (size.ws_row != 0)
        *rows = size.ws_row;
}

// The last line has no newline behind it, which would scroll.
void terminal_draw(const struct terminal *t, const char *text)
{
    unsigned columns, rows;

    terminal_size(t->out, &columns, &rows);
    fputs(TO_TOP, t->out);
    for (unsigned row = 0; row < rows && *text != '\0'; row++) {
        int n = (int)strcspn(text, "\n");

        fprintf(t->out, "%s%.*s" CLEAR_LINE, row > 0 ? "\r\n" : "", n, text);
        text += n + (text[n] == '\n');
    }
    fputs(CLEAR_BELOW, t->out);
    fflush(t->out);
}

static enum terminal_event read_signal(const struct terminal *t)
{
    struct signalfd_siginfo info;

    if (read(t->signal_fd, &info, sizeof(info)) != sizeof(info))
        return TERMINAL_NOTHING;
    return info.ssi_signo == SIGWINCH ? TERMINAL_RESIZED : TERMINAL_END;
}

static enum terminal_event read_key(void)
{
    char key;

    if (read(STDIN_FILENO, &key, 1) != 1)
        return TERMINAL_END;
    return key == 'q' || key == 'Q' || key == '\003' ? TERMINAL_END : TERMINAL_NOTHING;
}

enum terminal_event terminal_wait(const struct terminal *t, unsigned ms)
{
    uint64_t now = clock_read_ns() / 1000000, end = now + ms;
    enum terminal_event event = TERMINAL_NOTHING;

    for (; event == TERMINAL_NOTHING && now < end; now = clock_read_ns() / 1000000) {
        struct pollfd fds[] = {{t->signal_fd, POLLIN, 0},
                               {t->has_keys ? STDIN_FILENO : -1, POLLIN, 0}};

        if (poll(fds, array_len(fds), (int)(end - now)) <= 0)
            continue;
        if (fds[0].revents != 0)
            event = read_signal(t);
        if (event == TERMINAL_NOTHING && fds[1].revents != 0)
            event = read_key();
    }
    return event;
}
