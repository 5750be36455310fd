# SPDX-License-Identifier: Apache-2.0
"""Probes in the running kernel, on the way of a response from the disk to the network.

They are kernel probes made through tracefs (Documentation/trace/kprobetrace.rst), so whatever
server is watched, it takes no part. Each says something that joins two of the places where a byte
stops: which memory was filled from which disk, which CPU sealed or copied which memory into which,
which memory a connection's packets refer to, which interface they leave by, which thread sends.

Single events come as lines. Where a sum is enough, the kernel adds up itself (a histogram), which
spares an emulated machine most of the work.
"""

import os
import re
import socket
import threading
from pathlib import Path

import btf

TRACING = Path("/sys/kernel/tracing")
GROUP = "lab"
BUFFER_KB = 12288  # for each CPU; what does not fit is counted and refused, see lines()
FRAGMENTS = 17     # of one packet at most: MAX_SKB_FRAGS
SOURCES, TARGETS = 8, 4  # pieces of a record that is sealed
# Where a function's own code begins, behind the place for the function tracer and, on kernels that
# check branches, a landing mark. A probe right at the beginning would run with interrupts on, and
# one probe that interrupts another is lost.
ENTRIES = (5, 9)
OPTIMIZATION = Path("/proc/sys/debug/kprobes-optimization")  # it would run with interrupts on, too
SEGMENTS = 4       # of a buffer of a process
RESULT = "result=$retval:"  # makes it a probe at the function's end; of its type
PAGE_SHIFT = 12

FIRST, SECOND, THIRD, FOURTH = "%di", "%si", "%dx", "%cx"  # arguments of a function, on x86-64
LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[(\d+)\] \S+\s+([\d.]+): (\w+): (.*)$")
ROW = re.compile(r"^\{ (.+?) \} hitcount: *(\d+)(?: +\w+: *(\d+))?", re.M)
FILL = re.compile(r"dev (\d+):(\d+) ino (\w+).* pfn=(\w+) ofs=(\d+)(?: order=(\d+))?")
FILL_EVENT = "events/filemap/mm_filemap_add_to_page_cache"


def sock_fields(register):
    """Of a struct sock: its own port, and the peer's address and port as the wire has them."""
    at = btf.kernel().offsets("sock_common")
    return f"num=+{at['skc_num']}({register}):u16 port=+{at['skc_dport']}({register}):u16 " \
           f"peer=+{at['skc_daddr']}({register}):u32"


def packet_fields(register):
    at = btf.kernel().offsets("sk_buff")
    return f"len=+{at['len']}({register}):u32 data_len=+{at['data_len']}({register}):u32 " \
           f"end=+{at['end']}({register}):u32"


def interface_of(register):
    skb, device = (btf.kernel().offsets(name) for name in ("sk_buff", "net_device"))
    return f"link=+{device['ifindex']}(+{skb['dev']}({register})):u32"


def fragments(register, end):
    """A packet's list of pieces of memory lies `end` bytes behind its head. A page of a file has a
    mapping."""
    mapping = btf.kernel().offsets("page")["mapping"]
    head = btf.kernel().offsets("sk_buff")["head"]
    shared = btf.kernel().offsets("skb_shared_info")
    parts = [f"pieces=+{end + shared['nr_frags']}(+{head}({register})):u8"]
    for number in range(FRAGMENTS):
        at = end + shared["frags"] + 16 * number
        page = f"+{at}(+{head}({register}))"
        parts += [f"p{number}={page}:x64", f"m{number}=+{mapping}({page}):x64",
                  f"n{number}=+{at + 8}(+{head}({register})):u32"]
    return " ".join(parts)


