// SPDX-License-Identifier: Apache-2.0
//
// Plans for machines that are made up here, and one that is carried out on loopback.
#include "server/process/steering_plan.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/topo/machine.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "server/process/worker_cpus.h"

static struct machine_node nodes[8];
static struct machine_link links[8];
static struct machine machine;
static struct plan_silo silos[8];
static struct plan plan;
static struct worker_cpus workers;
static struct steering_plan made;

static cpu_set_t cpus(const char *list)
{
    cpu_set_t set;
    char why[100];

    CPU_ZERO(&set);
    if (*list != '\0')
        cr_assert_eq(topo_parse_cpus(sv_from(list), &set, why, sizeof(why)), 0, "%s", why);
    return set;
}

static void set_up(void)
{
    machine = (struct machine){.root = "", .nodes = nodes, .links = links};
    plan = (struct plan){.silos = silos};
}

static void tear_down(void)
{
    steering_plan_free(&made);
    worker_cpus_free(&workers);
}

TestSuite(steering_plan, .init = set_up, .fini = tear_down, .timeout = 60);

static void add_node(const char *list)
{
    int id = (int)machine.nnodes;

    nodes[machine.nnodes++] = (struct machine_node){.id = id, .cpus = cpus(list)};
}

static void add_link(int node, unsigned queues)
{
    links[machine.nlinks++] = (struct machine_link){.kind = LINK_PHYSICAL, .node = node,
                                                    .up = true, .rx_queues = queues};
}

static void add_silo(const char *list, int node, unsigned n)
{
    silos[plan.count++] = (struct plan_silo){.cpus = cpus(list), .node = node,
                                             .first = plan.workers, .workers = n};
    plan.workers += n;
}

static void make(enum steering_aim aim, const struct cpu_affinity *affinity)
{
    tear_down();
    cr_assert_eq(worker_cpus_make(affinity, &plan, &workers), 0);
    cr_assert_eq(steering_plan_make(&plan, &workers, &machine, aim, &made), 0);
    for (unsigned i = 0; i < made.ncpus; i++)
        cr_assert(made.by_cpu[i].first == STEERING_ANYWHERE ||
                  made.by_cpu[i].first + made.by_cpu[i].count <= (int)plan.workers);
}

static bool is_slot(struct steering_slot s, int first, unsigned count)
{
    return first < 0 ? s.first == STEERING_ANYWHERE : s.first == first && s.count == count;
}

// first < 0: anywhere.
static void expect_cpu(unsigned cpu, int first, unsigned count)
{
    struct steering_slot s = {STEERING_ANYWHERE, 0};

    if (cpu < made.ncpus)
        s = made.by_cpu[cpu];
    cr_assert(is_slot(s, first, count), "CPU %u: %u+%u", cpu, s.first, s.count);
}

static void expect_node(unsigned node, int first, unsigned count)
{
    cr_assert_lt(node, made.nnodes);
    cr_assert(is_slot(made.by_node[node], first, count), "node %u: %u+%u", node,
              made.by_node[node].first, made.by_node[node].count);
}

static void two_nodes(void)
{
    add_node("0-3");
    add_node("4-7");
    add_silo("0-3", 0, 4);
    add_silo("4-7", 1, 4);
}

Test(steering_plan, one_silo_has_nothing_to_steer)
{
    add_node("0-3");
    add_silo("0-3", 0, 4);
    add_link(0, 4);
    make(STEERING_AT_WORKERS, NULL);
    cr_assert(steering_plan_empty(&made), "nobody is bound");
    make(STEERING_AT_BEST, &(struct cpu_affinity){.automatic = true});
    expect_cpu(2, 2, 1);
}

Test(steering_plan, each_cpu_leads_to_its_silo)
{
    two_nodes();
    make(STEERING_AT_SILOS, NULL);
    cr_assert_eq(made.ncpus, 8);
    expect_cpu(0, 0, 4);
    expect_cpu(3, 0, 4);
    expect_cpu(4, 4, 4);
    expect_cpu(8, -1, 0);
    expect_node(0, 0, 4);
    expect_node(1, 4, 4);
}

