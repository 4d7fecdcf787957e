/* SPDX-License-Identifier: MIT */
/* The 8254 interval timer's pins, for the board and for port 61h. Under the machine lock. */
#ifndef HW_I8254_H
#define HW_I8254_H

#include "hw/isa.h"

#define I8254_FREQUENCY_HZ 1193182
#define I8254_CHANNEL_COUNT 3

typedef struct I8254 I8254; /* "isa-pit" */

/* LINK: where OUT 0 goes; before realize. Edges of it count: a receiver must be edge triggered. */
void i8254_set_output(I8254 *pit, Irq output);

/* False while whoever is at OUT 0 does not listen: its edges are not worth waking the host for.
 * Those of that time are not made up for. True from the start. */
void i8254_set_heard(I8254 *pit, bool is_heard);

/* Drives the GATE pin of a channel (0-2). */
void i8254_set_gate(I8254 *pit, unsigned channel, bool level);

/* Level of OUT now. */
bool i8254_output_level(I8254 *pit, unsigned channel);

typedef struct PcSpeaker PcSpeaker; /* "isa-pcspk": port 61h */

/* LINK: the timer whose channel 2 port 61h gates and reads; before realize. */
void pc_speaker_set_pit(PcSpeaker *speaker, I8254 *pit);

#endif
