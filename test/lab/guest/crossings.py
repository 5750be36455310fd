# SPDX-License-Identifier: Apache-2.0
"""Crossings per byte: how often a byte of a response stops on another NUMA node than the last time.

This is the checker of locality. It believes no server: it watches the kernel (probes.py) and joins,
byte by byte, the two ends of each of the four stops.

    disk    disk to memory: the page cache takes a page for a file (tracepoint of the page cache,
            with the page's frame number and the file's device). The disk's node against the page's.
    read    memory to CPU: a record of kernel TLS is sealed, a file is read into a process, or a
            process gives bytes to a socket. The node of what is read against the CPU's.
    write   CPU to memory: the same events. The CPU's node against that of what is written.
    nic     memory to NIC: a packet of the connection goes out. The nodes of the pieces of memory it
            refers to, against the node of the interface that the connection's packets left by.

With plain sendfile no CPU touches the bytes, so there is nothing at read and write. A frame number
says its node by /proc/zoneinfo, a file's page by pagemap, a process's buffer by move_pages(2). Sums
of each side alone would not do: of two connections that leave by each other's NIC, both sides look
balanced.

What it cannot see: reads and writes of a process in its own memory, such as TLS in userspace.

Beside it stand counters of the kernel that know nothing of the probes, bytes sent by each interface
and read from each disk. agree() compares.
"""

import ctypes
import mmap
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import btf
import probes

STOPS = ("disk", "read", "write", "nic")
SECTOR = 512
MOVE_PAGES = 279  # the system call on x86-64
PAGE = 1 << probes.PAGE_SHIFT
HEADERS = 100     # of a packet of 1500 bytes, at most


# The machine, from sysfs and /proc.

def node_of_nic(name):
    """For virtio the number is on the PCI device, the parent of what net/NAME/device names."""
    for path in (f"/sys/class/net/{name}/device/numa_node",
                 f"/sys/class/net/{name}/device/../numa_node"):
        if Path(path).exists():
            return int(Path(path).read_text())
    raise AssertionError(f"{name} has no node")


def node_of_device(major, minor):
    """Of a whole disk."""
    path = Path(f"/sys/dev/block/{major}:{minor}").resolve()
    while path != Path("/sys"):
        if (path / "numa_node").exists():
            return int((path / "numa_node").read_text())
        path = path.parent
    return None


def cpu_nodes():
    """The node of each CPU."""
    return {int(cpu.name[3:]): int(node.name[4:])
            for node in Path("/sys/devices/system/node").glob("node[0-9]*")
            for cpu in node.glob("cpu[0-9]*")}


def memory_ranges(text):
    """From /proc/zoneinfo: (first frame, frame after the last, node) of each zone."""
    found = []
    for block in re.split(r"^(?=Node )", text, flags=re.M):
        head = re.match(r"Node (\d+), zone", block)
        start, spanned = (re.search(rf"{name}:?\s+(\d+)", block)
                          for name in ("start_pfn", "spanned"))
        if head and start and spanned and int(spanned[1]):
            found.append((int(start[1]), int(start[1]) + int(spanned[1]), int(head[1])))
    return sorted(found)


class Machine:
    """Nodes of CPUs, of memory, and of the interfaces and disks that are watched."""

    def __init__(self, members, mounts):
        self.cpus = cpu_nodes()
        self.ranges = memory_ranges(Path("/proc/zoneinfo").read_text())
        self.nics = {int(Path(f"/sys/class/net/{name}/ifindex").read_text()): node_of_nic(name)
                     for name in members}
        devices = [os.stat(mount).st_dev for mount in mounts]
        self.disks = {(os.major(device), os.minor(device)):
                      node_of_device(os.major(device), os.minor(device)) for device in devices}
        self.members, self.mounts = members, mounts

    def node_of_frame(self, frame):
        for first, end, node in self.ranges:
            if first <= frame < end:
                return node
        return None

    def counters(self):
        """Bytes sent by the members, and read from the disks, as the kernel counts them."""
        sent = sum(int(Path(f"/sys/class/net/{name}/statistics/tx_bytes").read_text())
                   for name in self.members)
        read = sum(int(Path(f"/sys/dev/block/{major}:{minor}/stat").read_text().split()[2])
                   for major, minor in self.disks) * SECTOR
        return Counter(sent=sent, read=read)


# The server's processes.

def threads_of(server):
    """The process of each thread of a server, the kernel's workers of its rings included."""
    return {int(task.name): pid for pid in server.processes()
            for task in Path(f"/proc/{pid}/task").iterdir()}


