/* SPDX-License-Identifier: MIT */
/* Devices: the abstract base, boards' own devices, and what -device makes. */
#include "hw/device.h"

#include "util/keyval.h"
#include "util/suggest.h"

#include <string.h>

static void device_finalize(Object *obj)
{
    Device *dev = (Device *)obj;

    if (dev->bus) {
        bus_unplug(dev);
    }
}

static const Field device_fields[] = {
    LINK(Device, bus),
    PROP(Device, id, .desc = "name of the device", .hidden = true),
    DERIVED(Device, hotplugged),
    FIELDS_END,
};

const Type device_type = {
    .name = "device",
    .parent = &object_type,
    .size = sizeof(Device),
    .fields = device_fields,
    .id_container = "/machine/peripheral",
    .finalize = device_finalize,
    .abstract = true,
};
OBJECT_TYPE(device_type);

/* Adds under "device[N]", N being the first number free in the container. */
static void add_numbered(const char *container_path, Object *obj)
{
    Object *container = object_container(container_path);
    char name[32];

    for (unsigned n = container->children->len;; n++) {
        g_snprintf(name, sizeof(name), "device[%u]", n);
        if (!object_child(container, name)) {
            object_add_child(container, name, obj);
            return;
        }
    }
}

Device *device_new(const char *type_name, Bus *bus)
{
    const Type *type = type_find(type_name);

    g_assert(type && type_is_a(type, &device_type));
    Device *dev = (Device *)object_new(type);
    add_numbered("/machine/unattached", &dev->obj);
    if (bus) {
        bus_plug(bus, dev);
    }
    return dev;
}

/* -- -device ----------------------------------------------------------------------------------- */

static const BusDeviceInfo *bus_info_of(const Type *type)
{
    for (; type && type != &device_type; type = type->parent) {
        if (type->parent == &device_type && type->abstract) {
            return type->info;
        }
    }
    return NULL;
}

static void offer_device(const Type *type, void *opaque)
{
    if (type->user_creatable) {
        suggest_offer(opaque, type->name);
    }
}

static const Type *find_creatable(const char *driver, Error **err)
{
    const Type *type = type_find(driver);

    if (type && type_is_a(type, &device_type) && !type->abstract && type->user_creatable) {
        return type;
    }
    if (type && type_is_a(type, &device_type)) {
        error_set(err, "device '%s' is made by the machine itself, not by -device", driver);
        return NULL;
    }
    Suggest suggest;
    suggest_init(&suggest, driver);
    type_foreach(&device_type, offer_device, &suggest);
    error_set(err, "unknown device '%s'%s", driver, suggest_text(&suggest));
    error_hint(err, "-device help lists the devices");
    return NULL;
}

static bool bus_has_room(const Bus *bus, const BusDeviceInfo *info)
{
    return !info->max_devices || bus->devices->len < info->max_devices;
}

typedef struct BusSearch {
    const BusDeviceInfo *info;
    const char *name;
    Suggest *suggest;
    Bus *found;
    bool seen_full;
} BusSearch;

static void search_bus(Object *obj, BusSearch *search)
{
    Bus *bus = (Bus *)obj;

    for (guint i = 0; i < obj->children->len && !search->found; i++) {
        search_bus(obj->children->pdata[i], search);
    }
    if (search->found || !object_is_a(obj, &bus_type)) {
        return;
    }
    if (search->name) {
        suggest_offer(search->suggest, obj->name);
        search->found = strcmp(obj->name, search->name) == 0 ? bus : NULL;
    } else if (object_is_a(obj, search->info->bus_type)) {
        search->found = bus_has_room(bus, search->info) ? bus : NULL;
        search->seen_full |= !search->found;
    }
}

static Bus *find_named_bus(const Type *type, const BusDeviceInfo *info, const char *name,
                           Error **err)
{
    Object *by_path = object_resolve(name);
    Suggest suggest;
    BusSearch search = {info, name, &suggest, NULL, false};

    suggest_init(&suggest, name);
    if (by_path && object_is_a(by_path, &bus_type)) {
        search.found = (Bus *)by_path;
    } else {
        search_bus(object_root(), &search);
    }
    if (!search.found) {
        error_set(err, "there is no bus '%s'%s", name, suggest_text(&suggest));
        return NULL;
    }
    if (!object_is_a(&search.found->obj, info->bus_type)) {
        error_set(err, "%s goes on a bus of type %s, '%s' is of type %s", type->name,
                  info->bus_type->name, name, search.found->obj.type->name);
        return NULL;
    }
    if (!bus_has_room(search.found, info)) {
        error_set(err, "no place is left on bus '%s'", name);
        return NULL;
    }
    return search.found;
}

