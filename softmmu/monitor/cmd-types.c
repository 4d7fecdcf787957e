/* SPDX-License-Identifier: MIT */
/*
 * QMP commands about types: which there are and what properties they have. Accelerators and CPU
 * models are no object types here, but clients look for them among those: "tcg-accel",
 * "max-x86_64-cpu".
 */
#include "accel/accel.h"
#include "hw/device.h"
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu-query.h"
#include "util/suggest.h"

#include <string.h>

#define ACCEL_SUFFIX "-accel"

typedef void TypeFn(const char *name, const char *const *ancestors, bool is_abstract, void *opaque);

/* -- All types by name ------------------------------------------------------------------------- */

#define MAX_DEPTH 16

typedef struct Walk {
    TypeFn *fn;
    void *opaque;
} Walk;

static void walk_type(const Type *type, void *opaque)
{
    const char *ancestors[MAX_DEPTH] = {NULL};
    const Walk *walk = opaque;
    unsigned depth = 0;

    for (const Type *t = type->parent; t && depth < MAX_DEPTH - 1; t = t->parent) {
        ancestors[depth++] = t->name;
    }
    walk->fn(type->name, ancestors, type->abstract, walk->opaque);
}

static void walk_accel(const Accel *accel, void *opaque)
{
    static const char *const ancestors[] = {"accel", "object", NULL};
    g_autofree char *name = g_strconcat(accel->name, ACCEL_SUFFIX, NULL);
    const Walk *walk = opaque;

    walk->fn(name, ancestors, false, walk->opaque);
}

static void foreach_type(TypeFn *fn, void *opaque)
{
    static const char *const ancestors[] = {"x86_64-cpu", "cpu", "device", "object", NULL};
    const json_t *definitions = cpu_definitions_json();
    Walk walk = {fn, opaque};

    type_foreach_all(walk_type, &walk);
    accel_foreach(walk_accel, &walk);
    for (size_t i = 0; i < json_array_size(definitions); i++) {
        const json_t *definition = json_array_get(definitions, i);
        fn(json_string_value(json_object_get(definition, "typename")), ancestors, false, opaque);
    }
}

/* -- qom-list-types ---------------------------------------------------------------------------- */

static const JsonMember type_members[] = {{"name", &json_type_string},
                                          {"abstract", &json_type_bool, true},
                                          {"parent", &json_type_string, true},
                                          {NULL}};
static const JsonType type_info_type = {.kind = JSON_KIND_OBJECT, .members = type_members};
static const JsonType types_type = {.kind = JSON_KIND_ARRAY, .element = &type_info_type};

typedef struct TypeList {
    const char *implements; /* NULL: all */
    bool with_abstract;
    json_t *list;
} TypeList;

static void list_type(const char *name, const char *const *ancestors, bool is_abstract,
                      void *opaque)
{
    const TypeList *list = opaque;
    bool fits = !list->implements || strcmp(name, list->implements) == 0 ||
                g_strv_contains(ancestors, list->implements);

    if (!fits || (is_abstract && !list->with_abstract)) {
        return;
    }
    json_t *info = json_pack("{s:s}", "name", name);
    if (is_abstract) {
        json_object_set_new(info, "abstract", json_true());
    }
    if (ancestors[0]) {
        json_object_set_new(info, "parent", json_string(ancestors[0]));
    }
    json_array_append_new(list->list, info);
}

static bool run_list_types(Monitor *monitor, const MonitorValue *values, Error **err)
{
    TypeList list = {.implements = values[0].present ? values[0].text : NULL,
                     .with_abstract = values[1].number,
                     .list = json_array()};

    foreach_type(list_type, &list);
    monitor_return(monitor, list.list);
    return true;
}

static const MonitorCommand list_types_command = {
    .qmp = "qom-list-types",
    .help = "list the types of objects",
    .args = {{"implements", MONITOR_ARG_WORD, .optional = true},
             {"abstract", MONITOR_ARG_BOOL, .optional = true}},
    .returns = &types_type,
    .run = run_list_types,
};
MONITOR_COMMAND(list_types_command);

/* -- Properties -------------------------------------------------------------------------------- */

static const JsonMember property_members[] = {{"name", &json_type_string},
                                              {"type", &json_type_string},
                                              {"description", &json_type_string, true},
                                              {"default-value", &json_type_any, true},
                                              {NULL}};
static const JsonType property_type = {.kind = JSON_KIND_OBJECT, .members = property_members};
static const JsonType properties_type = {.kind = JSON_KIND_ARRAY, .element = &property_type};

static void add_property(json_t *list, const char *name, const char *type, const char *desc)
{
    json_t *info = json_pack("{s:s, s:s}", "name", name, "type", type);

    if (desc) {
        json_object_set_new(info, "description", json_string(desc));
    }
    json_array_append_new(list, info);
}

