# SPDX-License-Identifier: MIT
"""Makes the guests that boot in tests and by `make boot`: Debian's kernels, unpacked and not
installed, and initramfs archives with busybox whose init starts a shell on the console.

GUEST_KERNEL and GUEST_INITRD name files to take instead of the cloud kernel's. What is made is kept
in the cache folder.
"""

import os
import re
import stat
import tempfile
from pathlib import Path

from debian import Missing, Packages, locked

# Architecture and package of each kernel; the first is what most tests boot.
KERNELS = {
    "cloud": ("amd64", "linux-image-cloud-amd64"),
    "amd64": ("amd64", "linux-image-amd64"),
    "686": ("i386", "linux-image-686"),
    "686-pae": ("i386", "linux-image-686-pae"),
}

BUSYBOX = Path("/bin/busybox")  # of amd64

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


def initramfs_bytes(busybox, modules):
    """`modules`: paths in the order they are loaded."""
    cpio = Cpio()
    for name in ["bin", "dev", "proc", "sys", "tmp", "etc", "modules"]:
        cpio.folder(name)
    cpio.node("dev/console", 5, 1)
    cpio.node("dev/null", 1, 3)
    cpio.node("dev/ttyS0", 4, 64)
    cpio.file("bin/busybox", busybox.read_bytes())
    cpio.link("bin/sh", "busybox")
    cpio.file("bin/load-modules", LOAD_MODULES.encode())
    for module in modules:
        cpio.file(f"modules/{module.name}", module.read_bytes(), 0o644)
    cpio.file("init", INIT.encode())
    return cpio.finish()


# -- Kernels ---------------------------------------------------------------------------------------

def unpack_kernel(packages, meta_package, tree):
    """Unpacks what a package stands for that holds no kernel but depends on one."""
    if not packages.depends(meta_package):
        packages.update()
    flavour = re.sub("^linux-image", "", meta_package)
    for name in packages.depends(meta_package):
        if re.search(rf"^linux-image-\d[^a-z]*{re.escape(flavour)}$", name):
            packages.unpack(name, tree)
            return
    raise Missing(f"the package {meta_package} in apt's lists; or set GUEST_KERNEL=")


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
    """Of the cloud kernel. Another list of modules is another folder."""
    return Path(cache, "-".join(["modules"] + MODULES))


def make_kernel(cache, name, path):
    architecture, package = KERNELS[name]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        unpack_kernel(Packages(cache, architecture), package, tree)
        if name == "cloud":
            modules = modules_folder(cache)
            modules.mkdir(parents=True, exist_ok=True)
            for number, module in enumerate(in_load_order(tree, MODULES)):
                write_whole(modules / f"{number:02}-{module.name}", module.read_bytes())
        write_whole(path, next(tree.glob("boot/vmlinuz-*")).read_bytes())


def kernel(cache, name="cloud"):
    if name == "cloud" and os.environ.get("GUEST_KERNEL"):
        return Path(os.environ["GUEST_KERNEL"])
    path = Path(cache, "vmlinuz" if name == "cloud" else f"vmlinuz-{name}")
    with locked(cache):
        if not path.exists() or (name == "cloud" and not modules_folder(cache).exists()):
            make_kernel(cache, name, path)
    return path


def busybox(cache, architecture):
    """Call it with the cache locked."""
    if architecture == "amd64":
        if not BUSYBOX.exists():
            raise Missing(f"{BUSYBOX} (Debian package busybox-static)")
        return BUSYBOX
    path = Path(cache, f"busybox-{architecture}")
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            Packages(cache, architecture).unpack("busybox-static", folder)
            write_whole(path, Path(folder, "bin/busybox").read_bytes())
    return path


def initrd(cache, name="cloud"):
    if name == "cloud" and os.environ.get("GUEST_INITRD"):
        return Path(os.environ["GUEST_INITRD"])
    architecture, _ = KERNELS[name]
    modules = sorted(modules_folder(cache).glob("*.ko")) if name == "cloud" else []
    path = Path(cache, "initrd.img" if name == "cloud" else f"initrd-{architecture}.img")
    with locked(cache):
        box = busybox(cache, architecture)
        if not is_fresh(path, Path(__file__), box, *modules):
            write_whole(path, initramfs_bytes(box, modules))
    return path


def memtest(cache, name):
    """memtest86+, a program that boots like a kernel; `name`: x64 or ia32."""
    path = Path(cache, f"memtest86+{name}.bin")
    with locked(cache):
        if not path.exists():
            with tempfile.TemporaryDirectory() as folder:
                Packages(cache, "amd64").unpack("memtest86+", folder)
                write_whole(path, Path(folder, "boot", path.name).read_bytes())
    return path
