# SPDX-License-Identifier: Apache-2.0
"""Resumption: tickets, shared and builtin caches, across silos and reloads, and key files."""

import os
import signal
import time

import pytest

import tls_files
from pinned import on_cpu
from tls_files import certificate
from tls_wire import TlsClient, context
from wire import eventually

BODY = "location / { return 200 \"$ssl_session_reused$ssl_session_id\"; }"
HEAD = f"ssl_protocols TLSv1.2 TLSv1.3; {certificate('ec')}"
KINDS = ("", "ssl_session_cache shared:S:1m;",
         "ssl_session_cache shared:S:1m; ssl_session_tickets off;",
         "ssl_session_cache builtin; ssl_session_tickets off;",
         "ssl_session_cache builtin:1000; ssl_session_tickets off;",
         "ssl_session_cache none; ssl_session_tickets off;",
         "ssl_session_cache off; ssl_session_tickets off;",
         "ssl_session_cache shared:S:1m; ssl_session_timeout 1s;",
         "ssl_session_cache shared:S:1m; ssl_session_timeout 1s; ssl_session_tickets off;")
HTTP = HEAD + "".join(f"server {{ listen 127.0.0.1:@PORT{i}@ ssl; {kind} {BODY} }}\n"
                      for i, kind in enumerate(KINDS))
PORTS = len(KINDS)
SETUP = tls_files.install
TWO_SILOS = "silo cpus=0 node=0;\nsilo cpus=1 node=0;\n"
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def visit(port, made, session=None, name="localhost"):
    """One request; (was resumed, the session afterwards)."""
    with TlsClient(port, made, name, session) as client:
        answer = client.request("/", "Connection: close")
        assert client.rest() == b""
        said = answer.body[:1] == b"r"
        assert said == client.sock.session_reused, "$ssl_session_reused says what the client sees"
        return said, client.sock.session


def resumes(port, version, **options):
    made = context(version, **options)
    first, session = visit(port, made)
    assert not first
    return visit(port, made, session)[0]


@VERSION
@pytest.mark.parametrize("kind", range(7))
def test_resumption(site, kind, version):
    assert resumes(site.ports[kind], version) == (kind < 5), KINDS[kind]


@pytest.mark.parametrize("kind", range(7))
def test_resumption_of_a_client_without_tickets(site, kind):
    """Only a cache is of use to it."""
    assert resumes(site.ports[kind], "1.2", tickets=False) == (0 < kind < 5), KINDS[kind]


@VERSION
@pytest.mark.parametrize("kind", [7, 8])
def test_session_timeout(site, kind, version):
    made = context(version)
    session = visit(site.ports[kind], made)[1]
    assert visit(site.ports[kind], made, session)[0]
    session = visit(site.ports[kind], made)[1]
    time.sleep(2.2)
    assert not visit(site.ports[kind], made, session)[0]


def test_session_of_another_server_with_the_same_cache(site):
    """Servers with the same certificate share sessions through a zone of the same name.

    Not with TLS 1.3: what a server without tickets gives out means nothing to one with them.
    """
    made = context("1.2")
    session = visit(site.ports[2], made)[1]
    assert visit(site.ports[1], made, session)[0]


def test_session_id_is_logged(site):
    with TlsClient(site.ports[2], context("1.2")) as client:
        answer = client.request("/")
        assert answer.body[1:].decode() == client.sock.session.id.hex()


@VERSION
def test_altered_session_is_a_full_handshake(site, version):
    """Sessions that the server cannot read cost a full handshake and nothing else."""
    other = context(version)
    stranger = visit(site.ports[8], other)[1]
    assert not visit(site.ports[5], other, stranger)[0]


def test_many_sessions_push_the_oldest_out(launch):
    server = launch(http=f"{HEAD} server {{ listen 127.0.0.1:@PORT@ ssl; "
                         f"ssl_session_cache shared:S:32k; ssl_session_tickets off; {BODY} }}",
                    files=tls_files.pki(), allow="could not allocate new session")
    made = context("1.2")
    first = visit(server.port, made)[1]
    for _ in range(250):
        last = visit(server.port, context("1.2"))[1]
    del last
    assert not visit(server.port, made, first)[0]
    session = visit(server.port, made)[1]
    assert visit(server.port, made, session)[0], "there is always room for a new one"


# Silos and reloads.


