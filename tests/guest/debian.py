# SPDX-License-Identifier: MIT
"""Debian packages of any architecture, downloaded and unpacked, never installed.

apt-get runs with lists and a cache of its own, so it needs no rights, changes nothing of the
machine and asks for other architectures than the machine's; the sources are the machine's own.
"""

import contextlib
import fcntl
import getpass
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CONFIGURATION = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "{user}";
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
"""


class Missing(Exception):
    """Something the guest is made of cannot be had; the text says what."""


@contextlib.contextmanager
def locked(folder):
    """One process at a time makes what lies in a cache folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Packages:
    """The packages of one architecture."""

    def __init__(self, cache, architecture):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Missing("apt-get and dpkg-deb, to get Debian packages")
        self.folder = Path(cache, f"apt-{architecture}").resolve()
        self.configuration = self.folder / "apt.conf"
        if not self.configuration.exists():
            for name in ("state/lists/partial", "cache/archives/partial"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / "state/status").touch()
            self.configuration.write_text(CONFIGURATION.format(
                architecture=architecture, folder=self.folder, user=getpass.getuser()))
            self.update()

    def run(self, *command, cwd=None):
        environment = dict(os.environ, APT_CONFIG=str(self.configuration), LC_ALL="C")
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, cwd=cwd, env=environment)

    def update(self):
        """A source that cannot be reached leaves the others usable: no failure here."""
        self.run("apt-get", "update", "-qq")

    def depends(self, package):
        """Names of the packages that one depends on; empty also when there is no such one."""
        rows = self.run("apt-cache", "depends", package).stdout.splitlines()
        pairs = [row.strip(" |").partition(": ") for row in rows]
        return [name for kind, _, name in pairs if kind == "Depends"]

    def unpack(self, package, tree):
        """Downloads one package and unpacks it below the folder `tree`."""
        with tempfile.TemporaryDirectory() as folder:
            for attempt in ("first", "with new lists"):
                got = self.run("apt-get", "download", "-qq", package, cwd=folder)
                archives = list(Path(folder).glob("*.deb"))
                if archives:
                    break
                if attempt == "first":  # the lists may be older than the archive
                    self.update()
            else:
                raise Missing(f"the package {package}: {got.stderr.strip()}")
            subprocess.run(["dpkg-deb", "-x", archives[0], tree], check=True)
