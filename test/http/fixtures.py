# SPDX-License-Identifier: Apache-2.0
"""Fixtures and hooks of all tests over sockets: servers that are stopped and checked, time limits.

Each folder's conftest.py takes everything from here.
"""

import os
import signal
from pathlib import Path

import pytest

import millrace
from settings import seconds

TEST_LIMIT = 30  # seconds for one test, with its set-up
LONGEST_FIRST = ["test_tls_transfer", "test_replicas", "test_timeouts", "test_process_tree",
                 "test_tls_sessions", "test_limits", "test_limit_rate"]


def pytest_configure(config):
    config.addinivalue_line("markers", "millrace_only: has no counterpart in nginx")
    config.addinivalue_line("markers", "nginx_since(version, why): newer than old nginx releases")
    config.addinivalue_line("markers", "root: needs root")
    config.addinivalue_line("markers", "limit(seconds): a longer time limit")
    if not os.access(millrace.BINARY, os.X_OK):
        pytest.exit(f"no server to test at {millrace.BINARY}: build it, or set MILLRACE_BINARY", 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """For pytest -n auto --dist loadfile. A test mostly waits, for a timeout that it provoked or
    for a process, so there are twice as many workers as CPUs; but not more than files."""
    files = sum(len(list(Path(name).glob("test_*.py"))) or 1 for name in config.args)
    return min(2 * len(os.sched_getaffinity(0)), 8, files)


def pytest_collection_modifyitems(items):
    """The longest files first: where files run side by side, none is left alone at the end."""
    def rank(item):
        name = item.path.stem
        return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


def pytest_runtest_setup(item):
    if item.get_closest_marker("millrace_only") and not millrace.is_millrace():
        pytest.skip("nginx has no such feature")
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    for mark in item.iter_markers("nginx_since"):
        wanted = tuple(map(int, mark.args[0].split(".")))
        if not millrace.is_millrace() and millrace.nginx_version() < wanted:
            pytest.skip(f"nginx {mark.args[0]} or later: {mark.args[1]}")


def _limited(item, phase):
    mark = item.get_closest_marker("limit")
    limit = seconds(mark.args[0] if mark else TEST_LIMIT)

    def expire(_signal, _frame):
        raise TimeoutError(f"{phase} took longer than {limit:.0f} s")

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, limit)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    _limited(item, "the test")
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    _limited(item, "the end of the test")
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def _finish_all(servers):
    errors = []
    for server in servers:
        try:
            server.finish()
        except Exception as error:  # every server must be stopped before the first is reported
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def launch():
    """launch(http=..., main=..., files=...) starts a server for one test."""
    servers = []

    def start(*args, daemon=False, wrapper=(), **options):
        servers.append(millrace.Server(*args, **options))
        return servers[-1].start(daemon, wrapper)

    yield start
    _finish_all(servers)


@pytest.fixture
def prepare():
    """As launch, but does not start: for -t and for starts that must fail."""
    servers = []

    def make(*args, **options):
        servers.append(millrace.Server(*args, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.allow = r".*"
    _finish_all(servers)


@pytest.fixture(scope="module")
def site(request):
    """One server for a module: its HTTP text, and optionally MAIN, FILES, ALLOW, SETUP."""
    module = request.module
    server = millrace.Server(module.HTTP, main=getattr(module, "MAIN", ""),
                             files=getattr(module, "FILES", None),
                             allow=getattr(module, "ALLOW", None),
                             ports_wanted=getattr(module, "PORTS", 3))
    if hasattr(module, "SETUP"):
        module.SETUP(server)
    try:
        server.start()
        yield server
    finally:
        server.finish()