def node_of_process(pid, cpus):
    """The node of the CPUs that a process may use, or None when they belong to several."""
    text = re.search(r"Cpus_allowed_list:\s+(\S+)", Path(f"/proc/{pid}/status").read_text())[1]
    nodes = {cpus[cpu] for part in text.split(",")
             for cpu in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)
             if cpu in cpus}
    return nodes.pop() if len(nodes) == 1 else None


def nodes_of_addresses(pid, addresses):
    """The node of each page of a process that is in memory; nothing is moved."""
    if not addresses:
        return {}
    count = len(addresses)
    pages = (ctypes.c_void_p * count)(*addresses)
    status = (ctypes.c_int * count)()
    done = ctypes.CDLL(None, use_errno=True).syscall(MOVE_PAGES, pid, ctypes.c_ulong(count), pages,
                                                     None, status, 0)
    assert done >= 0, os.strerror(ctypes.get_errno())
    return {address: node for address, node in zip(addresses, status) if node >= 0}


def nodes_of_files(paths, machine):
    """The node of each page of the files that is in the page cache; none is brought there."""
    return {identity: nodes for path in paths for identity, nodes in [nodes_of_file(path, machine)]}


def nodes_of_file(path, machine):
    found = {}
    with open(path, "rb") as file, open("/proc/self/pagemap", "rb", buffering=0) as frames:
        status = os.fstat(file.fileno())
        # Private and writable: ctypes gives no address of what cannot be written.
        with mmap.mmap(file.fileno(), status.st_size, mmap.MAP_PRIVATE,
                       mmap.PROT_READ | mmap.PROT_WRITE) as mapping:
            address = address_of(mapping)
            for number in resident(address, status.st_size):
                mapping[number * PAGE]  # by which it gets an entry in the table of pages
                entry = int.from_bytes(os.pread(frames.fileno(), 8, (address // PAGE + number) * 8),
                                       "little")
                if entry >> 63:
                    found[number] = machine.node_of_frame(entry & (1 << 55) - 1)
    device = os.major(status.st_dev) << 20 | os.minor(status.st_dev)  # as the kernel has it
    return (device, status.st_ino), found


def address_of(mapping):
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


def resident(address, size):
    """The numbers of the pages that mincore(2) finds in memory."""
    found = (ctypes.c_ubyte * -(-size // PAGE))()
    done = ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), found)
    assert done == 0
    return [number for number, there in enumerate(found) if there & 1]


# The account.

class Stop:
    """Bytes that passed one of the four stops: all, those that crossed, those of unknown place."""

    def __init__(self):
        self.total = self.crossed = self.unknown = 0

    def add(self, count, node, other):
        self.total += count
        if node is None or other is None:
            self.unknown += count
        elif node != other:
            self.crossed += count


class Flow:
    """A connection."""

    def __init__(self):
        self.links = Counter()     # bytes by the interface they left by
        self.arrivals = Counter()  # packets by the interface they came in by
        self.threads = Counter()   # bytes by the thread that gave them
        self.copied = Counter()    # bytes copied to it, by the node of the CPU
        self.loose = Counter()     # bytes sent of memory that is no file's, by its node

    @property
    def arrival(self):
        return most(self.arrivals)

    @property
    def egress(self):
        return most(self.links)


def key(fields):
    """A connection, by the client's address and port as the wire has them."""
    return fields["peer"], fields["port"]


def most(counter):
    return counter.most_common(1)[0][0] if counter else None


class Account:
    """What a trace says about one run. payload is the bytes of bodies that clients received, pages
    what nodes_of_files() says of the content."""

    def __init__(self, trace, machine, layout, threads, payload, buffers=None, pages=None):
        self.trace, self.machine, self.layout = trace, machine, layout
        self.threads, self.payload = threads, payload
        self.stops = {name: Stop() for name in STOPS}
        self.flows = self._flows()
        self.kinds = {value: name for name, value in btf.kernel().values("iter_type").items()}
        self.buffers = self._buffers() if buffers is None else buffers
        self.pages = pages or {}
        self.usual = {}  # the node of most buffers of a process
        self._disk()
        self._sealed()
        self._copied()
        self._sent()

    def _flows(self):
        flows = defaultdict(Flow)
        for keys, count in self.trace.sums["leave"]:
            if keys["link"] in self.machine.nics:
                flows[key(keys)].links[keys["link"]] += count
        for keys, count in self.trace.sums["arrive"]:
            if keys["link"] in self.machine.nics:
                flows[key(keys)].arrivals[keys["link"]] += count
        for event in ("send", "splice"):
            for keys, count in self.trace.sums.get(event, []):
                flows[key(keys)].threads[keys["common_pid"]] += count
        # Packets over loopback are not of the clients.
        return {client: flow for client, flow in flows.items() if flow.links}

    def _node_of_page(self, page):
        return self.machine.node_of_frame(self.layout.frame_of_page(page))

    def _cpu_node(self, line):
        return self.machine.cpus[line[1]]

    # Disk to memory.

    def _disk(self):
        for _, _, _, at in self.trace.of("fill"):
            if at["device"] in self.machine.disks:
                self.stops["disk"].add(PAGE << at["order"], self.machine.disks[at["device"]],
                                       self.machine.node_of_frame(at["frame"]))

    # Memory to CPU and CPU to memory.

    def _pieces(self, at, name, count, length):
        """(node, bytes) of the pieces of a scatter list, up to a length in bytes."""
        for number in range(count):
            link, size = at[f"{name}p{number}"], min(at[f"{name}n{number}"], length)
            if not length or link & 1 or not link:
                break
            yield self._node_of_page(link), size
            length -= size
        if length > 1:  # the last byte of TLS 1.3, a record's type, has a list of its own
            yield None, length

    def _seals(self):
        """An algorithm may be wrapped in another, which passes the same request on to a transform
        of its own at once, on the same CPU: that is one reading and one writing."""
        outer = {}
        for line in self.trace.of("seal"):
            _, cpu, _, at = line
            before = outer.get(cpu)
            if before and before["tfm"] != at["tfm"] and \
                    (before["src"], before["len"]) == (at["src"], at["len"]):
                del outer[cpu]
                continue
            outer[cpu] = at
            yield line

    def _sealed(self):
        for line in self._seals():
            at, cpu = line[3], self._cpu_node(line)
            for stop, name, count in (("read", "s", probes.SOURCES), ("write", "d",
                                                                      probes.TARGETS)):
                for node, size in self._pieces(at, name, count, at["len"]):
                    self.stops[stop].add(size, node, cpu)

    def _results(self, begin, end):
        """Each call of a function that the server's threads made, with what it returned."""
        calls = {}
        for line in self.trace.of(begin, end):
            event, _, thread, at = line
            if thread not in self.threads:
                continue
            if event == begin:
                calls[thread] = line
            elif thread in calls:
                yield calls.pop(thread), max(0, at["result"])

    def _segments(self, at, size):
        """The addresses of a process that an iterator stands for: (address, bytes)."""
        kind = self.kinds.get(at["kind"])
        if kind == "ITER_UBUF":
            yield at["base"] + at["skip"], size
        elif kind == "ITER_IOVEC":
            skip = at["skip"]
            for number in range(probes.SEGMENTS):
                count = min(size, at[f"c{number}"] - skip)
                if count <= 0:
                    break
                yield at[f"a{number}"] + skip, count
                size, skip = size - count, 0

    def _by_page(self, at, size):
        """The same, cut at the borders of pages."""
        for address, count in self._segments(at, size):
            while count:
                part = min(count, PAGE - address % PAGE)
                yield address, part
                address, count = address + part, count - part

    def _copies(self):
        """What the server's threads copied: (line, bytes)."""
        yield from self._results("read", "got")
        yield from self._results("give", "gave")
        for line in self.trace.of("stash"):
            if line[2] in self.threads:
                yield line, line[3]["size"]

    def _buffers(self):
        """The nodes of the processes' buffers, by process and page."""
        wanted = defaultdict(set)
        for (_, _, thread, at), size in self._copies():
            wanted[self.threads[thread]] |= {address & -PAGE for address, _ in
                                             self._by_page(at, size)}
        return {(pid, address): node for pid, addresses in wanted.items()
                for address, node in nodes_of_addresses(pid, sorted(addresses)).items()}

    def _buffer_node(self, pid, page):
        """A buffer that the process has given back before the end counts as its others do."""
        if pid not in self.usual:
            self.usual[pid] = most(Counter(node for (owner, _), node in self.buffers.items()
                                           if owner == pid))
        return self.buffers.get((pid, page), self.usual[pid])

    def _copied(self):
        for line, size in self._copies():
            event, _, thread, at = line
            cpu, done = self._cpu_node(line), 0
            for address, count in self._by_page(at, size):
                buffer = self._buffer_node(self.threads[thread], address & -PAGE)
                if event == "read":
                    self._read_from_file(at, done, count, cpu)
                    self.stops["write"].add(count, buffer, cpu)
                else:
                    self.stops["read"].add(count, buffer, cpu)
                done += count
            if event == "stash":
                self.stops["write"].add(done, self._node_of_page(at["page"]), cpu)
            elif event == "give" and key(at) in self.flows:
                # Where it was written is seen when it is sent.
                self.flows[key(at)].copied[cpu] += done

    def _read_from_file(self, at, offset, count, cpu):
        pages = self.pages.get((at["device"], at["inode"]), {})
        begin = at["position"] + offset
        while count:
            part = min(count, PAGE - begin % PAGE)
            self.stops["read"].add(part, pages.get(begin // PAGE), cpu)
            begin, count = begin + part, count - part

    # Memory to NIC.

    def _pieces_sent(self):
        """(flow, node, bytes, whether it is a file's page) of all that went out."""
        for _, _, _, at in self.trace.of("packet"):
            flow = self.flows.get(key(at))
            if flow is None:
                continue
            assert at["end"] == self.layout.end and at["pieces"] <= probes.FRAGMENTS, at
            for number in range(at["pieces"]):
                yield (flow, self._node_of_page(at[f"p{number}"]), at[f"n{number}"],
                       at[f"m{number}"] != 0)

    def _sent(self):
        pieces = list(self._pieces_sent())
        for flow, node, size, of_file in pieces:
            self._transmitted(node, size, flow)
            if not of_file:
                flow.loose[node] += size
        for flow in {id(flow): flow for flow, *_ in pieces}.values():
            self._written(flow)

    def _transmitted(self, node, size, flow):
        """A flow that changed its interface counts by the shares of both."""
        everything = sum(flow.links.values())
        for link, count in flow.links.items():
            self.stops["nic"].add(size * count / everything, node, self.machine.nics[link])

    def _written(self, flow):
        """What a flow's threads copied to it lies in the memory of it that is no file's; the rest
        of that are sealed records."""
        loose = sum(flow.loose.values())
        for cpu, count in flow.copied.items():
            for node, size in flow.loose.items():
                self.stops["write"].add(count * size / max(loose, 1), node, cpu)

    # The results.

    def per_byte(self):
        """Crossings per byte at each stop."""
        return {name: stop.crossed / self.payload for name, stop in self.stops.items()}

    def total(self):
        return sum(self.per_byte().values())

    def placed(self, by, silos):
        """How many connections there were, and how many were served on the node of the interface
        that they arrived by or leave by. silos: the node of each process."""
        right = 0
        for flow in self.flows.values():
            wanted = flow.arrival if by == "arrival" else flow.egress
            right += silos.get(self._server_of(flow)) == self.machine.nics.get(wanted)
        return len(self.flows), right

    def _server_of(self, flow):
        """The process that gave most of a connection's bytes."""
        processes = Counter()
        for thread, count in flow.threads.items():
            processes[self.threads.get(thread)] += count
        return most(processes)

    def coincide(self):
        """The share of connections that leave by the interface that they came in by."""
        same = sum(flow.arrival == flow.egress for flow in self.flows.values())
        return same / max(1, len(self.flows))

    def agree(self, moved):
        """Insists that nothing was missed: the probes saw what clients received and what the
        kernel's own counters say (machine.counters(), the difference)."""
        for name, stop in self.stops.items():
            assert stop.unknown <= 0.002 * self.payload, f"{name}: {stop.unknown:.0f} bytes unknown"
        nic, packets = self.stops["nic"].total, sum(sum(flow.links.values())
                                                    for flow in self.flows.values())
        # A packet is of 64 KiB at most, and a probe that could not run is no proof of anything: few
        # may be missing, at random.
        least = max(0.97 * self.payload,
                    self.payload - (self.trace.missed.get("packet", 0) << 16))
        assert least <= nic <= 1.1 * self.payload, (nic, self.payload, self.trace.missed)
        assert 0.97 * packets <= moved["sent"] <= 1.1 * packets, (packets, moved)
        disk = self.stops["disk"].total
        assert abs(disk - moved["read"]) <= 0.05 * disk + (1 << 20), (disk, moved)

    def as_json(self):
        return {"payload": self.payload, "connections": len(self.flows),
                "same_interface": round(self.coincide(), 4),
                **{name: round(value, 4) for name, value in self.per_byte().items()},
                "total": round(self.total(), 4),
                "missed": self.trace.missed,
                "bytes": {name: round(stop.total) for name, stop in self.stops.items()}}
