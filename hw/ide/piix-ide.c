/* SPDX-License-Identifier: MIT */
/* 82371SB (PIIX3) function 1: two IDE channels at their legacy ports, with bus-master DMA.
 * Datasheet: Intel 290550; Programming Interface for Bus Master IDE Controller 1.0. */
#include "hw/ide.h"
#include "hw/isa.h"
#include "hw/pci.h"
#include "util/trace.h"

#define CHANNELS 2
#define BM_CHANNEL_SIZE 8
#define PRD_MAX 8192 /* what fits into the 64 KiB a table may have */

enum { /* bus-master registers of a channel */
       BM_COMMAND = 0,
       BM_STATUS = 2,
       BM_TABLE = 4
};
enum { BM_COMMAND_START = 0x01, BM_COMMAND_TO_MEMORY = 0x08 };
enum {
    BM_STATUS_ACTIVE = 0x01,
    BM_STATUS_ERROR = 0x02,
    BM_STATUS_INTERRUPT = 0x04,
    BM_STATUS_CAPABLE = 0x60 /* drive 0, drive 1: read and written by software */
};

enum { PRD_END = 0x80000000u, PRD_SIZE_MASK = 0xfffe };

enum { /* configuration space */
       CONFIG_TIMING = 0x40,
       CONFIG_TIMING_END = 0x48
};

static const uint16_t command_ports[CHANNELS] = {0x1f0, 0x170};
static const uint16_t control_ports[CHANNELS] = {0x3f6, 0x376};
static const unsigned isa_lines[CHANNELS] = {14, 15};

typedef struct PiixIde {
    PciDevice pci;
    IdeBus buses[CHANNELS];
    Irq irqs[CHANNELS];
    Region command_regions[CHANNELS], control_regions[CHANNELS], bm_region;

    uint8_t bm_command[CHANNELS], bm_status[CHANNELS];
    uint32_t bm_table[CHANNELS];
} PiixIde;

static PiixIde *controller_of(const IdeBus *bus)
{
    return (PiixIde *)bus->controller;
}

static void piix_ide_sync(Object *obj)
{
    PiixIde *ide = (PiixIde *)obj;

    pci_device_sync(&ide->pci);
    for (unsigned i = 0; i < CHANNELS; i++) {
        irq_set(ide->irqs[i], ide_bus_irq_level(&ide->buses[i]));
    }
}

/* -- DMA engine -------------------------------------------------------------------------------- */

/* Copies the descriptor table in; NULL when it cannot be read. Caller frees. */
static IdeSegment *read_table(PiixIde *ide, unsigned channel, size_t *ret_count)
{
    g_autoptr(GArray) segments = g_array_new(FALSE, FALSE, sizeof(IdeSegment));
    uint32_t address = ide->bm_table[channel];
    uint32_t entry[2] = {0, 0};

    while (segments->len < PRD_MAX && !(entry[1] & PRD_END)) {
        IdeSegment segment;
        if (!pci_dma_read(&ide->pci, address, entry, sizeof(entry))) {
            guest_error(ide, "descriptor table at 0x%x is not readable memory", address);
            return NULL;
        }
        segment.address = entry[0] & ~1u;
        segment.size = entry[1] & PRD_SIZE_MASK ? entry[1] & PRD_SIZE_MASK : 0x10000;
        g_array_append_val(segments, segment);
        address += sizeof(entry);
    }
    *ret_count = segments->len;
    return (IdeSegment *)(void *)g_array_free(g_steal_pointer(&segments), FALSE);
}

static void run_engine(PiixIde *ide, unsigned channel)
{
    IdeBus *bus = &ide->buses[channel];
    IdeSegment *segments;
    size_t count;

    if (!(ide->bm_command[channel] & BM_COMMAND_START) || !ide_bus_dma_is_wanted(bus)) {
        return;
    }
    segments = read_table(ide, channel, &count);
    if (!segments) {
        ide->bm_status[channel] =
            (uint8_t)((ide->bm_status[channel] & ~BM_STATUS_ACTIVE) | BM_STATUS_ERROR);
        return;
    }
    TRACE(piix_ide_dma, "channel %u segments %zu", channel, count);
    ide_bus_run_dma(bus, ide->bm_command[channel] & BM_COMMAND_TO_MEMORY, segments, count);
}

