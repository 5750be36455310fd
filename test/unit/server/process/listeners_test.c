// SPDX-License-Identifier: Apache-2.0
//
// Sockets over changes of the configuration. The ports are the kernel's choice.
#include "server/process/listeners.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/net/listener.h"
#include "server/process/fd_list.h"
#include "server/config/http_conf.h"

Test(listeners_share, every_socket_has_exactly_one_worker)
{
    for (unsigned workers = 1; workers < 9; workers++) {
        for (unsigned nfds = workers; nfds < 30; nfds++) {
            unsigned taken[30] = {0}, least = 100, most = 0;

            for (unsigned w = 0; w < workers; w++) {
                unsigned share = listeners_share(nfds, workers, w);

                least = min_of(least, share);
                most = max_of(most, share);
                for (unsigned i = 0; i < share; i++)
                    taken[listeners_share_at(nfds, workers, w, i)]++;
            }
            for (unsigned i = 0; i < nfds; i++)
                cr_assert_eq(taken[i], 1, "socket %u of %u, %u workers", i, nfds, workers);
            cr_assert_leq(most - least, 1);
        }
    }
}

Test(listeners_share, one_socket_is_shared_by_all_workers)
{
    for (unsigned w = 0; w < 4; w++) {
        cr_assert_eq(listeners_share(1, 4, w), 1);
        cr_assert_eq(listeners_share_at(1, 4, w, 0), 0);
    }
    cr_assert_eq(listeners_share(0, 4, 0), 0);
}

static struct listeners l;
static char dir[64];

