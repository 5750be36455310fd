# SPDX-License-Identifier: Apache-2.0
"""Who may speak HTTP/2 over TLS: by the address, and by the server that the name has chosen.

No request is made: what is agreed upon in the handshake is all that counts here.
"""

import pytest

import tls_files
from tls_files import certificate
from tls_wire import TlsClient, context, s_client

HTTP = f"""
    ssl_protocols TLSv1.2 TLSv1.3; {certificate("ec")}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name first; }}
    server {{ listen 127.0.0.1:@PORT@ ssl; server_name second *.second; http2 on; }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name first; http2 on; }}
    server {{ listen 127.0.0.1:@PORT1@ ssl; server_name second; http2 off; }}
    server {{ listen 127.0.0.1:@PORT2@ ssl http2; server_name first; }}
    server {{ listen 127.0.0.1:@PORT2@ ssl http2; server_name second; }}
"""
SETUP = tls_files.install
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])
SINCE = pytest.mark.nginx_since("1.25.1", "http2 is a directive of its own")
BOTH = ["http/1.1", "h2"]  # the server's order counts


def agreed(port, name, alpn, version=None):
    with TlsClient(port, context(version, alpn=alpn), name=name) as client:
        return client.sock.selected_alpn_protocol()


@SINCE
@VERSION
@pytest.mark.parametrize("index,name,protocol", [
    (0, "first", "http/1.1"), (0, "second", "h2"), (0, "a.second", "h2"),
    (0, "other", "http/1.1"), (0, None, "http/1.1"),
    (1, "first", "h2"), (1, "second", "http/1.1"), (1, "other", "h2"), (1, None, "h2"),
    (2, "first", "h2"), (2, "second", "h2"), (2, None, "h2"),
])
def test_by_name_and_by_address(site, index, name, protocol, version):
    assert agreed(site.ports[index], name, BOTH, version) == protocol


@SINCE
@VERSION
def test_clients_of_http_1_are_left_alone(site, version):
    assert agreed(site.ports[1], "first", ["http/1.1"], version) == "http/1.1"
    assert agreed(site.ports[1], "first", ["http/1.0", "x"], version) == "http/1.0"
    assert agreed(site.ports[1], "first", None, version) is None


@SINCE
def test_h2_alone_is_refused_where_it_is_off(site):
    assert s_client(site.ports[0], "-alpn", "h2", "-servername", "first").alert == "120"
    assert s_client(site.ports[1], "-alpn", "h2", "-servername", "second").alert == "120"


@SINCE
def test_a_reload_changes_it(site):
    assert agreed(site.ports[0], "first", BOTH) == "http/1.1"
    site.reload(http=HTTP.replace("server_name first; }", "server_name first; http2 on; }"))
    assert agreed(site.ports[0], "first", BOTH) == "h2"
    site.reload(http=HTTP)
    assert agreed(site.ports[0], "first", BOTH) == "http/1.1"
