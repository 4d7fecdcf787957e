/* SPDX-License-Identifier: MIT */
/* The board of the tests test-ide*. */
#include "tests/device/ide-board.h"

#include "hw/pci.h"
#include "softmmu/run.h"

#include <glib/gstdio.h>
#include <string.h>

#define RAM_SIZE (1024 * 1024)

RamBlock *ram;
Device *controller;
Drive *drive;
char *image;
bool irq_levels[ISA_IRQ_COUNT];
unsigned irq_edges[ISA_IRQ_COUNT];

static Region memory_root, io_root, ram_region;
static PciBus pci;
static IsaBus isa;
static char *folder;

/* -- The machine ------------------------------------------------------------------------------- */

static void line_set(void *owner, unsigned n, bool level)
{
    irq_edges[n] += level && !irq_levels[n];
    irq_levels[n] = level;
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

void ide_board_begin(int *argc, char ***argv)
{
    folder = g_dir_make_tmp("test-ide-XXXXXX", NULL);
    g_test_init(argc, argv, NULL);
    main_loop_set(loop_new("main", NULL, NULL));
    clock_virtual_take_over(0);
    image = g_build_filename(folder, "image", NULL);
    make_board();
}

int ide_board_end(void)
{
    int result = g_test_run();

    g_remove(image);
    g_rmdir(folder);
    g_free(image);
    g_free(folder);
    return result;
}

/* -- Controller and drive ---------------------------------------------------------------------- */

static void make_image(void)
{
    g_autofree uint32_t *words = g_new0(uint32_t, DISK_SECTORS * 128);

    for (size_t i = 0; i < DISK_SECTORS * 128; i++) {
        words[i] = (uint32_t)(i / 128) << 8 | (uint32_t)(i % 128);
    }
    g_assert_true(g_file_set_contents(image, (char *)words, DISK_SECTORS * 512, NULL));
}

void set_up_drive(const char *options)
{
    Error *err = NULL;

    make_image();
    drive = drive_new(options, &err);
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

void set_up_with(const char *options)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw%s", image, options);

    set_up_drive(text);
}

void set_up(void)
{
    set_up_with("");
}

void tear_down(void)
{
    object_free(&controller->obj);
    object_free((Object *)drive);
}

/* -- Ports and RAM ----------------------------------------------------------------------------- */

uint32_t in(uint16_t port, unsigned size)
{
    return (uint32_t)address_space_load(&address_space_io, port, size, NULL);
}

void out(uint16_t port, uint32_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

void put_long(uint32_t address, uint32_t value)
{
    memcpy(ram->host + address, &value, 4);
}

void check_sector(const void *bytes, uint32_t lba)
{
    const uint32_t *words = bytes;

    g_assert_cmphex(words[0], ==, lba << 8);
    g_assert_cmphex(words[127], ==, (lba << 8 | 127));
}

/* -- The primary channel ----------------------------------------------------------------------- */

uint8_t wait_idle(void)
{
    while (in(CONTROL, 1) & BSY) {
        main_loop_wait(true);
    }
    return (uint8_t)in(CONTROL, 1);
}

void command28(uint8_t opcode, uint32_t lba, uint8_t count)
{
    out(COUNT, count, 1);
    out(LOW, lba & 0xff, 1);
    out(MID, lba >> 8 & 0xff, 1);
    out(HIGH, lba >> 16 & 0xff, 1);
    out(DEVICE, 0xe0 | lba >> 24, 1);
    out(STATUS, opcode, 1);
}

void command48(uint8_t opcode, uint64_t lba, uint16_t count)
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

void read_words(uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        words[i] = (uint16_t)in(DATA, 2);
    }
}
