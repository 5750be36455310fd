# SPDX-License-Identifier: Apache-2.0
"""What the guest is made of: names of Debian packages, nothing else.

A change in this file, or in the code that builds the images, gives the images another name in the
cache, and so builds them again.
"""

# The guest's root file system is unpacked from these and what they depend on.
GUEST_SUITE = "trixie"
GUEST_PACKAGES = """
    base-files base-passwd bash coreutils dash findutils grep sed mawk mount util-linux tar gzip
    hostname kmod iproute2 procps ethtool numactl netbase iputils-ping e2fsprogs btrfs-progs
    busybox-static
    curl wrk nginx-light nghttp2-client openssl python3 python3-hpack python3-pytest strace
    liburing2 libllhttp9.2 libnghttp2-14 libhwloc15 libnuma1 libpcre2-8-0 zlib1g libssl3t64
""".split()

# Debian 12's OpenSSL 3.0 goes beside Debian 13's 3.5: with TLS 1.3 it knows kernel TLS for
# transmission alone. LD_LIBRARY_PATH=/opt/openssl-3.0 chooses it.
OLD_OPENSSL_SUITE = "bookworm"
OLD_OPENSSL_PACKAGE = "libssl3"
OLD_OPENSSL_FOLDER = "opt/openssl-3.0"

# Name of a kernel, and the suite it is taken from.
KERNELS = {
    "6.1": "bookworm",
    "6.12": "trixie",
    "newest": "sid",
}
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# What such a package depends on and is part of the kernel itself.
KERNEL_PARTS = r"linux-(image|binary|modules)-\d"

# Modules that the start needs before it has a root file system.
EARLY_MODULES = ["virtio_pci", "virtio_blk", "ext4"]

# unstable moves on; a newest kernel older than this is looked up again.
NEWEST_DAYS = 7
