/* SPDX-License-Identifier: MIT */
/* What all boards share: names, CPU topology, memory, boot order, clock, firmware search. */
#include "hw/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const board_aliases[] = {"tb", "test-board-0.9", NULL};
static const MachineInfo board_info = {
    .name = "test-board-1.0",
    .desc = "board of a test",
    .aliases = board_aliases,
    .max_cpus = 16,
    .default_ram = 64ull << 20,
};
static const Type board_type = {
    .name = "test-board-1.0-machine",
    .parent = &machine_type,
    .size = sizeof(Machine),
    .info = &board_info,
};
OBJECT_TYPE(board_type);

static Machine *new_board(const char *settings)
{
    Machine *machine = (Machine *)object_new(&board_type);
    g_auto(GStrv) pairs = g_strsplit(settings, " ", -1);

    for (char **pair = pairs; *pair; pair++) {
        g_auto(GStrv) halves = g_strsplit(*pair, "=", 2);
        Error *err = NULL;
        if (halves[0]) {
            object_set(&machine->obj, halves[0], halves[1], &err);
            g_assert_null(err);
        }
    }
    return machine;
}

static void expect_refused(const char *settings, const char *message)
{
    g_autoptr(Error) err = NULL;
    Machine *machine = new_board(settings);

    g_assert_false(object_realize(&machine->obj, &err));
    g_assert_cmpstr(error_message(err), ==, message);
    object_free(&machine->obj);
}

static void test_names(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_true(machine_find("test-board-1.0") == &board_type);
    g_assert_true(machine_find("tb") == &board_type);
    g_assert_true(machine_find("test-board-0.9") == &board_type);
    g_assert_null(machine_find("test-board-1.0-machine"));
    g_assert_true(machine_find("pc") == machine_default());
    g_assert_null(machine_find_or_fail("test-board-1.1", &err));
    g_assert_cmpstr(error_message(err), ==,
                    "unknown machine 'test-board-1.1'; did you mean 'test-board-1.0'?");
    g_autofree char *help = machine_help();
    g_assert_nonnull(
        strstr(help, "tb                   board of a test (alias of test-board-1.0)\n"));
}

static void test_topology(void)
{
    static const struct {
        const char *settings;
        MachineCpus cpus; /* count max sockets dies cores threads */
    } rows[] = {
        {"", {1, 1, 1, 1, 1, 1}},
        {"smp.cpus=4", {4, 4, 1, 1, 4, 1}},
        {"smp.cpus=4 smp.sockets=2", {4, 4, 2, 1, 2, 1}},
        {"smp.cpus=8 smp.sockets=2 smp.threads=2", {8, 8, 2, 1, 2, 2}},
        {"smp.sockets=2 smp.cores=3", {6, 6, 2, 1, 3, 1}},
        {"smp.cpus=2 smp.maxcpus=8", {2, 8, 1, 1, 8, 1}},
        {"smp.cpus=4 smp.cores=2", {4, 4, 2, 1, 2, 1}},
        {"smp.cpus=8 smp.sockets=2 smp.cores=2", {8, 8, 2, 1, 2, 2}},
        {"smp.maxcpus=6", {6, 6, 1, 1, 6, 1}},
        {"smp.cpus=8 smp.dies=2", {8, 8, 1, 2, 4, 1}},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Machine *machine = new_board(rows[i].settings);
        g_assert_true(object_realize(&machine->obj, NULL));
        g_assert_cmpmem(&machine->cpus, sizeof(machine->cpus), &rows[i].cpus, sizeof(MachineCpus));
        object_free(&machine->obj);
    }
    expect_refused("smp.cpus=5 smp.cores=2",
                   "-smp: 2 sockets x 1 dies x 2 cores x 1 threads are not 5 CPUs");
    expect_refused("smp.cpus=3 smp.maxcpus=2", "-smp: 3 CPUs are more than maxcpus=2");
    expect_refused("smp.cpus=17",
                   "-smp: machine 'test-board-1.0' has room for 16 CPUs, not for 17");
    expect_refused("smp.sockets=4294967295 smp.cores=4294967295 smp.threads=4294967295",
                   "-smp: numbers go up to 255");
}