static void write_bm_command(PiixIde *ide, unsigned channel, uint8_t value)
{
    uint8_t before = ide->bm_command[channel];

    ide->bm_command[channel] = value & (BM_COMMAND_START | BM_COMMAND_TO_MEMORY);
    if ((before ^ value) & BM_COMMAND_START) {
        ide->bm_status[channel] &= (uint8_t)~BM_STATUS_ACTIVE;
        if (value & BM_COMMAND_START) {
            ide->bm_status[channel] |= BM_STATUS_ACTIVE;
            run_engine(ide, channel);
        } else {
            ide_bus_stop_dma(&ide->buses[channel]);
        }
    }
}

static void write_bm_status(PiixIde *ide, unsigned channel, uint8_t value)
{
    uint8_t status = ide->bm_status[channel];

    status &= (uint8_t) ~(value & (BM_STATUS_ERROR | BM_STATUS_INTERRUPT));
    ide->bm_status[channel] =
        (uint8_t)((status & ~BM_STATUS_CAPABLE) | (value & BM_STATUS_CAPABLE));
}

static uint64_t bm_read(void *opaque, uint64_t offset, unsigned size)
{
    const PiixIde *ide = opaque;
    unsigned channel = (unsigned)(offset / BM_CHANNEL_SIZE);
    unsigned index = offset % BM_CHANNEL_SIZE;

    switch (index) {
    case BM_COMMAND:
        return ide->bm_command[channel];
    case BM_STATUS:
        return ide->bm_status[channel];
    default:
        return index >= BM_TABLE ? ide->bm_table[channel] >> (8 * (index - BM_TABLE)) & 0xff : 0;
    }
}

static void bm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PiixIde *ide = opaque;
    unsigned channel = (unsigned)(offset / BM_CHANNEL_SIZE);
    unsigned index = offset % BM_CHANNEL_SIZE;

    if (index == BM_COMMAND) {
        write_bm_command(ide, channel, (uint8_t)value);
    } else if (index == BM_STATUS) {
        write_bm_status(ide, channel, (uint8_t)value);
    } else if (index >= BM_TABLE) {
        unsigned shift = 8 * (index - BM_TABLE);
        ide->bm_table[channel] =
            ((ide->bm_table[channel] & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
    }
}

/* -- What the channels ask for ----------------------------------------------------------------- */

static void channel_interrupt(IdeBus *bus)
{
    controller_of(bus)->bm_status[bus->index] |= BM_STATUS_INTERRUPT;
}

static void channel_update(IdeBus *bus)
{
    PiixIde *ide = controller_of(bus);

    irq_set(ide->irqs[bus->index], ide_bus_irq_level(bus));
}

static void channel_dma_requested(IdeBus *bus)
{
    run_engine(controller_of(bus), bus->index);
}

/* A table longer than the transfer leaves the engine active: that is how software sees it. */
static void channel_dma_ended(IdeBus *bus, IdeDmaEnd end, uint64_t bytes_left)
{
    if (end != IDE_DMA_COMPLETE || bytes_left == 0) {
        controller_of(bus)->bm_status[bus->index] &= (uint8_t)~BM_STATUS_ACTIVE;
    }
}

static const IdeControllerOps channel_ops = {
    .interrupt = channel_interrupt,
    .update = channel_update,
    .dma_requested = channel_dma_requested,
    .dma_ended = channel_dma_ended,
};

/* -- Legacy ports ------------------------------------------------------------------------------ */

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    return ide_bus_read(opaque, (unsigned)offset, size);
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ide_bus_write(opaque, (unsigned)offset, (uint32_t)value, size);
}

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    return ide_bus_read_alternate_status(opaque);
}

static void control_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ide_bus_write_control(opaque, (uint8_t)value);
}

/* The data register is as wide as the access; a wide access elsewhere touches one register. */
static const RegionOps command_ops = {
    .read = command_read, .write = command_write, .impl_min = 1, .impl_max = 4, .unaligned = true};
static const RegionOps control_ops = {
    .read = control_read, .write = control_write, .impl_min = 1, .impl_max = 1};
static const RegionOps bm_ops = {.read = bm_read, .write = bm_write, .impl_min = 1, .impl_max = 1};

