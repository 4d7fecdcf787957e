#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libvirt asks the emulator what it can do, as it does before it starts a domain with it.

Run alone: python3 tests/guest/test_libvirt.py

libvirt's driver runs inside virsh ("embed") with all its folders below a temporary one. Without
privileges: a privileged one wants users that only a full installation makes.
"""

import glob
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree

from machine import SCALE, Skip, emulator, expect, run_tests

NOBODY = 65534
# What libvirt was seen to offer for this emulator and what a user would miss.
MODELS = ["qemu64", "kvm64", "Nehalem", "IvyBridge", "EPYC"]


def virsh(folder, *arguments):
    """Runs virsh on a driver of its own below the folder."""
    program = shutil.which("virsh")
    if not program:
        raise Skip("lacking virsh (Debian package libvirt-clients)")
    if not any(glob.glob(f"/usr/lib*/{part}libvirt/connection-driver/libvirt_driver_qemu.so")
               for part in ("", "*/")):
        raise Skip("lacking libvirt's driver (Debian package libvirt-daemon-driver-qemu)")
    places = {name: folder for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME",
                                        "XDG_CONFIG_HOME")}
    identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run([program, "-c", f"qemu:///embed?root={folder}", *arguments],
                          env={**os.environ, **places}, cwd=folder, capture_output=True, text=True,
                          timeout=120 * SCALE, check=False, **identity)


def ask_capabilities():
    """The answer of virsh domcapabilities about a copy of the emulator that nobody may run."""
    with tempfile.TemporaryDirectory(prefix="libvirt-") as folder:
        os.chmod(folder, 0o755)
        private = os.path.join(folder, "private")
        os.mkdir(private)
        copy = shutil.copy(emulator(), os.path.join(folder, "emulator"))
        if os.geteuid() == 0:
            os.chown(private, NOBODY, NOBODY)
        done = virsh(private, "domcapabilities", "--emulatorbin", copy, "--arch", "x86_64",
                     "--virttype", "qemu")
        expect(done.returncode == 0, f"virsh: {done.stderr}")
        return ElementTree.fromstring(done.stdout)


def test_domcapabilities():
    answer = ask_capabilities()
    machine = answer.findtext("machine")
    expect(machine.startswith("pc-i440fx-"), f"the default machine is {machine}")
    expect(int(answer.find("vcpu").get("max")) >= 255, "too few CPUs")
    modes = {mode.get("name"): mode for mode in answer.iter("mode")}
    for name in ("maximum", "host-model", "custom"):
        expect(modes[name].get("supported") == "yes", f"CPU mode {name} is not supported")
    models = [model.text for model in modes["custom"].iter("model")]
    for name in MODELS:
        expect(name in models, f"no CPU model {name} in {models}")


if __name__ == "__main__":
    run_tests(globals())
