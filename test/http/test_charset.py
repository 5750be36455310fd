# SPDX-License-Identifier: Apache-2.0
"""charset: naming the character set, and recoding from the one a file has."""

import gzip

import pytest

HTTP = """
    types { text/html html; text/plain txt; video/mp4 mp4; }
    charset_map koi8-r windows-1251 { C1 E0; C2 E1; d7 e2; }
    charset_map koi8-r utf-8 { C1 D0B0; C2 D0B1; 80 E29480; }
    charset_map B A { 58 59; }
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        location /named/ { alias @PREFIX@/html/; charset utf-8; }
        location /var/ { alias @PREFIX@/html/; charset $arg_c; source_charset koi8-r; }
        location /same/ { alias @PREFIX@/html/; charset utf-8; source_charset UTF-8; }
        location /1251/ { alias @PREFIX@/html/; charset windows-1251; source_charset koi8-r;
                          error_page 404 /1251/x.html; }
        location /utf8/ { alias @PREFIX@/html/; charset utf-8; source_charset koi8-r; }
        location /koi8/ { alias @PREFIX@/html/; charset koi8-r; source_charset utf-8; }
        location /ba/ { alias @PREFIX@/html/; charset A; source_charset B; }
        location /gzip/ { alias @PREFIX@/html/; charset A; source_charset B; gzip on; }
        location /text { default_type text/plain; charset A; source_charset B;
                         return 200 "XYZ"; }
        location /to { charset utf-8; return 301 /x; }
    }
"""
ALLOW = r'no "charset_map" between'


def SETUP(server):
    html = server.prefix / "html"
    html.mkdir(exist_ok=True)
    (html / "x.html").write_bytes(b"X" * 1000)
    (html / "k.html").write_bytes(b"a\xc1\xc2\x80\xff<")
    (html / "k.mp4").write_bytes(b"a\xc1\xc2\x80\xff<")
    (html / "u.html").write_bytes("a\u0430\u0431\u20ac\U0001f600<".encode() + b"\xd0<")
    (html / "empty.html").write_bytes(b"")
    (html / "large.html").write_bytes(b"X" * ((1 << 20) + 1))
    (html / "most.html").write_bytes(b"X" * (1 << 20))


@pytest.mark.parametrize("path,charset,body", [
    ("/k.html", None, b"a\xc1\xc2\x80\xff<"),
    ("/named/k.html", "utf-8", b"a\xc1\xc2\x80\xff<"),
    ("/1251/k.html", "windows-1251", b"a\xe0\xe1??<"),
    ("/utf8/k.html", "utf-8", "a\u0430\u0431\u2500?<".encode()),
    ("/same/u.html", "utf-8", "a\u0430\u0431\u20ac\U0001f600<".encode() + b"\xd0<"),
    ("/var/k.html?c=utf-8", "utf-8", "a\u0430\u0431\u2500?<".encode()),
    ("/var/k.html?c=koi8-r", "koi8-r", b"a\xc1\xc2\x80\xff<"),
    ("/utf8/empty.html", "utf-8", b""),
])
def test_body_and_name(site, path, charset, body):
    answer = site.fetch(path)
    assert answer["Content-Type"] == "text/html" + (f"; charset={charset}" if charset else "")
    assert answer.body == body


@pytest.mark.millrace_only
def test_broken_utf8_does_not_swallow_what_follows(site):
    assert site.fetch("/koi8/u.html").body == b"a\xc1\xc2&#8364;&#128512;<?<"


def test_other_types_are_left_alone(site):
    answer = site.fetch("/utf8/k.mp4")
    assert answer["Content-Type"] == "video/mp4" and answer.body == b"a\xc1\xc2\x80\xff<"


def test_text_of_the_configuration_is_recoded_for_each_request(site):
    for _ in range(3):
        assert site.fetch("/text").body == b"YYZ"


def test_redirects_have_no_charset(site):
    assert site.fetch("/to")["Content-Type"] == "text/html"


def test_unknown_pair_is_logged_and_nothing_is_done(site):
    answer = site.fetch("/var/k.html?c=latin-9")
    assert answer["Content-Type"] == "text/html" and answer.body == b"a\xc1\xc2\x80\xff<"
    site.wait_log(r'\[error\].*no "charset_map" between the charsets "koi8-r" and "latin-9"')


def test_ranges_of_single_bytes(site):
    answer = site.fetch("/ba/x.html", "Range: bytes=990-1990")
    assert answer.status == 206 and answer.body == b"Y" * 10
    assert answer["Content-Range"] == "bytes 990-999/1000"
    answer = site.fetch("/ba/x.html", "Range: bytes=0-1,5-6")
    assert answer.body.count(b"YY") == 2 and b"charset=A" in answer.body
    assert site.fetch("/ba/x.html", "Range: bytes=5000-").status == 416


def test_no_ranges_where_the_length_changes(site):
    answer = site.fetch("/utf8/k.html", "Range: bytes=0-1")
    assert answer.status == 200 and "Accept-Ranges" not in answer


def test_head(site):
    answer = site.fetch("/ba/x.html", method="HEAD")
    assert answer["Content-Length"] == "1000"
    answer = site.fetch("/utf8/k.html", method="HEAD")
    assert "Content-Length" not in answer and answer["Content-Type"].endswith("charset=utf-8")


def test_error_pages(site):
    answer = site.fetch("/1251/none")
    assert answer.status == 404 and answer["Content-Type"] == "text/html; charset=windows-1251"
    assert answer.body == b"X" * 1000
    answer = site.fetch("/utf8/none")
    assert answer.status == 404 and b"404 Not Found" in answer.body


def test_not_modified(site):
    etag = site.fetch("/ba/x.html")["ETag"]
    assert site.fetch("/ba/x.html", f"If-None-Match: {etag}").status == 304


def test_recoded_then_compressed(site):
    answer = site.fetch("/gzip/x.html", "Accept-Encoding: gzip")
    assert gzip.decompress(answer.body) == b"Y" * 1000
    assert answer["Content-Type"] == "text/html; charset=A"


@pytest.mark.millrace_only
def test_body_too_large_to_recode_is_named_by_the_set_it_has(site):
    answer = site.fetch("/ba/most.html")
    assert answer["Content-Type"] == "text/html; charset=A" and answer.body == b"Y" * (1 << 20)
    answer = site.fetch("/ba/large.html")
    assert answer["Content-Type"] == "text/html; charset=B"
    assert answer.body == b"X" * ((1 << 20) + 1)


@pytest.mark.parametrize("text,message", [
    ("charset_map a a { }", 'between the same charsets "a" and "a"'),
    pytest.param("charset_map utf-8 a { }", 'with "utf-8" charset should be given in the second',
                 marks=pytest.mark.millrace_only),  # nginx 1.22 took it
    ("charset_map a b { } charset_map B A { }", 'duplicate "charset_map" between "B" and "A"'),
    ("charset_map a b { 100 1; }", 'invalid value "100"'),
    ("charset_map a b { 1 xy; }", 'invalid value "xy"'),
    ("charset_map a utf-8 { 80 F09F9880; }", 'invalid value "F09F9880"'),
    ("charset_map a b { 1; }", "invalid parameters number"),
    ("server { charset x; source_charset y; }", 'no "charset_map" between the charsets "y" and "x"'),
])
def test_refused(prepare, text, message):
    server = prepare(full=f"events {{ }} http {{ {text} }}")
    done = server.run("-t")
    assert done.returncode == 1 and message in done.stderr
