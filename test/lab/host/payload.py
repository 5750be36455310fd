# SPDX-License-Identifier: Apache-2.0
"""The disk with the code under test, made anew for each run, so that the base image stays cached.

It looks like the source tree where tests expect it to: /lab/test/lab/guest, /lab/test/http,
/lab/conf, and the built programs in /lab/build. Libraries that the programs were linked with and
that the guest has not got lie in /lab/lib.
"""
import json
import re
import shutil
import subprocess
from pathlib import Path

import image

ROOT = Path(__file__).resolve().parents[3]
# Copied as they are.
FOLDERS = ["test/lab/guest", "test/http", "conf/examples"]
FILES = ["conf/mime.types", "conf/millrace.conf"]
# Besides millrace: unit tests of what depends on the kernel, and what tests in the guest use.
PROGRAMS = ["lab_*", "unit_lib_ring_*", "unit_lib_tls_*", "unit_lib_topo_topo",
            "unit_lib_topo_machine", "unit_lib_topo_link_watch", "unit_lib_net_listener",
            "unit_lib_net_napi", "unit_lib_net_neighbour", "unit_lib_net_route",
            "unit_lib_net_sockopt", "unit_lib_net_steering*", "unit_lib_file_page_node",
            "unit_lib_file_frequency", "unit_lib_file_replica*", "unit_lib_file_drop"]


def libraries(program):
    """Name and path of each library that the program is linked with."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    if "not found" in done.stdout:
        raise RuntimeError(f"{program}: {done.stdout}")
    return re.findall(r"(\S+) => (/\S+)", done.stdout)


def guest_libraries():
    """Packages of the guest do not say what libraries they hold, so the image is asked."""
    done = subprocess.run(["debugfs", "-R", "ls -p /usr/lib/x86_64-linux-gnu",
                           image.guest() / "root.img"], capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    return set(re.findall(r"^/\d+/\d+/\d+/\d+/([^/]+)/", done.stdout, re.M))


def gather(build, folder):
    """Copies everything that goes onto the disk."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name,
                        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    for name in ("build", "lib"):
        (folder / name).mkdir()
    programs = [build / "millrace"] + [path for pattern in PROGRAMS
                                       for path in sorted(build.glob(pattern))]
    there = guest_libraries()
    for program in programs:
        if not program.exists():
            raise FileNotFoundError(f"there is no {program}: build it first (make build)")
        shutil.copy2(program, folder / "build" / program.name)
        for name, path in libraries(program):
            if name not in there and not (folder / "lib" / name).exists():
                shutil.copy2(path, folder / "lib" / name)


def make(build, work, job):
    """The image; job is what the guest shall do, in /lab/job.json."""
    folder = work / "payload"
    folder.mkdir()
    gather(Path(build), folder)
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "job").write_text("".join(f"{key}={quoted(value)}\n" for key, value in job.items()))
    used = int(subprocess.run(["du", "-sm", folder], check=True, capture_output=True,
                              text=True).stdout.split()[0])
    image.make_file_system(folder, work / "payload.img", f"{used * 5 // 4 + 8}M", "lab")
    return work / "payload.img"


def quoted(value):
    """A value for the guest's shell: a list becomes an array."""
    if isinstance(value, (list, tuple)):
        return "(" + " ".join(map(quoted, value)) + ")"
    return "'" + str(value).replace("'", "'\\''") + "'"
