# SPDX-License-Identifier: Apache-2.0
"""No room for logs: serving goes on, one [alert] a minute, and logging comes back."""

import re
import subprocess

import pytest

from millrace import Server, is_millrace
from wire import eventually

HTTP = """
    log_format s $uri;
    server { listen 127.0.0.1:@PORT@; %s return 200 ok; }
"""
ALLOW = r"No space left on device|dropped|incomplete"


def alerts(server):
    return re.findall(r"^.*\[alert\].*$", server.log(), re.M)


@pytest.mark.parametrize("options", ["s", "s buffer=1k flush=1s"])
def test_full_device(launch, options):
    server = launch(http=HTTP % f"access_log /dev/full {options};", allow=ALLOW)
    with server.client() as client:
        for _ in range(500):
            assert client.request("/some-path-to-fill-a-buffer").body == b"ok"
    assert eventually(lambda: alerts(server))
    assert "(28: No space left on device)" in alerts(server)[0]
    assert len(alerts(server)) == 1 or not is_millrace()


@pytest.fixture
def small_disk():
    server = Server(HTTP % "access_log logs/a.log s;", allow=ALLOW)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs",
             str(server.path("logs"))]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        server.finish()
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield server.start()
    finally:
        subprocess.run(["umount", "-l", str(server.path("logs"))], check=False)
        server.finish()


@pytest.mark.root
def test_logging_comes_back_with_the_room(small_disk):
    server = small_disk
    server.write("logs/ballast", b"x" * 60000)
    path = "/" + "p" * 500
    with server.client() as client:
        for _ in range(100):
            assert client.request(path).body == b"ok"
        assert eventually(lambda: alerts(server))
        server.path("logs/ballast").unlink()
        assert client.request("/room-again").body == b"ok"
        # After a full disk nothing is tried for up to a minute by nginx; a second is enough here.
        if is_millrace():
            assert eventually(lambda: client.request("/room-again").body == b"ok" and
                              "/room-again" in server.read("logs/a.log"), 8, step=0.2)


@pytest.mark.root
def test_full_disk_for_the_error_log(small_disk):
    server = small_disk
    server.configure(HTTP % "access_log off; error_log logs/e.log info;")
    server.reload(HTTP % "access_log off; error_log logs/e.log info; location /none { root /x; }")
    server.write("logs/ballast", b"x" * 65000)
    with server.client() as client:
        for _ in range(200):
            assert client.request("/").body == b"ok"
            assert client.request("/bad/../../x").status == 400
            client.close()
            client.__init__(server.port)
