# SPDX-License-Identifier: Apache-2.0
"""The master and its processes: reload, drain, stop, upgrade, replacement of the dead."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

import millrace
from pinned import on_cpu
from settings import seconds
from wire import Client, eventually, fetch

HTTP = """
    server { listen 127.0.0.1:@PORT@; root @PREFIX@/html;
             location = /v { add_header Connection2 x; return 200 "one $pid"; } }
    server { listen 127.0.0.1:@PORT1@; location = /status { stub_status; } }
"""
BIG = b"b" * (16 << 20)
FILES = {"html/f.txt": "file", "html/big": BIG}
TWO_SILOS = "silo cpus=0 node=0;\nsilo cpus=1 node=0;\n"


def version(server):
    return server.fetch("/v").body.split()[0]


def pid_of(answer):
    return int(answer.body.split()[1])


def serving(server):
    """The PIDs that answer on all the CPUs."""
    seen = set()
    for cpu in range(10):
        with on_cpu(cpu):
            seen.add(pid_of(server.fetch("/v")))
    return seen


class Load(threading.Thread):
    """Requests without a pause until stopped; remembers every failure."""

    def __init__(self, port, keep=True):
        super().__init__(daemon=True)
        self.port, self.keep = port, keep
        self.done, self.failures, self.stopping = 0, [], False

    def run(self):
        while not self.stopping:
            try:
                self.some_requests()
            except Exception as error:  # each kind of failure is what the test counts
                self.failures.append(repr(error))

    def some_requests(self):
        if not self.keep:
            assert fetch(self.port, "/f.txt").body == b"file"
            self.done += 1
            return
        with Client(self.port) as client:
            for _ in range(50):
                answer = client.request("/f.txt")
                assert answer.body == b"file"
                self.done += 1
                if answer["Connection"] == "close":
                    return
                # A server may close an idle kept connection at any time; never one that is
                # told nothing while a request is on its way, which is what this load does.
                if self.stopping:
                    return

    def finish(self):
        self.stopping = True
        self.join(seconds(10))
        return self


def test_pid_file_names_the_listening_master(launch):
    server = launch(http=HTTP, files=FILES)
    assert server.pid == server.process.pid
    assert server.fetch("/f.txt").body == b"file"
    server._stop()
    assert not server.path("nginx.pid").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_is_at_once(launch, number):
    server = launch(http=HTTP, files=FILES)
    with server.client(rcvbuf=4096) as client:
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        start = time.monotonic()
        server.signal(number)
        assert server.wait_exit() == 0 and time.monotonic() - start < seconds(2)
        with pytest.raises((EOFError, ConnectionResetError)):
            client._exactly(len(BIG))


def test_quit_drains(launch):
    server = launch(http=HTTP, files=FILES)
    with server.client(rcvbuf=4096) as busy, server.client() as idle:
        idle.request("/f.txt")
        busy.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.head()
        server.signal(signal.SIGQUIT)
        assert idle.is_closed(), "an idle connection is closed at once"
        assert eventually(lambda: refused(server.port)), "no new connections while draining"
        assert server.alive()
        assert busy._exactly(len(BIG)) == BIG
        assert busy.is_closed()
    assert server.wait_exit() == 0


def refused(port):
    try:
        Client(port, timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


def test_worker_shutdown_timeout(launch):
    server = launch(main="worker_shutdown_timeout 1s;", http=HTTP, files=FILES)
    with server.client(rcvbuf=4096) as busy:
        busy.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.head()
        start = time.monotonic()
        server.signal(signal.SIGQUIT)
        assert server.wait_exit() == 0
        assert 0.8 <= time.monotonic() - start <= seconds(4)


def test_reload_changes_the_answers(launch):
    server = launch(http=HTTP, files=FILES)
    assert version(server) == b"one"
    master = server.pid
    server.reload(http=HTTP.replace("one", "two"))
    assert version(server) == b"two" and int(server.read("nginx.pid")) == master


def test_broken_reload_keeps_serving(launch):
    server = launch(http=HTTP, files=FILES, allow="nonsense")
    before = server.children()
    server.configure(http=HTTP.replace("one", "two") + "\nnonsense on;")
    server.signal(signal.SIGHUP)
    server.wait_log(r'\[emerg\].*unknown directive "nonsense" in \S+/nginx.conf:\d+$')
    assert version(server) == b"one" and server.children() == before
    server.reload(http=HTTP.replace("one", "three"))
    assert version(server) == b"three"


def test_reload_that_cannot_bind_keeps_serving(launch):
    other = launch(http="server { listen 127.0.0.1:@PORT@; return 200 other; }")
    server = launch(http=HTTP, files=FILES, allow=r"bind\(\)|still could not bind")
    server.configure(http=HTTP + f"server {{ listen 127.0.0.1:{other.port}; return 200 x; }}")
    server.signal(signal.SIGHUP)
    server.wait_log(rf"bind\(\) to 127.0.0.1:{other.port} failed \(98: Address already in use\)")
    assert eventually(lambda: "still could not bind" in server.log() or version(server) == b"one")
    assert version(server) == b"one" and other.fetch("/").body == b"other"


def test_reload_opens_and_closes_addresses(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; return 200 a; }")
    server.reload(http="server { listen 127.0.0.1:@PORT1@; return 200 b; }")
    assert server.fetch("/", port=server.ports[1]).body == b"b"
    assert eventually(lambda: refused(server.port))


@pytest.mark.parametrize("keep", [True, False])
def test_reload_under_load_fails_no_request(launch, keep):
    """Twenty reloads while clients request: none is refused or reset.

    Kept connections are told to close with their last answer or closed when idle; the load
    only ever has a request on its way, so the one race left is the protocol's own.
    """
    server = launch(http=HTTP, files=FILES)
    loads = [Load(server.port, keep) for _ in range(3)]
    for load in loads:
        load.start()
    for number in range(6):
        server.reload(http=HTTP.replace("one", f"v{number}"))
    for load in loads:
        load.finish()
    failures = [text for load in loads for text in load.failures]
    if keep:
        # RFC 9112 section 9.3.1: a close may cross a request on a kept connection.
        tolerated = ("EOFError",) if millrace.is_millrace() else ("EOFError", "Reset", "Broken")
        failures = [text for text in failures if not any(kind in text for kind in tolerated)]
    assert sum(load.done for load in loads) > 100 and not failures, failures[:5]
    assert version(server) == b"v5"


def test_transfer_survives_a_reload(launch):
    server = launch(http=HTTP, files=FILES)
    with server.client(rcvbuf=4096) as busy:
        busy.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.head()
        old = server.children()
        server.configure(http=HTTP.replace("one", "two"))
        server.signal(signal.SIGHUP)
        assert eventually(lambda: version(server) == b"two")
        assert set(old) & set(server.children()), "the old process stays for its client"
        assert busy._exactly(len(BIG)) == BIG
    assert eventually(lambda: not set(old) & set(server.children()), 10)


def test_winch_drains_and_keeps_the_master(launch):
    server = launch(http=HTTP, files=FILES, daemon=True)
    before = server.children()
    server.signal(signal.SIGWINCH)
    assert eventually(lambda: server.children() == [], 10)
    assert server.alive()
    server.configure(http=HTTP)
    server.signal(signal.SIGHUP)
    assert eventually(lambda: server.children() != [], 10)
    assert version(server) == b"one" and not set(before) & set(server.children())


def wait_pid(server, name):
    assert eventually(lambda: server.read(name).endswith("\n"), 10), server.messages()
    return int(server.read(name))


def test_binary_upgrade(launch):
    server = launch(http=HTTP, files=FILES, daemon=True)
    old = server.pid
    load = Load(server.port, keep=False)
    load.start()
    server.signal(signal.SIGUSR2)
    assert wait_pid(server, "nginx.pid.oldbin") == old
    assert eventually(lambda: server.read("nginx.pid").strip() not in ("", str(old)), 10)
    server.pid = wait_pid(server, "nginx.pid")
    assert server.pid != old and millrace.is_running(old)
    assert eventually(lambda: server.children(server.pid))
    os.kill(old, signal.SIGQUIT)
    assert eventually(lambda: not millrace.is_running(old), 10)
    assert version(server) == b"one"
    assert eventually(lambda: not server.path("nginx.pid.oldbin").exists())
    assert eventually(lambda: load.done > 10)
    load.finish()
    assert not load.failures, load.failures[:5]


def test_binary_upgrade_taken_back(launch):
    server = launch(http=HTTP, files=FILES, daemon=True)
    old = server.pid
    server.signal(signal.SIGUSR2)
    wait_pid(server, "nginx.pid.oldbin")
    new = None
    assert eventually(lambda: server.read("nginx.pid").strip() not in ("", str(old)), 10)
    new = wait_pid(server, "nginx.pid")
    os.kill(new, signal.SIGQUIT)
    assert eventually(lambda: not millrace.is_running(new), 10)
    assert eventually(lambda: server.read("nginx.pid").strip() == str(old), 10)
    assert version(server) == b"one"


def test_failed_upgrade_changes_nothing(launch):
    server = launch(http=HTTP, files=FILES, daemon=True, allow="nonsense|exited with code 1")
    old = server.pid
    server.configure(http="nonsense;")
    server.signal(signal.SIGUSR2)
    server.wait_log('unknown directive "nonsense"')
    assert eventually(lambda: not server.path("nginx.pid.oldbin").exists(), 10)
    assert eventually(lambda: server.read("nginx.pid").strip() == str(old))
    assert version(server) == b"one"


def test_dead_process_is_replaced(launch):
    server = launch(http=HTTP, files=FILES, allow="exited on signal|died|silo")
    victim = server.children()[0]
    os.kill(victim, signal.SIGKILL)
    server.wait_log(rf"\[alert\].*{victim} exited on signal 9")
    assert eventually(lambda: server.children() and victim not in server.children(), 10)
    assert eventually(lambda: not refused(server.port)) and version(server) == b"one"


def test_death_in_the_middle_loses_only_its_connections(launch):
    server = launch(http=HTTP, files=FILES, allow="exited on signal|died|silo")
    for _ in range(3):
        with server.client(rcvbuf=4096) as busy:
            busy.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            busy.head()
            before = server.children()
            os.kill(before[0], signal.SIGKILL)
            with pytest.raises((EOFError, ConnectionResetError)):
                busy._exactly(len(BIG))
        assert eventually(lambda: set(server.children()) - set(before), 10)
        assert server.fetch("/f.txt").body == b"file"


@pytest.mark.root
def test_children_give_up_privileges(launch):
    server = launch(main="user nobody nogroup;", http=HTTP, files=FILES)
    for pid in server.children():
        status = Path(f"/proc/{pid}/status").read_text()
        assert set(re.search(r"^Uid:\s+(.*)$", status, re.M)[1].split()) == {"65534"}
        assert re.search(r"^CapEff:\s+0+$", status, re.M), "no capability is left"


def test_master_serves_nothing_and_dies_last(launch):
    server = launch(http=HTTP, files=FILES)
    assert pid_of(server.fetch("/v")) in server.children()


@pytest.mark.millrace_only
def test_two_silos(launch):
    server = launch(main=TWO_SILOS, http=HTTP, files=FILES)
    assert len(server.children()) == 2
    assert serving(server) == set(server.children())


@pytest.mark.millrace_only
def test_two_silos_share_their_counters(launch):
    server = launch(main=TWO_SILOS, http=HTTP, files=FILES)
    start = millrace.status_counters_at(server.ports[1])
    for _ in range(50):
        server.fetch("/f.txt")
    end = millrace.status_counters_at(server.ports[1])
    assert end["requests"] - start["requests"] == 51
    assert end["accepts"] - start["accepts"] == 51


@pytest.mark.millrace_only
def test_one_silo_dies_and_the_other_never_notices(launch):
    server = launch(main=TWO_SILOS, http=HTTP, files=FILES, allow="exited on signal|died|silo")
    clients = []
    for cpu in range(20):
        with on_cpu(cpu):
            clients.append(server.client())
    owner = [pid_of(client.request("/v")) for client in clients]
    victim = owner[0]
    os.kill(victim, signal.SIGKILL)
    for client, pid in zip(clients, owner):
        if pid != victim:
            assert client.request("/f.txt").body == b"file"
        client.close()
    assert eventually(lambda: len(server.children()) == 2 and victim not in server.children(), 10)
    server.wait_log(rf"\[alert\].*{victim}")
    assert serving(server) == set(server.children())


@pytest.mark.millrace_only
def test_counters_come_back_after_a_silo_was_killed(launch):
    server = launch(main=TWO_SILOS, http=HTTP, files=FILES, allow="exited on signal|died|silo")
    clients = [server.client() for _ in range(20)]
    for client in clients:
        client.request("/f.txt")
    for victim in server.children():
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: len(server.children()) == 2 and
                          victim not in server.children(), 10)
    for client in clients:
        client.close()
    assert eventually(lambda: millrace.status_counters_at(server.ports[1])["active"] == 1)
    assert millrace.status_counters_at(server.ports[1])["waiting"] == 0


@pytest.mark.millrace_only
def test_silo_that_dies_again_and_again_is_held_back(launch):
    server = launch(http=HTTP, files=FILES, allow="exited on signal|died|silo")
    count, end = 0, time.monotonic() + 3
    while time.monotonic() < end:
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
            count += 1
        time.sleep(0.01)
    assert count < 60, f"{count} starts in three seconds: no back-off"
    assert eventually(lambda: not refused(server.port) and server.children(), 15)


@pytest.mark.parametrize("count", ["1", "2", "auto"])
def test_worker_processes(launch, count):
    server = launch(main=f"worker_processes {count};", http=HTTP, files=FILES)
    threads = 0
    for pid in server.children():
        names = [Path(path).read_text() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
        threads += len([name for name in names if not name.startswith("iou-")])
    wanted = len(os.sched_getaffinity(0)) if count == "auto" else int(count)
    assert threads >= wanted
    assert server.fetch("/f.txt").body == b"file"


def test_single_process_mode(launch):
    server = launch(main="master_process off;", http=HTTP, files=FILES)
    assert server.fetch("/f.txt").body == b"file"
    server.signal(signal.SIGQUIT)
    assert server.wait_exit() == 0


def test_start_and_stop_leave_no_process(launch):
    for number in (signal.SIGQUIT, signal.SIGTERM):
        server = launch(http=HTTP, files=FILES)
        everyone = server.processes()
        server.signal(number)
        server.wait_exit()
        assert eventually(lambda: not any(map(millrace.is_running, everyone)))


def test_master_killed_children_go(launch):
    """When the master is killed outright, nothing must keep the address for ever."""
    if not millrace.is_millrace():
        pytest.skip("nginx's workers outlive a killed master")
    server = launch(http=HTTP, files=FILES)
    children = server.children()
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(5)
    assert eventually(lambda: not any(map(millrace.is_running, children)), 10)
    server.path("nginx.pid").unlink(missing_ok=True)


@pytest.mark.parametrize("closed", [
    "2>&-", pytest.param("<&- >&- 2>&-", marks=pytest.mark.millrace_only)])
def test_started_with_standard_descriptors_closed(launch, closed):
    """What is opened first must not become descriptor 2, over which the error log is put.

    A silo whose wake-up channel was lost in this way span and no longer heard QUIT.
    """
    server = launch(http=HTTP, files=FILES, wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"])
    assert server.fetch("/f.txt").body == b"file"
    ticks = os.sysconf("SC_CLK_TCK")

    def used():
        stat = [Path(f"/proc/{pid}/stat").read_text() for pid in server.processes()]
        return sum(int(t) for text in stat for t in text.rsplit(")", 1)[1].split()[11:13]) / ticks

    before = used()
    time.sleep(0.5)
    assert used() - before < 0.3, "a process is spinning"
    server.signal(signal.SIGQUIT)
    assert server.wait_exit() == 0


def may_raise_limits():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16) >> 24 & 1 == 1


@pytest.mark.millrace_only
@pytest.mark.skipif(not may_raise_limits(), reason="needs CAP_SYS_RESOURCE to lift the limit")
def test_locked_memory_is_no_limit_for_many_workers(launch):
    server = launch(http=HTTP, files=FILES)

    def lifted(pid):
        limits = Path(f"/proc/{pid}/limits").read_text()
        return re.search(r"^Max locked memory +unlimited +unlimited ", limits, re.M)

    assert server.children() and all(map(lifted, server.children()))


@pytest.mark.millrace_only
def test_idle_connection_may_ask_again_after_a_drain_began(launch):
    http = HTTP.replace("server {", "keepalive_min_timeout 3s; server {", 1)
    server = launch(http=http, files=FILES)
    with server.client() as client:
        assert client.request("/f.txt").status == 200
        server.signal(signal.SIGQUIT)
        time.sleep(1.5)
        answer = client.request("/f.txt")
        assert (answer.status, answer["Connection"]) == (200, "close")
        assert client.is_closed()
    assert server.wait_exit(10) == 0
