/* SPDX-License-Identifier: MIT */
/* High precision event timer: its lines, for the board. Under the machine lock. Intel, "IA-PC HPET
 * Specification" 1.0a. */
#ifndef HW_HPET_H
#define HW_HPET_H

#include "hw/device.h"

#define HPET_BASE 0xfed00000u
#define HPET_SIZE 0x400
#define HPET_OUTPUT_COUNT 24

/* What the ACPI table says of the event timer block: vendor, legacy route, 64-bit counter, last
 * timer, revision. */
#define HPET_BLOCK_ID(timers) (0x8086a001u | ((timers)-1) << 8)

typedef struct Hpet Hpet; /* "hpet" */

/* The lines that legacy replacement takes over: interval timer and real-time clock. */
typedef enum HpetLegacy { HPET_LEGACY_PIT, HPET_LEGACY_RTC, HPET_LEGACY_COUNT } HpetLegacy;

/* LINK: container in which realize maps the registers at HPET_BASE. */
void hpet_set_memory(Hpet *hpet, Region *memory);

/* LINK: line `n` (0-23) a timer may be routed to. 0 and 8 are also where the legacy inputs go. */
void hpet_set_output(Hpet *hpet, unsigned n, Irq output);

/* LINK: told whether the interval timer's line is passed on (high) or cut off (low). */
void hpet_set_pit_heard(Hpet *hpet, Irq heard);

/* How many timers it has, and so what HPET_BLOCK_ID() is. */
unsigned hpet_timer_count(const Hpet *hpet);

/* Where the older timer's line goes instead of to the board: passed on to output 0 or 8 unless
 * legacy replacement is on. */
Irq hpet_legacy_input(Hpet *hpet, HpetLegacy which);

#endif
