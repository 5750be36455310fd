# SPDX-License-Identifier: Apache-2.0
"""Which location answers, and from which file."""

import pytest

HTTP = """
    types { text/html html; text/plain txt; video/mp4 mp4; }
    default_type application/octet-stream;
    server {
        listen 127.0.0.1:@PORT@;
        server_name main;
        root @PREFIX@/html;

        location / { add_header X-At root; }
        location = / { return 200 exact-root; }
        location = /exact { return 200 exact; }
        location /exact { return 200 prefix-exact; }
        location /pre { return 200 pre; }
        location /pre/long { return 200 long; }
        location ^~ /stop/ { return 200 stop; }
        location ~ \\.re$ { return 200 case; }
        location ~* \\.rei$ { return 200 nocase; }
        location ~ ^/cap/(?<name>\\w+)/(\\d+)$ { return 200 "$name-$2"; }
        location ~ \\.first { return 200 first; }
        location ~ \\.first\\.second { return 200 second; }
        location /nest/ {
            location /nest/in/ { return 200 inner; }
            location ~ \\.deep$ { return 200 deep; }
            return 200 outer;
        }

        location /alias/ { alias @PREFIX@/other/; }
        location /noslash { alias @PREFIX@/other; }
        location = /one { alias @PREFIX@/other/a.txt; }
        location ~ ^/rx/(.*)$ { alias @PREFIX@/other/$1; }
        location /docroot/ { root @PREFIX@/more; }
        location /var/ { root @PREFIX@/$arg_dir; }

        location /try/ { try_files $uri $uri/ /try-last.txt; }
        location /trycode/ { try_files $uri =410; }
        location /trynamed/ { try_files $uri @named; }
        location /tryuri/ { try_files /none /args?from=$uri; }
        location /trydir/ { try_files $uri/ =404; }
        location /args { return 200 "args=$args uri=$uri request=$request_uri"; }
        location @named { return 200 "named $uri"; }

        location /err/ { error_page 404 /e404.html; }
        location /errcode/ { error_page 404 =200 /e404.html; }
        location /errcopy/ { error_page 404 = /gone; }
        location /gone { return 410 gone; }
        location /errnamed/ { error_page 404 @named; }
        location /errredirect/ { error_page 404 http://example.org/x; }
        location /errredirect301/ { error_page 404 =301 http://example.org/x; }
        location /errmany/ { error_page 403 404 410 /e404.html; return 410; }
        location /errloop/ { error_page 404 /errloop/none; }
        location /errvar/ { error_page 404 /args?status=$status; }
        location = /e404.html { internal; }
        location /hidden/ { internal; }

        location /ret/text { return 200 "a text"; }
        location /ret/type { default_type text/plain; return 200 "x"; }
        location /ret/301 { return 301 /to?$args; }
        location /ret/302 { return 302 http://example.org/abs; }
        location /ret/303 { return 303 /to; }
        location /ret/307 { return 307 /to; }
        location /ret/308 { return 308 https://$host/to; }
        location /ret/url { return https://example.org/; }
        location /ret/204 { return 204; }
        location /ret/403 { return 403; }
        location /ret/404text { return 404 "not here"; }
        location /ret/444 { return 444; }
        location /ret/500 { return 500; }
        location /ret/503 { return 503; }
        location /ret/599 { return 599; }
        location /ret/empty { return 200 ""; }

        location /idx/ { index none.html second.txt; }
        location /idxabs/ { index none.html /idxabs-last.txt; }
        location /idxvar/ { index $arg_i.txt; }
    }
    server {
        listen 127.0.0.1:@PORT1@;
        root @PREFIX@/html;
        location /loop { try_files /none /loop; }
        location /noslash/ { return 200 slash; }
    }
"""
FILES = {
    "html/a.txt": "root a", "html/x.mp4": "mp4", "html/noext": "noext",
    "html/dir/index.html": "dir index", "html/empty/keep": "", "html/e404.html": "error 404 page",
    "html/try/there.txt": "there", "html/try/sub/index.html": "sub index",
    "html/try-last.txt": "last", "html/trycode/ok.txt": "ok", "html/trydir/d/index.html": "d",
    "html/idx/second.txt": "second", "html/idxabs/keep": "", "html/idxabs-last.txt": "idxabs",
    "html/idxvar/q.txt": "query", "html/hidden/x.txt": "hidden",
    "other/a.txt": "other a", "other/s/index.html": "alias index", "more/docroot/b.txt": "b",
    "v1/var/f.txt": "v1", "v2/var/f.txt": "v2",
}

