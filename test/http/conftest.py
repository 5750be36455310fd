# SPDX-License-Identifier: Apache-2.0
"""The end-to-end tests: everything is in fixtures.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "http"))

from fixtures import *  # noqa: E402,F401,F403
