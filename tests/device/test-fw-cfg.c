/* SPDX-License-Identifier: MIT */
/* fw_cfg: ports, directory, DMA, what the PC board puts in,
 * and direct boot of each kernel format. */
#include "tests/device/pc-bench.h"

#include "block/block.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DMA_BUFFER 0x9000u
#define DMA_DATA 0x20000u

static void select_key(unsigned key)
{
    port_out(0x510, key, 2);
}

static uint64_t read_number(unsigned key, unsigned size)
{
    uint64_t value = 0;

    select_key(key);
    for (unsigned i = 0; i < size; i++) {
        value |= port_in(0x511, 1) << (8 * i);
    }
    return value;
}

/* Runs a DMA request and returns its control word afterwards. */
static uint32_t run_dma(uint32_t control, uint32_t size, uint64_t address)
{
    mem_put(DMA_BUFFER, GUINT32_TO_BE(control), 4);
    mem_put(DMA_BUFFER + 4, GUINT32_TO_BE(size), 4);
    mem_put(DMA_BUFFER + 8, GUINT64_TO_BE(address), 8);
    port_out(0x514, 0, 4);
    port_out(0x518, GUINT32_TO_BE(DMA_BUFFER), 4);
    return GUINT32_FROM_BE((uint32_t)mem_get(DMA_BUFFER, 4));
}

