# SPDX-License-Identifier: Apache-2.0
"""Fixtures of test/http in the guest, and the choice of machine.

A test without a mark runs on the machine small. @pytest.mark.machine("numa2", ...) names others;
what belongs to another machine is not there at all, rather than skipped. Neither is what belongs to
another kernel, @pytest.mark.kernel("6.12", ...), or to a run of its own, @pytest.mark.named, unless a
file was named on the command line.
"""

import pytest

import fixtures
import lab
import lacp
from fixtures import *  # noqa: F401,F403

DEFAULT = ("small",)


def pytest_configure(config):
    fixtures.pytest_configure(config)
    config.addinivalue_line("markers", "machine(name...): the machines that the test is for")
    config.addinivalue_line("markers", "kernel(name...): the kernels of the run of everything")
    config.addinivalue_line("markers", "named: only where its file is named")
    config.addinivalue_line("markers", "kernel_since(major, minor, why): needs that kernel")


def _belongs_here(item, named):
    machine, kernel = item.get_closest_marker("machine"), item.get_closest_marker("kernel")
    if lab.MACHINE not in (machine.args if machine else DEFAULT):
        return False
    if named:
        return True
    return item.get_closest_marker("named") is None and \
        (kernel is None or lab.KERNEL in kernel.args)


def pytest_collection_modifyitems(config, items):
    named = any(".py" in arg for arg in config.invocation_params.args)
    here, elsewhere = [], []
    for item in items:
        (here if _belongs_here(item, named) else elsewhere).append(item)
    items[:] = here
    config.hook.pytest_deselected(items=elsewhere)


def pytest_runtest_setup(item):
    fixtures.pytest_runtest_setup(item)
    for mark in item.iter_markers("kernel_since"):
        major, minor, why = mark.args
        if lab.kernel_version() < (major, minor):
            pytest.skip(f"Linux {major}.{minor} or later: {why}")


@pytest.fixture(scope="session")
def bundle():
    """The LACP bundle of the machines numa2 and numa4, negotiated."""
    made = lacp.Bundle()
    yield made.wait()
    made.remove()