def silo_http(kind):
    return f"{HEAD} server {{ listen 127.0.0.1:@PORT@ ssl; {kind} " \
           "location / { return 200 \"$ssl_session_reused $pid\"; } }"


def pid_visit(port, made, session=None):
    with TlsClient(port, made, session=session) as client:
        reused, pid = client.request("/", "Connection: close").body.split()
        assert client.rest() == b""
        return reused == b"r", int(pid), client.sock.session


@pytest.mark.millrace_only
@VERSION
@pytest.mark.parametrize("kind", KINDS[:3])
def test_resumption_across_silos(launch, kind, version):
    server = launch(main=TWO_SILOS, http=silo_http(kind), files=tls_files.pki())
    made, pids = context(version), set()
    _, pid, session = pid_visit(server.port, made)
    for cpu in range(10):
        with on_cpu(cpu):
            reused, other, _ = pid_visit(server.port, made, session)
        assert reused, f"made by {pid}, not taken by {other}"
        pids.add(other)
    assert pids == set(server.children())


@pytest.mark.millrace_only
@VERSION
@pytest.mark.parametrize("kind", KINDS[:3])
def test_resumption_across_a_reload(launch, kind, version):
    server = launch(main=TWO_SILOS, http=silo_http(kind), files=tls_files.pki())
    made = context(version)
    _, pid, session = pid_visit(server.port, made)
    server.reload(main=TWO_SILOS, http=silo_http(kind))
    reused, other, _ = pid_visit(server.port, made, session)
    assert other != pid and reused


@pytest.mark.millrace_only
@VERSION
def test_resumption_survives_the_death_of_silos(launch, version):
    server = launch(main=TWO_SILOS, http=silo_http(KINDS[2]), files=tls_files.pki(),
                    allow="exited on signal|died|silo")
    made = context(version)
    session = pid_visit(server.port, made)[2]
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: len(server.children()) == 2 and pid not in server.children(), 10)
    assert eventually(lambda: answers(server.port, made))
    assert pid_visit(server.port, made, session)[0]


def answers(port, made):
    try:
        return pid_visit(port, made)
    except OSError:
        return None


def test_size_of_a_zone_may_not_differ(prepare):
    server = prepare(http=f"""{HEAD}
        server {{ listen 127.0.0.1:@PORT@ ssl; ssl_session_cache shared:S:1m; }}
        server {{ listen 127.0.0.1:@PORT1@ ssl; ssl_session_cache shared:S:2m; }}""",
                     files=tls_files.pki())
    done = server.run("-t")
    assert done.returncode == 1 and "[emerg]" in done.stderr


# ssl_session_ticket_key


def key_http(*names, extra=""):
    keys = "".join(f"ssl_session_ticket_key @PREFIX@/{name}.tickets; " for name in names)
    return f"{HEAD} {keys} {extra} server {{ listen 127.0.0.1:@PORT@ ssl; {BODY} }}"


@VERSION
def test_ticket_keys_rotate(launch, version):
    server = launch(http=key_http("one"), files=tls_files.pki())
    made = context(version)
    session = visit(server.port, made)[1]
    server.reload(http=key_http("two", "one"))
    assert visit(server.port, made, session)[0], "the second key opens"
    server.reload(http=key_http("two"))
    assert not visit(server.port, made, session)[0], "its key is gone"


@VERSION
def test_ticket_of_a_short_key(launch, version):
    server = launch(http=key_http("short", "one"), files=tls_files.pki())
    assert resumes(server.port, version)


@VERSION
def test_two_servers_with_the_same_key_file(launch, version):
    """Machines that share a key file take each other's tickets."""
    servers = [launch(http=key_http("one"), files=tls_files.pki()) for _ in range(2)]
    made = context(version)
    session = visit(servers[0].port, made)[1]
    assert visit(servers[1].port, made, session)[0]


def test_ticket_key_of_another_size_is_refused(prepare):
    server = prepare(http=key_http("bad"), files=tls_files.pki())
    done = server.run("-t")
    assert done.returncode == 1
    assert "bad.tickets\" must be 48 or 80 bytes" in done.stderr


@VERSION
def test_renewed_ticket_is_of_the_first_key(launch, version):
    server = launch(http=key_http("one"), files=tls_files.pki())
    made = context(version)
    session = visit(server.port, made)[1]
    server.reload(http=key_http("two", "one"))
    reused, session = visit(server.port, made, session)
    assert reused
    server.reload(http=key_http("two"))
    assert visit(server.port, made, session)[0]
