// SPDX-License-Identifier: Apache-2.0
//
// Steering as the kernel does it, on loopback: there a SYN is processed on the CPU that the client
// runs on.
#include "lib/net/steering.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/net/steering_priv.h"
#include "test/unit/support/descriptors.h"

#define SOCKETS 4u
#define TRIES 200
#define NOBODY 65534
#define ANYWHERE {STEERING_ANYWHERE, 0}

struct group {
    struct sockaddr_storage address;
    int fds[SOCKETS];
};

static void group_open(struct group *g, int family)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(g->address);
    const int one = 1;

    memcpy(&g->address, family == AF_INET6 ? (void *)&six : (void *)&four,
           family == AF_INET6 ? sizeof(six) : sizeof(four));
    for (unsigned i = 0; i < SOCKETS; i++) {
        int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&g->address, len), 0);
        cr_assert_eq(listen(fd, 512), 0);
        cr_assert_eq(getsockname(fd, (struct sockaddr *)&g->address, &len), 0);
        g->fds[i] = fd;
    }
}

static void group_close(struct group *g)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (g->fds[i] >= 0)
            close(g->fds[i]);
    }
}

static void group_close_one(struct group *g, unsigned i)
{
    close(g->fds[i]);
    g->fds[i] = -1;
}

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

// Ends by a reset, so that no port is left waiting.
static int client_open(const struct group *g)
{
    const struct linger reset = {.l_onoff = 1};
    int fd = socket(g->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&g->address, sizeof(g->address)), 0);
    return fd;
}

// The one socket of the group that a connection waits at.
static unsigned take_one(const struct group *g)
{
    struct pollfd ready[SOCKETS];

    for (unsigned i = 0; i < SOCKETS; i++)
        ready[i] = (struct pollfd){g->fds[i], POLLIN, 0};
    cr_assert_eq(poll(ready, SOCKETS, 2000), 1, "a connection waits at one socket");
    for (unsigned i = 0;; i++) {
        if (ready[i].revents != 0) {
            int fd = accept(g->fds[i], NULL, NULL);

            cr_assert_geq(fd, 0);
            close(fd);
            return i;
        }
    }
}

// How many of `tries` connections made on a CPU came to each socket.
static void connect_on(const struct group *g, int cpu, int tries, int got[SOCKETS])
{
    memset(got, 0, SOCKETS * sizeof(*got));
    pin(cpu);
    for (int i = 0; i < tries; i++) {
        int fd = client_open(g);

        got[take_one(g)]++;
        close(fd);
    }
}

static void expect_at(const struct group *g, int cpu, unsigned socket)
{
    int got[SOCKETS];

    connect_on(g, cpu, TRIES, got);
    cr_assert_eq(got[socket], TRIES, "from CPU %d at socket %u: %d of %d", cpu, socket,
                 got[socket], TRIES);
}

// Over `count` sockets from `first` on, none with less than half of its share, and none elsewhere.
static void expect_spread(const struct group *g, int cpu, unsigned first, unsigned count)
{
    int got[SOCKETS];

    connect_on(g, cpu, 2 * TRIES, got);
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (i < first || i >= first + count)
            cr_assert_eq(got[i], 0, "%d at socket %u, which no slot has", got[i], i);
        else
            cr_assert_gt(got[i], TRIES / (int)count, "socket %u has %d", i, got[i]);
    }
}

static bool has_two_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_ISSET(0, &set) &&
           CPU_ISSET(1, &set);
}

#define need_two_cpus()                                     \
    do {                                                    \
        if (!has_two_cpus())                                \
            cr_skip_test("needs CPUs 0 and 1");             \
    } while (0)

// May this process have the better program? Where it may not, those tests cannot be made.
#define need_privilege()                                    \
    do {                                                    \
        struct steering_plan nothing = {.ncpus = 0};        \
        struct steering_ebpf trial;                         \
        int trial_rc = steering_ebpf_open(&trial, 1, &nothing); \
        if (trial_rc == -EPERM)                             \
            cr_skip_test("needs CAP_BPF");                  \
        cr_assert_eq(trial_rc, 0);                          \
        steering_ebpf_close(&trial);                        \
    } while (0)

#define PLAN(slots) {.by_cpu = (slots), .ncpus = array_len(slots)}

static void attach(const struct group *g, const struct steering_plan *plan,
                   enum steering_kind want)
{
    enum steering_kind kind;

