/* SPDX-License-Identifier: MIT */
/* I/O APIC: input pins and the end-of-interrupt broadcast. Under the machine lock.
 * Intel 82093AA. */
#ifndef HW_IOAPIC_H
#define HW_IOAPIC_H

#include "hw/device.h"

#define IOAPIC_DEFAULT_BASE 0xfec00000u
#define IOAPIC_PIN_COUNT 24

typedef struct IoApic IoApic; /* "ioapic" */

/* Input pin 0-23. */
Irq ioapic_pin(IoApic *ioapic, unsigned pin);

/* LINK: container in which realize maps the 4 KiB of registers at IOAPIC_DEFAULT_BASE. */
void ioapic_set_memory(IoApic *ioapic, Region *memory);

/* Of `info ioapic`: the lines about the pins, of which `asking` ask. */
void ioapic_print_pins(const uint64_t entries[IOAPIC_PIN_COUNT], uint32_t asking, GString *out);

/* A local APIC has ended a level-triggered interrupt: all I/O APICs look whether it was theirs. */
void ioapic_end_of_interrupt(uint8_t vector);

#endif
