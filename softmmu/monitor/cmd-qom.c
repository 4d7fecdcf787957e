/* SPDX-License-Identifier: MIT */
/* Commands about objects: qom-list, qom-get, info qom-tree, info qtree, info fields. */
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"
#include "util/suggest.h"

#include <string.h>

/* -- Finding ----------------------------------------------------------------------------------- */

static Object *resolve(const char *path, Error **err)
{
    Object *obj = object_resolve(path);
    g_autofree char *shown = g_utf8_make_valid(path, -1);

    if (obj) {
        return obj;
    }
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    Object *at = object_root();
    for (char **name = names; path[0] == '/' && *name; name++) {
        Object *next = **name ? object_child(at, *name) : at;
        if (!next) {
            Suggest suggest;
            suggest_init(&suggest, *name);
            for (guint i = 0; i < at->children->len; i++) {
                suggest_offer(&suggest, ((Object *)at->children->pdata[i])->name);
            }
            error_set(err, "Device '%s' not found%s", shown, suggest_text(&suggest));
            return NULL;
        }
        at = next;
    }
    error_set(err, "Device '%s' not found", shown);
    return NULL;
}

/* -- qom-list ---------------------------------------------------------------------------------- */

static void list_field(const Field *field, void *address, void *opaque)
{
    monitor_printf(opaque, "%s (%s)\n", field_outside_name(field), field->type->name);
}

static bool run_qom_list(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (!values[0].present) {
        monitor_printf(monitor, "/\n");
        return true;
    }
    Object *obj = resolve(values[0].text, err);
    if (!obj) {
        return false;
    }
    monitor_printf(monitor, "type (string)\n");
    object_foreach_field(obj, list_field, monitor);
    for (guint i = 0; i < obj->children->len; i++) {
        Object *child = obj->children->pdata[i];
        monitor_printf(monitor, "%s (child<%s>)\n", child->name, child->type->name);
    }
    return true;
}

static const MonitorCommand qom_list_command = {
    .name = "qom-list",
    .help = "list the properties and children of the object at a path",
    .args = {{"path", MONITOR_ARG_WORD, .optional = true}},
    .run = run_qom_list,
};
MONITOR_COMMAND(qom_list_command);

/* -- qom-get: the value as JSON ---------------------------------------------------------------- */

typedef struct Lookup {
    const char *name;
    const Field *field;
    void *address;
    Suggest suggest;
} Lookup;

static void match_field(const Field *field, void *address, void *opaque)
{
    Lookup *lookup = opaque;

    if (field_is_named(field, lookup->name)) {
        lookup->field = field;
        lookup->address = address;
    }
    suggest_offer(&lookup->suggest, field_outside_name(field));
}

static void print_quoted(Monitor *monitor, const char *text)
{
    g_autoptr(GString) out = g_string_new("\"");

    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            g_string_append_printf(out, "\\%c", *text);
        } else if ((unsigned char)*text < 0x20) {
            g_string_append_printf(out, "\\u%04x", (unsigned)*text);
        } else {
            g_string_append_c(out, *text);
        }
    }
    monitor_printf(monitor, "%s\"\n", out->str);
}

static void print_json(Monitor *monitor, const Field *field, const void *address)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_number = strstr(field->type->name, "int") || g_str_equal(field->type->name, "size");

    field_print(field, address, text);
    if (g_str_equal(field->type->name, "bool") && field->count == 1) {
        monitor_printf(monitor, "%s\n", *(const bool *)address ? "true" : "false");
    } else if (is_number) {
        monitor_printf(monitor, "%s\n", text->str);
    } else {
        print_quoted(monitor, text->str);
    }
}

