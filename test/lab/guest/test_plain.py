# SPDX-License-Identifier: Apache-2.0
"""millrace serves files over plain TCP on this kernel, from the root file system and from NVMe."""

import os
import shutil
from pathlib import Path

import pytest

import lab

SIZES = {"empty": 0, "small": 1000, "page": 4096, "medium": 100_000, "large": 3 << 20}
HTTP = """
server {
    listen 127.0.0.1:@PORT@;
    location / { root @PREFIX@/html; }
}
"""


@pytest.fixture(scope="module")
def contents():
    return {name: os.urandom(size) for name, size in SIZES.items()}


@pytest.fixture(params=["millrace", "nginx"])
def server(request, launch, contents):
    """nginx as well: a test that it fails is a wrong test, or a broken guest."""
    binary = lab.MILLRACE if request.param == "millrace" else lab.NGINX
    return launch(HTTP, binary=binary,
                  files={f"html/{name}": content for name, content in contents.items()})


def test_files_of_all_sizes_arrive_whole(server, contents):
    for name, content in contents.items():
        response = server.fetch(f"/{name}")
        assert response.status == 200
        assert response.body == content, name


def test_range_is_cut_exactly(server, contents):
    response = server.fetch("/large", "Range: bytes=1000000-1999999")
    assert response.status == 206
    assert response.body == contents["large"][1_000_000:2_000_000]


def test_one_connection_serves_many_requests(server, contents):
    with server.client() as client:
        for _ in range(20):
            assert client.request("/medium").body == contents["medium"]


def test_load_of_many_connections_loses_nothing(server):
    text = lab.run("h2load", "--h1", "-n", "400", "-c", "20", "-t", "1",
                   f"http://127.0.0.1:{server.port}/medium")
    assert "400 succeeded, 0 failed, 0 errored, 0 timeout" in text, text


def test_cold_file_on_nvme_arrives_whole(launch, contents):
    folder = Path("/data/fast/html")
    folder.mkdir(exist_ok=True)
    folder.joinpath("cold").write_bytes(contents["large"])
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")
    try:
        server = launch(HTTP.replace("@PREFIX@/html", str(folder)))
        assert server.fetch("/cold").body == contents["large"]
    finally:
        shutil.rmtree(folder)


def test_no_warning_at_the_start(launch):
    server = launch(HTTP)
    assert not [line for line in server.log().splitlines() if "[warn]" in line
                or "[error]" in line]
