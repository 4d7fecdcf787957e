/* SPDX-License-Identifier: MIT */
/* JSON in place of key=value: nesting, types, and errors that say where. */
#include "util/json.h"
#include "util/json-type.h"

static KeyVal *parse(const char *text)
{
    Error *error = NULL;
    KeyVal *kv = json_or_keyval(text, "driver", &error);

    g_assert_null(error);
    g_assert_nonnull(kv);
    return kv;
}

static char *flat(const KeyVal *kv)
{
    static const char kinds[] = {
        [KEYVAL_TEXT] = 't', [KEYVAL_STRING] = 's', [KEYVAL_INTEGER] = 'i', [KEYVAL_REAL] = 'r',
        [KEYVAL_BOOL] = 'b', [KEYVAL_NULL] = 'n',   [KEYVAL_EMPTY] = 'e'};
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = kv->pairs->pdata[i];
        g_string_append_printf(out, "%s%s:%c=%s", i ? " " : "", pair->key, kinds[pair->kind],
                               pair->value);
    }
    return g_string_free(out, FALSE);
}

static void test_values(void)
{
    static const struct {
        const char *text, *flat;
    } rows[] = {
        {"{}", ""},
        {"isa-serial,irq=4", "driver:t=isa-serial irq:t=4"},
        {" {\"b\": 1, \"a\": \"x,y\"}", "b:i=1 a:s=x,y"},
        {"{\"t\": true, \"f\": false, \"n\": null, \"r\": 1.5}", "t:b=on f:b=off n:n= r:r=1.5"},
        {"{\"i\": -9223372036854775808}", "i:i=-9223372036854775808"},
        {"{\"i\": [9223372036854775807, 9223372036854775808, 18446744073709551615]}",
         "i.0:i=9223372036854775807 i.1:i=9223372036854775808 i.2:i=18446744073709551615"},
        {"{\"i\": [18446744073709551616, -9223372036854775809]}",
         "i.0:r=1.8446744073709552e+19 i.1:r=-9.2233720368547758e+18"},
        {"{\"a\": {\"b\": {\"c\": 1}, \"d\": [2, [true]]}}", "a.b.c:i=1 a.d.0:i=2 a.d.1.0:b=on"},
        {"{\"e\": {}, \"l\": []}", "e:e= l:e="},
        {"{'a': 'x\"y', \"b\": \"it's\"}", "a:s=x\"y b:s=it's"},
        {"{'a': 'it\\'s \\\\ \\u0041'}", "a:s=it's \\ A"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(KeyVal) kv = parse(rows[i].text);
        g_autofree char *text = flat(kv);
        g_assert_cmpstr(text, ==, rows[i].flat);
    }
}

static void test_errors(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"{\"a\":1", "JSON, line 1, column 6: '}' expected near end of file"},
        {"{\"a\":1}\n x", "JSON, line 2, column 2: end of file expected near 'x'"},
        {"{\"a\":1,\"a\":2}", "JSON, line 1, column 10: duplicate object key near '\"a\"'"},
        {"{", "JSON, line 1, column 1: string or '}' expected near end of file"},
        {"{'a", "JSON, line 1, column 3: premature end of input near '\"a'"},
        {"{'a':'\\", "JSON, line 1, column 7: invalid escape near '\"\\'"},
        {"{\"a\":9e999}", "JSON, line 1, column 10: real number overflow near '9e999'"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) error = NULL;
        g_assert_null(json_or_keyval(rows[i].text, NULL, &error));
        g_assert_cmpstr(error_message(error), ==, rows[i].message);
    }
    g_autoptr(Error) error = NULL;
    g_assert_null(json_read_object("[1]", &error));
    g_assert_cmpstr(error_message(error), ==, "a JSON object is needed, as in {\"name\": value}");
}

static void test_depth(void)
{
    GString *deep = g_string_new("{\"a\":");
    g_autoptr(Error) error = NULL;

    for (unsigned i = 0; i < 100; i++) {
        g_string_append_c(deep, '[');
    }
    g_string_append_c(deep, '1');
    for (unsigned i = 0; i < 100; i++) {
        g_string_append_c(deep, ']');
    }
    g_string_append_c(deep, '}');
    g_assert_null(json_or_keyval(deep->str, NULL, &error));
    g_assert_nonnull(strstr(error_message(error), "is nested deeper than 64 levels"));
    g_string_free(deep, TRUE);
}

