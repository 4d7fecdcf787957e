/* SPDX-License-Identifier: MIT */
/* Commands about objects: qom-list, qom-get, qom-set, info qom-tree, info fields. */
#include "softmmu/monitor/monitor-private.h"
#include "util/json.h"
#include "util/object.h"
#include "util/suggest.h"

#include <stdlib.h>
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
            error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found%s", shown,
                            suggest_text(&suggest));
            return NULL;
        }
        at = next;
    }
    error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", shown);
    return NULL;
}

/* -- qom-list ---------------------------------------------------------------------------------- */

static const JsonMember property_members[] = {
    {"name", &json_type_string}, {"type", &json_type_string}, {NULL}};
static const JsonType property_type = {.kind = JSON_KIND_OBJECT, .members = property_members};
static const JsonType properties_type = {.kind = JSON_KIND_ARRAY, .element = &property_type};

static void list_field(const Field *field, void *address, void *opaque)
{
    json_array_append_new(opaque, json_pack("{s:s, s:s}", "name", field_outside_name(field), "type",
                                            field->type->name));
}

static bool run_qom_list(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (!values[0].present) {
        monitor_printf(monitor, "/\n");
        return monitor->qmp ? error_set(err, "Parameter 'path' is missing") : true;
    }
    Object *obj = resolve(values[0].text, err);
    if (!obj) {
        return false;
    }
    json_t *list = json_array();
    json_array_append_new(list, json_pack("{s:s, s:s}", "name", "type", "type", "string"));
    object_foreach_field(obj, list_field, list);
    for (guint i = 0; i < obj->children->len; i++) {
        const Object *child = obj->children->pdata[i];
        g_autofree char *type = g_strdup_printf("child<%s>", child->type->name);

        json_array_append_new(list, json_pack("{s:s, s:s}", "name", child->name, "type", type));
    }
    monitor_return(monitor, list);
    return true;
}

static void print_properties(Monitor *monitor, const json_t *result)
{
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *entry = json_array_get(result, i);

        monitor_printf(monitor, "%s (%s)\n", json_string_value(json_object_get(entry, "name")),
                       json_string_value(json_object_get(entry, "type")));
    }
}

static const MonitorCommand qom_list_command = {
    .name = "qom-list",
    .qmp = "qom-list",
    .help = "list the properties and children of the object at a path",
    .args = {{"path", MONITOR_ARG_WORD, .optional = true, .complete = monitor_complete_path}},
    .returns = &properties_type,
    .run = run_qom_list,
    .print = print_properties,
};
MONITOR_COMMAND(qom_list_command);

/* -- qom-get ----------------------------------------------------------------------------------- */

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

/* "a,b" or "0,1". */
static json_t *list_json(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    json_t *list = json_array();
    uint64_t number;

    for (char **item = items; *item && **item; item++) {
        json_array_append_new(list, parse_u64(*item, &number, NULL) ? json_unsigned(number)
                                                                    : json_text(*item));
    }
    return list;
}

static json_t *field_json(const Field *field, const void *address)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool is_number = strstr(field->type->name, "int") || g_str_equal(field->type->name, "size");

    field_print(field, address, text);
    if (g_str_equal(field->type->name, "bool") && field->count == 1) {
        return json_boolean(*(const bool *)address);
    }
    if (field->type->is_list) {
        return list_json(text->str);
    }
    if (is_number && field->count == 1) {
        return text->str[0] == '-' ? json_integer(g_ascii_strtoll(text->str, NULL, 10))
                                   : json_unsigned(g_ascii_strtoull(text->str, NULL, 10));
    }
    return json_text(text->str);
}

static bool not_found(const Object *obj, Lookup *lookup, Error **err)
{
    g_autofree char *shown = g_utf8_make_valid(lookup->name, -1);

    return error_set(err, "Property '%s.%s' not found%s", obj->type->name, shown,
                     suggest_text(&lookup->suggest));
}

static bool run_qom_get(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Object *obj = resolve(values[0].text, err);
    Lookup lookup = {.name = values[1].text};

    if (!obj) {
        return false;
    }
    if (g_str_equal(lookup.name, "type")) {
        monitor_return(monitor, json_string(obj->type->name));
        return true;
    }
    suggest_init(&lookup.suggest, lookup.name);
    object_foreach_field(obj, match_field, &lookup);
    if (lookup.field) {
        monitor_return(monitor, field_json(lookup.field, lookup.address));
        return true;
    }
    Object *child = object_child(obj, lookup.name);
    if (child) {
        g_autofree char *path = object_path(child);
        monitor_return(monitor, json_text(path));
        return true;
    }
    return not_found(obj, &lookup, err);
}

