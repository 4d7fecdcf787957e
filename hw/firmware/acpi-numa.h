/* SPDX-License-Identifier: MIT */
/* ACPI tables about NUMA nodes, without their headers. */
#ifndef HW_FIRMWARE_ACPI_NUMA_H
#define HW_FIRMWARE_ACPI_NUMA_H

#include "hw/firmware.h"

/* SRAT: which memory and which CPUs belong to which node; config->numa is not NULL. Caller frees. */
GByteArray *acpi_srat_body(const AcpiConfig *config);
/* SLIT: how far nodes are apart. Caller frees. */
GByteArray *acpi_slit_body(const Numa *numa);

/* HMAT: which CPUs are nearest to which memory, how fast they reach it, and caches between. Caller
 * frees. */
GByteArray *acpi_hmat_body(const Numa *numa);

#endif
