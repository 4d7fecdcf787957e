#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""QMP sessions as clients hold them: bytes of whole sessions, several clients, hanging up, events.

Run alone: python3 tests/guest/test_qmp.py [FUNCTION...]. GOLDEN_WRITE=1 writes the answers in
tests/guest/qmp-sessions.txt anew; that file says how it is read.
"""

import ast
import contextlib
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from machine import SCALE, Failure, Machine, emulator, expect, run_tests
from qmp_session import QmpClient, QmpError, by_socat, compact, connect

GOLDEN = Path(__file__).with_name("qmp-sessions.txt")
# Types that libvirt asks for whether they are listed or not.
PROBED = ["virtio-blk-pci", "scsi-hd", "ide-hd", "PIIX4_PM", "kvm-pit", "ICH9-LPC",
          "virtio-balloon-pci", "virtio-balloon-ccw", "virtio-balloon-device", "usb-host"]


@contextlib.contextmanager
def host(*arguments, option="-qmp", sockets=1):
    """A machine that has no board and does not run, with QMP on sockets at .paths."""
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder:
        paths = [os.path.join(folder, str(i)) for i in range(sockets)]
        monitors = [word for path in paths for word in (option, f"unix:{path},server=on,wait=off")]
        with Machine(["-S", "-machine", "none", *monitors, *arguments], serial=False,
                     monitor=False) as machine:
            machine.paths = paths
            yield machine


# -- Golden sessions --


def sections(text):
    """(head, lines) of each session of the file."""
    parts = re.split(r"^== ", text, flags=re.MULTILINE)
    return parts[0], [part.split("\n", 1) for part in parts[1:]]


def unquote(line):
    return ast.literal_eval("b'" + line.replace("'", "\\'") + "'")


def quote(data):
    return repr(data)[2:-1].replace("\\'", "'").replace("\\r\\n", "")


def without_time(line):
    return re.sub(rb'"(seconds|microseconds)": \d+', rb'"\1": 0', line)


def answers(client, count):
    """So many lines; None: all that come until it is quiet for a while."""
    if count is not None:
        return [client.read_line() for _ in range(count)]
    lines = []
    client.socket.settimeout(1)
    while True:
        try:
            line = client.read_line()
        except Exception:  # pylint: disable=broad-except
            return lines
        if not line:
            return lines
        lines.append(line)


def play(client, script, write):
    """Sends what stands behind '>' and returns the script with the answers that came."""
    result = []
    steps = re.findall(r"^> (.*)\n((?:< .*\n)*)", "> \n" + script, flags=re.MULTILINE)
    for sent, expected in steps:
        client.send_bytes(unquote(sent))
        got = answers(client, None if write else expected.count("\n"))
        result += [f"> {sent}\n"] if sent else []
        result += [f"< {quote(without_time(line))}\n" for line in got]
    if not write:
        with contextlib.suppress(OSError):
            client.socket.shutdown(socket.SHUT_WR)
        rest = client.read_line()
        expect(not rest, f"an answer too many: {rest}")
    return "".join(result)


def test_golden_sessions():
    """A session's title names its option."""
    write = "GOLDEN_WRITE" in os.environ
    head, all_sessions = sections(GOLDEN.read_text(encoding="ascii"))
    text = head
    for title, script in all_sessions:
        comment = "".join(line + "\n" for line in script.split("\n") if line.startswith("# "))
        with host(option=title.split()[0]) as machine:
            with by_socat(machine.paths[0]) as connection:
                client = QmpClient(connection, greeted=False)
                played = play(client, script[len(comment):], write)
        text += f"== {title}\n{comment}{played}\n"
        if not write:
            expect(played.strip() == script[len(comment):].strip(),
                   f"session {title!r} went otherwise:\n{played}")
    if write:
        GOLDEN.write_text(text.rstrip("\n") + "\n", encoding="ascii")


# -- Sessions --


