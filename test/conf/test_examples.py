# SPDX-License-Identifier: Apache-2.0
"""The configurations that the repository ships must pass the binary's own check (-t)."""
import os
import pathlib
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


@pytest.mark.parametrize("conf", [CONF / "millrace.conf", *sorted(CONF.glob("examples/*.conf"))],
                         ids=lambda path: path.name)
def test_shipped_configuration_is_valid(tmp_path, conf):
    done = check(tmp_path, conf)
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr


def test_check_would_have_found_a_mistake(tmp_path):
    broken = tmp_path / "broken.conf"
    text = (CONF / "millrace.conf").read_text(encoding="utf-8")
    text = text.replace("include mime.types;", "").replace("index index.html;", "indx index.html;")
    broken.write_text(text, encoding="utf-8")
    done = check(tmp_path, broken)
    assert done.returncode == 1
    assert 'unknown directive "indx"' in done.stderr