static void print_value(Monitor *monitor, const json_t *result)
{
    char *text = json_dump(result, JSON_INDENT(4));

    monitor_printf(monitor, "%s\n", text);
    free(text);
}

static void offer_field(const Field *field, void *address, void *opaque)
{
    MonitorOffer *offer = opaque;

    monitor_offer(offer, field_outside_name(field));
}

/* Of the object at the path before it on the line. */
static void complete_property(const char *prefix, GPtrArray *words)
{
    const char *path = monitor_completed_argument(0);
    const Object *obj = path ? object_resolve(path) : NULL;
    MonitorOffer offer = {prefix, words};

    if (!obj) {
        return;
    }
    monitor_offer(&offer, "type");
    object_foreach_field(obj, offer_field, &offer);
}

static const MonitorCommand qom_get_command = {
    .name = "qom-get",
    .qmp = "qom-get",
    .help = "show the value of a property of the object at a path",
    .args = {{"path", MONITOR_ARG_WORD, .complete = monitor_complete_path},
             {"property", MONITOR_ARG_WORD, .complete = complete_property}},
    .returns = &json_type_any,
    .run = run_qom_get,
    .print = print_value,
};
MONITOR_COMMAND(qom_get_command);

/* -- qom-set ----------------------------------------------------------------------------------- */

/* `value` as text; `kind` says how it was written. */
static bool set_property(const char *path, const char *name, const char *value, KeyValKind kind,
                         Error **err)
{
    g_autoptr(KeyVal) kv = keyval_new();
    Object *obj = resolve(path, err);
    Lookup lookup = {.name = name};

    if (!obj) {
        return false;
    }
    suggest_init(&lookup.suggest, name);
    object_foreach_field(obj, match_field, &lookup);
    if (!lookup.field) {
        return not_found(obj, &lookup, err);
    }
    keyval_add(kv, name, value, kind);
    return object_set_all(obj, kv, NULL, err);
}

static bool set_json(const char *path, const char *name, const json_t *value, Error **err)
{
    g_autoptr(json_t) object = json_object();

    json_object_set(object, "value", (json_t *)value);
    g_autoptr(KeyVal) kv = json_to_keyval(object, err);
    if (!kv) {
        return false;
    }
    const KeyValPair *pair = kv->pairs->len == 1 ? kv->pairs->pdata[0] : NULL;
    if (!pair || strcmp(pair->key, "value") != 0) {
        return error_set(err, "a property has one value, not a list or an object");
    }
    return set_property(path, name, pair->value, pair->kind, err);
}

static bool run_qom_set_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (!values[0].present) {
        return set_property(values[1].text, values[2].text, values[3].text, KEYVAL_TEXT, err);
    }
    g_autofree char *wrapped = g_strdup_printf("[%s]", values[3].text);
    g_autoptr(json_t) list = json_parse(wrapped, strlen(wrapped), err);
    return list && set_json(values[1].text, values[2].text, json_array_get(list, 0), err);
}

static const MonitorCommand qom_set_line_command = {
    .name = "qom-set",
    .help = "set a property of the object at a path (-j: the value is JSON)",
    .args = {{"json", MONITOR_ARG_FLAG, .flag = 'j'},
             {"path", MONITOR_ARG_WORD, .complete = monitor_complete_path},
             {"property", MONITOR_ARG_WORD, .complete = complete_property},
             {"value", MONITOR_ARG_REST}},
    .run = run_qom_set_line,
};
MONITOR_COMMAND(qom_set_line_command);

static bool run_qom_set(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return set_json(values[0].text, values[1].text, values[2].json, err);
}

static const MonitorCommand qom_set_command = {
    .qmp = "qom-set",
    .help = "set a property of the object at a path",
    .args = {{"path", MONITOR_ARG_WORD},
             {"property", MONITOR_ARG_WORD},
             {"value", MONITOR_ARG_JSON, .type = &json_type_any}},
    .run = run_qom_set,
};
MONITOR_COMMAND(qom_set_command);

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
    .args = {{"path", MONITOR_ARG_WORD, .optional = true, .complete = monitor_complete_path}},
    .run = run_info_qom_tree,
};
MONITOR_COMMAND(info_qom_tree_command);

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
