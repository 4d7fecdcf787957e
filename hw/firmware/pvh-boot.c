/* SPDX-License-Identifier: MIT */
/* ELF kernels with a PVH entry note. Source: Xen, docs/misc/pvh.pandoc and
 * public/arch-x86/hvm/start_info.h. */
#include "hw/firmware/direct-boot.h"

#include <string.h>

#define START_INFO_MAGIC 0x336ec578u
#define START_INFO_VERSION 1

/* Little endian, as all of it. */
typedef struct StartInfo {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp, map;
    uint32_t map_count, reserved;
} StartInfo;

typedef struct Module {
    uint64_t address, size, cmdline, reserved;
} Module;

typedef struct PvhInfo {
    StartInfo start;
    Module initrd;
} PvhInfo;

bool pvh_boot_is_image(GBytes *file)
{
    ElfImage image;

    return elf_is_image(file) && elf_read(file, 0, true, &image, NULL) && image.has_pvh_entry;
}

static bool add_initrd(DirectBoot *boot, uint64_t kernel_end, PvhInfo *info, Error **err)
{
    uint64_t address;

    if (!boot->machine->initrd) {
        return true;
    }
    g_autoptr(GBytes) initrd = direct_boot_read_file("-initrd", boot->machine->initrd, err);
    if (!initrd || !direct_boot_place_initrd(boot, g_bytes_get_size(initrd), kernel_end, UINT32_MAX,
                                             &address, err)) {
        return false;
    }
    direct_boot_add_piece(boot, FW_CFG_INITRD_DATA, address, initrd);
    info->initrd.address = GUINT64_TO_LE(address);
    info->initrd.size = GUINT64_TO_LE(g_bytes_get_size(initrd));
    info->start.module_count = GUINT32_TO_LE(1);
    info->start.modules = GUINT64_TO_LE(BOOT_INFO_ADDRESS + offsetof(PvhInfo, initrd));
    return true;
}

/* The option ROM asks the BIOS for the memory map and counts its entries in the structure. */
static void fill_plan(BootPlan *plan, uint32_t entry)
{
    plan->entry = GUINT32_TO_LE(entry);
    plan->ebx = GUINT32_TO_LE(BOOT_INFO_ADDRESS);
    plan->map = GUINT32_TO_LE(BOOT_MAP_ADDRESS);
    plan->map_count =
        GUINT32_TO_LE(BOOT_INFO_ADDRESS + (uint32_t)offsetof(PvhInfo, start.map_count));
    plan->map_unit = GUINT16_TO_LE(1);
}

bool pvh_boot_load(DirectBoot *boot, Error **err)
{
    const char *append = boot->machine->append ? boot->machine->append : "";
    PvhInfo info = {
        .start = {.magic = GUINT32_TO_LE(START_INFO_MAGIC),
                  .version = GUINT32_TO_LE(START_INFO_VERSION),
                  .cmdline = GUINT64_TO_LE(BOOT_CMDLINE_ADDRESS),
                  .map = GUINT64_TO_LE(BOOT_MAP_ADDRESS)},
    };
    ElfImage image;

    G_STATIC_ASSERT(sizeof(StartInfo) == 56);
    if (!elf_read(boot->kernel, boot->memory_end, false, &image, err)) {
        return false;
    }
    g_autoptr(GBytes) kernel = image.bytes;
    if (strlen(append) >= BOOT_CMDLINE_MAX) {
        return error_set(err, "-append: %zu characters are too many", strlen(append));
    }
    direct_boot_add_image(boot, &image);
    if (!add_initrd(boot, image.address + image.memory_size, &info, err)) {
        return false;
    }
    direct_boot_add_cmdline(boot, append);
    g_autoptr(GBytes) bytes = g_bytes_new(&info, sizeof(info));
    direct_boot_add_piece(boot, FW_CFG_SETUP_DATA, BOOT_INFO_ADDRESS, bytes);
    fill_plan(&boot->plan, image.pvh_entry);
    return true;
}
