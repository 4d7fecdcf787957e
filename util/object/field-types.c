/* SPDX-License-Identifier: MIT */
/* Field types: how one C type is parsed from an option, printed and cleared. */
#include "util/object/internal.h"

#include "util/keyval.h"
#include "util/suggest.h"

#include <errno.h>
#include <string.h>

/* -- Integers ---------------------------------------------------------------------------------- */

static bool out_of_range(const char *text, const Field *field, Error **err)
{
    return error_set(err, "value '%s' does not fit into %s", text, field->type->name);
}

static bool parse_unsigned(const Field *field, const char *text, uint64_t max, uint64_t *ret_value,
                           Error **err)
{
    uint64_t value;

    if (!parse_u64(text, &value, err)) {
        return false;
    }
    if (value > max) {
        return out_of_range(text, field, err);
    }
    *ret_value = value;
    return true;
}

static bool parse_signed(const Field *field, const char *text, int64_t min, int64_t max,
                         int64_t *ret_value, Error **err)
{
    bool negative = text[0] == '-';
    uint64_t value;

    if (!parse_u64(text + negative, &value, err)) {
        return false;
    }
    if (negative ? value > (uint64_t)max + 1 : value > (uint64_t)max) {
        return out_of_range(text, field, err);
    }
    *ret_value = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

#define DEFINE_UNSIGNED(suffix, type_name_text, c_type, c_max)                                     \
    static bool parse_##suffix##_field(const Field *field, void *address, const char *text,        \
                                       Error **err)                                                \
    {                                                                                              \
        uint64_t value = 0;                                                                        \
                                                                                                   \
        if (!parse_unsigned(field, text, c_max, &value, err)) {                                    \
            return false;                                                                          \
        }                                                                                          \
        *(c_type *)address = (c_type)value;                                                        \
        return true;                                                                               \
    }                                                                                              \
    static void print_##suffix##_field(const Field *field, const void *address, GString *out)      \
    {                                                                                              \
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, (guint64) * (const c_type *)address);    \
    }                                                                                              \
    const FieldType field_type_##suffix = {                                                        \
        .name = type_name_text,                                                                    \
        .size = sizeof(c_type),                                                                    \
        .parse = parse_##suffix##_field,                                                           \
        .print = print_##suffix##_field,                                                           \
    }

#define DEFINE_SIGNED(suffix, type_name_text, c_type, c_min, c_max)                                \
    static bool parse_##suffix##_field(const Field *field, void *address, const char *text,        \
                                       Error **err)                                                \
    {                                                                                              \
        int64_t value = 0;                                                                         \
                                                                                                   \
        if (!parse_signed(field, text, c_min, c_max, &value, err)) {                               \
            return false;                                                                          \
        }                                                                                          \
        *(c_type *)address = (c_type)value;                                                        \
        return true;                                                                               \
    }                                                                                              \
    static void print_##suffix##_field(const Field *field, const void *address, GString *out)      \
    {                                                                                              \
        g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64) * (const c_type *)address);      \
    }                                                                                              \
    const FieldType field_type_##suffix = {                                                        \
        .name = type_name_text,                                                                    \
        .size = sizeof(c_type),                                                                    \
        .parse = parse_##suffix##_field,                                                           \
        .print = print_##suffix##_field,                                                           \
    }

DEFINE_UNSIGNED(u8, "uint8", uint8_t, UINT8_MAX);
DEFINE_UNSIGNED(u16, "uint16", uint16_t, UINT16_MAX);
DEFINE_UNSIGNED(u32, "uint32", uint32_t, UINT32_MAX);
DEFINE_UNSIGNED(u64, "uint64", uint64_t, UINT64_MAX);
DEFINE_SIGNED(i8, "int8", int8_t, INT8_MIN, INT8_MAX);
DEFINE_SIGNED(i16, "int16", int16_t, INT16_MIN, INT16_MAX);
DEFINE_SIGNED(i32, "int32", int32_t, INT32_MIN, INT32_MAX);
DEFINE_SIGNED(i64, "int64", int64_t, INT64_MIN, INT64_MAX);

/* -- Bool, size, string ------------------------------------------------------------------------ */

static bool parse_bool_field(const Field *field, void *address, const char *text, Error **err)
{
    return parse_bool(text, address, err);
}

static void print_bool(const Field *field, const void *address, GString *out)
{
    g_string_append(out, *(const bool *)address ? "on" : "off");
}

const FieldType field_type_bool = {
    .name = "bool", .size = sizeof(bool), .parse = parse_bool_field, .print = print_bool};

static bool parse_size_field(const Field *field, void *address, const char *text, Error **err)
{
    return parse_size(text, 1, address, err);
}

