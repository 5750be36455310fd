# SPDX-License-Identifier: Apache-2.0
"""Files as the file system gives them: replaced, truncated, odd kinds, odd names."""

import os
import random
import re
import socket
import time

import pytest

from millrace import LeakCheck
from settings import seconds
from wire import eventually, raw

HTTP = """
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        sendfile on;
        location /cached/ { open_file_cache max=10; open_file_cache_valid 60s; }
        location /copy/ { sendfile off; }
        location /links/off/ { }
        location /links/on/ { disable_symlinks on; }
        location /links/owner/ { disable_symlinks if_not_owner; }
        location /links/from/ { disable_symlinks on from=@PREFIX@/html/links/from/a; }
        location /quiet/ { log_not_found off; }
        location /alias/ { alias @PREFIX@/html/; }
        location = /status { stub_status; }
    }
    server { listen 127.0.0.1:@PORT1@; root @PREFIX@/html; merge_slashes off; }
"""
FILES = {"html/f.txt": "file", "html/d/e.txt": "deep", "secret.txt": "secret",
         "html/a b+c.txt": "odd", "html/100%.txt": "percent", "html/\u00fc.txt": "utf8",
         "html/cached/f": "old", "html/q?.txt": "question", "html/locked.txt": "locked",
         "html/links/a/f": "x"}
MEGA = 1 << 20


def SETUP(server):
    html = server.path("html")
    server.write("html/locked.txt", "locked").chmod(0)
    (html / "lockeddir").mkdir(mode=0o700)
    os.mkfifo(html / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(html / "sock"))
    (html / "dev").symlink_to("/dev/zero")
    (html / "tty").symlink_to("/dev/tty")
    (html / "loop").symlink_to("loop")
    for kind in ("off", "on", "owner", "from/a"):
        server.write(f"html/links/{kind}/real", kind)
        (html / f"links/{kind}/link").symlink_to("real")
    server.write("html/data", random.Random(1).randbytes(8 * MEGA))
    server.write("html/copy/data", random.Random(1).randbytes(8 * MEGA))


@pytest.mark.parametrize("path", ["/data", "/copy/data"])
@pytest.mark.parametrize("size", [1, 4095, 4096, 16384, 65537, 8 * MEGA])
def test_bytes_are_exact(site, path, size):
    whole = site.path("html/data").read_bytes()
    start = random.Random(size).randrange(0, 8 * MEGA - size + 1)
    answer = site.fetch(path, f"Range: bytes={start}-{start + size - 1}")
    assert answer.status == 206 and answer.body == whole[start:start + size]


def test_head_has_the_headers_of_get(site):
    get, head = site.fetch("/f.txt"), site.fetch("/f.txt", method="HEAD")
    assert [h for h in get.headers if h[0] != "Date"] == [h for h in head.headers if h[0] != "Date"]
    assert head.body == b""


@pytest.mark.parametrize("path,body", [
    ("/%66.txt", "file"), ("/%66%2etxt", "file"), ("/a%20b+c.txt", "odd"),
    ("/100%25.txt", "percent"), ("/%C3%BC.txt", "utf8"), ("/%c3%bc.txt", "utf8"),
    ("/q%3F.txt", "question"), ("/d/../f.txt", "file"), ("/./f.txt", "file"),
    ("/d/./e.txt", "deep"), ("/d//e.txt", "deep"), ("///d///e.txt", "deep"),
    ("/x/y/../../f.txt", "file"), ("/d/%2e%2e/f.txt", "file"), ("/d%2Fe.txt", "deep"),
    ("/f.txt#fragment", "file"), ("/f.txt?", "file"), ("/f.txt?a#b", "file"),
])
def test_path_is_normalised(site, path, body):
    assert site.fetch(path).body == body.encode()


@pytest.mark.parametrize("path", [
    "/../secret.txt", "/d/../../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt",
    "/d/..%2f..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/x/../../secret.txt",
    "/alias/../../secret.txt", "/../html/../secret.txt", "/%", "/%2", "/%zz", "/f.txt%",
    "/f%00.txt", "/f.txt%00",
])
def test_no_way_out_of_the_root(site, path):
    answer = site.fetch(path)
    assert answer.status == 400 and b"secret" not in answer.body


