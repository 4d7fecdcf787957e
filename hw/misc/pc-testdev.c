/* SPDX-License-Identifier: MIT */
/* pc-testdev: what guest test suites for emulators drive the machine with.
 *
 *     ports e0h-e3h     a 32-bit word, accessed by any size
 *     ports e4h-e7h     "drop your mapping of this page": nothing to do here
 *     ports e8h-ebh     the same word, a byte at a time
 *     ports 2000h-2017h ISA interrupt lines, driven to the value written
 *     ff000000h         64 KiB that keep what is written, as a device and not as RAM
 */
#include "hw/isa.h"

#include <string.h>

enum {
    WORD_PORT = 0xe0,
    FLUSH_PORT = 0xe4,
    BYTE_PORT = 0xe8,
    IRQ_PORT = 0x2000,
    WORD_SIZE = 4,
    IRQ_PORT_COUNT = 24,
    MEMORY_SIZE = 0x10000
};

#define MEMORY_ADDRESS 0xff000000u

typedef struct PcTestdev {
    IsaDevice isa;
    Region word_ports, flush_ports, byte_ports, irq_ports, memory;
    uint8_t word[WORD_SIZE];
    uint8_t bytes[MEMORY_SIZE];
} PcTestdev;

/* Little-endian access to `size` bytes at `offset`; the part beyond the end reads as ones. */
static uint64_t load(const uint8_t *bytes, size_t length, uint64_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    if (offset < length) {
        memcpy(&value, bytes + offset, MIN(size, length - offset));
    }
    return value;
}

static void store(uint8_t *bytes, size_t length, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset < length) {
        memcpy(bytes + offset, &value, MIN(size, length - offset));
    }
}

static uint64_t word_read(void *opaque, uint64_t offset, unsigned size)
{
    return load(((const PcTestdev *)opaque)->word, WORD_SIZE, offset, size);
}

static void word_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    store(((PcTestdev *)opaque)->word, WORD_SIZE, offset, value, size);
}

static uint64_t memory_read(void *opaque, uint64_t offset, unsigned size)
{
    return load(((const PcTestdev *)opaque)->bytes, MEMORY_SIZE, offset, size);
}

static void memory_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    store(((PcTestdev *)opaque)->bytes, MEMORY_SIZE, offset, value, size);
}

static uint64_t nothing_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void flush_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static void irq_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PcTestdev *self = opaque;

    if (offset < ISA_IRQ_COUNT) {
        irq_set(isa_irq(&self->isa, (unsigned)offset), value);
    }
}

static const RegionOps word_ops = {
    .read = word_read, .write = word_write, .impl_min = 1, .impl_max = 4, .unaligned = true};
static const RegionOps byte_ops = {
    .read = word_read, .write = word_write, .impl_min = 1, .impl_max = 1};
static const RegionOps flush_ops = {
    .read = nothing_read, .write = flush_write, .impl_min = 1, .impl_max = 4, .unaligned = true};
static const RegionOps irq_ops = {
    .read = nothing_read, .write = irq_write, .impl_min = 1, .impl_max = 1};
static const RegionOps memory_ops = {
    .read = memory_read, .write = memory_write, .impl_min = 1, .impl_max = 8, .unaligned = true};

static void make_region(PcTestdev *self, Region *region, const char *name, const RegionOps *ops,
                        uint64_t size)
{
    region_init(region, &(RegionDesc){.name = name,
                                      .kind = REGION_IO,
                                      .size = size,
                                      .owner = &self->isa.dev.obj,
                                      .ops = ops,
                                      .opaque = self});
}

static bool pc_testdev_realize(Object *obj, Error **err)
{
    PcTestdev *self = (PcTestdev *)obj;

    make_region(self, &self->word_ports, "pc-testdev-ioport", &word_ops, WORD_SIZE);
    make_region(self, &self->flush_ports, "pc-testdev-flush-page", &flush_ops, WORD_SIZE);
    make_region(self, &self->byte_ports, "pc-testdev-ioport-byte", &byte_ops, WORD_SIZE);
    make_region(self, &self->irq_ports, "pc-testdev-irq-line", &irq_ops, IRQ_PORT_COUNT);
    make_region(self, &self->memory, "pc-testdev-iomem", &memory_ops, MEMORY_SIZE);
    isa_map_io(&self->isa, &self->word_ports, WORD_PORT);
    isa_map_io(&self->isa, &self->flush_ports, FLUSH_PORT);
    isa_map_io(&self->isa, &self->byte_ports, BYTE_PORT);
    isa_map_io(&self->isa, &self->irq_ports, IRQ_PORT);
    region_add(((IsaBus *)self->isa.dev.bus)->memory, MEMORY_ADDRESS, &self->memory, 1);
    return true;
}

static void pc_testdev_unrealize(Object *obj)
{
    PcTestdev *self = (PcTestdev *)obj;

    region_fini(&self->memory);
    region_fini(&self->irq_ports);
    region_fini(&self->byte_ports);
    region_fini(&self->flush_ports);
    region_fini(&self->word_ports);
}

static const Field pc_testdev_fields[] = {
    DERIVED(PcTestdev, word_ports), DERIVED(PcTestdev, flush_ports),
    DERIVED(PcTestdev, byte_ports), DERIVED(PcTestdev, irq_ports),
    DERIVED(PcTestdev, memory),     STATE_ARRAY(PcTestdev, word),
    STATE_ARRAY(PcTestdev, bytes),  FIELDS_END};

static const Type pc_testdev_type = {
    .name = "pc-testdev",
    .parent = &isa_device_type,
    .size = sizeof(PcTestdev),
    .desc = "ports, lines and memory for guest test suites",
    .fields = pc_testdev_fields,
    .realize = pc_testdev_realize,
    .unrealize = pc_testdev_unrealize,
    .user_creatable = true,
};
DEVICE(pc_testdev_type);
