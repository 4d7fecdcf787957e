/* SPDX-License-Identifier: MIT */
/* The board "pc" is made and taken down 200 times in one process: no descriptor, no heap and no
 * mapping is left of any of them. */
#include "tests/device/pc-bench.h"

#include "ui/chardev.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define STARTS 200
#define WARM_UP 2 /* what is made once: types, CPUs */

/* The C library's caches of freed blocks count as in use: without them numbers are exact. */
#define TUNABLES "GLIBC_TUNABLES"
#define NO_CACHE "glibc.malloc.tcache_count=0"

typedef struct Usage {
    size_t heap; /* bytes in use */
    unsigned descriptors, mappings;
} Usage;

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    g_assert_nonnull(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static unsigned count_mappings(void)
{
    g_autofree char *text = NULL;
    unsigned lines = 0;

    g_assert_true(g_file_get_contents("/proc/self/maps", &text, NULL, NULL));
    for (const char *at = text; *at; at++) {
        lines += *at == '\n';
    }
    return lines;
}

static Usage usage_now(void)
{
    struct mallinfo2 info = mallinfo2();

    return (Usage){info.uordblks + info.hblkhd, count_entries("/proc/self/fd"), count_mappings()};
}

/* With what users add: a serial port, a watchdog and a panic port. */
static void start_and_end(void)
{
    static const char *const devices[] = {"ib700", "pvpanic", "isa-debug-exit"};
    Error *err = NULL;

    pc_bench_make("32M");
    for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(devices[i], "driver", &err);
        g_assert_nonnull(kv);
        g_assert_nonnull(device_add(kv, &err));
    }
    Chardev *chardev = chardev_new_short("serial0", "null", &err);
    g_assert_nonnull(chardev);
    g_assert_true(machine_ready(pc, &err));
    machine_reset(pc);
    g_assert_cmpint(pc_bench_run(), ==, PC_BENCH_STILL_ON);
    object_free(&chardev->obj);
    pc_bench_free();
    loop_run_once(main_loop(), false);
}

static void test_starts(void)
{
    Usage before = {0};

    for (unsigned i = 0; i < STARTS; i++) {
        if (i == WARM_UP) {
            before = usage_now();
        }
        start_and_end();
    }
    Usage after = usage_now();

    g_test_message("heap %zu then %zu bytes, %u then %u descriptors, %u then %u mappings",
                   before.heap, after.heap, before.descriptors, after.descriptors, before.mappings,
                   after.mappings);
    g_assert_cmpuint(after.descriptors, ==, before.descriptors);
    g_assert_cmpuint(after.mappings, ==, before.mappings);
    g_assert_cmpuint(after.heap, ==, before.heap);
}

int main(int argc, char **argv)
{
    if (g_strcmp0(getenv(TUNABLES), NO_CACHE) != 0) {
        setenv(TUNABLES, NO_CACHE, 1);
        execv("/proc/self/exe", argv);
    }
    g_test_init(&argc, &argv, NULL);
    pc_bench_init();
    g_test_add_func("/starts/two-hundred", test_starts);
    return g_test_run();
}
