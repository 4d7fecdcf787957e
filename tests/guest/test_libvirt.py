#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libvirt's daemon asks the emulator what it can do, starts a machine with it and drives that.

Run alone: python3 tests/guest/test_libvirt.py

The daemon is a session's: all its folders are below a temporary one, and nothing of the host's
configuration is used. As root it runs as nobody, for a privileged one is the system's.
"""

import os
import shutil
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from pathlib import Path

from machine import SCALE, Failure, Skip, emulator, expect, expect_in, run_tests

NOBODY = 65534
SECONDS = 120 * SCALE
# What libvirt was seen to offer for this emulator and what a user would miss.
MODELS = ["qemu64", "kvm64", "Nehalem", "IvyBridge", "EPYC"]
QEMU_CONF = """security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
seccomp_sandbox = 0
capability_filters = []
stdio_handler = "file"
"""
DOMAIN = """<domain type="qemu">
  <name>{name}</name><memory unit="MiB">64</memory><vcpu>2</vcpu>
  <os><type arch="x86_64" machine="pc">hvm</type></os>
  <features><acpi/><apic/></features>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type="usb" model="none"/><memballoon model="none"/>
    <serial type="pty"/><console type="pty"/>
  </devices>
</domain>
"""


def program(name, package):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Skip(f"lacking {name} (Debian package {package})")
    return path


class Daemon:
    """A libvirtd below `folder`, and a copy of the emulator that it may run."""

    def __init__(self, folder):
        self.folder = Path(folder)
        config = self.folder / "config" / "libvirt"
        config.mkdir(parents=True)
        (config / "qemu.conf").write_text(QEMU_CONF, encoding="ascii")
        (config / "libvirtd.conf").write_text("", encoding="ascii")
        self.emulator = shutil.copy(emulator(), self.folder / "emulator")
        places = {"HOME": "", "XDG_RUNTIME_DIR": "run", "XDG_CACHE_HOME": "cache",
                  "XDG_CONFIG_HOME": "config"}
        self.environment = {**os.environ,
                            **{key: str(self.folder / path) for key, path in places.items()}}
        (self.folder / "run").mkdir()
        self.identity = {}
        if os.geteuid() == 0:
            self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        self.socket = self.folder / "run" / "libvirt" / "libvirt-sock"
        self.log = self.folder / "libvirtd.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [program("libvirtd", "libvirt-daemon"), "-f", config / "libvirtd.conf"],
                env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, **self.identity)

    def wait(self):
        """Until it listens."""
        deadline = time.monotonic() + SECONDS
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"libvirtd does not listen: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def virsh(self, *arguments, fails=False):
        """The output of a command; with `fails` whether it went well."""
        done = subprocess.run(
            [program("virsh", "libvirt-clients"), "-q", "-c",
             f"qemu+unix:///session?socket={self.socket}", *arguments],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=SECONDS, **self.identity)
        if fails:
            return done.returncode == 0
        expect(done.returncode == 0,
               f"virsh {arguments}: {done.stderr}\n{self.log.read_text()[-2000:]}")
        return done.stdout

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.wait()


@contextmanager
def daemon():
    program("virsh", "libvirt-clients")
    program("libvirtd", "libvirt-daemon")
    with tempfile.TemporaryDirectory(prefix="lv-") as folder:
        server = Daemon(folder)
        try:
            server.wait()
            yield server
        finally:
            server.end()


def check_capabilities(server):
    """virsh domcapabilities: libvirt probes the binary and judges what it hears."""
    answer = ElementTree.fromstring(server.virsh(
        "domcapabilities", "--emulatorbin", str(server.emulator), "--arch", "x86_64",
        "--virttype", "qemu"))
    machine = answer.findtext("machine")
    expect(machine.startswith("pc-i440fx-"), f"the default machine is {machine}")
    expect(int(answer.find("vcpu").get("max")) >= 255, "too few CPUs")
    modes = {mode.get("name"): mode for mode in answer.iter("mode")}
    for name in ("maximum", "host-model", "custom"):
        expect(modes[name].get("supported") == "yes", f"CPU mode {name} is not supported")
    models = [model.text for model in modes["custom"].iter("model")]
    for name in MODELS:
        expect(name in models, f"no CPU model {name} in {models}")


def drive_machine(server, name):
    """What libvirt asks at a start, and what it does to a machine that runs."""
    def state():
        return server.virsh("domstate", name).strip()

    expect(state() == "running", f"after the start it is {state()}")
    server.virsh("suspend", name)
    expect(state() == "paused", "suspended")
    server.virsh("resume", name)
    expect(state() == "running", "resumed")
    server.virsh("reset", name)
    server.virsh("inject-nmi", name)
    server.virsh("send-key", name, "KEY_A")
    expect(server.virsh("vcpuinfo", name).count("running") == 2, "two CPUs with threads run")
    expect_in("vcpu.1.state=1", server.virsh("domstats", name))
    text = server.virsh("qemu-monitor-command", name, "--hmp", "info status")
    expect_in("VM status: running", text)
    server.virsh("destroy", name)
    expect(not server.virsh("domstate", name, fails=True), "a destroyed machine is gone")


def test_daemon():
    """One daemon for all: it takes longest to start."""
    with daemon() as server:
        check_capabilities(server)
        file = server.folder / "machine.xml"
        file.write_text(DOMAIN.format(name="flat", emulator=server.emulator), encoding="ascii")
        file.chmod(0o644)
        server.virsh("create", str(file))
        drive_machine(server, "flat")


if __name__ == "__main__":
    run_tests(globals())
