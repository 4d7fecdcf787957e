/* SPDX-License-Identifier: MIT */
/* The 8259A interrupt controller: input pins, output line and the acknowledge cycle of a cascaded
 * pair. Under the machine lock. */
#ifndef HW_I8259_H
#define HW_I8259_H

#include "hw/isa.h"

#define I8259_CASCADE_PIN 2

typedef struct I8259 I8259;

/* Input pin 0-7 of a controller ("isa-i8259"); edge or level as its ELCR byte says. */
Irq i8259_pin(I8259 *pic, unsigned pin);

/* LINK: where INT goes; before realize. Of a slave: pin 2 of its master. */
void i8259_set_output(I8259 *pic, Irq output);

/* LINK: the controller on the master's pin 2; before realize. */
void i8259_set_slave(I8259 *master, I8259 *slave);

/* Runs the CPU's acknowledge cycle through the cascade and returns the vector (0-255). With nothing
 * pending any more that is the one of input 7, and no bit is put in service. */
uint8_t i8259_acknowledge(I8259 *master);

#endif
