# SPDX-License-Identifier: Apache-2.0
"""Hot requests while others read from a slow disk.

The slow disk is a loop device with an ext4 on it, whose reads the block layer throttles for the
server's control group (blkio in version 1, io.max in version 2). To the server that is a disk
like any other: read-ahead, page cache and asynchronous reads work as on real ones.
"""

import contextlib
import os
import pathlib
import random
import statistics
import subprocess
import time

from .load import errors_of, pace, parse, verify
from .workspace import HOT, BenchError, Skipped, find_tool

CLIENTS = 16  # hot ones; as many again read cold files
RATE = 2000  # hot requests per second, all clients together: far from any server's limit
COLD_FILES = 192
COLD_SIZE = 1024 * 1024
BYTES_PER_SECOND = 16 * 1024 * 1024
# What the cold clients had asked for when they went is still read: a file each at the most. The
# next round begins after that.
SETTLE = 1 + 2 * CLIENTS * COLD_SIZE / BYTES_PER_SECOND


def call(*command):
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    if p.returncode:
        raise Skipped(f"{command[0]}: {(p.stderr or p.stdout).strip()}")
    return p.stdout.strip()


def write(path, text):
    try:
        path.write_text(text)
    except OSError as e:
        raise Skipped(f"{path}: {e.strerror}") from e


@contextlib.contextmanager
def slow_disk(workspace):
    """Mounts the disk on www/cold; yields its device number."""
    image, mount = workspace.dir / "slow.img", workspace.www / "cold"
    mount.mkdir(exist_ok=True)
    with open(image, "wb") as f:
        f.truncate((COLD_FILES + 64) * COLD_SIZE)
    mkfs, losetup = find_tool("mkfs.ext4", "e2fsprogs"), find_tool("losetup", "mount")
    call(mkfs, "-q", "-F", "-m", "0", "-O", "^has_journal", str(image))
    device = call(losetup, "--find", "--show", str(image))
    try:
        call("mount", "-o", "noatime", device, str(mount))
        try:
            fill(mount)
            yield pathlib.Path(f"/sys/block/{device[5:]}/dev").read_text().strip()
        finally:
            if subprocess.run(["umount", str(mount)], check=False).returncode:
                call("umount", "--lazy", str(mount))
    finally:
        call(losetup, "--detach", device)


def fill(mount):
    block = random.Random(2).randbytes(COLD_SIZE)
    for i in range(1, COLD_FILES + 1):
        (mount / f"{i}.bin").write_bytes(block)
    os.sync()


def make_cold(mount):
    """The pages of the cold files leave the page cache; what was written must be on disk."""
    for path in mount.glob("*.bin"):
        with open(path, "rb") as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def throttled_group(device):
    """A control group whose reads from the device are slow; yields its cgroup.procs."""
    name = f"millrace-bench-{os.getpid()}"
    if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists():
        base = pathlib.Path("/sys/fs/cgroup")
        if "io" not in (base / "cgroup.subtree_control").read_text().split():
            write(base / "cgroup.subtree_control", "+io")
        limit, text = "io.max", f"{device} rbps={BYTES_PER_SECOND}"
    else:
        base = pathlib.Path("/sys/fs/cgroup/blkio")
        limit, text = "blkio.throttle.read_bps_device", f"{device} {BYTES_PER_SECOND}"
    if not (base / "cgroup.procs").exists():
        raise Skipped("no control group for block devices is mounted under /sys/fs/cgroup")
    group = base / name
    try:
        group.mkdir()
    except OSError as e:
        raise Skipped(f"{group}: {e.strerror}") from e
    try:
        write(group / limit, text)
        yield group / "cgroup.procs"
    finally:
        remove_group(group)


def remove_group(group):
    """A group can go only when its last process has been reaped."""
    for _ in range(50):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def hot(server, program, cpu, seconds):
    result = pace(program, cpu, server.port, f"/{HOT}", CLIENTS, RATE, seconds)
    if result["errors"]:
        raise BenchError(f"{server.name}: {result['errors']} hot requests failed")
    return result


def with_cold(server, wrk, program, seconds):
    """The hot clients' latency while the cold ones read. The cold files are read once at most."""
    make_cold(server.workspace.www / "cold")
    reader = wrk.start_walk(server, COLD_FILES, CLIENTS, seconds + 1)
    try:
        time.sleep(0.5)
        result = hot(server, program, wrk.cpu, seconds)
        stdout, stderr = reader.communicate(timeout=seconds + 90)
    finally:
        if reader.poll() is None:
            reader.kill()
            reader.wait()
    cold = parse(stdout, stderr)
    if errors_of(cold) or not cold["bytes"]:
        raise BenchError(f"{server.name}: the cold reads failed: {cold}")
    time.sleep(SETTLE)
    # Faster than the disk means that it was not the disk that was read.
    rate = cold["bytes"] / (cold["duration_us"] / 1e6)
    if rate > 2 * BYTES_PER_SECOND:
        raise Skipped(f"the disk is not throttled: {rate / 1e6:.0f} MB/s were read from it")
    result["cold_bytes_per_second"] = rate
    return result


def measure(start, wrk, workspace, rounds, seconds, say):
    """start(role, join): a fresh server inside the throttled group, for each of the two roles."""
    if os.geteuid() != 0:
        raise Skipped("a loop device and a control group need root")
    program = workspace.pace()
    expected = (workspace.www / HOT).read_bytes()
    with slow_disk(workspace) as device, throttled_group(device) as join:
        found = {}
        for role in start.roles:
            server = start(role, join)
            try:
                verify(server, f"/{HOT}", expected)
                found[role] = measure_one(server, wrk, program, rounds, seconds, say)
            finally:
                server.stop()
        return found


def measure_one(server, wrk, program, rounds, seconds, say):
    taken = []
    for n in range(rounds):
        alone = hot(server, program, wrk.cpu, seconds)
        beside = with_cold(server, wrk, program, seconds)
        taken.append({"alone": alone, "beside": beside,
                      "ratio": beside["p99_us"] / alone["p99_us"]})
        say(f"cold round {n + 1}: {server.name} p99 {alone['p99_us']:.0f} us alone, "
            f"{beside['p99_us']:.0f} us beside cold reads")
    ratios = [r["ratio"] for r in taken]
    return {
        "alone_p99_us": statistics.median(r["alone"]["p99_us"] for r in taken),
        "beside_p99_us": statistics.median(r["beside"]["p99_us"] for r in taken),
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "rounds": taken,
    }
