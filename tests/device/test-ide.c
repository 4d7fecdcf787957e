/* SPDX-License-Identifier: MIT */
/* PIIX3 IDE with a disk: registers, PIO, DMA, interrupts, errors, resets. Run alone:
 * build/tests/test-ide */
#include "block/block.h"
#include "hw/isa.h"
#include "hw/pci.h"
#include "softmmu/run.h"
#include "util/event.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

enum { DATA = 0x1f0, ERROR = 0x1f1, COUNT = 0x1f2, LOW, MID, HIGH, DEVICE, STATUS = 0x1f7 };
enum { CONTROL = 0x3f6, BM = 0xc000 };
enum { BSY = 0x80, DRDY = 0x40, DRQ = 0x08, ERR = 0x01 };
enum { ABRT = 0x04, IDNF = 0x10 };

#define RAM_SIZE (1024 * 1024)
#define DISK_SECTORS 4096
#define TABLE 0x1000
#define BUFFER 0x10000

static Region memory_root, io_root, ram_region;
static RamBlock *ram;
static PciBus pci;
static IsaBus isa;
static Device *controller;
static Drive *drive;
static char *image;
static bool irq_levels[ISA_IRQ_COUNT];
static unsigned irq_edges[ISA_IRQ_COUNT];

/* -- The board of the test --------------------------------------------------------------------- */

static void line_set(void *owner, unsigned n, bool level)
{
    irq_edges[n] += level && !irq_levels[n];
    irq_levels[n] = level;
}

static uint32_t in(uint16_t port, unsigned size)
{
    return (uint32_t)address_space_load(&address_space_io, port, size, NULL);
}

static void out(uint16_t port, uint32_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

static void make_image(void)
{
    g_autofree uint32_t *words = g_new0(uint32_t, DISK_SECTORS * 128);

    for (size_t i = 0; i < DISK_SECTORS * 128; i++) {
        words[i] = (uint32_t)(i / 128) << 8 | (uint32_t)(i % 128);
    }
    g_assert_true(g_file_set_contents(image, (char *)words, DISK_SECTORS * 512, NULL));
}

static void make_board(void)
{
    RegionDesc memory = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc io = {.name = "io", .kind = REGION_CONTAINER, .size = 0x10000};
    RegionDesc desc = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};

    ram = ram_block_new(&(RamDesc){.name = "ram", .size = RAM_SIZE}, NULL);
    desc.ram = ram;
    region_init(&memory_root, &memory);
    region_init(&io_root, &io);
    region_init(&ram_region, &desc);
    region_add(&memory_root, 0, &ram_region, 0);
    address_space_init(&address_space_memory, &memory_root, "memory");
    address_space_init(&address_space_io, &io_root, "io");
    pci_bus_init(&pci, NULL, "pci.0", &io_root, &memory_root);
    isa_bus_init(&isa, NULL, "isa.0", &io_root, &memory_root);
    for (unsigned i = 0; i < ISA_IRQ_COUNT; i++) {
        isa.irqs[i] = (Irq){line_set, NULL, i};
    }
}

/* A fresh controller with one disk, as after power-on. */
static void set_up_with(const char *options)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw%s", image, options);
    Error *err = NULL;

    make_image();
    drive = drive_new(text, &err);
    controller = device_new("piix3-ide", &pci.bus);
    if (!drive || !object_realize(&controller->obj, &err)) {
        g_error("%s", error_message(err));
    }
    object_reset(&controller->obj);
    object_reset(object_container("/machine/unattached"));
    pci_config_write(&pci, 0, PCI_BAR0 + 16, BM, 4);
    pci_config_write(&pci, 0, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    memset(irq_edges, 0, sizeof(irq_edges));
    memset(ram->host, 0, RAM_SIZE);
}

static void set_up(void)
{
    set_up_with("");
}

static void tear_down(void)
{
    object_free(&controller->obj);
    object_free((Object *)drive);
}

static uint8_t wait_idle(void)
{
    while (in(CONTROL, 1) & BSY) {
        main_loop_wait(true);
    }
    return (uint8_t)in(CONTROL, 1);
}

static void command28(uint8_t opcode, uint32_t lba, uint8_t count)
{
    out(COUNT, count, 1);
    out(LOW, lba & 0xff, 1);
    out(MID, lba >> 8 & 0xff, 1);
    out(HIGH, lba >> 16 & 0xff, 1);
    out(DEVICE, 0xe0 | lba >> 24, 1);
    out(STATUS, opcode, 1);
}

