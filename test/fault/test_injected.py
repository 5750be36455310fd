# SPDX-License-Identifier: Apache-2.0
"""System calls that fall short or fail, by a preloaded library: whole bodies or a closed end."""

import errno
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import millrace
from millrace import LeakCheck
from settings import is_sanitized
from wire import eventually

HTTP = """
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        tcp_nopush on;
        location /copy/ { sendfile off; alias @PREFIX@/html/; }
        location / { sendfile on; }
        location = /text { return 200 text; }
    }
    server { listen 127.0.0.1:@PORT1@; location = /status { stub_status; } }
"""
BIG = random.Random(5).randbytes(4 << 20)
FILES = {"html/big": BIG, "html/small": BIG[:1000]}
# An injected error is a local fault that may well be worth an [alert].
ALLOW = r"\[alert\].*(failed|sendfile|writev|send|pread|read)"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler")
    if is_sanitized():
        pytest.skip("a preloaded library and a sanitizer's own interceptors do not mix")
    folder = tmp_path_factory.mktemp("inject")
    os.chmod(folder, 0o755)
    target = folder / "inject.so"
    source = Path(__file__).with_name("inject.c")
    subprocess.run([compiler, "-std=gnu17", "-O1", "-Wall", "-fPIC", "-shared", "-o", target,
                    source, "-ldl"], check=True, timeout=60)
    return target


def launch_with(launch, library, fault):
    seen = library.with_name("seen")
    seen.write_text("")
    seen.chmod(0o666)
    return launch(http=HTTP, files=FILES, allow=ALLOW,
                  env={"LD_PRELOAD": str(library), "MILLRACE_FAULT": fault,
                       "MILLRACE_FAULT_SEEN": str(seen)})


def expect_struck(library, fault):
    """A fault that never happens proves nothing. (nginx may serve without some of the calls.)"""
    if millrace.is_millrace():
        struck = library.with_name("seen").read_text().split()
        assert sorted(struck) == sorted(one.split("=")[0] for one in fault.split(","))


PATHS = ["/big", "/copy/big", "/small", "/copy/small", "/text"]
BODIES = {"/text": b"text"} | {p: FILES["html/" + p.rsplit("/", 1)[1]] for p in PATHS[:4]}


@pytest.mark.parametrize("fault", [
    "sendfile=short/1", "sendfile=short/3", "send=short/1", "send=short/2",
    "read=short/1", "sendfile=short/2,send=short/3,read=short/2",
    f"sendfile={errno.EAGAIN}/5", f"sendfile={errno.EINTR}/2",
])
def test_harmless_faults_change_no_byte(launch, library, fault):
    if "read" in fault and not millrace.is_millrace():
        pytest.skip("nginx takes a short read for a truncated file")
    if f"={errno.EAGAIN}/" in fault and not millrace.is_millrace():
        pytest.skip("an edge-triggered server waits for an edge that an injected EAGAIN lacks")
    server = launch_with(launch, library, fault)
    with server.client() as client:
        for _ in range(3):
            for path in PATHS:
                assert client.request(path).body == BODIES[path], path
    part = server.fetch("/big", "Range: bytes=1000000-1999999,3000000-3000009")
    assert BIG[1000000:2000000] in part.body and BIG[3000000:3000010] in part.body
    expect_struck(library, fault)


@pytest.mark.parametrize("call", ["sendfile", "send", "read"])
@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.ENOMEM, errno.EIO, errno.EPIPE])
def test_failures_cost_one_connection_each(launch, library, call, error):
    server = launch_with(launch, library, f"{call}={error}/7")
    whole = broken = 0
    for number in range(60):
        path = PATHS[number % len(PATHS)]
        try:
            answer = server.fetch(path)
            assert answer.status >= 500 or answer.body == BODIES[path]
            whole += answer.status == 200
            broken += answer.status != 200
        except (EOFError, ConnectionResetError):
            broken += 1
    assert whole > 10
    expect_struck(library, f"{call}={error}/7")
    assert len(server.processes()) >= 2, "no process died of it"
    assert eventually(lambda: server.children())


def test_failures_leave_no_descriptor(launch, library):
    server = launch_with(launch, library, f"sendfile={errno.ENOMEM}/2,read={errno.EIO}/5")

    class Quiet(LeakCheck):
        def _look(self):
            return self.server.descriptors(), None

    def some(count):
        for number in range(count):
            try:
                server.fetch(PATHS[number % len(PATHS)])
            except (EOFError, ConnectionResetError):
                pass

    some(10)
    check = Quiet(server)
    some(200)
    check.settle()
    expect_struck(library, "sendfile,read")
