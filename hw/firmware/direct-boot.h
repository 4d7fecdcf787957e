/* SPDX-License-Identifier: MIT */
/* Direct boot: what the loaders of the single kernel formats share. */
#ifndef HW_FIRMWARE_DIRECT_BOOT_H
#define HW_FIRMWARE_DIRECT_BOOT_H

#include "hw/firmware.h"

#define BOOT_PIECES_MAX 7
#define BOOT_HIGH_START 0x100000u /* where kernels may begin */

/* Memory below 1 MiB, as the option ROM and the kernels find it. */
#define BOOT_INFO_ADDRESS 0x8000u /* info structures of multiboot and PVH */
#define BOOT_INFO_SIZE 0x2000u
#define BOOT_MAP_ADDRESS 0xb000u    /* memory map the option ROM asks the BIOS for */
#define BOOT_SETUP_ADDRESS 0x10000u /* Linux: real mode code, stack and heap, 64 KiB */
#define BOOT_CMDLINE_ADDRESS 0x20000u
#define BOOT_CMDLINE_MAX 0x10000u

/* One fw_cfg DMA request, big endian. */
typedef struct BootPiece {
    uint32_t control, size;
    uint64_t address;
} BootPiece;

/* What boot-rom.S reads; numbers are little endian but for the pieces. */
typedef struct BootPlan {
    BootPiece pieces[BOOT_PIECES_MAX + 1]; /* control 0: end */
    uint32_t entry, eax, ebx;
    uint32_t map, map_count;
    uint16_t map_unit, map_skip;
    uint16_t setup_segment, setup_stack;
    uint32_t reserved;
} BootPlan;

typedef struct DirectBoot {
    FwCfg *fw_cfg;
    const Machine *machine;
    uint64_t memory_end; /* RAM the kernel and its initrd may use ends here, below 4 GiB */
    GBytes *kernel;      /* the file */
    unsigned piece_count;
    BootPlan plan;
} DirectBoot;

/* Puts the bytes into fw_cfg under `key` and into the plan, to lie at `address`. */
void direct_boot_add_piece(DirectBoot *boot, uint16_t key, uint64_t address, GBytes *bytes);

/* The kernel's segments, and zeros where its memory goes on behind them. */
typedef struct ElfImage ElfImage;
void direct_boot_add_image(DirectBoot *boot, const ElfImage *image);

/* Reads a whole file the user named; NULL and *err, which names `option`. Caller unrefs. */
GBytes *direct_boot_read_file(const char *option, const char *path, Error **err);

/* Puts the command line where kernels find it. */
void direct_boot_add_cmdline(DirectBoot *boot, const char *text);

/* Page-aligned address for `size` bytes below `limit` and the end of memory, above `floor`; fails
 * naming -initrd. */
bool direct_boot_place_initrd(const DirectBoot *boot, uint64_t size, uint64_t floor, uint64_t limit,
                              uint64_t *ret_address, Error **err);

/* -- Formats: `is_` recognises a file, `load` fills the plan ----------------------------------- */

bool linux_boot_is_image(GBytes *file);
bool linux_boot_load(DirectBoot *boot, Error **err);

bool multiboot_is_image(GBytes *file);
bool multiboot_load(DirectBoot *boot, Error **err);

bool pvh_boot_is_image(GBytes *file);
bool pvh_boot_load(DirectBoot *boot, Error **err);

/* -- ELF files --------------------------------------------------------------------------------- */

/* What of an ELF file is loaded: its PT_LOAD segments laid out from the lowest address. */
struct ElfImage {
    GBytes *bytes;
    uint64_t address;     /* of the first byte; ends below memory_end */
    uint64_t memory_size; /* with what is zero behind the bytes */
    uint64_t entry;       /* of the ELF header */
    bool has_pvh_entry;   /* a note of Xen's type 18 */
    uint32_t pvh_entry;
};

bool elf_is_image(GBytes *file);
/* Without segments (`bytes` NULL) when `headers_only`. The caller unrefs `bytes`. */
bool elf_read(GBytes *file, uint64_t memory_end, bool headers_only, ElfImage *ret_image,
              Error **err);

#endif