static void command48(uint8_t opcode, uint64_t lba, uint16_t count)
{
    out(COUNT, count >> 8, 1);
    out(COUNT, count & 0xff, 1);
    out(LOW, (uint32_t)(lba >> 24) & 0xff, 1);
    out(LOW, lba & 0xff, 1);
    out(MID, (uint32_t)(lba >> 32) & 0xff, 1);
    out(MID, (uint32_t)(lba >> 8) & 0xff, 1);
    out(HIGH, (uint32_t)(lba >> 40) & 0xff, 1);
    out(HIGH, (uint32_t)(lba >> 16) & 0xff, 1);
    out(DEVICE, 0x40, 1);
    out(STATUS, opcode, 1);
}

static void read_words(uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        words[i] = (uint16_t)in(DATA, 2);
    }
}

static void check_sector(const void *bytes, uint32_t lba)
{
    const uint32_t *words = bytes;

    g_assert_cmphex(words[0], ==, lba << 8);
    g_assert_cmphex(words[127], ==, (lba << 8 | 127));
}

/* -- Registers --------------------------------------------------------------------------------- */

static void test_registers(void)
{
    set_up();
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    g_assert_cmphex(in(COUNT, 1), ==, 1);
    g_assert_cmphex(in(LOW, 1), ==, 1);
    g_assert_cmphex(in(MID, 1) | in(HIGH, 1), ==, 0);
    out(COUNT, 0x55, 1);
    out(LOW, 0xaa, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x55);
    g_assert_cmphex(in(LOW, 1), ==, 0xaa);
    out(COUNT, 0x12, 1);
    out(CONTROL, 0x80, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x55);
    out(CONTROL, 0, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x12);
    out(DEVICE, 0xb0, 1);
    g_assert_cmphex(in(STATUS, 1), ==, 0);
    g_assert_cmphex(in(0x177, 1), ==, 0);
    tear_down();
}

static void test_identify(void)
{
    uint16_t words[256];
    char model[41] = "";

    set_up();
    command28(0xec, 0, 0);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x58);
    g_assert_true(irq_levels[14]);
    g_assert_cmphex(in(STATUS, 1), ==, 0x58);
    g_assert_false(irq_levels[14]);
    read_words(words, 256);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    for (unsigned i = 0; i < 20; i++) {
        model[2 * i] = (char)(words[27 + i] >> 8);
        model[2 * i + 1] = (char)words[27 + i];
    }
    g_assert_cmpstr(g_strchomp(model), ==, "QEMU HARDDISK");
    g_assert_cmpuint(words[60], ==, DISK_SECTORS);
    g_assert_cmpuint(words[100], ==, DISK_SECTORS);
    g_assert_cmphex(words[49] & 0x300, ==, 0x300);
    g_assert_cmphex(words[83] & 0xc400, ==, 0x4400);
    g_assert_cmpuint(words[3], ==, 16);
    g_assert_cmpuint(words[6], ==, 63);
    g_assert_cmpuint(words[1], ==, DISK_SECTORS / (16 * 63));
    tear_down();
}

/* -- PIO --------------------------------------------------------------------------------------- */

static void test_pio_read(void)
{
    uint16_t words[256];

    set_up();
    command28(0x20, 5, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(wait_idle(), ==, 0x58);
        g_assert_cmpuint(irq_edges[14], ==, i + 1);
        in(STATUS, 1);
        read_words(words, 256);
        check_sector(words, 5 + i);
    }
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 3);
    g_assert_cmphex(in(DATA, 2), ==, 0);
    tear_down();
}

static void test_pio_write_and_flush(void)
{
    uint16_t words[256];

    set_up();
    command28(0x30, 7, 2);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(wait_idle(), ==, 0x58);
        g_assert_cmpuint(irq_edges[14], ==, i);
        in(STATUS, 1);
        for (unsigned j = 0; j < 128; j++) {
            out(DATA, 0xabcd0000 + i, 4);
        }
    }
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 2);
    in(STATUS, 1);
    command28(0xe7, 0, 0);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 3);
    command28(0x20, 8, 1);
    wait_idle();
    read_words(words, 256);
    g_assert_cmphex(words[254], ==, 1);
    g_assert_cmphex(words[255], ==, 0xabcd);
    tear_down();
}

