# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 over kernel TLS: bodies of many streams at once, full records, cold files, small windows,
ends of streams and connections, changed keys."""

import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import h2tls
import ktls
import lab
import load
from h2client import (CANCEL, DATA, GOAWAY, INTERNAL_ERROR, LARGEST, NO_ERROR, SETTINGS, WINDOW,
                      frame)
from h2tls import PAYLOAD, check_full, client, which
from ktls import KIB, MIB, content, kernel_connections
from tls_wire import Interactive, s_client_command

LARGE = 6 * MIB
# Around what is copied instead of sent from the page cache, a frame, and a record.
SIZES = (0, 1, KIB, 15 * KIB, 15 * KIB + 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 16384, 2 * PAYLOAD,
         2 * PAYLOAD + 1, 100_000, 256 * KIB, MIB + 7)
ENDS = range(1000, 60000, 2000)
PORTS = 6
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
HTTP2 = "http2 on; root @PREFIX@/html;"
LOCATIONS = f"""{ktls.WHICH}
    location = /memory {{ return 200 "{'m' * 3000}"; }}
    location /odd/ {{ http2_chunk_size 5001; alias @PREFIX@/html/; }}
    location /slow/ {{ limit_rate 300k; alias @PREFIX@/html/; }}"""
HTTP = ktls.HTTP + """
    log_format t "$uri $status $body_bytes_sent $tls_transport $http2";
    """ + "".join(f"""
    server {{ listen 127.0.0.1:@PORT{number}@ ssl; {HTTP2} {LOCATIONS} access_log access.log t;
              ssl_conf_command Ciphersuites {suite}; }}""" for number, suite in enumerate(SUITES)) \
    + f"""
    server {{ listen 127.0.0.1:@PORT3@ ssl sndbuf=8k; {HTTP2} keepalive_requests 1; }}
    server {{ listen 127.0.0.1:@PORT4@ ssl sndbuf=8k; {HTTP2} keepalive_timeout 1s; }}
    server {{ listen 127.0.0.1:@PORT5@ ssl sndbuf=8k; {HTTP2} {LOCATIONS} keepalive_requests 6;
              lingering_timeout 20s; lingering_time 20s; }}
