# SPDX-License-Identifier: MIT
"""Who may include whom: a folder includes its own layer and those before it, never later ones."""

from tree import Finding

# (folder prefix, layer); the longest prefix wins. The buses and devices of hw have an order too.
LAYERS = {
    "util/base": 0,
    "util/loop": 1, "util/event": 1, "util/json": 1, "util/crypto": 1, "util/object": 1,
    "block": 2, "net": 2, "ui": 2,
    "softmmu/memory": 3, "softmmu/run": 3,
    "accel": 4, "target": 4,
    "hw/core": 5.0,
    "hw/isa": 5.1, "hw/pci": 5.1, "hw/virtio": 5.1, "hw/usb": 5.1, "hw/scsi": 5.1, "hw/ide": 5.1,
    "hw": 5.2,
    "hw/firmware": 5.3,
    "hw/i386": 5.4,
    "softmmu/migrate": 6, "softmmu/monitor": 6, "softmmu/gdbstub": 6,
    "softmmu/main": 7, "tools": 7, "tests": 8,
}

# Public headers lie flat in include/FOLDER/; these say which room a name belongs to.
PUBLIC = {
    "util/loop.h": "util/loop", "util/worker.h": "util/loop",
    "util/field.h": "util/object", "util/object.h": "util/object",
    "util/event.h": "util/event",
    "util/tls.h": "util/crypto", "util/secret.h": "util/crypto",
    "util/json.h": "util/json", "util/json-type.h": "util/json",
    "softmmu/memory.h": "softmmu/memory", "softmmu/run.h": "softmmu/run",
    "softmmu/monitor.h": "softmmu/monitor", "softmmu/gdbstub.h": "softmmu/gdbstub",
    "hw/device.h": "hw/core", "hw/irq.h": "hw/core",
    "hw/isa.h": "hw/isa", "hw/pci.h": "hw/pci", "hw/ide.h": "hw/ide",
    "hw/firmware.h": "hw/firmware",
}
PUBLIC_DEFAULT = {"util": "util/base", "softmmu": "softmmu/run"}

# Only these parts of hw may know a CPU.
CPU_HEADERS = "target/"
CPU_FOLDERS = ("hw/intc/", "hw/i386/")


def room_of_public(tree, name):
    """The second-level folder a public header belongs to: where the source of that name is."""
    if name in PUBLIC:
        return PUBLIC[name]
    parts = name.split("/")
    if len(parts) > 2:
        return "/".join(parts[:2])
    sources = sorted((tree.root / parts[0]).glob("*/" + parts[-1][:-2] + ".c"))
    if len(sources) == 1:
        return f"{parts[0]}/{sources[0].parent.name}"
    return PUBLIC_DEFAULT.get(parts[0], parts[0])


def layer_of_room(path):
    """Layer of a path, or None when it is in no room."""
    best = max((prefix for prefix in LAYERS if (path + "/").startswith(prefix + "/")),
               key=len, default=None)
    return None if best is None else LAYERS[best]


def layer_of(tree, path):
    """Layer of a file of the tree, or of what an include names."""
    if path.startswith("include/"):
        return layer_of_room(room_of_public(tree, path[len("include/"):]))
    if (tree.root / "include" / path).exists():
        return layer_of_room(room_of_public(tree, path))
    return layer_of_room(path)


def check(tree):
    findings = []
    for file in tree.c_files():
        own = layer_of(tree, file.path)
        if own is None:
            findings.append(Finding(file.path, 1, "is in no folder of the layer table"))
            continue
        for line, name in file.includes():
            if "/" not in name:
                continue
            other = layer_of(tree, name)
            if other is None:
                findings.append(Finding(file.path, line, f"include of unknown folder: {name}"))
            elif other > own:
                findings.append(Finding(file.path, line, f"layer {own:g} includes {name} of layer "
                                                         f"{other:g}"))
            elif (file.path.startswith("hw/") and name.startswith(CPU_HEADERS)
                  and not file.path.startswith(CPU_FOLDERS)):
                findings.append(Finding(file.path, line, "only hw/intc and hw/i386 may know a CPU"))
    return findings
