/* SPDX-License-Identifier: MIT */
/* info qtree: devices below the buses they are plugged into. */
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"

#include <string.h>

/* Found by their field rows: this layer knows no device by its struct. */
typedef struct Qtree {
    Monitor *monitor;
    GPtrArray *devices, *buses; /* of Object *, in tree order */
} Qtree;

typedef struct LinkLookup {
    const char *name;
    Object *target;
} LinkLookup;

static void match_link(const Field *field, void *address, void *opaque)
{
    LinkLookup *lookup = opaque;

    if (g_str_equal(field->name, lookup->name) && field->size == sizeof(Object *)) {
        lookup->target = *(Object **)address;
    }
}

/* The "bus" of a device, the "owner" of a bus; NULL: none. */
static Object *linked(const Object *obj, const char *name)
{
    LinkLookup lookup = {.name = name};

    object_foreach_field(obj, match_link, &lookup);
    return lookup.target;
}

static bool is_of(const Object *obj, const char *type_name)
{
    for (const Type *type = obj->type; type; type = type->parent) {
        if (g_str_equal(type->name, type_name)) {
            return true;
        }
    }
    return false;
}

static void gather(Qtree *tree, Object *obj)
{
    if (is_of(obj, "device") || is_of(obj, "x86_64-cpu")) {
        g_ptr_array_add(tree->devices, obj);
    } else if (is_of(obj, "bus")) {
        g_ptr_array_add(tree->buses, obj);
    }
    for (guint i = 0; i < obj->children->len; i++) {
        gather(tree, obj->children->pdata[i]);
    }
}

typedef struct PropertyPrint {
    Monitor *monitor;
    int indent;
} PropertyPrint;

static void print_property(const Field *field, void *address, void *opaque)
{
    PropertyPrint *print = opaque;
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_text = g_str_equal(field->type->name, "str") ||
                   g_str_equal(field->type->name, "enum") || g_str_equal(field->type->name, "link");

    if (field->kind != FIELD_PROP || field->hidden || g_str_equal(field->name, "id")) {
        return;
    }
    field_print(field, address, text);
    if (g_str_equal(field->type->name, "bool")) {
        g_string_assign(text, *(bool *)address ? "true" : "false");
    }
    if (strstr(field->type->name, "int") && field->count == 1) {
        guint64 value = text->str[0] == '-' ? (guint64)g_ascii_strtoll(text->str, NULL, 10)
                                            : g_ascii_strtoull(text->str, NULL, 10);
        g_string_append_printf(text, " (0x%" G_GINT64_MODIFIER "x)", value);
    }
    monitor_printf(print->monitor, "%*s%s = %s%s%s\n", print->indent, "", field_outside_name(field),
                   is_text ? "\"" : "", text->str, is_text ? "\"" : "");
}

static void print_bus(Qtree *tree, Object *bus, int indent);

static void print_device(Qtree *tree, Object *device, int indent)
{
    PropertyPrint print = {tree->monitor, indent + 2};
    g_autofree char *id = object_get(device, "id", NULL);

    monitor_printf(tree->monitor, "%*sdev: %s, id \"%s\"\n", indent, "", device->type->name,
                   id ? id : "");
    object_foreach_field(device, print_property, &print);
    if (is_of(device, "pci-device")) {
        monitor_print_pci(tree->monitor, device, indent + 2);
    }
    for (guint i = 0; i < tree->buses->len; i++) {
        if (linked(tree->buses->pdata[i], "owner") == device) {
            print_bus(tree, tree->buses->pdata[i], indent + 2);
        }
    }
}

static void print_bus(Qtree *tree, Object *bus, int indent)
{
    monitor_printf(tree->monitor, "%*sbus: %s\n%*s  type %s\n", indent, "",
                   bus ? bus->name : "main-system-bus", indent, "",
                   bus ? bus->type->name : "System");
    for (guint i = 0; i < tree->devices->len; i++) {
        if (linked(tree->devices->pdata[i], "bus") == bus) {
            print_device(tree, tree->devices->pdata[i], indent + 2);
        }
    }
}

static bool run_info_qtree(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Qtree tree = {monitor, g_ptr_array_new(), g_ptr_array_new()};

    gather(&tree, object_root());
    print_bus(&tree, NULL, 0);
    for (guint i = 0; i < tree.buses->len; i++) {
        if (!linked(tree.buses->pdata[i], "owner")) {
            print_bus(&tree, tree.buses->pdata[i], 0);
        }
    }
    g_ptr_array_free(tree.devices, TRUE);
    g_ptr_array_free(tree.buses, TRUE);
    return true;
}

static const MonitorCommand info_qtree_command = {
    .name = "info qtree",
    .help = "show the devices below the buses they are plugged into",
    .run = run_info_qtree,
};
MONITOR_COMMAND(info_qtree_command);
