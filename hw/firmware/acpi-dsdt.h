/* SPDX-License-Identifier: MIT */
/* The body of the DSDT. */
#ifndef HW_FIRMWARE_ACPI_DSDT_H
#define HW_FIRMWARE_ACPI_DSDT_H

#include "hw/firmware.h"

/* AML that goes behind the table's header; caller unrefs. */
GByteArray *acpi_dsdt_code(const AcpiConfig *config);

#endif
