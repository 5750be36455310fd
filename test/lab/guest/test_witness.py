# SPDX-License-Identifier: Apache-2.0
"""Kernel TLS works in this guest at all, shown with nginx: the tests of millrace's own count on it.

If these fail, the kernel, the guest or the counters are at fault, not millrace.
"""

import os
import re

import pytest

import lab

BODY = os.urandom(300_000)
HTTP = """
server {{
    listen 127.0.0.1:@PORT@ ssl;
    root @PREFIX@/html;
    sendfile on;
    ssl_certificate {crt};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_conf_command Options {options};
}}
"""
CIPHERS = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]


def start(launch, options):
    crt, key = lab.certificate("ec")
    return launch(HTTP.format(crt=crt, key=key, options=options), binary=lab.NGINX,
                  files={"html/body": BODY})


def download(server, tmp_path, *options):
    lab.run("curl", "-sSk", *options, "-o", tmp_path / "got",
            f"https://127.0.0.1:{server.port}/body")
    return (tmp_path / "got").read_bytes()


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nginx_seals_and_opens_in_the_kernel(launch, tmp_path, cipher):
    server = start(launch, "KTLS")
    with lab.tls_counted() as moved:
        assert download(server, tmp_path, "--tls13-ciphers", cipher) == BODY
    assert (moved["TlsTxSw"], moved["TlsRxSw"]) == (1, 1), dict(moved)
    assert moved["TlsDecryptError"] == 0


def test_tls_1_2_is_in_the_kernel_too(launch, tmp_path):
    server = start(launch, "KTLS")
    with lab.tls_counted() as moved:
        assert download(server, tmp_path, "--tls-max", "1.2") == BODY
    assert (moved["TlsTxSw"], moved["TlsRxSw"]) == (1, 1), dict(moved)


def test_without_ktls_the_counters_stand_still(launch, tmp_path):
    server = start(launch, "-KTLS")
    with lab.tls_counted() as moved:
        assert download(server, tmp_path) == BODY
    assert not moved, dict(moved)


def test_aes_is_done_by_instructions_of_the_cpu():
    """A kernel without them counts ten times as many instructions per byte: costs would mislead."""
    with open("/proc/crypto", encoding="ascii") as file:
        drivers = re.findall(r"^driver\s+: (\S+)$", file.read(), re.M)
    assert any("aesni" in name or "vaes" in name for name in drivers)