static void test_multiple(void)
{
    uint16_t words[256 * 4];

    set_up();
    command28(0xc4, 0, 6);
    g_assert_cmphex(in(CONTROL, 1) & ERR, ==, 0);
    command28(0xc6, 0, 3);
    g_assert_cmphex(in(STATUS, 1) & ERR, ==, 0);
    tear_down();
    set_up();
    command28(0xc6, 0, 3);
    g_assert_cmphex(in(STATUS, 1) & ERR, ==, ERR);
    command28(0xc6, 0, 0);
    command28(0xc4, 0, 6);
    g_assert_cmphex(in(ERROR, 1), ==, ABRT);
    command28(0xc6, 0, 4);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    irq_edges[14] = 0;
    command48(0x29, 10, 6);
    wait_idle();
    in(STATUS, 1);
    read_words(words, 4 * 256);
    check_sector(words, 10);
    check_sector(words + 3 * 256, 13);
    g_assert_cmphex(wait_idle(), ==, 0x58);
    in(STATUS, 1);
    read_words(words, 2 * 256);
    check_sector(words + 256, 15);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 2);
    tear_down();
}

static void test_chs(void)
{
    uint16_t words[256];

    set_up();
    out(COUNT, 1, 1);
    out(LOW, 5, 1);
    out(MID, 1, 1);
    out(HIGH, 0, 1);
    out(DEVICE, 0xa2, 1);
    out(STATUS, 0x20, 1);
    wait_idle();
    read_words(words, 256);
    check_sector(words, (1 * 16 + 2) * 63 + 4);
    out(LOW, 0, 1);
    out(STATUS, 0x20, 1);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    out(LOW, 64, 1);
    out(STATUS, 0x20, 1);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    tear_down();
}

static void test_errors(void)
{
    set_up();
    command28(0x20, DISK_SECTORS, 1);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x51);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command28(0x20, DISK_SECTORS - 1, 2);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command48(0x24, 0xffffffffffff, 0);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command28(0xa1, 0, 0);
    g_assert_cmphex(in(ERROR, 1), ==, ABRT);
    g_assert_true(irq_levels[14]);
    out(STATUS, 0xe5, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0xff);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    tear_down();
}

/* -- DMA --------------------------------------------------------------------------------------- */

static void put_long(uint32_t address, uint32_t value)
{
    memcpy(ram->host + address, &value, 4);
}

static void start_dma(uint8_t direction)
{
    out(BM + 4, TABLE, 4);
    out(BM + 2, 0x66, 1);
    out(BM, direction | 1, 1);
}

static void test_dma_read(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 1024 + 100);
    put_long(TABLE + 8, BUFFER + 0x8000);
    put_long(TABLE + 12, 0x80000000 | (1024 - 100));
    command28(0xc8, 100, 4);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x58);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    start_dma(8);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x61);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    g_assert_true(irq_levels[14]);
    check_sector(ram->host + BUFFER, 100);
    check_sector(ram->host + BUFFER + 512, 101);
    g_assert_cmphex(*(uint32_t *)(void *)(ram->host + BUFFER + 1024), ==, 102 << 8);
    g_assert_cmphex(*(uint32_t *)(void *)(ram->host + BUFFER + 0x8000), ==, (102 << 8 | 25));
    in(STATUS, 1);
    g_assert_false(irq_levels[14]);
    out(BM, 0, 1);
    out(BM + 2, 4, 1);
    g_assert_cmphex(in(BM + 2, 1), ==, 0);
    tear_down();
}

static void test_dma_write(void)
{
    uint16_t words[256];

    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    for (unsigned i = 0; i < 65536; i += 4) {
        put_long(BUFFER + i, 0x77000000 + i);
    }
    start_dma(0);
    command48(0x35, 1000, 128);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    command28(0x20, 1127, 1);
    wait_idle();
    read_words(words, 256);
    g_assert_cmphex(words[255], ==, 0x7700);
    g_assert_cmphex(words[254], ==, 0xfffc);
    tear_down();
}

/* A table that ends too early stops the engine without an interrupt; one that is too long leaves
 * it active. */
static void test_dma_lengths(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000 | 1024);
    command28(0xc8, 0, 4);
    start_dma(8);
    wait_idle();
    g_assert_cmphex(in(BM + 2, 1), ==, 0x60);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    check_sector(ram->host + BUFFER + 512, 1);
    out(BM, 0, 1);
    command28(0xc8, 0, 1);
    start_dma(8);
    wait_idle();
    g_assert_cmphex(in(BM + 2, 1), ==, 0x65);
    out(BM, 0, 1);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    tear_down();
}

