# SPDX-License-Identifier: Apache-2.0
"""The configurations that the repository ships must pass the binary's own check (-t)."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

CONF = pathlib.Path(__file__).resolve().parents[2] / "conf"
BINARY = os.environ.get("MILLRACE_BINARY", str(CONF.parent / "build/release/millrace"))


def check(tmp_path, conf):
    (tmp_path / "logs").mkdir()
    (tmp_path / "html").mkdir()
    return subprocess.run([BINARY, "-t", "-p", f"{tmp_path}/", "-c", conf, "-e", "stderr",
                           "-g", "pid logs/test.pid;"],
                          capture_output=True, text=True, timeout=30)


def make_certificates(conf):
    """What a configuration names as ssl_certificate and ssl_certificate_key, beside it."""
    for name in re.findall(r"^\s*ssl_certificate (\S+)\.crt;", conf.read_text(encoding="utf-8"),
                           re.M):
        kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if "ecdsa" in name else ["rsa:2048"]
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", *kind, "-subj", "/CN=test",
                        "-keyout", conf.parent / f"{name}.key", "-out", conf.parent / f"{name}.crt"],
                       check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("name", ["millrace.conf", *sorted(
    path.relative_to(CONF).as_posix() for path in CONF.glob("examples/*.conf"))])
def test_shipped_configuration_is_valid(tmp_path, name):
    conf = tmp_path / "conf" / name
    shutil.copytree(CONF, tmp_path / "conf")
    make_certificates(conf)
    done = check(tmp_path, conf)
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr


def test_shipped_servers_with_a_certificate_speak_http_2():
    found = 0
    for path in (CONF / "millrace.conf", *CONF.glob("examples/*.conf")):
        text = path.read_text(encoding="utf-8")
        # What is commented out is meant to be put in as it stands.
        servers = [part.replace("#", "") for part in text.split("server {")[1:]]
        for server in (part for part in servers if re.search(r"\bssl_certificate\b", part)):
            assert re.search(r"^\s*http2 on;", server, re.M), path
            found += 1
    assert found >= 2


def test_check_would_have_found_a_mistake(tmp_path):
    broken = tmp_path / "broken.conf"
    text = (CONF / "millrace.conf").read_text(encoding="utf-8")
    text = text.replace("include mime.types;", "").replace("index index.html;", "indx index.html;")
    broken.write_text(text, encoding="utf-8")
    done = check(tmp_path, broken)
    assert done.returncode == 1
    assert 'unknown directive "indx"' in done.stderr


def test_check_would_have_found_a_missing_certificate(tmp_path):
    done = check(tmp_path, CONF / "examples/tls.conf")
    assert done.returncode == 1
    assert f'cannot load certificate "{CONF}/examples/media-ecdsa.crt": BIO_new_file()' in done.stderr
