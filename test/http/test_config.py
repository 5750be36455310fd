# SPDX-License-Identifier: Apache-2.0
"""Loading a configuration: what is refused, with which words, and what a check promises."""

import os
import re
import subprocess

import pytest

import millrace

SERVER = "server { listen 127.0.0.1:@PORT@; %s }"


def check(prepare, **parts):
    """Runs -t and returns (exit status, everything it said)."""
    server = prepare(**parts)
    done = server.run("-t")
    return done.returncode, done.stdout + done.stderr


def test_good_configuration_is_confirmed(prepare):
    status, text = check(prepare, http=SERVER % "")
    assert status == 0
    assert re.search(r"the configuration file \S+/nginx.conf syntax is ok\n", text)
    assert re.search(r"configuration file \S+/nginx.conf test is successful\n", text)


# The text in which %% stands for the rest of a directive, the message, and the line it names.
WRONG = [
    ("nonsense on;", 'unknown directive "nonsense"', 8),
    ("server { nonsense; }", 'unknown directive "nonsense"', 8),
    ("server {\nlisten 127.0.0.1:@PORT@;\n\n nonsense 1; }", 'unknown directive "nonsense"', 11),
    ("worker_processes 1;", '"worker_processes" directive is not allowed here', 8),
    ("server { listen; }", 'invalid number of arguments in "listen" directive', 8),
    ("sendfile;", 'invalid number of arguments in "sendfile" directive', 8),
    ("sendfile maybe;", 'invalid value "maybe" in "sendfile" directive, '
     'it must be "on" or "off"', 8),
    ("sendfile on; sendfile off;", '"sendfile" directive is duplicate', 8),
    ("keepalive_timeout 3x;", '"keepalive_timeout" directive invalid value', 8),
    ("client_max_body_size 3x;", '"client_max_body_size" directive invalid value', 8),
    ("keepalive_requests 1;;", 'unexpected ";"', 8),
    ("server listen;", 'directive "server" has no opening "{"', 8),
    ("sendfile on {", 'directive "sendfile" is not terminated by ";"', 8),
    ("server { location = /x { location /x/y { } } }",
     'location "/x/y" cannot be inside the exact location "/x"', 8),
    ("server { location /a/ { location /b/ { } } }",
     'location "/b/" is outside location "/a/"', 8),
    ("server { location /a/ { } location /a/ { } }", 'duplicate location "/a/"', 8),
    ("server { location ~ '(' { } }", "pcre2_compile() failed", 8),
    ("server { location ~~ x { } }", 'invalid location modifier "~~"', 8),
    ("server { return 999999; }", 'invalid return code "999999"', 8),
    ("server { location / { alias /a; root /b; } }",
     '"root" directive is duplicate, "alias" directive was specified earlier', 8),
    ("server { root /a/$nonsense; }", 'unknown "nonsense" variable', None),
    ("server { listen 127.0.0.1:@PORT@; listen 127.0.0.1:@PORT@; }", "a duplicate listen", 8),
    ("server { listen 127.0.0.1:@PORT@ default_server; } server { listen 127.0.0.1:@PORT@ "
     "default_server; }", "a duplicate default server for", 8),
    ("server { listen 127.0.0.1:99999; }", 'invalid port in "127.0.0.1:99999" of the "listen"', 8),
    ("server { listen 127.0.0.1:@PORT@ nonsense; }", 'invalid parameter "nonsense"', 8),
    ("include missing.conf;", 'missing.conf" failed (2: No such file or directory)', 8),
    ("access_log a.log nonsense;", 'unknown log format "nonsense"', 8),
    ("log_format a '$nonsense';", 'unknown "nonsense" variable', None),
    ("log_format a 'x'; log_format a 'y';", 'duplicate "log_format" name "a"', 8),
    ("map $uri $x { a b c; }", "invalid number of the map parameters", 8),
    ("map $uri x { a b; }", 'invalid variable name "x"', 8),
    ("map $uri $x { default a; default b; }", "duplicate default map parameter", 8),
    ("error_page 200 /x;", 'value "200" must be between 300 and 599', 8),
    ("add_header X;", 'invalid number of arguments in "add_header" directive', 8),
    ("server_tokens maybe;", 'invalid value "maybe"', 8),
    ("expires never;", 'invalid value', 8),
    ("server { listen 127.0.0.1:@PORT@;", 'unexpected end of file, expecting "}"', None),
    ("}", 'unexpected "}"', None),
    ("server_name 'a;", "unexpected end of file, expecting", None),
    ('"a"b;', 'unexpected "b"', 8),
]


