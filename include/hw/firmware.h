/* SPDX-License-Identifier: MIT */
/* Firmware: what a board loads and describes before its CPUs start. Under the machine lock. */
#ifndef HW_FIRMWARE_H
#define HW_FIRMWARE_H

#include "hw/fw-cfg.h"
#include "hw/machine.h"

/* -- Firmware image ---------------------------------------------------------------------------- */

/* A ROM image below 4 GiB whose last 128 KiB also lie below 1 MiB. */
typedef struct FirmwareRom {
    RamBlock *ram;
    Region top, legacy;
} FirmwareRom;

/* Loads machine->firmware (SeaBIOS when not given) into `memory`, the space of things that are not
 * RAM. */
bool firmware_rom_load(FirmwareRom *rom, const Machine *machine, Region *memory, Error **err);
void firmware_rom_free(FirmwareRom *rom);

/* -- Direct boot ------------------------------------------------------------------------------- */

/* Hands machine->kernel, its initrd and command line to the guest through fw_cfg and an option ROM:
 * bzImage, multiboot or ELF with a PVH note. `low_memory` is where RAM below 4 GiB ends; *ret_rom
 * is the fw_cfg file of the option ROM, to be put first in "bootorder". */
bool direct_boot_load(FwCfg *fw_cfg, const Machine *machine, uint64_t low_memory,
                      const char **ret_rom, Error **err);

/* -- ACPI -------------------------------------------------------------------------------------- */

typedef struct AcpiConfig {
    unsigned cpu_count;
    uint32_t (*apic_id)(unsigned index); /* of a CPU, below 255 */
    unsigned serial_ports;               /* bit N: COM N+1 is there */
    uint64_t low_memory;                 /* where RAM below 4 GiB ends */
    unsigned hpet_timers;                /* 0: no HPET */
    uint16_t panic_port;                 /* of pvpanic; 0: there is none */
    const GPtrArray *user_tables;        /* of GBytes *, whole tables; NULL: none */
    const Numa *numa;                    /* NULL: no nodes */
} AcpiConfig;

/* A table as -acpitable describes it, summed; the caller drops the reference. NULL on failure. */
struct KeyVal;
GBytes *acpi_user_table(struct KeyVal *kv, Error **err);

/* Adds "etc/acpi/tables", "etc/acpi/rsdp" and "etc/table-loader". */
bool acpi_tables_add(FwCfg *fw_cfg, const AcpiConfig *config, Error **err);

#endif
