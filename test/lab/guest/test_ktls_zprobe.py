# SPDX-License-Identifier: Apache-2.0
import re, ssl, time, socket
from pathlib import Path
import pytest
import ktls, lab
from ktls import KIB, MIB, connect, content, get, kernel_connections, which
from tls_wire import Interactive
from test_ktls_records import ask, handshake
LARGE = 20 * MIB
PORTS = 3
HTTP = ktls.HTTP + f"""
    server {{ listen 127.0.0.1:@PORT@ ssl; root @PREFIX@/html; {ktls.WHICH} }}
    server {{ listen 127.0.0.1:@PORT1@ ssl sndbuf=8k; root @PREFIX@/html; }}
"""
def SETUP(server):
    ktls.install(server, (LARGE,))
    for size in range(1000, 60000, 2000):
        server.write(f"html/{size}", content(size))

def test_close_notify_behind_a_full_socket(site):
    lost = []
    for size in range(1000, 60000, 2000):
        with connect(site.ports[1], "1.3", rcvbuf=4096) as client:
            client.send(f"GET /{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(0.05)
            client.head()
            assert client._exactly(size) == content(size)
            try:
                assert client.rest() == b""
            except ssl.SSLEOFError:
                lost.append(size)
    assert not lost

@pytest.fixture
def small_windows():
    p = Path("/proc/sys/net/ipv4/tcp_rmem"); old = p.read_text()
    p.write_text("4096 8192 8192\n")
    yield
    p.write_text(old)

@pytest.mark.parametrize("letter", ["k", "K"])
def test_nothing_is_lost_to_a_request_behind_a_key_update(site, letter, small_windows):
    with ask(site.port, f"GET /{LARGE} HTTP/1.1\nHost: a\n\n", "-tls1_3") as client:
        client.wait_for(b"Content-Length")
        client.send(f"{letter}\n")
        client.wait_for(b"KEYUPDATE")
        client.send("GET /which HTTP/1.1\nHost: a\n\n")
        output = client.wait_end()
    output = re.sub(rb"KEYUPDATE\n|read R BLOCK\n", b"", output)
    print(len(output), output[-100:], site.log()[-500:])
    assert content(LARGE) in output
    assert output.endswith(b"closed\n"), "close_notify"
