# SPDX-License-Identifier: Apache-2.0
"""The cached images: the guest's root file system, and each kernel with its modules.

They are kept in $MILLRACE_LAB_CACHE, or millrace/lab below the user's cache folder, where a clean
clone finds them again. Their names carry a hash of what they are made by. An image is built in a
folder of its own and renamed when it is whole; a lock keeps two runs from building it twice.
"""
import contextlib
import fcntl
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import apt
import cpio
import recipe

HERE = Path(__file__).resolve().parent
GUEST_SIZE = "2G"  # sparse: what is not used takes no room
UNUSED_DAYS = 30


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("MILLRACE_LAB_CACHE") or Path(home) / "millrace/lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key(*texts):
    """Names an image after all that decides what is in it."""
    sources = [HERE / name for name in ("apt.py", "cpio.py", "image.py", "early-init")]
    digest = hashlib.sha256("\0".join(map(str, texts)).encode())
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked():
    with open(cache() / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: another run is building the images, waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(name, make, days=None):
    """The folder of that name in the cache, made by make(folder) if need be."""
    final = cache() / name
    with locked():
        if final.exists() and not (days and stale(final, days)):
            os.utime(final)
            return final
        prune()
        began = time.monotonic()
        print(f"lab: building {name} in {cache()}", flush=True)
        work = Path(tempfile.mkdtemp(prefix="work-", dir=cache()))
        try:
            replace_with(work, final, make)
        except apt.Unavailable as error:
            if not final.exists():
                raise
            print(f"lab: using the {name} of before: {error}", flush=True)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        print(f"lab: {name} took {time.monotonic() - began:.0f} s", flush=True)
    return final


def replace_with(work, final, make):
    """make() works in one folder and leaves what is to be kept in another."""
    (work / "out").mkdir()
    make(work, work / "out")
    (work / "out/made").write_text(str(int(time.time())))
    if final.exists():
        final.rename(work / "old")
    (work / "out").rename(final)


def stale(final, days):
    return time.time() - int((final / "made").read_text()) > days * 86400


def prune():
    """Removes images that no run has used for long, and what a killed run left."""
    for path in cache().glob("*-*"):
        age = time.time() - path.stat().st_mtime
        if path.is_dir() and age > (86400 if path.name.startswith("work-")
                                    else UNUSED_DAYS * 86400):
            shutil.rmtree(path, ignore_errors=True)


def make_file_system(folder, image, size, label):
    """An ext4 image that holds the folder. It is never written back, so it has no journal."""
    Path(image).touch()  # else mke2fs says that it makes it
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-L", label,
                    "-E", "root_owner=0:0", *(["-d", folder] if folder else []), image, size],
                   check=True, env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})


# The guest's root file system.

def guest():
    """The folder with root.img and busybox."""
    return built("guest-" + key(recipe.GUEST_SUITE, *recipe.GUEST_PACKAGES,
                                recipe.OLD_OPENSSL_SUITE, recipe.OLD_OPENSSL_PACKAGE), make_guest)


def make_guest(work, out):
    root = work / "root"
    packages = apt.Apt(work / "apt", recipe.GUEST_SUITE).with_dependencies(recipe.GUEST_PACKAGES)
    # base-files brings the links /bin, /lib and so on, which the others unpack through.
    packages.sort(key=lambda path: not path.name.startswith("base-files_"))
    apt.unpack(packages, root)
    add_old_openssl(work, root)
    finish_by_hand(root)
    compile_python(root)
    shutil.copy2(root / "usr/bin/busybox", out / "busybox")
    (out / "packages.json").write_text(json.dumps([path.name for path in packages], indent=1))
    make_file_system(root, out / "root.img", GUEST_SIZE, "root")


def add_old_openssl(work, root):
    archive = apt.Apt(work / "apt-old", recipe.OLD_OPENSSL_SUITE)
    apt.unpack(archive.alone([recipe.OLD_OPENSSL_PACKAGE]), work / "old-openssl")
    target = root / recipe.OLD_OPENSSL_FOLDER
    target.mkdir(parents=True)
    for path in (work / "old-openssl").rglob("*.so*"):
        shutil.copy2(path, target / path.name)


