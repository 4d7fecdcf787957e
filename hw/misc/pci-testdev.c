/* SPDX-License-Identifier: MIT */
/* pci-testdev: measures and tests how fast and how exactly writes reach a device. Each BAR begins
 * with the header of the test a write to its first byte has chosen:
 *
 *     0 test number (write)   1 width of the access, 0: no such test   4 offset to write at
 *     8 data to write         12 count of writes that matched         16 name, ends with 0
 */
#include "hw/pci.h"
#include "softmmu/region-event.h"

#include <inttypes.h>
#include <string.h>

enum {
    HEADER_TEST = 0,
    HEADER_WIDTH = 1,
    HEADER_OFFSET = 4,
    HEADER_DATA = 8,
    HEADER_COUNT = 12,
    HEADER_NAME = 16,
    HEADER_SIZE = 64,
    NO_TEST = 0xff
};

enum { BAR_MEMORY, BAR_IO, BAR_COUNT, MEMORY_BAR_SIZE = 4096, IO_BAR_SIZE = 256 };
enum { DATA_MATCH = 0xfa, DATA_OTHER = 0xce };

/* What a test counts: here, or by an event descriptor. */
typedef struct TestKind {
    const char *name;
    uint8_t data;
    bool by_event, must_match;
} TestKind;

static const TestKind test_kinds[] = {{"no-eventfd", DATA_OTHER, false, false},
                                      {"wildcard-eventfd", DATA_OTHER, true, false},
                                      {"datamatch-eventfd", DATA_MATCH, true, true}};

typedef struct PciTestdev PciTestdev;

typedef struct TestBar {
    PciTestdev *owner;
    Region region;
    uint32_t size;
    uint8_t test; /* NO_TEST: none chosen */
    uint32_t count;
    RegionEvent *event; /* of the test chosen; NULL: it has none */
} TestBar;

struct PciTestdev {
    PciDevice pci;
    uint64_t membar;
    TestBar bars[BAR_COUNT];
    Region large;
};

static const TestKind *chosen(const TestBar *bar)
{
    return bar->test < G_N_ELEMENTS(test_kinds) ? &test_kinds[bar->test] : NULL;
}

static uint32_t test_offset(const TestBar *bar)
{
    return bar->size / 2 + bar->test;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

/* What the event has counted is part of the count. */
static void take_events(TestBar *bar)
{
    bar->count += bar->event ? (uint32_t)region_event_take(bar->event) : 0;
}

/* Follows `test`: an event that cannot be had leaves the counting to bar_write(). */
static void renew_event(TestBar *bar)
{
    const TestKind *kind = chosen(bar);
    bool wanted = kind && kind->by_event;
    RegionEvent event = {.region = &bar->region, .offset = test_offset(bar), .size = 1};
    g_autoptr(Error) err = NULL;

    if (wanted ? bar->event && bar->event->offset == event.offset : !bar->event) {
        return;
    }
    g_clear_pointer(&bar->event, region_event_free);
    if (wanted) {
        event.must_match = kind->must_match;
        event.value = kind->data;
        bar->event = region_event_new(&event, &err);
    }
    if (err) {
        warn_report("pci-testdev: %s", error_message(err));
    }
}

static void pci_testdev_sync(Object *obj)
{
    PciTestdev *self = (PciTestdev *)obj;

    for (unsigned i = 0; i < BAR_COUNT; i++) {
        if (self->bars[i].size) {
            renew_event(&self->bars[i]);
        }
    }
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    TestBar *bar = opaque;
    const TestKind *kind = chosen(bar);
    uint8_t header[HEADER_SIZE] = {0};
    uint64_t value = 0;

    if (!kind || offset >= HEADER_SIZE) {
        return 0;
    }
    take_events(bar);
    header[HEADER_TEST] = bar->test;
    header[HEADER_WIDTH] = 1;
    put_u32(header + HEADER_OFFSET, test_offset(bar));
    put_u32(header + HEADER_DATA, kind->data);
    put_u32(header + HEADER_COUNT, bar->count);
    g_snprintf((char *)header + HEADER_NAME, HEADER_SIZE - HEADER_NAME, "%s-%s",
               bar->size == IO_BAR_SIZE ? "portio" : "mmio", kind->name);
    memcpy(&value, header + offset, MIN(size, HEADER_SIZE - offset));
    return value;
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    TestBar *bar = opaque;
    const TestKind *kind = chosen(bar);

    if (offset == HEADER_TEST) {
        take_events(bar);
        bar->test = (uint8_t)value;
        bar->count = 0;
    } else if (kind && offset == test_offset(bar) && size == 1 &&
               (!kind->must_match || value == kind->data)) {
        bar->count++;
    }
}

static uint64_t large_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void large_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
}

