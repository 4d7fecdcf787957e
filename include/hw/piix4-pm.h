/* SPDX-License-Identifier: MIT */
/* PIIX4 power management: the fixed addresses that firmware tables name,
 * and its interrupt lines. */
#ifndef HW_PIIX4_PM_H
#define HW_PIIX4_PM_H

#include "hw/pci.h"

/* "PIIX4_PM" */
typedef struct Piix4Pm Piix4Pm;

enum {
    PIIX4_PM_SCI_IRQ = 9,
    PIIX4_PM_BASE = 0x600,    /* where firmware puts the PM block: what the FADT says */
    PIIX4_SMBUS_BASE = 0x700, /* and the SMBus block */
    PIIX4_GPE_BASE = 0xafe0,
    PIIX4_GPE_SIZE = 4,
    PIIX4_SMI_COMMAND_PORT = 0xb2,
    PIIX4_ACPI_ENABLE = 0xf1,
    PIIX4_ACPI_DISABLE = 0xf0
};

enum { /* offsets in the PM block */
       PIIX4_PM1_EVENT = 0,
       PIIX4_PM1_CONTROL = 4,
       PIIX4_PM_TIMER = 8
};

/* LINK, before realize: the SCI, the SMI line where the machine has SMM, and the serial ports there
 * are (bit N: COM N+1), which configuration space tells. */
void piix4_pm_connect(Piix4Pm *pm, Irq sci, Irq smi, unsigned serial_ports);

#endif