/* Descriptors that point outside of RAM go through a buffer; a table there is an error. */
static void test_dma_strange_memory(void)
{
    set_up();
    put_long(TABLE, 0xf0000000);
    put_long(TABLE + 4, 512);
    put_long(TABLE + 8, BUFFER);
    put_long(TABLE + 12, 0x80000000 | 512);
    command28(0xc8, 50, 2);
    start_dma(8);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    check_sector(ram->host + BUFFER, 51);
    out(BM, 0, 1);
    command28(0xc8, 50, 2);
    out(BM + 4, 0xf0000000, 4);
    out(BM + 2, 0x06, 1);
    out(BM, 9, 1);
    g_assert_cmphex(in(BM + 2, 1) & 3, ==, 2);
    tear_down();
}

/* -- CD-ROM ------------------------------------------------------------------------------------ */

static Drive *cd_drive;

/* A CD at the secondary channel, with the disk image as its disc or without one. */
static void set_up_cd(bool has_disc)
{
    g_autofree char *text = has_disc
                                ? g_strdup_printf("file=%s,format=raw,media=cdrom,index=2", image)
                                : g_strdup("media=cdrom,index=2");
    Error *err = NULL;

    make_image();
    drive = NULL;
    cd_drive = drive_new(text, &err);
    controller = device_new("piix3-ide", &pci.bus);
    if (!cd_drive || !object_realize(&controller->obj, &err)) {
        g_error("%s", error_message(err));
    }
    object_reset(&controller->obj);
    object_reset(object_container("/machine/unattached"));
    pci_config_write(&pci, 0, PCI_BAR0 + 16, BM, 4);
    pci_config_write(&pci, 0, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    memset(irq_edges, 0, sizeof(irq_edges));
}

static void tear_down_cd(void)
{
    object_free(&controller->obj);
    object_free((Object *)cd_drive);
}

static uint8_t wait_cd(void)
{
    while (in(0x376, 1) & BSY) {
        main_loop_wait(true);
    }
    return (uint8_t)in(0x177, 1);
}

static void send_packet(uint8_t features, uint16_t limit, const uint8_t *packet)
{
    out(0x171, features, 1);
    out(0x174, limit & 0xff, 1);
    out(0x175, limit >> 8, 1);
    out(0x176, 0xa0, 1);
    out(0x177, 0xa0, 1);
    g_assert_cmphex(in(0x376, 1) & (DRQ | BSY), ==, DRQ);
    g_assert_cmphex(in(0x172, 1), ==, 1);
    for (unsigned i = 0; i < 12; i += 2) {
        out(0x170, (uint32_t)(packet[i] | packet[i + 1] << 8), 2);
    }
}

static void read_cd_words(uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        words[i] = (uint16_t)in(0x170, 2);
    }
}

static void test_cd_identify(void)
{
    uint16_t words[256];

    set_up_cd(true);
    g_assert_cmphex(in(0x174, 1), ==, 0x14);
    g_assert_cmphex(in(0x175, 1), ==, 0xeb);
    out(0x177, 0xec, 1);
    g_assert_cmphex(in(0x177, 1) & ERR, ==, ERR);
    g_assert_cmphex(in(0x171, 1), ==, ABRT);
    g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 0xeb14);
    out(0x177, 0xa1, 1);
    wait_cd();
    read_cd_words(words, 256);
    g_assert_cmphex(words[0], ==, 0x85c0);
    tear_down_cd();
}

static void test_cd_pio(void)
{
    const uint8_t capacity[12] = {0x25};
    const uint8_t read[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 2};
    uint16_t words[2048];

    set_up_cd(true);
    send_packet(0, 8, capacity);
    g_assert_cmphex(wait_cd(), ==, 0x58);
    g_assert_cmphex(in(0x172, 1), ==, 2);
    g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 8);
    read_cd_words(words, 4);
    g_assert_cmphex(GUINT16_SWAP_LE_BE(words[1]), ==, DISK_SECTORS / 4 - 1);
    g_assert_cmphex(GUINT16_SWAP_LE_BE(words[3]), ==, 2048);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmphex(in(0x172, 1), ==, 3);
    g_assert_cmpuint(irq_edges[15], ==, 2);
    send_packet(0, 2048, read);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(wait_cd(), ==, 0x58);
        g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 2048);
        read_cd_words(words, 1024);
        check_sector(words, 12 + 4 * i);
        check_sector(words + 768, 15 + 4 * i);
    }
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmpuint(irq_edges[15], ==, 5);
    tear_down_cd();
}

