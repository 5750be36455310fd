# SPDX-License-Identifier: Apache-2.0
"""Where pages lie and where replicas lie, on several nodes, with a witness of its own: this process
maps the same memory and asks move_pages(2). The rest of lib/file's unit tests run along with
test_units.py, but only here are there nodes to tell apart."""

import ctypes
import mmap
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

import lab

pytestmark = pytest.mark.machine("numa2", "numa4")

NODES = 4 if lab.MACHINE == "numa4" else 2
CHUNK = 1 << 20  # REPLICA_CHUNK
SIZE = 4 * CHUNK
PAGE = mmap.PAGESIZE

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
move_pages = ctypes.CDLL("libnuma.so.1", use_errno=True).move_pages
move_pages.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p,
                       ctypes.c_void_p, ctypes.c_int]


def nodes_of(path, offset, length):
    """The nodes of the pages of a part of a file, which is resident."""
    file = os.open(path, os.O_RDONLY)
    base = libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, file, offset)
    assert base != ctypes.c_void_p(-1).value
    count = length // PAGE
    addresses = [base + page * PAGE for page in range(count)]
    for address in addresses:
        ctypes.string_at(address, 1)
    status = (ctypes.c_int * count)()
    assert move_pages(0, count, (ctypes.c_void_p * count)(*addresses), None, status, 0) == 0
    libc.munmap(base, length)
    os.close(file)
    return set(status)


def unit_test(program, name, **settings):
    """Runs one test of a unit-test binary; its output."""
    done = subprocess.run([lab.BUILD / f"unit_lib_file_{program}", "--jobs=1", "--verbose",
                           f"--filter={name}"], capture_output=True, text=True, timeout=110,
                          env={**os.environ, "LD_LIBRARY_PATH": "/lab/lib", **settings})
    text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    assert done.returncode == 0 and re.search(r"Tested: 1 \|\s*Passing: 1", text), text


def read_on(node, path):
    """Has the file read into the page cache by a process that is bound to a node."""
    Path("/proc/sys/vm/drop_caches").write_text("1")
    lab.run("numactl", f"--cpunodebind={node}", f"--membind={node}", "dd", f"if={path}",
            "of=/dev/null", "bs=1M")


@pytest.fixture
def file():
    path = Path("/data/node0/replica-test")
    path.write_bytes(os.urandom(SIZE))
    os.sync()
    yield path
    path.unlink()


@pytest.mark.parametrize("node", range(NODES))
def test_pages_are_seen_on_the_node_of_the_process_that_read_them(node, file):
    read_on(node, file)
    assert nodes_of(file, 0, SIZE) == {node}
    unit_test("page_node", "page_node/a_file_that_somebody_else_has_read", PAGE_NODE_FILE=str(file),
              PAGE_NODE_EXPECTED=str(node))


@pytest.mark.parametrize("program,name", [
    ("page_node", "page_node/each_node_is_told_from_the_others"),
    ("replica_node", "replica_node/what_lies_on_the_node_is_not_copied"),
    ("replica_node", "replica_node/what_lies_elsewhere_is_copied_to_the_node"),
    ("replica_node", "replica_node/copies_lie_on_their_node_whoever_makes_them"),
])
def test_unit_tests_that_need_two_nodes_are_not_skipped(program, name):
    unit_test(program, name)


def memfd_of(name):
    """The memfd of a process whose command is `name`, as a path."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if (link.parents[1] / "comm").read_text().startswith(name[:15]) and \
                    os.readlink(link).startswith("/memfd:millrace-replica"):
                return link
        except OSError:
            pass
    raise AssertionError("no process has a store")


@pytest.mark.parametrize("node", range(NODES))
def test_a_replica_lies_on_its_node(node, file, tmp_path):
    """The file has its pages on another node."""
    read_on((node + 1) % NODES, file)
    ready = tmp_path / "ready"
    failed = []

    def hold():
        try:
            unit_test("replica_node", "replica_node/a_copy_to_be_looked_at_from_outside",
                      REPLICA_FILE=str(file), REPLICA_NODE=str(node), REPLICA_READY=str(ready))
        except BaseException as error:  # pylint: disable=broad-except
            failed.append(error)

    thread = threading.Thread(target=hold)
    thread.start()
    deadline = time.monotonic() + 60
    while not ready.exists() and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        assert ready.exists(), failed
        memory = memfd_of("unit_lib_file_replica_node")
        assert nodes_of(memory, 0, CHUNK) == {node}
        with open(memory, "rb") as copy:
            assert copy.read(CHUNK) == file.read_bytes()[:CHUNK]
        assert nodes_of(file, 0, CHUNK) == {(node + 1) % NODES}, "the file's pages moved"
    finally:
        ready.unlink(missing_ok=True)
        thread.join(110)
    assert not failed, failed