ANSWERS = [
    ("/", 200, "exact-root"), ("/a.txt", 200, "root a"), ("/exact", 200, "exact"),
    ("/exact/", 200, "prefix-exact"), ("/exact?x", 200, "exact"), ("/pre", 200, "pre"),
    ("/prefix", 200, "pre"), ("/pre/lon", 200, "pre"), ("/pre/long/x", 200, "long"),
    ("/pre/long/x.re", 200, "case"), ("/stop/x.re", 200, "stop"), ("/x.re", 200, "case"),
    ("/x.RE", 404, None), ("/x.REI", 200, "nocase"), ("/cap/abc/12", 200, "abc-12"),
    ("/x.first.second", 200, "first"), ("/nest/x", 200, "outer"), ("/nest/in/x", 200, "inner"),
    ("/nest/x.deep", 200, "deep"), ("/nest/in/x.deep", 200, "deep"),
    ("/nest/x.re", 200, "case"), ("/%70re", 200, "pre"), ("/x/../pre", 200, "pre"),
    ("//pre", 200, "pre"),
    ("/alias/a.txt", 200, "other a"), ("/alias/s/", 200, "alias index"),
    ("/noslash/a.txt", 200, "other a"), ("/one", 200, "other a"), ("/rx/a.txt", 200, "other a"),
    ("/docroot/b.txt", 200, "b"), ("/var/f.txt?dir=v1", 200, "v1"),
    ("/var/f.txt?dir=v2", 200, "v2"), ("/dir/", 200, "dir index"), ("/empty/", 403, None),
    ("/try/there.txt", 200, "there"), ("/try/none", 200, "last"), ("/try/sub/", 200, "sub index"),
    ("/trycode/ok.txt", 200, "ok"), ("/trycode/no", 410, None),
    ("/trynamed/x", 200, "named /trynamed/x"),
    ("/tryuri/x?q=1", 200, "args=from=/tryuri/x uri=/args request=/tryuri/x?q=1"),
    ("/trydir/no", 404, None),
    ("/err/x", 404, "error 404 page"), ("/errcode/x", 200, "error 404 page"),
    ("/errcopy/x", 410, "gone"), ("/errnamed/x", 404, "named /errnamed/x"),
    ("/errmany/x", 410, "error 404 page"), ("/errloop/x", 404, None),
    ("/errvar/x", 404, "args=status=404 uri=/args request=/errvar/x"),
    ("/e404.html", 404, None), ("/hidden/x.txt", 404, None),
    ("/ret/text", 200, "a text"), ("/ret/403", 403, None), ("/ret/404text", 404, "not here"),
    ("/ret/500", 500, None), ("/ret/503", 503, None), ("/ret/599", 599, ""),
    ("/ret/empty", 200, ""), ("/ret/204", 204, ""),
    ("/idx/", 200, "second"), ("/idxabs/", 200, "idxabs"), ("/idxvar/?i=q", 200, "query"),
]


@pytest.mark.parametrize("path,status,body", ANSWERS)
def test_answer(site, path, status, body):
    answer = site.fetch(path)
    assert answer.status == status, answer
    if body is not None:
        assert answer.body == body.encode()
    elif status >= 400:
        assert f"<title>{status} ".encode() in answer.body