static bool run_qom_get(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Object *obj = resolve(values[0].text, err);
    Lookup lookup = {.name = values[1].text};

    if (!obj) {
        return false;
    }
    if (g_str_equal(lookup.name, "type")) {
        print_quoted(monitor, obj->type->name);
        return true;
    }
    suggest_init(&lookup.suggest, lookup.name);
    object_foreach_field(obj, match_field, &lookup);
    if (lookup.field) {
        print_json(monitor, lookup.field, lookup.address);
        return true;
    }
    Object *child = object_child(obj, lookup.name);
    if (child) {
        g_autofree char *path = object_path(child);
        print_quoted(monitor, path);
        return true;
    }
    g_autofree char *shown = g_utf8_make_valid(lookup.name, -1);
    return error_set(err, "Property '%s.%s' not found%s", obj->type->name, shown,
                     suggest_text(&lookup.suggest));
}

static const MonitorCommand qom_get_command = {
    .name = "qom-get",
    .help = "show the value of a property of the object at a path",
    .args = {{"path", MONITOR_ARG_WORD}, {"property", MONITOR_ARG_WORD}},
    .run = run_qom_get,
};
MONITOR_COMMAND(qom_get_command);

/* -- info qom-tree ----------------------------------------------------------------------------- */

static void print_tree(Monitor *monitor, const Object *obj, int indent)
{
    monitor_printf(monitor, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "",
                   obj->type->name);
    for (guint i = 0; i < obj->children->len; i++) {
        print_tree(monitor, obj->children->pdata[i], indent + 2);
    }
}

static bool run_info_qom_tree(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Object *obj = values[0].present ? resolve(values[0].text, err) : object_resolve("/machine");

    if (!obj) {
        return values[0].present ? false : error_set(err, "there is no machine");
    }
    print_tree(monitor, obj, 0);
    return true;
}

static const MonitorCommand info_qom_tree_command = {
    .name = "info qom-tree",
    .help = "show the objects below a path, or of the machine",
    .args = {{"path", MONITOR_ARG_WORD, .optional = true}},
    .run = run_info_qom_tree,
};
MONITOR_COMMAND(info_qom_tree_command);

/* -- info qtree: devices below the buses they are plugged into --------------------------------- */

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
        guint64 value = (guint64)g_ascii_strtoll(text->str, NULL, 10);
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

/* -- info fields ------------------------------------------------------------------------------- */

static const char *kind_name(FieldKind kind)
{
    static const char *const names[] = {"prop", "state", "link", "derived", "child"};

    return names[kind];
}

static void print_field_value(const Field *field, void *address, void *opaque)
{
    g_autoptr(GString) text = g_string_new(NULL);

    field_print(field, address, text);
    monitor_printf(opaque, "%-8s %-24s %-8s %s\n", kind_name(field->kind), field->name,
                   field->type->name, text->str);
}

static void print_field_row(const Field *field, void *opaque)
{
    g_autofree char *count = field->count > 1 ? g_strdup_printf("[%u]", field->count) : NULL;
    g_autofree char *type = g_strconcat(field->type->name, count ? count : "", NULL);

    monitor_printf(opaque, "%-8s %-24s %-12s %s\n", kind_name(field->kind), field->name, type,
                   field->desc ? field->desc : "");
}

static void offer_type(const Type *type, void *opaque)
{
    suggest_offer(opaque, type->name);
}

static bool run_info_fields(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *name = values[0].text;
    const Type *type = type_find(name);
    Suggest suggest;

    if (type) {
        type_foreach_field(type, print_field_row, monitor);
        return true;
    }
    Object *obj = object_resolve(name);
    if (obj) {
        object_foreach_field(obj, print_field_value, monitor);
        return true;
    }
    if (name[0] == '/') {
        return resolve(name, err) != NULL;
    }
    suggest_init(&suggest, name);
    type_foreach(&object_type, offer_type, &suggest);
    g_autofree char *shown = g_utf8_make_valid(name, -1);
    return error_set(err, "'%s' is neither a type nor a path%s", shown, suggest_text(&suggest));
}

static const MonitorCommand info_fields_command = {
    .name = "info fields",
    .help = "show the fields of a type, or of an object with their values",
    .args = {{"type-or-path", MONITOR_ARG_WORD}},
    .run = run_info_fields,
};
MONITOR_COMMAND(info_fields_command);