static void test_memory(void)
{
    Machine *machine = new_board("");

    g_assert_true(object_realize(&machine->obj, NULL));
    g_assert_cmpuint(machine->ram_size, ==, 64 << 20);
    object_free(&machine->obj);
    machine = new_board("memory.size=4097");
    g_assert_true(object_realize(&machine->obj, NULL));
    g_assert_cmpuint(machine->ram_size, ==, 8192);
    object_free(&machine->obj);
    expect_refused("memory.size=18446744073709551615", "-m: guests have at most 1 TiB of memory");
    expect_refused("memory-backend=m", "memory-backend=m: no memory back end 'm'");

    Object *backend = object_new(type_find("memory-backend-ram"));
    object_set(backend, "size", "2M", NULL);
    object_add_child(object_container("/objects"), "m", backend);
    g_assert_true(object_realize(backend, NULL));
    expect_refused("memory-backend=m memory.size=4M", "-m: memory-backend=m has 2 MiB, not 4");
    expect_refused("memory-backend=m memory.path=x",
                   "-mem-path and memory-backend= exclude each other");
    machine = new_board("memory-backend=m");
    g_assert_true(object_realize(&machine->obj, NULL));
    g_assert_cmpuint(machine->ram_size, ==, 2 << 20);
    RamBlock *block = machine_new_ram(machine, "ram", NULL);
    g_assert_cmpuint(block->size, ==, 2 << 20);
    ram_block_unref(block);
    object_free(&machine->obj);
    object_free(backend);
}

static void test_boot_and_kernel(void)
{
    Machine *machine = new_board("boot.order=dc boot.once=n");

    g_assert_true(object_realize(&machine->obj, NULL));
    object_free(&machine->obj);
    expect_refused("boot.order=cd1", "-boot: order=cd1: '1' is no boot device; a, c, d and n are");
    expect_refused("boot.once=nn", "-boot: once=nn names 'n' twice");
    expect_refused("initrd=x", "-initrd makes no sense without -kernel");
    expect_refused("append=x", "-append makes no sense without -kernel");
}

static void test_rtc(void)
{
    Machine *machine = new_board("rtc.base=2006-06-17T16:01:21");

    g_assert_true(object_realize(&machine->obj, NULL));
    g_assert_cmpint(machine_rtc_seconds(machine), ==, 1150560081);
    object_free(&machine->obj);
    machine = new_board("rtc.base=2006-06-17");
    g_assert_cmpint(machine_rtc_seconds(machine), ==, 1150502400);
    object_free(&machine->obj);

    setenv("TZ", "XYZ-3", 1); /* three hours ahead of UTC */
    tzset();
    machine = new_board("");
    Machine *local = new_board("rtc.base=localtime");
    int64_t difference = machine_rtc_seconds(local) - machine_rtc_seconds(machine);
    g_assert_cmpint(ABS(difference - 3 * 3600), <=, 1);
    object_free(&machine->obj);
    object_free(&local->obj);
    expect_refused("rtc.base=2006-13-99", "-rtc: base '2006-13-99' is not a time");
    expect_refused("rtc.base=2006-06-17x", "-rtc: base '2006-06-17x' is not a time");
}

static void test_uuid(void)
{
    Machine *machine = new_board("uuid=12345678-9abc-def0-1122-334455667788");
    static const uint8_t bytes[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
                                    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};

    g_assert_cmpmem(machine->uuid, 16, bytes, 16);
    g_autofree char *text = object_get(&machine->obj, "uuid", NULL);
    g_assert_cmpstr(text, ==, "12345678-9abc-def0-1122-334455667788");
    g_assert_false(object_set(&machine->obj, "uuid", "12345678-9abc-def0-1122-33445566778", NULL));
    object_free(&machine->obj);
}

static void test_firmware_search(void)
{
    g_autofree char *folder = g_dir_make_tmp("machine-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "test-firmware.bin", NULL);
    g_autoptr(Error) err = NULL;
    Machine *machine = new_board("");

    g_assert_null(machine_find_firmware(machine, "test-firmware.bin", &err));
    g_assert_cmpstr(error_message(err), ==, "firmware 'test-firmware.bin' was not found");
    g_assert_nonnull(strstr(error_hint_text(err), "/usr/share/seabios"));
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    g_ptr_array_insert(machine->firmware_dirs, 0, g_strdup(folder));
    g_autofree char *found = machine_find_firmware(machine, "test-firmware.bin", NULL);
    g_assert_cmpstr(found, ==, path);
    g_autofree char *direct = machine_find_firmware(machine, path, NULL);
    g_assert_cmpstr(direct, ==, path);
    remove(path);
    remove(folder);
    object_free(&machine->obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine/names", test_names);
    g_test_add_func("/machine/topology", test_topology);
    g_test_add_func("/machine/memory", test_memory);
    g_test_add_func("/machine/boot-and-kernel", test_boot_and_kernel);
    g_test_add_func("/machine/rtc", test_rtc);
    g_test_add_func("/machine/uuid", test_uuid);
    g_test_add_func("/machine/firmware-search", test_firmware_search);
    return g_test_run();
}
