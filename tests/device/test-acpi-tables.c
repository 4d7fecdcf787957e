/* SPDX-License-Identifier: MIT */
/* ACPI tables: the loader script is carried out as firmware does, then the tables are walked from
 * the root pointer, summed, and disassembled and compiled again by iasl where it is installed. */
#include "hw/firmware.h"

#include <string.h>

#define TABLES_ADDRESS 0x7fe0000u
#define RSDP_ADDRESS 0xf0000u
#define COMMAND_SIZE 128
#define NAME_SIZE 56

typedef struct Blob {
    const char *name;
    uint64_t address; /* where the firmware of this test puts it */
    uint8_t *bytes;
    gsize size;
    bool allocated;
} Blob;

static Blob blobs[] = {
    {.name = "etc/acpi/tables", .address = TABLES_ADDRESS},
    {.name = "etc/acpi/rsdp", .address = RSDP_ADDRESS},
};

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return GUINT64_FROM_LE(value);
}

static Blob *find_blob(const uint8_t *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(blobs); i++) {
        if (strcmp((const char *)name, blobs[i].name) == 0) {
            return &blobs[i];
        }
    }
    g_error("the script names '%s'", (const char *)name);
}

static uint8_t sum(const uint8_t *bytes, uint64_t size)
{
    uint8_t total = 0;

    while (size--) {
        total += *bytes++;
    }
    return total;
}

static void allocate(const uint8_t *command)
{
    Blob *blob = find_blob(command + 4);
    uint64_t alignment = get(command + 4 + NAME_SIZE, 4);

    g_assert_false(blob->allocated);
    g_assert_cmpuint(alignment, >, 0);
    g_assert_cmpuint(blob->address % alignment, ==, 0);
    g_assert_cmpuint(command[8 + NAME_SIZE], ==, blob == &blobs[0] ? 1 : 2);
    blob->allocated = true;
}

static void add_pointer(const uint8_t *command)
{
    Blob *blob = find_blob(command + 4);
    const Blob *target = find_blob(command + 4 + NAME_SIZE);
    uint64_t offset = get(command + 4 + 2 * NAME_SIZE, 4);
    unsigned size = command[8 + 2 * NAME_SIZE];

    g_assert_true(blob->allocated && target->allocated);
    g_assert_cmpuint(offset + size, <=, blob->size);
    uint64_t value = get(blob->bytes + offset, size);
    g_assert_cmpuint(value, <, target->size);
    value = GUINT64_TO_LE(value + target->address);
    memcpy(blob->bytes + offset, &value, size);
}

static void add_checksum(const uint8_t *command)
{
    Blob *blob = find_blob(command + 4);
    const uint8_t *arguments = command + 4 + NAME_SIZE;
    uint64_t result = get(arguments, 4), start = get(arguments + 4, 4),
             size = get(arguments + 8, 4);

    g_assert_cmpuint(start + size, <=, blob->size);
    g_assert_cmpuint(result, >=, start);
    g_assert_cmpuint(result, <, start + size);
    blob->bytes[result] -= sum(blob->bytes + start, size);
}

static void run_script(FwCfg *fw_cfg)
{
    gsize size;
    const uint8_t *script = g_bytes_get_data(fw_cfg_get_file(fw_cfg, "etc/table-loader"), &size);

    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size % COMMAND_SIZE, ==, 0);
    for (gsize at = 0; at < size; at += COMMAND_SIZE) {
        switch (get(script + at, 4)) {
        case 1:
            allocate(script + at);
            break;
        case 2:
            add_pointer(script + at);
            break;
        case 3:
            add_checksum(script + at);
            break;
        default:
            g_error("unknown command in the script");
        }
    }
}

