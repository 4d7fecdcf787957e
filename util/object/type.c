/* SPDX-License-Identifier: MIT */
/* Types: the registry built from the linker set, inheritance,
 * and the help text made of field rows. */
#include "util/object/internal.h"

LINKER_SET_DECLARE(const Type, object_types);

const Type object_type = {
    .name = "object",
    .size = sizeof(Object),
    .abstract = true,
};

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const Type *const *)a)->name, (*(const Type *const *)b)->name);
}

static void check_type(const Type *type)
{
    g_assert(type->name && type->size >= sizeof(Object));
    for (const Type *t = type; t->parent; t = t->parent) {
        g_assert(t->size >= t->parent->size);
    }
}

GPtrArray *type_registry(void)
{
    static GPtrArray *registry;

    if (registry) {
        return registry;
    }
    registry = g_ptr_array_new();
    g_ptr_array_add(registry, (void *)&object_type);
    LINKER_SET_FOREACH(const Type, entry, object_types)
    {
        check_type(*entry);
        g_ptr_array_add(registry, (void *)*entry);
    }
    g_ptr_array_sort(registry, compare_names);
    for (guint i = 1; i < registry->len; i++) {
        g_assert(compare_names(&registry->pdata[i - 1], &registry->pdata[i]) != 0);
    }
    return registry;
}

const Type *type_find(const char *name)
{
    GPtrArray *registry = type_registry();
    guint low = 0, high = registry->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const Type *type = registry->pdata[middle];
        int order = strcmp(name, type->name);

        if (order == 0) {
            return type;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

bool type_is_a(const Type *type, const Type *ancestor)
{
    for (const Type *t = type; t; t = t->parent) {
        if (t == ancestor) {
            return true;
        }
    }
    return false;
}

void type_foreach(const Type *ancestor, void (*fn)(const Type *type, void *opaque), void *opaque)
{
    GPtrArray *registry = type_registry();

    for (guint i = 0; i < registry->len; i++) {
        const Type *type = registry->pdata[i];

        if (!type->abstract && type_is_a(type, ancestor)) {
            fn(type, opaque);
        }
    }
}

void type_foreach_all(void (*fn)(const Type *type, void *opaque), void *opaque)
{
    GPtrArray *registry = type_registry();

    for (guint i = 0; i < registry->len; i++) {
        fn(registry->pdata[i], opaque);
    }
}

void type_foreach_ancestor(const Type *type, void (*fn)(const Type *type, void *opaque),
                           void *opaque)
{
    if (type->parent) {
        type_foreach_ancestor(type->parent, fn, opaque);
    }
    fn(type, opaque);
}

void type_foreach_field(const Type *type, void (*fn)(const Field *field, void *opaque),
                        void *opaque)
{
    if (type->parent) {
        type_foreach_field(type->parent, fn, opaque);
    }
    for (const Field *field = type->fields; field && field->name; field++) {
        fn(field, opaque);
    }
}

const Field *type_find_property(const Type *type, const char *name)
{
    for (const Type *t = type; t; t = t->parent) {
        for (const Field *field = t->fields; field && field->name; field++) {
            if (field->kind == FIELD_PROP && field_is_named(field, name)) {
                return field;
            }
        }
    }
    return NULL;
}

/* What a user writes for the value: "<bool>", "<one|two>", "<chardev>". */
static void append_value_kind(const Field *field, GString *text)
{
    if (field->type == &field_type_enum && field->choices) {
        g_autofree char *names = g_strjoinv("|", (char **)field->choices);

        g_string_append_printf(text, "<%s>", names);
    } else if (field->type == &field_type_link && field->link_type) {
        g_string_append_printf(text, "<%s>", field->link_type->name);
    } else {
        g_string_append_printf(text, "<%s>", field->type->name);
    }
}

static void append_default(const Field *field, GString *text)
{
    if (field->init_text) {
        g_string_append_printf(text, " (default: %s)", field->init_text);
        return;
    }
    if (field->type == &field_type_string || field->type == &field_type_link ||
        !field->type->print || field->size > sizeof(field->init)) {
        return;
    }
    g_string_append(text, " (default: ");
    field->type->print(field, &field->init, text);
    g_string_append_c(text, ')');
}

static void append_property_help(const Field *field, void *opaque)
{
    GString *text = opaque;
    gsize start = text->len;

    if (field->kind != FIELD_PROP || field->hidden || field->read_only) {
        return;
    }
    g_string_append_printf(text, "  %s=", field_outside_name(field));
    append_value_kind(field, text);
    do {
        g_string_append_c(text, ' ');
    } while (text->len - start < 25);
    g_string_append_printf(text, "- %s", field->desc ? field->desc : "");
    append_default(field, text);
    g_string_append_c(text, '\n');
}

char *type_help(const Type *type)
{
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s options:\n", type->name);
    gsize head = text->len;
    type_foreach_field(type, append_property_help, text);
    if (text->len == head) {
        g_string_printf(text, "There are no options for %s.\n", type->name);
    }
    return g_string_free(text, FALSE);
}
