/* SPDX-License-Identifier: MIT */
/* KeyVal: one option argument in QEMU's form `implied,key=value,flag`, commas doubled inside
 * values. */
#include "util/keyval.h"
#include "util/suggest.h"

#include <errno.h>
#include <string.h>

static void pair_free(gpointer data)
{
    KeyValPair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
    g_free(pair);
}

void keyval_add(KeyVal *kv, const char *key, const char *value, KeyValKind kind)
{
    KeyValPair *pair = g_new(KeyValPair, 1);

    *pair = (KeyValPair){g_strdup(key), g_strdup(value), kind, false};
    g_ptr_array_add(kv->pairs, pair);
}

static void add_pair(KeyVal *kv, const char *key, const char *value)
{
    keyval_add(kv, key, value, KEYVAL_TEXT);
}

const char *keyval_kind_name(KeyValKind kind)
{
    static const char *const names[] = {
        [KEYVAL_TEXT] = "a text",
        [KEYVAL_STRING] = "a string",
        [KEYVAL_INTEGER] = "an integer",
        [KEYVAL_REAL] = "a fraction",
        [KEYVAL_BOOL] = "true or false",
        [KEYVAL_NULL] = "null",
        [KEYVAL_EMPTY] = "an empty {} or []",
    };

    return names[kind];
}

/* Takes the text up to a single comma, ",," standing for one; moves *text behind that comma. */
static char *take_value(const char **text)
{
    GString *value = g_string_new(NULL);
    const char *p = *text;

    for (; *p && (p[0] != ',' || p[1] == ','); p++) {
        g_string_append_c(value, *p);
        p += *p == ',';
    }
    *text = *p ? p + 1 : p;
    return g_string_free(value, FALSE);
}

KeyVal *keyval_new(void)
{
    KeyVal *kv = g_new0(KeyVal, 1);

    kv->pairs = g_ptr_array_new_with_free_func(pair_free);
    return kv;
}

KeyVal *keyval_parse(const char *text, const char *implied_key, Error **err)
{
    g_autoptr(KeyVal) kv = keyval_new();
    const char *p = text;

    while (*p) {
        size_t key_length = strcspn(p, "=,");
        bool is_assignment = p[key_length] == '=';

        if (is_assignment && key_length == 0) {
            error_set(err, "'%s': there is no name before '='", text);
            return NULL;
        }
        if (is_assignment) {
            g_autofree char *key = g_strndup(p, key_length);
            p += key_length + 1;
            g_autofree char *value = take_value(&p);
            add_pair(kv, key, value);
            continue;
        }
        bool is_first = p == text;
        g_autofree char *item = take_value(&p);
        if (is_first && implied_key) {
            add_pair(kv, implied_key, item);
        } else if (*item) {
            add_pair(kv, item, "on");
        }
    }
    return g_steal_pointer(&kv);
}

void keyval_free(KeyVal *kv)
{
    if (kv) {
        g_ptr_array_free(kv->pairs, TRUE);
        g_free(kv);
    }
}

/* The last one of that key, all of which count as used. */
static const KeyValPair *take_pair(KeyVal *kv, const char *key)
{
    const KeyValPair *last = NULL;

    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = g_ptr_array_index(kv->pairs, i);
        if (g_str_equal(pair->key, key)) {
            pair->used = true;
            last = pair;
        }
    }
    return last;
}

const char *keyval_get(KeyVal *kv, const char *key)
{
    const KeyValPair *pair = take_pair(kv, key);

    return pair ? pair->value : NULL;
}

static bool check_kind(const KeyValPair *pair, KeyValKind wanted, Error **err)
{
    if (pair->kind == KEYVAL_TEXT || pair->kind == wanted) {
        return true;
    }
    return error_set(err, "parameter '%s': %s is expected, not %s", pair->key,
                     keyval_kind_name(wanted), keyval_kind_name(pair->kind));
}

void keyval_set(KeyVal *kv, const char *key, const char *value)
{
    for (guint i = kv->pairs->len; i > 0; i--) {
        KeyValPair *pair = g_ptr_array_index(kv->pairs, i - 1);
        if (g_str_equal(pair->key, key)) {
            g_free(pair->value);
            pair->value = g_strdup(value);
            return;
        }
    }
    add_pair(kv, key, value);
}

static bool is_help(const char *text)
{
    return g_str_equal(text, "help") || g_str_equal(text, "?");
}

bool keyval_wants_help(KeyVal *kv)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = g_ptr_array_index(kv->pairs, i);
        bool asks_by_name = is_help(pair->key) && g_str_equal(pair->value, "on");
        if (asks_by_name || (i == 0 && is_help(pair->value))) {
            pair->used = true;
            return true;
        }
    }
    return false;
}

