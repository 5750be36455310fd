# SPDX-License-Identifier: Apache-2.0
"""limit_req and limit_conn: who waits, who is refused, and what is given back when somebody dies."""

import os
import re
import signal
import time

import pytest

from pinned import on_cpu
from wire import eventually, seconds

SITE = """
    limit_req_zone $arg_k zone=slow:1m rate=30r/m;
    limit_req_zone $arg_k zone=quick:64k rate=2r/s;
    limit_req_zone $arg_k zone=wide:64k rate=100r/s;
    limit_req_zone $http_long zone=long:64k rate=1r/m;
    limit_conn_zone $arg_k zone=conn:64k;
    limit_conn_zone $arg_other zone=other:64k;
    log_format status "$uri $status $limit_req_status $limit_conn_status";
    add_header X-Req $limit_req_status always;
    add_header X-Conn $limit_conn_status always;
    large_client_header_buffers 4 32k;
    server {
        listen 127.0.0.1:@PORT@;
        root @PREFIX@/html;
        access_log @PREFIX@/access.log status;
        sendfile_max_chunk 64k;
        location /hard/ { limit_req zone=slow; }
        location /status/ { limit_req zone=slow; limit_req_status 429; }
        location /nodelay/ { limit_req zone=slow burst=2 nodelay; }
        location /wait/ { limit_req zone=quick burst=5; }
        location /partly/ { limit_req zone=slow burst=2 delay=1; }
        location /dry/ { limit_req zone=slow burst=1; limit_req_dry_run on; }
        location /both/ { limit_req zone=wide burst=9; limit_req zone=slow; }
        location /order/ { limit_req zone=slow; limit_req zone=wide burst=9 nodelay; }
        location /levels/ {
            limit_req zone=quick burst=1;
            limit_req_log_level notice;
            location /levels/free/ { limit_req zone=wide burst=99 nodelay; }
            location /levels/same/ { }
        }
        location /long/ { limit_req zone=long; }
        location /page/ { limit_req zone=slow; error_page 503 /levels/page; }
        location /conn/ { limit_conn conn 2; }
        location /conn1/ { limit_conn conn 1; limit_conn_status 429; limit_conn_log_level info; }
        location /conndry/ { limit_conn conn 1; limit_conn_dry_run on; }
        location /two/ { limit_conn conn 9; limit_conn other 1; }
        location /free/ { }
        location = /levels/page { internal; }
    }
"""
BIG = 32 << 20 # more than any socket buffers: a client that does not read keeps its request alive
FOLDERS = ("hard", "status", "nodelay", "wait", "partly", "dry", "both", "order", "levels/free",
           "levels/same", "levels", "long", "page", "free", "conn", "conn1", "conndry", "two")
FILES = {f"html/{name}/f": "hello" for name in FOLDERS} | {"html/levels/page": "sorry"}
HTTP = SITE
_key = iter(range(10**6))


def SETUP(server):
    make_big(server)


def make_big(server):
    for name in ("conn", "conn1", "conndry", "two"):
        with open(server.path(f"html/{name}/big"), "wb") as file:
            file.truncate(BIG)


@pytest.fixture
def key():
    """A key that no other test has used."""
    return f"key{next(_key)}"


def hold(site, path):
    """A request that stays alive until its client is closed."""
    client = site.client(rcvbuf=4096)
    client.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    return client, client.head()


def timed(site, path):
    start = time.monotonic()
    answer = site.fetch(path)
    return answer, time.monotonic() - start


# limit_req.

def test_refuses_beyond_the_rate(site, key):
    first, second = site.fetch(f"/hard/f?k={key}"), site.fetch(f"/hard/f?k={key}")
    assert (first.status, first["X-Req"]) == (200, "PASSED")
    assert (second.status, second["X-Req"]) == (503, "REJECTED")
    line = r'\[error\].*limiting requests, excess: [01]\.\d{3} by zone "slow", client: 127.0.0.1, '
    site.wait_log(line + rf'server: , request: "GET /hard/f\?k={key} HTTP/1.1", host: "localhost"')


def test_other_keys_pass_and_refused_ones_do_not_count(site, key):
    assert site.fetch(f"/hard/f?k={key}").status == 200
    for _ in range(5):
        assert site.fetch(f"/hard/f?k={key}").status == 503
    assert site.fetch(f"/hard/f?k={key}x").status == 200
    time.sleep(2.05)
    assert site.fetch(f"/hard/f?k={key}").status == 200


def test_empty_key_is_not_accounted(site):
    for _ in range(4):
        answer = site.fetch("/hard/f")
        assert answer.status == 200 and "X-Req" not in answer
    assert re.fullmatch(r"/hard/f 200 - -", site.log_line(r"^/hard/f 200 - ", "access.log"))


