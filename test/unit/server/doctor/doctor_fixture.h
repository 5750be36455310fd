// SPDX-License-Identifier: Apache-2.0
//
// A host that is made up: files below a temporary root, a machine of two nodes with four CPUs and
// one interface each, both in a bond. Everything is good at the start, so that a test spoils one
// thing and sees what is found.
#pragma once

#include "server/doctor/doctor_priv.h"
#include "server/doctor/rules_priv.h"
#include "test/unit/server/doctor/made_drivers.h"
#include "test/unit/server/doctor/made_settings.h"

#define ALL_CPUS "ff"

static struct machine_node nodes[2];
static struct machine machine;
static struct doctor_options options;
static struct doctor doctor;
static bool examined;

static void make_link(struct machine_link *link, int index, const char *name, enum link_kind kind,
                      int node)
{
    *link = (struct machine_link){.index = index, .kind = kind, .node = node, .up = true,
                                  .speed = 100000, .rx_queues = 4};
    snprintf(link->name, sizeof(link->name), "%s", name);
}

static void make_machine(void)
{
    for (int node = 0; node < 2; node++) {
        nodes[node] = (struct machine_node){.id = node, .memory = 1 << 30};
        for (int cpu = 0; cpu < 4; cpu++)
            CPU_SET(node * 4 + cpu, &nodes[node].cpus);
    }
    make_link(&links[0], 2, "eth0", LINK_PHYSICAL, 0);
    make_link(&links[1], 3, "eth1", LINK_PHYSICAL, 1);
    make_link(&links[2], 4, "bond0", LINK_BOND, MACHINE_NODE_UNKNOWN);
    links[0].master = links[1].master = 4;
    links[0].transmits = links[1].transmits = true;
    links[2].bond_mode = 4;
    links[2].bond_policy = 1;
    links[2].lacp_fast = true;
    machine = (struct machine){.root = root, .nodes = nodes, .nnodes = 2, .links = links,
                               .nlinks = 3};
}

// Interrupts 40 to 43 of eth0 and 50 to 53 of eth1, and one more of each for other things.
static void make_interface(int nic)
{
    char path[128];

    for (int q = 0; q < 5; q++) {
        int irq = 40 + 10 * nic + q;

        snprintf(path, sizeof(path), "/sys/class/net/%s/device/msi_irqs/%d", links[nic].name, irq);
        put(path, "msix\n");
        snprintf(path, sizeof(path), "/sys/kernel/irq/%d/actions", irq);
        if (q < 4)
            put(path, "mlx5_comp%d@pci:0000:3b:00.0\n", q);
        else
            put(path, "mlx5_async0@pci:0000:3b:00.0\n");
        snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
        if (q < 4)
            put(path, "%d\n", nic * 4 + q);
        else
            put(path, "0-7\n");
    }
    for (int q = 0; q < 4; q++) {
        snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-%d/rps_cpus", links[nic].name, q);
        put(path, "00\n");
        snprintf(path, sizeof(path), "/sys/class/net/%s/queues/rx-%d/rps_flow_cnt",
                 links[nic].name, q);
        put(path, "0\n");
        snprintf(path, sizeof(path), "/sys/class/net/%s/queues/tx-%d/xps_cpus", links[nic].name, q);
        put(path, "%02x\n", 1 << (nic * 4 + q));
    }
}

static __attribute__((unused)) void doctor_setup(void)
{
    make_root();
    options = (struct doctor_options){.root = root, .workers = 8, .worker_connections = 8192,
                                      .master = 77};
    make_machine();
    make_settings();
    for (int nic = 0; nic < IFACES; nic++) {
        make_driver(&made[nic]);
        make_interface(nic);
    }
}

static void forget_doctor(void)
{
    if (examined)
        doctor_destroy(&doctor);
    examined = false;
}

static void doctor_teardown(void)
{
    forget_doctor();
    remove_root();
}

static __attribute__((unused)) void examine(void)
{
    forget_doctor();
    doctor_init(&doctor, &options, &machine);
    doctor.nics = &made_calls;
    doctor.runner = (struct doctor_runner){.run = made_run};
    examined = true;
    doctor_examine(&doctor, PHASE_FIRST);
    doctor_examine(&doctor, PHASE_REST);
    cr_assert_eq(doctor.error, 0);
}
