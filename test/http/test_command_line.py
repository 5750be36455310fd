# SPDX-License-Identifier: Apache-2.0
"""The command line, as nginx has it."""

import re
import signal
import subprocess

import pytest

import millrace
from wire import eventually

HTTP = "server { listen 127.0.0.1:@PORT@; location / { return 200 $pid; } }"


def run(*args):
    done = subprocess.run([millrace.BINARY, *args], capture_output=True, text=True, timeout=20)
    return done.returncode, done.stdout + done.stderr


def test_v_prints_one_line_and_stops():
    status, text = run("-v")
    assert status == 0
    assert re.fullmatch(r"(nginx|millrace) version: (nginx|millrace)/\d+\.\d+[\w.-]*( .*)?\n",
                        text), text


def test_big_v_prints_what_tools_read():
    status, text = run("-V")
    assert status == 0
    assert re.search(r"^nginx version: nginx/\d+\.\d+\.\d+", text, re.M)
    assert re.search(r"^TLS SNI support enabled$", text, re.M)
    assert re.search(r"^configure arguments:", text, re.M)
    assert "--with-http_stub_status_module" in text
    assert re.search(r"OpenSSL \d", text)


@pytest.mark.millrace_only
def test_big_v_is_honest():
    _, text = run("-V")
    assert re.search(r"^millrace version: millrace/\S+", text, re.M)
    for absent in ("ssi", "fastcgi", "uwsgi", "scgi"):
        assert f"--without-http_{absent}_module" in text, absent
    for absent in ("--with-stream", "--with-mail"):
        assert absent not in text.split(), absent


@pytest.mark.parametrize("flag", ["-h", "-?"])
def test_help(flag):
    status, text = run(flag)
    assert status == 0
    for option in ("-?,-h", "-v", "-V", "-t", "-T", "-q", "-s signal", "-p prefix", "-e filename",
                   "-c filename", "-g directives"):
        assert re.search(rf"^  {re.escape(option)}\s+:? ?", text, re.M), option


@pytest.mark.parametrize("args,message", [
    (["-x"], 'invalid option: "x"'),
    (["nonsense"], 'invalid option: "nonsense"'),
    (["-c"], 'option "-c" requires file name'),
    (["-p"], 'option "-p" requires directory name'),
    (["-g"], 'option "-g" requires parameter'),
    (["-s"], 'option "-s" requires parameter'),
    (["-s", "nonsense"], 'invalid option: "-s nonsense"'),
])
def test_wrong_option_is_named(args, message):
    status, text = run(*args)
    assert status == 1 and message in text, text


def test_q_silences_success_but_not_errors(prepare):
    good = prepare(http=HTTP).run("-t", "-q")
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = prepare(http="nonsense;").run("-t", "-q")
    assert bad.returncode == 1 and 'unknown directive "nonsense"' in bad.stderr


def test_big_t_dumps_every_file_once(prepare):
    server = prepare(http="include a.conf;\ninclude a.conf;\n" + HTTP,
                     files={"a.conf": "# only a comment\n"})
    done = server.run("-T")
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    assert done.stdout.count("# only a comment\n") == 1
    names = re.findall(r"^# configuration file (\S+):$", done.stdout, re.M)
    assert names == [str(server.path("nginx.conf")), str(server.path("a.conf"))]
    assert server.read("nginx.conf") in done.stdout


def test_g_sets_global_directives(prepare):
    server = prepare(http=HTTP)
    server.args = ["-g", "worker_rlimit_nofile 1234; env GLOBAL;"]
    assert server.run("-t").returncode == 0
    server.args = ["-g", "nonsense on;"]
    done = server.run("-t")
    assert done.returncode == 1
    assert re.search(r'unknown directive "nonsense" in command line', done.stderr), done.stderr


def test_g_is_missing_a_semicolon(prepare):
    server = prepare(http=HTTP)
    server.args = ["-g", "daemon off"]
    done = server.run("-t")
    assert done.returncode == 1 and "command line" in done.stderr


def test_c_is_relative_to_the_prefix(prepare):
    server = prepare(http="nonsense;")
    server.write("sub/other.conf", "events { }\n")
    done = subprocess.run([millrace.BINARY, "-p", f"{server.prefix}/", "-e", "error.log", "-t",
                           "-g", "pid nginx.pid;", "-c", "sub/other.conf"], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert f"{server.prefix}/sub/other.conf syntax is ok" in done.stderr


def test_e_names_the_first_error_log(prepare):
    server = prepare(full="nonsense;")
    done = subprocess.run([millrace.BINARY, "-p", f"{server.prefix}/", "-e", "other.log",
                           "-c", "nginx.conf"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "nonsense" in server.read("other.log")


def test_e_stderr(prepare):
    server = prepare(full="nonsense;")
    done = subprocess.run([millrace.BINARY, "-p", f"{server.prefix}/", "-e", "stderr",
                           "-c", "nginx.conf"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "nonsense" in done.stderr
    assert not server.path("stderr").exists()


def test_s_without_a_pid_file(prepare):
    server = prepare(http=HTTP)
    done = server.run("-s", "stop")
    assert done.returncode == 1
    assert re.search(r'open\(\) "\S+/nginx.pid" failed \(2: No such file or directory\)',
                     done.stderr), done.stderr


def test_s_with_a_pid_file_of_a_dead_process(prepare):
    server = prepare(http=HTTP)
    server.write("nginx.pid", "4194000\n")
    done = server.run("-s", "quit")
    assert done.returncode == 1 and "(3: No such process)" in done.stderr


@pytest.mark.parametrize("word", ["stop", "quit"])
def test_s_stops(launch, word):
    server = launch(http=HTTP)
    assert server.run("-s", word).returncode == 0
    assert server.wait_exit() == 0
    assert not server.path("nginx.pid").exists()


def test_s_reload_and_reopen(launch):
    server = launch(http=HTTP, main="error_log logs/e.log notice;")
    before = server.children()
    server.configure(http=HTTP.replace("$pid", "new"), main="error_log logs/e.log notice;")
    assert server.run("-s", "reload").returncode == 0
    assert eventually(lambda: not set(before) & set(server.children()))
    assert server.fetch("/").body == b"new"
    server.path("logs/e.log").rename(server.path("logs/e.log.1"))
    assert server.run("-s", "reopen").returncode == 0
    assert eventually(lambda: server.path("logs/e.log").exists())


def test_daemon_leaves_a_session_of_its_own(launch):
    server = launch(http=HTTP, daemon=True)
    assert server.process.wait(10) == 0
    assert server.alive()
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    assert int(fields[3]) == server.pid, "the master leads its session"
    server.signal(signal.SIGTERM)
    assert eventually(lambda: not server.alive())
