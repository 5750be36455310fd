# SPDX-License-Identifier: Apache-2.0
"""The status location: JSON, Prometheus' text by a parser of our own, and what stub_status says."""

import gzip
import json
import re
from pathlib import Path

import pytest

from wire import eventually

pytestmark = pytest.mark.millrace_only

HTTP = """
    server { listen 127.0.0.1:@PORT@; root @PREFIX@/html;
        location = /status { stub_status; }
        location = /s { status; }
        location = /s/json { status json; }
        location = /s/prometheus { status prometheus; }
        location = /s/gzip { status json; gzip on; gzip_types application/json; }
    }
"""
MAIN = "worker_processes 2;\n"
FILES = {"html/f.txt": "file" * 1000}

JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


# A parser of the exposition format, strict where the format is:
# https://github.com/prometheus/docs, exposition_formats.md

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:\\[\\"n]|[^\\"\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (-?\d+(?:\.\d+)?)")


def parse(text):
    """{metric: {"type", "help", "samples": {labels: value}}}; asserts what a scraper would."""
    assert text.endswith("\n")
    metrics, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, current, words = line.split(" ", 3)
            assert current not in metrics, f"{current} stands in two places"
            metrics[current] = {"help": words, "samples": {}}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and not metrics[name]["samples"] and kind in ("counter", "gauge")
            metrics[name]["type"] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, f"not a sample: {line!r}"
            assert found[1] == current, f"{found[1]} among the samples of {current}"
            labels = tuple(sorted(re.findall(r'(\w+)="((?:\\.|[^"\\])*)"', found[2] or "")))
            assert labels not in metrics[current]["samples"], f"twice: {line}"
            metrics[current]["samples"][labels] = float(found[3])
    return metrics


def test_parser_is_strict():
    good = "# HELP a_total x y\n# TYPE a_total counter\na_total{b=\"c\\\"\"} 1\n"
    assert parse(good)["a_total"]["samples"] == {(("b", 'c\\"'),): 1.0}
    for bad in (good[:-1], good + "a_total{b=\"c\\\"\"} 2\n", good + "other 1\n", good + good,
                good + "a_total{b=\"\\x\"} 1\n", good + "a_total{b=1} 1\n", good + "\n"):
        with pytest.raises(AssertionError):
            parse(bad)


# What asking changes.
MOVING = ("accepted", "handled", "requests", "bytes_sent", "steered", "arrived", "handed_over",
          "handed_within", "taken_over", "handoff_refused", "bytes_placed", "bytes_unplaced",
          "egress_node", "egress_member", "active", "reading", "writing", "waiting")


def fetch_json(server, path="/s/json", *headers):
    answer = server.fetch(path, *headers)
    assert answer.status == 200 and answer["Content-Type"] == JSON
    return json.loads(answer.body)


def fetch_prometheus(server, path="/s/prometheus"):
    answer = server.fetch(path)
    assert answer.status == 200 and answer["Content-Type"] == TEXT
    return parse(answer.body.decode("ascii"))


def total(metric):
    return sum(metric["samples"].values())


def test_json_shape(site):
    page = fetch_json(site)
    assert page["schema"] == 1 and page["server"] == "millrace"
    assert re.fullmatch(r"\d+\.\d+\.\d+", page["version"])
    assert page["pid"] in (None, site.pid)
    assert 0 <= page["time"] - page["started"] < 3600
    assert set(page) == {"schema", "server", "version", "pid", "started", "time", "total",
                         "silos", "members"}
    assert page["total"]["requests"] > 0
    for silo in page["silos"]:
        assert set(silo) == {"silo", "node", "cpus", "state", "pid", "restarts", "workers",
                             "counters"}
        assert set(silo["counters"]) == set(page["total"])
    for name in ("arrived", "egress_node"):
        assert "unknown" in page["total"][name]


def test_json_and_prometheus_have_the_same_counters(site):
    page, metrics = fetch_json(site), fetch_prometheus(site)
    for name, value in page["total"].items():
        if name == "crossings_per_byte":
            continue
        gauge = metrics.get(f"millrace_{name}")
        metric = gauge or metrics[f"millrace_{name}_total"]
        assert metric["type"] == ("gauge" if gauge else "counter"), name
        assert metric["help"], name
        if isinstance(value, dict):
            value = sum(value.values())
        if name not in MOVING:
            assert total(metric) == value, name


def test_counters_end_in_total(site):
    for name, metric in fetch_prometheus(site).items():
        assert name.startswith("millrace_")
        assert name.endswith("_total") == (metric["type"] == "counter"), name
        for labels in metric["samples"]:
            assert {key for key, _ in labels} <= {"silo", "node", "member", "cpus", "version"}


STUB = ("active", "accepted", "handled", "requests", "reading", "writing", "waiting")


def test_values_are_those_of_stub_status(site):
    with site.client() as client:
        for _ in range(5):
            client.request("/f.txt")
    with site.client() as client:
        def ask():
            return re.findall(r"\d+", client.request("/status").body.decode())

        # One connection asks for all three, each in its turn, once the others are gone.
        assert eventually(lambda: ask()[0] == "1")
        numbers = ask()
        page = json.loads(client.request("/s/json").body)["total"]
        metrics = parse(client.request("/s/prometheus").body.decode())
    stub = dict(zip(STUB, map(int, numbers)))
    assert stub["requests"] > 5
    for name, value in stub.items():
        metric = metrics.get(f"millrace_{name}") or metrics[f"millrace_{name}_total"]
        turn = name == "requests"
        assert page[name] == value + turn, name
        assert total(metric) == value + 2 * turn, name


def test_silos_add_up_to_the_total(site):
    page = fetch_json(site)
    if not page["silos"]:
        pytest.skip("no worker has said which silo it is of")
    for name in ("requests", "accepted", "bytes_sent"):
        assert sum(s["counters"][name] for s in page["silos"]) == page["total"][name]
    assert sum(s["workers"] for s in page["silos"]) == 2


def test_methods(site):
    for path in ("/s", "/s/json", "/s/prometheus"):
        head = site.fetch(path, method="HEAD")
        assert head.status == 200 and head.body == b""
        assert int(head["Content-Length"]) > 500
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert site.fetch(path, method=method, body=b"").status == 405, method


def test_nobody_keeps_it(site):
    for path in ("/s", "/s/json", "/s/prometheus"):
        answer = site.fetch(path)
        assert answer["Cache-Control"] == "no-store"
        assert "Last-Modified" not in answer and "ETag" not in answer


@pytest.mark.parametrize("path,headers,expected", [
    ("/s", (), JSON),
    ("/s?format=json", (), JSON),
    ("/s?format=prometheus", (), TEXT),
    ("/s?x=1&format=prometheus", ("Accept: application/json",), TEXT),
    ("/s?format=json", ("Accept: text/plain",), JSON),
    ("/s", ("Accept: */*",), JSON),
    ("/s", ("Accept: text/html,application/xhtml+xml,*/*;q=0.8",), JSON),
    ("/s", ("Accept: text/plain",), TEXT),
    ("/s", ("Accept: TEXT/plain;version=0.0.4;q=0.5,*/*;q=0.1",), TEXT),
    ("/s", ("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.3",), TEXT),
    ("/s", ("Accept: application/json, text/plain, */*",), JSON),
    ("/s", ("Accept: ,;, text/plainer",), JSON),
    ("/s/json?format=prometheus", ("Accept: text/plain",), JSON),
    ("/s/prometheus?format=json", ("Accept: application/json",), TEXT),
])
def test_which_form(site, path, headers, expected):
    assert site.fetch(path, *headers)["Content-Type"] == expected


def test_a_form_that_does_not_exist(site):
    assert site.fetch("/s?format=xml").status == 400
    assert site.fetch("/s?format=").status == 400


def test_compression_leaves_it_whole(site):
    answer = site.fetch("/s/gzip", "Accept-Encoding: gzip")
    assert answer.status == 200 and answer["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["schema"] == 1


def test_counters_outlive_a_reload(launch):
    server = launch(HTTP, main=MAIN, files=FILES)
    for _ in range(20):
        server.fetch("/f.txt")
    before = fetch_json(server)
    server.reload(HTTP, main="worker_processes 1;\n")
    after = fetch_json(server)
    assert after["total"]["requests"] > before["total"]["requests"]
    assert after["started"] == before["started"]
    if after["silos"]:
        assert sum(s["counters"]["requests"] for s in after["silos"]) == after["total"]["requests"]
        # Silos that still drain are counted until they have ended.
        assert eventually(lambda: sum(s["workers"] for s in fetch_json(server)["silos"]) == 1)


def test_wrong_words_are_refused(prepare):
    for words, message in (("status xml;", 'invalid parameter "xml"'),
                           ("status json prometheus;", 'invalid number of arguments in "status"')):
        server = prepare(f"server {{ listen 127.0.0.1:@PORT@; location / {{ {words} }} }}")
        done = server.run("-t")
        assert done.returncode == 1 and message in done.stderr, done.stderr
    server = prepare("server { listen 127.0.0.1:@PORT@; status; }")
    done = server.run("-t")
    assert done.returncode == 1 and '"status" directive is not allowed here' in done.stderr


def test_the_master_keeps_the_counters_open_for_others(site):
    links = []
    fds = Path(f"/proc/{site.pid}/fd")
    for fd in fds.iterdir():
        try:
            links.append(str(fd.readlink()))
        except FileNotFoundError:
            pass
    assert sum(link.startswith("/memfd:millrace-stats ") for link in links) == 1