"""
ALLOW = "shrinks|truncated while"
VERSION = pytest.mark.parametrize("version", ["1.2", "1.3"])


def SETUP(server):
    ktls.install(server, {*SIZES, *ENDS, LARGE})


def check_bodies(one, streams):
    """`streams`: number and size of each."""
    for stream, size in streams:
        answer = one.response(stream)
        assert answer.status == 200 and answer.body == content(size), (size, len(answer.body))


def ask_all(one, sizes, path="/"):
    return [(one.start(f"{path}{size}"), size) for size in sizes]


# Bodies.


@pytest.mark.parametrize("number", range(len(SUITES)), ids=SUITES)
def test_many_streams_at_once(site, number):
    with kernel_connections(1), client(site.ports[number]) as one:
        assert which(one) == ["kernel", "TLSv1.3", SUITES[number]]
        for path in ("/", "/odd/"):
            check_bodies(one, ask_all(one, SIZES * 2, path))
        assert one.request("/memory").body == b"m" * 3000
    # As in nginx, the heads of frames are counted as bytes of a body.
    assert site.wait_log(rf"^/{MIB + 7} 200 \d{{7}} kernel h2$", name="access.log")


@pytest.mark.parametrize("name", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_many_streams_over_tls_1_2(site, name):
    made = h2tls.context("1.2", f"ECDHE-ECDSA-{name}")
    with kernel_connections(1), client(site.port, made=made) as one:
        assert which(one) == ["kernel", "TLSv1.2", f"ECDHE-ECDSA-{name}"]
        check_bodies(one, ask_all(one, SIZES * 2))


def test_head_has_no_body(site):
    with kernel_connections(1), client(site.port) as one:
        for size in SIZES:
            answer = one.request(f"/{size}", method="HEAD")
            assert answer["content-length"] == str(size) and answer.body == b""


@VERSION
def test_ranges_at_once(site, version):
    data, whole = content(MIB + 7), MIB + 6
    spans = [(0, 0), (1, PAYLOAD), (PAYLOAD - 1, PAYLOAD), (whole, whole), (4096, MIB - 2),
             (100_000, 100_000 + 128 * KIB), (5, 3 * PAYLOAD + 4), (MIB - 20000, whole)]
    with kernel_connections(1), client(site.port, version) as one:
        streams = [(one.start(f"/{MIB + 7}", f"range: bytes={first}-{last}"), first, last)
                   for first, last in spans]
        for stream, first, last in streams:
            answer = one.response(stream)
            assert answer.status == 206 and answer.body == data[first:last + 1], (first, last)


def test_multipart_ranges_that_go_backwards(site):
    """Memory and file follow each other in one body, and what comes next may lie before."""
    data, spans = content(MIB + 7), [(400_000, 1_000_000), (0, 0), (1000, 200_000), (16384, 16384)]
    wanted = ",".join(f"{first}-{last}" for first, last in spans)
    with kernel_connections(1), client(site.port) as one:
        streams = [one.start(f"/{MIB + 7}", f"range: bytes={wanted}") for _ in range(3)]
        for answer in map(one.response, streams):
            boundary = re.search(r"boundary=(\S+)", answer["content-type"])[1]
            parts = answer.body.split(f"\r\n--{boundary}".encode())
            bodies = [part.partition(b"\r\n\r\n")[2] for part in parts[1:-1]]
            assert bodies == [data[first:last + 1] for first, last in spans]


# Records.


@VERSION
def test_a_frame_is_a_record(site, version):
    """And every frame is as large as it can be, whatever part of the file is looked for first."""
    with kernel_connections(1), client(site.port, version) as one:
        stream = one.start(f"/{LARGE}")
        check_bodies(one, [(stream, LARGE)])
        check_full(one, [stream])


@VERSION
def test_frames_of_several_streams_are_records(site, version):
    sizes = (MIB + 7, 256 * KIB, 2 * PAYLOAD, 100_000)
    with kernel_connections(1), client(site.port, version) as one:
        streams = ask_all(one, sizes)
        check_bodies(one, streams)
        check_full(one, [stream for stream, _ in streams])


def test_a_slow_reader_gets_full_records(site):
    """The socket fills up amid a record, which stays open for what comes next."""
    with kernel_connections(1), client(site.port, rcvbuf=4096) as one:
        streams = ask_all(one, (MIB + 7, 100_000))
        time.sleep(0.3)
        check_bodies(one, streams)
        check_full(one, [stream for stream, _ in streams])


# Small windows, slow readers.


def trickle(one, streams, steps):
    """Windows are opened by so many bytes, one step after the other, for all streams in turn."""
    number = 0
    while any(not one.streams[stream].done for stream, _ in streams):
        for stream, _ in streams:
            if not one.streams[stream].done and one.streams[stream].window < steps[0]:
                one.update(stream, steps[number % len(steps)])
                number += 1
        one.read()


@VERSION
def test_small_windows_of_streams(site, version):
    sizes = (100_000, 256 * KIB, 2 * PAYLOAD + 1)
    with kernel_connections(1), client(site.port, version, settings={WINDOW: 1500}) as one:
        streams = ask_all(one, sizes)
        trickle(one, streams, (1500, 15 * KIB + 2, 4097, PAYLOAD, 40_000))
        check_bodies(one, streams)


def test_small_window_of_the_connection(site):
    with kernel_connections(1), client(site.port, window=0) as one:
        streams = ask_all(one, (256 * KIB, 100_000, 1, 15 * KIB))
        while any(not one.streams[stream].done for stream, _ in streams):
            if one.window < 2000:
                one.update(0, 23_456)
            one.read()
        check_bodies(one, streams)


@VERSION
def test_slow_reader_with_a_small_buffer(site, version):
    with kernel_connections(1), client(site.port, version, rcvbuf=4096) as one:
        streams = ask_all(one, (MIB + 7, KIB, 100_000, 15 * KIB))
        while any(not one.streams[stream].done for stream, _ in streams):
            one.read()
            time.sleep(0.002)
        check_bodies(one, streams)


def test_rate_of_a_stream_leaves_the_others_alone(site):
    with kernel_connections(1), client(site.port) as one:
        start = time.monotonic()
        slow = one.start(f"/slow/{MIB + 7}")
        check_bodies(one, ask_all(one, (256 * KIB, 100_000)))
        assert not one.streams[slow].done
        check_bodies(one, [(slow, MIB + 7)])
        assert time.monotonic() - start > 2.5


# Ends.


def test_reset_streams_leave_the_others_whole(site):
    with kernel_connections(1), client(site.port, settings={WINDOW: 40_000}) as one:
        left = [stream for stream, _ in ask_all(one, (LARGE, MIB + 7, 256 * KIB))]
        for stream in left:
            one.got(stream, 20_000)
            one.rst(stream, CANCEL)
        streams = ask_all(one, (100_000, 256 * KIB))
        for stream, _ in streams:
            one.update(stream, MIB)
        check_bodies(one, streams)


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_abort_in_the_middle_leaves_nothing(site, how):
    with kernel_connections(20, at_least=15):
        for number in range(20):
            one = client(site.port, rcvbuf=32768)
            ask_all(one, (LARGE, MIB + 7, LARGE))
            if number % 3:
                one.read()
            raw = one.sock.raw
            if how == "reset":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                raw.shutdown(socket.SHUT_WR)
            one.close()
    with client(site.port) as one:
        check_bodies(one, ask_all(one, SIZES))


def whole(one, size):
    """None, or what was wrong with the answer and its end."""
    stream = min(one.streams)
    try:
        check_bodies(one, [(stream, size)])
        one.rest()
        assert one.sock.clean
    except (OSError, EOFError, AssertionError) as error:
        return f"{size}: {str(error)[:100]!r} after {len(one.streams[stream].body)}, {one.goaways}"
    return None


def late_readers(port, meanwhile, version="1.3", sizes=ENDS):
    """What was wrong with answers that are read after the server has had reason to end. The clients
    have nothing to say meanwhile, which a closed socket would answer with a reset."""
    with ExitStack() as stack:
        clients = {size: stack.enter_context(client(port, version, rcvbuf=4096)) for size in sizes}
        for size, one in clients.items():
            one.until(lambda one=one: one.greeted and not one.asked)
            one.start(f"/{size}")
            meanwhile(one)
        time.sleep(3)
        # At once: each waits for the server's persist timer, which has backed off to seconds.
        with ThreadPoolExecutor(len(clients)) as pool:
            lost = list(pool.map(whole, clients.values(), clients))
        codes = {code for one in clients.values() for _, code in one.goaways}
    return [text for text in lost if text], codes


@VERSION
def test_last_request_of_a_connection_is_whole(site, version):
    """keepalive_requests: GOAWAY, all of the answer, close_notify, though the socket is full."""
    lost, codes = late_readers(site.ports[3], lambda _: None, version)
    assert not lost and codes == {NO_ERROR}


@VERSION
@pytest.mark.parametrize("path", ["/", "/odd/"])
def test_what_the_kernel_took_is_counted_exactly(site, version, path):
    """A byte too many, and the FIN would wait for it; one too few, and it could come too early."""
    with client(site.ports[5], version, rcvbuf=4096, settings={WINDOW: 50_000}) as one:
        streams = ask_all(one, (MIB + 7, 15 * KIB, 100_000, 2 * PAYLOAD + 1, 1, 256 * KIB), path)
        trickle(one, streams, (15 * KIB + 2, 4097, PAYLOAD, 40_000))
        check_bodies(one, streams)
        assert one.end() == NO_ERROR and one.sock.clean
        start = time.monotonic()
        assert one.sock.raw.recv(1) == b""
        assert time.monotonic() - start < 5


def test_keepalive_timeout_leaves_an_answer_whole(site):
    lost, codes = late_readers(site.ports[4], lambda _: None)
    assert not lost and codes == {NO_ERROR}


def test_an_answer_that_was_sent_survives_a_fin(site):
    """With a stream that is not answered, a FIN ends the connection; what the kernel has, comes."""
    def leave(one):
        time.sleep(0.05)
        one.sock.raw.shutdown(socket.SHUT_WR)

    lost, _ = late_readers(site.ports[4], leave, sizes=range(1000, 15000, 2000))
    assert not lost


def test_close_notify_behind_a_request_leaves_time_for_the_answer(site):
    """OpenSSL reads no more once it has said goodbye itself, so the bytes are counted."""
    with kernel_connections(1), client(site.port) as one:
        one.start(f"/{MIB + 7}")
        one.sock.close_notify()
        got = 0
        while data := one.sock.raw.recv(1 << 18):
            got += len(data)
        assert got > MIB


def test_reload_and_quit_leave_streams_whole(launch):
    server = launch(f"{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl sndbuf=8k; {HTTP2} }}",
                    files=ktls.files(**{"html/large": content(LARGE)}))
    with client(server.port, settings={WINDOW: 1000}) as first, \
            client(server.port, rcvbuf=4096) as second:
        for one in (first, second):
            one.got(one.start("/large"), 1000)
        server.signal(signal.SIGHUP)
        first.until(lambda: first.goaways)
        first.update(1, LARGEST - 1000)
        for one in (first, second):
            assert one.response(1).body == content(LARGE)
            assert one.end() == NO_ERROR and one.sock.clean
    with client(server.port, rcvbuf=4096) as last:
        last.got(last.start("/large"), 1000)
        server.signal(signal.SIGQUIT)
        assert last.response(1).body == content(LARGE)
        assert last.end() == NO_ERROR and last.sock.clean
    assert server.wait_exit() == 0


def test_truncated_file_never_looks_whole(site):
    """If its frame was begun, for then nothing else can be said; if not, its stream is reset."""
    site.write("html/shrinks", content(LARGE))
    with kernel_connections(1), client(site.port, rcvbuf=4096) as one:
        one.got(one.start("/shrinks"), 1)
        with open(site.path("html/shrinks"), "r+b") as file:
            file.truncate(MIB)
        try:
            assert one.response(1).reset == INTERNAL_ERROR
            assert one.request(f"/{MIB + 7}").body == content(MIB + 7)
        except (ssl.SSLEOFError, EOFError):
            assert not one.sock.clean and not one.streams[1].ended
    site.wait_log(r"\[alert\].*truncated")


# Keys that change (RFC 8446, 4.6.3), which a kernel before 6.14 cannot follow.


@pytest.mark.parametrize("ours_too", [False, True], ids=["theirs", "both"])
def test_keys_change_in_mid_transfer(site, ours_too):
    """What is under way is finished under the old keys; then the connection ends in order."""
    with kernel_connections(1), client(site.port, rcvbuf=8192) as one:
        streams = ask_all(one, (LARGE, MIB + 7))
        one.got(1, 1)
        one.sock.change_keys(ours_too)
        one.ping()
        check_bodies(one, streams)
        if lab.kernel_version() >= (6, 14):
            check_bodies(one, ask_all(one, SIZES))
        else:
            assert one.end() == NO_ERROR and one.sock.clean


@pytest.mark.parametrize("ours_too", [False, True], ids=["theirs", "both"])
def test_keys_of_an_idle_client_change(site, ours_too):
    with kernel_connections(1), client(site.port) as one:
        check_bodies(one, ask_all(one, (KIB, 100_000)))
        one.sock.change_keys(ours_too)
        one.ping()
        if lab.kernel_version() >= (6, 14):
            check_bodies(one, ask_all(one, SIZES))
        else:
            assert one.end() == NO_ERROR and one.sock.clean


# What else the kernel may have.


def test_old_openssl(launch):
    server = launch(f"{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl; {HTTP2} {LOCATIONS} }}",
                    files=ktls.files(**{f"html/{size}": content(size) for size in SIZES}),
                    env=lab.OLD_OPENSSL)
    with kernel_connections(2):
        for version in ("1.2", "1.3"):
            with client(server.port, version) as one:
                assert which(one)[0] == "kernel"
                check_bodies(one, ask_all(one, SIZES))
                check_bodies(one, streams := ask_all(one, (MIB + 7,)))
                assert set(h2tls.frames_of(one, streams[0][0])[:-1]) == {PAYLOAD}


@contextmanager
def early_request(port, path):
    """A command of openssl that sends a request in early data of a resumed session."""
    command = ["-tls1_3", "-alpn", "h2"]
    with tempfile.TemporaryDirectory() as folder:
        session, data = Path(folder, "session"), Path(folder, "data")
        data.write_bytes(b"".join(load.ask_h2([path])))
        subprocess.run([*s_client_command(port, *command), "-quiet", "-sess_out", session],
                       input=data.read_bytes(), capture_output=True, timeout=60)
        yield [*command, "-sess_in", session, "-early_data", data]


def bodies_in(output):
    """Of DATA frames, after whatever the client has said before the first frame."""
    found = b""
    output = output[output.index(frame(SETTINGS)[3:]) - 3:]
    while len(output) >= 9:
        size = int.from_bytes(output[:3], "big")
        if output[3] == DATA:
            found += output[9:9 + size]
        output = output[9 + size:]
    return found


EARLY = f"""{ktls.HTTP} log_format t "$uri $status $tls_transport $ssl_early_data";
    server {{ listen 127.0.0.1:@PORT@ ssl; {HTTP2} ssl_early_data on; access_log access.log t;
              location / {{ keepalive_requests 1; }}
              location /slow/ {{ limit_rate 300k; alias @PREFIX@/html/; }}
              keepalive_timeout 1s; }}