static void test_typed_readers(void)
{
    g_autoptr(KeyVal) kv = parse("{\"on\":true,\"text\":\"on\",\"n\":4096,\"s\":\"4k\",\"r\":1.5}");
    bool flag = false;
    uint64_t number = 0;
    g_autoptr(Error) no_bool = NULL, no_size = NULL, no_number = NULL;

    g_assert_true(keyval_get_bool(kv, "on", &flag, NULL) && flag);
    g_assert_true(keyval_get_u64(kv, "n", &number, NULL) && number == 4096);
    g_assert_true(keyval_get_size(kv, "n", &number, NULL) && number == 4096);
    g_assert_false(keyval_get_bool(kv, "text", &flag, &no_bool));
    g_assert_cmpstr(error_message(no_bool), ==,
                    "parameter 'text': true or false is expected, not a string");
    g_assert_false(keyval_get_size(kv, "s", &number, &no_size));
    g_assert_cmpstr(error_message(no_size), ==,
                    "parameter 's': an integer is expected, not a string");
    g_assert_false(keyval_get_u64(kv, "r", &number, &no_number));
    g_assert_cmpstr(error_message(no_number), ==,
                    "parameter 'r': an integer is expected, not a fraction");
}

/* What is read is written again as it was, and is what it looks like. */
static void test_large_integers(void)
{
    static const char *const texts[] = {
        "0",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "-9223372036854775808",
        "[18446744073709551615,9223372036854775808,1]",
        "{\"12345678901234567890\":12345678901234567890,\"s\":\"12345678901234567890\"}",
        "\"a\\\"12345678901234567890\\\\\"",
        "[\"\\u0001\",12345678901234567890,\"x\"]",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(json_t) value = json_parse(texts[i], strlen(texts[i]), NULL);
        char *text = json_dump(value, JSON_COMPACT);
        g_assert_cmpstr(text, ==, texts[i]);
        free(text);
    }
}

static void test_kinds_of_integers(void)
{
    static const struct {
        const char *text;
        bool is_int, is_address, is_unsigned;
        uint64_t value;
    } rows[] = {
        {"0", true, true, true, 0},
        {"-1", true, true, false, 0},
        {"9223372036854775807", true, true, true, INT64_MAX},
        {"9223372036854775808", false, true, true, 1ull << 63},
        {"18446744073709551615", false, true, true, UINT64_MAX},
        {"18446744073709551616", false, false, false, 0},
        {"-9223372036854775809", false, false, false, 0},
        {"12345678901234567890.5", false, false, false, 0},
        {"0.12345678901234567890", false, false, false, 0},
        {"1e12345678901234567890", false, false, false, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(json_t) value = json_parse(rows[i].text, strlen(rows[i].text), NULL);
        uint64_t number = 0;
        g_assert_cmpint(json_type_check(&json_type_int, value, "", NULL), ==, rows[i].is_int);
        g_assert_cmpint(json_type_check(&json_type_address, value, "", NULL), ==,
                        rows[i].is_address);
        g_assert_cmpint(json_get_unsigned(value, &number), ==, rows[i].is_unsigned);
        g_assert_cmpuint(number, ==, rows[i].value);
        g_assert_false(json_type_check(&json_type_string, value, "", NULL));
        g_assert_true(!value || json_type_check(&json_type_number, value, "", NULL));
    }
}

/* No text can pass for such an integer. */
static void test_forged_integers(void)
{
    static const char *const texts[] = {"\"\\u00005\"", "[\"\\u00005\",12345678901234567890]",
                                        "{12345678901234567890:1}", "012345678901234567890"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Error) error = NULL;
        g_assert_null(json_parse(texts[i], strlen(texts[i]), &error));
        g_assert_nonnull(error);
    }
}

/* Whatever stands there, it is an object or an error. */
static void test_garbage(void)
{
    static const char alphabet[] = "{}[]\"':,\\0123456789.eE+-truefalsn \n\tu\x80\xff";
    char text[40];

    for (unsigned round = 0; round < 20000; round++) {
        unsigned length = (unsigned)g_test_rand_int_range(0, sizeof(text) - 1);
        Error *error = NULL;

        text[0] = '{';
        for (unsigned i = 1; i < length; i++) {
            text[i] = alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];
        }
        text[MAX(length, 1)] = '\0';
        KeyVal *kv = json_or_keyval(text, "x", &error);
        g_assert_true((kv == NULL) == (error != NULL));
        keyval_free(kv);
        error_free(error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/values", test_values);
    g_test_add_func("/json/errors", test_errors);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/typed-readers", test_typed_readers);
    g_test_add_func("/json/large-integers", test_large_integers);
    g_test_add_func("/json/kinds-of-integers", test_kinds_of_integers);
    g_test_add_func("/json/forged-integers", test_forged_integers);
    g_test_add_func("/json/garbage", test_garbage);
    return g_test_run();
}