static void test_cd_dma(void)
{
    const uint8_t inquiry[12] = {0x12, 0, 0, 0, 36};
    const uint8_t read[12] = {0xa8, 0, 0, 0, 0, 5, 0, 0, 0, 3};

    set_up_cd(true);
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000 | 6144);
    out(BM + 8 + 4, TABLE, 4);
    send_packet(1, 0, read);
    out(BM + 8, 9, 1);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmphex(in(BM + 10, 1) & 7, ==, 4);
    check_sector(ram->host + BUFFER, 20);
    check_sector(ram->host + BUFFER + 6144 - 512, 31);
    out(BM + 8, 0, 1);
    put_long(TABLE + 4, 0x80000000 | 36);
    send_packet(1, 0, inquiry);
    out(BM + 8, 9, 1);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmpmem(ram->host + BUFFER + 8, 4, "QEMU", 4);
    tear_down_cd();
}

static void test_cd_errors(void)
{
    const uint8_t ready[12] = {0}, sense[12] = {0x03, 0, 0, 0, 18};
    const uint8_t beyond[12] = {0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t unknown[12] = {0xfe};
    uint16_t words[9];

    set_up_cd(false);
    send_packet(0, 18, ready);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x24);
    send_packet(0, 18, sense);
    wait_cd();
    read_cd_words(words, 9);
    g_assert_cmphex(words[1] & 0xff, ==, 2);
    g_assert_cmphex(words[6] & 0xff, ==, 0x3a);
    send_packet(0, 18, unknown);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x54);
    tear_down_cd();
    set_up_cd(true);
    send_packet(0, 18, beyond);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x54);
    tear_down_cd();
}

/* Sends a packet without data; the sense key and code that it ended with, 0: fine. */
static unsigned sense_after(uint8_t opcode, uint8_t byte4)
{
    const uint8_t packet[12] = {opcode, 0, 0, 0, byte4}, sense[12] = {0x03, 0, 0, 0, 18};
    uint16_t words[9];

    send_packet(0, 18, packet);
    if (!(wait_cd() & ERR)) {
        return 0;
    }
    send_packet(0, 18, sense);
    wait_cd();
    read_cd_words(words, 9);
    wait_cd();
    return (words[1] & 0xffu) << 8 | (words[6] & 0xffu);
}

/* GET EVENT STATUS NOTIFICATION about media: the event, and the state of tray and medium. */
static unsigned media_status(void)
{
    const uint8_t packet[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    uint16_t words[4];

    send_packet(0, 8, packet);
    wait_cd();
    read_cd_words(words, 4);
    wait_cd();
    return (words[2] & 0xffu) << 8 | words[2] >> 8;
}

enum { TEST_READY = 0x00, START_STOP = 0x1b, PREVENT_ALLOW = 0x1e };
enum { NOT_READY_NO_MEDIUM = 0x23a, ATTENTION_NEW_MEDIUM = 0x628, NOT_READY_PREVENTED = 0x253 };

static void test_cd_media(void)
{
    Error *err = NULL;

    set_up_cd(true);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, 0);
    g_assert_false(drive_remove_medium(cd_drive, &err)); /* the tray is closed */
    g_clear_pointer(&err, error_free);
    g_assert_true(drive_open_tray(cd_drive, false, NULL));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(media_status(), ==, 0x301);
    g_assert_true(drive_remove_medium(cd_drive, NULL));
    g_assert_true(drive_close_tray(cd_drive, NULL));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(media_status(), ==, 0);
    g_assert_false(drive_change_medium(cd_drive, "/nowhere", "raw", true, false, &err));
    g_clear_pointer(&err, error_free);
    g_assert_true(drive_change_medium(cd_drive, image, "raw", true, false, NULL));
    g_assert_cmphex(media_status(), ==, 0x202);
    g_assert_cmphex(media_status(), ==, 0x002);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, ATTENTION_NEW_MEDIUM);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, 0);
    tear_down_cd();
}

