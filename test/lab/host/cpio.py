# SPDX-License-Identifier: Apache-2.0
"""Writes an initramfs: a cpio archive of the "newc" kind, as the kernel's
Documentation/driver-api/early-userspace/buffer-format.rst describes it. It can hold a device node
without root having made one, which an archive of a folder could not."""
import stat


class Archive:
    def __init__(self, file):
        self.out = file
        self.inode = 0

    def _entry(self, name, mode, data=b"", major=0, minor=0):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name), 0]
        self._padded(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        self._padded(data)

    def _padded(self, data):
        self.out.write(data + b"\0" * (-len(data) % 4))

    def folder(self, name):
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode):
        self._entry(name, stat.S_IFREG | mode, data)

    def device(self, name, major, minor):
        self._entry(name, stat.S_IFCHR | 0o600, b"", major, minor)

    def end(self):
        self._entry("TRAILER!!!", 0)
