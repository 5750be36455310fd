# SPDX-License-Identifier: Apache-2.0
"""As much of the W3C WebDriver protocol as one page needs, over plain HTTP: no library."""
import contextlib
import json
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--disable-default-apps", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",  # the test's certificate signs itself
    # Every name but the test's own address is unknown: the page must be served locally.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class WebDriverError(Exception):
    pass


class Browser:
    """One headless Chromium with a fresh profile."""

    def __init__(self, base, profile, binary):
        self.base = base
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": binary}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        made = call("POST", f"{base}/session", {"capabilities": capabilities}, 60)
        self.session = f"{base}/session/{made['sessionId']}"
        self.version = made["capabilities"].get("browserVersion", "?")

    def open(self, url):
        call("POST", f"{self.session}/url", {"url": url})

    def run(self, script):
        return call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def quit(self):
        call("DELETE", self.session)


def call(method, url, body=None, timeout=30):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method,
                                     headers={"Content-Type": "application/json"})
    # A proxy in the environment is not for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise WebDriverError(error.read().decode(errors="replace")[:2000]) from error


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} does not listen on {port}")


@contextlib.contextmanager
def browser(driver, binary):
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="millrace-browser-", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen([driver, f"--port={port}", f"--log-path={home}/driver.log"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, process)
            one = Browser(f"http://127.0.0.1:{port}", f"{home}/profile", binary)
            try:
                yield one
            finally:
                with contextlib.suppress(WebDriverError, OSError):
                    one.quit()
        finally:
            process.terminate()
            process.wait(10)