    cr_assert_eq(steering_attach(g->fds, SOCKETS, plan, &kind), 0);
    cr_assert_eq(kind, want, "it became %s", steering_name(kind));
}

TestSuite(steering, .timeout = 60);

static void steers_by_cpu(int family, enum steering_kind kind)
{
    static const struct steering_slot slots[] = {{2, 1}, {1, 1}};
    const struct steering_plan plan = PLAN(slots);
    struct group g;

    group_open(&g, family);
    attach(&g, &plan, kind);
    expect_at(&g, 0, 2);
    expect_at(&g, 1, 1);
    group_close(&g);
}

Test(steering, ebpf_sends_each_cpu_to_its_socket)
{
    need_two_cpus();
    need_privilege();
    steers_by_cpu(AF_INET, STEERING_EBPF);
}

Test(steering, ebpf_steers_ipv6)
{
    need_two_cpus();
    need_privilege();
    steers_by_cpu(AF_INET6, STEERING_EBPF);
}

static void set_effective(bool bpf_alone)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

    cr_assert_eq(syscall(SYS_capget, &head, caps), 0);
    for (size_t i = 0; i < array_len(caps); i++)
        caps[i].effective = bpf_alone ? 0 : caps[i].permitted;
    if (bpf_alone)
        caps[CAP_TO_INDEX(CAP_BPF)].effective = CAP_TO_MASK(CAP_BPF);
    cr_assert_eq(syscall(SYS_capset, &head, caps), 0);
}

// With less the verifier is stricter, and Linux 6.1's refused what all others took.
Test(steering, ebpf_needs_cap_bpf_and_nothing_else)
{
    need_two_cpus();
    need_privilege();
    set_effective(true);
    steers_by_cpu(AF_INET, STEERING_EBPF);
    set_effective(false);
    prctl(PR_SET_DUMPABLE, 1);
}

// Without privilege as far as this thread's file system and bpf(2) are concerned.
static void drop_privilege(void)
{
    if (geteuid() == 0)
        cr_assert_eq(seteuid(NOBODY), 0);
}

// The leak check at the end needs to look at its own process.
static void regain_privilege(void)
{
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    prctl(PR_SET_DUMPABLE, 1);
}

Test(steering, without_privilege_the_classic_program_does_the_same)
{
    need_two_cpus();
    drop_privilege();
    steers_by_cpu(AF_INET, STEERING_CBPF);
    steers_by_cpu(AF_INET6, STEERING_CBPF);
    regain_privilege();
}

static void spreads(enum steering_kind kind)
{
    static const struct steering_slot slots[] = {{1, 3}, ANYWHERE};
    const struct steering_plan plan = PLAN(slots);
    struct group g;

    group_open(&g, AF_INET);
    attach(&g, &plan, kind);
    expect_spread(&g, 0, 1, 3);
    expect_spread(&g, 1, 0, SOCKETS);
    group_close(&g);
}

Test(steering, ebpf_spreads_over_a_slot_and_over_all_where_there_is_none)
{
    need_two_cpus();
    need_privilege();
    spreads(STEERING_EBPF);
}

Test(steering, classic_spreads_over_a_slot_and_over_all_where_there_is_none)
{
    need_two_cpus();
    drop_privilege();
    spreads(STEERING_CBPF);
    regain_privilege();
}

Test(steering, a_cpu_beyond_the_plan_goes_by_the_hash)
{
    static const struct steering_slot slots[] = {{3, 1}};
    const struct steering_plan plan = PLAN(slots);
    struct group g;

    need_two_cpus();
    drop_privilege();
    group_open(&g, AF_INET);
    attach(&g, &plan, STEERING_CBPF);
    expect_at(&g, 0, 3);
    expect_spread(&g, 1, 0, SOCKETS);
    group_close(&g);
    regain_privilege();
}

// CPU 0 is ANYWHERE and the others are beyond the plan; the socket of each is its node's.
Test(steering, ebpf_goes_by_the_node_where_the_cpu_has_no_slot)
{
    static const struct steering_slot slots[] = {ANYWHERE}, nodes[] = {{3, 1}, {2, 1}};
    const struct steering_plan plan = {.by_cpu = slots, .ncpus = 1, .by_node = nodes, .nnodes = 2};
    cpu_set_t allowed;
    struct group g;

    need_two_cpus();
    need_privilege();
    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    group_open(&g, AF_INET);
    attach(&g, &plan, STEERING_EBPF);
    for (int cpu = 0; cpu < 4; cpu++) {
        unsigned node;

        if (!CPU_ISSET(cpu, &allowed))
            continue;
        pin(cpu);
        cr_assert_eq(getcpu(NULL, &node), 0);
        if (node < array_len(nodes))
            expect_at(&g, cpu, nodes[node].first);
    }
    group_close(&g);
}