/* Key of a file in the directory as the guest reads it; 0: none. */
static unsigned find_file(const char *name, uint32_t *ret_size)
{
    char text[FW_CFG_NAME_SIZE];

    select_key(FW_CFG_FILE_DIRECTORY);
    uint32_t count = 0;
    for (unsigned i = 0; i < 4; i++) {
        count = count << 8 | (uint32_t)port_in(0x511, 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t head = 0;
        for (unsigned k = 0; k < 8; k++) {
            head = head << 8 | port_in(0x511, 1);
        }
        for (unsigned k = 0; k < sizeof(text); k++) {
            text[k] = (char)port_in(0x511, 1);
        }
        if (strcmp(text, name) == 0) {
            *ret_size = (uint32_t)(head >> 32);
            return head >> 16 & 0xffff;
        }
    }
    return 0;
}

static void test_ports(void)
{
    pc_bench_make("64M");
    g_assert_cmphex(read_number(FW_CFG_SIGNATURE, 4), ==, 0x554d4551); /* "QEMU" */
    g_assert_cmphex(read_number(FW_CFG_ID, 4), ==, 3);
    g_assert_cmpuint(read_number(FW_CFG_RAM_SIZE, 8), ==, 64 << 20);
    g_assert_cmpuint(read_number(FW_CFG_CPU_COUNT, 2), ==, 1);
    g_assert_cmpuint(port_in(0x511, 1), ==, 0); /* behind the end */
    g_assert_cmpuint(read_number(0x1234, 4), ==, 0);
    g_assert_cmphex(port_in(0x514, 4), ==, 0x554d4551);
    g_assert_cmphex(port_in(0x518, 4), ==, 0x47464320);
    pc_bench_free();
}

static void test_directory(void)
{
    uint32_t size;

    pc_bench_make("5G");
    unsigned key = find_file("etc/e820", &size);
    g_assert_cmpuint(key, >=, FW_CFG_FILE_FIRST);
    g_assert_cmpuint(size, ==, 40);
    g_assert_cmphex(run_dma(key << 16 | 0x0a, size, DMA_DATA), ==, 0);
    g_assert_cmphex(mem_get(DMA_DATA + 8, 8), ==, 0xc0000000);
    g_assert_cmphex(mem_get(DMA_DATA + 20, 8), ==, 1ull << 32);
    g_assert_cmphex(mem_get(DMA_DATA + 28, 8), ==, 2ull << 30);
    g_assert_cmpuint(find_file("etc/table-loader", &size), !=, 0);
    g_assert_cmpuint(find_file("etc/nothing", &size), ==, 0);
    pc_bench_free();
}

static void test_dma(void)
{
    pc_bench_make("64M");
    mem_put(DMA_DATA, UINT64_MAX, 8);
    g_assert_cmphex(run_dma(0x0a, 2, DMA_DATA), ==, 0);     /* select, read 2 */
    g_assert_cmphex(run_dma(0x02, 6, DMA_DATA + 2), ==, 0); /* 2 more, then zeros */
    g_assert_cmphex(mem_get(DMA_DATA, 8), ==, 0x554d4551);
    g_assert_cmphex(run_dma(0x0c, 2, 0), ==, 0); /* select, skip 2 */
    g_assert_cmphex(run_dma(0x02, 2, DMA_DATA), ==, 0);
    g_assert_cmphex(mem_get(DMA_DATA, 2), ==, 0x554d);
    g_assert_cmphex(run_dma(0x18, 2, DMA_DATA), ==, 1);   /* items cannot be written */
    g_assert_cmphex(run_dma(0x0a, 4, 0x80000000), ==, 1); /* no memory there */
    pc_bench_free();
}

static void test_files(void)
{
    FwCfg *fw_cfg = (FwCfg *)object_new(type_find("fw_cfg_io"));
    g_autoptr(GBytes) one = g_bytes_new("one", 3);
    g_autoptr(GBytes) two = g_bytes_new("three", 5);
    g_autofree char *name = g_strnfill(FW_CFG_NAME_SIZE, 'x');
    Error *err = NULL;

    g_assert_true(fw_cfg_set_file(fw_cfg, "opt/a", one, NULL));
    g_assert_true(fw_cfg_set_file(fw_cfg, "opt/b", one, NULL));
    g_assert_true(fw_cfg_set_file(fw_cfg, "opt/a", two, NULL));
    g_assert_cmpuint(g_bytes_get_size(fw_cfg_get_file(fw_cfg, "opt/a")), ==, 5);
    g_assert_cmpuint(g_bytes_get_size(fw_cfg_get(fw_cfg, FW_CFG_FILE_DIRECTORY)), ==, 4 + 2 * 64);
    g_assert_false(fw_cfg_set_file(fw_cfg, name, one, &err));
    g_assert_nonnull(strstr(error_message(err), "56 characters"));
    g_clear_pointer(&err, error_free);
    g_assert_false(fw_cfg_set_file(fw_cfg, "", one, NULL));
    object_free((Object *)fw_cfg);
}

static void test_cmos(void)
{
    pc_bench_make("64M");
    port_out(0x70, 0x34, 1);
    g_assert_cmpuint(port_in(0x71, 1), ==, (64 - 16) * 16 % 256);
    port_out(0x70, 0x35, 1);
    g_assert_cmpuint(port_in(0x71, 1), ==, (64 - 16) * 16 / 256);
    port_out(0x70, 0x3d, 1);
    g_assert_cmphex(port_in(0x71, 1), ==, 0x12); /* floppy after disk, */
    port_out(0x70, 0x38, 1);
    g_assert_cmphex(port_in(0x71, 1), ==, 0x30); /* then CD-ROM: "cad" */
    pc_bench_free();
}

static char *write_file(const void *bytes, size_t size)
{
    char *path = NULL;
    int fd = g_file_open_tmp("boot-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    return path;
}

static char *add_disk(unsigned index, off_t size)
{
    char *path = write_file("", 0);
    g_autofree char *text =
        g_strdup_printf("file=%s,format=raw,if=ide,index=%u,id=disk%u", path, index, index);

    g_assert_cmpint(truncate(path, size), ==, 0);
    g_assert_nonnull(drive_new(text, NULL));
    return path;
}

static void test_disk_translation(void)
{
    g_autofree char *small = add_disk(0, 512);
    g_autofree char *large = add_disk(3, 2ll << 30);

    pc_bench_make("64M");
    port_out(0x70, 0x39, 1);
    g_assert_cmphex(port_in(0x71, 1), ==, 0x40); /* LBA for the fourth drive alone */
    pc_bench_free();
    g_unlink(small);
    g_unlink(large);
    object_free(object_resolve("/drives/disk0"));
    object_free(object_resolve("/drives/disk3"));
}

static unsigned boot_order(void)
{
    port_out(0x70, 0x3d, 1);
    return (unsigned)port_in(0x71, 1);
}

static void test_boot_once(void)
{
    Error *err = NULL;

    g_assert_true(pc_bench_try("64M", "boot.once", "d", &err));
    g_assert_cmphex(boot_order(), ==, 0x03);
    machine_reset(pc);
    g_assert_cmphex(boot_order(), ==, 0x12);
    pc_bench_free();
}

static void test_choices(void)
{
    Error *err = NULL;
    uint32_t size;

    g_assert_true(pc_bench_try("64M", "acpi", "off", &err));
    g_assert_cmpuint(find_file("etc/table-loader", &size), ==, 0);
    g_assert_cmphex(config_get(PCI_DEVFN(1, 3), 0, 4), ==, UINT32_MAX);
    pc_bench_free();
    g_assert_true(pc_bench_try("64M", "hpet", "off", &err));
    g_assert_cmphex(mem_get(0xfed00000, 4), ==, UINT32_MAX);
    pc_bench_free();
    pc_bench_make("64M");
    g_assert_cmphex(mem_get(0xfed00000, 4), ==, 0x8086a201);
    pc_bench_free();
}

static void test_names(void)
{
    static const char *const names[] = {"pc", "pc-i440fx-7.2", "pc-i440fx-2.0", "pc-1.3",
                                        "pc-0.13"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_true(machine_find(names[i]) == machine_default());
    }
    g_assert_nonnull(machine_find("none"));
    g_assert_null(machine_find("pc-0.12"));
}

static void test_empty_machine(void)
{
    Object *none = object_new(machine_find("none"));

    object_add_child(object_root(), "machine", none);
    g_assert_true(object_realize(none, NULL));
    g_assert_cmphex(mem_get(0, 4), ==, UINT32_MAX);
    machine_reset(none);
    object_free(none);
}

/* -- Direct boot ------------------------------------------------------------------------------- */

static Error *try_kernel(const char *memory, const void *bytes, size_t size)
{
    g_autofree char *path = write_file(bytes, size);
    Error *err = NULL;

    pc_bench_try(memory, "kernel", path, &err);
    g_unlink(path);
    return err;
}

/* Carries out the plan of the option ROM that fw_cfg holds; returns the plan. */
static const uint8_t *follow_plan(void)
{
    static uint8_t rom[65536];
    uint32_t size;
    uint8_t sum = 0, pnp_sum = 0;
    unsigned key = find_file("genroms/mimus-boot.bin", &size);

    g_assert_cmpuint(key, !=, 0);
    g_assert_cmpuint(size, <=, sizeof(rom));
    run_dma(key << 16 | 0x0a, size, DMA_DATA);
    address_space_read(&address_space_memory, DMA_DATA, rom, size);
    g_assert_cmphex(rom[0] | rom[1] << 8, ==, 0xaa55);
    g_assert_cmpuint(rom[2] * 512u, ==, size);
    for (uint32_t i = 0; i < size; i++) {
        sum += rom[i];
    }
    g_assert_cmphex(sum, ==, 0);
    const uint8_t *pnp = rom + (rom[0x1a] | rom[0x1b] << 8);
    g_assert_cmpint(memcmp(pnp, "$PnP", 4), ==, 0);
    for (unsigned i = 0; i < 32; i++) {
        pnp_sum += pnp[i];
    }
    g_assert_cmphex(pnp_sum, ==, 0);

    const uint8_t *plan = rom + 16; /* starts with the first DMA request: key, select and read */
    while (!(plan[0] == 0 && plan[1] >= FW_CFG_KERNEL_DATA && plan[2] == 0 && plan[3] == 0x0a)) {
        plan += 16;
        g_assert_true(plan < rom + size);
    }
    for (const uint8_t *piece = plan; piece[3]; piece += 16) {
        address_space_write(&address_space_memory, DMA_BUFFER, piece, 16);
        port_out(0x518, GUINT32_TO_BE(DMA_BUFFER), 4);
        g_assert_cmphex(mem_get(DMA_BUFFER, 4), ==, 0);
    }
    return plan;
}

static uint32_t plan_number(const uint8_t *plan, unsigned offset)
{
    uint32_t value;

    memcpy(&value, plan + offset, 4);
    return GUINT32_FROM_LE(value);
}

static void test_linux(void)
{
    uint8_t image[3 * 512] = {0};
    uint32_t size;

    image[0x1f1] = 1; /* one sector of setup besides the first */
    memcpy(image + 0x1fe, "\x55\xaa", 2);
    memcpy(image + 0x202, "HdrS\x0c\x02", 6);
    image[0x211] = 1;
    memcpy(image + 0x22c, "\xff\xff\xff\x7f", 4);
    image[0x239] = 1; /* 256 characters of command line */
    memcpy(image + 1024, "PROTECTED", 9);
    g_assert_null(try_kernel("64M", image, sizeof(image)));
    g_assert_cmpuint(find_file("bootorder", &size), !=, 0);
    const uint8_t *plan = follow_plan();
    g_assert_cmphex(plan_number(plan, 152), ==, 0xfff01000); /* SP and segment */
    g_assert_cmphex(mem_get(0x100000, 4), ==, 0x544f5250);   /* "PROT" */
    g_assert_cmphex(mem_get(0x10210, 1), ==, 0xff);
    g_assert_cmphex(mem_get(0x10211, 1), ==, 0x81);
    g_assert_cmphex(mem_get(0x10228, 4), ==, 0x20000);
    pc_bench_free();

    image[0x211] = 0;
    Error *err = try_kernel("64M", image, sizeof(image));
    g_assert_nonnull(strstr(error_message(err), "is a zImage"));
    error_free(err);
    pc_bench_free();
}

static void test_multiboot(void)
{
    uint32_t image[64] = {0x1badb002, 0x10000,        -(0x1badb002u + 0x10000), 0x200000,
                          0x200000,   0x200000 + 200, 0x200000 + 4096,          0x200040};

    image[16] = 0xf4f4f4f4;
    g_assert_null(try_kernel("64M", image, sizeof(image)));
    mem_put(0x200800, UINT64_MAX, 8);
    const uint8_t *plan = follow_plan();
    g_assert_cmphex(plan_number(plan, 128), ==, 0x200040);
    g_assert_cmphex(plan_number(plan, 132), ==, 0x2badb002);
    g_assert_cmphex(mem_get(0x200040, 4), ==, 0xf4f4f4f4);
    g_assert_cmphex(mem_get(0x200800, 8), ==, 0); /* BSS */
    uint32_t info = plan_number(plan, 136);
    g_assert_cmphex(mem_get(info, 4) & 0x45, ==, 0x45);
    g_assert_cmphex(mem_get(mem_get(info + 16, 4), 1), ==, '/'); /* command line: the path first */
    pc_bench_free();
}

static void test_pvh(void)
{
    struct {
        Elf64_Ehdr header;
        Elf64_Phdr load, note;
        Elf64_Nhdr note_header;
        char name[4];
        uint32_t entry;
    } image = {
        .header = {.e_ident = ELFMAG, .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 2},
        .note_header = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
        .name = "Xen",
        .entry = 0x1000040,
    };

    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.load =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_paddr = 0x1000000, .p_filesz = 64, .p_memsz = 8192};
    image.note = (Elf64_Phdr){.p_type = PT_NOTE,
                              .p_offset = offsetof(typeof(image), note_header),
                              .p_filesz = sizeof(Elf64_Nhdr) + 8};
    g_assert_null(try_kernel("64M", &image, sizeof(image)));
    const uint8_t *plan = follow_plan();
    g_assert_cmphex(plan_number(plan, 128), ==, 0x1000040);
    g_assert_cmphex(mem_get(0x1000000, 4), ==, 0x464c457f);
    g_assert_cmphex(mem_get(plan_number(plan, 136), 4), ==, 0x336ec578);
    pc_bench_free();

    image.load.p_paddr = 1ull << 40;
    Error *err = try_kernel("64M", &image, sizeof(image));
    g_assert_nonnull(strstr(error_message(err), "lies outside of the guest's memory"));
    error_free(err);
    pc_bench_free();

    image.name[0] = 'Y';
    err = try_kernel("64M", &image, sizeof(image));
    g_assert_nonnull(strstr(error_message(err), "without a PVH entry note"));
    error_free(err);
    pc_bench_free();
}

static void test_no_kernel(void)
{
    Error *err = try_kernel("64M", "hello", 5);

    g_assert_nonnull(strstr(error_message(err), "is no kernel"));
    error_free(err);
    pc_bench_free();
    err = NULL;
    g_assert_false(pc_bench_try("64M", "firmware", "/nowhere/bios.bin", &err));
    g_assert_nonnull(strstr(error_message(err), "/nowhere/bios.bin"));
    error_free(err);
    pc_bench_free();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    pc_bench_init();
    g_test_add_func("/fw-cfg/ports", test_ports);
    g_test_add_func("/fw-cfg/directory", test_directory);
    g_test_add_func("/fw-cfg/dma", test_dma);
    g_test_add_func("/fw-cfg/files", test_files);
    g_test_add_func("/pc/cmos", test_cmos);
    g_test_add_func("/pc/disk-translation", test_disk_translation);
    g_test_add_func("/pc/boot-once", test_boot_once);
    g_test_add_func("/pc/choices", test_choices);
    g_test_add_func("/pc/names", test_names);
    g_test_add_func("/none/empty", test_empty_machine);
    g_test_add_func("/boot/linux", test_linux);
    g_test_add_func("/boot/multiboot", test_multiboot);
    g_test_add_func("/boot/pvh", test_pvh);
    g_test_add_func("/boot/none", test_no_kernel);
    return g_test_run();
}