"""


def test_the_kernel_sends_alone_after_early_data(launch):
    server = launch(EARLY, files=ktls.files(**{f"html/{MIB}": content(MIB)}))
    with early_request(server.port, f"/{MIB}") as command:
        done = subprocess.run([*s_client_command(server.port, *command), "-quiet"], input=b"",
                              capture_output=True, timeout=60)
    assert bodies_in(done.stdout) == content(MIB)
    server.wait_log(rf"^/{MIB} 200 kernel-send 1", name="access.log")


def test_keys_change_where_the_kernel_sends_alone(launch):
    """What is under way is finished; then the connection ends in order."""
    server = launch(EARLY, files=ktls.files(**{f"html/{MIB}": content(MIB)}))
    with early_request(server.port, f"/slow/{MIB}") as command, \
            Interactive(server.port, *command) as one:
        one.wait_for(b"Early data was accepted")
        one.send("K\n")
        one.wait_for(b"KEYUPDATE")
        output = one.wait_end(30)
    assert output.endswith(b"closed\n"), "close_notify"
    assert frame(GOAWAY, 0, 0, struct.pack(">II", 1, NO_ERROR)) in output
    # The client's own words are among the frames.
    assert len(output) > MIB and content(MIB)[-100:] in output
    server.wait_log(rf"^/slow/{MIB} 200 kernel-send", name="access.log")
    server.wait_log("client asked for new keys")


# Disks.


@pytest.fixture
def disks():
    """Files on the slow and on the fast disk; nothing of them is in the page cache."""
    folders = {Path("/data/slow/h2"): ("0", "1"), Path("/data/fast/h2"): ("2", "3")}
    for folder, names in folders.items():
        folder.mkdir()
        for name in names:
            folder.joinpath(name).write_bytes(content(MIB + 7 + int(name)))
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    yield
    for folder in folders:
        shutil.rmtree(folder)


def test_cold_streams_come_whole_and_stall_nobody(launch, disks):
    """A stream that waits for its disk leaves the connection to the others."""
    server = launch(f"""{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl; {HTTP2}
                        location /slow/ {{ alias /data/slow/h2/; }}
                        location /fast/ {{ alias /data/fast/h2/; }} }}""",
                    main="worker_processes 1;", files=ktls.files(**{"html/x": content(100 * KIB)}))
    with kernel_connections(1), client(server.port) as one:
        start = time.monotonic()
        slow = [(one.start(f"/slow/{n}"), MIB + 7 + n) for n in (0, 1)]
        fast = [(one.start(f"/fast/{n}"), MIB + 7 + n) for n in (2, 3)]
        check_bodies(one, fast)
        took = []
        while not all(one.streams[stream].done for stream, _ in slow):
            began = time.monotonic()
            assert one.request("/x").body == content(100 * KIB)
            took.append(time.monotonic() - began)
        check_bodies(one, slow)
        assert time.monotonic() - start > 0.7, "the disk was not slow"
        assert len(took) > 5 and statistics.median(took) < 0.25, took
        check_full(one, one.streams)


# Other clients.


def test_curl_and_nghttp(site):
    text = lab.run("curl", "-sk", "--http2", "-o", "/dev/null",
                   "-w", "%{http_version} %{size_download}", f"https://127.0.0.1:{site.port}/{LARGE}")
    assert text == f"2 {LARGE}"
    lab.run("nghttp", "-n", "--no-verify-peer", *(f"https://127.0.0.1:{site.port}/{size}"
                                                  for size in SIZES))


def test_h2load_of_many_streams_loses_nothing(site):
    with lab.tls_counted() as moved:
        text = lab.run("h2load", "-n", "400", "-c", "4", "-m", "20", "-t", "1",
                       f"https://127.0.0.1:{site.port}/100000")
    assert "400 succeeded, 0 failed, 0 errored, 0 timeout" in text, text
    assert moved["TlsTxSw"] == 4 and moved["TlsDecryptError"] == 0, dict(moved)
