#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad options: the emulator ends with status 1 and says in plain words what is wrong.

Run alone: python3 tests/guest/test_options.py [NAME...]
"""

import os
import re
import subprocess
import tempfile

from machine import SCALE, Failure, Machine, emulator, expect, expect_in, run_tests

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
    ("-global foo", "the form is TYPE.PROPERTY=VALUE"),
    ("-global nosuch.x=1", "unknown type 'nosuch'"),
    ("-global isa-serial.foo=1", "isa-serial has no property 'foo'"),
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
]

REST = [
    ("-rtc base=foo", "base 'foo' is not a time"),
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
