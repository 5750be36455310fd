# SPDX-License-Identifier: Apache-2.0
"""A private apt, which needs no root and leaves the machine's own alone.

It takes another suite from the mirror that the machine itself is configured for, with the
machine's proxies, credentials and keys, and it downloads; nothing is installed.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Unavailable(Exception):
    """The packages cannot be had here and now; the text says why."""


class Apt:
    def __init__(self, folder, suite):
        self.folder = Path(folder).resolve()
        self.suite = suite
        for name in ("lists/partial", "archives/partial", "sources"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").write_text("")
        self._write_source()
        self._write_configuration()
        self._call(["apt-get", "update", "-q"], f"no package list of {suite}")

    def _write_source(self):
        if not shutil.which("apt-get"):
            raise Unavailable("there is no apt-get: the lab's packages come from Debian")
        done = subprocess.run([ROOT / "conf/build/apt-mirror"], capture_output=True, text=True,
                              check=True)
        if not done.stdout.strip():
            raise Unavailable("found no apt entry for Debian's main archive to derive others from")
        uri, signed = done.stdout.split()
        (self.folder / "sources/lab.sources").write_text(
            f"Types: deb\nURIs: {uri}\nSuites: {self.suite}\nComponents: main\n"
            f"Signed-By: {signed}\n")

    def _write_configuration(self):
        # The machine's apt.conf.d stays in force; only these are ours.
        options = {
            "Dir::State": self.folder, "Dir::State::status": self.folder / "status",
            "Dir::State::lists": self.folder / "lists",
            "Dir::Cache": self.folder, "Dir::Cache::archives": self.folder / "archives",
            "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
            "Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": self.folder / "sources",
            "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Log": self.folder, "APT::Architecture": "amd64",
            "APT::Install-Recommends": "0", "Debug::NoLocking": "1",
            "APT::Sandbox::User": "", "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Binary::apt-get::APT::Keep-Downloaded-Packages": "1",
            # Images for containers clear the archive after each run.
            "DPkg::Post-Invoke": "", "APT::Update::Post-Invoke": "",
        }
        clear = "#clear DPkg::Post-Invoke;\n#clear APT::Update::Post-Invoke;\n" \
                "#clear APT::Architectures;\n"
        lines = [f'{key} "{value}";\n' for key, value in options.items()
                 if "Post-Invoke" not in key]
        self.configuration = self.folder / "apt.conf"
        self.configuration.write_text(clear + "".join(lines))

    def _call(self, command, complaint, cwd=None):
        env = {**os.environ, "APT_CONFIG": str(self.configuration), "LC_ALL": "C"}
        done = subprocess.run(command, cwd=cwd or self.folder, env=env, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        # apt-get update ends well although a list was not to be had, and only warns.
        if done.returncode != 0 or re.search(r"^(Err:|W: Failed to fetch)", done.stdout
                                             + done.stderr, re.M):
            lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
            telling = [line for line in lines if re.match(r"[EW]: ", line)] or lines[-1:]
            raise Unavailable(f"{complaint}: {' '.join(telling[0].split())}")
        return done.stdout

    def with_dependencies(self, packages):
        """Downloads the packages and all that they depend on."""
        self._call(["apt-get", "install", "-y", "-q", "--download-only", *packages],
                   f"packages of {self.suite}")
        return sorted((self.folder / "archives").glob("*.deb"))

    def alone(self, packages):
        """Downloads the packages without what they depend on."""
        folder = self.folder / "alone"
        folder.mkdir(exist_ok=True)
        self._call(["apt-get", "download", "-q", *packages], f"packages of {self.suite}", folder)
        return sorted(folder.glob("*.deb"))

    def field(self, package, name):
        """One field of a package's newest version; "" where it has none."""
        text = self._call(["apt-cache", "show", "--no-all-versions", package],
                          f"package {package} of {self.suite}")
        found = re.search(rf"^{name}: (.*)$", text, re.M)
        return found[1] if found else ""

    def parts(self, package, pattern):
        """The package and those below it whose names match."""
        found, waiting = [], [package]
        while waiting:
            name = waiting.pop()
            found.append(name)
            names = {re.split(r"[\s(:]", row.strip())[0]
                     for row in re.split(r"[,|]", self.field(name, "Depends"))}
            waiting += [other for other in sorted(names)
                        if re.match(pattern, other) and other not in found + waiting]
        return found


def unpack(packages, folder):
    """Unpacks without running maintainer scripts, so that neither root nor a chroot is needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package],
                              stdout=subprocess.PIPE) as data:
            subprocess.run(["tar", "-x", "-C", folder, "--keep-directory-symlink"],
                           stdin=data.stdout, check=True)
        if data.returncode != 0:
            raise RuntimeError(f"{package} cannot be unpacked")
