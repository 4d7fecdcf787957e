/* SPDX-License-Identifier: MIT */
/* 82441FX host bridge: configuration mechanism 1, shadow RAM (PAM) and SMRAM. Datasheet: Intel
 * 290549, "440FX PCIset: 82441FX PMC and 82442FX DBX". */
#include "hw/i440fx.h"

#include "util/trace.h"

enum { /* configuration space of function 0 */
       I440FX_NBXCFG = 0x50,
       I440FX_DRAMC = 0x57,
       I440FX_PAM0 = 0x59,
       I440FX_DRB0 = 0x60,
       I440FX_DRB7 = 0x67,
       I440FX_SMRAM = 0x72
};

enum { PAM_READ = 1, PAM_WRITE = 2 };

enum {
    SMRAM_BASE_SEG = 0x02,
    SMRAM_ENABLE = 0x08,
    SMRAM_LOCK = 0x10,
    SMRAM_CLOSE = 0x20,
    SMRAM_OPEN = 0x40
};

enum { CONFIG_ADDRESS_PORT = 0xcf8, CONFIG_DATA_PORT = 0xcfc, RESET_PORT_OFFSET = 1 };
#define CONFIG_ADDRESS_ENABLE 0x80000000u

enum { SHADOW_COUNT = 13, LEGACY_START = 0xa0000, LEGACY_SIZE = 0x60000, SMRAM_SIZE = 0x20000 };

/* Priorities in system memory: RAM is at 0, PCI below, and in the legacy area PCI above RAM, single
 * shadowed segments above that. */
enum { PRIORITY_VOID = -1, PRIORITY_PCI = -1, PRIORITY_LEGACY_PCI = 1, PRIORITY_SHADOW = 2 };

typedef struct I440fx {
    PciDevice pci;
    I440fxWiring wiring;
    Region *pci_memory;
    Region legacy_pci, legacy_void;
    Region shadow[SHADOW_COUNT];
    Region smram_open;        /* in front of PCI for everybody */
    Region smram, smram_code; /* for SMM's data and its code */
} I440fx;

struct I440fxHost {
    Device dev;
    I440fx bridge;
    PciBus bus;
    Region pci_memory;
    Region address_port, data_port;
    ResetPort reset_port;

    uint32_t config_address;
};

/* -- Function 0: shadow RAM -------------------------------------------------------------------- */

typedef struct ShadowSegment {
    uint32_t address, size;
    uint8_t offset, shift; /* of its two bits in configuration space */
} ShadowSegment;

/* Segment 0 is F0000h-FFFFFh, the other twelve are 16 KiB each from C0000h. */
static ShadowSegment shadow_segment(unsigned i)
{
    if (i == 0) {
        return (ShadowSegment){0xf0000, 0x10000, I440FX_PAM0, 4};
    }
    unsigned n = i - 1;
    return (ShadowSegment){0xc0000 + n * 0x4000, 0x4000, (uint8_t)(I440FX_PAM0 + 1 + n / 2),
                           (uint8_t)(n % 2 * 4)};
}

/*
 * PAM (3.2.18) decides for reads and writes apart. "Read from PCI, write to RAM", by which old
 * firmware copies itself, is RAM that only takes writes.
 *
 * SMRAM (3.2.19): D_OPEN shows it to everybody, D_CLS hides it from the data accesses of SMM but
 * not from its code, and D_LCK clears D_OPEN and leaves D_CLS alone writable until reset.
 */
static void i440fx_sync(Object *obj)
{
    I440fx *d = (I440fx *)obj;

    region_transaction_begin();
    pci_device_sync(&d->pci);
    for (unsigned i = 0; i < SHADOW_COUNT; i++) {
        ShadowSegment segment = shadow_segment(i);
        unsigned bits = d->pci.config[segment.offset] >> segment.shift & (PAM_READ | PAM_WRITE);
        region_set_enabled(&d->shadow[i], bits);
        region_set_write_only(&d->shadow[i], bits == PAM_WRITE);
        region_set_read_only(&d->shadow[i], !(bits & PAM_WRITE));
    }
    uint8_t smram = d->pci.config[I440FX_SMRAM];
    bool is_there = smram & SMRAM_ENABLE;
    region_set_enabled(&d->smram_open, is_there && smram & SMRAM_OPEN);
    region_set_enabled(&d->smram, is_there && !(smram & SMRAM_CLOSE));
    region_set_enabled(&d->smram_code, is_there);
    d->pci.write_mask[I440FX_SMRAM] =
        smram & SMRAM_LOCK ? SMRAM_CLOSE : SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSE | SMRAM_OPEN;
    region_transaction_commit();
}

