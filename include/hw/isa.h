/* SPDX-License-Identifier: MIT */
/* ISA bus: 16 IRQ lines and port or memory regions at fixed addresses. */
#ifndef HW_ISA_H
#define HW_ISA_H

#include "hw/device.h"

#define ISA_IRQ_COUNT 16

typedef struct IsaBus {
    Bus bus;
    Region *io;              /* LINK: port space container */
    Region *memory;          /* LINK: memory container */
    Irq irqs[ISA_IRQ_COUNT]; /* LINK: into the interrupt controllers (GSI lines of the board) */
} IsaBus;

typedef struct IsaDevice {
    Device dev;
} IsaDevice;

extern const Type isa_bus_type;    /* "ISA" */
extern const Type isa_device_type; /* "isa-device", abstract */

void isa_bus_init(IsaBus *bus, Device *owner, const char *name, Region *io, Region *memory);

/* Maps a region of the device at `port`; unmapped again on unrealize by region_del(). */
void isa_map_io(IsaDevice *dev, Region *region, uint16_t port);

/* Line `irq` (0-15) of the bus the device is plugged into. */
Irq isa_irq(IsaDevice *dev, unsigned irq);

/* The machine's ISA bus, or NULL. */
IsaBus *isa_bus_find(void);

#endif
