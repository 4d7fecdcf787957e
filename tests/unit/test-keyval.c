/* SPDX-License-Identifier: MIT */
/* Option arguments in QEMU's form. */
#include "util/keyval.h"

static KeyVal *parse(const char *text, const char *implied)
{
    Error *error = NULL;
    KeyVal *kv = keyval_parse(text, implied, &error);

    g_assert_null(error);
    g_assert_nonnull(kv);
    return kv;
}

static void test_forms(void)
{
    g_autoptr(KeyVal) kv = parse("isa-serial,chardev=a,,b=c,irq=4,irq=0x5,off=off,flag", "driver");

    g_assert_cmpstr(keyval_get(kv, "driver"), ==, "isa-serial");
    g_assert_cmpstr(keyval_get(kv, "chardev"), ==, "a,b=c");
    g_assert_cmpstr(keyval_get(kv, "irq"), ==, "0x5");
    g_assert_cmpstr(keyval_get(kv, "flag"), ==, "on");
    g_assert_null(keyval_get(kv, "isa-serial"));
    keyval_set(kv, "irq", "7");
    keyval_set(kv, "new", "x");
    g_assert_cmpstr(keyval_get(kv, "irq"), ==, "7");
    g_assert_cmpstr(keyval_get(kv, "new"), ==, "x");
}

static void test_implied_is_first_only(void)
{
    g_autoptr(KeyVal) a = parse("driver=x,y", "driver");
    g_autoptr(KeyVal) b = parse("a,,b", "path");
    g_autoptr(KeyVal) c = parse("", "path");
    g_autoptr(Error) error = NULL;

    g_assert_cmpstr(keyval_get(a, "y"), ==, "on");
    g_assert_cmpstr(keyval_get(b, "path"), ==, "a,b");
    g_assert_cmpuint(c->pairs->len, ==, 0);
    g_assert_null(keyval_parse("=3", NULL, &error));
    g_assert_cmpstr(error_message(error), ==, "'=3': there is no name before '='");
}

static void test_bools(void)
{
    static const struct {
        const char *text;
        bool wait;
    } rows[] = {{"wait", true},           {"nowait", false},         {"wait=off", false},
                {"wait=yes", true},       {"nowait=off", true},      {"wait=on,nowait", false},
                {"nowait,wait=n", false}, {"nowait,wait=true", true}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(KeyVal) kv = parse(rows[i].text, NULL);
        bool value = !rows[i].wait;
        g_assert_true(keyval_get_bool(kv, "wait", &value, NULL));
        g_assert_cmpint(value, ==, rows[i].wait);
        g_assert_true(keyval_check_unused(kv, NULL, NULL));
    }
    g_autoptr(KeyVal) kv = parse("wait=maybe", NULL);
    g_autoptr(Error) error = NULL;
    bool value = true;
    g_assert_false(keyval_get_bool(kv, "wait", &value, &error));
    g_assert_cmpstr(error_message(error), ==, "parameter 'wait': 'maybe' is neither on nor off");
    g_assert_true(value);
    g_assert_true(keyval_get_bool(kv, "absent", &value, NULL) && value);
}

static void test_unused(void)
{
    static const char *const known[] = {"server", "wait", "path", NULL};
    g_autoptr(KeyVal) kv = parse("server=on,pth=x", NULL);
    g_autoptr(Error) error = NULL;

    keyval_get(kv, "server");
    g_assert_false(keyval_check_unused(kv, known, &error));
    g_assert_cmpstr(error_message(error), ==, "unknown parameter 'pth'; did you mean 'path'?");
}

static void test_help(void)
{
    static const char *const asking[] = {"help", "?", "isa-serial,help", "x=y,?"};

    for (size_t i = 0; i < G_N_ELEMENTS(asking); i++) {
        g_autoptr(KeyVal) kv = parse(asking[i], "driver");
        g_assert_true(keyval_wants_help(kv));
    }
    g_autoptr(KeyVal) kv = parse("x,title=help,help=no", "driver");
    g_assert_false(keyval_wants_help(kv));
}

static void test_numbers(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {{"0", true, 0},
                {"010", true, 10},
                {"0xfF", true, 255},
                {"18446744073709551615", true, UINT64_MAX},
                {"18446744073709551616", false, 0},
                {"-1", false, 0},
                {" 1", false, 0},
                {"+1", false, 0},
                {"0x", false, 0},
                {"1 ", false, 0},
                {"", false, 0}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t value = 77;
        g_assert_cmpint(parse_u64(rows[i].text, &value, NULL), ==, rows[i].good);
        g_assert_cmpuint(value, ==, rows[i].good ? rows[i].value : 77);
    }
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t unit;
        bool good;
        uint64_t bytes;
    } rows[] = {{"512", 1048576, true, 512ull << 20},
                {"512", 1, true, 512},
                {"512b", 1048576, true, 512},
                {"1.5G", 1, true, 3ull << 29},
                {"1k", 1, true, 1024},
                {"0x10M", 1, true, 16ull << 20},
                {"15E", 1, true, 15ull << 60},
                {"16E", 1, false, 0},
                {"1.5", 1, false, 0},
                {"1.0", 1, true, 1},
                {"1MB", 1, false, 0},
                {"M", 1, false, 0},
                {"-1M", 1, false, 0},
                {"", 1, false, 0},
                {"99999999999999999999999", 1, false, 0}};

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint64_t bytes = 77;
        g_assert_cmpint(parse_size(rows[i].text, rows[i].unit, &bytes, NULL), ==, rows[i].good);
        g_assert_cmpuint(bytes, ==, rows[i].good ? rows[i].bytes : 77);
    }
}

static void test_garbage(void)
{
    static const char letters[] = "ab,,==.0x9GKno?\\help";

    for (int i = 0; i < 100000; i++) {
        char text[24];
        uint64_t value;
        bool flag;
        int length = g_test_rand_int_range(0, sizeof(text) - 1);
        for (int k = 0; k < length; k++) {
            text[k] = letters[g_test_rand_int_range(0, sizeof(letters) - 1)];
        }
        text[length] = 0;
        g_autoptr(Error) error = NULL;
        g_autoptr(KeyVal) kv = keyval_parse(text, i % 2 ? "driver" : NULL, &error);
        g_assert_true((kv != NULL) == (error == NULL));
        if (kv) {
            keyval_wants_help(kv);
            keyval_get_bool(kv, "a", &flag, NULL);
            keyval_check_unused(kv, NULL, NULL);
        }
        parse_size(text, 1, &value, NULL);
        parse_u64(text, &value, NULL);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/forms", test_forms);
    g_test_add_func("/keyval/implied", test_implied_is_first_only);
    g_test_add_func("/keyval/bools", test_bools);
    g_test_add_func("/keyval/unused", test_unused);
    g_test_add_func("/keyval/help", test_help);
    g_test_add_func("/parse/numbers", test_numbers);
    g_test_add_func("/parse/sizes", test_sizes);
    g_test_add_func("/keyval/garbage", test_garbage);
    return g_test_run();
}