const FieldType field_type_size = {
    .name = "size", .size = sizeof(uint64_t), .parse = parse_size_field, .print = print_u64_field};

static void clear_string(const Field *field, void *address)
{
    g_clear_pointer((char **)address, g_free);
}

static bool parse_string(const Field *field, void *address, const char *text, Error **err)
{
    clear_string(field, address);
    *(char **)address = g_strdup(text);
    return true;
}

static void print_string(const Field *field, const void *address, GString *out)
{
    const char *text = *(char *const *)address;

    g_string_append(out, text ? text : "");
}

const FieldType field_type_string = {.name = "str",
                                     .size = sizeof(char *),
                                     .parse = parse_string,
                                     .print = print_string,
                                     .clear = clear_string};

/* -- Enum -------------------------------------------------------------------------------------- */

static bool parse_enum(const Field *field, void *address, const char *text, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, text);
    for (int i = 0; field->choices && field->choices[i]; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            *(int *)address = i;
            return true;
        }
        suggest_offer(&suggest, field->choices[i]);
    }
    g_autofree char *names = g_strjoinv(", ", (char **)field->choices);
    return error_set(err, "value '%s' is not one of %s%s", text, names, suggest_text(&suggest));
}

static void print_enum(const Field *field, const void *address, GString *out)
{
    int value = *(const int *)address;

    for (int i = 0; field->choices && field->choices[i]; i++) {
        if (i == value) {
            g_string_append(out, field->choices[i]);
            return;
        }
    }
    g_string_append_printf(out, "%d", value);
}

const FieldType field_type_enum = {
    .name = "enum", .size = sizeof(int), .parse = parse_enum, .print = print_enum};

/* -- Link -------------------------------------------------------------------------------------- */

static const char *id_container_of(const Type *type)
{
    for (; type; type = type->parent) {
        if (type->id_container) {
            return type->id_container;
        }
    }
    return NULL;
}

static bool link_not_found(const Field *field, const char *container, const char *text, Error **err)
{
    const char *what = field->link_type ? field->link_type->name : "object";
    Object *home = container ? object_resolve(container) : NULL;
    Suggest suggest;

    suggest_init(&suggest, text);
    for (guint i = 0; home && home->children && i < home->children->len; i++) {
        suggest_offer(&suggest, ((Object *)home->children->pdata[i])->name);
    }
    return error_set(err, "there is no %s '%s'%s", what, text, suggest_text(&suggest));
}

static bool parse_link(const Field *field, void *address, const char *text, Error **err)
{
    const char *container = field->link_type ? id_container_of(field->link_type) : NULL;
    Object *home = container && text[0] != '/' ? object_resolve(container) : NULL;
    Object *target = home ? object_child(home, text) : NULL;

    if (!target) {
        target = object_resolve(text);
    }
    if (!target) {
        return link_not_found(field, container, text, err);
    }
    if (field->link_type && !object_is_a(target, field->link_type)) {
        return error_set(err, "'%s' is of type %s, not %s", text, target->type->name,
                         field->link_type->name);
    }
    *(Object **)address = target;
    return true;
}

/* As a user would write it: by the id, where that is enough. */
static void print_link(const Field *field, const void *address, GString *out)
{
    Object *target = *(Object *const *)address;
    const char *container = field->link_type ? id_container_of(field->link_type) : NULL;

    if (target && container && target->parent && target->parent == object_resolve(container)) {
        g_string_append(out, target->name);
    } else if (target) {
        g_autofree char *path = object_path(target);
        g_string_append(out, path);
    }
}

const FieldType field_type_link = {
    .name = "link", .size = sizeof(Object *), .parse = parse_link, .print = print_link};

/* -- Timer, struct, opaque: a user cannot write them ------------------------------------------- */

static void print_timer(const Field *field, const void *address, GString *out)
{
    const Timer *timer = address;

    if (!timer->loop || !timer_pending(timer)) {
        g_string_append(out, "off");
    } else {
        g_string_append_printf(out, "%" G_GINT64_FORMAT " ns", (gint64)timer->deadline_ns);
    }
}

const FieldType field_type_timer = {.name = "timer", .size = sizeof(Timer), .print = print_timer};

static void print_struct(const Field *field, const void *address, GString *out)
{
    g_string_append_c(out, '{');
    for (const Field *row = field->fields; row && row->name; row++) {
        g_string_append_printf(out, "%s%s=", row == field->fields ? "" : " ", row->name);
        field_print(row, (const char *)address + row->offset, out);
    }
    g_string_append_c(out, '}');
}

const FieldType field_type_struct = {.name = "struct", .print = print_struct};

const FieldType field_type_opaque = {.name = "opaque"};
