/* SPDX-License-Identifier: MIT */
/* Errors, nearest matches, log and trace items, bitmaps. */
#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"
#include "util/suggest.h"
#include "util/trace.h"

#include <errno.h>

static void test_error(void)
{
    g_autoptr(Error) error = NULL;

    g_assert_false(error_set_errno(&error, ENOENT, "cannot open '%s'", "x"));
    error_prefix(&error, "-hda %s: ", "x");
    g_assert_cmpstr(error_message(error), ==, "-hda x: cannot open 'x': No such file or directory");
    g_assert_null(error_hint_text(error));
    error_hint(&error, "one");
    error_hint(&error, "two\n");
    g_assert_cmpstr(error_hint_text(error), ==, "one\ntwo\n");
    g_assert_false(error_set(NULL, "nobody listens"));
    error_prefix(NULL, "x");
    error_free(NULL);
}

static const char *nearest(const char *wanted, const char *const *names)
{
    Suggest s;

    suggest_init(&s, wanted);
    for (; *names; names++) {
        suggest_offer(&s, *names);
    }
    return suggest_text(&s);
}

static void test_suggest(void)
{
    static const char *const devices[] = {
        "virtio-blk-pci", "virtio-net-pci", "isa-serial", "isa-debug-exit", "edu", NULL};

    g_assert_cmpstr(nearest("virtio-net", devices), ==, "; did you mean 'virtio-net-pci'?");
    g_assert_cmpstr(nearest("isa-seiral", devices), ==, "; did you mean 'isa-serial'?");
    g_assert_cmpstr(nearest("ISA-Serial", devices), ==, "; did you mean 'isa-serial'?");
    g_assert_cmpstr(nearest("debug", devices), ==, "; did you mean 'isa-debug-exit'?");
    g_assert_cmpstr(nearest("deu", devices), ==, "; did you mean 'edu'?");
    g_assert_cmpstr(nearest("nvme", devices), ==, "");
    g_assert_cmpstr(nearest("", devices), ==, "");
    g_autofree char *long_name = g_strnfill(1000, 'x');
    g_assert_cmpstr(nearest(long_name, devices), ==, "");
}

static void test_log_items(void)
{
    g_autoptr(Error) error = NULL;

    g_assert_true(log_enable("int,guest_errors", &error));
    g_assert_true(log_enabled(LOG_INT) && log_enabled(LOG_GUEST_ERROR));
    g_assert_false(log_enabled(LOG_EXEC));
    g_assert_false(log_enable("in_asn", &error));
    g_assert_cmpstr(error_message(error), ==, "unknown log item 'in_asn'; did you mean 'in_asm'?");
    g_autofree char *help = log_help();
    g_assert_nonnull(strstr(help, "\nguest_errors "));
    log_enabled_items = 0;
}

static void test_trace_and_log_file(void)
{
    g_autoptr(Error) error = NULL;
    g_autofree char *path = g_strdup_printf("%s/log-%d", g_get_tmp_dir(), (int)getpid());
    g_autofree char *text = NULL;

    g_assert_true(log_set_file(path, &error));
    for (int i = 0; i < 3; i++) {
        TRACE(test_point, "value %d", i);
        g_assert_true(i == 0 ? trace_enable("test_*", &error) : trace_disable("*_point", &error));
    }
    LOG(LOG_INT, "not enabled\n");
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "test_point value 1\n");
    g_assert_false(trace_enable("no_such_*", &error));
    unlink(path);
}

static void test_bitmap(void)
{
    uint64_t map[BITMAP_WORDS(200)] = {0};

    bitmap_set_range_atomic(map, 60, 70);
    g_assert_cmphex(map[0], ==, 0xf000000000000000);
    g_assert_cmphex(map[1], ==, UINT64_MAX);
    g_assert_cmphex(map[2], ==, 3);
    bitmap_clear_range_atomic(map, 61, 68);
    g_assert_cmpuint(bitmap_find_set(map, 200, 0), ==, 60);
    g_assert_cmpuint(bitmap_find_set(map, 200, 61), ==, 129);
    g_assert_cmpuint(bitmap_find_set(map, 200, 130), ==, 200);
    g_assert_cmpuint(bitmap_find_set(map, 129, 61), ==, 129);
    g_assert_true(bitmap_test_and_clear_atomic(map, 60));
    g_assert_false(bitmap_test_and_clear_atomic(map, 60));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/message", test_error);
    g_test_add_func("/suggest/nearest", test_suggest);
    g_test_add_func("/log/items", test_log_items);
    g_test_add_func("/trace/file", test_trace_and_log_file);
    g_test_add_func("/bitmap/ranges", test_bitmap);
    return g_test_run();
}