static const RegionOps bar_ops = {
    .read = bar_read, .write = bar_write, .impl_min = 1, .impl_max = 4, .unaligned = true};
static const RegionOps large_ops = {
    .read = large_read, .write = large_write, .impl_min = 1, .impl_max = 8};

static void make_bar(PciTestdev *self, unsigned n, const char *name, uint32_t size, PciBarKind kind)
{
    TestBar *bar = &self->bars[n];

    bar->owner = self;
    bar->size = size;
    region_init(&bar->region, &(RegionDesc){.name = name,
                                            .kind = REGION_IO,
                                            .size = size,
                                            .owner = &self->pci.dev.obj,
                                            .ops = &bar_ops,
                                            .opaque = bar});
    pci_register_bar(&self->pci, n, kind, &bar->region);
}

static bool pci_testdev_realize(Object *obj, Error **err)
{
    PciTestdev *self = (PciTestdev *)obj;

    if (self->membar & (self->membar - 1) || (self->membar && self->membar < TARGET_PAGE_SIZE)) {
        return error_set(err, "membar=%" PRIu64 ": the size is a power of two from 4096 on",
                         self->membar);
    }
    make_bar(self, BAR_MEMORY, "pci-testdev-mmio", MEMORY_BAR_SIZE, PCI_BAR_MEM32);
    make_bar(self, BAR_IO, "pci-testdev-portio", IO_BAR_SIZE, PCI_BAR_IO);
    if (self->membar) {
        region_init(&self->large, &(RegionDesc){.name = "pci-testdev-membar",
                                                .kind = REGION_IO,
                                                .size = self->membar,
                                                .owner = obj,
                                                .ops = &large_ops,
                                                .opaque = self});
        pci_register_bar(&self->pci, BAR_COUNT, PCI_BAR_MEM64_PREFETCH, &self->large);
    }
    return true;
}

static void pci_testdev_unrealize(Object *obj)
{
    PciTestdev *self = (PciTestdev *)obj;

    region_fini(&self->large);
    for (unsigned i = 0; i < BAR_COUNT; i++) {
        g_clear_pointer(&self->bars[i].event, region_event_free);
        region_fini(&self->bars[i].region);
    }
}

static const Field test_bar_fields[] = {LINK(TestBar, owner),
                                        DERIVED(TestBar, region),
                                        DERIVED(TestBar, size),
                                        STATE(TestBar, test, .init = NO_TEST),
                                        STATE(TestBar, count),
                                        DERIVED(TestBar, event),
                                        FIELDS_END};

static const Field pci_testdev_fields[] = {
    PROP_SIZE(PciTestdev, membar, .desc = "size of a third, 64-bit BAR; 0: none"),
    STATE_STRUCTS(PciTestdev, bars, test_bar_fields), DERIVED(PciTestdev, large), FIELDS_END};

static const PciDeviceInfo pci_testdev_info = {
    .vendor_id = 0x1b36, .device_id = 0x0005, .class_code = 0x00ff00};

static const Type pci_testdev_type = {
    .name = "pci-testdev",
    .parent = &pci_device_type,
    .size = sizeof(PciTestdev),
    .desc = "PCI device for tests of device access",
    .fields = pci_testdev_fields,
    .info = &pci_testdev_info,
    .realize = pci_testdev_realize,
    .unrealize = pci_testdev_unrealize,
    .sync = pci_testdev_sync,
    .user_creatable = true,
};
DEVICE(pci_testdev_type);
