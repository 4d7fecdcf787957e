/* SPDX-License-Identifier: MIT */
/* Devices and buses: what -device makes and what boards are built of. Under the machine lock. */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include "hw/irq.h"
#include "softmmu/memory.h"
#include "util/object.h"

typedef struct Bus Bus;

typedef struct Device {
    Object obj;
    Bus *bus; /* LINK: where it is plugged */
    char *id; /* PROP: -device id=, NULL for the board's own */
    bool hotplugged;
} Device;

extern const Type device_type; /* "device", abstract */

struct Bus {
    Object obj;
    Device *owner;      /* the bridge or controller; NULL for a root */
    GPtrArray *devices; /* plugged, in order; not owned */
};

extern const Type bus_type; /* "bus", abstract */

/* Const description of a bus-attached device class: Type.info of the abstract types right below
 * "device" ("isa-device", "pci-device"). */
typedef struct BusDeviceInfo {
    const Type *bus_type; /* the bus such a device plugs into */
    unsigned max_devices; /* that fit on one bus; 0: any number */
} BusDeviceInfo;

/*
 * Makes and plugs a board device: object_new, parent /machine/unattached (or `parent`), bus link.
 * Properties and LINKs are set by the caller before object_realize().
 */
Device *device_new(const char *type_name, Bus *bus);

/* -device: finds the type (nearest-match errors, not-creatable errors), a bus (bus=ID or the first
 * with room), sets properties, names it /machine/peripheral/ID or
 * /machine/peripheral-anon/device[N], realizes. `kv` has key "driver". */
struct KeyVal;
Device *device_add(struct KeyVal *kv, Error **err);

/* device_add while the machine exists: finds what -device would find and refuses it, as no bus here
 * takes devices later. */
bool device_hotplug(struct KeyVal *kv, Error **err);
/* The same for device_del by id or path. */
bool device_unplug(const char *id, Error **err);

/* Text of -device help: every user-creatable device, grouped by bus; caller frees. */
char *device_help(void);

/* Initialises an embedded bus as child `name` of `owner` ("pci.0", "isa.0", "ide.0"). */
void bus_init(Bus *bus, const Type *type, Device *owner, const char *name);
void bus_plug(Bus *bus, Device *dev);
void bus_unplug(Device *dev);
/* First bus of that type (or a descendant) in the tree, by name when `name` is not NULL; NULL if
 * there is none. */
Bus *bus_find(const Type *type, const char *name);

/* A guest did something no driver does: rate-limited log line (-d guest_errors); the machine goes
 * on. */
void guest_error(const void *object, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Something a guest asked for and we do not offer (-d unimp), rate-limited. */
void guest_unimplemented(const void *object, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
