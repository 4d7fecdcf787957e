/* SPDX-License-Identifier: MIT */
/* i440FX: host bridge, its PCI bus, and the RAM that shadows the legacy area below 1 MiB. */
#ifndef HW_I440FX_H
#define HW_I440FX_H

#include "hw/pci.h"

/* "i440FX-pcihost"; the bridge's own function 0 comes with it. */
typedef struct I440fxHost I440fxHost;

typedef struct I440fxWiring {
    Region *smm_memory;    /* what SMM alone sees, in front of system memory */
    Region *smm_code;      /* the same for its instruction fetches */
    Region *system_memory; /* what CPUs see */
    Region *io;            /* port space */
    Region *ram;           /* RAM from address 0 up, at least 1 MiB */
} I440fxWiring;

/* LINK, before realize. */
void i440fx_wire(I440fxHost *host, const I440fxWiring *wiring);

/* LINK: who answers byte accesses to port CF9h, which lies inside the configuration address
 * register. */
typedef struct ResetPort {
    uint8_t (*read)(void *owner);
    void (*write)(void *owner, uint8_t value);
    void *owner;
} ResetPort;

void i440fx_set_reset_port(I440fxHost *host, ResetPort port);

PciBus *i440fx_pci_bus(I440fxHost *host);

/* The 4 GiB and more of PCI memory space: BARs and firmware live here; CPUs see it where no RAM is,
 * and from A0000h to FFFFFh unless shadowed. */
Region *i440fx_pci_memory(I440fxHost *host);

#endif
