/* SPDX-License-Identifier: MIT */
/* Shapes of JSON values, and the making of values from text. */
#include "util/json-type.h"

#include "util/suggest.h"

#include <string.h>

const JsonType json_type_any = {.kind = JSON_KIND_ANY};
const JsonType json_type_string = {.kind = JSON_KIND_STRING};
const JsonType json_type_int = {.kind = JSON_KIND_INT};
const JsonType json_type_address = {.kind = JSON_KIND_ADDRESS};
const JsonType json_type_number = {.kind = JSON_KIND_NUMBER};
const JsonType json_type_bool = {.kind = JSON_KIND_BOOL};
const JsonType json_type_null = {.kind = JSON_KIND_NULL};
const JsonType json_type_strings = {.kind = JSON_KIND_ARRAY, .element = &json_type_string};

static const char *const kind_names[] = {
    [JSON_KIND_ANY] = "value",       [JSON_KIND_STRING] = "string", [JSON_KIND_INT] = "integer",
    [JSON_KIND_ADDRESS] = "integer", [JSON_KIND_NUMBER] = "number", [JSON_KIND_BOOL] = "boolean",
    [JSON_KIND_NULL] = "null",       [JSON_KIND_ENUM] = "string",   [JSON_KIND_ARRAY] = "array",
    [JSON_KIND_OBJECT] = "object",
};

static bool is_of_kind(JsonKind kind, const json_t *value)
{
    uint64_t number;

    switch (kind) {
    case JSON_KIND_STRING:
    case JSON_KIND_ENUM:
        return json_is_text(value);
    case JSON_KIND_INT:
        return json_is_integer(value);
    case JSON_KIND_ADDRESS:
        return json_is_integer(value) || json_get_unsigned(value, &number);
    case JSON_KIND_NUMBER:
        return json_is_number(value) || json_get_unsigned(value, &number);
    case JSON_KIND_BOOL:
        return json_is_boolean(value);
    case JSON_KIND_NULL:
        return json_is_null(value);
    case JSON_KIND_ARRAY:
        return json_is_array(value);
    case JSON_KIND_OBJECT:
        return json_is_object(value);
    default:
        return true;
    }
}

static bool check_enum(const JsonType *type, const char *value, const char *where, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, value);
    for (const char *const *known = type->values; *known; known++) {
        if (strcmp(*known, value) == 0) {
            return true;
        }
        suggest_offer(&suggest, *known);
    }
    g_autofree char *all = g_strjoinv(", ", (char **)type->values);
    return error_set(err, "Parameter '%s' does not accept value '%s'%s; it takes one of %s", where,
                     value, suggest_text(&suggest), all);
}

static bool check_array(const JsonType *type, const json_t *value, const char *where, Error **err)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        g_autofree char *element = g_strdup_printf("%s[%zu]", where, i);

        if (!json_type_check(type->element, json_array_get(value, i), element, err)) {
            return false;
        }
    }
    return true;
}

static const JsonMember *find_member(const JsonType *type, const char *name)
{
    for (const JsonMember *member = type->members; member && member->name; member++) {
        if (strcmp(member->name, name) == 0) {
            return member;
        }
    }
    return NULL;
}

static bool unexpected(const JsonType *type, const char *where, const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    for (const JsonMember *member = type->members; member && member->name; member++) {
        suggest_offer(&suggest, member->name);
    }
    return error_set(err, "Parameter '%s%s%s' is unexpected%s", where, *where ? "." : "", name,
                     suggest_text(&suggest));
}

/* What the tag says; NULL: nothing. */
static const JsonType *variant_of(const JsonType *type, const json_t *value)
{
    const char *tag = type->tag ? json_string_value(json_object_get(value, type->tag)) : NULL;

    for (const JsonVariant *variant = type->variants; tag && variant && variant->name; variant++) {
        if (strcmp(variant->name, tag) == 0) {
            return variant->type;
        }
    }
    return NULL;
}

static bool check_needed(const JsonType *type, const json_t *value, const char *where, Error **err)
{
    for (const JsonMember *member = type->members; member && member->name; member++) {
        if (!member->optional && !json_object_get(value, member->name)) {
            return error_set(err, "Parameter '%s%s%s' is missing", where, *where ? "." : "",
                             member->name);
        }
    }
    return true;
}

static bool check_object(const JsonType *type, const json_t *value, const char *where, Error **err)
{
    const JsonType *variant = variant_of(type, value);
    const char *key;
    json_t *child;

    json_object_foreach((json_t *)value, key, child)
    {
        const JsonMember *member = find_member(type, key);
        g_autofree char *path = g_strconcat(where, *where ? "." : "", key, NULL);

        if (!member && variant) {
            member = find_member(variant, key);
        }
        /* Without a variant the tag is wrong or missing: that is to be said. */
        if (!member && !type->open && (variant || !type->variants)) {
            return unexpected(type, where, key, err);
        }
        if (member && !json_type_check(member->type, child, path, err)) {
            return false;
        }
    }
    return check_needed(type, value, where, err) &&
           (!variant || check_needed(variant, value, where, err));
}

bool json_type_check(const JsonType *type, const json_t *value, const char *where, Error **err)
{
    if (!is_of_kind(type->kind, value)) {
        return error_set(err, "Parameter '%s' wants a value of type %s", where,
                         kind_names[type->kind]);
    }
    switch (type->kind) {
    case JSON_KIND_ENUM:
        return check_enum(type, json_string_value(value), where, err);
    case JSON_KIND_ARRAY:
        return check_array(type, value, where, err);
    case JSON_KIND_OBJECT:
        return check_object(type, value, where, err);
    default:
        return true;
    }
}

json_t *json_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

    return json_string(valid);
}

json_t *json_parse(const char *text, size_t length, Error **err)
{
    json_error_t error;
    json_t *value = json_load(text, length, &error);

    if (!value) {
        error_set(err, "JSON parse error at character %d: %s", error.position, error.text);
    }
    return value;
}
