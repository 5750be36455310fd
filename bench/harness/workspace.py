# SPDX-License-Identifier: Apache-2.0
"""Where a run keeps its things: the files that are served, the configurations, the programs."""

import os
import pathlib
import random
import resource
import shutil
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIZES = {"1k": 1024, "10k": 10 * 1024, "100k": 100 * 1024, "1m": 1024 * 1024}
HOT = "10k.bin"


class BenchError(Exception):
    """Something that ends the run, said in one sentence."""


class Skipped(Exception):
    """This machine cannot do one part of the run; the sentence says why."""


def find_tool(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise BenchError(f"{name} is missing: apt install {package}")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def raise_descriptor_limit():
    """The soft limit goes to the hard one; children inherit it. Returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def raise_priority(nice):
    """Of this process and all it starts. Returns what it was, for the same call at the end."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    # With autogroups the scheduler weighs sessions first, and nice only within a session.
    group = pathlib.Path("/proc/self/autogroup")
    if group.exists():
        group.write_text(str(nice))
    return before


def newest(paths):
    return max(p.stat().st_mtime for p in paths)


def helper_program(name, sources, libs, out):
    """Path of floor or pace: CMake's if it is not older than its sources, else compiled here."""
    sources = [ROOT / "bench" / s for s in sources]
    for built in (ROOT / "build/release/bench" / name, out / name):
        if built.exists() and built.stat().st_mtime >= newest(sources):
            return str(built)
    target = out / name
    command = ["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-I", str(ROOT), "-o", str(target)]
    try:
        subprocess.run(command + [str(s) for s in sources if s.suffix == ".c"] + libs, check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise BenchError(f"{name} cannot be compiled: {e}") from e
    return str(target)


class Workspace:
    """A directory on a real file system, readable by the unprivileged workers."""

    def __init__(self, out):
        # Not under the tree, whose parents may be closed to other users, and not in /tmp, which
        # may be a tmpfs: sendfile from a tmpfs is another code path than from a disk file.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench.", dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.www = self.dir / "www"
        self.www.mkdir()
        self.out = out
        rng = random.Random(1)
        for label, size in SIZES.items():
            (self.www / f"{label}.bin").write_bytes(rng.randbytes(size))

    def floor(self):
        sources = ["floor.c", "floor_epoll.c", "floor_tls.c", "floor_uring.c", "floor_priv.h"]
        return helper_program("floor", sources, ["-luring", "-lssl", "-lcrypto"], self.out)

    def pace(self):
        return helper_program("pace", ["pace.c"], [], self.out)

    def handshakes(self):
        return helper_program("handshakes", ["handshakes.c"], ["-lssl", "-lcrypto"], self.out)

    def download(self):
        return helper_program("download", ["download.c"], ["-lssl", "-lcrypto"], self.out)

    def certificate(self):
        """A P-256 certificate that signs itself, and its key, in one file; made once."""
        pem = self.dir / "tls.pem"
        if not pem.exists():
            command = [find_tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec",
                       "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                       "-subj", "/CN=localhost", "-keyout", "-", "-out", "-"]
            p = subprocess.run(command, capture_output=True, text=True, check=False)
            if p.returncode:
                raise BenchError(f"no certificate: {p.stderr.strip()[-300:]}")
            pem.write_text(p.stdout)
        return pem

    def make_large(self, name, mebibytes):
        """A file of which a client does not get to the end soon."""
        piece = random.Random(2).randbytes(1024 * 1024)
        with open(self.www / name, "wb") as f:
            for _ in range(mebibytes):
                f.write(piece)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def pick_cpus():
    """The server's CPU and the load generator's: the first two this process may use."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise BenchError("two CPUs are needed, one for the server and one for the load")
    return cpus[0], cpus[1]
