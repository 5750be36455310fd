# SPDX-License-Identifier: Apache-2.0
"""Unit tests of what depends on the kernel (io_uring first of all), run on this kernel."""

import os
import re
import subprocess

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


@pytest.mark.limit(300)
@pytest.mark.parametrize("program", PROGRAMS)
def test_unit_tests_pass_on_this_kernel(program, tmp_path):
    done = subprocess.run([lab.BUILD / program, "--jobs=1"], capture_output=True, text=True,
                          cwd=tmp_path, env={**os.environ, "LD_LIBRARY_PATH": "/lab/lib"},
                          timeout=280)
    text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    assert done.returncode == 0, text
    found = SYNTHESIS.search(text)
    assert found and int(found[1]) > 0, text


def test_there_are_unit_tests_of_the_ring():
    assert any(name.startswith("unit_lib_ring_") for name in PROGRAMS), PROGRAMS
