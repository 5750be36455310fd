# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping and reading the cost of the servers that are compared."""

import os
import pathlib
import signal
import subprocess
import time

from .load import fetch
from .workspace import BenchError, free_port

# One configuration for both servers: what differs is named in `extra` and nowhere else.
CONFIG = """\
{main}
worker_rlimit_nofile {nofile};
daemon off;
pid {dir}/{tag}.pid;
error_log {dir}/{tag}.error.log warn;
events {{ worker_connections {connections}; }}
http {{
    {extra}
    default_type application/octet-stream;
    sendfile {sendfile};
    tcp_nopush {tcp_nopush};
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 60s;
    access_log {log};
    server {{
        listen 127.0.0.1:{port}{ssl}{protocol} backlog=4096;
        root {www};
        {location}
{tls}    }}
}}
"""

TLS = """\
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites {ciphersuite};
"""

CIPHERS = {"aes256": "TLS_AES_256_GCM_SHA384", "aes128": "TLS_AES_128_GCM_SHA256"}

# What Debian's own nginx.conf says; nginx without a word in its configuration has both off.
DEBIAN = {"sendfile": "on", "tcp_nopush": "on"}

# Debian's nginx has these under /var/lib/nginx, where only root may create them.
NGINX_TEMP = " ".join(f"{kind}_temp_path {{dir}}/nginx-{kind};" for kind in
                      ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def process_tree(pid):
    """The process and all its descendants that live now."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    tree, todo = [], [pid]
    while todo:
        tree.append(todo.pop())
        todo += children.get(tree[-1], [])
    return tree


def cpu_ns(pid):
    """Nanoseconds of CPU of a process: all its threads, also those that have ended.

    This is clock_getcpuclockid(3): the scheduler's own sum, which /proc/PID/stat rounds to ticks
    and /proc/PID/task/*/schedstat forgets when an io_uring kernel worker goes away.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


class Tls:
    """TLS 1.3 with one cipher and a P-256 certificate, the same for all servers."""

    def __init__(self, cipher, workspace):
        self.ciphersuite = CIPHERS[cipher]
        self.pem = workspace.certificate()


class Server:
    """One server, pinned to one CPU; tls is None for plain HTTP."""

    http2 = False

    def __init__(self, name, workspace, cpu, tls=None):
        self.name = name
        self.tls = tls
        self.workspace = workspace
        self.cpu = cpu
        self.port = free_port()
        self.process = None
        self.pids = []

    @property
    def base(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def command(self):
        raise NotImplementedError

    def start(self, join=None):
        """join: a cgroup.procs file to enter first, so that the whole tree is inside."""
        enter = f"echo $$ > {join} && " if join else ""
        command = ["sh", "-c", enter + 'exec "$@"', "sh", "taskset", "-c", str(self.cpu)]
        self.output = open(self.workspace.dir / f"{self.name}.out", "ab")
        self.process = subprocess.Popen(command + self.command(), stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output,
                                        process_group=0)
        self.wait_until_serving()
        self.pids = process_tree(self.process.pid)
        return self

    def wait_until_serving(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                fetch(self, "/1k.bin")
                return
            except OSError:
                time.sleep(0.05)
        said = self.said()
        self.stop()
        raise BenchError(f"{self.name} does not serve: {said or 'it says nothing'}")

    def said(self):
        text = ""
        for suffix in ("out", "error.log"):
            path = self.workspace.dir / f"{self.name}.{suffix}"
            if path.exists():
                text += path.read_text(errors="replace")
        return text[-1500:].strip()

    def cpu_ns(self):
        """Fails when a process is not there any more: then the figure would mean nothing."""
        try:
            return sum(cpu_ns(pid) for pid in self.pids)
        except OSError as e:
            raise BenchError(f"a process of {self.name} died: {self.said()}") from e

    def memory(self):
        """Bytes resident over the tree: rss, pss and private."""
        total = {"rss": 0, "pss": 0, "private": 0}
        for pid in self.pids:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                key, value = line.split(":")
                key = "private" if key.startswith("Private_") else key.lower()
                if key in total and not key.startswith("Private_Hugetlb"):
                    total[key] += int(value.split()[0]) * 1024
        return total

    def stop(self):
        if not self.process:
            return
        tree = process_tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in tree:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait(5)
        self.process = None
        self.output.close()


class Configured(Server):
    """nginx, or a server that reads nginx's configuration."""

    main = "worker_processes 1;"
    location = ""
    protocol = ""

    def __init__(self, name, binary, workspace, cpu, nofile, log=False, tuning=DEBIAN, tls=None):
        title = "".join((name, self.protocol.replace(" ", "-"), "-log" if log else "",
                         "-tls" if tls else ""))
        super().__init__(title, workspace, cpu, tls)
        self.binary = binary
        self.is_nginx = name == "nginx"
        self.nofile = nofile
        self.log = log
        self.tuning = tuning

    def command(self):
        directory = self.workspace.dir
        log = f"{directory}/{self.name}.access.log combined buffer=64k" if self.log else "off"
        extra = NGINX_TEMP.format(dir=directory) if self.is_nginx else ""
        tls = TLS.format(pem=self.tls.pem, ciphersuite=self.tls.ciphersuite) if self.tls else ""
        path = directory / f"{self.name}.conf"
        path.write_text(CONFIG.format(
            main=self.main, location=self.location, dir=directory, tag=self.name,
            port=self.port, protocol=self.protocol, www=self.workspace.www, log=log, extra=extra,
            ssl=" ssl" if self.tls else "", tls=tls, nofile=self.nofile,
            connections=min(16384, self.nofile - 500), **self.tuning))
        return [self.binary, "-p", str(directory), "-c", str(path),
                "-e", f"{directory}/{self.name}.error.log"]


class Floor(Server):
    """The bare responder."""

    def __init__(self, workspace, cpu, tls=None):
        super().__init__("floor" + ("-tls" if tls else ""), workspace, cpu, tls)
        self.binary = workspace.floor()

    def command(self):
        command = [self.binary, "-p", str(self.port), "-r", str(self.workspace.www)]
        if self.tls:
            command += ["-S", str(self.tls.pem), "-C", self.tls.ciphersuite]
        return command