def test_status_can_be_chosen(site, key):
    assert site.fetch(f"/status/f?k={key}").status == 200
    assert site.fetch(f"/status/f?k={key}").status == 429


def test_burst_without_delay(site, key):
    answers = [site.fetch(f"/nodelay/f?k={key}") for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 503]
    assert [a["X-Req"] for a in answers] == ["PASSED"] * 3 + ["REJECTED"]


def test_burst_is_delayed_to_the_rate(site, key):
    assert timed(site, f"/wait/f?k={key}")[1] < 0.4
    answer, took = timed(site, f"/wait/f?k={key}")
    assert (answer.status, answer["X-Req"], answer.body) == (200, "DELAYED", b"hello")
    assert 0.35 <= took <= seconds(1.5)
    site.wait_log(rf'\[warn\].*delaying request, excess: [01]\.\d\d\d, by zone "quick", .*{key}')


def test_only_what_is_beyond_delay_waits(site, key):
    for _ in range(2):
        answer, took = timed(site, f"/partly/f?k={key}")
        assert answer["X-Req"] == "PASSED" and took < 1
    answer, took = timed(site, f"/partly/f?k={key}")
    assert answer["X-Req"] == "DELAYED" and took >= 1


def test_delayed_requests_do_not_hold_up_others(site, key):
    with site.client() as waiting:
        site.fetch(f"/wait/f?k={key}")
        waiting.send(f"GET /wait/f?k={key} HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(10):
            answer, took = timed(site, "/free/f")
            assert answer.status == 200 and took < seconds(0.3)
        assert waiting.response()["X-Req"] == "DELAYED"


def test_pipelined_requests_wait_one_after_the_other(site, key):
    start = time.monotonic()
    with site.client() as client:
        client.send(f"GET /wait/f?k={key} HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        states = [client.response()["X-Req"] for _ in range(3)]
    assert states == ["PASSED", "DELAYED", "DELAYED"]
    assert 0.8 <= time.monotonic() - start <= seconds(3)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_client_that_leaves_while_it_waits_is_logged_and_gone(site, key, end):
    site.fetch(f"/partly/f?k={key}")
    site.fetch(f"/partly/f?k={key}")
    client = site.client()
    client.send(f"GET /partly/f?k={key}&{end} HTTP/1.1\r\nHost: a\r\n\r\n")
    site.wait_log(rf"delaying request.*{key}&{end}")
    before = len(re.findall(r"^/partly/f 499 DELAYED", site.read("access.log"), re.M))
    getattr(client, end)()
    gone = eventually(lambda: len(re.findall(r"^/partly/f 499 DELAYED", site.read("access.log"),
                                             re.M)) == before + 1, timeout=1)
    assert gone, "the request went on waiting"


def test_dry_run_says_what_it_would_have_done(site, key):
    answers = [site.fetch(f"/dry/f?k={key}") for _ in range(3)]
    assert [a.status for a in answers] == [200] * 3
    assert [a["X-Req"] for a in answers] == ["PASSED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"]
    site.wait_log(rf'delaying request, dry run, excess: .*, by zone "slow".*{key}')
    site.wait_log(rf'limiting requests, dry run, excess: .* by zone "slow".*{key}')


@pytest.mark.parametrize("path", ["/both/f", "/order/f"])
def test_the_strictest_of_several_rules_decides(site, key, path):
    answers = [site.fetch(f"{path}?k={key}") for _ in range(2)]
    assert [a.status for a in answers] == [200, 503]
    site.wait_log(rf'limiting requests, excess: .* by zone "slow".*{path}\?k={key}')


def test_a_level_without_rules_inherits_and_one_with_rules_does_not(site, key):
    answers = [site.fetch(f"/levels/free/f?k={key}") for _ in range(5)]
    assert [a["X-Req"] for a in answers] == ["PASSED"] * 5
    assert site.fetch(f"/levels/same/f?k={key}")["X-Req"] == "PASSED"
    assert site.fetch(f"/levels/same/f?k={key}")["X-Req"] == "DELAYED"
    site.wait_log(rf'\[info\].*delaying request.*levels/same/f\?k={key}')


def test_key_of_many_blocks(site):
    name = "Long: " + "n" * 20000
    assert site.fetch("/long/f", name).status == 200
    assert site.fetch("/long/f", name).status == 503
    assert site.fetch("/long/f", name + "o").status == 200


def test_redirected_request_is_limited_once(site, key):
    assert site.fetch(f"/page/f?k={key}").status == 200
    answer = site.fetch(f"/page/f?k={key}")
    assert (answer.status, answer["X-Req"], answer.body) == (503, "REJECTED", b"sorry")


# limit_conn.

def test_connections_of_one_key_are_counted_until_they_end(site, key):
    one, head = hold(site, f"/conn/big?k={key}")
    assert (head.status, head["X-Conn"]) == (200, "PASSED")
    two, head = hold(site, f"/conn/big?k={key}")
    assert head.status == 200
    answer = site.fetch(f"/conn/f?k={key}")
    assert (answer.status, answer["X-Conn"]) == (503, "REJECTED")
    assert site.fetch(f"/conn/f?k={key}x").status == 200
    assert site.fetch("/conn/f").status == 200
    site.wait_log(rf'\[error\].*limiting connections by zone "conn", client: .*{key} ')
    one.close()
    assert eventually(lambda: site.fetch(f"/conn/f?k={key}").status == 200)
    two.close()


def test_keep_alive_connection_does_not_count_between_requests(site, key):
    with site.client() as one, site.client() as two:
        for _ in range(3):
            assert one.request(f"/conn1/f?k={key}").status == 200
            assert two.request(f"/conn1/f?k={key}").status == 200


def test_zone_is_shared_between_locations_and_level_and_status_are_the_locations(site, key):
    held, _ = hold(site, f"/conn/big?k={key}")
    assert site.fetch(f"/conn/f?k={key}").status == 200
    assert site.fetch(f"/conn1/f?k={key}").status == 429
    site.wait_log(rf'\[info\].*limiting connections by zone "conn".*{key}')
    held.close()


def test_connection_dry_run(site, key):
    held, _ = hold(site, f"/conn/big?k={key}")
    answer = site.fetch(f"/conndry/f?k={key}")
    assert (answer.status, answer["X-Conn"]) == (200, "REJECTED_DRY_RUN")
    site.wait_log(rf'limiting connections, dry run, by zone "conn".*{key}')
    held.close()


def test_request_refused_by_one_rule_is_counted_by_none(site, key):
    held, _ = hold(site, f"/two/big?k={key}&other={key}")
    for _ in range(20):
        assert site.fetch(f"/two/f?k={key}&other={key}").status == 503
    assert site.fetch(f"/two/f?k={key}").status == 200
    held.close()


def test_counts_come_back_after_many_vanished_clients(site, key):
    for _ in range(40):
        one, _ = hold(site, f"/conn/big?k={key}")
        one.reset()
        assert eventually(lambda: site.fetch(f"/conn1/f?k={key}").status == 200)


# Processes.

TWO_SILOS = "silo cpus=0 node=0;\nsilo cpus=1 node=0;\nworker_processes 2;\n"


def served_by(server, path):
    """Who answers requests from each CPU."""
    seen = set()
    for cpu in range(4):
        with on_cpu(cpu):
            seen.add(server.fetch(path).get("X-Pid"))
    return seen


@pytest.mark.millrace_only
def test_silos_share_a_zone_and_a_killed_one_gives_its_connections_back(launch, key):
    http = SITE.replace("add_header X-Req", "add_header X-Pid $pid; add_header X-Req")
    server = launch(http=http, main=TWO_SILOS, files=FILES, allow=r"exited on signal 9")
    make_big(server)
    assert len(served_by(server, "/free/f")) == 2
    held = {}
    for cpu in range(2):
        with on_cpu(cpu):
            client, head = hold(server, f"/conn/big?k={key}{cpu}")
        assert head.status == 200
        held[head["X-Pid"]] = (client, f"{key}{cpu}")
    (pid, (dead, mine)), (_, (alive, others)) = held.items()
    for name in (mine, others): # whoever answers knows of both
        for cpu in range(4):
            with on_cpu(cpu):
                assert server.fetch(f"/conn1/f?k={name}").status == 429
    os.kill(int(pid), signal.SIGKILL)
    # What the killed silo had just accepted is reset with it.
    assert eventually(lambda: _answers(server, f"/conn1/f?k={mine}") == 200)
    assert server.fetch(f"/conn1/f?k={others}").status == 429
    dead.close()
    alive.close()
    assert eventually(lambda: server.fetch(f"/conn1/f?k={others}").status == 200)


@pytest.mark.limit(60)
@pytest.mark.millrace_only
def test_zone_stays_usable_when_silos_are_killed_under_load(launch, key):
    server = launch(http=SITE, main="worker_processes 2;", files=FILES,
                    allow=r"exited on signal 9")
    for _ in range(4):
        victim = server.children()[0]
        clients = [server.client() for _ in range(10)]
        for client in clients:
            client.send(f"GET /nodelay/f?k={key} HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        os.kill(victim, signal.SIGKILL)
        for client in clients:
            client.close()
        assert eventually(lambda: victim not in server.children() and server.children())
        assert eventually(lambda: _answers(server, f"/hard/f?k={key}{victim}") == 200, timeout=8)
        assert server.fetch(f"/hard/f?k={key}{victim}").status == 503


def _answers(server, path):
    try:
        return server.fetch(path).status
    except (OSError, EOFError):
        return 0


def test_reload_carries_zones_over(launch, key):
    server = launch(http=SITE, files=FILES)
    assert server.fetch(f"/hard/f?k={key}").status == 200
    server.reload(http=SITE.replace("limit_req_status 429", "limit_req_status 444"))
    assert server.fetch(f"/hard/f?k={key}").status == 503


def test_reload_with_another_size_begins_anew(launch, key):
    server = launch(http=SITE, files=FILES)
    assert server.fetch(f"/hard/f?k={key}").status == 200
    server.reload(http=SITE.replace("zone=slow:1m", "zone=slow:2m"))
    assert server.fetch(f"/hard/f?k={key}").status == 200


@pytest.mark.parametrize("old,new,said", [
    ("$arg_k zone=slow", "$arg_z zone=slow", 'limit_req "slow" uses the "$arg_z" key while '
     'previously it used the "$arg_k" key'),
    ("$arg_k zone=conn", "$arg_z zone=conn", 'limit_conn_zone "conn" uses the "$arg_z" key while '
     'previously it used the "$arg_k" key'),
])
def test_reload_with_another_key_is_refused(launch, key, old, new, said):
    server = launch(http=SITE, files=FILES, allow=r"uses the .* key")
    assert server.fetch(f"/hard/f?k={key}").status == 200
    server.configure(http=SITE.replace(old, new))
    server.signal(signal.SIGHUP)
    server.wait_log(r"\[emerg\].*" + re.escape(said))
    assert server.fetch(f"/hard/f?k={key}").status == 503


# Configuration.

REQ = "limit_req_zone $arg_k zone=a:64k rate=1r/s;"
CONN = "limit_conn_zone $arg_k zone=b:64k;"


@pytest.mark.parametrize("http,location,said", [
    ("limit_req_zone $arg_k zone=a:64k rate=0r/s;", "", 'invalid rate "rate=0r/s"'),
    ("limit_req_zone $arg_k zone=a:64k rate=1r/h;", "", 'invalid rate "rate=1r/h"'),
    ("limit_req_zone $arg_k zone=a rate=1r/s;", "", 'invalid zone size "zone=a"'),
    ("limit_req_zone $arg_k zone=a:x rate=1r/s;", "", 'invalid zone size "zone=a:x"'),
    ("limit_req_zone $arg_k zone=a:31k rate=1r/s;", "", 'zone "zone=a:31k" is too small'),
    ("limit_req_zone $arg_k rate=1r/s rate=1r/s;", "",
     '"limit_req_zone" must have "zone" parameter'),
    ("limit_req_zone $arg_k zone=a:64k;", "", 'invalid number of arguments in "limit_req_zone"'),
    ("limit_req_zone $arg_k zone=a:64k foo=1;", "", 'invalid parameter "foo=1"'),
    (REQ + REQ, "", 'limit_req_zone "a" is already bound to key "$arg_k"'),
    (REQ + REQ.replace("64k", "65k"), "", 'the size 66560 of shared memory zone "a" conflicts '
     'with already declared size 65536'),
    (REQ, "limit_req zone=a burst=0;", 'invalid burst value "burst=0"'),
    (REQ, "limit_req zone=a delay=x;", 'invalid delay value "delay=x"'),
    (REQ, "limit_req burst=1;", '"limit_req" must have "zone" parameter'),
    (REQ, "limit_req zone=a now;", 'invalid parameter "now"'),
    (REQ, "limit_req zone=a; limit_req zone=a;", '"limit_req" directive is duplicate'),
    (REQ, "limit_req zone=none;", 'zero size shared memory zone "none"'),
    (REQ, "limit_req_status 399;", "value must be between 400 and 599"),
    (REQ, "limit_req_log_level debug;", 'invalid value "debug"'),
    (REQ, "limit_conn a 1;", 'the shared memory zone "a" is already declared for a different use'),
    (REQ, "if ($arg_x) { limit_req zone=a; }", '"limit_req" directive is not allowed here'),
    ("limit_conn_zone $arg_k rate=1r/s;", "", 'invalid parameter "rate=1r/s"'),
    (CONN, "limit_conn b 0;", 'invalid number of connections "0"'),
    (CONN, "limit_conn b 65536;", "connection limit must be less 65536"),
    (CONN, "limit_conn b 1; limit_conn b 2;", '"limit_conn" directive is duplicate'),
    (CONN, "limit_conn none 1;", 'zero size shared memory zone "none"'),
    ("limit_conn_zone $nonsense zone=b:64k;", "", 'unknown "nonsense" variable'),
])
def test_wrong_values_are_refused_with_nginxs_words(prepare, http, location, said):
    server = prepare(http=f"{http} server {{ listen 127.0.0.1:@PORT@; "
                          f"location / {{ {location} }} }}")
    done = server.run("-t")
    assert done.returncode == 1 and said in done.stderr, done.stderr
