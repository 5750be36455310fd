// SPDX-License-Identifier: Apache-2.0
//
// The loop on real sockets and files: each test has a ring of its own and ends with nothing in
// flight that it did not mean to leave.
#include "lib/ring/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/ring/ring_priv.h"

static struct ring ring;

// An operation that remembers what it was told.
struct seen {
    struct op op;
    int calls;
    int32_t res; // the last
    uint32_t flags;
    char data[64 * 1024];
    size_t n;
    bool keep; // doesn't return its buffers
    uint32_t kept[RING_BUFFER_COUNT];
    unsigned kept_count;
};

static void seen_done(struct op *op, int32_t res, uint32_t flags)
{
    struct seen *s = container_of(op, struct seen, op);

    s->calls++;
    s->res = res;
    s->flags = flags;
    if ((flags & IORING_CQE_F_BUFFER) == 0)
        return;
    cr_assert_gt(res, 0);
    if (s->n + (size_t)res <= sizeof(s->data)) {
        memcpy(s->data + s->n, ring_buffer(&ring, flags), (size_t)res);
        s->n += (size_t)res;
    }
    if (s->keep)
        s->kept[s->kept_count++] = flags;
    else
        ring_buffer_return(&ring, flags);
}

static struct seen *seen_new(void)
{
    struct seen *s = calloc(1, sizeof(*s));

    op_init(&s->op, seen_done);
    return s;
}

static void set_up(void)
{
    char why[RING_WHY_MAX];

    cr_assert_eq(ring_init(&ring, why, sizeof(why)), 0, "%s", why);
}

static void tear_down(void)
{
    ring_destroy(&ring);
}

TestSuite(ring, .init = set_up, .fini = tear_down, .timeout = 60);

// Turns until the condition holds; a turn that sleeps too long is a failure by a guard timer.
static void guard_fired(struct timer *t)
{
    (void)t;
    cr_assert_fail("waited for two seconds");
}

#define turn_until(condition)                               \
    do {                                                    \
        struct timer guard;                                 \
        timer_init(&guard, guard_fired);                    \
        timer_arm(&ring.wheel, &guard, 2000);               \
        while (!(condition))                                \
            cr_assert_eq(ring_turn(&ring, true), 0);        \
        timer_cancel(&ring.wheel, &guard);                  \
    } while (0)

static void turns(int n)
{
    while (n-- > 0)
        cr_assert_eq(ring_turn(&ring, false), 0);
}