static void load(const AcpiConfig *config)
{
    FwCfg *fw_cfg = (FwCfg *)object_new(type_find("fw_cfg_io"));

    g_assert_true(acpi_tables_add(fw_cfg, config, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(blobs); i++) {
        GBytes *bytes = fw_cfg_get_file(fw_cfg, blobs[i].name);
        blobs[i].size = g_bytes_get_size(bytes);
        g_free(blobs[i].bytes);
        blobs[i].bytes = g_memdup2(g_bytes_get_data(bytes, NULL), blobs[i].size);
        blobs[i].allocated = false;
    }
    run_script(fw_cfg);
    object_free((Object *)fw_cfg);
}

/* The table at a guest address; checks its length and sum. */
static const uint8_t *table_at(uint64_t address, const char *signature)
{
    const Blob *tables = &blobs[0];

    g_assert_cmpuint(address, >=, TABLES_ADDRESS);
    g_assert_cmpuint(address + 8, <=, TABLES_ADDRESS + tables->size);
    const uint8_t *table = tables->bytes + (address - TABLES_ADDRESS);
    uint64_t size = get(table + 4, 4);
    g_assert_cmpuint(address + size, <=, TABLES_ADDRESS + tables->size);
    g_assert_cmpint(memcmp(table, signature, 4), ==, 0);
    if (strcmp(signature, "FACS") != 0) {
        g_assert_cmpuint(sum(table, size), ==, 0);
    }
    return table;
}

static const char *const table_order[] = {"FACP", "APIC", "HPET", "WAET"};
enum { SRAT_PLACE = 4, SLIT_PLACE, HMAT_PLACE }; /* of those that only machines with nodes have */

static const uint8_t *table_number(unsigned place, const char *signature)
{
    const uint8_t *xsdt = table_at(get(blobs[1].bytes + 24, 8), "XSDT");

    g_assert_cmpuint(36 + 8 * place, <, get(xsdt + 4, 4));
    return table_at(get(xsdt + 36 + 8 * place, 8), signature);
}

static const uint8_t *find_table(const char *signature)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(table_order); i++) {
        if (strcmp(table_order[i], signature) == 0) {
            return table_number(i, signature);
        }
    }
    g_assert_not_reached();
}

static uint32_t same_number(unsigned index)
{
    return index;
}

static const AcpiConfig small = {.cpu_count = 1,
                                 .apic_id = same_number,
                                 .low_memory = 512 << 20,
                                 .serial_ports = 1,
                                 .hpet_timers = 3};
static const AcpiConfig large = {.cpu_count = 255,
                                 .apic_id = same_number,
                                 .low_memory = 3ull << 30,
                                 .serial_ports = 15,
                                 .panic_port = 0x505,
                                 .hpet_timers = 3};

static void test_roots(void)
{
    load(&small);
    const uint8_t *rsdp = blobs[1].bytes;

    g_assert_cmpint(memcmp(rsdp, "RSD PTR ", 8), ==, 0);
    g_assert_cmpuint(sum(rsdp, 20), ==, 0);
    g_assert_cmpuint(sum(rsdp, 36), ==, 0);
    const uint8_t *rsdt = table_at(get(rsdp + 16, 4), "RSDT");
    const uint8_t *xsdt = table_at(get(rsdp + 24, 8), "XSDT");
    g_assert_cmpuint(get(rsdt + 4, 4), ==, 36 + 4 * G_N_ELEMENTS(table_order));
    g_assert_cmpuint(get(xsdt + 4, 4), ==, 36 + 8 * G_N_ELEMENTS(table_order));
    for (unsigned i = 0; i < G_N_ELEMENTS(table_order); i++) {
        g_assert_cmphex(get(rsdt + 36 + 4 * i, 4), ==, get(xsdt + 36 + 8 * i, 8));
        find_table(table_order[i]);
    }
}

static void test_fixed_description(void)
{
    load(&small);
    const uint8_t *fadt = find_table("FACP");

    g_assert_cmphex(get(fadt + 36, 4) % 64, ==, 0);
    table_at(get(fadt + 36, 4), "FACS");
    table_at(get(fadt + 40, 4), "DSDT");
    g_assert_cmphex(get(fadt + 140, 8), ==, get(fadt + 40, 4));
    g_assert_cmpuint(get(fadt + 46, 2), ==, 9);
    g_assert_cmphex(get(fadt + 48, 4), ==, 0xb2);
    g_assert_cmphex(get(fadt + 56, 4), ==, 0x600);
    g_assert_cmphex(get(fadt + 64, 4), ==, 0x604);
    g_assert_cmphex(get(fadt + 76, 4), ==, 0x608);
    g_assert_cmphex(get(fadt + 80, 4), ==, 0xafe0);
    g_assert_cmphex(get(fadt + 152, 8), ==,
                    0x0600); /* X_PM1a_EVT_BLK: address in the second half */
}

static void test_processors(void)
{
    load(&large);
    const uint8_t *madt = find_table("APIC");
    unsigned local = 0, io = 0, overrides = 0;

    for (const uint8_t *entry = madt + 44; entry < madt + get(madt + 4, 4); entry += entry[1]) {
        g_assert_cmpuint(entry[1], >=, 2);
        if (entry[0] == 0) {
            g_assert_cmpuint(entry[3], ==, local++);
        }
        io += entry[0] == 1;
        overrides += entry[0] == 2;
    }
    g_assert_cmpuint(local, ==, 255);
    g_assert_cmpuint(io, ==, 1);
    g_assert_cmpuint(overrides, ==, 5);
}