static void i440fx_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (dev->config[I440FX_SMRAM] & SMRAM_LOCK) {
        dev->config[I440FX_SMRAM] &= (uint8_t)~SMRAM_OPEN;
    }
}

static void add_alias(Region *to, Region *region, const char *name, Region *target,
                      uint64_t address, uint64_t size, int priority)
{
    region_init(region, &(RegionDesc){.name = name,
                                      .kind = REGION_ALIAS,
                                      .size = size,
                                      .target = target,
                                      .target_offset = address});
    region_add(to, address, region, priority);
}

static bool i440fx_realize(Object *obj, Error **err)
{
    I440fx *d = (I440fx *)obj;
    uint8_t *mask = d->pci.write_mask;
    Region *system = d->wiring.system_memory;

    for (unsigned i = I440FX_NBXCFG; i <= I440FX_DRAMC; i++) {
        mask[i] = 0xff;
    }
    for (unsigned i = I440FX_DRB0; i <= I440FX_DRB7; i++) {
        mask[i] = 0xff;
    }
    d->pci.config[I440FX_SMRAM] = SMRAM_BASE_SEG;
    pci_set_word(&d->pci, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    d->pci.write_mask[PCI_COMMAND] = 0; /* a host bridge cannot be switched off */

    region_transaction_begin();
    /* Without it the RAM behind would show where no PCI device answers. */
    region_init(
        &d->legacy_void,
        &(RegionDesc){.name = "pci-legacy-void", .kind = REGION_RESERVED, .size = LEGACY_SIZE});
    region_add(d->pci_memory, LEGACY_START, &d->legacy_void, PRIORITY_VOID);
    add_alias(system, &d->legacy_pci, "pci-legacy", d->pci_memory, LEGACY_START, LEGACY_SIZE,
              PRIORITY_LEGACY_PCI);
    for (unsigned i = 0; i < SHADOW_COUNT; i++) {
        ShadowSegment segment = shadow_segment(i);
        mask[segment.offset] |= (uint8_t)((PAM_READ | PAM_WRITE) << segment.shift);
        add_alias(system, &d->shadow[i], "shadow-ram", d->wiring.ram, segment.address, segment.size,
                  PRIORITY_SHADOW);
    }
    add_alias(system, &d->smram_open, "smram-open", d->wiring.ram, LEGACY_START, SMRAM_SIZE,
              PRIORITY_SHADOW);
    add_alias(d->wiring.smm_memory, &d->smram, "smram", d->wiring.ram, LEGACY_START, SMRAM_SIZE,
              PRIORITY_SHADOW);
    add_alias(d->wiring.smm_code, &d->smram_code, "smram-code", d->wiring.ram, LEGACY_START,
              SMRAM_SIZE, PRIORITY_SHADOW);
    i440fx_sync(obj);
    region_transaction_commit();
    return true;
}

static void i440fx_unrealize(Object *obj)
{
    I440fx *d = (I440fx *)obj;

    region_transaction_begin();
    region_fini(&d->smram_code);
    region_fini(&d->smram);
    region_fini(&d->smram_open);
    for (unsigned i = 0; i < SHADOW_COUNT; i++) {
        region_fini(&d->shadow[i]);
    }
    region_fini(&d->legacy_pci);
    region_fini(&d->legacy_void);
    region_transaction_commit();
}

static void i440fx_reset_hold(Object *obj)
{
    i440fx_sync(obj);
}

static const Field i440fx_fields[] = {
    LINK(I440fx, wiring),         LINK(I440fx, pci_memory),    DERIVED(I440fx, legacy_pci),
    DERIVED(I440fx, legacy_void), DERIVED(I440fx, shadow),     DERIVED(I440fx, smram_open),
    DERIVED(I440fx, smram),       DERIVED(I440fx, smram_code), FIELDS_END,
};

static const PciDeviceInfo i440fx_info = {
    .vendor_id = 0x8086,
    .device_id = 0x1237,
    .class_code = 0x060000,
    .revision = 2,
    .config_written = i440fx_config_written,
};

static const Type i440fx_type = {
    .name = "i440FX",
    .parent = &pci_device_type,
    .size = sizeof(I440fx),
    .desc = "Host bridge",
    .fields = i440fx_fields,
    .info = &i440fx_info,
    .realize = i440fx_realize,
    .unrealize = i440fx_unrealize,
    .reset_hold = i440fx_reset_hold,
    .sync = i440fx_sync,
};
DEVICE(i440fx_type);

/* -- Configuration mechanism 1 ----------------------------------------------------------------- */

/* Only a whole doubleword reaches the register; byte 1 belongs to the reset port. */
static uint64_t address_read(void *opaque, uint64_t offset, unsigned size)
{
    I440fxHost *host = opaque;

    if (size == 4) {
        return host->config_address;
    }
    if (offset == RESET_PORT_OFFSET && size == 1 && host->reset_port.read) {
        return host->reset_port.read(host->reset_port.owner);
    }
    return UINT64_MAX;
}

static void address_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I440fxHost *host = opaque;

    if (size == 4) {
        host->config_address = (uint32_t)value;
    } else if (offset == RESET_PORT_OFFSET && size == 1 && host->reset_port.write) {
        host->reset_port.write(host->reset_port.owner, (uint8_t)value);
    }
}

