// SPDX-License-Identifier: Apache-2.0
//
// Where the interrupts of network queues go. The CPU that takes a queue's interrupt processes its
// packets, and steering puts the connection on a worker there, so everything else follows it.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/topo.h"
#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"
#include "server/doctor/tree_priv.h"

#define IRQS_MAX 2048

struct irq {
    unsigned number, queue;
    cpu_set_t goes_to; // where it is delivered now, or may be when that is not told
    bool may_leave;    // it may be moved off the interface's CPUs
};

struct irqs {
    struct irq *list;
    unsigned n, queues; // queues: how many different ones
};

// Not the vectors that tell of anything but packets: a link change, a command's end. Such a one may
// have the interface's name, unless it is the only one.
static bool is_queue_name(const char *name, const char *nic, bool alone)
{
    static const char *const others[] = {"config", "async", "mgmnt", "misc",  "ctrl",
                                         "control", "admin", "event", "pages", "cmd"};

    for (size_t i = 0; i < array_len(others); i++) {
        if (strcasestr(name, others[i]) != NULL)
            return false;
    }
    return alone || strcmp(name, nic) != 0;
}

// "eth0-TxRx-3", "mlx5_comp3@pci:0000:3b:00.0", "virtio2-input.3": the number at the end.
static void queue_number(const char *name, unsigned *queue)
{
    const char *digits = name + strlen(name);

    while (digits > name && isdigit((unsigned char)digits[-1]))
        digits--;
    if (*digits != '\0' && strlen(digits) <= 5)
        *queue = (unsigned)strtoul(digits, NULL, 10);
}

// False for a vector that is not a queue's. Without a name it counts, in the order of the numbers.
static bool read_name(const struct doctor *d, const struct nic *n, struct irq *irq,
                      unsigned ordinal, bool alone)
{
    char name[256];

    irq->queue = ordinal;
    if (tree_line(d, name, sizeof(name), "/sys/kernel/irq/%u/actions", irq->number) != 0)
        return true;
    name[strcspn(name, "@,")] = '\0';
    if (name[0] == '\0' || !is_queue_name(name, n->name, alone))
        return false;
    if (strcmp(name, n->name) != 0)
        queue_number(name, &irq->queue);
    return true;
}

static bool read_irq(const struct doctor *d, const struct nic *n, struct irq *irq,
                     unsigned ordinal, bool alone)
{
    cpu_set_t allowed;

    if (!read_name(d, n, irq, ordinal, alone))
        return false;
    if (tree_cpu_list(d, &allowed, "/proc/irq/%u/smp_affinity_list", irq->number) != 0)
        return false;
    // Where it goes now lags behind what was set, on many machines until the next interrupt.
    if (tree_cpu_list(d, &irq->goes_to, "/proc/irq/%u/effective_affinity_list", irq->number) != 0 ||
        CPU_COUNT(&irq->goes_to) == 0 || !cpus_within(&irq->goes_to, &allowed))
        irq->goes_to = allowed;
    irq->may_leave = !cpus_within(&allowed, &n->cpus);
    return true;
}

static void count_queues(struct irqs *irqs)
{
    irqs->queues = 0;
    for (unsigned i = 0; i < irqs->n; i++) {
        bool seen = false;

        for (unsigned j = 0; j < i && !seen; j++)
            seen = irqs->list[j].queue == irqs->list[i].queue;
        irqs->queues += !seen;
    }
}

// A virtio interface is a child of the PCI device that has the interrupts.
static void read_irqs(struct doctor *d, const struct nic *n, struct irqs *irqs)
{
    static unsigned numbers[IRQS_MAX];
    unsigned count = tree_numbers(d, numbers, IRQS_MAX, "/sys/class/net/%s/device/msi_irqs",
                                  n->name);

    if (count == 0)
        count = tree_numbers(d, numbers, IRQS_MAX, "/sys/class/net/%s/device/../msi_irqs",
                             n->name);
    *irqs = (struct irqs){.list = arena_array(&d->arena, struct irq, count + 1)};
    for (unsigned i = 0; irqs->list != NULL && i < count; i++) {
        struct irq *irq = &irqs->list[irqs->n];

        irq->number = numbers[i];
        irqs->n += read_irq(d, n, irq, irqs->n, count == 1);
    }
    count_queues(irqs);
}

static void place(struct doctor *d, struct finding *f, const struct nic *n, const struct irq *irq)
{
    char value[16];
    int cpu = cpus_nth(&n->cpus, irq->queue);

    if (CPU_COUNT(&irq->goes_to) == 1 && CPU_ISSET(cpu, &irq->goes_to) && !irq->may_leave)
        return;
    snprintf(value, sizeof(value), "%d", cpu);
    change_file(d, f, value, "/proc/irq/%u/smp_affinity_list", irq->number);
}

static void place_all(struct doctor *d, struct finding *f, const struct nic *n,
                      const struct irqs *irqs)
{
    for (unsigned i = 0; i < irqs->n; i++)
        place(d, f, n, &irqs->list[i]);
}

