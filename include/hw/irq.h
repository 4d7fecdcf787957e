/* SPDX-License-Identifier: MIT */
/* Irq: one end of a level-carrying line, a value that is copied. Under the machine lock. */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include <stdbool.h>
#include <stddef.h>

/* What would become of an edge sent now. */
typedef enum IrqState {
    IRQ_DEAF,    /* masked wherever it goes */
    IRQ_FREE,    /* what would become of it on the silicon, as far as anybody knows */
    IRQ_STARVED, /* lost: the last one waits for a CPU that the host does not run */
} IrqState;

typedef struct Irq {
    void (*set)(void *owner, unsigned n, bool level); /* NULL: not connected */
    void *owner;
    unsigned n;                                 /* pin of the owner */
    IrqState (*state)(void *owner, unsigned n); /* NULL: free */
} Irq;

static inline void irq_set(Irq irq, bool level)
{
    if (irq.set) {
        irq.set(irq.owner, irq.n, level);
    }
}

static inline IrqState irq_state(Irq irq)
{
    return irq.state ? irq.state(irq.owner, irq.n) : IRQ_FREE;
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
