/* SPDX-License-Identifier: MIT */
/* Properties: setting and reading members by their outside names, and -global. */
#include "util/object/internal.h"

#include "util/keyval.h"
#include "util/suggest.h"

#include <string.h>

/* -- Setting ----------------------------------------------------------------------------------- */

static void offer_property(const Field *field, void *opaque)
{
    if (field->kind == FIELD_PROP && !field->read_only && !field->hidden) {
        suggest_offer(opaque, field_outside_name(field));
    }
}

/* `others`: further names that are known where the property stands, NULL-terminated, or NULL. */
static bool unknown_property(const Type *type, const char *property, const char *const *others,
                             Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, property);
    type_foreach_field(type, offer_property, &suggest);
    for (; others && *others; others++) {
        suggest_offer(&suggest, *others);
    }
    return error_set(err, "%s has no property '%s'%s", type->name, property,
                     suggest_text(&suggest));
}

/* The row, if a user may write it. */
static const Field *find_writable(const Type *type, const char *property, Error **err)
{
    const Field *field = type_find_property(type, property);

    if (!field) {
        unknown_property(type, property, NULL, err);
        return NULL;
    }
    if (field->read_only || !field->type->parse) {
        error_set(err, "property '%s' of %s is read-only", property, type->name);
        return NULL;
    }
    return field;
}

static bool parse_value(const Type *type, const Field *field, void *address, const char *value,
                        Error **err)
{
    if (field->type->parse(field, address, value, err)) {
        return true;
    }
    error_prefix(err, "property '%s' of %s: ", field_outside_name(field), type->name);
    return false;
}

/* The row, if it may be written now. */
static const Field *find_settable(const Object *obj, const char *property, Error **err)
{
    const Field *field = find_writable(obj->type, property, err);

    if (field && obj->realized) {
        error_set(err, "property '%s' of %s cannot change after the object is realized", property,
                  obj->type->name);
        return NULL;
    }
    return field;
}

bool object_set(Object *obj, const char *property, const char *value, Error **err)
{
    const Field *field = find_settable(obj, property, err);

    return field && parse_value(obj->type, field, FIELD_AT(obj, field), value, err);
}

/* How JSON writes a value of that type. */
static KeyValKind kind_of(const FieldType *type)
{
    static const FieldType *const integers[] = {&field_type_u8,  &field_type_u16, &field_type_u32,
                                                &field_type_u64, &field_type_i8,  &field_type_i16,
                                                &field_type_i32, &field_type_i64, &field_type_size};

    for (size_t i = 0; i < G_N_ELEMENTS(integers); i++) {
        if (type == integers[i]) {
            return KEYVAL_INTEGER;
        }
    }
    return type == &field_type_bool ? KEYVAL_BOOL : KEYVAL_STRING;
}

static bool set_pair(Object *obj, const KeyValPair *pair, Error **err)
{
    const Field *field = find_settable(obj, pair->key, err);
    bool fine;

    if (!field) {
        return false;
    }
    KeyValKind wanted = kind_of(field->type);
    if (pair->kind == KEYVAL_INTEGER && field->type->parse_integer) {
        fine = field->type->parse_integer(field, FIELD_AT(obj, field),
                                          g_ascii_strtoll(pair->value, NULL, 10), err);
    } else if (pair->kind == KEYVAL_TEXT || pair->kind == wanted) {
        return parse_value(obj->type, field, FIELD_AT(obj, field), pair->value, err);
    } else {
        fine = error_set(err, "%s is expected, not %s", keyval_kind_name(wanted),
                         keyval_kind_name(pair->kind));
    }
    if (!fine) {
        error_prefix(err, "property '%s' of %s: ", field_outside_name(field), obj->type->name);
    }
    return fine;
}

/* "nodes.1", an element of a list of JSON, becomes "nodes". */
static void drop_index(const Type *type, KeyValPair *pair)
{
    const char *dot = strrchr(pair->key, '.');
    uint64_t index;

    if (!dot || !parse_u64(dot + 1, &index, NULL)) {
        return;
    }
    g_autofree char *name = g_strndup(pair->key, (gsize)(dot - pair->key));
    const Field *field = type_find_property(type, name);
    if (field && field->type->is_list) {
        g_free(pair->key);
        pair->key = g_steal_pointer(&name);
    }
}

bool object_set_all(Object *obj, struct KeyVal *kv, const char *const *except, Error **err)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = kv->pairs->pdata[i];

        if (pair->used || (except && g_strv_contains((const char *const *)except, pair->key))) {
            continue;
        }
        pair->used = true;
        drop_index(obj->type, pair);
        if (!type_find_property(obj->type, pair->key)) {
            return unknown_property(obj->type, pair->key, except, err);
        }
        if (!set_pair(obj, pair, err)) {
            return false;
        }
    }
    return true;
}