static void test_hpet(void)
{
    AcpiConfig without = small;

    load(&small);
    const uint8_t *hpet = find_table("HPET");
    g_assert_cmpuint(get(hpet + 4, 4), ==, 56);
    g_assert_cmphex(get(hpet + 36, 4), ==, 0x8086a201);
    g_assert_cmphex(get(hpet + 40, 4), ==, 0); /* in memory */
    g_assert_cmphex(get(hpet + 44, 8), ==, 0xfed00000);
    gsize size = blobs[0].size;
    without.hpet_timers = 0;
    load(&without);
    g_assert_cmpuint(blobs[0].size, <, size - 56);
    const uint8_t *xsdt = table_at(get(blobs[1].bytes + 24, 8), "XSDT");
    g_assert_cmpuint(get(xsdt + 4, 4), ==, 36 + 8 * (G_N_ELEMENTS(table_order) - 1));
}

/* -- Nodes ------------------------------------------------------------------------------------- */

#define MIB (1ull << 20)

/* Three nodes on three sides: below the hole at 1 MiB, across that below 4 GiB, behind it. */
static void load_nodes(bool has_distances)
{
    static uint8_t node_of_cpu[] = {2, 0, 1};
    static Numa numa = {.count = 4,
                        .nodes = {{.size = MIB / 2}, {.size = 300 * MIB}, {.size = 8 * MIB}},
                        .node_of_cpu = node_of_cpu,
                        .distances = {{10, 20, 30, 40}, {21, 10}, {31, 255, 10}, {41, 0, 0, 10}}};
    AcpiConfig config = small;

    numa.has_distances = has_distances;
    config.numa = &numa;
    config.cpu_count = 3;
    config.low_memory = 256 * MIB;
    load(&config);
}

static void test_processor_nodes(void)
{
    static const uint8_t nodes[] = {2, 0, 1};

    load_nodes(false);
    const uint8_t *srat = table_number(SRAT_PLACE, "SRAT");
    g_assert_cmpuint(get(srat + 36, 4), ==, 1);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *entry = srat + 48 + 16 * i;
        g_assert_cmpuint(get(entry, 2), ==, 0x1000);
        g_assert_cmpuint(entry[2], ==, nodes[i]);
        g_assert_cmpuint(entry[3], ==, i);
        g_assert_cmpuint(get(entry + 4, 4), ==, 1);
    }
}

static void test_memory_nodes(void)
{
    static const struct {
        uint64_t node, start, size;
    } wanted[] = {
        {0, 0, MIB / 2},
        {1, MIB / 2, 0xa0000 - MIB / 2},
        {1, MIB, 255 * MIB},
        {1, 4096 * MIB, 44 * MIB + MIB / 2},
        {2, 4096 * MIB + 44 * MIB + MIB / 2, 8 * MIB},
    };

    load_nodes(false);
    const uint8_t *srat = table_number(SRAT_PLACE, "SRAT");
    g_assert_cmpuint(get(srat + 4, 4), ==, 48 + 3 * 16 + G_N_ELEMENTS(wanted) * 40);
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const uint8_t *entry = srat + 48 + 3 * 16 + 40 * i;
        g_assert_cmpuint(get(entry, 2), ==, 0x2801);
        g_assert_cmpuint(get(entry + 2, 4), ==, wanted[i].node);
        g_assert_cmphex(get(entry + 8, 8), ==, wanted[i].start);
        g_assert_cmphex(get(entry + 16, 8), ==, wanted[i].size);
        g_assert_cmpuint(get(entry + 28, 4), ==, 1);
    }
    const uint8_t *xsdt = table_at(get(blobs[1].bytes + 24, 8), "XSDT");
    g_assert_cmpuint(get(xsdt + 4, 4), ==, 36 + 8 * SLIT_PLACE);
}

static void test_distances(void)
{
    static const uint8_t wanted[] = {10, 20, 30, 40, 21, 10, 0, 0, 31, 255, 10, 0, 41, 0, 0, 10};

    load_nodes(true);
    const uint8_t *slit = table_number(SLIT_PLACE, "SLIT");
    g_assert_cmpuint(get(slit + 36, 8), ==, 4);
    g_assert_cmpuint(get(slit + 4, 4), ==, 44 + sizeof(wanted));
    g_assert_cmpmem(slit + 44, sizeof(wanted), wanted, sizeof(wanted));
}