/* The guest's own eject, and its lock against that of others. */
static void test_cd_tray(void)
{
    Error *err = NULL;

    set_up_cd(true);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 1), ==, 0);
    g_assert_cmphex(sense_after(START_STOP, 2), ==, NOT_READY_PREVENTED);
    g_assert_false(drive_open_tray(cd_drive, false, &err));
    g_assert_nonnull(strstr(error_message(err), "has locked the tray"));
    error_free(err);
    g_assert_cmphex(media_status(), ==, 0x102); /* it hears of the wish */
    g_assert_cmphex(media_status(), ==, 0x002); /* once */
    g_assert_true(drive_press_eject(cd_drive, false, NULL));
    g_assert_false(drive_is_tray_open(cd_drive));
    g_assert_cmphex(media_status(), ==, 0x102);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 0), ==, 0);
    g_assert_cmphex(sense_after(START_STOP, 2), ==, 0);
    g_assert_true(drive_is_tray_open(cd_drive));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(sense_after(START_STOP, 3), ==, 0);
    g_assert_false(drive_is_tray_open(cd_drive));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, ATTENTION_NEW_MEDIUM);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 1), ==, 0);
    g_assert_true(drive_open_tray(cd_drive, true, NULL));
    tear_down_cd();
}

/* The medium goes while it is read: between two blocks, on the way from the image, by DMA. */
static void test_cd_torn_out(void)
{
    const uint8_t read[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 8};
    uint16_t words[1024];

    for (unsigned when = 0; when < 4; when++) {
        set_up_cd(true);
        put_long(TABLE, BUFFER);
        put_long(TABLE + 4, 0x80000000 | 16384);
        out(BM + 8 + 4, TABLE, 4);
        send_packet(when >= 2, 2048, read);
        if (when == 0) {
            wait_cd();
            read_cd_words(words, 512);
        } else if (when == 3) {
            out(BM + 8, 9, 1);
        }
        g_assert_true(drive_open_tray(cd_drive, true, NULL));
        g_assert_true(drive_remove_medium(cd_drive, NULL));
        g_assert_cmphex(wait_cd() & (ERR | DRQ), ==, ERR);
        g_assert_cmphex(in(0x171, 1), ==, 0x24);
        out(BM + 8, 0, 1);
        g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
        tear_down_cd();
    }
}

/* Every packet opcode with a few contents ends in one way or another. */
static void test_cd_garbage(void)
{
    GRand *random = g_rand_new_with_seed(21);

    set_up_cd(true);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t packet[12];
        for (unsigned j = 0; j < 12; j++) {
            packet[j] = (uint8_t)(g_rand_int(random) & (j > 1 && j < 8 ? 3 : 0xff));
        }
        packet[0] = (uint8_t)i;
        send_packet(i >> 10 & 1, (uint16_t)g_rand_int(random), packet);
        while (in(0x376, 1) & BSY) {
            main_loop_wait(true);
        }
        out(0x376, 4, 1);
        out(0x376, 0, 1);
    }
    g_rand_free(random);
    tear_down_cd();
}

/* -- Resets ------------------------------------------------------------------------------------ */

static void test_soft_reset(void)
{
    set_up();
    command28(0x20, 5, 3);
    out(CONTROL, 4, 1);
    g_assert_cmphex(in(CONTROL, 1) & BSY, ==, BSY);
    out(CONTROL, 0, 1);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmphex(in(ERROR, 1), ==, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 1);
    block_drain_all();
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    tear_down();
}

static void test_reset_in_flight(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    command28(0xc8, 0, 128);
    start_dma(8);
    object_reset(&controller->obj);
    object_reset(object_container("/machine/unattached"));
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    memset(ram->host + BUFFER, 0xee, 65536);
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmphex(ram->host[BUFFER], ==, 0xee);
    g_assert_cmphex(ram->host[BUFFER + 65535], ==, 0xee);
    tear_down();
}

static void test_stopped_engine(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    command28(0xc8, 0, 128);
    start_dma(8);
    out(BM, 0, 1);
    g_assert_cmphex(in(BM + 2, 1) & 1, ==, 0);
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    command28(0xe5, 0, 0);
    g_assert_cmpuint(irq_edges[14], ==, 1);
    tear_down();
}

static void test_interrupt_disable(void)
{
    set_up();
    out(CONTROL, 2, 1);
    command28(0xe5, 0, 0);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    out(CONTROL, 0, 1);
    g_assert_true(irq_levels[14]);
    in(STATUS, 1);
    g_assert_false(irq_levels[14]);
    tear_down();
}

