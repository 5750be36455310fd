# SPDX-License-Identifier: Apache-2.0
"""The requests that are sent to both servers: a name and the bytes.

Each goes out on a connection of its own, so that an answer ends with the connection.
"""

END = "Host: origin.example\r\nConnection: close\r\n"


def _one(target, *headers, method="GET", body=""):
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"{method} {target} HTTP/1.1\r\n{END}{lines}\r\n{body}"


PATHS = """/ /a.txt /noext /empty.txt /dir /dir/ /dir/index.html /dir?x=y /nodir/ /none /none/
    /a.txt/ /hls/x.m3u8 /hls/x.ts /hls/x.m4s /hls/x.mpd /hls/none.ts /exp/f.txt /exp/none
    /expmax/f.txt /expepoch/f.txt /alias/o.txt /alias /alias/ /alias/sub /alias/sub/
    /alias/none /try/a.txt
    /try/none /try/dir /try/dir/ /try404/none /named/none /internal/f.txt /err/none /err/dir/
    /err503/none /noetag/f.txt /noranges/f.txt /copy/f.txt /re/x.ts /re/x.txt /cap/abc/12
    /cap/abc/ /x.case /stop/x.case /exactly /exactly/ /exactlyx /r/301 /r/302?q /r/307 /r/308
    /r/204 /r/400 /r/403 /r/405 /r/410 /r/413 /r/416 /r/429 /r/444 /r/499 /r/500 /r/503 /r/200
    /r/type?a=b /vars /vars?a=1&b=2 /vars?a=%20&A=x /vars/%41%2fb /vars//x/../y /abs/dir
    /tokens/none /tokens/f.txt /ka0/f.txt //a.txt ///dir//index.html /./a.txt /dir/../a.txt
    /dir/./index.html /dir/.. /dir/. /dir/../ /%61.txt /a%2etxt /a%2Etxt /dir%2findex.html
    /%2e%2e/a.txt /../a.txt /dir/../../a.txt /a.txt%00 /a.txt%20 /%zz /% /%4 /a.txt#f /a.txt?#f
    /a.txt? /a.txt?? /a%3ftxt /a%23txt /sp%20ace.txt /sp+ace.txt /%C3%BC.txt /%c3%bc.txt /...
    /..a /.a /dir/... /a.txt;p /a.txt&x /a.txt\\ /~ /!$'()*,-._ /a|b /a"b /a<b>c /a^b /a`b /a{b}
    /cors/f.txt /e404.html""".split()

TARGETS = ["http://origin.example/a.txt", "http://origin.example:80/a.txt?x=y",
           "http://a.wild.example/", "HTTP://ORIGIN.EXAMPLE/vars", "http://origin.example",
           "http://origin.example?x", "*", "a.txt", "http:/x", "://", "http://", "ftp://h/a.txt",
           "https://origin.example/vars", "http://user@origin.example/vars", "/a b"]

RANGES = ["0-0", "0-9", "5-", "-5", "-0", "0-", "-", "9-5", "100-", "9-100", "0-0,2-2", "0-4,5-",
          "0-0,-1", "-1,-2", "0-0,100-", "100-,200-", "a-b", "1", ",", "0-0,", ",0-0", "0-0,,1-1",
          " 0-0", "0 -0", "0- 0", "0-0 ", "0-0 , 1-1", "0-9,0-9", "00-01", "0-99999999999999999999",
          "99999999999999999999-", "-99999999999999999999", "0x0-1", "+0-1", "--1", "0--1", "0-0;x"]

CONDITIONS = ["If-None-Match: *", "If-None-Match: @ETAG@", "If-None-Match: W/@ETAG@",
              'If-None-Match: "x", @ETAG@', 'If-None-Match: "x"', "If-None-Match: x",
              "If-None-Match: @ETAG@x", "If-None-Match: ,@ETAG@", "If-None-Match: ",
              "If-Match: *", "If-Match: @ETAG@", "If-Match: W/@ETAG@", 'If-Match: "x"',
              "If-Modified-Since: @DATE@", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
              "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT",
              "If-Modified-Since: Thu, 01 Jan 2037 00:00:00 GMT", "If-Modified-Since: x",
              "If-Modified-Since: 0", "If-Modified-Since: @DATE@; length=10",
              "If-Unmodified-Since: @DATE@", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
              "If-Unmodified-Since: x",
              "If-Modified-Since: @DATE@\r\nIf-None-Match: \"x\"",
              "If-Match: @ETAG@\r\nIf-None-Match: @ETAG@",
              "Range: bytes=0-1\r\nIf-Range: @ETAG@", "Range: bytes=0-1\r\nIf-Range: \"x\"",
              "Range: bytes=0-1\r\nIf-Range: W/@ETAG@", "Range: bytes=0-1\r\nIf-Range: @DATE@",
              "Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT",
              "Range: bytes=0-1\r\nIf-Range: x", "Range: bytes=0-1\r\nIf-None-Match: @ETAG@"]

METHODS = ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "MKCOL",
           "COPY", "MOVE", "LOCK", "UNLOCK", "get", "GeT", "FOO", "F-O", "F_O", "G\tT"]

