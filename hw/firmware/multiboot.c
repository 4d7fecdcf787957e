/* SPDX-License-Identifier: MIT */
/* Multiboot kernels, flat or ELF, with modules from -initrd. Source: Multiboot Specification
 * 0.6.96. */
#include "hw/firmware/direct-boot.h"

#include <string.h>

#define HEADER_MAGIC 0x1badb002u
#define HEADER_SEARCH 8192
#define BOOTLOADER_MAGIC 0x2badb002u
#define LOADER_NAME "mimus"
#define MODULES_MAX 16
#define PAGE_ALIGN(value) (((value) + 0xfffull) & ~0xfffull)
#define MAP_STRIDE 24

enum { FLAG_ADDRESSES = 1u << 16, FLAGS_UNKNOWN_REQUIRED = 0xfff8 };
enum { /* what the information structure holds */
       INFO_MEMORY = 0x001,
       INFO_CMDLINE = 0x004,
       INFO_MODULES = 0x008,
       INFO_MAP = 0x040,
       INFO_LOADER_NAME = 0x200
};

/* Little endian, as all of it. */
typedef struct Header {
    uint32_t magic, flags, checksum;
    uint32_t header_address, load_address, load_end, bss_end, entry;
} Header;

typedef struct Info {
    uint32_t flags, memory_lower, memory_upper, boot_device, cmdline;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t map_size, map;
    uint32_t drives_size, drives, config_table, loader_name;
} Info;

typedef struct Module {
    uint32_t start, end, text, reserved;
} Module;

/* Everything the kernel gets to read, at BOOT_INFO_ADDRESS; texts follow. */
typedef struct InfoBlock {
    Info info;
    Module modules[MODULES_MAX];
} InfoBlock;

typedef struct Multiboot {
    DirectBoot *boot;
    InfoBlock block;
    GString *texts;
    GByteArray *modules;
    uint64_t modules_start;
    unsigned module_count;
} Multiboot;

static bool find_header(GBytes *file, Header *ret_header, size_t *ret_offset)
{
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(file, &size);

    for (size_t at = 0; at + 12 <= MIN(size, HEADER_SEARCH); at += 4) {
        Header header = {0};
        memcpy(&header, bytes + at, MIN(size - at, sizeof(header)));
        if (GUINT32_FROM_LE(header.magic) == HEADER_MAGIC &&
            GUINT32_FROM_LE(header.magic) + GUINT32_FROM_LE(header.flags) +
                    GUINT32_FROM_LE(header.checksum) ==
                0) {
            *ret_header = header;
            *ret_offset = at;
            return true;
        }
    }
    return false;
}

bool multiboot_is_image(GBytes *file)
{
    Header header;
    size_t offset;

    return find_header(file, &header, &offset);
}

/* A file that says itself where it goes (flag 16). */
static bool read_flat(const DirectBoot *boot, const Header *header, size_t offset, ElfImage *image,
                      Error **err)
{
    gsize size = g_bytes_get_size(boot->kernel);
    uint64_t load = GUINT32_FROM_LE(header->load_address);
    uint64_t load_end = GUINT32_FROM_LE(header->load_end);
    uint64_t before_header = (uint64_t)GUINT32_FROM_LE(header->header_address) - load;
    uint64_t bss_end = GUINT32_FROM_LE(header->bss_end);

    if (before_header > offset) {
        return error_set(err,
                         "-kernel: the addresses in the multiboot header contradict its place");
    }
    uint64_t start = offset - before_header;
    uint64_t length = load_end ? load_end - load : size - start;
    uint64_t memory_size = MAX(length, bss_end ? bss_end - load : 0);
    if (length > size - start || load < BOOT_HIGH_START || load > boot->memory_end ||
        memory_size > boot->memory_end - load) {
        return error_set(err, "-kernel: the multiboot image does not fit into the guest's memory");
    }
    *image = (ElfImage){
        .bytes = g_bytes_new_from_bytes(boot->kernel, start, length),
        .address = load,
        .memory_size = memory_size,
        .entry = GUINT32_FROM_LE(header->entry),
    };
    return true;
}

static bool read_kernel(const DirectBoot *boot, ElfImage *image, Error **err)
{
    Header header;
    size_t offset;

    find_header(boot->kernel, &header, &offset);
    uint32_t flags = GUINT32_FROM_LE(header.flags);
    if (flags & FLAGS_UNKNOWN_REQUIRED) {
        return error_set(err, "-kernel: unknown requirements in the multiboot header (0x%x)",
                         flags & FLAGS_UNKNOWN_REQUIRED);
    }
    if (flags & FLAG_ADDRESSES) {
        return read_flat(boot, &header, offset, image, err);
    }
    if (!elf_is_image(boot->kernel)) {
        return error_set(err, "-kernel: the multiboot image is no ELF file and has no addresses");
    }
    return elf_read(boot->kernel, boot->memory_end, false, image, err);
}

/* Keeps a text for the kernel to read; returns its address. */
static uint32_t add_text(Multiboot *mb, const char *text)
{
    uint32_t address = BOOT_CMDLINE_ADDRESS + (uint32_t)mb->texts->len;

    g_string_append_len(mb->texts, text, (gssize)strlen(text) + 1);
    return GUINT32_TO_LE(address);
}