@pytest.mark.parametrize("path", [
    "/alias../secret.txt", "/...//secret.txt", "/..secret.txt", "/%252e%252e/secret.txt",
    "/.../secret.txt", "/..\\secret.txt", "/%5c../secret.txt", "/d/%c0%ae%c0%ae/secret.txt",
])
def test_what_only_looks_like_a_way_out(site, path):
    answer = site.fetch(path)
    assert answer.status == 404 and b"secret" not in answer.body


def test_merge_slashes_off(site):
    assert site.fetch("//d//e.txt", port=site.ports[1]).body == b"deep"
    assert site.fetch("/x//../d/e.txt", port=site.ports[1]).status == 404


def test_too_long_name_is_an_error_not_a_crash(site):
    assert site.fetch("/" + "x" * 300).status in (404, 414)
    assert site.fetch("/" + "d/" * 2500).status in (404, 414)


def test_path_through_a_file_is_not_found(site):
    assert site.fetch("/f.txt/x").status == 404
    assert site.fetch("/f.txt/").status == 404


def test_loop_of_links(site):
    assert site.fetch("/loop").status in (403, 404, 500)


@pytest.mark.root
def test_permission_denied(site):
    assert site.fetch("/locked.txt").status == 403
    assert site.fetch("/lockeddir/x").status == 403
    site.wait_log(r'open\(\) "\S+/html/locked.txt" failed \(13: Permission denied\)')


@pytest.mark.parametrize("path", ["/fifo", "/sock", "/dev", "/tty", "/d/"])
def test_odd_kinds_do_not_hang(site, path):
    start = time.monotonic()
    answer = site.fetch(path)
    assert answer.status in (403, 404, 500) and time.monotonic() - start < seconds(2)
    assert site.fetch("/f.txt").body == b"file"


def test_not_found_is_logged_unless_told_not_to(site):
    assert site.fetch("/missing-one").status == 404
    assert site.fetch("/quiet/missing-two").status == 404
    site.wait_log(r'open\(\) "\S+/html/missing-one" failed \(2: No such file or directory\), '
                  r'client: 127.0.0.1, server: , request: "GET /missing-one HTTP/1.1", '
                  r'host: "localhost"')
    assert "missing-two" not in site.log()


def test_directory_listing_is_forbidden(site):
    assert site.fetch("/d/").status == 403
    site.wait_log(r'directory index of "\S+/html/d/" is forbidden')


def replace(site, name, text):
    site.write(f"{name}.new", text)
    os.rename(site.path(f"{name}.new"), site.path(name))


def test_replaced_by_rename_is_fresh_at_once(site):
    with site.client() as client:
        for round_ in range(50):
            text = f"version {round_}"
            replace(site, "html/live.m3u8", text)
            assert client.request("/live.m3u8").body == text.encode()


def test_old_file_goes_on_for_those_who_have_it(site):
    site.write("html/swap", b"a" * (24 * MEGA))
    with site.client(rcvbuf=4096) as client:
        client.send("GET /swap HTTP/1.1\r\nHost: a\r\n\r\n")
        length = int(client.head()["Content-Length"])
        replace(site, "html/swap", "new")
        assert site.fetch("/swap").body == b"new"
        assert client._exactly(length) == b"a" * length


def test_open_file_cache_keeps_the_old_file(site):
    assert site.fetch("/cached/f").body == b"old"
    replace(site, "html/cached/f", "new one")
    # Another worker may not have it cached; both answers must be whole.
    assert site.fetch("/cached/f").body in (b"old", b"new one")


