/* SPDX-License-Identifier: MIT */
/* Firmware image: found at run time, mapped as ROM where the CPU starts. */
#include "hw/firmware.h"

#include "util/file.h"

#include <string.h>

#define DEFAULT_FIRMWARE "bios-256k.bin"
#define DEFAULT_FIRMWARE_PACKAGE "seabios"
#define ROM_GRANULE 65536
#define ROM_SIZE_MAX (16u << 20)
#define LEGACY_SIZE_MAX (128u << 10)
#define LEGACY_END 0x100000u
#define ROM_END 0x100000000ull

static bool read_image(const char *path, char **ret_data, gsize *ret_size, Error **err)
{
    size_t size;
    g_autofree char *data = file_read(path, &size, err);

    if (!data) {
        error_prefix(err, "-bios: ");
        return false;
    }
    if (size == 0 || size % ROM_GRANULE != 0 || size > ROM_SIZE_MAX) {
        return error_set(err,
                         "firmware '%s' has %zu bytes; a multiple of 64 KiB, up to 16 MiB, is "
                         "expected",
                         path, size);
    }
    *ret_data = g_steal_pointer(&data);
    *ret_size = size;
    return true;
}

static void map_image(FirmwareRom *rom, Region *memory)
{
    uint64_t size = rom->ram->size;
    uint64_t legacy_size = MIN(size, LEGACY_SIZE_MAX);

    region_transaction_begin();
    region_init(&rom->top,
                &(RegionDesc){.name = "bios", .kind = REGION_ROM, .size = size, .ram = rom->ram});
    region_init(&rom->legacy, &(RegionDesc){.name = "isa-bios",
                                            .kind = REGION_ALIAS,
                                            .size = legacy_size,
                                            .target = &rom->top,
                                            .target_offset = size - legacy_size});
    region_add(memory, ROM_END - size, &rom->top, 0);
    region_add(memory, LEGACY_END - legacy_size, &rom->legacy, 0);
    region_transaction_commit();
}

bool firmware_rom_load(FirmwareRom *rom, const Machine *machine, Region *memory, Error **err)
{
    const char *name = machine->firmware ? machine->firmware : DEFAULT_FIRMWARE;
    g_autofree char *path = machine_find_firmware(machine, name, err);
    g_autofree char *data = NULL;
    gsize size = 0;

    if (!path) {
        if (!machine->firmware) {
            error_hint(err, "the package '%s' has it", DEFAULT_FIRMWARE_PACKAGE);
        }
        return false;
    }
    if (!read_image(path, &data, &size, err)) {
        return false;
    }
    rom->ram = ram_block_new(&(RamDesc){.name = "pc.bios", .size = size}, err);
    if (!rom->ram) {
        return false;
    }
    memcpy(rom->ram->host, data, size);
    map_image(rom, memory);
    return true;
}

void firmware_rom_free(FirmwareRom *rom)
{
    if (rom->ram) {
        region_fini(&rom->legacy);
        region_fini(&rom->top);
        ram_block_unref(rom->ram);
        rom->ram = NULL;
    }
}