@pytest.mark.parametrize("path,status,to", [
    ("/dir", 301, "http://main:@PORT@/dir/"),
    ("/dir?a=b&c", 301, "http://main:@PORT@/dir/?a=b&c"),
    ("/alias/s", 301, "http://main:@PORT@/alias/s/"),
    ("/try/sub", 301, "http://main:@PORT@/try/sub/"),
    ("/trydir/d", 301, "http://main:@PORT@/trydir/d/"),
    ("/ret/301?x=y", 301, "http://main:@PORT@/to?x=y"),
    ("/ret/302", 302, "http://example.org/abs"),
    ("/ret/303", 303, "http://main:@PORT@/to"),
    ("/ret/307", 307, "http://main:@PORT@/to"),
    ("/ret/308", 308, "https://main/to"),
    ("/ret/url", 302, "https://example.org/"),
    ("/errredirect/x", 302, "http://example.org/x"),
    ("/errredirect301/x", 301, "http://example.org/x"),
])
def test_redirect(site, path, status, to):
    answer = site.fetch(path, host="main")
    assert (answer.status, answer["Location"]) == (status, site.expand(to))


def test_return_444_closes_without_an_answer(site):
    with site.client() as client:
        client.send("GET /ret/444 HTTP/1.1\r\nHost: main\r\n\r\n")
        assert client.rest() == b""


def test_types(site):
    assert site.fetch("/x.mp4")["Content-Type"] == "video/mp4"
    assert site.fetch("/a.txt")["Content-Type"] == "text/plain"
    assert site.fetch("/noext")["Content-Type"] == "application/octet-stream"
    assert site.fetch("/ret/type")["Content-Type"] == "text/plain"
    assert site.fetch("/one")["Content-Type"] == "application/octet-stream"


def test_endless_internal_redirect_is_500(site):
    answer = site.fetch("/loop", port=site.ports[1])
    assert answer.status == 500
    site.wait_log(r"internal redirection cycle while internally redirecting to \"/loop\"")


def test_prefix_location_with_slash_does_not_match_without(site):
    assert site.fetch("/noslash", port=site.ports[1]).status == 404
    assert site.fetch("/noslash/", port=site.ports[1]).body == b"slash"


def test_error_page_text_names_the_status(site):
    answer = site.fetch("/ret/403")
    assert answer["Content-Type"] == "text/html"
    assert answer.body.startswith(
        b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n"
        b"<center><h1>403 Forbidden</h1></center>\r\n<hr><center>")
    assert answer.body.endswith(b"</center>\r\n</body>\r\n</html>\r\n")


REDIRECTS = """
    server {
        listen 127.0.0.1:@PORT@;
        server_name first.example second.example;
        root @PREFIX@/html;
        location /rel/ { absolute_redirect off; location = /rel/r { return 301 /x; } }
        location /noport/ { port_in_redirect off; }
        location /name/ { server_name_in_redirect on; }
        location /both/ { server_name_in_redirect on; port_in_redirect off; }
    }
"""


@pytest.mark.parametrize("path,to", [
    ("/d", "http://asked:@PORT@/d/"), ("/rel/d", "/rel/d/"), ("/rel/r", "/x"),
    ("/noport/d", "http://asked/noport/d/"), ("/name/d", "http://first.example:@PORT@/name/d/"),
    ("/both/d", "http://first.example/both/d/"),
])
def test_redirect_settings(redirecting, path, to):
    for host in ("asked", "asked:99"):
        assert redirecting.fetch(path, host=host)["Location"] == redirecting.expand(to)


@pytest.fixture(scope="module")
def redirecting():
    import millrace
    files = {f"html/{d}d/index.html": "" for d in ("", "rel/", "noport/", "name/", "both/")}
    server = millrace.Server(REDIRECTS, files=files)
    try:
        yield server.start()
    finally:
        server.finish()


def test_redirect_escapes_the_path(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; root @PREFIX@/html; "
                         "absolute_redirect off; }",
                    files={"html/a b%?#/index.html": "", "html/\u00e9/index.html": ""})
    assert server.fetch("/a%20b%25%3F%23")["Location"] == "/a%20b%25%3F%23/"
    assert server.fetch("/%C3%A9")["Location"].lower() == "/%c3%a9/"


def test_no_root_given_is_the_prefix_html(launch):
    server = launch(http="server { listen 127.0.0.1:@PORT@; root html; }",
                    files={"html/index.html": "default index"})
    assert server.fetch("/").body == b"default index"
