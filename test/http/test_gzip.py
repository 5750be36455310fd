# SPDX-License-Identifier: Apache-2.0
"""gzip: which answers are compressed, and what else changes with them."""

import gzip
import os
import time

import pytest

PLAYLIST = "#EXTM3U\n" + "".join(f"#EXTINF:4.000,\nsegment{n}.m4s\n" for n in range(100))
HTTP = """
    types { application/vnd.apple.mpegurl m3u8; video/mp4 mp4; text/html html; text/plain txt; }
    gzip on;
    gzip_types application/vnd.apple.mpegurl text/plain;
    gzip_vary on;
    log_format ratio '$uri $gzip_ratio $body_bytes_sent $sent_http_content_encoding';
    server {
        listen 127.0.0.1:@PORT@;
        access_log ratio.log ratio;
        root @PREFIX@/html;
        location /level9/ { alias @PREFIX@/html/; gzip_comp_level 9; }
        location /min/ { alias @PREFIX@/html/; gzip_min_length 1m; }
        location /old/ { alias @PREFIX@/html/; gzip_http_version 1.0; }
        location /off/ { alias @PREFIX@/html/; gzip off; }
        location /all/ { alias @PREFIX@/html/; gzip_types *; gzip_vary off; }
        location /any/ { alias @PREFIX@/html/; gzip_proxied any; }
        location /private/ { alias @PREFIX@/html/; gzip_proxied no-cache private expired;
                             add_header Cache-Control $arg_cc; expires $arg_e; }
        location /disable/ { alias @PREFIX@/html/; gzip_disable msie6 "curl/7\\.[0-3]"; }
        location /encoded/ { alias @PREFIX@/html/; add_header Content-Encoding br; }
        location /text { default_type text/plain;
                         return 200 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; }
        location /err/ { error_page 404 /page.html; }
    }
"""
FILES = {"html/a.m3u8": PLAYLIST, "html/a.mp4": "x" * 1000, "html/page.html": "<p>" * 100,
         "html/tiny.txt": "x" * 19, "html/empty.txt": "", "html/large.txt": "y" * (300 << 10),
         "html/edge.txt": "z" * (256 << 10)}
MSIE6 = "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"
ACCEPT = "Accept-Encoding: gzip"


def is_compressed(answer):
    if "Content-Encoding" not in answer:
        return False
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Ranges" not in answer
    return True


def test_playlist(site):
    plain = site.fetch("/a.m3u8")
    answer = site.fetch("/a.m3u8", ACCEPT)
    assert is_compressed(answer) and not is_compressed(plain)
    assert gzip.decompress(answer.body) == plain.body == PLAYLIST.encode()
    assert len(answer.body) < len(plain.body) / 4
    assert answer["Content-Type"] == "application/vnd.apple.mpegurl"
    assert answer["Vary"] == plain["Vary"] == "Accept-Encoding"
    assert answer["ETag"] == "W/" + plain["ETag"]
    assert answer["Last-Modified"] == plain["Last-Modified"]
    assert "Accept-Ranges" in plain


def test_head_is_described_as_get(site):
    answer = site.fetch("/a.m3u8", ACCEPT, method="HEAD")
    assert is_compressed(answer) and "Content-Length" not in answer
    assert answer["ETag"].startswith("W/") and answer["Vary"] == "Accept-Encoding"
    assert "Content-Length" in site.fetch("/a.m3u8", method="HEAD")


def test_head_keeps_the_connection_usable(site):
    with site.client() as client:
        client.request("/a.m3u8", ACCEPT, method="HEAD")
        assert gzip.decompress(client.request("/a.m3u8", ACCEPT).body) == PLAYLIST.encode()
        assert client.request("/a.m3u8").body == PLAYLIST.encode()


@pytest.mark.parametrize("value,wanted", [
    ("gzip", True), ("gzip, deflate, br", True), ("deflate, gzip;q=1.0", True),
    ("br;q=1.0, gzip;q=0.8, *;q=0.1", True), ("GZIP", True), ("gzip;q=0.001", True),
    ("gzip;q=0", False), ("gzip;q=0.000", False), ("deflate", False), ("identity", False),
    ("xgzip", False), ("", False),
])
def test_accept_encoding(site, value, wanted):
    assert is_compressed(site.fetch("/a.m3u8", f"Accept-Encoding: {value}")) == wanted


@pytest.mark.parametrize("path,wanted", [
    ("/a.mp4", False), ("/all/a.mp4", True), ("/page.html", True), ("/tiny.txt", False),
    ("/empty.txt", False), ("/edge.txt", True), ("/off/a.m3u8", False), ("/min/a.m3u8", False),
    ("/level9/a.m3u8", True), ("/text", True), ("/encoded/nothing", True),
])
def test_which_answers(site, path, wanted):
    assert is_compressed(site.fetch(path, ACCEPT)) == wanted


def test_vary_goes_with_what_could_be_compressed(site):
    assert "Vary" not in site.fetch("/a.mp4", ACCEPT)
    assert "Vary" not in site.fetch("/tiny.txt", ACCEPT)
    assert "Vary" not in site.fetch("/all/a.mp4", ACCEPT)
    assert site.fetch("/page.html")["Vary"] == "Accept-Encoding"


