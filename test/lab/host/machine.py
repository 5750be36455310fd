# SPDX-License-Identifier: Apache-2.0
"""The machines that QEMU emulates: which CPUs, nodes, NICs and disks there are.

Every machine has the disks of the lab itself, on virtio, and data disks on NVMe, which the guest
mounts at /data/SERIAL. Machines with several nodes have a NIC and an NVMe disk on each node, and
for every NIC a client's one, wired to it back to back.
"""
import os
from pathlib import Path

import image

DATA_DISK = "1G"  # sparse
SLOW_RATE = 2 << 20  # bytes per second of the disk that is slow on purpose

# Expanders need bus numbers of their own, far enough apart for the ports behind them.
FIRST_BUS, BUS_STEP = 32, 48

# Without KVM. cx16=off: QEMU 7.2 faults in cmpxchg16b when CPUs are emulated by several threads.
# (svm=off would spare the guest a KVM of its own, but with it the first program there crashes.)
CPU = "max,cx16=off"
EMULATION = ["-accel", "tcg,thread=multi", "-cpu", CPU]
# One instruction is one nanosecond, whatever the host does meanwhile. A rep movsb would count each
# byte as an instruction: without erms and fsrm, copies are made of words and vectors.
COUNTED = ["-accel", "tcg,thread=single", "-cpu", f"{CPU},erms=off,fsrm=off",
           "-icount", "shift=0,sleep=off"]


class Machine:
    """Collects QEMU's arguments. The folder is for the data disks, which are made empty."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # No network, no display, no disk that is not named here; a panic ends the run.
        self.arguments = ["-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none",
                          "-nic", "none", "-no-reboot"]
        self.address = 0x10  # left to itself, QEMU puts devices on an expander and refuses them

    def add(self, *arguments):
        self.arguments += map(str, arguments)

    def next_address(self):
        self.address += 1
        return f"bus=pcie.0,addr={self.address - 1:#x}"

    def lab_disk(self, serial, path, mode):
        """A disk of the lab itself. mode: snapshot=on, readonly=on, or "" to write."""
        self.add("-drive", f"if=none,id={serial},file={path},format=raw,cache=unsafe,{mode}"
                           .rstrip(","),
                 "-device", f"virtio-blk-pci,drive={serial},serial={serial},{self.next_address()}")

    def data_disk(self, serial, where, throttle=0):
        path = self.folder / f"{serial}.img"
        image.make_file_system(None, path, DATA_DISK, serial)
        limit = f",throttling.bps-total={throttle}" if throttle else ""
        self.add("-drive", f"if=none,id={serial},file={path},format=raw,cache=unsafe{limit}",
                 "-device", f"nvme,drive={serial},serial={serial},{where}")

    def nic(self, name, wire, mac, where):
        # 802.3ad does not aggregate links of unknown speed.
        self.add("-netdev", f"hubport,id={name},hubid={wire}",
                 "-device", f"virtio-net-pci,netdev={name},mac={mac},speed=10000,duplex=full,"
                            f"romfile=,{where}")

    def node(self, number, cpus, megabytes, nic=True):
        """A node with its memory and CPUs (a list, may be empty). One with CPUs has an expander
        with its disk, and its NIC."""
        self.add("-object", f"memory-backend-ram,id=memory{number},size={megabytes}M",
                 "-numa", f"node,nodeid={number},memdev=memory{number}"
                          + "".join(f",cpus={cpu}" for cpu in cpus))
        if not cpus:
            return
        self.add("-device", f"pxb-pcie,id=expander{number},bus=pcie.0,numa_node={number},"
                            f"bus_nr={FIRST_BUS + BUS_STEP * number}")
        for slot, kind in enumerate(("nic", "disk")):
            self.add("-device", f"pcie-root-port,id={kind}port{number},bus=expander{number},"
                                f"chassis={10 + number * 2 + slot},slot={slot}")
        if nic:
            self.nic(f"server{number}", number, f"52:54:00:00:01:{number:02x}",
                     f"bus=nicport{number}")
        self.data_disk(f"node{number}", f"bus=diskport{number}")

    def nodes(self, counts, megabytes, without_nic=()):
        """Nodes with so many CPUs each; a client's NIC for every one of the server's."""
        self.add("-smp", sum(counts), "-m", len(counts) * megabytes)
        first = 0
        for number, count in enumerate(counts):
            self.node(number, range(first, first + count), megabytes, number not in without_nic)
            first += count
        for number, count in enumerate(counts):
            if count and number not in without_nic:
                self.nic(f"client{number}", number, f"52:54:00:00:02:{number:02x}",
                         self.next_address())


def small(machine):
    cpus = min(4, max(2, len(os.sched_getaffinity(0))))
    machine.add(*EMULATION, "-smp", cpus, "-m", 2048)
    machine.data_disk("fast", machine.next_address())
    machine.data_disk("slow", machine.next_address(), SLOW_RATE)


def numa2(machine):
    machine.add(*EMULATION)
    machine.nodes([2, 2], megabytes=1536)


def numa4(machine):
    machine.add(*EMULATION)
    machine.nodes([2] * 4, megabytes=1024)


def uneven(machine):
    """What real machines have: nodes with more CPUs than others, without a NIC, and with memory
    alone (CXL). That one comes last, because the kernel numbers nodes as it meets their CPUs."""
    machine.add(*EMULATION)
    machine.nodes([3, 1, 1, 0], megabytes=768, without_nic=[2])


def icount(machine):
    machine.add(*COUNTED, "-smp", 1, "-m", 2048)


MACHINES = {"small": small, "numa2": numa2, "numa4": numa4, "uneven": uneven,
            "icount": icount}