static void replaces(enum steering_kind kind)
{
    static const struct steering_slot before[] = {{0, 1}, {1, 1}}, after[] = {{3, 1}, {2, 1}};
    const struct steering_plan first = PLAN(before), second = PLAN(after);
    struct group g;

    group_open(&g, AF_INET);
    attach(&g, &first, kind);
    expect_at(&g, 0, 0);
    attach(&g, &second, kind);
    expect_at(&g, 0, 3);
    expect_at(&g, 1, 2);
    cr_assert_eq(steering_detach(g.fds[1]), 0);
    expect_spread(&g, 0, 0, SOCKETS);
    cr_assert_eq(steering_detach(g.fds[1]), 0, "there is none any more");
    attach(&g, &first, kind);
    expect_at(&g, 1, 1);
    group_close(&g);
}

Test(steering, ebpf_is_replaced_and_taken_off)
{
    need_two_cpus();
    need_privilege();
    replaces(STEERING_EBPF);
}

Test(steering, classic_is_replaced_and_taken_off)
{
    need_two_cpus();
    drop_privilege();
    replaces(STEERING_CBPF);
    regain_privilege();
}

// A new binary without privilege takes over from an old one that had it.
Test(steering, each_program_replaces_the_other)
{
    static const struct steering_slot before[] = {{0, 1}, {1, 1}}, after[] = {{3, 1}, {2, 1}};
    const struct steering_plan first = PLAN(before), second = PLAN(after);
    struct group g;

    need_two_cpus();
    need_privilege();
    group_open(&g, AF_INET);
    attach(&g, &first, STEERING_EBPF);
    drop_privilege();
    attach(&g, &second, STEERING_CBPF);
    regain_privilege();
    expect_at(&g, 0, 3);
    attach(&g, &first, STEERING_EBPF);
    expect_at(&g, 0, 0);
    group_close(&g);
}

struct stream {
    struct group *g;
    atomic_bool stop;
    int got[SOCKETS];
};

static void *keep_connecting(void *ctx)
{
    struct stream *s = ctx;

    pin(0);
    while (!atomic_load(&s->stop)) {
        int fd = client_open(s->g);

        s->got[take_one(s->g)]++;
        close(fd);
    }
    return NULL;
}

// The table of sockets cannot be had while the program before has it, some milliseconds.
Test(steering, no_connection_goes_astray_while_a_program_is_replaced)
{
    static const struct steering_slot slots[] = {{2, 1}, {1, 1}};
    const struct steering_plan plan = PLAN(slots);
    struct stream s = {.g = &(struct group){.fds = {0}}};
    pthread_t thread;

    need_two_cpus();
    need_privilege();
    group_open(s.g, AF_INET);
    attach(s.g, &plan, STEERING_EBPF);
    cr_assert_eq(pthread_create(&thread, NULL, keep_connecting, &s), 0);
    pin(1);
    for (int i = 0; i < 8; i++)
        attach(s.g, &plan, STEERING_EBPF);
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    cr_assert_gt(s.got[2], 20, "connections were made meanwhile: %d", s.got[2]);
    cr_assert_eq(s.got[0] + s.got[1] + s.got[3], 0);
    group_close(s.g);
}

// The kernel fills the place of a closed socket with the last one, which moves its index.
Test(steering, ebpf_sends_to_the_same_sockets_after_another_one_was_closed)
{
    static const struct steering_slot slots[] = {{3, 1}, {1, 1}};
    const struct steering_plan plan = PLAN(slots);
    int got[SOCKETS];
    struct group g;

    need_two_cpus();
    need_privilege();
    group_open(&g, AF_INET);
    attach(&g, &plan, STEERING_EBPF);
    group_close_one(&g, 0);
    expect_at(&g, 0, 3);
    expect_at(&g, 1, 1);
    group_close_one(&g, 3);
    expect_at(&g, 1, 1);
    connect_on(&g, 0, TRIES, got);
    cr_assert_eq(got[1] + got[2], TRIES, "those of a socket that is gone are served elsewhere");
    group_close(&g);
}