@pytest.mark.parametrize("text,message,line", WRONG, ids=[w[0][:40] for w in WRONG])
def test_error_names_file_and_line(prepare, text, message, line):
    status, said = check(prepare, full="pid nginx.pid;\n\n\n\nevents { }\nhttp {\n\n" + text +
                         "\n}\n")
    assert status == 1, said
    assert "[emerg]" in said and message in said, said
    if line:
        assert re.search(rf"\[emerg\].* in \S+/nginx.conf:{line}$", said, re.M), said
    assert re.search(r"configuration file \S+/nginx.conf test failed", said)


def test_error_in_an_included_file_names_that_file(prepare):
    status, said = check(prepare, http="include conf.d/*.conf;", files={
        "conf.d/a.conf": "sendfile on;\n", "conf.d/b.conf": "\n\nnonsense;\n"})
    assert status == 1
    assert re.search(r'unknown directive "nonsense" in \S+/conf.d/b.conf:3$', said, re.M), said


def test_glob_that_matches_nothing_is_fine(prepare):
    status, said = check(prepare, http="include conf.d/*.conf; " + SERVER % "")
    assert status == 0, said


def test_quoting_and_escapes(launch):
    server = launch(http=SERVER % r"""
        location /1 { return 200 'a "b" {;}# c'; }
        location /2 { return 200 "tab\tquote\" single'"; }
        location /3 { return 200 a\ b\;c; }
        location '/4 5' { return 200 four; }   # a comment { with ; braces }
        location /6 { return 200 "${arg_x}y $arg_x \n"; }
    """)
    assert server.fetch("/1").body == b'a "b" {;}# c'
    assert server.fetch("/2").body == b"tab\tquote\" single'"
    assert server.fetch("/3").body in (b"a b;c", b"a\\ b;c", b"a\\ b\\;c")
    assert server.fetch("/4%205").body == b"four"
    assert server.fetch("/6?x=7").body == b"7y 7 \n"


def test_configuration_missing(prepare):
    server = prepare()
    server.path("nginx.conf").unlink()
    done = server.run()
    assert done.returncode == 1
    assert re.search(r'\[emerg\].*open\(\) "\S+/nginx.conf" failed '
                     r"\(2: No such file or directory\)", done.stderr)


def test_broken_start_starts_nothing(prepare):
    server = prepare(http="nonsense;\n" + SERVER % "")
    done = server.run()
    assert done.returncode == 1 and 'unknown directive "nonsense"' in done.stderr
    assert not server.path("nginx.pid").exists()
    with pytest.raises(ConnectionRefusedError):
        server.client()
    assert "[emerg]" in server.log()


def test_address_in_use_is_named(launch, prepare):
    first = launch(http=SERVER % "")
    second = prepare(http=f"server {{ listen 127.0.0.1:{first.port}; }}")
    done = second.run("-g", "daemon off;", timeout=20)
    assert done.returncode == 1
    assert f"bind() to 127.0.0.1:{first.port} failed (98: Address already in use)" in done.stderr
    assert first.fetch("/none").status == 404


def test_address_not_ours_is_named(prepare):
    status, said = check(prepare, http="server { listen 203.0.113.7:@PORT@; }")
    assert status == 1
    assert re.search(r"bind\(\) to 203.0.113.7:\d+ failed \(99: Cannot assign", said), said


@pytest.mark.root
def test_no_permission_for_a_low_port_is_named(prepare):
    server = prepare(http="server { listen 127.0.0.1:81; }")
    os.chown(server.prefix, 65534, 65534)
    server.path("logs").chmod(0o777)
    done = subprocess.run(server.command("-t"), capture_output=True, text=True, user=65534,
                          group=65534, extra_groups=[], timeout=20)
    if "bind()" not in done.stderr:
        pytest.skip("low ports or compiled-in directories are not what this machine protects: " +
                    done.stderr[-200:])
    assert "bind() to 127.0.0.1:81 failed (13: Permission denied)" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("main,http,name", [
    ("error_log missing/e.log;", "", "missing/e.log"),
    ("", "access_log missing/a.log;", "missing/a.log"),
])
def test_missing_log_directory_is_named(prepare, main, http, name):
    full = f"pid nginx.pid; {main}\nevents {{}}\nhttp {{ {http} {SERVER % ''} }}"
    status, said = check(prepare, full=full)
    assert status == 1
    assert re.search(rf'open\(\) "\S+/{name}" failed \(2: No such file or directory\)', said), said


def test_missing_pid_directory_is_named(prepare):
    status, said = check(prepare, full="pid missing/nginx.pid;\nevents {}\nhttp { }")
    assert status == 1
    assert re.search(r'open\(\) "\S+/missing/nginx.pid" failed \(2: No such file', said), said


@pytest.mark.root
def test_unknown_user_is_named(prepare):
    status, said = check(prepare, main="user no-such-user-here;")
    assert status == 1
    assert 'getpwnam("no-such-user-here") failed' in said


