/* SPDX-License-Identifier: MIT */
/* The parts of the PC board. */
#ifndef HW_I386_PC_INTERNAL_H
#define HW_I386_PC_INTERNAL_H

#include "hw/firmware.h"
#include "hw/hpet.h"
#include "hw/i8259.h"
#include "hw/piix3.h"

#define PC_ISA_IRQ_COUNT 16
#define PC_GSI_COUNT 24
#define PC_4_GIB (1ull << 32)
#define PC_RAM_ID "pc.ram"
#define PC_LOW_MEMORY_MAX 0xe0000000ull

typedef enum OnOffAuto { CHOICE_AUTO, CHOICE_ON, CHOICE_OFF } OnOffAuto;

typedef struct PcMachine {
    Machine machine;
    OnOffAuto smm, vmport, acpi; /* PROP */
    bool hpet;                   /* PROP */
    bool fd_bootchk;             /* PROP: look for a signature on floppies */
    bool i8042, smbus;           /* PROP: always there */
    bool sata, suppress_vmdesc;  /* PROP: without effect here */
    OnOffAuto pit, with_pic;     /* PROP: always there */
    uint64_t max_low_memory;     /* PROP max-ram-below-4g, bytes; 0: the usual */
    int smbios_entry_point;      /* PROP: 0 32-bit, 1 64-bit */

    Region memory, io; /* the two address spaces... */
    Region cpu_memory; /* ...and what CPUs see of the first: local APICs may lie on top */
    Region smm_memory, smm_system;           /* the same in SMM, with SMRAM in front */
    Region smm_code_memory, smm_code_system; /* and for SMM's instruction fetches */
    bool has_memory;     /* pc_memory_create() went well */
    RamBlock *ram_block; /* NULL: RAM is that of the nodes */
    Region *node_ram;    /* of each node, or NULL */
    Region ram, ram_low, ram_high, apic_region;
    uint64_t low_size, high_size; /* bytes of RAM from 0 and from 4 GiB up */
    FirmwareRom firmware_rom;

    I440fxHost *host;
    Piix3 *piix3;
    IsaBus *isa;
    FwCfg *fw_cfg;
    Device *rtc;
    Hpet *timers; /* NULL without an HPET */
    I8259 *pic_master;
    Irq pic[PC_ISA_IRQ_COUNT];
    Irq ioapic[PC_GSI_COUNT];
    bool timer_levels[3];  /* of GSI 0 and 2, which share a pin */
    unsigned serial_ports; /* bit N: COM N+1 is there */
    bool has_booted;       /* -boot once= is used up */
} PcMachine;

/* pc-memory.c: address spaces, RAM on both sides of the hole, and what the CMOS says about it. */
bool pc_memory_create(PcMachine *pc, Error **err);
void pc_memory_destroy(PcMachine *pc);
void pc_memory_describe(PcMachine *pc);

/* pc-interrupts.c: two 8259, the I/O APIC, a local APIC per CPU. ISA lines reach both worlds. */
Irq pc_gsi(PcMachine *pc, unsigned gsi);
bool pc_interrupts_create(PcMachine *pc, Error **err);
/* CPUs with their local APICs; they park until the machine runs. */
bool pc_cpus_create(PcMachine *pc, Error **err);
bool pc_apics_create(PcMachine *pc, Error **err);
bool pc_cpus_start(PcMachine *pc, Error **err);
void pc_cpus_reset(PcMachine *pc);
/* The NMI button of a `PcMachine *`. */
void pc_nmi(void *opaque);
/* Lines into all CPUs. */
Irq pc_a20(PcMachine *pc);
Irq pc_smi(PcMachine *pc);

/* pc-firmware.c: fw_cfg and its items. */
bool pc_firmware_create(PcMachine *pc, Error **err);
bool pc_firmware_ready(Machine *machine, Error **err);
/* Drives to boot from, as letters (-boot), where firmware looks for them. */
void pc_boot_order_set(PcMachine *pc, const char *order);

/* A device of the board, plugged and with properties from "name=value" texts (NULL-terminated, may
 * be NULL), not realized. */
Device *pc_device_new(const char *type, Bus *bus, const char *const *properties);

#endif