static void load_attributes(void)
{
    static const NumaRate latencies[] = {{0, 0, 50}, {0, 1, 100}};
    static uint8_t node_of_cpu[] = {0};
    static Numa numa = {
        .count = 3,
        .nodes = {{.size = MIB,
                   .cache_levels = 1,
                   .caches = {{.size = 0x2800, .associativity = 1, .policy = 2, .line = 64}}},
                  {.size = MIB, .initiator = -1},
                  {.initiator = -1}},
        .node_of_cpu = node_of_cpu,
        .has_distances = true,
        .distances = {{10, 20, 20}, {20, 10, 20}, {20, 20, 10}},
        .has_attributes = true};
    AcpiConfig config = small;

    numa.rates[1][2].list = g_array_new(FALSE, FALSE, sizeof(NumaRate));
    numa.rates[1][2].unit = 10;
    g_array_append_vals(numa.rates[1][2].list, latencies, G_N_ELEMENTS(latencies));
    config.numa = &numa;
    load(&config);
    g_array_unref(numa.rates[1][2].list);
}

static void test_attributes(void)
{
    static const uint8_t wanted[] = {
        /* node 0 is its own initiator */
        0, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /**/
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        /* node 1 has none */
        0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, /**/
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        /* node 2 has no memory; write latency of first-level caches, in 10,000 ps, from node 0 */
        1, 0, 0, 0, 54, 0, 0, 0, 1, 2, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,      /**/
        0x10, 0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, /**/
        5, 0, 10, 0, 0, 0,
        /* the cache of node 0: level 1 of 1, direct, write-through, 64 bytes a line */
        2, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0, 0, 0, 0, 0, 0, /**/
        0x11, 0x21, 64, 0, 0, 0, 0, 0};

    load_attributes();
    const uint8_t *hmat = table_number(HMAT_PLACE, "HMAT");
    g_assert_cmpuint(hmat[8], ==, 2);
    g_assert_cmpuint(get(hmat + 4, 4), ==, 40 + sizeof(wanted));
    g_assert_cmpmem(hmat + 40, sizeof(wanted), wanted, sizeof(wanted));
}

/* -- iasl -------------------------------------------------------------------------------------- */

static char *run_iasl(const char *dir, const char *const *arguments)
{
    g_autofree char *errors = NULL;
    char *output = NULL;
    int status;

    g_assert_true(g_spawn_sync(dir, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                               &output, &errors, &status, NULL));
    if (status != 0) {
        g_error("iasl: %s%s", output, errors);
    }
    return output;
}

static void check_by_iasl(const char *dir, const uint8_t *table)
{
    g_autofree char *name = g_strdup_printf("%.4s", (const char *)table);
    g_autofree char *binary = g_strdup_printf("%s/%s.dat", dir, name);
    g_autofree char *source = g_strdup_printf("%s/%s.dsl", dir, name);
    /* 3168: Processor() is out of fashion, but the only form old systems know. */
    const char *disassemble[] = {"iasl", "-d", binary, NULL};
    const char *compile[] = {"iasl", "-vw", "3168", source, NULL};

    g_assert_true(
        g_file_set_contents(binary, (const char *)table, (gssize)get(table + 4, 4), NULL));
    g_autofree char *text = run_iasl(dir, disassemble);
    g_autofree char *result = run_iasl(dir, compile);
    if (!strstr(result, " 0 Errors, 0 Warnings")) {
        g_error("iasl on %s: %s", name, result);
    }
}

static void test_iasl(void)
{
    g_autofree char *iasl = g_find_program_in_path("iasl");
    g_autofree char *dir = NULL;

    if (!iasl) {
        g_test_skip("iasl is not installed (package acpica-tools)");
        return;
    }
    dir = g_dir_make_tmp("acpi-XXXXXX", NULL);
    load(&large);
    const uint8_t *fadt = find_table("FACP");
    check_by_iasl(dir, table_at(get(fadt + 40, 4), "DSDT"));
    for (unsigned i = 0; i < G_N_ELEMENTS(table_order); i++) {
        check_by_iasl(dir, find_table(table_order[i]));
    }
    load_nodes(true);
    check_by_iasl(dir, table_number(SRAT_PLACE, "SRAT"));
    check_by_iasl(dir, table_number(SLIT_PLACE, "SLIT"));
    load_attributes();
    check_by_iasl(dir, table_number(HMAT_PLACE, "HMAT"));
    g_autofree char *clean = g_strdup_printf("rm -r %s", dir);
    g_assert_true(g_spawn_command_line_sync(clean, NULL, NULL, NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/roots", test_roots);
    g_test_add_func("/acpi/fadt", test_fixed_description);
    g_test_add_func("/acpi/madt", test_processors);
    g_test_add_func("/acpi/hpet", test_hpet);
    g_test_add_func("/acpi/srat/processors", test_processor_nodes);
    g_test_add_func("/acpi/srat/memory", test_memory_nodes);
    g_test_add_func("/acpi/slit", test_distances);
    g_test_add_func("/acpi/hmat", test_attributes);
    g_test_add_func("/acpi/iasl", test_iasl);
    return g_test_run();
}