bool keyval_get_bool(KeyVal *kv, const char *key, bool *ret_value, Error **err)
{
    const KeyValPair *found = NULL;
    bool is_negated = false;

    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = g_ptr_array_index(kv->pairs, i);
        bool is_no_form = g_str_has_prefix(pair->key, "no") && g_str_equal(pair->key + 2, key);
        if (is_no_form || g_str_equal(pair->key, key)) {
            pair->used = true;
            found = pair;
            is_negated = is_no_form;
        }
    }
    if (!found) {
        return true;
    }
    bool parsed = false;
    if (!check_kind(found, KEYVAL_BOOL, err)) {
        return false;
    }
    if (!parse_bool(found->value, &parsed, err)) {
        error_prefix(err, "parameter '%s': ", key);
        return false;
    }
    *ret_value = parsed != is_negated;
    return true;
}

bool keyval_get_u64(KeyVal *kv, const char *key, uint64_t *ret_value, Error **err)
{
    const KeyValPair *pair = take_pair(kv, key);

    if (pair && !check_kind(pair, KEYVAL_INTEGER, err)) {
        return false;
    }
    if (pair && !parse_u64(pair->value, ret_value, err)) {
        error_prefix(err, "parameter '%s': ", key);
        return false;
    }
    return true;
}

bool keyval_get_size(KeyVal *kv, const char *key, uint64_t *ret_bytes, Error **err)
{
    const KeyValPair *pair = take_pair(kv, key);

    if (pair && !check_kind(pair, KEYVAL_INTEGER, err)) {
        return false;
    }
    if (pair && !parse_size(pair->value, 1, ret_bytes, err)) {
        error_prefix(err, "parameter '%s': ", key);
        return false;
    }
    return true;
}

static bool refuse_key(const char *key, const char *const *known, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, key);
    for (const char *const *name = known; name && *name; name++) {
        suggest_offer(&suggest, *name);
    }
    return error_set(err, "unknown parameter '%s'%s", key, suggest_text(&suggest));
}

bool keyval_check_unused(KeyVal *kv, const char *const *known, Error **err)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = g_ptr_array_index(kv->pairs, i);
        if (!pair->used) {
            return refuse_key(pair->key, known, err);
        }
    }
    return true;
}

bool keyval_check_known(KeyVal *kv, const char *const *known, Error **err)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        const char *key = ((KeyValPair *)g_ptr_array_index(kv->pairs, i))->key;
        bool is_negated = g_str_has_prefix(key, "no") && g_strv_contains(known, key + 2);
        if (!is_negated && !g_strv_contains(known, key)) {
            return refuse_key(key, known, err);
        }
    }
    return true;
}

bool parse_bool(const char *text, bool *ret_value, Error **err)
{
    static const char *const yes[] = {"on", "yes", "true", "y", NULL};
    static const char *const no[] = {"off", "no", "false", "n", NULL};

    if (g_strv_contains(yes, text)) {
        *ret_value = true;
    } else if (g_strv_contains(no, text)) {
        *ret_value = false;
    } else {
        return error_set(err, "'%s' is neither on nor off", text);
    }
    return true;
}

/* Digits at `text`, decimal or 0x; false when there are none or they are too many. */
static bool take_number(const char *text, const char **ret_end, uint64_t *ret_value)
{
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;

    if (is_hex ? !g_ascii_isxdigit(text[2]) : !g_ascii_isdigit(text[0])) {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, is_hex ? 16 : 10);
    if (errno) {
        return false;
    }
    *ret_end = end;
    *ret_value = value;
    return true;
}

bool parse_u64(const char *text, uint64_t *ret_value, Error **err)
{
    const char *end;
    uint64_t value;

    if (!take_number(text, &end, &value) || *end) {
        return error_set(err, "'%s' is not a number from 0 to 2^64 - 1", text);
    }
    *ret_value = value;
    return true;
}

/* Factor of a size suffix; 0: it is none. */
static uint64_t size_unit(const char *suffix, uint64_t default_unit)
{
    static const char letters[] = "BKMGTPE";

    if (!suffix[0]) {
        return default_unit;
    }
    const char *found = suffix[1] ? NULL : strchr(letters, g_ascii_toupper(suffix[0]));
    return found ? 1ull << (10 * (found - letters)) : 0;
}

bool parse_size(const char *text, uint64_t default_unit, uint64_t *ret_bytes, Error **err)
{
    const char *end;
    uint64_t whole;
    uint64_t fraction = 0, divisor = 1;

    if (!take_number(text, &end, &whole)) {
        return error_set(err, "'%s' is not a size", text);
    }
    if (*end == '.') {
        for (end++; g_ascii_isdigit(*end) && divisor < UINT64_MAX / 100; end++) {
            fraction = fraction * 10 + (uint64_t)(*end - '0');
            divisor *= 10;
        }
    }
    uint64_t unit = size_unit(end, default_unit);
    if (unit == 0) {
        error_set(err, "'%s' is not a size", text);
        error_hint(err,
                   "A size is a number and one of the letters b, K, M, G, T, P, E (1024 each).");
        return false;
    }
    if (fraction && unit == 1) {
        return error_set(err, "'%s' is not a whole number of bytes", text);
    }
    unsigned __int128 bytes = (unsigned __int128)whole * unit;
    bytes += (unsigned __int128)fraction * unit / divisor;
    if (bytes > UINT64_MAX) {
        return error_set(err, "size '%s' is too large", text);
    }
    *ret_bytes = (uint64_t)bytes;
    return true;
}
