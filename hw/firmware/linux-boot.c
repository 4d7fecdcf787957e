/* SPDX-License-Identifier: MIT */
/* bzImage: takes the file apart and fills in what a boot loader owes the kernel. Protocol: Linux,
 * Documentation/arch/x86/boot.rst. */
#include "hw/firmware/direct-boot.h"

#include <stdlib.h>
#include <string.h>

enum { /* offsets in the setup header; numbers are little endian */
       SETUP_SECTS = 0x1f1,
       VID_MODE = 0x1fa,
       BOOT_FLAG = 0x1fe,
       HEADER_MAGIC = 0x202,
       PROTOCOL_VERSION = 0x206,
       TYPE_OF_LOADER = 0x210,
       LOADFLAGS = 0x211,
       RAMDISK_IMAGE = 0x218,
       RAMDISK_SIZE = 0x21c,
       HEAP_END_PTR = 0x224,
       CMD_LINE_PTR = 0x228,
       INITRD_ADDR_MAX = 0x22c,
       CMDLINE_SIZE = 0x238,
       PREF_ADDRESS = 0x258,
       INIT_SIZE = 0x260,
       HEADER_END = 0x264
};

enum { LOADFLAGS_HIGH = 0x01, LOADFLAGS_CAN_USE_HEAP = 0x80 };

#define MAGIC "HdrS"
#define BOOT_FLAG_VALUE 0xaa55
#define SECTOR 512
#define DEFAULT_SETUP_SECTS 4
#define OLDEST_PROTOCOL 0x202 /* bzImages with a command line pointer: 2.4.0 and later */
#define LOADER_UNKNOWN 0xff
#define DEFAULT_INITRD_MAX 0x37ffffffu
#define DEFAULT_CMDLINE_MAX 255
#define SETUP_STACK 0xfff0
#define SETUP_HEAP_END 0xfe00 /* relative to the setup code, 200h below the stack's top */

static uint32_t get(const uint8_t *bytes, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)bytes[offset + i] << (8 * i);
    }
    return value;
}

static void put(uint8_t *bytes, unsigned offset, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        bytes[offset + i] = (uint8_t)(value >> (8 * i));
    }
}

bool linux_boot_is_image(GBytes *file)
{
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(file, &size);

    return size >= HEADER_END && get(bytes, BOOT_FLAG, 2) == BOOT_FLAG_VALUE &&
           memcmp(bytes + HEADER_MAGIC, MAGIC, strlen(MAGIC)) == 0;
}

/* vga= is for the loader, not for the kernel proper. */
static void set_video_mode(uint8_t *setup, const char *cmdline)
{
    static const struct {
        const char *name;
        uint16_t mode;
    } names[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    const char *option = strstr(cmdline, "vga=");

    if (!option) {
        return;
    }
    option += strlen("vga=");
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_has_prefix(option, names[i].name)) {
            put(setup, VID_MODE, names[i].mode, 2);
            return;
        }
    }
    put(setup, VID_MODE, (uint32_t)strtoul(option, NULL, 0), 2);
}

static bool check_image(const DirectBoot *boot, const uint8_t *setup, size_t setup_size,
                        Error **err)
{
    const char *path = boot->machine->kernel;
    unsigned protocol = get(setup, PROTOCOL_VERSION, 2);

    if (setup_size >= g_bytes_get_size(boot->kernel) || setup_size > SETUP_HEAP_END) {
        return error_set(err, "-kernel: '%s' is cut off or damaged", path);
    }
    if (protocol < OLDEST_PROTOCOL) {
        return error_set(err,
                         "-kernel: '%s' speaks boot protocol %u.%02u; 2.02 is the oldest known",
                         path, protocol >> 8, protocol & 0xff);
    }
    if (!(setup[LOADFLAGS] & LOADFLAGS_HIGH)) {
        return error_set(err, "-kernel: '%s' is a zImage; build it as bzImage", path);
    }
    return true;
}

static bool add_cmdline(DirectBoot *boot, uint8_t *setup, Error **err)
{
    const char *text = boot->machine->append ? boot->machine->append : "";
    uint32_t limit = get(setup, PROTOCOL_VERSION, 2) >= 0x206 ? get(setup, CMDLINE_SIZE, 4)
                                                              : DEFAULT_CMDLINE_MAX;
    limit = MIN(limit, BOOT_CMDLINE_MAX);
    if (strlen(text) > limit) {
        return error_set(err, "-append: %zu characters; this kernel takes %u", strlen(text), limit);
    }
    put(setup, CMD_LINE_PTR, BOOT_CMDLINE_ADDRESS, 4);
    set_video_mode(setup, text);
    direct_boot_add_cmdline(boot, text);
    return true;
}

