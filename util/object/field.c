/* SPDX-License-Identifier: MIT */
/* Field rows: what is done with a struct by walking its rows:
 * reset, defaults, printing, clearing. */
#include "util/object/internal.h"

#include <string.h>

const char *field_outside_name(const Field *field)
{
    if (field->prop_name) {
        return field->prop_name;
    }
    if (field->kind != FIELD_PROP || !strchr(field->name, '_')) {
        return field->name;
    }
    g_autofree char *dashed = g_strdelimit(g_strdup(field->name), "_", '-');
    return g_intern_string(dashed);
}

static char fold_dash(char c)
{
    return c == '_' ? '-' : c;
}

bool field_is_named(const Field *field, const char *name)
{
    const char *own = field->prop_name ? field->prop_name : field->name;

    while (*own && fold_dash(*own) == fold_dash(*name)) {
        own++;
        name++;
    }
    return *own == *name;
}

static uint32_t element_size(const Field *field)
{
    return field->size / (field->count ? field->count : 1);
}

static void store_integer(void *address, uint32_t size, int64_t value)
{
    switch (size) {
    case 1:
        *(int8_t *)address = (int8_t)value;
        break;
    case 2:
        *(int16_t *)address = (int16_t)value;
        break;
    case 4:
        *(int32_t *)address = (int32_t)value;
        break;
    case 8:
        *(int64_t *)address = value;
        break;
    default:
        memset(address, 0, size);
    }
}

static void reset_element(const Field *field, void *address)
{
    if (field->type == &field_type_struct) {
        fields_reset(field->fields, address);
    } else if (field->type == &field_type_timer) {
        Timer *timer = address;

        if (timer->loop) {
            timer_del(timer);
        }
    } else if (field->type->clear) {
        field->type->clear(field, address);
    } else {
        store_integer(address, element_size(field), field->init);
    }
}

void fields_reset(const Field *rows, void *base)
{
    for (const Field *field = rows; field && field->name; field++) {
        if (field->kind != FIELD_STATE || field->keep) {
            continue;
        }
        for (uint32_t i = 0; i < field->count; i++) {
            reset_element(field, (char *)FIELD_AT(base, field) + i * element_size(field));
        }
    }
}

static void set_default(const Field *field, void *address)
{
    if (field->type == &field_type_link) {
        return; /* what it names may not exist yet: looked up when the object is realized */
    }
    if (field->init_text) {
        bool fine = field->type->parse(field, address, field->init_text, NULL);

        g_assert(fine);
    } else if (field->type != &field_type_string) {
        store_integer(address, element_size(field), field->init);
    }
}

void fields_set_defaults(const Field *rows, void *base)
{
    for (const Field *field = rows; field && field->name; field++) {
        if (field->kind != FIELD_PROP) {
            continue;
        }
        for (uint32_t i = 0; i < field->count; i++) {
            set_default(field, (char *)FIELD_AT(base, field) + i * element_size(field));
        }
    }
}

void fields_clear(const Field *rows, void *base)
{
    for (const Field *field = rows; field && field->name; field++) {
        for (uint32_t i = 0; i < field->count && field->type->clear; i++) {
            field->type->clear(field, (char *)FIELD_AT(base, field) + i * element_size(field));
        }
    }
}

void field_print(const Field *field, const void *address, GString *out)
{
    const char *element = address;

    if (!field->type->print) {
        g_string_append_printf(out, "(%u bytes)", field->size);
        return;
    }
    if (field->count == 1) {
        field->type->print(field, address, out);
        return;
    }
    g_string_append_c(out, '[');
    for (uint32_t i = 0; i < field->count; i++) {
        g_string_append(out, i ? ", " : "");
        field->type->print(field, element + i * element_size(field), out);
    }
    g_string_append_c(out, ']');
}
