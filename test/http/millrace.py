# SPDX-License-Identifier: Apache-2.0
"""Runs the server under test: a fresh prefix, a generated configuration, a checked end.

The server is build/release/millrace, or MILLRACE_BINARY. Tests that compare with nginx also pass
with MILLRACE_BINARY=/usr/sbin/nginx, which proves that what they expect is what nginx does.
"""

import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import ports
from settings import BINARY, seconds
from wire import Client, eventually, fetch

SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")
BAD_LOG = re.compile(r"^.*(?:\[(?:alert|emerg)\]|check failed|Sanitizer).*$", re.M)


@cache
def build_info(binary=BINARY):
    done = subprocess.run([binary, "-V"], capture_output=True, text=True, timeout=seconds(20))
    return done.stdout + done.stderr


def is_millrace(binary=BINARY):
    return "millrace" in build_info(binary)


@cache
def nginx_version(binary=BINARY):
    """The nginx release whose behaviour the binary claims."""
    found = re.search(r"nginx version: nginx/(\d+)\.(\d+)\.(\d+)", build_info(binary))
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


class Server:
    """One master process and its prefix. `@PORT@`, `@PORT1@`... and `@PREFIX@` are replaced."""

    def __init__(self, http="", main="", events="", full=None, binary=BINARY, ports_wanted=3,
                 allow=None, files=None, args=(), env=None, nofile=None):
        self.binary = binary
        self.ports = ports.reserve(ports_wanted)
        self.port = self.ports[0]
        self.prefix = Path(tempfile.mkdtemp(prefix="millrace-test-"))
        self.allow = allow
        self.args = list(args)
        self.env = env or {}
        self.nofile = nofile
        self.process = None
        self.pid = None
        self.prefix.chmod(0o755)
        for folder in ("html", "logs"):
            (self.prefix / folder).mkdir()
        (self.prefix / "sanitizer").mkdir()
        (self.prefix / "sanitizer").chmod(0o1777)
        for name, content in (files or {}).items():
            self.write(name, content)
        self.configure(http, main, events, full)

    # Files and configuration.

    def path(self, name):
        return self.prefix / name

    def write(self, name, content):
        path = self.prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, name):
        path = self.prefix / name
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def expand(self, text):
        text = text.replace("@PREFIX@", str(self.prefix))
        return re.sub(r"@PORT(\d*)@", lambda m: str(self.ports[int(m[1] or 0)]), text)

    def _temporary(self):
        """Folders that nginx makes at its start, where a user without privileges may."""
        if os.geteuid() == 0 or is_millrace(self.binary):
            return ""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f"{kind}_temp_path temp-{kind};\n" for kind in kinds)

    def configure(self, http="", main="", events="", full=None):
        """Writes nginx.conf, either from parts or as a whole."""
        if full is None:
            full = f"pid nginx.pid;\nerror_log error.log info;\n{main}\n" \
                   f"events {{ {events} }}\nhttp {{\naccess_log off;\n{self._temporary()}" \
                   f"{http}\n}}\n"
        self.write("nginx.conf", self.expand(full))

    # Starting, signalling, stopping.

    def command(self, *extra):
        return [self.binary, "-p", f"{self.prefix}/", "-c", "nginx.conf", "-e", "error.log",
                *self.args, *extra]

    def environment(self):
        env = dict(os.environ, **self.env)
        for name in SANITIZERS:
            log = f"log_path={self.prefix}/sanitizer/report"
            env[name] = ":".join(filter(None, (env.get(name), log)))
        return env

    def run(self, *extra, timeout=10):
        """A run that ends by itself, such as -t or -s."""
        return subprocess.run(self.command(*extra), capture_output=True, text=True,
                              env=self.environment(), timeout=seconds(timeout))

    def start(self, daemon=False, wrapper=()):
        extra = [] if daemon else ["-g", "daemon off;"]
        with open(self.prefix / "stderr", "wb") as stderr:
            self.process = subprocess.Popen([*wrapper, *self.command(*extra)],
                                            stdin=subprocess.DEVNULL,
                                            stdout=stderr, stderr=stderr,
                                            env=self.environment(),
                                            preexec_fn=self._limit if self.nofile else None)
        if not eventually(lambda: self._pid_written(daemon), timeout=10):
            self.kill()
            raise AssertionError(f"did not start: {self.messages()}")
        return self

    def _limit(self):
        # Only the soft limit, so that a test can raise it again.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.nofile, hard))

    def _pid_written(self, daemon=False):
        text = self.read("nginx.pid")
        if text.endswith("\n"):
            self.pid = int(text)
            return True
        code = self.process.poll()
        gone = code is not None and not (daemon and code == 0)
        assert not gone, f"exited {code}: {self.messages()}"
        return False

    def messages(self):
        return self.read("stderr") + self.read("error.log")

    def signal(self, number):
        os.kill(self.pid, number)

    def reload(self, http="", main="", events="", full=None):
        """Reloads and waits until the old processes are gone."""
        old = set(self.children())
        self.configure(http, main, events, full)
        self.signal(signal.SIGHUP)
        assert eventually(lambda: (now := set(self.children())) and not now & old,
                          timeout=15), f"reload: {self.messages()}"

    def alive(self):
        return self.pid is not None and is_running(self.pid)

    def wait_exit(self, timeout=10):
        """The exit status of a server run in the foreground."""
        return self.process.wait(timeout=seconds(timeout))

    def kill(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=5)

    def finish(self):
        """Stops gently, asserts a clean end, removes the prefix."""
        try:
            self._stop()
            self.check_logs()
        finally:
            self.kill()
            ports.release(self.ports)
            if not os.environ.get("MILLRACE_KEEP"):
                shutil.rmtree(self.prefix, ignore_errors=True)

    def _stop(self):
        if not self.alive():
            return
        if self.process.poll() is None:
            self.signal(signal.SIGQUIT)
            assert self.wait_exit() == 0, self.messages()
        else:
            self.signal(signal.SIGQUIT)
            assert eventually(lambda: not self.alive(), timeout=10), "QUIT was not obeyed"

    def check_logs(self):
        reports = [p.read_text() for p in (self.prefix / "sanitizer").iterdir()]
        assert not reports, "\n".join(reports)
        bad = BAD_LOG.findall(self.messages())
        if self.allow:
            bad = [line for line in bad if not re.search(self.allow, line)]
        assert not bad, "\n".join(bad)

    # Talking to it.

    def client(self, address=None, **options):
        return Client(self.port if address is None else address, **options)

    def fetch(self, path, *headers, port=None, **options):
        return fetch(self.port if port is None else port, path, *headers, **options)

    def log(self):
        return self.read("error.log")

    def wait_log(self, pattern, timeout=5, name="error.log"):
        found = eventually(lambda: re.search(pattern, self.read(name), re.M), timeout)
        last = [line[:300] for line in self.read(name).splitlines()[-12:]]
        assert found, f"no {pattern!r} in {name}, which ends: {last}"
        return found

    def log_line(self, pattern=r".+", name="access.log", timeout=5):
        """The last matching line of a log, once it is there."""
        self.wait_log(pattern, timeout, name)
        return [line for line in self.read(name).splitlines() if re.search(pattern, line)][-1]

    # Looking at its processes.

    def children(self, pid=None):
        """Direct children that are alive (not zombies)."""
        pid = pid or self.pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [int(p) for p in text.split() if is_running(int(p))]

    def processes(self):
        """The master and everything below it."""
        found = [self.pid] if self.alive() else []
        for pid in found:
            found += self.children(pid)
        return found

    def descriptors(self):
        """Number of open descriptors of each process."""
        counts = {}
        for pid in self.processes():
            try:
                counts[pid] = len(os.listdir(f"/proc/{pid}/fd"))
            except FileNotFoundError:
                pass
        return counts

    def resident(self):
        """Resident kilobytes of all processes together."""
        total = 0
        for pid in self.processes():
            text = Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", text)[1])
        return total


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def status_counters_at(port, path="/status"):
    """stub_status as a dictionary."""
    text = fetch(port, path).body.decode()
    found = re.fullmatch(
        r"Active connections: (\d+) \n"
        r"server accepts handled requests\n"
        r" (\d+) (\d+) (\d+) \n"
        r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) \n", text)
    assert found, f"not nginx's stub_status: {text!r}"
    names = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")
    return dict(zip(names, map(int, found.groups())))


def status_counters(server, path="/status"):
    return status_counters_at(server.port, path)


class LeakCheck:
    """Takes counts before, once they stand still, and insists that they come back. (The client of
    the last request may see its end before the server has closed the connection.)"""

    def __init__(self, server, status="/status"):
        self.server = server
        self.status = status
        self.before = self._look()
        eventually(self._stands_still, timeout=5, step=0)

    def _stands_still(self):
        before = self.before
        time.sleep(0.1)
        self.before = self._look()
        return self.before == before

    def _look(self):
        counters = status_counters(self.server, self.status)
        state = {k: counters[k] for k in ("active", "reading", "writing", "waiting")}
        return self.server.descriptors(), state

    def settle(self, timeout=10):
        same = eventually(lambda: self._look() == self.before, timeout, step=0.1)
        assert same, f"leak: {self.before} became {self._look()}"


def drop_time(seconds_waited, since):
    """Asserts that something took about as long as a timeout says."""
    took = time.monotonic() - since
    assert seconds_waited * 0.8 <= took <= seconds(seconds_waited + 3), f"took {took:.2f} s"
