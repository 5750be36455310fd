# SPDX-License-Identifier: Apache-2.0
"""Which binary is tested, and how patient the tests must be with it.

MILLRACE_BINARY names another binary than build/release/millrace; MILLRACE_SLOW=1 stretches every
waiting time, which a binary with a sanitizer inside does by itself.
"""

import os
from functools import cache
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("MILLRACE_BINARY", str(TREE / "build/release/millrace"))


@cache
def is_sanitized(binary=BINARY):
    try:
        text = Path(binary).read_bytes()
    except OSError:
        return False
    return b"__asan_init" in text or b"__tsan_init" in text


def seconds(value):
    """A waiting time, longer when the server is slow."""
    slow = os.environ.get("MILLRACE_SLOW", "0") not in ("", "0") or is_sanitized()
    return value * (5 if slow else 1)
