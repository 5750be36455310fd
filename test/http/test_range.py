# SPDX-License-Identifier: Apache-2.0
"""Ranges and conditional requests on files, up to sizes that need 64 bits."""

import email.utils
import os
import re

import pytest

HTTP = """
    types { text/html html; video/mp4 mp4; }
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        location /none/ { max_ranges 0; }
        location /two/ { max_ranges 2; }
        location /noetag/ { etag off; }
        location /nolm/ { add_header Last-Modified ""; }
        location /ret { return 200 0123456789; }
        location /force/ { error_page 404 =200 /ten.html; }
    }
"""
TEN = "0123456789"
FILES = {"html/ten.html": TEN, "html/none/ten.html": TEN, "html/two/ten.html": TEN,
         "html/noetag/ten.html": TEN, "html/empty.html": "", "html/nolm/ten.html": TEN}
BIG = 5 << 30


def SETUP(server):
    with open(server.path("html/big.mp4"), "wb") as file:
        file.truncate(BIG)
        for offset in (0, (1 << 32) - 4, BIG - 8):
            file.seek(offset)
            file.write(b"%08x" % (offset >> 4))


@pytest.mark.parametrize("spec,start,end", [
    ("0-0", 0, 0), ("0-9", 0, 9), ("2-5", 2, 5), ("5-", 5, 9), ("-3", 7, 9), ("-10", 0, 9),
    ("-100", 0, 9), ("0-100", 0, 9), ("9-", 9, 9), ("  2-5 ", 2, 5), ("2 - 5", 2, 5),
    ("0-99999999999999999", 0, 9),
])
def test_single(site, spec, start, end):
    answer = site.fetch("/ten.html", f"Range: bytes={spec}")
    assert answer.status == 206
    assert answer["Content-Range"] == f"bytes {start}-{end}/10"
    assert answer["Content-Length"] == str(end - start + 1)
    assert answer.body == TEN[start:end + 1].encode()
    assert answer["Content-Type"] == "text/html"


@pytest.mark.parametrize("spec", ["10-", "100-200", "5-2", "-", "a-b", "1-b", "-0", "1", ",",
                                  "1-2,", "99999999999999999999-", "0x1-2", "--1"])
def test_unsatisfiable(site, spec):
    answer = site.fetch("/ten.html", f"Range: bytes={spec}")
    if answer.status == 206:
        # nginx takes the valid part of "1-2,": the rest is empty.
        assert spec == "1-2,"
        return
    assert answer.status == 416
    assert answer["Content-Range"] == "bytes */10"
    assert b"416 Requested Range Not Satisfiable" in answer.body


@pytest.mark.parametrize("header", ["items=0-1", "bytes 0-1", "bytes", "byte=0-1", "=0-1",
                                    "bytes="])
def test_other_units_are_ignored(site, header):
    answer = site.fetch("/ten.html", f"Range: {header}")
    assert (answer.status, answer.body) == (200, TEN.encode())


def test_unit_is_case_insensitive(site):
    assert site.fetch("/ten.html", "Range: BYTES=0-1").status == 206


