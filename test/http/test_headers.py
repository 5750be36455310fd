# SPDX-License-Identifier: Apache-2.0
"""What is sent besides the body: add_header, expires, etag, types, Server, CORS."""

import email.utils
import re
import time

import pytest

HTTP = """
    types { text/html html; application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s;
            application/dash+xml mpd; }
    default_type text/plain;
    map $uri $cache { ~\\.m3u8$ "max-age=1"; ~\\.ts$ "public, max-age=31536000"; default ""; }
    map $sent_http_content_type $by_type { video/mp4 1d; default off; }
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        add_header X-Server one;
        add_header X-Second two;

        location /own/ { add_header X-Own yes; }
        location /inherit/ { }
        location /always/ { add_header X-Always yes always; add_header X-Not yes; }
        location /var/ { add_header X-Var "$arg_v/$uri"; }
        location /empty/ { add_header X-Empty ""; add_header X-None $arg_none; }
        location /twice/ { add_header X-Twice 1; add_header X-Twice 2; }
        location /modified/ { add_header Last-Modified ""; }
        location /cc/ { add_header Cache-Control a; add_header Cache-Control b; }
        location /etagoff/ { etag off; }
        location /ret { return 200 ok; }

        location /e/off/ { expires off; }
        location /e/epoch/ { expires epoch; }
        location /e/max/ { expires max; }
        location /e/plus/ { expires 1h; }
        location /e/minus/ { expires -1; }
        location /e/modified/ { expires modified +1d; }
        location /e/day/ { expires @23h59m; }
        location /e/map/ { expires $by_type; }
        location /tokens/off/ { server_tokens off; }
        location /tokens/on/ { server_tokens on; }
        location /seg/ { add_header Cache-Control $cache; }
        location /notypes/ { types { } default_type video/x; }
        location /cors/ {
            if ($request_method = OPTIONS) {
                add_header Access-Control-Allow-Origin *;
                add_header Access-Control-Max-Age 1728000;
                add_header Content-Type "text/plain charset=UTF-8";
                add_header Content-Length 0;
                return 204;
            }
            add_header Access-Control-Allow-Origin * always;
            add_header Access-Control-Expose-Headers "Content-Length,Content-Range";
        }
    }
"""
NAMES = ["own", "inherit", "always", "var", "empty", "twice", "modified", "cc", "etagoff", "e/off",
         "e/epoch", "e/max", "e/plus", "e/minus", "e/modified", "e/day", "tokens/off",
         "tokens/on", "cors"]
FILES = {f"html/{name}/f": "file" for name in NAMES} | {
    "html/seg/x.m3u8": "#EXTM3U", "html/seg/x.ts": "ts", "html/seg/x.mpd": "mpd",
    "html/seg/x.m4s": "m4s", "html/seg/X.TS": "TS", "html/e/map/x.mp4": "m",
    "html/e/map/x.html": "h", "html/notypes/x.ts": "x"}


def test_plain_file_headers_in_order(site):
    answer = site.fetch("/inherit/f")
    names = [name for name, _ in answer.headers]
    assert names == ["Server", "Date", "Content-Type", "Content-Length", "Last-Modified",
                     "Connection", "ETag", "X-Server", "X-Second", "Accept-Ranges"]


def test_validators_have_nginx_format(site):
    answer = site.fetch("/inherit/f")
    stat = site.path("html/inherit/f").stat()
    assert answer["ETag"] == f'"{int(stat.st_mtime):x}-4"'
    assert answer["Last-Modified"] == email.utils.formatdate(int(stat.st_mtime), usegmt=True)


def test_date_is_now(site):
    date = email.utils.parsedate_to_datetime(site.fetch("/inherit/f")["Date"]).timestamp()
    assert abs(date - time.time()) < 3


def test_add_header_replaces_the_inherited_set(site):
    own = site.fetch("/own/f")
    assert own["X-Own"] == "yes" and "X-Server" not in own
    inherited = site.fetch("/inherit/f")
    assert (inherited["X-Server"], inherited["X-Second"]) == ("one", "two")


def test_add_header_only_with_good_status_unless_always(site):
    missing = site.fetch("/always/none")
    assert missing.status == 404
    assert missing["X-Always"] == "yes" and "X-Not" not in missing
    assert "X-Server" not in site.fetch("/inherit/none")


def test_add_header_statuses(site):
    stat = site.path("html/own/f").stat()
    not_modified = site.fetch("/own/f", f'If-None-Match: "{int(stat.st_mtime):x}-4"')
    assert (not_modified.status, not_modified.get("X-Own")) == (304, "yes")
    partial = site.fetch("/own/f", "Range: bytes=0-1")
    assert (partial.status, partial.get("X-Own")) == (206, "yes")
    unsatisfiable = site.fetch("/own/f", "Range: bytes=9-")
    assert (unsatisfiable.status, unsatisfiable.get("X-Own")) == (416, "yes")