static bool is_for_this_bus(const I440fxHost *host)
{
    return (host->config_address & CONFIG_ADDRESS_ENABLE) &&
           (host->config_address >> 16 & 0xff) == host->bus.number;
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    I440fxHost *host = opaque;
    uint32_t address = host->config_address;

    if (!is_for_this_bus(host)) {
        return UINT64_MAX;
    }
    return pci_config_read(&host->bus, address >> 8 & 0xff, (address & 0xfc) + (unsigned)offset,
                           size);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I440fxHost *host = opaque;
    uint32_t address = host->config_address;

    if (is_for_this_bus(host)) {
        pci_config_write(&host->bus, address >> 8 & 0xff, (address & 0xfc) + (unsigned)offset,
                         (uint32_t)value, size);
    }
}

void i440fx_wire(I440fxHost *host, const I440fxWiring *wiring)
{
    host->bridge.wiring = *wiring;
    host->bridge.pci_memory = &host->pci_memory;
    host->bus.io = wiring->io;
    host->bus.memory = &host->pci_memory;
}

void i440fx_set_reset_port(I440fxHost *host, ResetPort port)
{
    host->reset_port = port;
}

PciBus *i440fx_pci_bus(I440fxHost *host)
{
    return &host->bus;
}

Region *i440fx_pci_memory(I440fxHost *host)
{
    return &host->pci_memory;
}

static void host_init(Object *obj)
{
    I440fxHost *host = (I440fxHost *)obj;

    region_init(&host->pci_memory,
                &(RegionDesc){.name = "pci", .kind = REGION_CONTAINER, .size = UINT64_MAX});
    pci_bus_init(&host->bus, &host->dev, "pci.0", NULL, &host->pci_memory);
    bus_plug(&host->bus.bus, &host->bridge.pci.dev);
    host->bridge.pci.devfn = 0;
}

static void host_finalize(Object *obj)
{
    region_fini(&((I440fxHost *)obj)->pci_memory);
}

static bool host_realize(Object *obj, Error **err)
{
    static const RegionOps address_ops = {.read = address_read, .write = address_write};
    static const RegionOps data_ops = {.read = data_read, .write = data_write};
    I440fxHost *host = (I440fxHost *)obj;

    region_init(&host->address_port, &(RegionDesc){.name = "pci-conf-idx",
                                                   .kind = REGION_IO,
                                                   .size = 4,
                                                   .owner = obj,
                                                   .ops = &address_ops,
                                                   .opaque = host});
    region_init(&host->data_port, &(RegionDesc){.name = "pci-conf-data",
                                                .kind = REGION_IO,
                                                .size = 4,
                                                .owner = obj,
                                                .ops = &data_ops,
                                                .opaque = host});
    region_add(host->bus.io, CONFIG_ADDRESS_PORT, &host->address_port, 0);
    region_add(host->bus.io, CONFIG_DATA_PORT, &host->data_port, 0);
    region_add(host->bridge.wiring.system_memory, 0, &host->pci_memory, PRIORITY_PCI);
    return true;
}

static void host_unrealize(Object *obj)
{
    I440fxHost *host = (I440fxHost *)obj;

    region_del(&host->pci_memory);
    region_fini(&host->data_port);
    region_fini(&host->address_port);
}

static const Field host_fields[] = {
    CHILD(I440fxHost, bridge, &i440fx_type), DERIVED(I440fxHost, bus),
    DERIVED(I440fxHost, pci_memory),         DERIVED(I440fxHost, address_port),
    DERIVED(I440fxHost, data_port),          LINK(I440fxHost, reset_port),
    STATE(I440fxHost, config_address),       FIELDS_END,
};

static const Type host_type = {
    .name = "i440FX-pcihost",
    .parent = &device_type,
    .size = sizeof(I440fxHost),
    .desc = "Host bridge with its PCI bus",
    .fields = host_fields,
    .init = host_init,
    .finalize = host_finalize,
    .realize = host_realize,
    .unrealize = host_unrealize,
};
DEVICE(host_type);