Test(steering, classic_goes_by_the_kernels_own_order_so_sockets_must_stay_open)
{
    static const struct steering_slot slots[] = {{0, 1}, {3, 1}};
    const struct steering_plan plan = PLAN(slots);
    int got[SOCKETS];
    struct group g;

    need_two_cpus();
    group_open(&g, AF_INET);
    cr_assert_eq(steering_classic_attach(g.fds[0], &plan), 0);
    group_close_one(&g, 0);
    expect_at(&g, 0, 3);
    connect_on(&g, 1, TRIES, got);
    cr_assert_eq(got[1] + got[2] + got[3], TRIES, "nothing is refused, all the same");
    group_close(&g);
}

Test(steering, nothing_stays_open)
{
    static const struct steering_slot good[] = {{2, 1}}, bad[] = {{SOCKETS, 1}};
    const struct steering_plan plan = PLAN(good), beyond = PLAN(bad);
    enum steering_kind kind;
    struct group g;

    group_open(&g, AF_INET);
    unsigned before = count_fds();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(steering_attach(g.fds, SOCKETS, &plan, &kind), 0);
        cr_assert_neq(kind, STEERING_OFF);
        cr_assert_eq(steering_attach(g.fds, SOCKETS, &beyond, &kind), -EINVAL);
    }
    cr_assert_eq(steering_detach(g.fds[0]), 0);
    cr_assert_eq(count_fds(), before);
    group_close(&g);
}

Test(steering, a_slot_beyond_the_sockets_is_refused)
{
    static const struct steering_slot rows[][1] = {
        {{SOCKETS, 1}}, {{SOCKETS - 1, 2}}, {{0, SOCKETS + 1}}, {{0, 0}},
        {{STEERING_ANYWHERE - 1, STEERING_ANYWHERE}},
    };
    static const struct steering_slot whole[] = {{0, SOCKETS}};
    const struct steering_plan good = PLAN(whole);
    enum steering_kind kind;
    struct group g;

    group_open(&g, AF_INET);
    for (size_t i = 0; i < array_len(rows); i++) {
        const struct steering_plan by_cpu = {.by_cpu = rows[i], .ncpus = 1};
        const struct steering_plan by_node = {.by_node = rows[i], .nnodes = 1};

        cr_assert_eq(steering_attach(g.fds, SOCKETS, &by_cpu, &kind), -EINVAL, "row %zu", i);
        cr_assert_eq(kind, STEERING_OFF);
        cr_assert_eq(steering_attach(g.fds, SOCKETS, &by_node, &kind), -EINVAL, "row %zu", i);
    }
    cr_assert_eq(steering_attach(g.fds, 0, &good, &kind), -EINVAL, "no sockets");
    cr_assert_eq(steering_attach(g.fds, SOCKETS, &good, &kind), 0);
    group_close(&g);
}

Test(steering, what_is_no_listening_socket_is_an_error)
{
    static const struct steering_slot slots[] = {{0, 1}};
    const struct steering_plan plan = PLAN(slots);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    enum steering_kind kind;

    cr_assert_lt(steering_attach(&fd, 1, &plan, &kind), 0);
    cr_assert_eq(kind, STEERING_OFF);
    close(fd);
    cr_assert_lt(steering_attach(&fd, 1, &plan, &kind), 0);
    cr_assert_eq(steering_detach(fd), -EBADF);
}

// The reason why the classic program may use the hash at all: there, it is the flow's and not zero.
Test(steering, a_classic_program_sees_the_hash_of_the_flow)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RXHASH)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 1),
    };
    const struct sock_fprog program = {.len = array_len(code), .filter = code};
    struct group g;

    group_open(&g, AF_INET);
    cr_assert_eq(setsockopt(g.fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                            sizeof(program)), 0);
    expect_at(&g, 0, 1);
    group_close(&g);
}

// Twice as many would need more than the 20 KiB that net.core.optmem_max is before Linux 6.7.
Test(steering, the_kernel_takes_a_classic_program_for_hundreds_of_cpus_in_any_order)
{
    struct steering_slot slots[512];
    const struct steering_plan plan = PLAN(slots);
    struct group g;

    need_two_cpus();
    for (unsigned cpu = 0; cpu < array_len(slots); cpu++)
        slots[cpu] = (struct steering_slot){(uint16_t)(cpu % 2 * 2), 1};
    group_open(&g, AF_INET);
    cr_assert_eq(steering_classic_attach(g.fds[0], &plan), 0);
    expect_at(&g, 0, 0);
    expect_at(&g, 1, 2);
    group_close(&g);
}
