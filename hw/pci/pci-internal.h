/* SPDX-License-Identifier: MIT */
/* What the two files of the PCI core share. */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci.h"

/* Remembers configuration space as realize left it; done once, before anything changes it. */
void pci_config_capture(PciDevice *dev);

/* Description of the nearest type that has one; NULL if there is none. */
const PciDeviceInfo *pci_device_info(const PciDevice *dev);

#endif
