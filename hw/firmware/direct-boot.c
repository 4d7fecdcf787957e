/* SPDX-License-Identifier: MIT */
/* Direct boot: picks the kernel's format, and makes the option ROM that loads and enters it. */
#include "hw/firmware/direct-boot.h"

#include "util/file.h"

#include <assert.h>
#include <string.h>

#define ROM_NAME "genroms/mimus-boot.bin"
#define ROM_BLOCK 512
#define PNP_HEADER_SIZE 32
#define PNP_CHECKSUM_OFFSET 9
#define PAGE_MASK 0xfffull

/* SeaBIOS keeps its tables at the end of memory: kernels and initrds stay out of there. */
#define FIRMWARE_RESERVE (1u << 20)

enum { DMA_SELECT_AND_READ = 0x0a };

extern const uint8_t boot_rom_image[], boot_rom_plan[], boot_rom_pnp[], boot_rom_end[];

/* What the item has not is read as zeros. */
static void add_request(DirectBoot *boot, uint16_t key, uint64_t address, uint64_t size)
{
    assert(boot->piece_count < BOOT_PIECES_MAX);
    if (size) {
        boot->plan.pieces[boot->piece_count++] = (BootPiece){
            .control = GUINT32_TO_BE((uint32_t)key << 16 | DMA_SELECT_AND_READ),
            .size = GUINT32_TO_BE((uint32_t)size),
            .address = GUINT64_TO_BE(address),
        };
    }
}

void direct_boot_add_piece(DirectBoot *boot, uint16_t key, uint64_t address, GBytes *bytes)
{
    fw_cfg_set(boot->fw_cfg, key, bytes);
    add_request(boot, key, address, g_bytes_get_size(bytes));
}

void direct_boot_add_image(DirectBoot *boot, const ElfImage *image)
{
    fw_cfg_set(boot->fw_cfg, FW_CFG_KERNEL_DATA, image->bytes);
    add_request(boot, FW_CFG_KERNEL_DATA, image->address, image->memory_size);
}

GBytes *direct_boot_read_file(const char *option, const char *path, Error **err)
{
    size_t size;
    char *data = file_read(path, &size, err);

    if (!data) {
        error_prefix(err, "%s: ", option);
        return NULL;
    }
    return g_bytes_new_take(data, size);
}

void direct_boot_add_cmdline(DirectBoot *boot, const char *text)
{
    size_t size = strlen(text) + 1;
    g_autoptr(GBytes) bytes = g_bytes_new(text, size);

    direct_boot_add_piece(boot, FW_CFG_CMDLINE_DATA, BOOT_CMDLINE_ADDRESS, bytes);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_CMDLINE_ADDRESS, BOOT_CMDLINE_ADDRESS, 4);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_CMDLINE_SIZE, size, 4);
}

bool direct_boot_place_initrd(const DirectBoot *boot, uint64_t size, uint64_t floor, uint64_t limit,
                              uint64_t *ret_address, Error **err)
{
    uint64_t end = MIN(boot->memory_end, limit);

    if (end < floor || size > end - floor || ((end - size) & ~PAGE_MASK) < floor) {
        return error_set(err,
                         "-initrd: '%s' (%" G_GUINT64_FORMAT " KiB) does not fit into the guest's "
                         "memory behind the kernel; give it more with -m",
                         boot->machine->initrd, size >> 10);
    }
    *ret_address = (end - size) & ~PAGE_MASK;
    return true;
}

/* -- Option ROM -------------------------------------------------------------------------------- */

static uint8_t negated_sum(const uint8_t *bytes, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return (uint8_t)-sum;
}

static GBytes *make_rom(const BootPlan *plan)
{
    size_t code_size = (size_t)(boot_rom_end - boot_rom_image);
    size_t size = (code_size + 1 + ROM_BLOCK - 1) / ROM_BLOCK * ROM_BLOCK;
    uint8_t *rom = g_malloc0(size);
    uint8_t *pnp = rom + (boot_rom_pnp - boot_rom_image);

    memcpy(rom, boot_rom_image, code_size);
    memcpy(rom + (boot_rom_plan - boot_rom_image), plan, sizeof(*plan));
    rom[2] = (uint8_t)(size / ROM_BLOCK);
    pnp[PNP_CHECKSUM_OFFSET] = negated_sum(pnp, PNP_HEADER_SIZE);
    rom[size - 1] = negated_sum(rom, size);
    return g_bytes_new_take(rom, size);
}

static bool load_kernel(DirectBoot *boot, Error **err)
{
    if (linux_boot_is_image(boot->kernel)) {
        return linux_boot_load(boot, err);
    }
    if (multiboot_is_image(boot->kernel)) {
        return multiboot_load(boot, err);
    }
    if (pvh_boot_is_image(boot->kernel)) {
        return pvh_boot_load(boot, err);
    }
    if (elf_is_image(boot->kernel)) {
        error_set(err, "-kernel: '%s' is an ELF file without a PVH entry note or multiboot header",
                  boot->machine->kernel);
        error_hint(err, "a Linux vmlinux has the note when built with CONFIG_PVH; bzImage works "
                        "in any case");
        return false;
    }
    return error_set(err,
                     "-kernel: '%s' is no kernel this machine can start: bzImage, multiboot, "
                     "and ELF with a PVH entry note are",
                     boot->machine->kernel);
}

bool direct_boot_load(FwCfg *fw_cfg, const Machine *machine, uint64_t low_memory,
                      const char **ret_rom, Error **err)
{
    DirectBoot boot = {
        .fw_cfg = fw_cfg,
        .machine = machine,
        .memory_end = low_memory > FIRMWARE_RESERVE ? low_memory - FIRMWARE_RESERVE : 0,
    };
    g_autoptr(GBytes) kernel = direct_boot_read_file("-kernel", machine->kernel, err);

    G_STATIC_ASSERT(sizeof(BootPlan) == 160);
    if (!kernel) {
        return false;
    }
    boot.kernel = kernel;
    if (!load_kernel(&boot, err)) {
        return false;
    }
    g_autoptr(GBytes) rom = make_rom(&boot.plan);
    if (!fw_cfg_set_file(fw_cfg, ROM_NAME, rom, err)) {
        return false;
    }
    *ret_rom = ROM_NAME;
    return true;
}
