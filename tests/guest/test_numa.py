#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""NUMA nodes: Linux sees their CPUs, memory and distances; the monitors tell of them.

Run alone: python3 tests/guest/test_numa.py [NAME...]
"""

import re
import subprocess

from machine import SCALE, Machine, Skip, emulator, expect, expect_in, run_tests
from test_linux_boot import start, wait_shell
from test_smbios import output

# RAM ends at 256 MiB and goes on at 4 GiB: the second node lies on both sides of the hole.
RATE = "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type="
NODES = ["-smp", "4", "-machine", "max-ram-below-4g=256M,hmat=on",
         "-object", "memory-backend-ram,id=m0,size=200M",
         "-object", "memory-backend-memfd,id=m1,size=312M",
         "-numa", "node,memdev=m0,cpus=0,cpus=2", "-numa", "node,memdev=m1,cpus=1,cpus=3",
         "-numa", "node", "-numa", "dist,src=0,dst=1,val=17", "-numa", "dist,src=0,dst=2,val=30",
         "-numa", "dist,src=1,dst=2,val=40",
         "-numa", f"{RATE}access-latency,latency=70", "-numa", f"{RATE}access-bandwidth,bandwidth=3G"]


def test_linux_sees_nodes():
    with start(*NODES) as guest:
        wait_shell(guest)
        text = output(guest, "cd /sys/devices/system/node; for n in node*; do"
                             " echo $n $(cat $n/cpulist) : $(cat $n/distance); done; dmesg | grep SRAT:")
        expect_in("node0 0,2 : 10 17", text)
        expect_in("node1 1,3 : 17 10", text)
        wanted = ["Node 0 PXM 0 [mem 0x00000000-0x0009ffff]", "Node 0 PXM 0 [mem 0x00100000-0x0c7fffff]",
                  "Node 1 PXM 1 [mem 0x0c800000-0x0fffffff]",
                  "Node 1 PXM 1 [mem 0x100000000-0x10fffffff]"]
        for line in wanted:
            expect_in(line, text)
        rates = output(guest, "dmesg | grep hmat:")
        expect_in("Initiator-Target[0-0]:70 nsec", rates)
        expect_in("Initiator-Target[0-0]:3072 MB/s", rates)
        total = sum(int(kib) for kib in re.findall(
            r"MemTotal: +(\d+) kB", output(guest, "cat /sys/devices/system/node/node*/meminfo")))
        expect(400 << 10 < total <= 512 << 10, f"{total} KiB in all nodes")


def test_monitor():
    with Machine(["-nodefaults", "-S", "-m", "512", *NODES], serial=False) as guest:
        text = guest.monitor("info numa")
        expect_in("3 nodes\nnode 0 cpus: 0 2\nnode 0 size: 200 MB\nnode 0 plugged: 0 MB\n"
                  "node 1 cpus: 1 3\nnode 1 size: 312 MB\nnode 1 plugged: 0 MB\n"
                  "node 2 cpus:\nnode 2 size: 0 MB\nnode 2 plugged: 0 MB", text.replace("\r", ""))
        expect_in("something uses", guest.monitor("object_del m0"))
        tree = guest.monitor("info mtree -f")
        for line in [r"0{16}-0{11}9ffff \(ram\): m0", r"0{8}0c800000-0{8}0fffffff \(ram\): m1",
                     r"0{7}100000000-0{7}10fffffff \(ram\): m1 @0{8}03800000"]:
            expect(re.search(line, tree), f"no {line} in\n{tree}")


def check_nodes(text, wanted):
    """host-nodes= as an option says it, and what `info memdev` tells of it."""
    with Machine(["-nodefaults", "-S", "-object", text], serial=False) as guest:
        expect_in(f"host nodes: {wanted}\n", guest.monitor("info memdev").replace("\r", ""))


def test_host_nodes():
    bound = ["-object", "memory-backend-ram,id=m,size=2M,host-nodes=0,policy=bind"]
    done = subprocess.run([emulator(), "-display", "none", "-S", "-nodefaults", "-monitor", "stdio",
                           *bound], input="quit\n", capture_output=True, text=True, check=False,
                          timeout=60 * SCALE)
    if done.returncode:
        expect_in("does not give memory of these host-nodes", done.stderr)
        raise Skip(done.stderr.strip())
    option = "memory-backend-ram,id=m,size=2M,policy=interleave"
    check_nodes(f"{option},host-nodes=0", "0")
    check_nodes(f"{option},host-nodes=0-1,host-nodes=3", "0-1,3")
    check_nodes('{"qom-type":"memory-backend-ram","id":"m","size":2097152,"policy":"preferred",'
                '"dump":false,"host-nodes":[0,2]}', "0,2")


if __name__ == "__main__":
    run_tests(dict(globals()))