def parts_of(answer):
    kind = re.fullmatch(r"multipart/byteranges; boundary=(\d{20})", answer["Content-Type"])
    assert kind, answer
    pieces = answer.body.split(b"\r\n--" + kind[1].encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n", pieces
    return [tuple(piece.split(b"\r\n\r\n", 1)) for piece in pieces[1:-1]]


def test_multiple(site):
    answer = site.fetch("/ten.html", "Range: bytes=0-1,5-,-1")
    assert answer.status == 206 and "Content-Range" not in answer
    assert int(answer["Content-Length"]) == len(answer.body)
    assert parts_of(answer) == [
        (b"\r\nContent-Type: text/html\r\nContent-Range: bytes 0-1/10", b"01"),
        (b"\r\nContent-Type: text/html\r\nContent-Range: bytes 5-9/10", b"56789"),
        (b"\r\nContent-Type: text/html\r\nContent-Range: bytes 9-9/10", b"9")]


def test_multiple_of_which_one_is_satisfiable(site):
    answer = site.fetch("/ten.html", "Range: bytes=2-3,20-30")
    assert (answer.status, answer.body) == (206, b"23")
    assert answer["Content-Range"] == "bytes 2-3/10"


def test_multiple_none_satisfiable(site):
    assert site.fetch("/ten.html", "Range: bytes=20-30,40-").status == 416


def test_ranges_larger_than_the_file_together_send_the_file(site):
    answer = site.fetch("/ten.html", "Range: bytes=0-9,0-9")
    assert (answer.status, answer.body) == (200, TEN.encode())


def test_thousands_of_ranges_cost_nothing(site):
    spec = ",".join(["0-"] * 900)
    answer = site.fetch("/ten.html", f"Range: bytes={spec}")
    assert (answer.status, answer.body) == (200, TEN.encode())


def test_multiple_head(site):
    answer = site.fetch("/ten.html", "Range: bytes=0-1,5-6", method="HEAD")
    assert answer.status == 206 and answer.body == b""


def test_max_ranges(site):
    none = site.fetch("/none/ten.html", "Range: bytes=0-1")
    assert none.status == 200 and "Accept-Ranges" not in none
    assert site.fetch("/two/ten.html", "Range: bytes=0-0,2-2").status == 206
    assert site.fetch("/two/ten.html", "Range: bytes=0-0,2-2,4-4").status == 200


def test_no_ranges_on_other_bodies(site):
    answer = site.fetch("/ret", "Range: bytes=0-1")
    assert (answer.status, answer.body) == (200, TEN.encode())
    missing = site.fetch("/missing", "Range: bytes=0-1")
    assert missing.status == 404


def test_empty_file(site):
    whole = site.fetch("/empty.html")
    assert (whole.status, whole["Content-Length"], whole.body) == (200, "0", b"")
    assert site.fetch("/empty.html", "Range: bytes=0-").status in (200, 416)


def test_range_head(site):
    answer = site.fetch("/ten.html", "Range: bytes=2-4", method="HEAD")
    assert (answer.status, answer["Content-Length"]) == (206, "3")


@pytest.mark.parametrize("offset", [0, (1 << 32) - 4, BIG - 8])
def test_beyond_four_gigabytes(site, offset):
    answer = site.fetch("/big.mp4", f"Range: bytes={offset}-{offset + 7}")
    assert answer.body == b"%08x" % (offset >> 4)
    assert answer["Content-Range"] == f"bytes {offset}-{offset + 7}/{BIG}"


def test_beyond_four_gigabytes_suffix_and_multiple(site):
    assert site.fetch("/big.mp4", "Range: bytes=-8").body == b"%08x" % ((BIG - 8) >> 4)
    answer = site.fetch("/big.mp4", f"Range: bytes=0-7,{(1 << 32) - 4}-{(1 << 32) + 3}")
    assert [body for _, body in parts_of(answer)] == [b"00000000", b"%08x" % (0xfffffffc >> 4)]


def test_big_file_length(site):
    answer = site.fetch("/big.mp4", method="HEAD")
    assert answer["Content-Length"] == str(BIG)
    with site.client() as client:
        client.send("GET /big.mp4 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head()["Content-Length"] == str(BIG)
        assert client._exactly(8 + (1 << 20)) == b"00000000" + bytes(1 << 20)


# Conditional requests.

def validators(site, path="/ten.html"):
    answer = site.fetch(path)
    return answer.get("ETag"), answer["Last-Modified"]


def date(when):
    return email.utils.formatdate(when, usegmt=True)


def test_if_none_match(site):
    etag, _ = validators(site)
    for value in (etag, f"W/{etag}", f'"x", {etag}', f'"x",W/{etag} , "y"', "*"):
        answer = site.fetch("/ten.html", f"If-None-Match: {value}")
        assert answer.status == 304, value
        assert answer["ETag"] == etag and "Content-Length" not in answer
        assert "Content-Type" not in answer and "Last-Modified" in answer
    for value in ('"x"', etag[:-1], etag[1:], '""', "nonsense"):
        assert site.fetch("/ten.html", f"If-None-Match: {value}").status == 200, value


def test_if_modified_since(site):
    _, modified = validators(site)
    stamp = int(site.path("html/ten.html").stat().st_mtime)
    assert site.fetch("/ten.html", f"If-Modified-Since: {modified}").status == 304
    assert site.fetch("/ten.html", f"If-Modified-Since: {date(stamp + 10)}").status == 200
    assert site.fetch("/ten.html", f"If-Modified-Since: {date(stamp - 10)}").status == 200
    assert site.fetch("/ten.html", "If-Modified-Since: nonsense").status == 200


def test_if_modified_since_date_forms(site):
    stamp = 784111777
    os.utime(site.path("html/two/ten.html"), (stamp, stamp))
    for text in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                 "Sun Nov  6 08:49:37 1994"):
        assert site.fetch("/two/ten.html", f"If-Modified-Since: {text}").status == 304, text


def test_if_none_match_wins_over_the_date(site):
    _, modified = validators(site)
    answer = site.fetch("/ten.html", 'If-None-Match: "x"', f"If-Modified-Since: {modified}")
    assert answer.status == 200


def test_preconditions(site):
    etag, modified = validators(site)
    stamp = int(site.path("html/ten.html").stat().st_mtime)
    assert site.fetch("/ten.html", f"If-Match: {etag}").status == 200
    assert site.fetch("/ten.html", f"If-Match: *").status == 200
    assert site.fetch("/ten.html", f'If-Match: "x"').status == 412
    assert site.fetch("/ten.html", f"If-Match: W/{etag}").status == 412
    assert site.fetch("/ten.html", f"If-Unmodified-Since: {modified}").status == 200
    assert site.fetch("/ten.html", f"If-Unmodified-Since: {date(stamp - 9)}").status == 412


def test_if_range(site):
    etag, modified = validators(site)
    stamp = int(site.path("html/ten.html").stat().st_mtime)

    def status(value):
        return site.fetch("/ten.html", "Range: bytes=0-1", f"If-Range: {value}").status

    assert (status(etag), status(modified)) == (206, 206)
    assert status('"x"') == status(f"W/{etag}") == status(date(stamp - 9)) == 200
    assert status("nonsense") == 200


def test_if_range_without_etag(site):
    _, modified = validators(site, "/noetag/ten.html")
    good = site.fetch("/noetag/ten.html", "Range: bytes=0-1", f"If-Range: {modified}")
    bad = site.fetch("/noetag/ten.html", "Range: bytes=0-1", 'If-Range: "x"')
    assert (good.status, bad.status) == (206, 200)


def test_range_and_not_modified(site):
    etag, _ = validators(site)
    answer = site.fetch("/ten.html", "Range: bytes=0-1", f"If-None-Match: {etag}")
    assert answer.status == 304