Test(steering_plan, each_cpu_leads_to_the_worker_that_is_bound_to_it)
{
    add_node("0,2,4");
    add_node("1,3,5");
    add_silo("0,2,4", 0, 3);
    add_silo("1,3,5", 1, 2);
    make(STEERING_AT_WORKERS, NULL);
    expect_cpu(0, 0, 1);
    expect_cpu(2, 1, 1);
    expect_cpu(4, 2, 1);
    expect_cpu(1, 3, 1);
    expect_cpu(3, 4, 1);
    expect_cpu(5, 3, 2); // no worker is bound to it
    expect_node(1, 3, 2);
}

Test(steering_plan, workers_that_share_a_cpu_share_its_connections)
{
    const struct cpu_affinity automatic = {.automatic = true};

    add_node("0-1");
    add_node("2-3");
    add_silo("0-1", 0, 3); // the third is on CPU 0 again
    add_silo("2-3", 1, 2);
    make(STEERING_AT_WORKERS, &automatic);
    expect_cpu(0, 0, 3);
    expect_cpu(1, 1, 1);
    expect_cpu(2, 3, 1);
}

Test(steering_plan, workers_are_aimed_at_only_where_queues_reach_them_all)
{
    two_nodes();
    add_link(0, 4);
    add_link(1, 2);
    add_link(1, 3);
    make(STEERING_AT_BEST, NULL);
    expect_cpu(1, 1, 1);
    expect_cpu(5, 4, 4); // with three queues one worker would have no connections
    cr_assert(steering_reaches_workers(&machine, &silos[0]));
    cr_assert_not(steering_reaches_workers(&machine, &silos[1]));
    links[2].rx_queues = 8;
    cr_assert(steering_reaches_workers(&machine, &silos[1]));
    links[2].up = false;
    cr_assert_not(steering_reaches_workers(&machine, &silos[1]));
    links[2] = (struct machine_link){.kind = LINK_VIRTUAL, .node = 1, .up = true, .rx_queues = 8};
    cr_assert_not(steering_reaches_workers(&machine, &silos[1]));
    add_link(MACHINE_NODE_UNKNOWN, 4);
    cr_assert(steering_reaches_workers(&machine, &silos[1]), "it may be anywhere");
}

// A cpuset leaves CPUs out, and their interrupts come all the same.
Test(steering_plan, a_cpu_of_no_silo_leads_to_the_silos_of_its_node)
{
    add_node("0-5");
    add_node("6-7");
    add_node("8-9");
    add_silo("0-1", 0, 2);
    add_silo("2-3", 0, 1);
    add_silo("6", 1, 1);
    make(STEERING_AT_SILOS, NULL);
    expect_cpu(1, 0, 2);
    expect_cpu(4, 0, 2); // in turns
    expect_cpu(5, 2, 1);
    expect_cpu(7, 3, 1);
    expect_cpu(8, -1, 0); // its node has no silo
    expect_cpu(9, -1, 0);
    expect_node(0, 0, 2);
    expect_node(1, 3, 1);
    expect_node(2, -1, 0);
}

Test(steering_plan, a_silo_that_names_no_node_is_on_that_of_its_cpus)
{
    add_node("0-2");
    add_node("3-5");
    add_silo("0-1", -1, 1);
    add_silo("3-4", -1, 1);
    make(STEERING_AT_SILOS, NULL);
    expect_cpu(2, 0, 1);
    expect_cpu(5, 1, 1);
    silos[1].cpus = cpus("1,4"); // on both, so of neither
    silos[0].cpus = cpus("0");
    make(STEERING_AT_SILOS, NULL);
    expect_cpu(1, 1, 1);
    expect_cpu(2, 0, 1);
    expect_cpu(5, -1, 0);
    expect_node(1, -1, 0);
}

Test(steering_plan, a_node_without_cpus_and_one_without_silo_have_no_slot)
{
    add_node("0-1");
    add_node("");
    add_node("2-3");
    add_silo("0", 0, 1);
    add_silo("1", 0, 1);
    make(STEERING_AT_SILOS, NULL);
    expect_node(1, -1, 0);
    expect_node(2, -1, 0);
    expect_cpu(2, -1, 0);
    expect_cpu(1, 1, 1);
}