static void set_up(void)
{
    static struct log_sink silent = {.level = LOG_LEVEL_STDERR, .emit = log_emit_fd, .fd = 2};

    log_use(&silent); // failures that are wanted here are said aloud
    listeners_init(&l);
    strcpy(dir, "/tmp/millrace-listen-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void tear_down(void)
{
    listeners_close(&l, true, false);
    cr_assert_eq(rmdir(dir), 0, "a path of a socket was left behind");
}

TestSuite(listeners, .init = set_up, .fini = tear_down);

// A port that was free a moment ago.
static struct listen_conf tcp(void)
{
    struct listen_conf c = {.options = LISTEN_OPTIONS_DEFAULT};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    c.address.len = sizeof(c.address.in);
    c.address.in = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(bind(fd, &c.address.sa, c.address.len), 0);
    cr_assert_eq(getsockname(fd, &c.address.sa, &c.address.len), 0);
    close(fd);
    return c;
}

static struct listen_conf unix_path(const char *name)
{
    struct listen_conf c = {.options = LISTEN_OPTIONS_DEFAULT};

    c.address.un.sun_family = AF_UNIX;
    snprintf(c.address.un.sun_path, sizeof(c.address.un.sun_path), "%s/%s", dir, name);
    c.address.len = sizeof(c.address.un);
    return c;
}

static bool connects(const struct listen_conf *c)
{
    int fd = socket(c->address.sa.sa_family, SOCK_STREAM, 0);
    bool ok = connect(fd, &c->address.sa, c->address.len) == 0;

    close(fd);
    return ok;
}

Test(listeners, one_socket_for_each_worker_and_one_for_a_path)
{
    struct listen_conf b = unix_path("a"), a = tcp();
    struct http_conf http = {.listens = &a};

    a.next = &b;
    cr_assert_eq(listeners_open(&l, &http, 3), 0);
    cr_assert_eq(a.nfds, 3);
    cr_assert_eq(b.nfds, 1);
    cr_assert(connects(&a) && connects(&b));
    listeners_commit(&l);
    cr_assert(connects(&a) && connects(&b));
}

Test(listeners, a_socket_that_is_wanted_again_is_kept)
{
    struct listen_conf a = tcp(), again = a, more = a;
    struct http_conf http = {.listens = &a};
    int first, second;

    cr_assert_eq(listeners_open(&l, &http, 2), 0);
    listeners_commit(&l);
    first = a.fds[0];
    second = a.fds[1];
    http.listens = &again;
    cr_assert_eq(listeners_open(&l, &http, 1), 0);
    listeners_commit(&l);
    cr_assert_eq(again.nfds, 2, "fewer workers: no socket is closed");
    cr_assert(again.fds[0] == first && again.fds[1] == second);
    http.listens = &more;
    cr_assert_eq(listeners_open(&l, &http, 4), 0);
    cr_assert_eq(more.nfds, 4);
    cr_assert(more.fds[0] == first && more.fds[1] == second);
}

Test(listeners, an_address_given_up_refuses_and_its_path_goes)
{
    struct listen_conf a = tcp(), b = tcp(), p = unix_path("p");
    struct http_conf http = {.listens = &a};

    a.next = &p;
    cr_assert_eq(listeners_open(&l, &http, 1), 0);
    listeners_commit(&l);
    http.listens = &b;
    cr_assert_eq(listeners_open(&l, &http, 1), 0);
    cr_assert(connects(&a) && connects(&b) && connects(&p), "both until the change is made");
    listeners_commit(&l);
    cr_assert(!connects(&a) && connects(&b));
    cr_assert_eq(access(p.address.un.sun_path, F_OK), -1);
}

Test(listeners, a_rollback_leaves_what_was)
{
    struct listen_conf a = tcp(), grown = a, b = tcp(), p = unix_path("p");
    struct http_conf http = {.listens = &a};
    struct fd_list list = {.n = 0};

    cr_assert_eq(listeners_open(&l, &http, 1), 0);
    listeners_commit(&l);
    grown.next = &b;
    b.next = &p;
    http.listens = &grown;
    cr_assert_eq(listeners_open(&l, &http, 3), 0);
    listeners_rollback(&l);
    cr_assert(connects(&a) && !connects(&b));
    cr_assert_eq(access(p.address.un.sun_path, F_OK), -1);
    cr_assert_eq(listeners_list(&l, &list), 0);
    cr_assert_eq(list.n, 1);
    http.listens = &a;
    listeners_refresh(&l, &http);
    cr_assert_eq(a.fds[0], list.at[0]);
    fd_list_free(&list);
}

Test(listeners, an_address_of_another_server_is_in_use_and_nothing_is_left)
{
    struct listen_conf a = tcp(), b = tcp();
    struct http_conf http = {.listens = &a};
    struct fd_list list = {.n = 0};
    const char *call;
    int theirs;

    cr_assert_eq(net_listen(&b.address, &b.options, true, &theirs, &call), 0);
    a.next = &b;
    cr_assert_eq(listeners_probe(&http), 0, "for -t it may be our own");
    cr_assert_eq(listeners_open(&l, &http, 2), -EADDRINUSE);
    cr_assert_eq(listeners_list(&l, &list), 0);
    cr_assert_eq(list.n, 0);
    close(theirs);
}

Test(listeners, an_address_beside_the_wildcard_of_its_port_is_no_conflict)
{
    struct listen_conf a = tcp(), b = a;
    struct http_conf http = {.listens = &a};

    a.address.in.sin_addr.s_addr = htonl(INADDR_ANY);
    a.next = &b;
    cr_assert_eq(listeners_open(&l, &http, 2), 0);
    cr_assert(a.nfds == 2 && b.nfds == 2);
}

Test(listeners, inherited_sockets_are_grouped_by_address_and_kept)
{
    struct listen_conf a = tcp(), b = tcp();
    struct http_conf http = {.listens = &a};
    struct fd_list fds = {.n = 0};
    const char *call;
    char *text;
    int fd[3];

    cr_assert_eq(net_listen(&a.address, &a.options, true, &fd[0], &call), 0);
    cr_assert_eq(net_listen(&b.address, &b.options, true, &fd[1], &call), 0);
    cr_assert_eq(net_listen(&a.address, &a.options, false, &fd[2], &call), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fcntl(fd[i], F_SETFD, 0), 0);
        cr_assert_eq(fd_list_add(&fds, fd[i]), 0);
    }
    text = fd_list_format(&fds);
    cr_assert_eq(listeners_inherit(&l, text + sizeof("NGINX=") - 1), 0);
    cr_assert_eq(listeners_open(&l, &http, 3), 0);
    cr_assert_eq(a.nfds, 3);
    cr_assert(a.fds[0] == fd[0] && a.fds[1] == fd[2]);
    cr_assert(fcntl(fd[0], F_GETFD) & FD_CLOEXEC);
    listeners_commit(&l);
    cr_assert(!connects(&b), "not asked for");
    free(text);
    fd_list_free(&fds);
}

Test(listeners, sockets_handed_over_without_reuseport_let_others_join)
{
    struct listen_conf a = tcp();
    struct http_conf http = {.listens = &a};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[32];

    cr_assert_eq(bind(fd, &a.address.sa, a.address.len), 0);
    cr_assert_eq(listen(fd, 5), 0);
    snprintf(text, sizeof(text), "%d;", fd);
    cr_assert_eq(listeners_inherit(&l, text), 0);
    cr_assert_eq(listeners_open(&l, &http, 2), 0);
    cr_assert_eq(a.nfds, 2);
}

Test(listeners, paths_stay_while_the_binary_that_gave_them_lives)
{
    struct listen_conf p = unix_path("p");
    const char *call;
    char text[32];
    int fd;

    cr_assert_eq(net_listen(&p.address, &p.options, true, &fd, &call), 0);
    snprintf(text, sizeof(text), "%d;", fd);
    cr_assert_eq(listeners_inherit(&l, text), 0);
    listeners_close(&l, true, true);
    cr_assert_eq(access(p.address.un.sun_path, F_OK), 0);
    cr_assert_eq(unlink(p.address.un.sun_path), 0);
}

Test(listeners, a_silo_keeps_only_the_sockets_of_its_workers)
{
    struct listen_conf a = tcp(), gone = tcp();
    struct http_conf http = {.listens = &a};

    a.next = &gone;
    cr_assert_eq(listeners_open(&l, &http, 4), 0);
    a.next = NULL; // the silo's configuration does not know the other one
    listeners_keep(&l, &http, 4, 2, 2);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(fcntl(a.fds[i], F_GETFD) >= 0, i >= 2, "socket %u", i);
        cr_assert_eq(fcntl(gone.fds[i], F_GETFD), -1);
    }
}