def test_client_of_the_library():
    """What qemu.qmp does: handshake, ids, errors with class, events, quit."""
    with host() as machine, QmpClient(machine.paths[0]) as client:
        client.negotiate()
        expect(client.oob, "out-of-band execution is not offered")
        expect(client.call("query-status")["status"] == "prelaunch", "it runs")
        expect(client.error_class("nonsense") == "CommandNotFound", "class of unknown commands")
        expect(client.error_class("qom-get", path="/nowhere", property="x") in
               ("DeviceNotFound", "GenericError", "CommandNotFound"), "class of unknown paths")
        client.call("cont")
        client.wait_event("RESUME")
        client.call("stop")
        client.wait_event("STOP")
        client.call("system_reset")
        expect(client.wait_event("RESET")["data"] == {"guest": False,
                                                      "reason": "host-qmp-system-reset"}, "RESET")
        wanted = client.send("quit")
        client.answer(wanted)
        shutdown = client.wait_event("SHUTDOWN")["data"]
        expect(shutdown == {"guest": False, "reason": "host-qmp-quit"}, f"{shutdown}")
        expect(client.read_line() == b"", "the stream goes on after quit")
        expect(machine.wait_exit() == 0, "quit ends with another status than 0")


def test_out_of_band_overtakes():
    with host() as machine, QmpClient(machine.paths[0]) as client:
        client.negotiate()
        in_band = [compact({"execute": "query-qmp-schema", "id": i}) for i in range(5)]
        overtaking = compact({"exec-oob": "query-status", "id": "first"})
        client.send_bytes(b"".join(in_band) + overtaking)
        got = [client.read() for _ in range(6)]
        ids = [message["id"] for message in got]
        expect(ids == ["first", 0, 1, 2, 3, 4], f"the order is {ids}")
        expect(all("return" in message for message in got), f"an error among {got}")


def test_reconnect():
    """Each client is greeted and negotiates; what one left behind is not the next one's."""
    with host() as machine:
        for _ in range(20):
            with QmpClient(machine.paths[0]) as client:
                expect(client.error_class("query-status") == "CommandNotFound", "no negotiation")
                client.negotiate()
                client.call("query-status")
                client.send_bytes(b'{"execute":"query-sta')
        with QmpClient(machine.paths[0]) as client:
            client.negotiate()


def test_second_client_waits():
    with host() as machine, QmpClient(machine.paths[0]) as first:
        first.negotiate()
        waiting = connect(machine.paths[0])
        waiting.settimeout(0.5)
        try:
            expect(not waiting.recv(1), "the second client was greeted or refused")
        except TimeoutError:
            pass
        first.socket.close()
        with QmpClient(waiting) as second:
            second.negotiate()


def test_several_clients():
    """Events go to all, answers to who asked."""
    with host(sockets=3) as machine, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(QmpClient(path)).negotiate() for path in machine.paths]
        ids = [client.send("query-status") for client in clients]
        for client, wanted in zip(reversed(clients), reversed(ids)):
            client.answer(wanted)
        clients[0].call("cont")
        for client in clients:
            client.wait_event("RESUME")


def test_half_closed():
    """Who says all and then only listens gets all answers."""
    count = 100
    with host() as machine, QmpClient(machine.paths[0]) as client:
        requests = [{"execute": "qmp_capabilities"}] + [{"execute": "query-version"}] * count
        client.send_bytes(b"".join(map(compact, requests)))
        client.socket.shutdown(socket.SHUT_WR)
        got = 0
        while client.read_line():
            got += 1
        expect(got == count + 1, f"{got} answers to {count + 1} requests")


def test_slow_reader():
    """A client that does not read stops being read; others are served, and it loses nothing."""
    count = 300
    with host(sockets=2) as machine, QmpClient(machine.paths[0]) as slow, \
            QmpClient(machine.paths[1]) as other:
        slow.negotiate()
        other.negotiate()
        requests = b"".join(compact({"execute": "query-qmp-schema", "id": i})
                            for i in range(count))
        writer = threading.Thread(target=slow.send_bytes, args=(requests,), daemon=True)
        writer.start()
        for _ in range(20):
            other.call("query-status")
            time.sleep(0.02)
        ids = [slow.read()["id"] for _ in range(count)]
        expect(ids == list(range(count)), f"answers are missing or out of order: {ids}")
        writer.join()