def scatter_list(name, pointer, count):
    """tls_push_record() gives lists whose second entry is a link, with 1 added, to the pieces."""
    at, size = btf.kernel().offsets("scatterlist"), btf.kernel().size("scatterlist")
    pieces = f"+{size + at['page_link']}({pointer})"
    return " ".join(f"{name}p{number}={number * size + at['page_link'] - 1:+d}({pieces}):x64 "
                    f"{name}n{number}={number * size + at['length'] - 1:+d}({pieces}):u32"
                    for number in range(count))


def user_buffer(register, offset=0):
    """Where an iov_iter stands in a process: at an address, or in a list of them."""
    at = btf.kernel().offsets("iov_iter")
    base = at["ubuf"] + offset
    parts = [f"kind=+{at['iter_type'] + offset}({register}):u8",
             f"skip=+{at['iov_offset'] + offset}({register}):u64", f"base=+{base}({register}):x64"]
    for number in range(SEGMENTS):
        parts += [f"a{number}=+{16 * number}(+{base}({register})):x64",
                  f"c{number}=+{16 * number + 8}(+{base}({register})):u64"]
    return " ".join(parts)


def place_in_file(register):
    """Of a kiocb: device, inode and position."""
    kiocb, file, inode, block = (btf.kernel().offsets(name)
                                 for name in ("kiocb", "file", "inode", "super_block"))
    node = f"+{file['f_inode']}(+{kiocb['ki_filp']}({register}))"
    return f"device=+{block['s_dev']}(+{inode['i_sb']}({node})):u32 " \
           f"inode=+{inode['i_ino']}({node}):u64 position=+{kiocb['ki_pos']}({register}):u64"


def definitions(end):
    """Name of each probe, the functions to try, and what it reads."""
    request = btf.kernel().offsets("aead_request")
    data = btf.kernel().offsets("sk_buff")["data"]
    transform = request["base"] + btf.kernel().offsets("crypto_async_request")["tfm"]
    message = btf.kernel().offsets("msghdr")["msg_iter"]
    record = btf.kernel().offsets("sk_msg")["sg"] + btf.kernel().offsets("sk_msg_sg")["data"]
    socket_of_packet = f"+{btf.kernel().offsets('sk_buff')['sk']}({FIRST})"
    return {
        # A packet of TCP on its way to IP: still the pages themselves, before anything of them is
        # copied for an interface that cannot gather.
        "packet": (["ip_queue_xmit"], f"{sock_fields(FIRST)} {packet_fields(SECOND)} "
                                      f"{fragments(SECOND, end)}"),
        # A packet handed to an interface: to the bond, and from it to a member.
        "leave": (["__dev_queue_xmit"], f"{sock_fields(socket_of_packet)} "
                                        f"{interface_of(FIRST)} {packet_fields(FIRST)}"),
        # A packet just arrived. Its data begins with the IP header, here one without options.
        "arrive": (["gro_receive_skb", "napi_gro_receive"],
                   f"{interface_of(SECOND)} peer=+12(+{data}({SECOND})):u32 "
                   f"port=+20(+{data}({SECOND})):u16 to=+22(+{data}({SECOND})):u16"),
        # A thread gives something to a connection. sendfile takes the last way before Linux 6.5.
        "send": (["tcp_sendmsg_locked"], f"{sock_fields(FIRST)} size={THIRD}:u64"),
        "give": (["tcp_sendmsg_locked"], f"{sock_fields(FIRST)} {user_buffer(SECOND, message)}"),
        "gave": (["tcp_sendmsg_locked"], RESULT + "s32"),
        "splice": (["do_tcp_sendpages"], f"{sock_fields(FIRST)} size={FOURTH}:u64"),
        # A record of kernel TLS is sealed: a CPU reads one memory and writes another. And what a
        # process gives to it by a copy.
        "seal": (["crypto_aead_encrypt"],
                 f"tfm=+{transform}({FIRST}):x64 len=+{request['cryptlen']}({FIRST}):u32 "
                 f"src=+{request['src']}({FIRST}):x64 "
                 + scatter_list("s", f"+{request['src']}({FIRST})", SOURCES) + " "
                 + scatter_list("d", f"+{request['dst']}({FIRST})", TARGETS)),
        "stash": (["sk_msg_memcopy_from_iter"],
                  f"size={FOURTH}:u32 page=+{record}({THIRD}):x64 {user_buffer(SECOND)}"),
        # A file is read into a process, or into a pipe.
        "read": (["filemap_read"], f"{place_in_file(FIRST)} {user_buffer(SECOND)}"),
        "got": (["filemap_read"], RESULT + "s64"),
    }