/* -- Life -------------------------------------------------------------------------------------- */

static void piix_ide_init(Object *obj)
{
    PiixIde *ide = (PiixIde *)obj;

    for (unsigned i = 0; i < CHANNELS; i++) {
        ide_bus_init(&ide->buses[i], &ide->pci.dev, &channel_ops, i);
    }
}

static void add_region(PiixIde *ide, Region *region, const RegionDesc *desc, uint16_t port)
{
    region_init(region, desc);
    region_add(((PciBus *)ide->pci.dev.bus)->io, port, region, 0);
}

static void init_config(PciDevice *pci)
{
    for (unsigned i = CONFIG_TIMING; i < CONFIG_TIMING_END; i++) {
        pci->write_mask[i] = 0xff;
    }
}

static void drop_regions(PiixIde *ide)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        region_del(&ide->command_regions[i]);
        region_fini(&ide->command_regions[i]);
        region_del(&ide->control_regions[i]);
        region_fini(&ide->control_regions[i]);
    }
    region_del(&ide->bm_region);
    region_fini(&ide->bm_region);
}

static void add_regions(PiixIde *ide)
{
    Object *obj = &ide->pci.dev.obj;

    for (unsigned i = 0; i < CHANNELS; i++) {
        RegionDesc command = {.name = "ide-command",
                              .kind = REGION_IO,
                              .size = 8,
                              .owner = obj,
                              .ops = &command_ops,
                              .opaque = &ide->buses[i]};
        RegionDesc control = {.name = "ide-control",
                              .kind = REGION_IO,
                              .size = 1,
                              .owner = obj,
                              .ops = &control_ops,
                              .opaque = &ide->buses[i]};
        add_region(ide, &ide->command_regions[i], &command, command_ports[i]);
        add_region(ide, &ide->control_regions[i], &control, control_ports[i]);
    }
    region_init(&ide->bm_region, &(RegionDesc){.name = "ide-bus-master",
                                               .kind = REGION_IO,
                                               .size = CHANNELS * BM_CHANNEL_SIZE,
                                               .owner = obj,
                                               .ops = &bm_ops,
                                               .opaque = ide});
    pci_register_bar(&ide->pci, 4, PCI_BAR_IO, &ide->bm_region);
}

static bool piix_ide_realize(Object *obj, Error **err)
{
    PiixIde *ide = (PiixIde *)obj;
    IsaBus *isa = isa_bus_find();

    for (unsigned i = 0; i < CHANNELS; i++) {
        if (!ide->irqs[i].set && isa) {
            ide->irqs[i] = isa->irqs[isa_lines[i]];
        }
        if (!ide_bus_create_drives(&ide->buses[i], err)) {
            ide_bus_free_drives(&ide->buses[0]);
            return false;
        }
    }
    init_config(&ide->pci);
    add_regions(ide);
    return true;
}

static void piix_ide_unrealize(Object *obj)
{
    PiixIde *ide = (PiixIde *)obj;

    for (unsigned i = 0; i < CHANNELS; i++) {
        ide_bus_free_drives(&ide->buses[i]);
    }
    drop_regions(ide);
}

static const Field piix_ide_fields[] = {
    DERIVED(PiixIde, buses),
    LINK(PiixIde, irqs),
    DERIVED(PiixIde, command_regions),
    DERIVED(PiixIde, control_regions),
    DERIVED(PiixIde, bm_region),
    STATE_ARRAY(PiixIde, bm_command),
    STATE_ARRAY(PiixIde, bm_status),
    STATE_ARRAY(PiixIde, bm_table),
    FIELDS_END,
};

static const PciDeviceInfo piix_ide_info = {
    .vendor_id = 0x8086,
    .device_id = 0x7010,
    .class_code = 0x010180, /* bus master, both channels in compatibility mode */
};

static const Type piix_ide_type = {
    .name = "piix3-ide",
    .parent = &pci_device_type,
    .size = sizeof(PiixIde),
    .desc = "PIIX3 IDE controller",
    .fields = piix_ide_fields,
    .info = &piix_ide_info,
    .init = piix_ide_init,
    .realize = piix_ide_realize,
    .unrealize = piix_ide_unrealize,
    .sync = piix_ide_sync,
};

DEVICE(piix_ide_type);