/* Whatever a guest writes, nothing worse than an error comes of it. */
static void test_garbage(void)
{
    GRand *random = g_rand_new_with_seed(20);

    set_up();
    for (unsigned i = 0; i < 20000; i++) {
        static const uint16_t ports[] = {0x1f0, 0x1f2,  0x1f6, 0x1f7, 0x3f6,
                                         BM,    BM + 4, 0x170, 0x1f4};
        uint16_t port = (uint16_t)(ports[g_rand_int_range(random, 0, 9)] + (i & 1));
        unsigned size = 1u << g_rand_int_range(random, 0, 3);
        if (g_rand_boolean(random)) {
            out(port, g_rand_int(random) & (port == BM + 4 ? 0xfffff : 0xffffffff), size);
        } else {
            in(port, size);
        }
        if (i % 64 == 0) {
            main_loop_wait(false);
        }
    }
    g_rand_free(random);
    tear_down();
}

/* -- A host that fails ------------------------------------------------------------------------- */

static int failing_status, failures; /* atomic */
static BlockDriver failing_driver;
static int (*real_execute)(BlockNode *node, BlockRequest *request);

static int execute_or_fail(BlockNode *node, BlockRequest *request)
{
    int status = __atomic_load_n(&failing_status, __ATOMIC_SEQ_CST);

    if (!status) {
        return real_execute(node, request);
    }
    __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
    return status;
}

static void fail_with(int status)
{
    BlockNode *file = drive_node(drive)->file;

    if (file->driver != &failing_driver) {
        failing_driver = *file->driver;
        real_execute = file->driver->execute;
        failing_driver.execute = execute_or_fail;
        file->driver = &failing_driver;
    }
    __atomic_store_n(&failing_status, status, __ATOMIC_SEQ_CST);
    failures = 0;
}

static void wait_for_stop(void)
{
    int status;

    while (run_state_is_running()) {
        main_loop_wait(true);
        g_assert_false(run_handle_requests(&status));
    }
}

static void write_sector(uint32_t lba)
{
    command28(0x30, lba, 1);
    g_assert_cmphex(wait_idle() & DRQ, ==, DRQ);
    for (unsigned i = 0; i < 256; i++) {
        out(DATA, 0x5a5a, 2);
    }
}

static uint8_t byte_of_image(uint32_t lba)
{
    g_autofree char *bytes = NULL;

    g_assert_true(g_file_get_contents(image, &bytes, NULL, NULL));
    return (uint8_t)bytes[lba * 512];
}

static GString *io_errors;

static void note_io_error(const EventType *type, const json_t *data, int64_t host_us, void *opaque)
{
    if (g_str_equal(type->name, "BLOCK_IO_ERROR")) {
        g_string_append_printf(io_errors, "%s %s %d\n",
                               json_string_value(json_object_get(data, "operation")),
                               json_string_value(json_object_get(data, "action")),
                               json_is_true(json_object_get(data, "nospace")));
    }
}

/* Clients are told of each failure and of what followed. */
static void test_error_events(void)
{
    io_errors = g_string_new(NULL);
    event_listen(note_io_error, &io_errors);
    set_up_with(",werror=ignore,rerror=report");
    fail_with(-ENOSPC);
    write_sector(7);
    wait_idle();
    fail_with(-EIO);
    command28(0x20, 3, 1);
    wait_idle();
    g_assert_cmpstr(io_errors->str, ==, "write ignore 1\nread report 0\n");
    event_unlisten(&io_errors);
    tear_down();
    g_string_free(io_errors, TRUE);
}

/* A full host disk stops the machine; the write is made again as often as it goes on. */
static void test_full_disk(void)
{
    set_up();
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    g_assert_cmpstr(run_state_name(run_state_get()), ==, "io-error");
    g_assert_cmphex(in(CONTROL, 1) & BSY, ==, BSY);
    vm_start(); /* still full */
    wait_for_stop();
    g_assert_cmpint(failures, ==, 2);
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    g_assert_cmphex(byte_of_image(7), ==, 0x5a);
    fail_with(-EIO); /* another error is the guest's */
    write_sector(8);
    g_assert_cmphex(wait_idle() & ERR, ==, ERR);
    g_assert_true(run_state_is_running());
    vm_stop(RUN_STATE_PAUSED);
    tear_down();
}