@pytest.mark.millrace_only
def test_large_body_is_sent_as_stored(site):
    answer = site.fetch("/large.txt", ACCEPT)
    assert not is_compressed(answer) and answer["Vary"] == "Accept-Encoding"
    assert len(answer.body) == 300 << 10
    assert site.fetch("/large.txt", ACCEPT, "Range: bytes=0-3").status == 206


@pytest.mark.millrace_only
def test_what_is_encoded_already_is_left_alone(site):
    answer = site.fetch("/encoded/a.m3u8", ACCEPT)
    assert answer["Content-Encoding"] == "br" and answer.body == PLAYLIST.encode()


def test_ranges_are_of_what_is_stored(site):
    answer = site.fetch("/a.m3u8", ACCEPT, "Range: bytes=0-6")
    assert answer.status == 200 and is_compressed(answer)
    answer = site.fetch("/a.m3u8", "Range: bytes=0-6")
    assert answer.status == 206 and answer.body == b"#EXTM3U"


def test_not_modified_by_the_weak_etag(site):
    etag = site.fetch("/a.m3u8", ACCEPT)["ETag"]
    answer = site.fetch("/a.m3u8", ACCEPT, f"If-None-Match: {etag}")
    assert answer.status == 304 and "Content-Encoding" not in answer


def test_error_pages(site):
    answer = site.fetch("/none", ACCEPT)
    assert answer.status == 404 and is_compressed(answer)
    assert b"404 Not Found" in gzip.decompress(answer.body)
    answer = site.fetch("/err/none", ACCEPT)
    assert answer.status == 404 and gzip.decompress(answer.body) == b"<p>" * 100


def test_http_1_0(site):
    with site.client() as client:
        assert not is_compressed(client.request("/a.m3u8", ACCEPT, version="1.0"))
    with site.client() as client:
        answer = client.request("/old/a.m3u8", ACCEPT, version="1.0")
    assert is_compressed(answer) and gzip.decompress(answer.body) == PLAYLIST.encode()


@pytest.mark.parametrize("path,headers,wanted", [
    ("/a.m3u8", [], False), ("/any/a.m3u8", [], True),
    ("/private/a.m3u8", [], True), ("/private/a.m3u8?cc=max-age=1", [], False),
    ("/private/a.m3u8?cc=private", [], True), ("/private/a.m3u8?cc=no-store", [], False),
    ("/private/a.m3u8?cc=no-store,%20private", [], False),
    ("/private/a.m3u8?e=1h", [], False), ("/private/a.m3u8?e=-1", [], True),
])
def test_through_a_proxy(site, path, headers, wanted):
    assert is_compressed(site.fetch(path, ACCEPT, "Via: 1.1 cache", *headers)) == wanted


def test_disabled_clients(site):
    assert not is_compressed(site.fetch("/disable/a.m3u8", ACCEPT, MSIE6))
    assert is_compressed(site.fetch("/disable/a.m3u8", ACCEPT, MSIE6 + "; SV1)"))
    assert not is_compressed(site.fetch("/disable/a.m3u8", ACCEPT, "User-Agent: curl/7.2"))
    assert is_compressed(site.fetch("/disable/a.m3u8", ACCEPT, "User-Agent: curl/8.0"))
    assert is_compressed(site.fetch("/a.m3u8", ACCEPT, MSIE6))


def test_ratio_is_logged(site):
    answer = site.fetch("/level9/a.m3u8", ACCEPT)
    site.wait_log("/level9/a.m3u8", name="ratio.log")
    line = [x for x in site.read("ratio.log").splitlines() if x.startswith("/level9/")][-1].split()
    assert line[3] == "gzip"
    assert float(line[1]) == pytest.approx(len(PLAYLIST) / len(answer.body), abs=0.1)
    site.fetch("/off/a.m3u8", ACCEPT)
    site.wait_log(r"/off/a.m3u8 - \d+ -", name="ratio.log")


def test_replaced_playlist_is_compressed_anew(site):
    path = site.path("html/live.m3u8")
    for number in range(5):
        path.with_suffix(".new").write_text(PLAYLIST + f"#{number}\n")
        os.rename(path.with_suffix(".new"), path)
        body = gzip.decompress(site.fetch("/live.m3u8", ACCEPT).body)
        assert body.endswith(f"#{number}\n".encode())


def test_playlist_rewritten_in_place_is_compressed_anew(site):
    """The same size, and its times within one tick of the kernel's clock, or well apart."""
    path = site.path("html/inplace.m3u8")
    for pause in (0, 0, 0.3, 0.3, 0, 0.3):
        for number in range(3):
            path.write_text(PLAYLIST + f"#{number}\n")
            time.sleep(pause)
            for _ in range(3):
                body = gzip.decompress(site.fetch("/inplace.m3u8", ACCEPT).body)
                assert body.endswith(f"#{number}\n".encode())


def test_levels_are_not_mixed_up(site):
    time.sleep(0.2)
    sizes = [len(site.fetch(path, ACCEPT).body)
             for path in ("/page.html", "/level9/page.html") * 3]
    assert sizes[:2] == sizes[2:4] == sizes[4:]
    bodies = {gzip.decompress(site.fetch(path, ACCEPT).body)
              for path in ("/edge.txt", "/page.html", "/a.m3u8", "/level9/a.m3u8") * 3}
    assert bodies == {b"z" * (256 << 10), b"<p>" * 100, PLAYLIST.encode()}
