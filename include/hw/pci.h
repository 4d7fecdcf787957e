/* SPDX-License-Identifier: MIT */
/* PCI: conventional bus, configuration space with masks, BARs as regions, INTx.
 * PCI Local Bus 3.0. */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/device.h"

#define PCI_CONFIG_SIZE 256
#define PCI_BAR_COUNT 6
#define PCI_ROM_SLOT 6
#define PCI_DEVFN(slot, function) (((slot) << 3) | (function))

enum { /* offsets in configuration space, type 0 header */
       PCI_VENDOR_ID = 0x00,
       PCI_DEVICE_ID = 0x02,
       PCI_COMMAND = 0x04,
       PCI_STATUS = 0x06,
       PCI_REVISION_ID = 0x08,
       PCI_CLASS_PROG = 0x09,
       PCI_CLASS_DEVICE = 0x0a,
       PCI_CACHE_LINE_SIZE = 0x0c,
       PCI_LATENCY_TIMER = 0x0d,
       PCI_HEADER_TYPE = 0x0e,
       PCI_BAR0 = 0x10,
       PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
       PCI_SUBSYSTEM_ID = 0x2e,
       PCI_ROM_ADDRESS = 0x30,
       PCI_CAPABILITY_LIST = 0x34,
       PCI_INTERRUPT_LINE = 0x3c,
       PCI_INTERRUPT_PIN = 0x3d
};

enum {
    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_INTX_DISABLE = 0x400
};
enum { PCI_STATUS_INTERRUPT = 0x08, PCI_STATUS_CAP_LIST = 0x10 };

typedef struct PciDevice PciDevice;
typedef struct PciBus PciBus;

typedef enum PciBarKind {
    PCI_BAR_NONE,
    PCI_BAR_IO,
    PCI_BAR_MEM32,
    PCI_BAR_MEM64,
    PCI_BAR_MEM64_PREFETCH
} PciBarKind;

/* Type.info of a PCI device type. */
typedef struct PciDeviceInfo {
    uint16_t vendor_id, device_id;
    uint16_t subsystem_vendor_id, subsystem_id; /* 0: 1af4:1100 */
    uint32_t class_code;                        /* 24 bits: base, sub, interface */
    uint8_t revision;
    uint8_t interrupt_pin; /* 0 none, 1 INTA */
    bool multifunction;
    /* Called after the core has stored a guest's write to configuration space (masked); may be
     * NULL. */
    void (*config_written)(PciDevice *dev, unsigned offset, unsigned size);
} PciDeviceInfo;

struct PciDevice {
    Device dev;
    int32_t devfn;                   /* PROP "addr": SLOT[.FUNCTION]; -1: the first free slot */
    bool multifunction;              /* PROP; set for types that always are */
    uint8_t config[PCI_CONFIG_SIZE]; /* STATE, reset to what realize left there (config_reset) */
    uint8_t config_reset[PCI_CONFIG_SIZE];
    bool config_captured;    /* config_reset is filled: at the first reset or write */
    uint64_t capability_map; /* a bit per dword of configuration space in use by one */
    /* Guest-writable bits; from 40h on none unless the device says so in realize. */
    uint8_t write_mask[PCI_CONFIG_SIZE];
    uint8_t w1c_mask[PCI_CONFIG_SIZE]; /* write one to clear */
    Region *bars[PCI_BAR_COUNT + 1];
    PciBarKind bar_kinds[PCI_BAR_COUNT + 1];
    uint64_t bar_mapped_at[PCI_BAR_COUNT + 1]; /* DERIVED; UINT64_MAX: not mapped */
    bool intx_level;                           /* STATE: INTA# as the device drives it */
};

extern const Type pci_bus_type;    /* "PCI" */
extern const Type pci_device_type; /* "pci-device", abstract */

struct PciBus {
    Bus bus;
    PciDevice *devices[256]; /* by devfn */
    Region *io;              /* LINK: where I/O BARs are mapped */
    Region *memory;          /* LINK: where memory BARs are mapped */
    uint8_t number;          /* bus number in configuration addresses */
    /* LINK: routes INTA-INTD (pin 0-3) of a slot; set by the host bridge. Shared lines are counted
     * by the bus. */
    void (*set_intx)(void *owner, unsigned slot, unsigned pin, bool level);
    void *intx_owner;
};

void pci_bus_init(PciBus *bus, Device *owner, const char *name, Region *io, Region *memory);

/* Registers a BAR in realize; `region` (size a power of two) stays the device's and is mapped as
 * the guest programs it. */
void pci_register_bar(PciDevice *dev, unsigned index, PciBarKind kind, Region *region);

/* Adds a capability of `size` bytes at `offset` (0: the next free place); returns its offset. */
unsigned pci_add_capability(PciDevice *dev, uint8_t id, unsigned offset, unsigned size);

/* Configuration access by the host bridge; `size` 1, 2 or 4. Absent functions read all ones. */
uint32_t pci_config_read(PciBus *bus, unsigned devfn, unsigned offset, unsigned size);
void pci_config_write(PciBus *bus, unsigned devfn, unsigned offset, uint32_t value, unsigned size);

/* Drives the device's INTx pin. */
void pci_set_intx(PciDevice *dev, bool level);

/* Level of INTA-INTD (pin 0-3) of a slot: of all its functions, INTx-disabled ones left out. */
bool pci_bus_intx_level(const PciBus *bus, unsigned slot, unsigned pin);

/* Maps or unmaps BARs as configuration space says and redrives INTx. The core calls it after
 * configuration writes and reset; it is the sync() of types without their own. */
void pci_device_sync(PciDevice *dev);

/* DMA as the device: fails (reads zero) while bus mastering is off. */
bool pci_dma_read(PciDevice *dev, uint64_t address, void *buffer, size_t size);
bool pci_dma_write(PciDevice *dev, uint64_t address, const void *buffer, size_t size);

/* Text of `info pci`; caller frees. NULL: the machine has no PCI bus. */
char *pci_info_text(void);
/* "IDE controller"; NULL: no name. */
const char *pci_class_name(uint16_t class_code);

static inline void pci_set_word(PciDevice *dev, unsigned offset, uint16_t value)
{
    dev->config[offset] = (uint8_t)value;
    dev->config[offset + 1] = (uint8_t)(value >> 8);
}

static inline uint16_t pci_get_word(const PciDevice *dev, unsigned offset)
{
    return (uint16_t)(dev->config[offset] | dev->config[offset + 1] << 8);
}

#endif
