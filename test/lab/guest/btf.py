# SPDX-License-Identifier: Apache-2.0
"""Where the members of the running kernel's structures lie, read from /sys/kernel/btf/vmlinux.

Probes of the kernel are written with offsets, which differ between releases; the kernel says them
itself in BTF (Documentation/bpf/btf.rst). Only what probes need is read: structures by name, their
own members and those of anonymous structures inside them, and enumerations.
"""

import struct
from functools import cache
from pathlib import Path

MAGIC = 0xeb9f
INT, ARRAY, STRUCT, UNION, ENUM, FUNC_PROTO, VAR, DATASEC, DECL_TAG, ENUM64 = \
    1, 3, 4, 5, 6, 13, 14, 15, 17, 19
# What follows the 12 bytes of a type: so much at all, and so much for each of its vlen parts.
FIXED = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
REPEATED = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}


class Types:
    def __init__(self, data):
        magic, _, _, header, type_at, type_length, string_at, _ = struct.unpack_from("<HBBIIIII",
                                                                                      data)
        assert magic == MAGIC, f"not BTF: {magic:#x}"
        self.data = data
        self.strings = header + string_at
        self.begin, self.end = header + type_at, header + type_at + type_length
        self.places = [0]  # of each type; 0 is void
        self.named = {}
        self._walk()

    def _walk(self):
        unpack, place, places = struct.Struct("<II").unpack_from, self.begin, self.places
        while place < self.end:
            name, info = unpack(self.data, place)
            kind = info >> 24 & 0x1f
            places.append(place)
            if kind in (STRUCT, ENUM) and name:
                self.named.setdefault((kind, name), place)
            place += 12 + FIXED.get(kind, 0) + REPEATED.get(kind, 0) * (info & 0xffff)

    def _name(self, offset):
        begin = self.strings + offset
        return self.data[begin:self.data.index(0, begin)].decode()

    def _find(self, kind, name):
        for (kind_here, offset), place in self.named.items():
            if kind_here == kind and self.data.startswith(name.encode() + b"\0",
                                                          self.strings + offset):
                return place
        raise KeyError(name)

    def _parts(self, place, size):
        count = struct.unpack_from("<I", self.data, place + 4)[0] & 0xffff
        return range(place + 12, place + 12 + count * size, size)

    def _members(self, place, base):
        bit_fields = struct.unpack_from("<I", self.data, place + 4)[0] >> 31
        for part in self._parts(place, 12):
            name, type_id, offset = struct.unpack_from("<III", self.data, part)
            bits = base + (offset & 0xffffff if bit_fields else offset)
            if name:
                yield self._name(name), bits // 8
            else:
                yield from self._members(self.places[type_id], bits)

    def offsets(self, name):
        """Of a structure: each member's offset in bytes."""
        return dict(self._members(self._find(STRUCT, name), 0))

    def size(self, name):
        return struct.unpack_from("<I", self.data, self._find(STRUCT, name) + 8)[0]

    def values(self, name):
        """Of an enumeration."""
        return {self._name(offset): value for offset, value in
                (struct.unpack_from("<Ii", self.data, part)
                 for part in self._parts(self._find(ENUM, name), 8))}


@cache
def kernel():
    return Types(Path("/sys/kernel/btf/vmlinux").read_bytes())
