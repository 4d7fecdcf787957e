/* SPDX-License-Identifier: MIT */
/* Local APICs and the message bus between them, I/O APICs and MSI. Under the machine lock. Intel
 * SDM vol. 3, chapter 11. */
#ifndef HW_APIC_H
#define HW_APIC_H

#include "hw/i8259.h"

#define APIC_DEFAULT_BASE 0xfee00000u
#define APIC_REGION_SIZE 0x100000u

typedef struct X86Cpu X86Cpu;
typedef struct Apic Apic; /* "apic", one per CPU */

typedef enum ApicDelivery {
    APIC_FIXED,
    APIC_LOWEST_PRIORITY,
    APIC_SMI,
    APIC_RESERVED,
    APIC_NMI,
    APIC_INIT,
    APIC_SIPI,
    APIC_EXTINT
} ApicDelivery;

/* LINK: the CPU, which gets its apic_ops at realize, and the controller whose vectors it takes as
 * ExtINT (NULL: none). Before realize. */
void apic_attach(Apic *apic, X86Cpu *cpu, I8259 *pic);

/* The line that the master 8259's INT is wired to: LINT0 of every local APIC. */
Irq apic_pic_line(void);

/* The NMI button: LINT1 of every local APIC. */
Irq apic_nmi_line(void);

/* LINT pin 0 or 1 of one APIC. */
Irq apic_lint_pin(Apic *apic, unsigned pin);

/* Makes `region` the APIC_REGION_SIZE bytes at APIC_DEFAULT_BASE: registers of the CPU that asks,
 * and messages (MSI). The board maps and finishes it. `owner` may be NULL. */
void apic_region_init(Region *region, Object *owner);

/* Where the region above and pages of registers that CPUs have moved are seen: `view` is what CPUs
 * see, `system` what is beneath. Both stay the board's until a call with NULL; before the APICs. */
void apic_set_memory(Region *view, Region *system);

/* A message from an I/O APIC or by MSI: 8-bit destination, physical (0xff: all) or logical. */
void apic_deliver(uint8_t destination, bool logical, ApicDelivery mode, uint8_t vector, bool level);

/* Has an addressed APIC got this vector, and its CPU not taken it as the host does not run it?
 * Never those of a kernel. */
bool apic_is_starved(uint8_t destination, bool logical, uint8_t vector);

/* The same as what a device would write: where, and which value. */
uint64_t apic_msi_address(uint8_t destination, bool logical);
uint32_t apic_msi_data(ApicDelivery mode, uint8_t vector, bool level);

/* An MSI write to address fee0_0000h + x. */
void apic_deliver_msi(uint64_t address, uint32_t data);

#endif