static unsigned count_leaving(const struct irqs *irqs)
{
    unsigned n = 0;

    for (unsigned i = 0; i < irqs->n; i++)
        n += irqs->list[i].may_leave;
    return n;
}

static bool look_node(struct doctor *d, const struct check *c)
{
    char cpus[CPUS_TEXT_MAX];
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct irqs irqs;

        if (!n.placed)
            continue;
        read_irqs(d, &n, &irqs);
        unsigned leaving = count_leaving(&irqs);
        looked |= irqs.n > 0;
        if (leaving == 0)
            continue;
        topo_format_cpus(&n.cpus, cpus, sizeof(cpus));
        place_all(d, finding_add(d, c, nic_where(d, &n),
                                 "%u of %u queue interrupts may go to CPUs that are not the "
                                 "node's (%s)", leaving, irqs.n, cpus),
                  &n, &irqs);
    }
    return looked;
}

static bool look_spread(struct doctor *d, const struct check *c)
{
    bool looked = false;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct irqs irqs;
        cpu_set_t used;

        read_irqs(d, &n, &irqs);
        CPU_ZERO(&used);
        for (unsigned i = 0; i < irqs.n; i++)
            CPU_OR(&used, &used, &irqs.list[i].goes_to);
        unsigned want = min_of(irqs.queues, n.ncpus), have = (unsigned)CPU_COUNT(&used);
        looked |= irqs.n > 0;
        // What leaves the node is the other check's to mend, with the same commands.
        if (have >= want || (n.placed && count_leaving(&irqs) > 0))
            continue;
        place_all(d, finding_add(d, c, nic_where(d, &n),
                                 "the interrupts of %u queues go to %u CPU%s, %u could share them",
                                 irqs.queues, have, have == 1 ? "" : "s", want),
                  &n, &irqs);
    }
    return looked;
}

static unsigned most_queues(struct doctor *d)
{
    unsigned most = 0;

    for (struct nic n = {0}; nic_next(d, &n);) {
        struct irqs irqs;

        read_irqs(d, &n, &irqs);
        most = max_of(most, irqs.queues);
    }
    return most;
}

static bool is_running(struct doctor *d, const char *name)
{
    unsigned max = 65536, *pids = arena_array(&d->arena, unsigned, max);
    unsigned n = pids != NULL ? tree_numbers(d, pids, max, "/proc") : 0;
    char comm[64];

    for (unsigned i = 0; i < n; i++) {
        if (tree_line(d, comm, sizeof(comm), "/proc/%u/comm", pids[i]) == 0 &&
            strcmp(comm, name) == 0)
            return true;
    }
    return false;
}

static bool look_balancer(struct doctor *d, const struct check *c)
{
    // One queue on one node: there is nothing that it could spoil.
    if (CPU_COUNT(&d->cpus) < 2 || (d->cpu_nodes < 2 && most_queues(d) < 2))
        return false;
    if (!is_running(d, "irqbalance"))
        return true;
    struct finding *f = finding_add(d, c, "host", "irqbalance is running");
    if (f != NULL && d->cpu_nodes < 2)
        f->severity = SEVERITY_ADVICE;
    change_run(d, f, argv_of(d, "systemctl", "stop", "irqbalance", NULL),
               argv_of(d, "systemctl", "start", "irqbalance", NULL));
    return true;
}

static bool look_known(struct doctor *d, const struct check *c)
{
    bool looked = false;

    if (d->cpu_nodes < 2)
        return false;
    for (struct nic n = {0}; nic_next(d, &n);) {
        looked = true;
        if (n.link->node != MACHINE_NODE_UNKNOWN)
            continue;
        struct finding *f = finding_add(d, c, n.name, "the firmware does not say which node it "
                                                      "is on");
        by_hand_add(d, f, "look for the slot's socket in the board's manual, and for a newer "
                          "firmware");
        by_hand_add(d, f, "until the next boot the kernel can be told: echo NODE > "
                          "/sys/class/net/%s/device/numa_node", shell_quoted(d, n.name));
    }
    return looked;
}

const struct check irq_checks[] = {
    {"irqbalance", SEVERITY_WARNING, PHASE_FIRST,
     "It moves interrupts every few seconds by load. A queue that moves takes the processing of "
     "its connections to another CPU than the worker's, and undoes what is set here.",
     look_balancer},
    {"nic-node", SEVERITY_WARNING, PHASE_REST,
     "Without the node of an interface neither its interrupts nor its connections can be kept "
     "where its memory accesses are short.",
     look_known},
    {"irq-node", SEVERITY_PROBLEM, PHASE_REST,
     "Packets are processed on the CPU that takes the interrupt. On another node than the "
     "interface's each of them crosses the fabric between the sockets, and so does what follows.",
     look_node},
    {"irq-spread", SEVERITY_WARNING, PHASE_REST,
     "Queues that share a CPU while others have none make that CPU the limit of the interface.",
     look_spread},
    {0},
};