/* NULL: has none, or one that is told by text. */
static json_t *default_json(const Field *field)
{
    bool is_number = strstr(field->type->name, "int") || field->type == &field_type_size;

    if (field->count != 1 || field->init_text) {
        return field->init_text ? json_text(field->init_text) : NULL;
    }
    if (field->type == &field_type_enum && field->choices) {
        return json_text(field->choices[field->init]);
    }
    if (field->type == &field_type_bool) {
        return json_boolean(field->init);
    }
    if (is_number && (field->type == &field_type_u64 || field->type == &field_type_size)) {
        return json_unsigned((uint64_t)field->init);
    }
    return is_number ? json_integer(field->init) : NULL;
}

static void add_field(const Field *field, void *opaque)
{
    if (field->kind != FIELD_PROP || field->hidden) {
        return;
    }
    g_autofree char *link =
        field->link_type ? g_strdup_printf("link<%s>", field->link_type->name) : NULL;
    json_t *value = default_json(field);

    add_property(opaque, field_outside_name(field), link ? link : field->type->name, field->desc);
    if (value) {
        json_object_set_new(json_array_get(opaque, json_array_size(opaque) - 1), "default-value",
                            value);
    }
}

static void add_cpu_property(const char *name, const char *type, void *opaque)
{
    add_property(opaque, name, type, NULL);
}

static void add_accel_options(json_t *list, const Accel *accel)
{
    static const char *const kinds[] = {[ACCEL_OPTION_BOOL] = "bool",
                                        [ACCEL_OPTION_NUMBER] = "uint64",
                                        [ACCEL_OPTION_CHOICE] = "enum",
                                        [ACCEL_OPTION_TEXT] = "str"};

    for (const AccelOption *option = accel->options; option && option->name; option++) {
        add_property(list, option->name, kinds[option->kind], option->help);
    }
}

/* The accelerator of a type name "tcg-accel", or NULL. */
static const Accel *accel_of_type(const char *name)
{
    if (!g_str_has_suffix(name, ACCEL_SUFFIX)) {
        return NULL;
    }
    g_autofree char *own = g_strndup(name, strlen(name) - strlen(ACCEL_SUFFIX));
    return accel_find(own);
}

static bool is_cpu_type(const char *name)
{
    const json_t *definitions = cpu_definitions_json();

    for (size_t i = 0; i < json_array_size(definitions); i++) {
        const json_t *own = json_object_get(json_array_get(definitions, i), "typename");

        if (strcmp(json_string_value(own), name) == 0) {
            return true;
        }
    }
    return false;
}

static void offer_type(const char *name, const char *const *ancestors, bool is_abstract,
                       void *opaque)
{
    suggest_offer(opaque, g_intern_string(name));
}

static bool unknown_type(const char *kind, const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    foreach_type(offer_type, &suggest);
    return error_set_class(err, ERROR_DEVICE_NOT_FOUND, "%s '%s' not found%s", kind, name,
                           suggest_text(&suggest));
}

static bool run_device_properties(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *name = values[0].text;
    const Type *type = type_find(name);
    bool is_cpu = is_cpu_type(name);

    if (!type && !is_cpu && !accel_of_type(name)) {
        return unknown_type("Device", name, err);
    }
    if (!is_cpu && (!type || type->abstract || !type_is_a(type, &device_type))) {
        return error_set(err, "Parameter 'typename' expects a device type that is not abstract");
    }
    json_t *list = json_array();
    if (is_cpu) {
        cpu_properties_foreach(add_cpu_property, list);
    } else {
        type_foreach_field(type, add_field, list);
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand device_properties_command = {
    .qmp = "device-list-properties",
    .help = "list the properties that a device type takes",
    .args = {{"typename", MONITOR_ARG_WORD}},
    .returns = &properties_type,
    .run = run_device_properties,
};
MONITOR_COMMAND(device_properties_command);

static bool run_type_properties(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *name = values[0].text;
    const Type *type = type_find(name);
    const Accel *accel = accel_of_type(name);
    bool is_cpu = is_cpu_type(name);

    if (!type && !accel && !is_cpu) {
        return unknown_type("Class", name, err);
    }
    json_t *list = json_array();
    add_property(list, "type", "string", NULL);
    if (type) {
        type_foreach_field(type, add_field, list);
    } else if (accel) {
        add_accel_options(list, accel);
    } else {
        cpu_properties_foreach(add_cpu_property, list);
        add_property(list, "unavailable-features", "strList",
                     "what it has and is not offered here");
    }
    monitor_return(monitor, list);
    return true;
}

static const MonitorCommand type_properties_command = {
    .qmp = "qom-list-properties",
    .help = "list the properties of a type",
    .args = {{"typename", MONITOR_ARG_WORD}},
    .returns = &properties_type,
    .run = run_type_properties,
};
MONITOR_COMMAND(type_properties_command);
