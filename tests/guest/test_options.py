#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad options: the emulator ends with status 1 and says in plain words what is wrong.

Run alone: python3 tests/guest/test_options.py [NAME...]
"""

import os
import re
import shlex
import subprocess
import tempfile

from machine import ROOT, SCALE, Failure, Machine, emulator, expect, expect_in, run_tests

# Options, what stderr must hold. FOLDER/junk is 64 KiB of nonsense, FOLDER/empty has no bytes.
UNKNOWN = [
    ("-nosuch", "there is no option '-nosuch'"),
    ("-macine pc", "there is no option '-macine'; did you mean '-machine'?"),
    ("-machine q36", "unknown machine 'q36'"),
    ("-machine pc,foo=1", "has no property 'foo'"),
    ("-machine pc,accel=tgc", "unknown accelerator 'tgc'; did you mean 'tcg'?"),
    ("-machine", "-machine needs an argument"),
    ("-accel xen", "xen is not available in this build"),
    ("-accel tcg,thraed=single", "unknown parameter 'thraed'; did you mean 'thread'?"),
    ("-machine pc,acell=tcg", "has no property 'acell'; did you mean 'accel'?"),
    ("-cpu qemu46", "-cpu: unknown CPU model 'qemu46'; did you mean 'qemu64'?"),
    ("-cpu qemu64,+avx3", "unknown feature or property 'avx3'; did you mean 'avx'?"),
    ("-cpu qemu64,level=x", "level: 'x' is not a number"),
    ("-device nosuch", "unknown device 'nosuch'"),
    ("-device isa-serail", "unknown device 'isa-serail'; did you mean 'isa-serial'?"),
    ("-device isa-serial,foo=1", "isa-serial has no property 'foo'"),
    ("-device isa-serial,irq=300", "irq 300: an ISA bus has lines 0 to 15"),
    ("-device i8042", "made by the machine itself"),
    ("-device ide-hd", "ide-hd needs drive=ID"),
    ("-device ide-hd,drive=d0", "there is no drive 'd0'"),
    ("-device isa-debug-exit,id=a -device isa-debug-exit,id=a", "a device with id 'a' already"),
    ("-object memory-backend-ram", "Parameter 'id' is missing"),
    ("-object memory-backend-ram,id=x,size=foo", "'foo' is not a size"),
    ("-object memory-backend-ram,id=x,size=1M,policy=bind", "policy=bind needs host-nodes="),
    ("-object memory-backend-ram,id=x,size=1M,host-nodes=0", "host-nodes= says nothing without a policy="),
    ("-object memory-backend-ram,id=x,size=1M,host-nodes=128", "host-nodes=128: nodes are 0 to 127"),
    ("-object memory-backend-ram,id=x,size=1M,host-nodes=2-1", "'2-1' is neither a number"),
    ("-global foo", "the form is TYPE.PROPERTY=VALUE"),
    ("-global nosuch.x=1", "unknown type 'nosuch'"),
    ("-global isa-serial.foo=1", "isa-serial has no property 'foo'"),
    ("-global driver=isa-serial,property=foo,value=1", "isa-serial has no property 'foo'"),
    ("-global driver=hpet,property=timers,value=99", "timers=99: an HPET has 3 to 24"),
    ("-global driver=isa-serial,property=irq", "driver=, property= and value= belong together"),
    ("-global driver=isa-serial,vlaue=1", "unknown parameter 'vlaue'; did you mean 'value'?"),
]

JSON = [
    ('-device {"driver":"isa-serial",}', "JSON, line 1, column 24: string"),
    ('-device {"driver":"isa-serial"}x', "JSON, line 1, column 24: end of file expected"),
    ('-device {"drivr":"isa-serial"}', "driver"),
    ('-device {"driver":"pci-testdev","addr":3.5}', "a string is expected, not a fraction"),
    ('-device {"driver":"pci-testdev","addr":256}', "256 is not a PCI address"),
    ('-device {"driver":"pci-testdev","addr":"0x20"}', "'0x20' is not a PCI address"),
    ('-device {"driver":"pci-testdev","multifunction":"on"}',
     "'multifunction' of pci-testdev: true or false is expected, not a string"),
    ('-device {"driver":"isa-serial","index":"0"}', "an integer is expected, not a string"),
    ('-device {"driver":"isa-serial","index":-1}', "'-1' is not a number"),
    ('-device {"driver":"isa-serial","index":null}', "an integer is expected, not null"),
    ('-device {"driver":"isa-serial","a":{"b":1}}', "isa-serial has no property 'a.b'"),
    ('-object {"qom-type":"memory-backend-ram","id":"m","size":"5M"}',
     "an integer is expected, not a string"),
    ('-object {"qom-type":"memory-backend-ram"}', "Parameter 'id' is missing"),
    ('-chardev {"backend":"nosuch","id":"x"}', "unknown character back end 'nosuch'"),
]

SIZES = [
    ("-m -5", "'-5' is not a size"),
    ("-m 10Q", "'10Q' is not a size"),
    ("-m 5T", "at most 1 TiB"),
    ("-smp 0", "cpus=0 is not between"),
    ("-smp x", "'x' is not a number"),
    ("-smp 2,cores=3", "are not 2 CPUs"),
]

MACHINE = [
    ("-m 64,maxmem=32M", "maxmem= is less than the 64 MiB of size="),
    ("-m 64,maxmem=128M", "maxmem= needs slots="),
    ("-m 64,slots=2", "slots= needs maxmem="),
    ("-m 64,slots=300,maxmem=128M", "slots=300 are more than 256"),
    ("-machine max-ram-below-4g=4G", "max-ram-below-4g= goes from 1M to 3.5G"),
    ("-machine pc,max_ram_below_4g=4G", "max-ram-below-4g= goes from 1M to 3.5G"),
    ("-machine pit=off", "pit=off: this machine always has one"),
    ("-machine i8042=off", "i8042=off: this machine always has one"),
    ("-machine smbios-entry-point-type=16", "value '16' is not one of 32, 64"),
    ("-acpitable sig=FOOT", "either file= or data= is needed"),
    ("-acpitable file=FOLDER/empty", "is too short for the header of a table"),
    ("-acpitable data=FOLDER/empty,sig=FOO", "sig=FOO does not have 4 characters"),
    ("-acpitable data=FOLDER/empty,rev=300", "rev=300 does not fit into 1 byte"),
    ("-acpitable data=/nowhere/x", "cannot read '/nowhere/x'"),
    ("-option-rom nowhere.rom", "firmware 'nowhere.rom' was not found"),
    ("-option-rom FOLDER/junk,bootindex=x", "bootindex=x is neither a place"),
    ("-option-rom FOLDER/junk,bootindex=3 -option-rom FOLDER/empty,bootindex=3",
     "bootindex=3 was given to more than one device"),
    ("-readconfig FOLDER/config", "FOLDER/config:4: pci-testdev has no property 'foo'"),
    ("-smbios type=9", "type=9 cannot be filled by keys"),
    ("-smbios type=1,serail=x", "did you mean 'serial'?"),
    ("-smbios type=41,pcidev=nic", "there is no PCI device 'nic'"),
    ("-smbios file=FOLDER/empty -smbios file=FOLDER/junk", "holds no whole structure"),
    ("-numa node", "the nodes have 0x0 bytes, the machine has 0x8000000"),
    ("-numa node,cpus=0-1", "-numa node,cpus=0-1: there is no CPU 1: -smp has maxcpus=1"),
    ("-machine none -numa node", "machine 'none' has no memory to divide"),
]

PROCESS = [
    ("-runas nosuchuser", "there is no user 'nosuchuser'"),
    ("-run-with chroot=/nowhere", "cannot make '/nowhere' the root folder"),
    ("-run-with foo=1", "unknown parameter 'foo'"),
    ("-sandbox maybe", "'maybe' is neither on nor off"),
    ("-sandbox on,spawn=no", "spawn=no is not one of allow, deny"),
    ("-sandbox on,elevateprivileges=deny -runas nobody", "denies '-runas nobody', too"),
    ("-overcommit mem-lock=maybe", "'maybe' is neither on nor off"),
    ("-overcommit memlock=on", "did you mean 'mem-lock'?"),
    ("-compat deprecated-input=no", "deprecated-input=no is not one of accept, reject, crash"),
    ("-readconfig /nowhere/c", "cannot read '/nowhere/c'"),
    ("-set device.x.y=1", "there is no -device with id 'x'"),
    ("-writeconfig x", "-dump-config prints the options instead"),
    ("-plugin x", "plugins are not offered"),
    ("-xen-attach", "Xen is not offered"),
]

OLD = [
    ("-tdf", "-tdf: this old option is without effect"),
    ("-enable-fips", "without effect"),
    ("-m 64,slots=2,maxmem=128M", "memory cannot be added to the running machine"),
]

DRIVES = [
    ("-hda /nowhere/x", "-hda /nowhere/x: could not open '/nowhere/x': No such file"),
    ("-drive file=/nowhere/x", "could not open '/nowhere/x': No such file"),
    ("-drive file=FOLDER/junk,format=nosuch", "unknown block format 'nosuch'"),
    ("-drive file=FOLDER/junk,if=foo", "unsupported bus type 'foo'"),
    ("-drive file=FOLDER/junk,format=raw,cache=x", "invalid cache mode 'x'"),
    ("-drive file=FOLDER/junk,format=raw,redonly=on", "did you mean 'readonly'?"),
    ("-drive file=FOLDER/junk,format=raw,if=floppy", "this machine has no place for if=floppy"),
    ("-drive file=FOLDER/junk,format=raw,media=tape", "'tape' is no valid media"),
    ("-hda FOLDER/junk -hda FOLDER/junk", "bus=0, unit=0 (index=0) exists"),
    ("-hda FOLDER/junk -hdb FOLDER/junk", "'FOLDER/junk' is locked: process"),
    ("-drive", "-drive needs an argument"),
]

CHARACTERS = [
    ("-chardev nosuch,id=x", "unknown character back end 'nosuch'"),
    ("-chardev file,id=x", "needs path="),
    ("-chardev null", "-chardev null needs id="),
    ("-chardev null,id=x -chardev null,id=x", "two character devices with id 'x'"),
    ("-serial foo", "'foo' is not a character device"),
    ("-serial chardev:x", "there is no character device 'x'"),
    ("-serial unix:", "a socket needs one of path=, port= and fd="),
    ("-serial tcp:nohost", "'nohost' is not HOST:PORT"),
    ("-serial file:/nowhere/y", "cannot open '/nowhere/y'"),
    ("-serial stdio -monitor stdio", "stdio is in use"),
    ("-monitor nosuch:", "'nosuch:' is not a character device"),
    ("-mon foo", "there is no chardev 'foo'"),
]

BOOT = [
    ("-kernel /nowhere/k", "/nowhere/k"),
    ("-kernel FOLDER/empty", "is no kernel this machine can start"),
    ("-kernel FOLDER/junk", "is no kernel this machine can start"),
    ("-initrd FOLDER/junk", "-initrd makes no sense without -kernel"),
    ("-append x", "-append makes no sense without -kernel"),
    ("-bios /nowhere/b", "firmware '/nowhere/b' was not found"),
    ("-bios FOLDER/empty", "a multiple of 64 KiB"),
    ("-fw_cfg name=opt/x", "either file= or string= is needed"),
    ("-fw_cfg name=opt/x,file=/nowhere/f", "cannot read '/nowhere/f'"),
    ("-boot z", "'z' is no boot device"),
    ("-boot order=cc", "names 'c' twice"),
    ("-boot reboot-timeout=70000", "reboot-timeout= goes up to 65535 ms"),
    ("-boot reboot-timeout=-1,splash-time=70000", "splash-time= goes up to 65535 ms"),
    ("-boot splash=FOLDER/junk", "is neither a JPEG nor a BMP of 24 bits"),
]

REST = [
    ("-rtc base=foo", "base 'foo' is not a time"),
    ("-echr 256", "256 is not between 1 and 255"),
    ("-echr x", "'x' is not a number"),
    ("-action foo", "unknown parameter 'foo'"),
    ("-action watchdog=foo", "watchdog=foo is not one of reset, shutdown, poweroff"),
    ("-watchdog ib700", "-device ib700 adds a watchdog"),
    ("-action reboot=foo", "reboot=foo is not one of reset, shutdown"),
    ("-d foo", "unknown log item 'foo'"),
    ("-D /nowhere/l -d int", "cannot open log file '/nowhere/l'"),
    ("-trace nosuch_point", "no trace point matches 'nosuch_point'"),
    ("-pidfile /nowhere/p", "cannot create '/nowhere/p'"),
    ("-display foo", "there is no such display"),
    ("-vga foo", "there is no display adapter 'foo'"),
    ("-uuid x", "'x' is not a UUID"),
    ("-name", "-name needs an argument"),
    ("-snapshot", "not offered"),
]

HELP = [
    ("-help", "-machine"), ("-version", "version"), ("-machine help", "pc-i440fx-7.2"),
    ("-accel help", "tcg"), ("-cpu help", "qemu64"), ("-device help", "ide-hd"),
    ("-device isa-serial,help", "chardev"), ("-d help", "in_asm"), ("-trace help", "ide_command"),
    ("-chardev help", "socket"), ("-object help", "memory-backend-ram"),
    ("-machine pc,help", "memory.size"), ("-drive help", "format"),
    ("-action help", "poweroff|pause"), ("-smp help", "cores=N"), ("-vga help", "display adapter"),
]


def run(options, folder):
    """Runs the emulator with these words; returns its status and what it said."""
    words = [word.replace("FOLDER", folder) for word in options.split()]
    command = [emulator(), "-display", "none"] + words
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=60 * SCALE, check=False)
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{options}: no end within 60 s") from late
    return done


def check_refused(cases):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "junk"), "wb") as file:
            file.write(bytes(i * 7919 % 251 for i in range(65536)))
        with open(os.path.join(folder, "empty"), "wb"):
            pass
        with open(os.path.join(folder, "config"), "w", encoding="utf-8") as file:
            file.write('[device "a"]\ndriver = "pci-testdev"\naddr = "5"\nfoo = "1"\n')
        for options, wanted in cases:
            done = run(options, folder)
            expect(done.returncode == 1, f"{options}: status {done.returncode}: {done.stderr}")
            expect_in(wanted.replace("FOLDER", folder), done.stderr)


def test_unknown_names():
    check_refused(UNKNOWN)


def test_json():
    check_refused(JSON)
    with Machine(["-nodefaults", "-S", "-device", '{"driver":"pci-testdev","id":"a","addr":"0x5"}',
                  "-device", "{'driver':'pci-testdev','id':'b','addr':48}",
                  "-object", '{"qom-type":"memory-backend-ram","id":"m","size":1048576}'],
                 serial=False) as guest:
        devices = guest.monitor("info pci")
        expect(re.search(r"device +5.*\n.*1b36:0005", devices), devices)
        expect(re.search(r"device +6.*\n.*1b36:0005", devices), devices)


def test_table_of_options():
    """Each option of docs/options.md is known; those said to be refused are."""
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`-.*?) \| (\w+) \|", text, re.MULTILINE)
    seen = 0
    for names, state in rows:
        for name in re.findall(r"`(-[\w-]+)`", names):
            done = subprocess.run([emulator(), name, "x", "--dump-config"], capture_output=True,
                                  text=True, check=False, stdin=subprocess.DEVNULL)
            expect("there is no option" not in done.stderr, f"{name}: {done.stderr}")
            if state == "refused":
                refusal = run(f"-S -nodefaults {name}", "")
                if "needs an argument" in refusal.stderr:
                    refusal = run(f"-S -nodefaults {name} x", "")
                expect(refusal.returncode == 1, f"{name} is not refused")
            seen += 1
    expect(seen > 120, f"{seen} options")


def test_machine():
    check_refused(MACHINE)


def test_process():
    check_refused(PROCESS)


def test_old_ones():
    for options, wanted in OLD:
        with Machine(["-nodefaults", "-S", *options.split()], serial=False) as guest:
            guest.monitor_send("quit")
            expect(guest.wait_exit() == 0, options)
            expect_in(wanted, guest.error_text())


def test_messages():
    """-msg: the time and the guest's name stand before the program's."""
    done = run("-msg timestamp=on,guest-name=on -name g,process=p -device nosuch", "")
    expect(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z g \S+: -device nosuch: ", done.stderr),
           done.stderr)
    done = run("-name g -msg guest-name=off,timestamp=off -device nosuch", "")
    expect(re.match(r"\S+: -device nosuch: ", done.stderr), done.stderr)


def test_dump_config_makes_the_same_machine():
    """What --dump-config prints makes the machine it was made from."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write('[device "r"]\ndriver = "pci-testdev"\naddr = "9"\n')
        options = ["-m", "96", "-smp", "2,sockets=2", "-name", "a b,process=p", "-nodefaults", "-S",
                   "-no-hpet", "-device", '{"driver":"pci-testdev","addr":"0x7","id":"j"}',
                   "-chardev", "null,id=c", "-device", "isa-serial,chardev=c,index=1", "-cpu",
                   "qemu64,+ssse3", "-global", "pci-testdev.multifunction=on", "-readconfig",
                   config, "-set", "device.r.id=r2", "-append", "a 'b' \"c\" $d", "-kernel",
                   "/dev/null"]
        options[options.index("/dev/null")] = boot_kernel(folder)
        dumped = subprocess.run([emulator(), *options, "--dump-config"], capture_output=True,
                                text=True, check=True).stdout
        again = subprocess.run(["sh", "-c", f'"$0" {dumped.replace(chr(10), " ")} --dump-config',
                                emulator()], capture_output=True, text=True, check=True).stdout
        expect(again == dumped, f"{dumped}\n---\n{again}")
        trees = [machine_tree(options), machine_tree(shlex.split(dumped))]
        expect(trees[0] == trees[1], f"{trees[0]}\n---\n{trees[1]}")


def boot_kernel(folder):
    """A file that passes for a bzImage."""
    image = bytearray(0x4000)
    image[0x1f1] = 4
    image[0x1fe:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = b"\x0f\x02"
    image[0x211] = 1
    image[0x238:0x23a] = b"\x00\x08"  # bytes of command line
    path = os.path.join(folder, "kernel")
    with open(path, "wb") as file:
        file.write(image)
    return path


def machine_tree(options):
    with Machine([*options], serial=False) as guest:
        return [guest.monitor(line) for line in ("info qtree", "info mtree", "info pci")]


def test_sizes():
    check_refused(SIZES)


def test_drives():
    check_refused(DRIVES)


def test_character_devices():
    check_refused(CHARACTERS)


def test_boot():
    check_refused(BOOT)


def test_rest():
    check_refused(REST)


def test_help():
    for options, wanted in HELP:
        done = run(options, "")
        expect(done.returncode == 0, f"{options}: status {done.returncode}: {done.stderr}")
        expect_in(wanted, done.stdout)


if __name__ == "__main__":
    run_tests(dict(globals()))
