# SPDX-License-Identifier: Apache-2.0
"""Replicas of hot content, and content that leaves the page cache behind its response.

`anywhere` makes replicas of what lies on the silo's own node too, so that this runs on a machine
with one node.
"""

import json
import mmap
import os
import subprocess
import time

import pytest

from wire import eventually

pytestmark = pytest.mark.millrace_only

MAIN = "worker_processes 2;\nsilo_replica_memory 8m anywhere;\n"
HTTP = """
    open_file_cache max=100; open_file_cache_valid 1h;
    server { listen 127.0.0.1:@PORT@; root @PREFIX@/html;
             location = /status { status json; }
             location /drop/ { page_cache drop; } }
"""
MIB = 1 << 20


def counters(server):
    return json.loads(server.fetch("/status").body)["total"]


def old(path):
    """A file that changed a moment ago gets no replica."""
    time.sleep(2.2)
    return path


def fetch_until_replica(server, path, expected):
    """Asks until bytes come from a replica."""
    def ask():
        assert server.fetch(path).body == expected
        return counters(server)["bytes_replica"] > 0
    assert eventually(ask, timeout=20, step=0.01), counters(server)


def content(seed, size):
    return bytes((seed + i * 7) % 251 for i in range(4096)) * (size // 4096)


@pytest.mark.limit(60)
def test_hot_content_is_served_from_a_replica_and_is_the_same(launch):
    body = content(1, 3 * MIB) + b"tail"
    server = launch(HTTP, main=MAIN, files={"html/hot": body})
    old(server.path("html/hot"))
    fetch_until_replica(server, "/hot", body)
    for _ in range(20):
        assert server.fetch("/hot").body == body
        assert server.fetch("/hot", "Range: bytes=1048570-1048590").body == body[1048570:1048591]
        assert server.fetch("/hot", f"Range: bytes={3 * MIB - 2}-").body == body[-6:]
    now = counters(server)
    assert now["replica_admitted"] >= 3
    assert now["bytes_replica"] > 10 * MIB


@pytest.mark.limit(60)
@pytest.mark.parametrize("change", ["in place", "rename", "truncate"])
def test_a_file_that_changed_is_never_served_from_its_replica(launch, change):
    before, after = content(1, 2 * MIB), content(2, 2 * MIB)
    server = launch(HTTP.replace("open_file_cache max=100; open_file_cache_valid 1h;", ""),
                    main=MAIN, files={"html/hot": before})
    path = server.path("html/hot")
    old(path)
    fetch_until_replica(server, "/hot", before)
    if change == "in place":
        with open(path, "r+b") as file:
            file.write(after)
    elif change == "rename":
        other = str(path) + ".new"
        with open(other, "wb") as file:
            file.write(after)
        os.rename(other, path)
    else:
        os.truncate(path, MIB)
        after = before[:MIB]
    for _ in range(10):
        assert server.fetch("/hot").body == after


@pytest.mark.limit(60)
def test_an_open_file_that_is_rewritten_in_place_is_fresh(launch):
    """The descriptor and its attributes are kept by open_file_cache, its content is not."""
    before, after = content(1, 2 * MIB), content(2, 2 * MIB)
    server = launch(HTTP, main=MAIN, files={"html/hot": before})
    path = old(server.path("html/hot"))
    fetch_until_replica(server, "/hot", before)
    with open(path, "r+b") as file:
        file.write(after)
    for _ in range(10):
        assert server.fetch("/hot").body == after
    assert eventually(lambda: counters(server)["replica_stale"] > 0)


@pytest.mark.limit(60)
def test_replicas_over_tls(launch, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "crt.pem"], check=True,
                   capture_output=True, timeout=30)
    body = content(3, 2 * MIB)
    server = launch(f"""
        ssl_certificate {tmp_path}/crt.pem; ssl_certificate_key {tmp_path}/key.pem;
        server {{ listen 127.0.0.1:@PORT@; listen 127.0.0.1:@PORT1@ ssl; root @PREFIX@/html;
                  location = /status {{ status json; }} }}
    """, main=MAIN, files={"html/hot": body})
    old(server.path("html/hot"))
    def ask():
        done = subprocess.run(["curl", "-sSk", f"https://127.0.0.1:{server.ports[1]}/hot"],
                              check=True, capture_output=True, timeout=20)
        assert done.stdout == body
        return counters(server)["bytes_replica"] > 4 * MIB
    assert eventually(ask, timeout=30, step=0.01), counters(server)


def resident(path):
    """Bytes of a file in the page cache; it must be ours."""
    done = subprocess.run(["fincore", "-b", "-n", "-o", "RES", path], check=True,
                          capture_output=True, text=True, timeout=10)
    return int(done.stdout)


def evict(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def on_a_disk(path):
    """tmpfs has no page cache apart from itself."""
    evict(path)
    return resident(path) == 0


@pytest.mark.limit(60)
@pytest.mark.parametrize("where", ["drop", "keep"])
def test_what_is_read_once_leaves_the_page_cache(launch, where):
    body = content(5, 32 * MIB)
    server = launch(HTTP, main="worker_processes 2;\n", files={f"html/{where}/cold": body})
    path = server.path(f"html/{where}/cold")
    if not on_a_disk(path):
        pytest.skip("the file system of the tests has no page cache of its own")
    assert server.fetch(f"/{where}/cold").body == body
    if where == "drop":
        # What the socket held when the response ended stays, and the step that it lies in.
        assert eventually(lambda: resident(path) <= 12 * MIB, timeout=5), resident(path)
    else:
        assert resident(path) == len(body)


def test_what_was_resident_before_stays(launch):
    body = content(6, 16 * MIB)
    server = launch(HTTP, main="worker_processes 2;\n", files={"html/drop/hot": body})
    path = server.path("html/drop/hot")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        assert data[:] == body
    before = resident(path)
    assert server.fetch("/drop/hot").body == body
    assert resident(path) == before == len(body)
