/* SPDX-License-Identifier: MIT */
/* SMBIOS: what -smbios says, checked, and the tables that come of it. Under the machine lock. */
#ifndef HW_SMBIOS_H
#define HW_SMBIOS_H

#include "hw/fw-cfg.h"
#include "util/keyval.h"

/* Checks one -smbios: file= is readable, type= known, its keys and their values good. */
bool smbios_check_option(KeyVal *kv, Error **err);

typedef struct SmbiosConfig {
    const GPtrArray *options; /* of KeyVal *, each checked; in the order of the command line */
    const char *manufacturer, *product, *version; /* where an option says nothing */
    uint8_t uuid[16];                             /* as printed: big endian */
    uint64_t processor_id;                        /* EAX of CPUID leaf 1, EDX above */
    unsigned sockets, cores, threads;             /* cores and threads of one socket */
    uint64_t low_memory, high_memory;             /* bytes from 0 and from 4 GiB up */
    bool is_64bit;                                /* entry point of SMBIOS 3.0, else of 2.8 */
    /* Bus and function of a device by its id: type=41,pcidev=; false: there is none. */
    bool (*find_pci)(const char *id, uint8_t *ret_bus, uint8_t *ret_devfn);
} SmbiosConfig;

/* Adds "etc/smbios/smbios-tables" and "etc/smbios/smbios-anchor". */
bool smbios_tables_add(FwCfg *fw_cfg, const SmbiosConfig *config, Error **err);

#endif