OPTIONAL = {"splice"}
# Kept as sums: what for, of what, and which events.
SUMS = {
    "leave": ("peer,port,link", "len", "num == {port}"),
    "arrive": ("peer,port,link", "hitcount", "to == {wire_port}"),
    "send": ("peer,port,common_pid", "size", "num == {port}"),
    "splice": ("peer,port,common_pid", "size", "num == {port}"),
}
FILTERS = {"packet": "num == {port} && data_len > 0", "give": "num == {port}"}


def write(path, text, append=False):
    """One write; tracefs has no end to seek to, which Python's own append would."""
    file = os.open(path, os.O_WRONLY | (os.O_APPEND if append else os.O_TRUNC))
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


def numbers(text):
    """The fields of an event, "a=1 b=0x2"."""
    return {name: int(value, 0) for name, value in
            (part.split("=", 1) for part in text.split() if "=" in part)}


class Trace:
    """What was seen. lines: (event, cpu, pid, fields) in the order of time; sums: by event, a list
    of (keys, amount); missed: how often a probe could not run."""

    def __init__(self, lines, sums, missed=None):
        self.lines, self.sums, self.missed = lines, sums, missed or {}

    def of(self, *events):
        return [line for line in self.lines if line[0] in events]


class Instance:
    """A trace buffer of its own in tracefs, and the probes that write into it."""

    def __init__(self):
        self.path = TRACING / "instances" / GROUP
        self.names = []

    def __enter__(self):
        self.path.mkdir()
        write(OPTIMIZATION, "0")
        write(self.path / "buffer_size_kb", str(BUFFER_KB))
        write(self.path / "options/overwrite", "0")
        return self

    def __exit__(self, *_):
        write(self.path / "tracing_on", "0")
        write(self.path / "events/enable", "0")
        self.path.rmdir()  # with its triggers
        for name in self.names:
            write(TRACING / "kprobe_events", f"-:{GROUP}/{name}", append=True)
        write(OPTIMIZATION, "1")

    def probe(self, name, functions, fields):
        """At the first of the functions that is there; True if one is."""
        at_end = fields.startswith(RESULT)
        kind = "r" if at_end else "p"
        places = functions if at_end else [f"{function}+{skip}" for function in functions
                                           for skip in ENTRIES]
        for place in places:
            try:
                write(TRACING / "kprobe_events", f"{kind}:{GROUP}/{name} {place} {fields}", True)
            except OSError:
                continue
            self.names.append(name)
            return True
        return False

    def event(self, name):
        return self.path / "events" / GROUP / name

    def keep(self, event, condition=None):
        if condition:
            write(event / "filter", condition)
        write(event / "enable", "1")

    def add_up(self, name, keys, amount, condition):
        write(self.event(name) / "trigger",
              f"hist:keys={keys}:vals={amount}:size=16384 if {condition}", append=True)

    def sums(self, name):
        text = (self.event(name) / "hist").read_text()
        dropped = re.search(r"Dropped: (\d+)", text)
        assert dropped and dropped[1] == "0", f"{name}: {text[-300:]}"
        return [({key.strip(): int(value) for key, value in
                  (pair.split(":") for pair in keys.split(","))}, int(amount or hits))
                for keys, hits, amount in ROW.findall(text)]

    def missed(self):
        """How often a probe could not run, by name."""
        rows = [line.split() for line in (TRACING / "kprobe_profile").read_text().splitlines()]
        return {row[0]: int(row[2]) for row in rows if row[0] in self.names and int(row[2])}

    def lines(self):
        for path in self.path.glob("per_cpu/cpu*/stats"):
            lost = re.findall(r"(?:overrun|dropped events): (\d+)", path.read_text())
            assert set(lost) == {"0"}, f"events were lost: {path.read_text()}"
        with open(self.path / "trace", encoding="utf-8", errors="replace") as file:
            return [parsed for line in file if (parsed := parse(line))]


