# SPDX-License-Identifier: MIT
"""Programs of Debian packages for loads.sh: a folder for the host, an initramfs for the guest."""

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from debian import Packages, locked
from guest_image import BUSYBOX, Cpio, initrd, is_fresh, write_whole

SCRIPT = Path(__file__).with_name("loads.sh")

PACKAGES = {
    "short": ["libc6", "libcrypt1", "perl-base", "openssl", "libssl3", "gawk", "libgmp10",
              "libmpfr6", "libreadline8", "libtinfo6", "libsigsegv2"],
    "long": ["python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
             "libpython3.11-testsuite", "zlib1g", "libexpat1", "libbz2-1.0", "liblzma5",
             "libffi8", "libuuid1"],
}
UNUSED = ["usr/share", "usr/lib/x86_64-linux-gnu/gconv", "etc", "var", "usr/sbin", "sbin"]

KEYS = {
    "rsa": ["RSA", "rsa_keygen_bits:2048"],
    "ed25519": ["ED25519"],
    "ed448": ["ED448"],
    "p256": ["EC", "ec_paramgen_curve:P-256"],
    "p521": ["EC", "ec_paramgen_curve:P-521"],
    "k1": ["EC", "ec_paramgen_curve:secp256k1"],
}


def native(tree, *command):
    """Runs a program of the tree on the host, with the tree's libraries."""
    libraries = ":".join(str(tree / name) for name in ("lib/x86_64-linux-gnu",
                                                       "usr/lib/x86_64-linux-gnu"))
    return subprocess.run([tree / "lib64/ld-linux-x86-64.so.2", "--library-path", libraries,
                           *command], check=True, capture_output=True,
                          env=dict(os.environ, OPENSSL_CONF="/dev/null"))


def tree(cache, part):
    """The unpacked packages and keys made by them; `part`: short or long."""
    path = Path(cache, f"loads-{part}").resolve()
    names = PACKAGES["short"] + (PACKAGES["long"] if part == "long" else [])
    with locked(cache):
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=cache) as folder:
                new = Path(folder, "tree")
                packages = Packages(cache, "amd64")
                for name in names:
                    packages.unpack(name, new)
                for name in UNUSED:
                    shutil.rmtree(new / name, ignore_errors=True)
                (new / "keys").mkdir()
                for name, (kind, *options) in KEYS.items():
                    native(new, new / "usr/bin/openssl", "genpkey", "-algorithm", kind, "-out",
                           new / "keys" / name, *(p for o in options for p in ("-pkeyopt", o)))
                new.rename(path)
    return path


def add_tree(cpio, top, name):
    cpio.folder(name)
    for path in sorted(top.rglob("*")):
        inside = f"{name}/{path.relative_to(top)}"
        if path.is_symlink():
            target = os.readlink(path)
            cpio.link(inside, f"/{name}{target}" if target.startswith("/") else target)
        elif path.is_dir():
            cpio.folder(inside)
        else:
            cpio.file(inside, path.read_bytes(), stat.S_IMODE(path.stat().st_mode) | 0o400)


def loads_initrd(cache, part):
    """The usual initramfs, and behind it the tree as /loads with the script."""
    top, plain = tree(cache, part), initrd(cache)
    path = Path(cache, f"initrd-loads-{part}.img")
    with locked(cache):
        if not is_fresh(path, top, plain, SCRIPT, Path(__file__)):
            cpio = Cpio()
            add_tree(cpio, top, "loads")
            for name in ("lib", "lib64", "usr"):  # for programs that start programs
                cpio.link(name, f"loads/{name}")
            cpio.file("loads.sh", SCRIPT.read_bytes())
            write_whole(path, plain.read_bytes() + cpio.finish())
    return path


def native_output(cache, part):
    """What the loads print on the host."""
    with tempfile.TemporaryDirectory() as folder:
        links = Path(folder, "bin")
        links.mkdir()
        subprocess.run([BUSYBOX, "--install", "-s", links], check=True)
        result = subprocess.run([links / "sh", SCRIPT], cwd=folder, capture_output=True, text=True,
                                check=True, env={"PATH": str(links), "HOME": folder, "PART": part,
                                                 "T": str(tree(cache, part))})
    return result.stdout.splitlines()
