/* SPDX-License-Identifier: MIT */
/* JSON objects as KeyVal: whoever reads key=value reads {"key": value}, too. */
#include "util/json.h"

#include "util/json-type.h"

#include <string.h>

#define DEPTH_MAX 64 /* of nesting: deeper is no configuration */

/* -- Reading ----------------------------------------------------------------------------------- */

/* A shell makes "double quotes" awkward, so single ones are common; the reader knows double ones
 * only. */
static char *double_the_quotes(const char *text)
{
    GString *out = g_string_new(NULL);
    char quote = '\0';

    for (const char *p = text; *p; p++) {
        if (*p == '\\' && quote && p[1]) {
            p++;
            g_string_append_printf(out, *p == '\'' ? "%c" : "\\%c", *p);
        } else if (!quote && (*p == '"' || *p == '\'')) {
            quote = *p;
            g_string_append_c(out, '"');
        } else if (quote && *p == quote) {
            quote = '\0';
            g_string_append_c(out, '"');
        } else if (quote && *p == '"') {
            g_string_append(out, "\\\"");
        } else {
            g_string_append_c(out, *p);
        }
    }
    return g_string_free(out, FALSE);
}

json_t *json_read_object(const char *text, Error **err)
{
    g_autofree char *plain = double_the_quotes(text);
    json_error_t failure;
    json_t *value = json_load(plain, strlen(plain), &failure);

    if (!value) {
        error_set(err, "JSON, line %d, column %d: %s", failure.line, failure.column, failure.text);
        return NULL;
    }
    if (!json_is_object(value)) {
        json_decref(value);
        error_set(err, "a JSON object is needed, as in {\"name\": value}");
        return NULL;
    }
    return value;
}

/* -- Members as pairs -------------------------------------------------------------------------- */

static bool add_value(KeyVal *kv, const char *name, const json_t *value, unsigned depth,
                      Error **err);

static bool add_members(KeyVal *kv, const char *name, const json_t *object, unsigned depth,
                        Error **err)
{
    const char *key;
    json_t *member;

    json_object_foreach((json_t *)object, key, member)
    {
        g_autofree char *inner = *name ? g_strdup_printf("%s.%s", name, key) : g_strdup(key);

        if (!add_value(kv, inner, member, depth, err)) {
            return false;
        }
    }
    return true;
}

static bool add_elements(KeyVal *kv, const char *name, const json_t *list, unsigned depth,
                         Error **err)
{
    json_t *element;
    size_t index;

    json_array_foreach(list, index, element)
    {
        g_autofree char *inner = g_strdup_printf("%s.%zu", name, index);

        if (!add_value(kv, inner, element, depth, err)) {
            return false;
        }
    }
    return true;
}

static void add_real(KeyVal *kv, const char *name, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    keyval_add(kv, name, g_ascii_dtostr(text, sizeof(text), number), KEYVAL_REAL);
}

static bool add_nested(KeyVal *kv, const char *name, const json_t *value, unsigned depth,
                       Error **err)
{
    bool is_list = json_is_array(value);

    if (depth == DEPTH_MAX) {
        return error_set(err, "JSON: '%s' is nested deeper than %d levels", name, DEPTH_MAX);
    }
    if (is_list ? json_array_size(value) == 0 : json_object_size(value) == 0) {
        keyval_add(kv, name, "", KEYVAL_EMPTY);
        return true;
    }
    return is_list ? add_elements(kv, name, value, depth + 1, err)
                   : add_members(kv, name, value, depth + 1, err);
}

static bool add_value(KeyVal *kv, const char *name, const json_t *value, unsigned depth,
                      Error **err)
{
    char number[32];
    uint64_t large;

    switch (json_typeof(value)) {
    case JSON_STRING:
        if (json_get_unsigned(value, &large)) {
            g_snprintf(number, sizeof(number), "%" G_GUINT64_FORMAT, (guint64)large);
            keyval_add(kv, name, number, KEYVAL_INTEGER);
        } else {
            keyval_add(kv, name, json_string_value(value), KEYVAL_STRING);
        }
        break;
    case JSON_INTEGER:
        g_snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        keyval_add(kv, name, number, KEYVAL_INTEGER);
        break;
    case JSON_REAL:
        add_real(kv, name, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        keyval_add(kv, name, json_is_true(value) ? "on" : "off", KEYVAL_BOOL);
        break;
    case JSON_NULL:
        keyval_add(kv, name, "", KEYVAL_NULL);
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        return add_nested(kv, name, value, depth, err);
    }
    return true;
}

KeyVal *json_to_keyval(const json_t *object, Error **err)
{
    g_autoptr(KeyVal) kv = keyval_new();

    return add_members(kv, "", object, 0, err) ? g_steal_pointer(&kv) : NULL;
}

KeyVal *json_or_keyval(const char *text, const char *implied_key, Error **err)
{
    if (!json_is_object_text(text)) {
        return keyval_parse(text, implied_key, err);
    }
    json_t *object = json_read_object(text, err);
    KeyVal *kv = object ? json_to_keyval(object, err) : NULL;

    json_decref(object);
    return kv;
}