def test_add_header_values(site):
    assert site.fetch("/var/f?v=1")["X-Var"] == "1//var/f"
    empty = site.fetch("/empty/f")
    assert "X-Empty" not in empty and "X-None" not in empty
    assert site.fetch("/twice/f").all("X-Twice") == ["1", "2"]
    assert site.fetch("/cc/f").all("Cache-Control") == ["a", "b"]
    assert "Last-Modified" not in site.fetch("/modified/f")


def test_etag_off(site):
    answer = site.fetch("/etagoff/f")
    assert "ETag" not in answer and "Last-Modified" in answer


def expires_in(answer):
    expires = email.utils.parsedate_to_datetime(answer["Expires"]).timestamp()
    return expires - email.utils.parsedate_to_datetime(answer["Date"]).timestamp()


def test_expires_off(site):
    answer = site.fetch("/e/off/f")
    assert "Expires" not in answer and "Cache-Control" not in answer


@pytest.mark.parametrize("kind,expires,control", [
    ("epoch", "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"),
    ("max", "Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"),
])
def test_expires_fixed(site, kind, expires, control):
    answer = site.fetch(f"/e/{kind}/f")
    assert (answer["Expires"], answer["Cache-Control"]) == (expires, control)


def test_expires_relative(site):
    plus = site.fetch("/e/plus/f")
    assert abs(expires_in(plus) - 3600) <= 1 and plus["Cache-Control"] == "max-age=3600"
    minus = site.fetch("/e/minus/f")
    assert abs(expires_in(minus) + 1) <= 1 and minus["Cache-Control"] == "no-cache"


def test_expires_modified(site):
    answer = site.fetch("/e/modified/f")
    modified = email.utils.parsedate_to_datetime(answer["Last-Modified"]).timestamp()
    expires = email.utils.parsedate_to_datetime(answer["Expires"]).timestamp()
    assert expires - modified == 86400


def test_expires_time_of_day(site):
    answer = site.fetch("/e/day/f")
    assert 0 < expires_in(answer) <= 86400
    assert re.fullmatch(r"max-age=\d+", answer["Cache-Control"])


def test_expires_by_map(site):
    assert site.fetch("/e/map/x.mp4")["Cache-Control"] == "max-age=86400"
    assert "Expires" not in site.fetch("/e/map/x.html")


def test_expires_not_on_errors(site):
    assert "Expires" not in site.fetch("/e/plus/none")


def test_server_tokens(site):
    assert re.fullmatch(r"nginx|millrace", site.fetch("/tokens/off/f")["Server"])
    assert re.fullmatch(r"(nginx|millrace)/\d+\.\d+\S*", site.fetch("/tokens/on/f")["Server"])
    assert re.search(rb"<hr><center>(nginx|millrace)</center>",
                     site.fetch("/tokens/off/none").body)
    assert re.search(rb"<hr><center>(nginx|millrace)/\d+\.\d+\S*</center>",
                     site.fetch("/tokens/on/none").body)


@pytest.mark.parametrize("path,kind,control", [
    ("x.m3u8", "application/vnd.apple.mpegurl", "max-age=1"),
    ("x.ts", "video/mp2t", "public, max-age=31536000"),
    ("X.TS", "video/mp2t", None), ("x.mpd", "application/dash+xml", None),
    ("x.m4s", "video/mp4", None),
])
def test_types_and_cache_control_by_map(site, path, kind, control):
    answer = site.fetch(f"/seg/{path}")
    assert answer["Content-Type"] == kind
    assert answer.get("Cache-Control") == control


def test_types_can_be_emptied(site):
    assert site.fetch("/notypes/x.ts")["Content-Type"] == "video/x"


def test_cors_preflight(site):
    answer = site.fetch("/cors/f", "Origin: http://a", "Access-Control-Request-Method: GET",
                        method="OPTIONS")
    assert answer.status == 204
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Max-Age"] == "1728000"
    assert "Access-Control-Expose-Headers" not in answer


def test_cors_request(site):
    answer = site.fetch("/cors/f", "Origin: http://a")
    assert answer.body == b"file"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Expose-Headers"] == "Content-Length,Content-Range"
    missing = site.fetch("/cors/none")
    assert missing["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Expose-Headers" not in missing


def test_if_modified_since_modes(launch):
    server = launch(http="""server { listen 127.0.0.1:@PORT@; root @PREFIX@/html;
        location /off/ { if_modified_since off; }
        location /before/ { if_modified_since before; }
        location /exact/ { if_modified_since exact; } }""",
                    files={f"html/{d}/f": "x" for d in ("off", "before", "exact")})
    later = "If-Modified-Since: Thu, 31 Dec 2037 23:55:55 GMT"
    assert server.fetch("/off/f", later).status == 200
    assert server.fetch("/before/f", later).status == 304
    assert server.fetch("/exact/f", later).status == 200
    same = "If-Modified-Since: " + server.fetch("/exact/f")["Last-Modified"]
    assert server.fetch("/off/f", same).status == 200
    assert server.fetch("/before/f", same).status == 304
    assert server.fetch("/exact/f", same).status == 304