def parse(line):
    found = LINE.match(line)
    if not found:
        return None
    _, pid, cpu, _, event, text = found.groups()
    if event == "mm_filemap_add_to_page_cache":
        major, minor, inode, frame, page, order = FILL.search(text).groups()
        return ("fill", int(cpu), int(pid),
                {"device": (int(major), int(minor)), "inode": int(inode, 16),
                 "frame": int(frame, 0), "page": int(page), "order": int(order or 0)})
    return event, int(cpu), int(pid), numbers(text)


class Layout:
    """What this boot of the kernel chose: where its map of pages and of memory begin, and how long
    the head of a packet of TCP is."""

    def __init__(self):
        packets = self._look()
        ends = {line[3]["end"] for line in packets}
        assert len(ends) == 1, f"packets of TCP have heads of several lengths: {ends}"
        self.end = ends.pop()
        self.pages, self.memory = packets[0][3]["pages"], packets[0][3]["memory"]

    @staticmethod
    def _look():
        with Instance() as instance:
            assert instance.probe("look", ["ip_queue_xmit"],
                                  f"{packet_fields(SECOND)} pages=@vmemmap_base:x64 "
                                  "memory=@page_offset_base:x64"), "the kernel refuses probes"
            instance.keep(instance.event("look"), "data_len > 0")
            talk()
            packets = instance.lines()
            assert packets, "no packet was seen"
            return packets

    def frame_of_page(self, page):
        """The page frame number of a struct page; lists add marks in the lowest bits."""
        return ((page & ~3) - self.pages) // btf.kernel().size("page")

    def frame_of_address(self, address):
        return (address - self.memory) >> PAGE_SHIFT


def talk():
    """Some bytes over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as sender:
            receiver, _ = listener.accept()
            thread = threading.Thread(target=sender.sendall, args=(bytes(200_000),))
            thread.start()
            left = 200_000
            while left:
                left -= len(receiver.recv(65536))
            thread.join()
            receiver.close()


class Watch:
    """Watches a server's port: `with Watch(port, layout) as watch: ...`, then watch.trace."""

    def __init__(self, port, layout):
        self.names = {"port": port, "wire_port": socket.htons(port)}
        self.layout = layout
        self.instance = Instance()
        self.trace = None

    def __enter__(self):
        self.instance.__enter__()
        try:
            self._set_up()
        except BaseException:
            self.instance.__exit__()
            raise
        return self

    def _set_up(self):
        instance = self.instance
        write(instance.path / "tracing_on", "0")
        for name, (functions, fields) in definitions(self.layout.end).items():
            if not instance.probe(name, functions, fields):
                assert name in OPTIONAL, f"no probe at {functions}"
            elif name in SUMS:
                keys, amount, condition = SUMS[name]
                instance.add_up(name, keys, amount, condition.format(**self.names))
            else:
                condition = FILTERS.get(name)
                instance.keep(instance.event(name), condition and condition.format(**self.names))
        instance.keep(instance.path / FILL_EVENT)
        write(instance.path / "tracing_on", "1")

    def __exit__(self, kind, *_):
        write(self.instance.path / "tracing_on", "0")
        try:
            if kind is None:
                self.trace = Trace(self.instance.lines(), self._sums(), self.instance.missed())
        finally:
            self.instance.__exit__()

    def _sums(self):
        return {name: self.instance.sums(name) for name in SUMS if name in self.instance.names}
