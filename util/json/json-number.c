/* SPDX-License-Identifier: MIT */
/*
 * Integers of 64 bits without sign. Jansson's integers have one, and its fractions lose bits, so
 * that what is above INT64_MAX is a string here: the byte 0, then the digits. No other string
 * begins with that byte: what comes in may not (json_load), and C strings cannot. Whoever tells
 * strings apart from numbers asks json_is_text() and json_get_unsigned().
 */
#include "util/json-type.h"

#include <string.h>

#define SAFE_DIGITS 18   /* so many fit into any integer */
#define MARK "\"\\u0000" /* as JSON writes the beginning of such a string */

json_t *json_unsigned(uint64_t value)
{
    char text[32];

    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    int length = g_snprintf(text, sizeof(text), "%c%" G_GUINT64_FORMAT, 0, (guint64)value);
    return json_stringn(text, (size_t)length);
}

static bool is_large(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0 &&
           json_string_value(value)[0] == '\0';
}

bool json_is_text(const json_t *value)
{
    return json_is_string(value) && !is_large(value);
}

bool json_get_unsigned(const json_t *value, uint64_t *ret_value)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret_value = (uint64_t)json_integer_value(value);
        return true;
    }
    if (is_large(value)) {
        *ret_value = g_ascii_strtoull(json_string_value(value) + 1, NULL, 10);
        return true;
    }
    return false;
}

/* -- Reading ----------------------------------------------------------------------------------- */

/* The end of the string that begins behind `at`; *ret_has_zero: \u0000 stands in it. */
static size_t string_end(const char *text, size_t length, size_t at, bool *ret_has_zero)
{
    for (; at < length && text[at] != '"'; at++) {
        if (text[at] == '\\' && ++at < length && length - at >= 5 &&
            memcmp(text + at, "u0000", 5) == 0) {
            *ret_has_zero = true;
        }
    }
    return at;
}

/* Appends an integer: one that fits into no type becomes a fraction, as it is for other readers. */
static void put_integer(GString *out, const char *digits, size_t count, bool is_negative)
{
    g_autofree char *number = g_strndup(digits, count);
    guint64 value = g_ascii_strtoull(number, NULL, 10);
    g_autofree char *back = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    bool is_exact = strcmp(back, number) == 0;

    if (is_exact && value <= (guint64)INT64_MAX + is_negative) {
        g_string_append(out, number);
    } else if (is_exact && !is_negative) {
        g_string_append_printf(out, MARK "%s\"", number);
    } else {
        g_string_append_printf(out, "%s.0", number);
    }
}

/* The text with its large integers marked; NULL: there is none, or a string has a \u0000, which is
 * an error that the library tells. */
static GString *mark_large(const char *text, size_t length)
{
    GString *out = NULL;
    size_t done = 0; /* so far the text is in `out` */
    bool has_zero = false;

    for (size_t at = 0; at < length;) {
        if (text[at] == '"') {
            at = string_end(text, length, at + 1, &has_zero) + 1;
            continue;
        }
        size_t end = at;
        while (end < length && g_ascii_isdigit(text[end])) {
            end++;
        }
        bool is_integer = end == length || !strchr(".eE", text[end]) || !text[end];
        bool is_fraction = at > 0 && strchr(".eE+", text[at - 1]) && text[at - 1];
        if (end - at > SAFE_DIGITS && is_integer && !is_fraction && text[at] != '0') {
            out = out ? out : g_string_new(NULL);
            g_string_append_len(out, text + done, (gssize)(at - done));
            put_integer(out, text + at, end - at, at > 0 && text[at - 1] == '-');
            done = end;
        }
        at = end > at ? end : at + 1;
    }
    if (out && has_zero) {
        g_string_free(out, TRUE);
        return NULL;
    }
    return out ? g_string_append_len(out, text + done, (gssize)(length - done)) : NULL;
}

json_t *json_load(const char *text, size_t length, json_error_t *error)
{
    size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
    GString *marked = mark_large(text, length);

    if (!marked) {
        return json_loadb(text, length, flags, error);
    }
    json_t *value = json_loadb(marked->str, marked->len, flags | JSON_ALLOW_NUL, error);
    g_string_free(marked, TRUE);
    return value;
}

/* -- Writing ----------------------------------------------------------------------------------- */

char *json_dump(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
    char *from = text, *to = text, *mark;

    while (from && (mark = strstr(from, MARK))) {
        char *digits = mark + strlen(MARK);
        size_t count = strspn(digits, "0123456789");

        memmove(to, from, (size_t)(mark - from));
        to += mark - from;
        memmove(to, digits, count);
        to += count;
        from = digits + count + 1; /* behind the quote */
    }
    if (from != to) {
        memmove(to, from, strlen(from) + 1);
    }
    return text;
}
