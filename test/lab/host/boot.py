# SPDX-License-Identifier: Apache-2.0
"""One start of the guest: the disks are put together, QEMU runs, results are taken out.

Results come back as a tar archive that the guest writes onto a raw disk: no file system has to
be mounted here, and a guest that dies half-way leaves an empty disk and a console log.
"""
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

import image
import machine
import payload

RESULTS_SIZE = 256 << 20  # sparse
# The kernel is quiet unless it has to complain; a panic ends the machine at once. The rest saves
# emulated work: rules of security modules, grace periods when interfaces come and go, a KVM.
# The kernel would count ticks against a loop to see whether its timer is wired at all; where the
# host has much else to do, too few come, and it looks for another timer and hangs.
COMMAND_LINE = "console=ttyS0 loglevel=4 panic=-1 net.ifnames=0 lsm=capability audit=0 " \
               "rcupdate.rcu_expedited=1 module_blacklist=kvm,kvm_amd no_timer_check"
# Costs are counted with the mitigations that a server has; behaviour is tested without them.
FAST = " mitigations=off"
BEGIN = "lab: ready"  # what the guest says when it has started


class Boot:
    def __init__(self, kernel, machine_name, job, build, results):
        self.kernel, self.machine_name, self.job = kernel, machine_name, job
        self.build, self.results = build, Path(results)

    def run(self, seconds, talk=True):
        """True if the guest delivered. What it says goes to console.log, and is shown if talk,
        behind the name of the machine: others may run beside it."""
        shutil.rmtree(self.results, ignore_errors=True)
        self.results.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix="millrace-lab-") as work:
            command = self._command(Path(work))
            if self.job["mode"] == "shell":
                return subprocess.run(command).returncode == 0
            self._watch(command, seconds, talk)
            return self._take_results(Path(work) / "results.img")

    def _command(self, work):
        kernel = image.kernel(self.kernel)
        results = work / "results.img"
        with open(results, "wb") as file:
            file.truncate(RESULTS_SIZE)
        made = machine.Machine(work)
        machine.MACHINES[self.machine_name](made)
        made.lab_disk("root", image.guest() / "root.img", "snapshot=on")
        made.lab_disk("modules", kernel / "modules.img", "readonly=on")
        made.lab_disk("lab", payload.make(self.build, work, self.job), "readonly=on")
        made.lab_disk("results", results, "")
        made.add("-kernel", kernel / "vmlinuz", "-initrd", kernel / "initramfs",
                 "-append", COMMAND_LINE + ("" if self.machine_name == "icount" else FAST))
        # In a shell the terminal's Ctrl-C belongs to the guest.
        made.add("-serial", "mon:stdio" if self.job["mode"] == "shell" else "stdio")
        return ["qemu-system-x86_64", *made.arguments]

    def _watch(self, command, seconds, talk):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        late = threading.Timer(seconds, self._end, (process, seconds))
        late.start()
        ready = False
        with open(self.results / "console.log", "wb") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if talk and ready:
                    text = line.decode(errors="replace").rstrip()
                    sys.stdout.write(f"   {self.results.name}  {text}\n")
                    sys.stdout.flush()
                ready = ready or BEGIN.encode() in line
        process.wait()
        late.cancel()

    @staticmethod
    def _end(process, seconds):
        print(f"lab: the guest took more than {seconds} s, ended", flush=True)
        process.kill()

    def _take_results(self, disk):
        try:
            with tarfile.open(disk) as archive:
                archive.extractall(self.results)
            return True
        except tarfile.TarError:
            return False

    def died_in_boot(self):
        console = self.results / "console.log"
        text = console.read_text(errors="replace") if console.exists() else ""
        return "Kernel panic" in text and "as init process" not in text

    def console_tail(self, lines=40):
        path = self.results / "console.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return os.linesep.join(text.splitlines()[-lines:])