HEADERS = ["X-Y: a b ", "X-Y:a", "X-Y:  a", "x-y: lower", "X-Y: \t a\t", "X-Y:", "X-Y: 1\r\nX-Y: 2",
           "Cookie: c=1", "Cookie: a=b; c=2;d=3", "Cookie: c=1\r\nCookie: a=2", "User-Agent: ua/1",
           "Content-Type: a/b", "X_Y: underscore", "Expect: 100-continue", "Expect: nonsense",
           "Keep-Alive: 300", "Upgrade: websocket", "TE: trailers", "Accept-Encoding: gzip",
           "Referer: http://r/\"x\"", "X-Y: " + "v" * 900, "X-Y: " + "v" * 1800,
           "X-Y: " + "v" * 2500, "X-Y: \xfc\xe9", "Host: second.example"]

FRAMING = ["GET / HTTP/1.0\r\n\r\n", "GET /a.txt HTTP/1.0\r\nHost: a\r\n\r\n", "GET /a.txt\r\n",
           "GET /none\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
           "GET / HTTP/3.1\r\n\r\n", f"GET / HTTP/1.2\r\n{END}\r\n", "GET / HTTP/0.9\r\n\r\n",
           f"GET / HTTP/01.1\r\n{END}\r\n", "GET / HTTP/1.\r\n\r\n", "GET / http/1.1\r\n\r\n",
           "GET / HTTP /1.1\r\n\r\n", "GET /\r\n\r\n", "GET\r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
           f"\r\nGET /a.txt HTTP/1.1\r\n{END}\r\n", f"\n\nGET /a.txt HTTP/1.1\r\n{END}\r\n",
           f"GET  /a.txt HTTP/1.1\r\n{END}\r\n", f"GET /a.txt  HTTP/1.1\r\n{END}\r\n",
           f"GET /a.txt HTTP/1.1 \r\n{END}\r\n", "\0\0\0\r\n\r\n",
           "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
           f"GET /{'x' * 1500} HTTP/1.1\r\n{END}\r\n", f"GET /{'x' * 3000} HTTP/1.1\r\n{END}\r\n",
           f"GET /a.txt HTTP/1.1\r\n{END}{'X-N: v' * 4}\r\n\r\n"]

BODIES = [("Content-Length: 0", ""), ("Content-Length: 5", "hello"), ("Content-Length: 1025", ""),
          ("Content-Length: -1", ""), ("Content-Length: x", ""), ("Content-Length: 1 2", ""),
          ("Content-Length: 0\r\nContent-Length: 0", ""),
          ("Content-Length: 99999999999999999999", ""), ("Content-Length: ", ""),
          ("Transfer-Encoding: chunked", "0\r\n\r\n"),
          ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
          ("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), ("Transfer-Encoding: gzip", ""),
          ("Transfer-Encoding: identity", ""), ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
          ("Transfer-Encoding: chunked\r\nContent-Length: 0", "0\r\n\r\n")]

HOSTS = ["origin.example", "ORIGIN.EXAMPLE", "origin.example.", "origin.example:99", "unknown",
         "a.wild.example", "a.b.wild.example", "wild.example", "abc.re.example", "1.re.example",
         "1.2.3.4", "[::1]", "[::1]:8080", "a_b", "-", "", "a/b", "a b", "..", "a..b", ".a", "a:b",
         "xn--bcher-kva.example", "\xfc.example", "a\tb", "a%41"]

TRAILERS = ["/trailers/x.ts", "/trailers/200", "/trailers/none", "/trailers/204", "/trailers/404",
            "/trailers/own", "/trailers/off", "/trailers/if?a=b"]


def all_requests():
    cases = [(f"GET {path}", _one(path)) for path in PATHS]
    cases += [(f"target {target}", _one(target)) for target in TARGETS]
    cases += [(f"HEAD {path}", _one(path, method="HEAD"))
              for path in PATHS if not path.startswith("/r/4")]
    cases += [(f"range {spec}", _one("/a.txt", f"Range: bytes={spec}")) for spec in RANGES]
    for place in ("noranges", "oneranges"):
        cases += [(f"{place} {spec}", _one(f"/{place}/f.txt", f"Range: bytes={spec}"))
                  for spec in ("0-0", "0-0,2-2")]
    cases += [(f"condition {line}", _one("/a.txt", line)) for line in CONDITIONS]
    for path in ("/a.txt", "/r/200", "/cors/f.txt", "/none", "/dir", "/status"):
        cases += [(f"method {name} {path}", _one(path, "Content-Length: 0", method=name))
                  for name in METHODS]
    cases += [(f"header {line[:40]}", _one("/vars", line)) for line in HEADERS]
    cases += [(f"framing {text[:40]!r}", text) for text in FRAMING]
    for path in ("/a.txt", "/r/200"):
        cases += [(f"body {line} {body!r} {path}", _one(path, line, method="POST", body=body))
                  for line, body in BODIES]
    cases += [(f"host {host!r}", f"GET /vars HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
              for host in HOSTS]
    for path in TRAILERS:
        cases += [(f"trailers {method} {path}", _one(path, method=method))
                  for method in ("GET", "HEAD")]
        cases.append((f"trailers 1.0 {path}", f"GET {path} HTTP/1.0\r\n{END}\r\n"))
    cases += [(f"trailers {line}", _one(TRAILERS[0], line))
              for line in ("Range: bytes=1-2", "If-None-Match: @ETAG@", "TE: trailers")]
    cases.append(("pipeline", "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 5 + _one("/none")))
    cases.append(("keep-alive 1.0", "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" +
                  _one("/r/200")))
    return cases
