# SPDX-License-Identifier: Apache-2.0
"""Unit tests of what depends on the kernel (io_uring first of all), run on this kernel."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import lab

# Those of lib/tls are here for OpenSSL 3.5, which no kernel changes: once is enough, on the younger
# of the two kernels. These are about the kernel itself.
OF_THE_KERNEL = ("unit_lib_tls_kernel", "unit_lib_tls_session_cache")


def belongs_here(name):
    return (not name.startswith("unit_lib_tls_") or name.startswith(OF_THE_KERNEL) or
            lab.kernel_version() >= (6, 12))


PROGRAMS = sorted(path.name for path in lab.BUILD.glob("unit_*") if belongs_here(path.name))
SYNTHESIS = re.compile(r"Tested: \D*(\d+)\D*Passing: \D*(\d+)\D*Failing: \D*(\d+)"
                       r"\D*Crashing: \D*(\d+)")


def run(program, folder):
    """Exit status and output."""
    folder.mkdir()
    done = subprocess.run([lab.BUILD / program, "--jobs=1"], capture_output=True, text=True,
                          cwd=folder, env={**os.environ, "LD_LIBRARY_PATH": "/lab/lib"},
                          timeout=280)
    return done.returncode, re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """Each program that was asked for, under way: as many at a time as there are CPUs."""
    folder = tmp_path_factory.mktemp("units")
    wanted = [item.callspec.params["program"] for item in request.session.items
              if item.module is request.module and hasattr(item, "callspec")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {program: pool.submit(run, program, folder / program) for program in wanted}


@pytest.mark.limit(300)
@pytest.mark.parametrize("program", PROGRAMS)
def test_unit_tests_pass_on_this_kernel(program, runs):
    status, text = runs[program].result()
    assert status == 0, text
    found = SYNTHESIS.search(text)
    assert found and int(found[1]) > 0, text


def test_there_are_unit_tests_of_the_ring():
    assert any(name.startswith("unit_lib_ring_") for name in PROGRAMS), PROGRAMS