/* One "FILE ARGUMENTS" of -initrd. */
static bool add_module(Multiboot *mb, const char *text, Error **err)
{
    g_auto(GStrv) words = g_strsplit(text, " ", 2);

    if (mb->module_count == MODULES_MAX) {
        return error_set(err, "-initrd: more than %d multiboot modules", MODULES_MAX);
    }
    g_autoptr(GBytes) file = direct_boot_read_file("-initrd", words[0] ? words[0] : "", err);
    if (!file) {
        return false;
    }
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(file, &size);
    g_byte_array_set_size(mb->modules, (guint)PAGE_ALIGN(mb->modules->len));
    uint64_t start = mb->modules_start + mb->modules->len;
    if (start + size > mb->boot->memory_end) {
        return error_set(err, "-initrd: '%s' does not fit into the guest's memory", words[0]);
    }
    g_byte_array_append(mb->modules, bytes, (guint)size);
    mb->block.modules[mb->module_count++] = (Module){
        .start = GUINT32_TO_LE((uint32_t)start),
        .end = GUINT32_TO_LE((uint32_t)(start + size)),
        .text = add_text(mb, text),
    };
    return true;
}

static bool add_modules(Multiboot *mb, Error **err)
{
    if (!mb->boot->machine->initrd) {
        return true;
    }
    g_auto(GStrv) texts = g_strsplit(mb->boot->machine->initrd, ",", -1);
    for (char **text = texts; *text; text++) {
        if (!add_module(mb, *text, err)) {
            return false;
        }
    }
    return true;
}

static void fill_info(Multiboot *mb)
{
    const Machine *machine = mb->boot->machine;
    uint64_t upper = MIN(machine->ram_size, mb->boot->memory_end) - BOOT_HIGH_START;
    g_autofree char *cmdline =
        g_strconcat(machine->kernel, machine->append ? " " : NULL, machine->append, NULL);

    mb->block.info = (Info){
        .flags =
            GUINT32_TO_LE(INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_LOADER_NAME),
        .memory_lower = GUINT32_TO_LE(639),
        .memory_upper = GUINT32_TO_LE((uint32_t)(upper >> 10)),
        .boot_device = UINT32_MAX,
        .cmdline = add_text(mb, cmdline),
        .module_count = GUINT32_TO_LE(mb->module_count),
        .modules = GUINT32_TO_LE(BOOT_INFO_ADDRESS + (uint32_t)offsetof(InfoBlock, modules)),
        .map = GUINT32_TO_LE(BOOT_MAP_ADDRESS),
        .loader_name = add_text(mb, LOADER_NAME),
    };
}

static void fill_plan(BootPlan *plan, uint64_t entry)
{
    plan->entry = GUINT32_TO_LE((uint32_t)entry);
    plan->eax = GUINT32_TO_LE(BOOTLOADER_MAGIC);
    plan->ebx = GUINT32_TO_LE(BOOT_INFO_ADDRESS);
    plan->map = GUINT32_TO_LE(BOOT_MAP_ADDRESS);
    plan->map_count =
        GUINT32_TO_LE(BOOT_INFO_ADDRESS + (uint32_t)offsetof(InfoBlock, info.map_size));
    plan->map_unit = GUINT16_TO_LE(MAP_STRIDE);
    plan->map_skip = GUINT16_TO_LE(4);
}

static bool add_pieces(Multiboot *mb, Error **err)
{
    DirectBoot *boot = mb->boot;
    g_autoptr(GBytes) block = g_bytes_new(&mb->block, sizeof(mb->block));
    g_autoptr(GBytes) texts = g_bytes_new(mb->texts->str, mb->texts->len);
    g_autoptr(GBytes) modules = g_bytes_new(mb->modules->data, mb->modules->len);

    if (mb->texts->len > BOOT_CMDLINE_MAX) {
        return error_set(err, "-append: %zu characters with those of -initrd are too many",
                         (size_t)mb->texts->len);
    }
    direct_boot_add_piece(boot, FW_CFG_SETUP_DATA, BOOT_INFO_ADDRESS, block);
    direct_boot_add_piece(boot, FW_CFG_CMDLINE_DATA, BOOT_CMDLINE_ADDRESS, texts);
    direct_boot_add_piece(boot, FW_CFG_INITRD_DATA, mb->modules_start, modules);
    return true;
}

bool multiboot_load(DirectBoot *boot, Error **err)
{
    Multiboot mb = {.boot = boot};
    ElfImage image;

    if (!read_kernel(boot, &image, err)) {
        return false;
    }
    g_autoptr(GBytes) kernel = image.bytes;
    g_autoptr(GString) texts = g_string_new(NULL);
    g_autoptr(GByteArray) modules = g_byte_array_new();
    mb.texts = texts;
    mb.modules = modules;
    mb.modules_start = PAGE_ALIGN(image.address + image.memory_size);
    direct_boot_add_image(boot, &image);
    if (!add_modules(&mb, err)) {
        return false;
    }
    fill_info(&mb);
    fill_plan(&boot->plan, image.entry);
    return add_pieces(&mb, err);
}
