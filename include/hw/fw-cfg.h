/* SPDX-License-Identifier: MIT */
/* fw_cfg: items and named files the host hands to firmware and guests. Under the machine lock. */
#ifndef HW_FW_CFG_H
#define HW_FW_CFG_H

#include "hw/device.h"

#define FW_CFG_PORT 0x510
#define FW_CFG_PORT_COUNT 12
#define FW_CFG_NAME_SIZE 56 /* of a file, terminating zero included */

/* "fw_cfg_io" */
typedef struct FwCfg FwCfg;

enum { /* keys; numbers as guests know them */
       FW_CFG_SIGNATURE = 0x00,
       FW_CFG_ID = 0x01,
       FW_CFG_UUID = 0x02,
       FW_CFG_RAM_SIZE = 0x03,
       FW_CFG_NOGRAPHIC = 0x04,
       FW_CFG_CPU_COUNT = 0x05,
       FW_CFG_KERNEL_ADDRESS = 0x07,
       FW_CFG_KERNEL_SIZE = 0x08,
       FW_CFG_INITRD_ADDRESS = 0x0a,
       FW_CFG_INITRD_SIZE = 0x0b,
       FW_CFG_NUMA = 0x0d,
       FW_CFG_BOOT_MENU = 0x0e,
       FW_CFG_CPU_MAX = 0x0f,
       FW_CFG_KERNEL_ENTRY = 0x10,
       FW_CFG_KERNEL_DATA = 0x11,
       FW_CFG_INITRD_DATA = 0x12,
       FW_CFG_CMDLINE_ADDRESS = 0x13,
       FW_CFG_CMDLINE_SIZE = 0x14,
       FW_CFG_CMDLINE_DATA = 0x15,
       FW_CFG_SETUP_ADDRESS = 0x16,
       FW_CFG_SETUP_SIZE = 0x17,
       FW_CFG_SETUP_DATA = 0x18,
       FW_CFG_FILE_DIRECTORY = 0x19,
       FW_CFG_FILE_FIRST = 0x20,
       FW_CFG_IRQ0_OVERRIDE = 0x8002 /* the ISA timer arrives at I/O APIC pin 2 */
};

/* LINK: the port space; before realize. */
void fw_cfg_set_io(FwCfg *fw_cfg, Region *io);

/* Sets or replaces the bytes of a key; `bytes` is referenced. */
void fw_cfg_set(FwCfg *fw_cfg, uint16_t key, GBytes *bytes);
/* The same with a little-endian number of `size` 2, 4 or 8 bytes. */
void fw_cfg_set_number(FwCfg *fw_cfg, uint16_t key, uint64_t value, unsigned size);

/* Adds a file or replaces its bytes; fails when the name is empty or too long, or there are too
 * many. */
bool fw_cfg_set_file(FwCfg *fw_cfg, const char *name, GBytes *bytes, Error **err);

/* Bytes of a key or file as the guest sees them, NULL if there are none; not a new reference. */
GBytes *fw_cfg_get(const FwCfg *fw_cfg, uint16_t key);
GBytes *fw_cfg_get_file(const FwCfg *fw_cfg, const char *name);
/* Name of file number `index`; NULL: there are not so many. */
const char *fw_cfg_file_name(const FwCfg *fw_cfg, unsigned index);
/* The machine's, or NULL. */
FwCfg *fw_cfg_find(void);

#endif
