# SPDX-License-Identifier: Apache-2.0
"""Clients on a CPU of the test's choice: on loopback that is where their packets are processed."""

import os
import threading
from contextlib import contextmanager

from settings import seconds

CPUS = sorted(os.sched_getaffinity(0))[:2]


@contextmanager
def on_cpu(number):
    """The caller's thread on one of CPUS, counted round."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CPUS[number % len(CPUS)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Pinned(threading.Thread):
    """Calls `work` on a CPU; what it raised is raised again by finish()."""

    def __init__(self, cpu, work):
        super().__init__(daemon=True)
        self.cpu, self.work, self.error, self.result = cpu, work, None, None
        self.start()

    def run(self):
        try:
            os.sched_setaffinity(0, {self.cpu})
            self.result = self.work()
        except Exception as error:  # told to whoever waits
            self.error = error

    def finish(self):
        self.join(seconds(60))
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result
