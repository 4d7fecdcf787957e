/* SPDX-License-Identifier: MIT */
/* PIIX3: PCI-to-ISA bridge with the PIRQ router and the reset control register. */
#ifndef HW_PIIX3_H
#define HW_PIIX3_H

#include "hw/i440fx.h"
#include "hw/isa.h"

/* "PIIX3"; routes the INTx lines of the PCI bus it is plugged into. */
typedef struct Piix3 Piix3;

/* The ISA bus behind it, "isa.0"; its port and memory containers are the PCI bus's. */
IsaBus *piix3_isa_bus(Piix3 *piix3);

/* Port CF9h. */
ResetPort piix3_reset_port(Piix3 *piix3);

#endif