static struct sockaddr_in address;
static int fds[3];

static void listen_on_loopback(void)
{
    const int one = 1;
    socklen_t len = sizeof(address);

    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned i = 0; i < array_len(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
        cr_assert_eq(bind(fds[i], (struct sockaddr *)&address, len), 0);
        cr_assert_eq(listen(fds[i], 64), 0);
        cr_assert_eq(getsockname(fds[i], (struct sockaddr *)&address, &len), 0);
    }
}

// From this CPU a hundred times: how often each socket got it.
static void connect_from(int cpu, int got[array_len(fds)])
{
    struct pollfd ready[array_len(fds)];
    cpu_set_t from;

    CPU_ZERO(&from);
    CPU_SET(cpu, &from);
    cr_assert_eq(topo_bind_cpus(&from), 0);
    memset(got, 0, sizeof(fds));
    for (int n = 0; n < 100; n++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        for (unsigned i = 0; i < array_len(fds); i++)
            ready[i] = (struct pollfd){fds[i], POLLIN, 0};
        cr_assert_eq(poll(ready, array_len(fds), 2000), 1);
        for (unsigned i = 0; i < array_len(fds); i++) {
            if (ready[i].revents == 0)
                continue;
            got[i]++;
            close(accept(fds[i], NULL, NULL));
        }
        close(fd);
    }
}

static void keep_level(struct log_sink *sink, enum log_level level, const char *line, size_t n)
{
    (void)line;
    (void)n;
    sink->fd = min_of(sink->fd, (int)level);
}

Test(steering_plan, it_is_carried_out_and_taken_back_with_a_socket_left_over)
{
    struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = keep_level, .fd = LOG_LEVEL_DEBUG};
    const struct steering_plan nothing = {.ncpus = 0};
    int got[array_len(fds)];
    cpu_set_t allowed;

    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    if (!CPU_ISSET(0, &allowed) || !CPU_ISSET(1, &allowed))
        cr_skip_test("needs CPUs 0 and 1");
    log_use(&sink);
    add_node("0-1");
    add_silo("1", 0, 1);
    add_silo("0", 0, 1);
    make(STEERING_AT_BEST, NULL);
    listen_on_loopback();
    cr_assert_neq(steering_plan_apply(&made, fds, array_len(fds)), STEERING_OFF);
    connect_from(0, got);
    cr_assert_eq(got[1], 100);
    connect_from(1, got);
    cr_assert_eq(got[0], 100);
    cr_assert_eq(steering_plan_apply(&nothing, fds, array_len(fds)), STEERING_OFF);
    connect_from(1, got);
    cr_assert(got[0] > 10 && got[1] > 10 && got[2] > 10, "%d %d %d", got[0], got[1], got[2]);
    cr_assert_eq(steering_plan_apply(&nothing, fds, array_len(fds)), STEERING_OFF);
    cr_assert_eq(sink.fd, LOG_LEVEL_DEBUG, "nothing was worth a line");
    log_use(NULL);
}

Test(steering_plan, one_that_does_not_fit_is_warned_of_and_the_one_before_is_gone)
{
    struct log_sink sink = {.level = LOG_LEVEL_INFO, .emit = keep_level, .fd = LOG_LEVEL_DEBUG};
    static const struct steering_slot small_slots[] = {{2, 1}, {2, 1}}, large_slots[] = {{3, 1}};
    const struct steering_plan good = {.by_cpu = small_slots, .ncpus = 2};
    const struct steering_plan bad = {.by_cpu = large_slots, .ncpus = 1};
    int got[array_len(fds)];

    log_use(&sink);
    listen_on_loopback();
    cr_assert_neq(steering_plan_apply(&good, fds, array_len(fds)), STEERING_OFF);
    connect_from(0, got);
    cr_assert_eq(got[2], 100);
    cr_assert_eq(steering_plan_apply(&bad, fds, array_len(fds)), STEERING_OFF);
    cr_assert_eq(sink.fd, LOG_LEVEL_WARN);
    connect_from(0, got);
    cr_assert(got[0] > 10 && got[1] > 10, "%d %d %d", got[0], got[1], got[2]);
    log_use(NULL);
}