bool object_resolve_default_links(Object *obj, Error **err)
{
    for (const Type *t = obj->type; t; t = t->parent) {
        for (const Field *field = t->fields; field && field->name; field++) {
            void *address = FIELD_AT(obj, field);

            if (field->kind != FIELD_PROP || field->type != &field_type_link || !field->init_text ||
                *(Object **)address) {
                continue;
            }
            if (!parse_value(obj->type, field, address, field->init_text, err)) {
                return false;
            }
        }
    }
    return true;
}

/* -- Reading ----------------------------------------------------------------------------------- */

static const Field *find_row(const Type *type, const char *name)
{
    for (const Type *t = type; t; t = t->parent) {
        for (const Field *field = t->fields; field && field->name; field++) {
            if (field_is_named(field, name)) {
                return field;
            }
        }
    }
    return NULL;
}

static void offer_row(const Field *field, void *opaque)
{
    suggest_offer(opaque, field_outside_name(field));
}

char *object_get(const Object *obj, const char *property, Error **err)
{
    const Field *field = find_row(obj->type, property);

    if (field) {
        GString *out = g_string_new(NULL);

        field_print(field, FIELD_AT(obj, field), out);
        return g_string_free(out, FALSE);
    }
    if (strcmp(property, "type") == 0) {
        return g_strdup(obj->type->name);
    }
    if (strcmp(property, "realized") == 0) {
        return g_strdup(obj->realized ? "on" : "off");
    }
    Suggest suggest;
    suggest_init(&suggest, property);
    type_foreach_field(obj->type, offer_row, &suggest);
    error_set(err, "%s has no property '%s'%s", obj->type->name, property, suggest_text(&suggest));
    return NULL;
}

typedef struct FieldVisit {
    const Object *obj;
    void (*fn)(const Field *field, void *address, void *opaque);
    void *opaque;
} FieldVisit;

static void visit_field(const Field *field, void *opaque)
{
    FieldVisit *visit = opaque;

    visit->fn(field, FIELD_AT(visit->obj, field), visit->opaque);
}

void object_foreach_field(const Object *obj,
                          void (*fn)(const Field *field, void *address, void *opaque), void *opaque)
{
    FieldVisit visit = {obj, fn, opaque};

    type_foreach_field(obj->type, visit_field, &visit);
}

/* -- Globals ----------------------------------------------------------------------------------- */

typedef struct Global {
    const Type *type;
    char *property;
    char *value;
} Global;

static GPtrArray *globals;

/* A row of that name in the type or, for an abstract one, in any type below it. */
static const Field *find_global_row(const Type *type, const char *property)
{
    const Field *field = type_find_property(type, property);
    GPtrArray *registry = type_registry();

    for (guint i = 0; !field && type->abstract && i < registry->len; i++) {
        if (type_is_a(registry->pdata[i], type)) {
            field = type_find_property(registry->pdata[i], property);
        }
    }
    return field;
}

/* Tries the value on a scratch member; links are left for later, their targets may not exist. */
static bool try_value(const Type *type, const Field *field, const char *value, Error **err)
{
    if (field->type == &field_type_link) {
        return true;
    }
    g_autofree void *scratch = g_malloc0(field->size);
    bool fine = parse_value(type, field, scratch, value, err);
    if (field->type->clear) {
        field->type->clear(field, scratch);
    }
    return fine;
}

static bool unknown_driver(const char *driver, Error **err)
{
    GPtrArray *registry = type_registry();
    Suggest suggest;

    suggest_init(&suggest, driver);
    for (guint i = 0; i < registry->len; i++) {
        const Type *type = registry->pdata[i];

        if (type->fields && type->fields->kind == FIELD_PROP) {
            suggest_offer(&suggest, type->name);
        }
    }
    return error_set(err, "unknown type '%s'%s", driver, suggest_text(&suggest));
}

bool object_add_global(const char *driver, const char *property, const char *value, Error **err)
{
    const Type *type = type_find(driver);

    if (!type) {
        return unknown_driver(driver, err);
    }
    const Field *field = find_global_row(type, property);
    if (!field || field->read_only || !field->type->parse) {
        return find_writable(type, property, err) != NULL;
    }
    if (!try_value(type, field, value, err)) {
        return false;
    }
    if (!globals) {
        globals = g_ptr_array_new();
    }
    Global *global = g_new(Global, 1);
    *global = (Global){type, g_strdup(property), g_strdup(value)};
    g_ptr_array_add(globals, global);
    return true;
}

void object_apply_globals(Object *obj)
{
    for (guint i = 0; globals && i < globals->len; i++) {
        const Global *global = globals->pdata[i];
        g_autoptr(Error) error = NULL;

        if (!type_is_a(obj->type, global->type) ||
            !type_find_property(obj->type, global->property)) {
            continue;
        }
        if (!object_set(obj, global->property, global->value, &error)) {
            warn_report("-global %s.%s=%s: %s", global->type->name, global->property, global->value,
                        error_message(error));
        }
    }
}