/* Where the kernel has unpacked itself, memory behind it is free. */
static uint64_t unpacked_end(const uint8_t *setup)
{
    return get(setup, PROTOCOL_VERSION, 2) >= 0x20a
               ? (uint64_t)get(setup, PREF_ADDRESS, 4) + get(setup, INIT_SIZE, 4)
               : 0;
}

static bool add_initrd(DirectBoot *boot, uint8_t *setup, uint64_t kernel_end, Error **err)
{
    if (!boot->machine->initrd) {
        return true;
    }
    g_autoptr(GBytes) initrd = direct_boot_read_file("-initrd", boot->machine->initrd, err);
    if (!initrd) {
        return false;
    }
    uint64_t size = g_bytes_get_size(initrd), address;
    uint64_t limit = get(setup, PROTOCOL_VERSION, 2) >= 0x203
                         ? (uint64_t)get(setup, INITRD_ADDR_MAX, 4) + 1
                         : (uint64_t)DEFAULT_INITRD_MAX + 1;
    if (!direct_boot_place_initrd(boot, size, kernel_end, limit, &address, err)) {
        return false;
    }
    if (address < unpacked_end(setup)) {
        warn_report("-m: the kernel needs %" G_GUINT64_FORMAT " MiB to unpack itself and may "
                    "overwrite its initrd",
                    unpacked_end(setup) >> 20);
    }
    put(setup, RAMDISK_IMAGE, (uint32_t)address, 4);
    put(setup, RAMDISK_SIZE, (uint32_t)size, 4);
    direct_boot_add_piece(boot, FW_CFG_INITRD_DATA, address, initrd);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_INITRD_ADDRESS, address, 4);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_INITRD_SIZE, size, 4);
    return true;
}

static void add_kernel(DirectBoot *boot, GBytes *code)
{
    direct_boot_add_piece(boot, FW_CFG_KERNEL_DATA, BOOT_HIGH_START, code);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_KERNEL_ADDRESS, BOOT_HIGH_START, 4);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_KERNEL_SIZE, g_bytes_get_size(code), 4);
}

static void add_setup(DirectBoot *boot, uint8_t *setup, size_t size)
{
    put(setup, TYPE_OF_LOADER, LOADER_UNKNOWN, 1);
    put(setup, LOADFLAGS, setup[LOADFLAGS] | LOADFLAGS_CAN_USE_HEAP, 1);
    put(setup, HEAP_END_PTR, SETUP_HEAP_END, 2);

    g_autoptr(GBytes) bytes = g_bytes_new(setup, size);
    direct_boot_add_piece(boot, FW_CFG_SETUP_DATA, BOOT_SETUP_ADDRESS, bytes);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_SETUP_ADDRESS, BOOT_SETUP_ADDRESS, 4);
    fw_cfg_set_number(boot->fw_cfg, FW_CFG_SETUP_SIZE, size, 4);
    boot->plan.setup_segment = GUINT16_TO_LE(BOOT_SETUP_ADDRESS >> 4);
    boot->plan.setup_stack = GUINT16_TO_LE(SETUP_STACK);
}

bool linux_boot_load(DirectBoot *boot, Error **err)
{
    gsize file_size;
    const uint8_t *file = g_bytes_get_data(boot->kernel, &file_size);
    unsigned sectors = file[SETUP_SECTS] ? file[SETUP_SECTS] : DEFAULT_SETUP_SECTS;
    size_t setup_size = (sectors + 1) * (size_t)SECTOR;

    if (!check_image(boot, file, setup_size, err)) {
        return false;
    }
    g_autofree uint8_t *setup = g_memdup2(file, setup_size);
    g_autoptr(GBytes) code =
        g_bytes_new_from_bytes(boot->kernel, setup_size, file_size - setup_size);
    uint64_t kernel_end = BOOT_HIGH_START + g_bytes_get_size(code);
    if (kernel_end > boot->memory_end) {
        return error_set(err,
                         "-kernel: '%s' does not fit into the guest's memory; give it more "
                         "with -m",
                         boot->machine->kernel);
    }
    if (!add_cmdline(boot, setup, err) || !add_initrd(boot, setup, kernel_end, err)) {
        return false;
    }
    add_kernel(boot, code);
    add_setup(boot, setup, setup_size);
    return true;
}
