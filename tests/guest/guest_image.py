# SPDX-License-Identifier: MIT
"""Makes the guest that boots in tests and by `make boot`: Debian's cloud kernel, unpacked and not
installed, and an initramfs with busybox whose init starts a shell on the console.

GUEST_KERNEL and GUEST_INITRD name files to take instead. What is made is kept in the cache folder.
"""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "linux-image-cloud-amd64"
BUSYBOX = Path("/bin/busybox")

# Drivers the kernel has as modules; the guest loads them when a test says `load-modules`.
MODULES = ["ata_piix", "sd_mod", "sr_mod"]

INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
export PATH=/bin HOME=/tmp PS1='guest# '
cd /tmp
echo "Guest ready: Linux $(uname -r)"
while :; do
    setsid cttyhack sh
done
"""

LOAD_MODULES = """\
#!/bin/sh
for module in /modules/*.ko; do
    insmod "$module" || exit 1
done
"""


class Missing(Exception):
    """Something the guest is made of cannot be had; the text says what."""


# -- The initramfs ---------------------------------------------------------------------------------

class Cpio:
    """An archive in the "newc" format, made without files, so that device nodes need no root."""

    def __init__(self):
        self.data = bytearray()
        self.inode = 0

    def add(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        name_bytes = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, device[0], device[1],
                  len(name_bytes), 0]
        self.data += b"070701" + b"".join(b"%08x" % field for field in fields)
        self.data += name_bytes
        self.pad()
        self.data += content
        self.pad()

    def pad(self):
        self.data += bytes(-len(self.data) % 4)

    def folder(self, name, mode=0o755):
        self.add(name, stat.S_IFDIR | mode)

    def file(self, name, content, mode=0o755):
        self.add(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, major, minor):
        self.add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def finish(self):
        self.add("TRAILER!!!", 0)
        self.data += bytes(-len(self.data) % 512)
        return bytes(self.data)


def initramfs_bytes(modules):
    if not BUSYBOX.exists():
        raise Missing(f"{BUSYBOX} (Debian package busybox-static)")
    cpio = Cpio()
    for name in ["bin", "dev", "proc", "sys", "tmp", "etc", "modules"]:
        cpio.folder(name)
    cpio.node("dev/console", 5, 1)
    cpio.node("dev/null", 1, 3)
    cpio.node("dev/ttyS0", 4, 64)
    cpio.file("bin/busybox", BUSYBOX.read_bytes())
    cpio.link("bin/sh", "busybox")
    cpio.file("bin/load-modules", LOAD_MODULES.encode())
    for module in sorted(modules.glob("*.ko")):
        cpio.file(f"modules/{module.name}", module.read_bytes(), 0o644)
    cpio.file("init", INIT.encode())
    return cpio.finish()


# -- The kernel ------------------------------------------------------------------------------------

def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, **options)


def kernel_package():
    """Name of the package that holds the kernel; the one we know only depends on it."""
    for line in run(["apt-cache", "depends", PACKAGE]).stdout.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.endswith("cloud-amd64"):
            return name
    return None


def update_package_lists():
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not sudo or shutil.which("sudo"):
        run(sudo + ["apt-get", "update", "-qq"])


def unpack_kernel(folder):
    """Downloads and unpacks the package below `folder`; returns the root of the unpacked tree."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Missing("apt-get and dpkg-deb, to get a kernel; or set GUEST_KERNEL=")
    if not kernel_package():
        update_package_lists()
    package = kernel_package()
    if not package:
        raise Missing(f"the package {PACKAGE} in apt's lists; or set GUEST_KERNEL=")
    got = run(["apt-get", "download", "-qq", package], cwd=folder)
    archives = list(Path(folder).glob("*.deb"))
    if got.returncode or not archives:
        raise Missing(f"the package {package}: {got.stderr.strip()}; or set GUEST_KERNEL=")
    subprocess.run(["dpkg-deb", "-x", archives[0], "tree"], cwd=folder, check=True)
    return Path(folder, "tree")


def in_load_order(tree, names):
    """Paths of the modules and of all they depend on, each behind what it needs."""
    paths = {path.stem.replace("-", "_"): path for path in tree.glob("lib/modules/**/*.ko")}
    order = []

    def add(name):
        path = paths.get(name.replace("-", "_"))
        if path is None or path in order:
            return  # built in, or there already
        needs = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for need in (needs.group(1).decode().split(",") if needs else []):
            if need:
                add(need)
        order.append(path)

    for name in names:
        add(name)
    return order


# -- The cache -------------------------------------------------------------------------------------

def write_whole(path, content):
    """Writes a file so that nobody ever sees half of it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def is_fresh(path, *sources):
    return path.exists() and all(path.stat().st_mtime >= source.stat().st_mtime
                                 for source in sources if source.exists())


def modules_folder(cache):
    """Another list of modules is another folder."""
    return Path(cache, "-".join(["modules"] + MODULES))


def kernel(cache):
    if os.environ.get("GUEST_KERNEL"):
        return Path(os.environ["GUEST_KERNEL"])
    path, modules = Path(cache, "vmlinuz"), modules_folder(cache)
    if not path.exists() or not modules.exists():
        modules.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            tree = unpack_kernel(folder)
            for number, module in enumerate(in_load_order(tree, MODULES)):
                write_whole(modules / f"{number:02}-{module.name}", module.read_bytes())
            write_whole(path, next(tree.glob("boot/vmlinuz-*")).read_bytes())
    return path


def initrd(cache):
    if os.environ.get("GUEST_INITRD"):
        return Path(os.environ["GUEST_INITRD"])
    path = Path(cache, "initrd.img")
    if not is_fresh(path, Path(__file__), BUSYBOX, modules_folder(cache)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, initramfs_bytes(modules_folder(cache)))
    return path