static Bus *find_bus_for(const Type *type, const BusDeviceInfo *info, const char *name, Error **err)
{
    BusSearch search = {info, NULL, NULL, NULL, false};

    if (name) {
        return find_named_bus(type, info, name, err);
    }
    search_bus(object_root(), &search);
    if (search.found) {
        return search.found;
    }
    if (search.seen_full) {
        error_set(err, "every %s bus is full", info->bus_type->name);
    } else {
        error_set(err, "%s needs a bus of type %s, and this machine has none", type->name,
                  info->bus_type->name);
    }
    return NULL;
}

static bool check_id(const char *id, Error **err)
{
    if (!g_ascii_isalpha(id[0])) {
        error_set(err, "id '%s' does not start with a letter", id);
        return false;
    }
    for (const char *c = id; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr("-._", *c)) {
            return error_set(
                err, "id '%s' holds '%c'; letters, digits, '-', '.' and '_' may be used", id, *c);
        }
    }
    if (object_child(object_container("/machine/peripheral"), id)) {
        return error_set(err, "there is a device with id '%s' already", id);
    }
    return true;
}

/* Type and bus that are asked for; *ret_bus is NULL for a type that goes on none. */
static const Type *find_type_and_bus(KeyVal *kv, Bus **ret_bus, Error **err)
{
    const char *driver = keyval_get(kv, "driver");
    const char *bus_name = keyval_get(kv, "bus");
    const char *id = keyval_get(kv, "id");

    if (!driver) {
        error_set(err, "Parameter 'driver' is missing");
        return NULL;
    }
    const Type *type = find_creatable(driver, err);
    if (!type || (id && !check_id(id, err))) {
        return NULL;
    }
    const BusDeviceInfo *info = bus_info_of(type);
    if (!info && bus_name) {
        error_set(err, "%s does not go on a bus", driver);
        return NULL;
    }
    *ret_bus = info ? find_bus_for(type, info, bus_name, err) : NULL;
    return info && !*ret_bus ? NULL : type;
}

bool device_hotplug(KeyVal *kv, Error **err)
{
    Bus *bus = NULL;
    const Type *type = find_type_and_bus(kv, &bus, err);

    if (!type) {
        return false;
    }
    return bus ? error_set(err, "'%s' is a bus on which nothing changes while the machine runs",
                           bus->obj.name)
               : error_set(err, "no '%s' can be plugged into this machine while it runs",
                           type->name);
}

bool device_unplug(const char *id, Error **err)
{
    Object *obj = object_child(object_container("/machine/peripheral"), id);

    if (!obj && strchr(id, '/')) {
        obj = object_resolve(id);
    }
    if (!obj) {
        return error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    }
    const Device *dev = object_is_a(obj, &device_type) ? (const Device *)obj : NULL;
    return dev && dev->bus
               ? error_set(err, "'%s' is a bus on which nothing changes while the machine runs",
                           dev->bus->obj.name)
               : error_set(err, "'%s' is not a device that can be taken away", id);
}

Device *device_add(struct KeyVal *kv, Error **err)
{
    static const char *const own_keys[] = {"driver", "bus", "id", NULL};
    const char *id = keyval_get(kv, "id");
    Bus *bus = NULL;
    const Type *type = find_type_and_bus(kv, &bus, err);

    if (!type) {
        return NULL;
    }

    Device *dev = (Device *)object_new(type);
    if (bus) {
        bus_plug(bus, dev);
    }
    if (id) {
        dev->id = g_strdup(id);
        object_add_child(object_container("/machine/peripheral"), id, &dev->obj);
    } else {
        add_numbered("/machine/peripheral-anon", &dev->obj);
    }
    if (!object_set_all(&dev->obj, kv, own_keys, err) || !object_realize(&dev->obj, err)) {
        object_free(&dev->obj);
        return NULL;
    }
    return dev;
}

/* -- -device help ------------------------------------------------------------------------------ */

typedef struct HelpGroup {
    GString *text;
    const Type *bus; /* NULL: devices that go on no bus */
    bool titled;
} HelpGroup;

static void append_device(const Type *type, void *opaque)
{
    HelpGroup *group = opaque;
    const BusDeviceInfo *info = bus_info_of(type);

    if (!type->user_creatable || (info ? info->bus_type : NULL) != group->bus) {
        return;
    }
    if (!group->titled) {
        g_string_append_printf(group->text, "%s%s devices:\n", group->text->len ? "\n" : "",
                               group->bus ? group->bus->name : "Other");
        group->titled = true;
    }
    g_string_append_printf(group->text, "name \"%s\"", type->name);
    if (group->bus) {
        g_string_append_printf(group->text, ", bus %s", group->bus->name);
    }
    if (type->desc) {
        g_string_append_printf(group->text, ", desc \"%s\"", type->desc);
    }
    g_string_append_c(group->text, '\n');
}

static void append_bus_group(const Type *bus, void *opaque)
{
    HelpGroup group = {opaque, bus, false};

    type_foreach(&device_type, append_device, &group);
}

char *device_help(void)
{
    GString *text = g_string_new(NULL);

    type_foreach(&bus_type, append_bus_group, text);
    append_bus_group(NULL, text);
    return g_string_free(text, FALSE);
}
