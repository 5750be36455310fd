# SPDX-License-Identifier: Apache-2.0
"""close_notify behind an answer that has left the socket no room for it."""

import ssl
import time

import pytest

import ktls
from ktls import connect, content

SIZES = range(1000, 60000, 2000)
HTTP = ktls.HTTP + """
    server { listen 127.0.0.1:@PORT@ ssl sndbuf=8k; root @PREFIX@/html; }
    server { listen 127.0.0.1:@PORT1@ ssl sndbuf=8k; root @PREFIX@/html;
             ssl_conf_command Options -KTLS; }
"""


def SETUP(server):
    ktls.install(server, SIZES)


@pytest.mark.parametrize("number", [0, 1], ids=["kernel", "userspace"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_close_notify_waits_for_room(site, number, version):
    """It was dropped when the socket was full, and the whole answer looked cut off."""
    lost = []
    for size in SIZES:
        with connect(site.ports[number], version, rcvbuf=4096) as client:
            client.send(f"GET /{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(0.02)
            client.head()
            assert client._exactly(size) == content(size)
            try:
                assert client.rest() == b""
            except ssl.SSLEOFError:
                lost.append(size)
    assert not lost
