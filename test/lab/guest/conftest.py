# SPDX-License-Identifier: Apache-2.0
"""Fixtures of test/http in the guest, and the choice of machine.

A test without a mark runs on the machine small. @pytest.mark.machine("numa2", ...) names others;
what belongs to another machine is not there at all, rather than skipped.
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
    config.addinivalue_line("markers", "kernel_since(major, minor, why): needs that kernel")


def pytest_collection_modifyitems(config, items):
    here, elsewhere = [], []
    for item in items:
        mark = item.get_closest_marker("machine")
        names = mark.args if mark else DEFAULT
        (here if lab.MACHINE in names else elsewhere).append(item)
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