/* A reset drops what was held, and so does the end. */
static void test_full_disk_and_reset(void)
{
    set_up();
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    object_reset(object_container("/machine/unattached"));
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    g_assert_cmphex(byte_of_image(7), ==, 0);
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    tear_down();
    vm_start();
    vm_stop(RUN_STATE_PAUSED);
}

/* -device ide-hd,werror=,rerror=: where it says something, the drive's own do not count. */
static void test_error_actions_of_device(void)
{
    Drive *own = drive_new("if=none,id=e,werror=report,rerror=stop", NULL);

    g_assert_nonnull(own);
    drive_override_errors(own, 0, 0);
    g_assert_cmpint(drive_error_action(own, false, -EIO), ==, DRIVE_ERROR_REPORT);
    g_assert_cmpint(drive_error_action(own, true, -EIO), ==, DRIVE_ERROR_STOP);
    g_assert_cmpstr(drive_error_choices[3], ==, "stop");
    drive_override_errors(own, 3, 2);
    g_assert_cmpint(drive_error_action(own, false, -EIO), ==, DRIVE_ERROR_STOP);
    g_assert_cmpint(drive_error_action(own, true, -EIO), ==, DRIVE_ERROR_IGNORE);
    object_free((Object *)own);
}

static void test_error_actions(void)
{
    set_up_with(",werror=report,rerror=stop");
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    g_assert_cmphex(wait_idle() & ERR, ==, ERR);
    command28(0x20, 3, 1);
    wait_for_stop();
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & (ERR | DRQ), ==, DRQ);
    g_assert_cmphex(in(DATA, 2), ==, 0x0300);
    vm_stop(RUN_STATE_PAUSED);
    tear_down();

    set_up_with(",werror=ignore");
    fail_with(-EIO);
    write_sector(7);
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    tear_down();
    g_assert_null(drive_new("if=none,rerror=enospc", NULL));
    g_assert_null(drive_new("if=none,werror=maybe", NULL));
}

int main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("test-ide-XXXXXX", NULL);
    int result;

    g_test_init(&argc, &argv, NULL);
    main_loop_set(loop_new("main", NULL, NULL));
    clock_virtual_take_over(0);
    image = g_build_filename(folder, "image", NULL);
    make_board();
    g_test_add_func("/ide/registers", test_registers);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio/read", test_pio_read);
    g_test_add_func("/ide/pio/write-and-flush", test_pio_write_and_flush);
    g_test_add_func("/ide/pio/multiple", test_multiple);
    g_test_add_func("/ide/pio/chs", test_chs);
    g_test_add_func("/ide/errors", test_errors);
    g_test_add_func("/ide/dma/read", test_dma_read);
    g_test_add_func("/ide/dma/write", test_dma_write);
    g_test_add_func("/ide/dma/lengths", test_dma_lengths);
    g_test_add_func("/ide/dma/strange-memory", test_dma_strange_memory);
    g_test_add_func("/ide/cd/identify", test_cd_identify);
    g_test_add_func("/ide/cd/pio", test_cd_pio);
    g_test_add_func("/ide/cd/dma", test_cd_dma);
    g_test_add_func("/ide/cd/errors", test_cd_errors);
    g_test_add_func("/ide/cd/garbage", test_cd_garbage);
    g_test_add_func("/ide/cd/media", test_cd_media);
    g_test_add_func("/ide/cd/tray", test_cd_tray);
    g_test_add_func("/ide/cd/torn-out", test_cd_torn_out);
    g_test_add_func("/ide/full-disk", test_full_disk);
    g_test_add_func("/ide/full-disk-and-reset", test_full_disk_and_reset);
    g_test_add_func("/ide/error-actions", test_error_actions);
    g_test_add_func("/ide/error-events", test_error_events);
    g_test_add_func("/ide/reset/soft", test_soft_reset);
    g_test_add_func("/ide/reset/in-flight", test_reset_in_flight);
    g_test_add_func("/ide/reset/stopped-engine", test_stopped_engine);
    g_test_add_func("/ide/interrupt-disable", test_interrupt_disable);
    g_test_add_func("/ide/error-actions-of-device", test_error_actions_of_device);
    g_test_add_func("/ide/garbage", test_garbage);
    result = g_test_run();
    g_remove(image);
    g_rmdir(folder);
    g_free(image);
    return result;
}