@pytest.mark.parametrize("folder", ["", "copy/"])
def test_truncated_while_sent_closes_only_that_connection(site, folder):
    site.write(f"html/{folder}shrink", b"x" * (64 * MEGA))
    with site.client(rcvbuf=4096) as client, site.client() as other:
        client.send(f"GET /{folder}shrink HTTP/1.1\r\nHost: a\r\n\r\n")
        length = int(client.head()["Content-Length"])
        assert other.request("/f.txt").body == b"file"
        os.truncate(site.path(f"html/{folder}shrink"), 1000)
        received = client.rest()
        assert 0 < len(received) < length
        assert other.request("/f.txt").body == b"file"


ALLOW = r"sendfile\(\) reported that .* was truncated|truncated|read only"


def test_vanished_while_sent_is_sent_to_the_end(site):
    site.write("html/vanish", b"v" * (24 * MEGA))
    with site.client(rcvbuf=4096) as client:
        client.send("GET /vanish HTTP/1.1\r\nHost: a\r\n\r\n")
        length = int(client.head()["Content-Length"])
        site.path("html/vanish").unlink()
        assert client._exactly(length) == b"v" * length
    assert site.fetch("/vanish").status == 404


def test_growing_file_keeps_its_promise(site):
    site.write("html/grow", b"g" * (8 * MEGA))
    with site.client(rcvbuf=4096) as client:
        client.send("GET /grow HTTP/1.1\r\nHost: a\r\n\r\n")
        length = int(client.head()["Content-Length"])
        with open(site.path("html/grow"), "ab") as file:
            file.write(b"more" * MEGA)
        assert client._exactly(length) == b"g" * length
        assert client.is_open()


@pytest.mark.parametrize("kind,status", [("off", 200), ("on", 403), ("owner", 200),
                                         ("from/a", 403)])
def test_disable_symlinks(site, kind, status):
    assert site.fetch(f"/links/{kind}/real").body == kind.encode()
    assert site.fetch(f"/links/{kind}/link").status == status


def test_directory_of_links_disable_symlinks(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; root @PREFIX@/html; "
                         "disable_symlinks on from=$document_root; }",
                    files={"html/real/f": "through"})
    server.path("html/linked").symlink_to("real")
    assert server.fetch("/real/f").body == b"through"
    assert server.fetch("/linked/f").status in (403, 404)  # ELOOP or ENOTDIR, by the kernel


def test_many_files_leave_no_descriptor(site):
    with site.client() as client:
        client.request("/f.txt")
    check = LeakCheck(site)
    for path in ("/f.txt", "/none", "/d", "/d/", "/fifo", "/copy/data", "/data", "/locked.txt"):
        for method in ("GET", "HEAD"):
            site.fetch(path, method=method)
    check.settle()


def test_two_clients_get_their_own_bytes(site):
    whole = site.path("html/data").read_bytes()
    with site.client(rcvbuf=4096) as slow:
        slow.send("GET /data HTTP/1.1\r\nHost: a\r\n\r\n")
        assert slow.head().status == 200
        for start in range(0, 8 * MEGA, MEGA):
            part = site.fetch("/data", f"Range: bytes={start}-{start + 99}")
            assert part.body == whole[start:start + 100]
        assert slow._exactly(8 * MEGA) == whole


def test_fast_client_does_not_starve_others(site):
    """One client that takes everything must not delay small answers of the same worker."""
    with open(site.path("html/huge"), "wb") as file:
        file.truncate(4 << 30)
    with site.client() as fast, site.client() as small:
        fast.send("GET /huge HTTP/1.1\r\nHost: a\r\n\r\n")
        fast._exactly(MEGA)
        start = time.monotonic()
        for _ in range(20):
            assert small.request("/f.txt").body == b"file"
            fast.sock.recv(MEGA)
        assert time.monotonic() - start < seconds(3)


def test_accept_of_a_raw_eight_bit_path(site):
    assert raw(site.port, "GET /\u00fc.txt HTTP/1.0\r\n\r\n".encode()).endswith(b"utf8")


def test_log_says_which_file_was_too_short(site):
    site.write("html/short", b"s" * (64 * MEGA))
    with site.client(rcvbuf=4096) as client:
        client.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
        os.truncate(site.path("html/short"), 10)
        client.rest()
    assert eventually(lambda: re.search(r"\[alert\].*(truncated|short)", site.log()))