static void socket_pair(int fd[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static int tcp_listener(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(bind(fd, (struct sockaddr *)addr, len), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

static int tcp_connect(const struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), 0);
    return fd;
}

Test(ring, describes_what_the_kernel_has)
{
    struct ring_features none = {0}, all = {true, true, true, true, true};
    char text[160];

    ring_describe(&none, text, sizeof(text));
    cr_assert_str_eq(text, "io_uring: coop_taskrun");
    ring_describe(&all, text, sizeof(text));
    cr_assert_str_eq(text, "io_uring: single_issuer defer_taskrun multishot_accept "
                           "multishot_recv msg_ring cachestat");
    // All but cachestat are in the oldest kernel that we support.
    cr_assert(ring.features.defer_taskrun && ring.features.msg_ring);
    cr_assert(ring.features.recv_multishot && ring.features.accept_multishot);
}

static int timer_calls;

static void timer_count(struct timer *t)
{
    (void)t;
    timer_calls++;
}

Test(ring, an_idle_ring_sleeps_until_its_timer_and_does_not_spin)
{
    struct seen *s = seen_new();
    struct timer t;
    int fd[2], count = 0;
    uint64_t start;

    socket_pair(fd);
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    turns(2);
    start = clock_mono_ms();
    timer_init(&t, timer_count);
    timer_arm(&ring.wheel, &t, 150);
    for (; timer_calls == 0; count++)
        cr_assert_eq(ring_turn(&ring, true), 0);
    cr_assert_geq(clock_mono_ms() - start, 150);
    cr_assert_leq(clock_mono_ms() - start, 1500);
    cr_assert_leq(count, WHEEL_LEVELS + 1, "%d turns", count);
    free(s);
}

// A completion that arms or cancels a timer.
struct arming {
    struct op op;
    struct timer timer;
    uint64_t delay; // 0: cancels
};

static void arming_done(struct op *op, int32_t res, uint32_t flags)
{
    struct arming *a = container_of(op, struct arming, op);

    (void)flags;
    cr_assert_gt(res, 0);
    if (a->delay == 0)
        timer_cancel(&ring.wheel, &a->timer);
    else
        timer_arm(&ring.wheel, &a->timer, a->delay);
}

// Waits for input on a socket that has got it already: the next turn completes it.
static void prepare(struct arming *a)
{
    int fd[2];

    socket_pair(fd);
    op_init(&a->op, arming_done);
    timer_init(&a->timer, timer_count);
    turns(2);
    cr_assert_eq(send(fd[1], "x", 1, 0), 1);
    cr_assert_eq(ring_poll(&ring, &a->op, fd[0], POLLIN), 0);
}

Test(ring, a_delay_armed_by_a_completion_after_a_long_sleep_does_not_count_the_sleep)
{
    struct arming a = {.delay = 30};

    prepare(&a);
    usleep(60000);
    turns(1);
    cr_assert_not(op_in_flight(&a.op));
    cr_assert_eq(timer_calls, 0, "fired at once");
    turn_until(timer_calls == 1);
}

Test(ring, a_completion_wins_over_its_timeout_when_both_come_in_one_turn)
{
    struct arming a = {.delay = 0};

    prepare(&a);
    timer_arm(&ring.wheel, &a.timer, 5);
    usleep(60000);
    turns(3);
    cr_assert_not(op_in_flight(&a.op));
    cr_assert_eq(timer_calls, 0);
}

Test(ring, multishot_accept_and_recv_over_tcp)
{
    struct sockaddr_in addr;
    struct seen *accept = seen_new(), *recv = seen_new();
    int listener = tcp_listener(&addr), client[3], server = -1;

    cr_assert_eq(ring_accept(&ring, &accept->op, listener), 0);
    turns(1);
    for (int i = 0; i < 3; i++) {
        client[i] = tcp_connect(&addr);
        turn_until(accept->calls == i + 1);
        cr_assert_geq(accept->res, 0);
        cr_assert(op_in_flight(&accept->op), "accept ended after one connection");
        if (i == 0)
            server = accept->res;
        else
            close(accept->res);
    }
    cr_assert(fcntl(server, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(server, F_GETFD) & FD_CLOEXEC);

    cr_assert_eq(ring_recv(&ring, &recv->op, server), 0);
    for (int i = 1; i <= 4; i++) {
        cr_assert_eq(send(client[0], "hello", 5, 0), 5);
        turn_until(recv->n == (size_t)i * 5);
        cr_assert(op_in_flight(&recv->op));
    }
    cr_assert_arr_eq(recv->data, "hellohellohellohello", 20);
    shutdown(client[0], SHUT_WR);
    turn_until(!op_in_flight(&recv->op));
    cr_assert_eq(recv->res, 0, "the end of the stream");

    ring_cancel(&ring, &accept->op);
    turn_until(!op_in_flight(&accept->op));
    cr_assert_eq(accept->res, -ECANCELED);
    free(accept);
    free(recv);
}

Test(ring, without_multishot_each_operation_completes_once)
{
    struct sockaddr_in addr;
    struct seen *accept = seen_new(), *recv = seen_new();
    int listener = tcp_listener(&addr), client;

    ring.features.accept_multishot = ring.features.recv_multishot = false;
    cr_assert_eq(ring_accept(&ring, &accept->op, listener), 0);
    client = tcp_connect(&addr);
    turn_until(accept->calls == 1);
    cr_assert_not(op_in_flight(&accept->op));
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(ring_recv(&ring, &recv->op, accept->res), 0);
        turns(1);
        cr_assert_eq(send(client, "abc", 3, 0), 3);
        turn_until(recv->calls == i);
        cr_assert_not(op_in_flight(&recv->op));
        cr_assert_eq(recv->n, (size_t)i * 3);
    }
    free(accept);
    free(recv);
}

Test(ring, recv_recovers_when_the_buffers_ran_out)
{
    int fd[2], size = 4 << 20;
    struct seen *s = seen_new();
    char block[RING_BUFFER_SIZE] = {0};
    long sent = 0, got = 0, n;

    socket_pair(fd);
    setsockopt(fd[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    s->keep = true;
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    while (op_in_flight(&s->op)) {
        n = send(fd[1], block, sizeof(block), 0);
        sent += max_of(n, 0);
        turns(1);
    }
    cr_assert_eq(s->res, -ENOBUFS);
    cr_assert_eq(s->kept_count, RING_BUFFER_COUNT);
    for (unsigned i = 0; i < s->kept_count; i++)
        ring_buffer_return(&ring, s->kept[i]);
    got = (long)s->kept_count * RING_BUFFER_SIZE;
    s->keep = false;
    s->n = 0;
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    turn_until((long)s->n == sent - got);
    cr_assert(op_in_flight(&s->op));
    free(s);
}

Test(ring, buffers_go_round_many_times)
{
    int fd[2];
    struct seen *s = seen_new();

    socket_pair(fd);
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    for (unsigned i = 0; i < 5 * RING_BUFFER_COUNT; i++) {
        cr_assert_eq(send(fd[1], &i, sizeof(i), 0), sizeof(i));
        turn_until(s->n == (i + 1) * sizeof(i));
        cr_assert_eq(memcmp(s->data + i * sizeof(i), &i, sizeof(i)), 0);
    }
    free(s);
}

Test(ring, poll_tells_when_a_socket_is_writable_again)
{
    int fd[2];
    struct seen *s = seen_new();
    static char block[65536];

    socket_pair(fd);
    while (send(fd[0], block, sizeof(block), 0) > 0)
        continue;
    cr_assert_eq(ring_poll(&ring, &s->op, fd[0], POLLOUT), 0);
    turns(3);
    cr_assert(op_in_flight(&s->op));
    while (recv(fd[1], block, sizeof(block), 0) > 0)
        continue;
    turn_until(!op_in_flight(&s->op));
    cr_assert(s->res & POLLOUT);
    cr_assert_eq(s->calls, 1);
    free(s);
}

Test(ring, cancel_ends_recv_poll_and_read_and_is_harmless_otherwise)
{
    int fd[2], event = eventfd(0, EFD_NONBLOCK);
    struct seen *recv = seen_new(), *poll = seen_new(), *read = seen_new();
    uint64_t value;

    socket_pair(fd);
    ring_cancel(&ring, &recv->op); // not in flight
    cr_assert_eq(ring_recv(&ring, &recv->op, fd[0]), 0);
    cr_assert_eq(ring_poll(&ring, &poll->op, fd[0], POLLPRI), 0);
    cr_assert_eq(ring_read(&ring, &read->op, event, &value, sizeof(value), 0), 0);
    turns(2);
    ring_cancel(&ring, &recv->op);
    ring_cancel(&ring, &poll->op);
    ring_cancel(&ring, &read->op);
    ring_cancel(&ring, &read->op); // the second finds nothing, which nobody hears of
    turn_until(!op_in_flight(&recv->op) && !op_in_flight(&poll->op) && !op_in_flight(&read->op));
    turns(3);
    cr_assert_eq(recv->res, -ECANCELED);
    cr_assert_eq(poll->res, -ECANCELED);
    cr_assert_eq(read->res, -ECANCELED);
    cr_assert_eq(recv->calls + poll->calls + read->calls, 3);
    free(recv);
    free(poll);
    free(read);
}

Test(ring, cancel_works_on_what_was_prepared_in_the_same_turn)
{
    int fd[2];
    struct seen *s = seen_new();

    socket_pair(fd);
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    ring_cancel(&ring, &s->op);
    turn_until(!op_in_flight(&s->op));
    cr_assert_eq(s->res, -ECANCELED);
    // Armed again under the same address: the old cancellation does not hit it.
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    turns(3);
    cr_assert(op_in_flight(&s->op));
    free(s);
}

Test(ring, cancel_without_a_queue_entry)
{
    int fd[2];
    struct seen *s = seen_new();

    socket_pair(fd);
    cr_assert_eq(ring_recv(&ring, &s->op, fd[0]), 0);
    turns(1);
    cr_assert_eq(ring_cancel_now(&ring, &s->op), 0);
    turn_until(!op_in_flight(&s->op));
    cr_assert_eq(s->res, -ECANCELED);
    cr_assert_eq(ring_cancel_now(&ring, &s->op), -ENOENT);
    free(s);
}

Test(ring, what_is_told_to_leave_the_page_cache_leaves_it)
{
    char path[] = "/var/tmp/ring_test_XXXXXX", bytes[4096] = {1};
    int fd = mkstemp(path);
    struct iovec iov = {bytes, sizeof(bytes)};
    struct seen *s = seen_new();

    cr_assert_geq(fd, 0);
    unlink(path);
    cr_assert_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    cr_assert_eq(fsync(fd), 0);
    cr_assert_eq(ring_fadvise(&ring, &s->op, fd, 0, 0, POSIX_FADV_DONTNEED), -EINVAL);
    cr_assert_eq(ring_fadvise(&ring, &s->op, fd, 0, sizeof(bytes), POSIX_FADV_DONTNEED), 0);
    turn_until(!op_in_flight(&s->op));
    cr_assert_eq(s->res, 0);
    errno = 0;
    if (preadv2(fd, &iov, 1, 0, RWF_NOWAIT) > 0)
        cr_skip_test("the file system of /var/tmp keeps everything");
    cr_assert_eq(errno, EAGAIN);
    close(fd);
    free(s);
}

Test(ring, files_are_opened_written_and_read)
{
    char path[] = "/tmp/ring_test_XXXXXX", back[32] = {0};
    int tmp = mkstemp(path), fd;
    struct open_how how = {.flags = O_RDWR | O_APPEND | O_CLOEXEC};
    struct seen *s = seen_new();

    cr_assert_geq(tmp, 0);
    cr_assert_eq(ring_openat2(&ring, &s->op, AT_FDCWD, path, &how), 0);
    turn_until(!op_in_flight(&s->op));
    cr_assert_geq(s->res, 0);
    fd = s->res;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(ring_write(&ring, &s->op, fd, "line\n", 5, (uint64_t)-1), 0);
        turn_until(!op_in_flight(&s->op));
        cr_assert_eq(s->res, 5);
    }
    cr_assert_eq(ring_read(&ring, &s->op, fd, back, sizeof(back), 2), 0);
    turn_until(!op_in_flight(&s->op));
    cr_assert_eq(s->res, 8);
    cr_assert_str_eq(back, "ne\nline\n");

    unlink(path);
    cr_assert_eq(ring_openat2(&ring, &s->op, AT_FDCWD, path, &how), 0);
    turn_until(!op_in_flight(&s->op));
    cr_assert_eq(s->res, -ENOENT);
    close(fd);
    close(tmp);
    free(s);
}

static unsigned completed;

static void count_done(struct op *op, int32_t res, uint32_t flags)
{
    (void)op;
    (void)flags;
    cr_assert_gt(res, 0);
    completed++;
}

Test(ring, more_operations_than_both_queues_hold_all_complete_once)
{
    const unsigned many = 3 * 4 * RING_ENTRIES;
    struct op *ops = calloc(many, sizeof(*ops));
    int event = eventfd(1, 0);

    for (unsigned i = 0; i < many; i++) {
        op_init(&ops[i], count_done);
        cr_assert_eq(ring_poll(&ring, &ops[i], event, POLLIN), 0);
    }
    turn_until(completed == many);
    turns(3);
    cr_assert_eq(completed, many);
    for (unsigned i = 0; i < many; i++)
        cr_assert_not(op_in_flight(&ops[i]));
    free(ops);
}

struct counting_hook {
    struct ring_hook hook;
    int runs;
    int stop_at;
};

static void hook_run(struct ring_hook *hook)
{
    struct counting_hook *h = container_of(hook, struct counting_hook, hook);

    h->runs++;
    if (h->runs == h->stop_at)
        ring_stop(&ring);
    else
        ring_stay_awake(&ring);
}

static void hook_once(struct ring_hook *hook)
{
    container_of(hook, struct counting_hook, hook)->runs++;
    list_remove(&hook->node);
}

// Nothing else is pending: a turn that slept would do so for ever, until the suite's time limit.
Test(ring, hooks_run_each_turn_keep_the_ring_awake_and_stop_it)
{
    struct counting_hook h = {.hook.run = hook_run, .stop_at = 50};
    struct counting_hook once = {.hook.run = hook_once};

    ring_add_hook(&ring, &once.hook);
    ring_add_hook(&ring, &h.hook);
    cr_assert_eq(ring_run(&ring), 0);
    cr_assert_eq(h.runs, 50);
    cr_assert_eq(once.runs, 1);
}

Test(ring, destroy_with_operations_in_flight_calls_nobody_back)
{
    int fd[2];
    struct ring other;
    struct seen *s = seen_new();
    char why[RING_WHY_MAX];

    socket_pair(fd);
    cr_assert_eq(ring_init(&other, why, sizeof(why)), 0, "%s", why);
    cr_assert_eq(ring_recv(&other, &s->op, fd[0]), 0);
    cr_assert_eq(ring_turn(&other, false), 0);
    ring_destroy(&other);
    cr_assert_eq(s->calls, 0);
    // The ring held the socket; now that it is gone nobody else takes what is sent.
    cr_assert_eq(send(fd[1], "x", 1, 0), 1);
    cr_assert_eq(recv(fd[0], s->data, 1, 0), 1);
    ring_destroy(&other);
    ring_destroy(NULL);
    free(s);
}