def finish_by_hand(root):
    """What the maintainer scripts would have done, as far as a test machine needs it."""
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "lab", "data", "results",
                 "usr/lib/modules", "var/tmp", "var/log/nginx"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    files = {"hosts": "127.0.0.1 localhost\n::1 localhost\n", "hostname": "lab\n",
             "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
             "resolv.conf": "", "fstab": "", "mtab": ""}
    for name, text in files.items():
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).write_text(text)
    for link, target in {"var/run": "/run", "var/lock": "/run/lock", "usr/bin/awk": "mawk",
                         "etc/mtab": "/proc/self/mounts"}.items():
        path = root / link
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def compile_python(root):
    """Python compiles in the guest for seconds, and forgets it: do it here, with the guest's own
    interpreter through the guest's own loader."""
    interpreter = next((root / "usr/bin").glob("python3.[0-9]*"))
    libraries = root / "usr/lib/x86_64-linux-gnu"
    folders = [root / "usr/lib" / interpreter.name, root / "usr/lib/python3/dist-packages"]
    subprocess.run([libraries / "ld-linux-x86-64.so.2", "--library-path", libraries, interpreter,
                    "-m", "compileall", "-q", "-s", root, "-p", "/", "--invalidation-mode",
                    "unchecked-hash", *folders], check=True,
                   env={"PYTHONHOME": str(root / "usr"), "LC_ALL": "C.UTF-8"})


# Kernels.

def kernel(name):
    """The folder with vmlinuz, modules.img, initramfs and version."""
    suite = recipe.KERNELS[name]
    busybox = guest() / "busybox"
    label = f"kernel-{name}-" + key(suite, recipe.KERNEL_PACKAGE, recipe.KERNEL_PARTS,
                                    *recipe.EARLY_MODULES)
    return built(label, lambda work, out: make_kernel(suite, busybox, work, out),
                 recipe.NEWEST_DAYS if name == "newest" else None)


def make_kernel(suite, busybox, work, out):
    archive = apt.Apt(work / "apt", suite)
    parts = archive.parts(recipe.KERNEL_PACKAGE, recipe.KERNEL_PARTS)
    # Modules are below /lib or /usr/lib, by release.
    root = work / "root"
    (root / "usr/lib/modules").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    apt.unpack(archive.alone(parts), root)
    modules = next(path for path in (root / "usr/lib/modules").iterdir() if path.is_dir())
    vmlinuz = [*(root / "boot").glob("vmlinuz-*"), *modules.glob("vmlinuz")]
    shutil.move(vmlinuz[0], out / "vmlinuz")
    subprocess.run(["depmod", "-b", root, modules.name], check=True, stderr=subprocess.DEVNULL,
                   env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    make_initramfs(modules, busybox, out / "initramfs")
    used = int(subprocess.run(["du", "-sm", modules], check=True, capture_output=True,
                              text=True).stdout.split()[0])
    make_file_system(modules, out / "modules.img", f"{used * 5 // 4 + 16}M", "modules")
    (out / "version").write_text(modules.name)


def early_modules(modules):
    """Files of the early modules that are not built in, each after what it depends on."""
    depends = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        depends[path] = rest.split()
    names = {re.sub(r"\.ko.*", "", Path(path).name).replace("-", "_"): path for path in depends}
    order = []
    for name in recipe.EARLY_MODULES:
        if name in names:
            # modules.dep lists what was needed last first.
            order += [path for path in [*reversed(depends[names[name]]), names[name]]
                      if path not in order]
    # Nothing depends on it by symbol, but ext4 with checksums asks for it.
    extra = [path for path in names.values() if re.match(r"(crc32c_generic|crc32c)\.ko",
                                                         Path(path).name)]
    return [modules / path for path in extra + order]


def make_initramfs(modules, busybox, image):
    with open(image, "wb") as file:
        archive = cpio.Archive(file)
        for name in ("bin", "dev", "proc", "sys", "root", "modules"):
            archive.folder(name)
        archive.device("dev/console", 5, 1)
        archive.file("bin/busybox", busybox.read_bytes(), 0o755)
        archive.file("init", (HERE / "early-init").read_bytes(), 0o755)
        for number, path in enumerate(early_modules(modules)):
            data = path.read_bytes()
            if path.suffix == ".xz":
                data = lzma.decompress(data)
            name = re.sub(r"\.xz$", "", path.name)
            archive.file(f"modules/{number:02}-{name}", data, 0o644)
        archive.end()
