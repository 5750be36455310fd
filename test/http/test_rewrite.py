# SPDX-License-Identifier: Apache-2.0
"""set, if, rewrite, break and return: the language of ngx_http_rewrite_module."""

import pytest

HTTP = r"""
    server {
        listen 127.0.0.1:@PORT@;
        server_name main;
        root @PREFIX@/html;
        set $from server;
        rewrite ^/old/(.*)$ /show/$1;
        if ($arg_moved = yes) { return 301 /show/moved; }

        location /show { return 200 "uri=$uri args=$args from=$from request=$request_uri"; }

        location /last/ {
            rewrite ^/last/(.*)$ /show/$1 last;
            rewrite ^ /show/never-reached last;
        }
        location /none/ {
            rewrite ^/none/(.*)$ /show/first/$1;
            rewrite ^/show/first/(.*)$ /show/second/$1;
            set $from after-rewrite;
        }
        location /break/ {
            rewrite ^/break/(.*)$ /files/$1 break;
            rewrite ^ /show/never-reached last;
            set $from never-reached;
            add_header X-From $from;
        }
        location /redirect/ { rewrite ^/redirect/(.*)$ /show/$1 redirect; }
        location /permanent/ { rewrite ^/permanent/(.*)$ /show/$1 permanent; }
        location /away/ { rewrite ^/away/(.*)$ http://example.org/$1; }
        location /addargs/ { rewrite ^/addargs/(.*)$ /show/x?name=$1 last; }
        location /dropargs/ { rewrite ^/dropargs/(.*)$ /show/x?name=$1? last; }
        location /cycle/ { rewrite ^/cycle/(.*)$ /cycle/x$1 last; }
        location /named/ { rewrite ^/named/(?<show>\w+)/(?<ep>\d+)$ /show/$show-$ep last; }

        location /break-word/ {
            set $from before;
            break;
            set $from after;
            return 200 never-reached;
        }

        location /if/ {
            set $from plain;
            if ($request_method = HEAD) { set $from head; }
            if ($arg_a) { set $from truthy; }
            if ($arg_b != "") { set $from not-empty; }
            if ($uri ~ "/if/(\w+)\.ts$") { set $from "matched-$1"; }
            if ($uri ~* \.MPD$) { set $from nocase; }
            if ($uri !~ ^/if/) { set $from never; }
            if (-f $document_root/files/a.txt) { set $file yes; }
            if (!-e $document_root/files/none) { set $missing yes; }
            if (-d $document_root/files) { set $dir yes; }
            return 200 "$from file=$file missing=$missing dir=$dir";
        }
        location /if-conf/ {
            add_header X-Where outside;
            if ($arg_in) { add_header X-Where inside; }
            rewrite ^/if-conf/(.*)$ /files/$1 break;
        }
        location /if-return/ {
            if ($request_method = OPTIONS) {
                add_header Access-Control-Allow-Methods "GET, OPTIONS";
                return 204;
            }
            return 200 other;
        }
        location /unset { return 200 "[$never_set]"; if ($arg_x) { set $never_set 1; } }
    }
"""
# A variable that is never set is a warning in nginx.
ALLOW = r"using uninitialized"
FILES = {"html/files/a.txt": "content of a"}


@pytest.mark.parametrize("path, text", [
    ("/old/a", "uri=/show/a args= from=server request=/old/a"),
    ("/last/a?x=1", "uri=/show/a args=x=1 from=server request=/last/a?x=1"),
    ("/none/a", "uri=/show/second/a args= from=after-rewrite request=/none/a"),
    ("/addargs/n?x=1", "uri=/show/x args=name=n&x=1 from=server request=/addargs/n?x=1"),
    ("/dropargs/n?x=1", "uri=/show/x args=name=n from=server request=/dropargs/n?x=1"),
    ("/named/news/12", "uri=/show/news-12 args= from=server request=/named/news/12"),
    ("/if/x", "plain file=yes missing=yes dir=yes"),
    ("/if/x?a=1", "truthy file=yes missing=yes dir=yes"),
    ("/if/x?a=0", "plain file=yes missing=yes dir=yes"),
    ("/if/x?b=0", "not-empty file=yes missing=yes dir=yes"),
    ("/if/seg.ts", "matched-seg file=yes missing=yes dir=yes"),
    ("/if/x.mpd", "nocase file=yes missing=yes dir=yes"),
    ("/if-return/", "other"),
    ("/unset", "[]"),
])
def test_text(site, path, text):
    answer = site.fetch(path)
    assert answer.status == 200
    assert answer.body.decode() == text


def test_break_stays_in_the_location(site):
    answer = site.fetch("/break/a.txt")
    assert (answer.status, answer.body) == (200, b"content of a")
    assert answer["X-From"] == "server"


def test_break_ends_the_directives_but_not_the_location(site):
    assert site.fetch("/break-word/x").status == 404


@pytest.mark.parametrize("path, status, location", [
    ("/redirect/a?x=1", 302, "/show/a?x=1"),
    ("/permanent/a", 301, "/show/a"),
    ("/away/a?x=1", 302, "http://example.org/a?x=1"),
    ("/anything?moved=yes", 301, "/show/moved"),
])
def test_redirect(site, path, status, location):
    answer = site.fetch(path)
    assert answer.status == status
    assert answer["Location"].endswith(location)


def test_a_cycle_ends_in_500(site):
    assert site.fetch("/cycle/a").status == 500
    site.wait_log(r"rewrite or internal redirection cycle")


@pytest.mark.parametrize("query, where", [("", "outside"), ("?in=1", "inside")])
def test_if_brings_its_own_configuration(site, query, where):
    answer = site.fetch("/if-conf/a.txt" + query)
    assert answer["X-Where"] == where


def test_options_shape(site):
    with site.client() as client:
        answer = client.request("/if-return/", method="OPTIONS")
    assert answer.status == 204
    assert answer["Access-Control-Allow-Methods"] == "GET, OPTIONS"
