/* SPDX-License-Identifier: MIT */
/* Buses: lists of the devices plugged into them. */
#include "hw/device.h"

#include <string.h>

static void bus_type_init(Object *obj)
{
    ((Bus *)obj)->devices = g_ptr_array_new();
}

static void bus_finalize(Object *obj)
{
    Bus *bus = (Bus *)obj;

    for (guint i = 0; i < bus->devices->len; i++) {
        ((Device *)bus->devices->pdata[i])->bus = NULL;
    }
    g_ptr_array_free(bus->devices, TRUE);
}

static const Field bus_fields[] = {
    LINK(Bus, owner),
    DERIVED(Bus, devices),
    FIELDS_END,
};

const Type bus_type = {
    .name = "bus",
    .parent = &object_type,
    .size = sizeof(Bus),
    .fields = bus_fields,
    .init = bus_type_init,
    .finalize = bus_finalize,
    .abstract = true,
};
OBJECT_TYPE(bus_type);

void bus_init(Bus *bus, const Type *type, Device *owner, const char *name)
{
    Object *parent = owner ? &owner->obj : object_container("/machine/unattached");

    object_init(bus, type, parent, name);
    bus->owner = owner;
}

void bus_plug(Bus *bus, Device *dev)
{
    g_assert(!dev->bus);
    dev->bus = bus;
    g_ptr_array_add(bus->devices, dev);
}

void bus_unplug(Device *dev)
{
    g_ptr_array_remove(dev->bus->devices, dev);
    dev->bus = NULL;
}

static Bus *find_below(Object *obj, const Type *type, const char *name)
{
    if (object_is_a(obj, type) && (!name || strcmp(obj->name, name) == 0)) {
        return (Bus *)obj;
    }
    for (guint i = 0; i < obj->children->len; i++) {
        Bus *bus = find_below(obj->children->pdata[i], type, name);

        if (bus) {
            return bus;
        }
    }
    return NULL;
}

Bus *bus_find(const Type *type, const char *name)
{
    return find_below(object_root(), type, name);
}
