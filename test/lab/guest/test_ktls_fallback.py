# SPDX-License-Identifier: Apache-2.0
"""What a connection gets where the kernel cannot do everything, and that the log says why, once."""

import re
import subprocess
from pathlib import Path

import pytest

import ktls
import lab
import millrace
from ktls import KIB, MIB, connect, content, kernel_connections, which
from tls_wire import Interactive
from wire import eventually

BODY = {"html/body": content(MIB)}
LOCATIONS = f"root @PREFIX@/html; {ktls.WHICH}"


def start(launch, more="", **options):
    return launch(f"{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl; {LOCATIONS} {more} }}",
                  files=ktls.files(**BODY), **options)


def visit(server, version, ciphers=None):
    """The transport of one connection; a body has come through it."""
    with connect(server.port, made=ktls.context(version, ciphers)) as client:
        transport = which(client)[0]
        assert client.request("/body").body == content(MIB)
    return transport


def reasons(server):
    """What [info] lines say of why no better transport was chosen."""
    return re.findall(r"\[info\].*TLS transport \"(\S+)\", because (.*)$", server.log(), re.M)


def only_reason(server, transport, pattern):
    found = reasons(server)
    assert len(found) == 1, found
    assert found[0][0] == transport and re.fullmatch(pattern, found[0][1]), found


# OpenSSL 3.0 hands the kernel the receiving keys of TLS 1.2 alone.


@pytest.fixture(scope="module")
def old_openssl():
    server = millrace.Server(
        f"{ktls.HTTP} server {{ listen 127.0.0.1:@PORT@ ssl; {LOCATIONS} "
        f"location /slow/ {{ limit_rate 150k; alias @PREFIX@/html/; }} }}",
        files=ktls.files(**BODY, **{"html/small": content(200 * KIB)}), env=lab.OLD_OPENSSL)
    try:
        yield server.start()
    finally:
        server.finish()


def test_old_openssl_has_tls_1_3_in_the_kernel_both_ways(old_openssl):
    """OpenSSL gives the kernel the keys for sending alone; the others come from us."""
    with kernel_connections(2):
        for _ in range(2):
            assert visit(old_openssl, "1.3") == "kernel"


def test_old_openssl_has_tls_1_2_in_the_kernel_both_ways(old_openssl):
    with kernel_connections(1):
        assert visit(old_openssl, "1.2") == "kernel"


# Reasons.


def test_option_turns_it_off(launch):
    server = start(launch, "ssl_conf_command Options -KTLS;")
    with lab.tls_counted() as moved:
        assert visit(server, "1.2") == visit(server, "1.3") == "userspace"
    assert not moved, dict(moved)
    only_reason(server, "userspace", r"Options -KTLS is configured")


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-CCM"])
def test_cipher_that_the_kernel_lacks(launch, cipher):
    server = start(launch, f"ssl_ciphers {cipher}:ECDHE-ECDSA-AES128-GCM-SHA256;")
    with lab.tls_counted() as moved:
        assert [visit(server, "1.2", cipher) for _ in range(2)] == ["userspace"] * 2
    assert not moved, dict(moved)
    only_reason(server, "userspace",
                rf"the kernel does not send with TLSv1.2, {cipher} \(OpenSSL .*\)")
    with kernel_connections(1):
        assert visit(server, "1.2", "ECDHE-ECDSA-AES128-GCM-SHA256") == "kernel"


def test_aes_128_ccm_is_in_the_kernel(launch):
    cipher = "ECDHE-ECDSA-AES128-CCM"
    server = start(launch, f"ssl_ciphers {cipher};")
    with kernel_connections(1):
        assert visit(server, "1.2", cipher) == "kernel"


@pytest.fixture
def no_module():
    """The kernel has no TLS, and no way to get it."""
    loader = Path("/proc/sys/kernel/modprobe")
    before = loader.read_text()
    loader.write_text("/bin/false\n")
    try:
        assert eventually(lambda: subprocess.run(["rmmod", "tls"], stderr=subprocess.DEVNULL)
                          .returncode == 0, step=0.2), "still in use"
        yield
    finally:
        loader.write_text(before)
        lab.run("modprobe", "tls")


def test_kernel_without_the_module(no_module, launch):
    server = start(launch)
    assert visit(server, "1.2") == visit(server, "1.3") == "userspace"
    assert not Path("/sys/module/tls").exists()
    only_reason(server, "userspace", r"the kernel has no TLS \(No such file or directory\)")
    assert re.search(r"\[notice\].*kernel TLS: no \(the kernel has no tls module", server.log())


def test_module_that_comes_later_is_loaded_by_the_master(launch):
    """The silos may not: they are no longer root."""
    assert eventually(lambda: subprocess.run(["rmmod", "tls"], stderr=subprocess.DEVNULL)
                      .returncode == 0, step=0.2), "still in use"
    server = start(launch)
    assert Path("/sys/module/tls").exists()
    with kernel_connections(1):
        assert visit(server, "1.3") == "kernel"
    assert re.search(r"\[notice\].*kernel TLS: aes-128-gcm aes-256-gcm chacha20-poly1305",
                     server.log())