TUNING = """use epoll; multi_accept on; accept_mutex off;"""
TUNING_HTTP = """
    aio threads; directio 4m; output_buffers 2 32k; postpone_output 1460;
    server_names_hash_bucket_size 64; server_names_hash_max_size 1024; types_hash_max_size 2048;
    variables_hash_max_size 2048; map_hash_bucket_size 64; tcp_nopush on; tcp_nodelay on;
    sendfile on; sendfile_max_chunk 512k; client_body_buffer_size 16k;
    connection_pool_size 512; request_pool_size 4k;
"""


def test_tuning_is_accepted(prepare):
    status, said = check(prepare, main="pcre_jit on; worker_cpu_affinity auto; worker_priority 0;",
                         events=TUNING, http=TUNING_HTTP + SERVER % "")
    assert status == 0, said


@pytest.mark.millrace_only
@pytest.mark.parametrize("events,http,name", [
    ("use epoll;", "", "use"), ("multi_accept on;", "", "multi_accept"),
    ("accept_mutex on;", "", "accept_mutex"), ("", "aio threads;", "aio"),
    ("", "directio 4m;", "directio"), ("", "output_buffers 2 32k;", "output_buffers"),
    ("", "postpone_output 1460;", "postpone_output"),
    ("", "types_hash_max_size 2048;", "types_hash_max_size"),
])
def test_tuning_without_meaning_gets_one_notice(prepare, events, http, name):
    status, said = check(prepare, events=events, http=http + SERVER % "")
    assert status == 0, said
    notices = [line for line in said.splitlines() if "[notice]" in line and f'"{name}"' in line]
    assert len(notices) == 1, said
    assert re.search(r"nginx.conf:\d+", notices[0])


REJECTED = [
    ("load_module modules/x.so;", "", "load_module"),
    ("stream { }", "", "stream"),
    ("mail { }", "", "mail"),
    ("rtmp { }", "", "rtmp"),
    ("", "lua_package_path x;", "lua_package_path"),
    ("", SERVER % "location / { fastcgi_pass 127.0.0.1:9000; }", "fastcgi_pass"),
]


@pytest.mark.millrace_only
@pytest.mark.parametrize("main,http,name", REJECTED, ids=[r[2] for r in REJECTED])
def test_rejected_by_name_with_a_reason(prepare, main, http, name):
    full = f"pid nginx.pid;\n{main}\nevents {{}}\nhttp {{\n{http}\n}}\n"
    status, said = check(prepare, full=full)
    line = [text for text in said.splitlines() if "[emerg]" in text]
    assert status == 1 and len(line) == 1, said
    assert f'"{name}"' in line[0] and "unknown directive" not in line[0], line
    assert re.search(r"nginx.conf:\d+", line[0])


# Directives that keep somebody out. Each must be refused or do its work, but never be ignored.
PROTECTING = [
    ("", "deny all;"),
    ("", "allow 192.0.2.1; deny all;"),
    ("", "auth_basic private; auth_basic_user_file @PREFIX@/none;"),
    ("", "auth_request /auth;"),
    ("", "internal;"),
    ("", "secure_link $arg_a,$arg_b; secure_link_md5 x$uri; if ($secure_link = '') "
     "{ return 403; }"),
    ("", "valid_referers example.org; if ($invalid_referer) { return 403; }"),
    ("limit_req_zone $binary_remote_addr zone=a:1m rate=1r/m;", "limit_req zone=a;"),
    ("limit_conn_zone $binary_remote_addr zone=b:1m;", "limit_conn b 1;"),
    ("", "disable_symlinks on;"),
    ("", "limit_except POST { deny all; }"),
    ("", "satisfy any; deny all;"),
]


def _is_kept_out(server):
    """Tries what a protecting directive must stop: the second of two requests at the latest."""
    with server.client() as one, server.client() as two:
        one.send("GET /guarded/link HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n")
        first = one.head().status
        second = two.request("/guarded/link").status
    return first >= 400 or second >= 400


@pytest.mark.parametrize("http,directive", PROTECTING, ids=[p[1][:30] for p in PROTECTING])
def test_protecting_directive_is_never_ignored(prepare, http, directive):
    server = prepare(http=f"{http} server {{ listen 127.0.0.1:@PORT@; root @PREFIX@/html; "
                          f"sendfile_max_chunk 64k; location /guarded/ {{ {directive} }} }}")
    server.write("html/guarded/file", b"x" * (32 << 20))
    server.path("html/guarded/link").symlink_to("file")
    done = server.run("-t")
    if done.returncode != 0:
        assert "[emerg]" in done.stderr and millrace.is_millrace(), done.stderr
        return
    server.start()
    assert _is_kept_out(server), "a protecting directive was accepted and does nothing"


def test_env_directive_is_accepted(prepare):
    status, said = check(prepare, main="env KEPT; env GIVEN=there;", http=SERVER % "")
    assert status == 0, said
    status, said = check(prepare, main="env;", http=SERVER % "")
    assert status == 1 and 'invalid number of arguments in "env"' in said, said
