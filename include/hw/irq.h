/* SPDX-License-Identifier: MIT */
/* Irq: one end of a level-carrying line, a value that is copied. Under the machine lock. */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Irq {
    void (*set)(void *owner, unsigned n, bool level); /* NULL: not connected */
    void *owner;
    unsigned n; /* pin of the owner */
} Irq;

static inline void irq_set(Irq irq, bool level)
{
    if (irq.set) {
        irq.set(irq.owner, irq.n, level);
    }
}

static inline void irq_raise(Irq irq)
{
    irq_set(irq, true);
}

static inline void irq_lower(Irq irq)
{
    irq_set(irq, false);
}

/* A falling then rising edge seen as one pulse. */
static inline void irq_pulse(Irq irq)
{
    irq_set(irq, true);
    irq_set(irq, false);
}

#endif
