/* SPDX-License-Identifier: MIT */
/* What object-add takes besides qom-type and id, by type: the properties that types have. Made for
 * the schema; the values are checked where they are set. */
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"

#include <string.h>

static const JsonType *property_type(const Field *field)
{
    static const JsonType numbers = {.kind = JSON_KIND_ARRAY, .element = &json_type_int};

    if (field->type->is_list) {
        return &numbers;
    }
    if (field->type == &field_type_bool) {
        return &json_type_bool;
    }
    if (field->type == &field_type_enum) {
        JsonType *type = g_new0(JsonType, 1);
        *type = (JsonType){.kind = JSON_KIND_ENUM, .values = field->choices};
        return type;
    }
    bool is_number = strstr(field->type->name, "int") || field->type == &field_type_size;
    return is_number ? &json_type_int : &json_type_string;
}

static void add_property(const Field *field, void *opaque)
{
    JsonMember member = {field_outside_name(field), NULL, .optional = true};

    if (field->kind == FIELD_PROP && !field->read_only && !field->hidden) {
        member.type = property_type(field);
        g_array_append_val((GArray *)opaque, member);
    }
}

typedef struct Kinds {
    GPtrArray *names;
    GArray *variants;
} Kinds;

static void add_kind(const Type *object, void *opaque)
{
    const Kinds *kinds = opaque;
    GArray *members = g_array_new(TRUE, TRUE, sizeof(JsonMember));
    JsonType *type = g_new0(JsonType, 1);

    type_foreach_field(object, add_property, members);
    *type = (JsonType){.kind = JSON_KIND_OBJECT,
                       .members = (const JsonMember *)(void *)g_array_free(members, FALSE)};
    JsonVariant variant = {object->name, type};
    g_array_append_val(kinds->variants, variant);
    g_ptr_array_add(kinds->names, (char *)object->name);
}

const JsonType *monitor_object_add_type(void)
{
    static JsonType kind_type = {.kind = JSON_KIND_ENUM};
    static const JsonMember members[] = {
        {"qom-type", &kind_type}, {"id", &json_type_string}, {NULL}};
    static JsonType whole = {.kind = JSON_KIND_OBJECT, .members = members, .tag = "qom-type"};

    if (!whole.variants) {
        Kinds kinds = {g_ptr_array_new(), g_array_new(TRUE, TRUE, sizeof(JsonVariant))};

        user_object_foreach_type(add_kind, &kinds);
        g_ptr_array_add(kinds.names, NULL);
        kind_type.values = (const char *const *)g_ptr_array_free(kinds.names, FALSE);
        whole.variants = (const JsonVariant *)(void *)g_array_free(kinds.variants, FALSE);
    }
    return &whole;
}