def test_connected_socket():
    """The emulator gets one end of a pair (fd=), as qemu.machine does it."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [emulator(), "-S", "-machine", "none", "-display", "none", "-nodefaults", "-chardev",
             f"socket,id=mon,fd={theirs.fileno()}", "-mon", "chardev=mon,mode=control"],
            pass_fds=[theirs.fileno()])
    try:
        with QmpClient(ours) as client:
            client.negotiate()
            client.call("quit")
        expect(process.wait(60 * SCALE) == 0, "quit ends with another status than 0")
    finally:
        process.kill()
        process.wait()


def test_emulator_connects():
    """The client listens, the emulator connects: the older way of the libraries."""
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder, \
            socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "listener")
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(60 * SCALE)
        with Machine(["-S", "-machine", "none", "-chardev", f"socket,id=mon,path={path}", "-mon",
                      "chardev=mon,id=monitor,mode=control"], serial=False, monitor=False) as machine:
            with QmpClient(listener.accept()[0]) as client:
                client.negotiate()
                client.call("quit")
            expect(machine.wait_exit() == 0, "quit ends with another status than 0")


def test_tray():
    """Steps and events of a change of disc."""
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder, \
            host("-machine", "pc", "-nodefaults", "-drive", "if=none,media=cdrom,id=disc",
                 "-device", "ide-cd,drive=disc,id=cd") as machine, \
            QmpClient(machine.paths[0]) as client:
        path = os.path.join(folder, "disc")
        with open(path, "wb") as file:
            file.write(bytes(4096))

        def moved(is_open):
            expect(client.wait_event("DEVICE_TRAY_MOVED")["data"] ==
                   {"device": "disc", "id": "cd", "tray-open": is_open}, "which tray, and how")

        client.negotiate()
        client.call("blockdev-open-tray", id="cd")
        moved(True)
        drive = client.call("query-block")[0]
        expect(drive["tray_open"] and drive["qdev"] == "cd" and "inserted" not in drive, f"{drive}")
        client.call("blockdev-change-medium", id="cd", filename=path, format="raw")
        moved(False)
        drive = client.call("query-block")[0]
        expect(not drive["tray_open"] and drive["inserted"]["file"] == path, f"{drive}")
        expect(client.error_class("blockdev-remove-medium", id="cd") == "GenericError", "closed")
        expect(client.error_class("eject", id="cd", device="disc") == "GenericError", "both")
        limits = {f"{kind}{part}": 0 for kind in ("bps", "iops") for part in ("", "_rd", "_wr")}
        client.call("block_set_io_throttle", id="cd", bps_max_length=1, **limits)
        expect(client.error_class("block_set_io_throttle", id="cd", **{**limits, "iops": 9}) ==
               "GenericError", "a limit")
        expect(client.error_class("eject", id="dc") == "DeviceNotFound", "another")
        client.call("eject", device="disc")
        moved(True)


def test_large_integers():
    """Those of 64 bits without a sign, in requests, properties and answers."""
    most = (1 << 64) - 1
    with tempfile.NamedTemporaryFile(prefix="qmp-") as disk:
        disk.truncate(1 << 20)
        device = {"driver": "ide-hd", "drive": "d", "id": "disk", "wwn": most}
        with host("-machine", "pc", "-m", "16", "-nodefaults", "-drive",
                  f"if=none,id=d,format=raw,file={disk.name}", "-device",
                  compact(device).decode()) as machine, QmpClient(machine.paths[0]) as client:
            client.negotiate()
            client.send_bytes(compact({"execute": "query-status", "id": most}))
            expect(client.read()["id"] == most, "the id that comes back")
            path = "/machine/peripheral/disk"
            expect(client.call("qom-get", path=path, property="wwn") == most, "wwn")
            expect(client.call("human-monitor-command",
                               **{"command-line": f"qom-get {path} wwn"}) == f"{most}\r\n", "HMP")
            # Before paging is on linear addresses have 32 bits.
            client.call("memsave", val=most - 15, size=16, filename=f"{disk.name}.save")
            client.call("pmemsave", val=0xfffffff0, size=16, filename=f"{disk.name}.more")
            with open(f"{disk.name}.save", "rb") as one, open(f"{disk.name}.more", "rb") as other:
                expect(one.read() == other.read() != b"", "the last bytes")
            for name in ("save", "more"):
                os.unlink(f"{disk.name}.{name}")
            for command, arguments, wanted in (
                    ("memsave", {"val": most, "size": 2}, "2 bytes from 0xffffffffffffffff on go"),
                    ("pmemsave", {"val": most, "size": 2}, "2 bytes from 0xffffffffffffffff on go"),
                    ("pmemsave", {"val": -1, "size": 2}, "2 bytes from 0xffffffffffffffff on go"),
                    ("pmemsave", {"val": 1 << 64, "size": 2}, "'val' wants a value of type integer"),
                    ("pmemsave", {"val": 0, "size": most}, "'size' wants a value of type integer")):
                try:
                    client.call(command, filename="/dev/null", **arguments)
                except QmpError as error:
                    expect(wanted in str(error), f"{command} {arguments}: {error}")
                else:
                    raise Failure(f"{command} {arguments} did not fail")
            for size, wanted in ((most, "memory"), (1 << 64, "an integer is expected")):
                try:
                    client.call("object-add", id="m", size=size, **{"qom-type": "memory-backend-ram"})
                except QmpError as error:
                    expect(wanted in str(error), f"{size}: {error}")


def test_descriptors():
    """Descriptors come with requests, get names or go into sets."""
    with host(sockets=2) as machine, QmpClient(machine.paths[0]) as client, \
            open("/dev/null", "rb") as file:
        client.negotiate()

        def call_with_fd(command, **arguments):
            request = compact({"execute": command, "arguments": arguments})
            socket.send_fds(client.socket, [request], [file.fileno()])
            return client.answer(None)

        call_with_fd("getfd", fdname="name")
        client.call("closefd", fdname="name")
        expect(client.error_class("closefd", fdname="name") == "GenericError", "closed twice")
        call_with_fd("getfd", fdname="mine")
        with QmpClient(machine.paths[1]) as other:
            other.negotiate()
            expect(other.error_class("closefd", fdname="mine") == "GenericError", "another's name")
        expect(client.call("human-monitor-command", **{"command-line": "closefd mine"}) == "", "mine")
        first = call_with_fd("add-fd", opaque="what it is")
        second = call_with_fd("add-fd", **{"fdset-id": first["fdset-id"]})
        expect(client.call("query-fdsets") == [
            {"fdset-id": first["fdset-id"],
             "fds": [{"fd": first["fd"], "opaque": "what it is"}, {"fd": second["fd"]}]}], "sets")
        client.call("remove-fd", **{"fdset-id": first["fdset-id"], "fd": first["fd"]})
        client.call("remove-fd", **{"fdset-id": first["fdset-id"]})
        expect(client.call("query-fdsets") == [], "the set is still there")
        expect(client.error_class("getfd", fdname="none") == "GenericError", "no descriptor came")


def test_connections():
    """A socket that somebody else has connected becomes a client; yank ends a connection."""
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder, \
            host("-chardev", f"socket,id=line,path={folder}/line,server=on,wait=off",
                 "-chardev", "null,id=null") as machine, QmpClient(machine.paths[0]) as client:
        client.negotiate()

        def add_client(protocol, kind=socket.SOCK_STREAM):
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            with theirs:
                request = compact({"execute": "getfd", "arguments": {"fdname": "it"}})
                socket.send_fds(client.socket, [request], [theirs.fileno()])
                client.answer(None)
            ours.settimeout(60 * SCALE)
            return ours, client.error_class("add_client", protocol=protocol, fdname="it") \
                if protocol != "line" or kind != socket.SOCK_STREAM \
                else client.call("add_client", protocol=protocol, fdname="it")

        def filename():
            return {entry["label"]: entry["filename"] for entry in client.call("query-chardev")}["line"]

        for protocol in ("null", "vnc", "nobody"):
            expect(add_client(protocol)[1] == "GenericError", f"{protocol} takes a client")
        expect(add_client("line", socket.SOCK_DGRAM)[1] == "GenericError", "no stream")
        first, answer = add_client("line")
        expect(answer == {} and not filename().startswith("disconnected:"), filename())
        line = {"type": "chardev", "id": "line"}
        expect(line in client.call("query-yank") and len(client.call("query-yank")) == 2, "who can")
        expect(client.error_class("yank", instances=[line, {"type": "chardev", "id": "null"}]) ==
               "DeviceNotFound", "null has no connection")
        expect(not filename().startswith("disconnected:"), "one of two was yanked")
        client.answer(client.send("yank", {"instances": [line]}, oob=client.oob))
        expect(first.recv(1) == b"" and filename().startswith("disconnected:"), "the end of it")
        with socket.socket(socket.AF_UNIX) as second:
            second.connect(f"{folder}/line")
            while filename().startswith("disconnected:"):
                time.sleep(0.01)


def test_chardev_backends():
    """The schema tells what each takes, as programs look it up; other things are refused."""
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder, host() as machine, \
            QmpClient(machine.paths[0]) as client:
        client.negotiate()
        entries = {entry["name"]: entry for entry in client.call("query-qmp-schema")}

        def member(entry, name):
            found = [item for item in entry["members"] if item["name"] == name]
            return found and entries[found[0]["type"]]

        backend = member(entries[entries["chardev-add"]["arg-type"]], "backend")
        expect(backend["tag"] == "type", f"{backend}")
        variants = {item["case"]: entries[item["type"]] for item in backend["variants"]}
        expect(set(variants) == set(member(backend, "type")["values"]), "kinds and variants")
        expect(set(variants) == {item["name"] for item in client.call("query-chardev-backends")} |
               {"memory"}, "kinds and back ends")
        expect(member(member(variants["socket"], "data"), "reconnect"), "no reconnect")
        address = {"type": "unix", "data": {"path": f"{folder}/socket"}}
        for number, backend in enumerate([
                {"type": "null"}, {"type": "null", "data": {}}, {"type": "pty", "data": {}},
                {"type": "file", "data": {"out": f"{folder}/file", "append": True}},
                {"type": "ringbuf", "data": {"size": 4096}},
                {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}]):
            client.call("chardev-add", id=f"c{number}", backend=backend)
        for backend in ({}, {"type": 1}, {"type": "nosuch"}, {"type": "file"}, {"data": {}},
                        {"type": "file", "data": {}}, {"type": "null", "more": 1},
                        {"type": "null", "data": {"more": 1}},
                        {"type": "socket", "data": {"addr": address, "server": "yes"}}):
            expect(client.error_class("chardev-add", id="c", backend=backend) == "GenericError",
                   f"{backend} is taken")


def test_dirty_rate():
    """Nothing changes; then all memory does, which is a file that is written from here."""
    size = 64 << 20
    with tempfile.TemporaryDirectory(prefix="qmp-") as folder:
        path = os.path.join(folder, "ram")
        with host("-machine", "pc,memory-backend=ram", "-object",
                  f"memory-backend-file,id=ram,size={size},mem-path={path},share=on",
                  "-m", "64") as machine, QmpClient(machine.paths[0]) as client:
            client.negotiate()
            expect(client.call("query-dirty-rate")["status"] == "unstarted", "before")
            for arguments in ({"calc-time": 0}, {"calc-time": 61}, {"calc-time": 1, "sample-pages": 1}):
                expect(client.error_class("calc-dirty-rate", **arguments) == "GenericError",
                       f"{arguments}")

            def measure(change):
                client.call("calc-dirty-rate", **{"calc-time": 1, "sample-pages": 4096})
                while (result := client.call("query-dirty-rate"))["status"] == "measuring":
                    change()
                expect(result["status"] == "measured" and result["calc-time"] == 1, f"{result}")
                return result["dirty-rate"]

            def write():
                with open(path, "r+b") as file:
                    for _ in range(size >> 20):
                        file.write(os.urandom(4096) * 256)

            rate = measure(lambda: time.sleep(0.05))
            expect(rate == 0, f"{rate} MiB/s in a machine that stands still")
            rate = measure(write)
            expect(0 < rate <= size >> 20, f"{rate} MiB/s of {size >> 20}")


# -- What libvirt asks first --


def test_probe():
    with host() as machine, QmpClient(machine.paths[0]) as client:
        client.negotiate()
        version = client.call("query-version")
        expect((version["qemu"]["major"], version["qemu"]["minor"]) >= (7, 2), f"{version}")
        expect(isinstance(version["package"], str), f"{version}")
        expect(client.call("query-target") == {"arch": "x86_64"}, "target")
        expect({"enabled", "present"} == set(client.call("query-kvm")), "query-kvm")
        names = [entry["name"] for entry in client.call("query-qmp-schema")]
        expect(len(names) == len(set(names)), "a name comes twice in the schema")
        types = [entry["name"] for entry in client.call("qom-list-types")]
        expect(len(types) == len(set(types)) and "tcg-accel" in types, f"{types}")
        for name in PROBED:
            try:
                client.call("device-list-properties", typename=name)
                expect(name in types, f"{name} is no type and has properties")
            except QmpError as error:
                expect(error.kind == "DeviceNotFound" and name not in types, f"{name}: {error}")
        for name in ("memory-backend-file", "memory-backend-memfd", "max-x86_64-cpu",
                     "none-machine"):
            client.call("qom-list-properties", typename=name)
        machines = client.call("query-machines")
        expect([m["alias"] for m in machines if m.get("is-default")] == ["pc"], f"{machines}")
        commands = {entry["name"] for entry in client.call("query-commands")}
        for model in client.call("query-cpu-definitions"):
            expect(model["typename"] in types, f"{model} is no type")
        for name in ("query-tpm-models", "query-tpm-types"):
            expect(name in commands and client.call(name) == [], name)
        options = {entry["option"]: entry["parameters"]
                   for entry in client.call("query-command-line-options")}
        expect("hpet" in [p["name"] for p in options["machine"]], "machine has no key hpet")
        for option, key in (("drive", "node-name"), ("action", "panic"), ("global", "property"),
                            ("memory", "maxmem"), ("sandbox", "enable"), ("chardev", "logfile")):
            expect(key in [p["name"] for p in options[option]], f"{option} has no key {key}")
        expect("cpus" in [p["name"] for p in options["smp-opts"]], "smp-opts has no key cpus")
        for props in ({}, {"migratable": False}):
            client.call("query-cpu-model-expansion", type="static",
                        model={"name": "max", "props": props})


# What libvirt looks for in the schema: members of types, +variants, ^values, $features.
SCHEMA_PATHS = ["device_add/$json-cli-hotplug", "object-add/arg-type/qom-type/^secret",
                "object-add/arg-type/+memory-backend-file/prealloc-threads",
                "object-add/arg-type/+memory-backend-memfd/hugetlb",
                "query-named-block-nodes/arg-type/flat",
                "query-hotpluggable-cpus/ret-type/props/die-id",
                "chardev-add/arg-type/backend/+socket/data/reconnect",
                "set-numa-node/arg-type/+hmat-lb", "calc-dirty-rate/arg-type/mode"]


def in_schema(schema, path):
    """Whether there is such a thing, as libvirt looks for it."""
    def entry(name):
        found = schema.get(name)
        while found and found["meta-type"] == "array":
            found = schema.get(found["element-type"])
        return found

    words = path.split("/")
    at = schema.get(words[0])
    for word in words[1:]:
        if not at:
            return False
        if word[0] == "$":
            return word[1:] in at.get("features", [])
        if word[0] == "^":
            return word[1:] in at["values"]
        if word[0] == "+":
            names = [row["type"] for row in at.get("variants", []) if row["case"] == word[1:]]
        elif at["meta-type"] == "command":
            names = [at[word]]
        else:
            names = [row["type"] for row in at["members"] if row["name"] == word]
        at = entry(names[0]) if names else None
    return at is not None


def test_schema_paths():
    with host() as machine, QmpClient(machine.paths[0]) as client:
        client.negotiate()
        schema = {entry["name"]: entry for entry in client.call("query-qmp-schema")}
        for path in SCHEMA_PATHS:
            expect(in_schema(schema, path), f"there is no {path}")
        for path in ("object-add/arg-type/qom-type/^sevret", "netdev_add/arg-type/type/^dgram",
                     "chardev-add/arg-type/backend/+qemu-vdagent"):
            expect(not in_schema(schema, path), f"there is a {path}")
        kinds = schema[schema["object-add"]["arg-type"]]
        for variant in kinds["variants"]:
            client.call("qom-list-properties", typename=variant["case"])
        node = {"type": "node", "nodeid": 0}
        expect(client.error_class("set-numa-node", **node) == "GenericError", "it is too late")


def test_unavailable_features():
    """Each CPU tells what its model has and does not get; a list of properties is one of JSON."""
    for options, wanted in (([], []), (["-cpu", "qemu64,+vmx,+ia64"], ["ia64", "vmx"])):
        with host("-machine", "pc", "-m", "16", *options, "-object",
                  "memory-backend-ram,id=m,size=1M") as machine, \
                QmpClient(machine.paths[0]) as client:
            client.negotiate()
            path = client.call("query-cpus-fast")[0]["qom-path"]
            names = client.call("qom-get", path=path, property="unavailable-features")
            expect(sorted(names) == wanted, f"{names}")
            properties = client.call("qom-list-properties", typename="max-x86_64-cpu")
            expect("unavailable-features" in [entry["name"] for entry in properties], "the type")
            nodes = client.call("qom-get", path="/objects/m", property="host-nodes")
            expect(nodes == [], f"{nodes}")


def test_start_of_a_session():
    """What libvirt asks of a machine that it has started."""
    with host("-machine", "pc", "-m", "64", "-smp", "4,cores=2", "-nodefaults") as machine, \
            QmpClient(machine.paths[0]) as client:
        client.negotiate()
        events = [{"capability": "events", "state": True}]
        expect(client.call("query-migrate-capabilities") != events, "nobody has asked yet")
        client.call("migrate-set-capabilities", capabilities=events)
        expect(client.call("query-migrate-capabilities") == events, "it is on")
        cpus = client.call("query-cpus-fast")
        threads = os.listdir(f"/proc/{machine.process.pid}/task")
        expect(cpus[0]["qom-path"] == "/machine/unattached/device[0]", f"{cpus}")
        expect(len({cpu["thread-id"] for cpu in cpus}) == 4, f"{cpus}")
        expect(all(str(cpu["thread-id"]) in threads for cpu in cpus), f"{cpus} {threads}")
        places = [(cpu["props"]["socket-id"], cpu["props"]["core-id"]) for cpu in cpus]
        expect(places == [(0, 0), (0, 1), (1, 0), (1, 1)], f"{places}")
        slots = client.call("query-hotpluggable-cpus")
        expect([slot["qom-path"] for slot in slots] ==
               [cpu["qom-path"] for cpu in reversed(cpus)], f"{slots}")
        expect(client.call("query-memory-size-summary")["base-memory"] == 64 << 20, "memory")
        for name in ("query-iothreads", "query-memory-devices", "query-jobs", "query-rx-filter"):
            expect(client.call(name) == [], name)
        expect(client.call("query-named-block-nodes", flat=True) == [], "there is no image")
        expect(client.error_class("query-balloon") == "DeviceNotActive", "query-balloon")
        for path in ("/objects", "/chardevs", "/machine/peripheral", "/machine/peripheral-anon"):
            client.call("qom-list", path=path)
        features = [entry["name"] for entry in client.call("qom-list", path=cpus[0]["qom-path"])
                    if entry["type"] == "bool"]
        for name in features:
            value = client.call("qom-get", path=cpus[0]["qom-path"], property=name)
            expect(isinstance(value, bool), f"{name} is {value}")
        expect(client.call("query-migrate") == {}, "query-migrate")


if __name__ == "__main__":
    run_tests(globals())
