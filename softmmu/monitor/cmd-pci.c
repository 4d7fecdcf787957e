/* SPDX-License-Identifier: MIT */
/* info pci, query-pci. */
#include "hw/pci.h"
#include "softmmu/monitor/monitor-private.h"

#include <inttypes.h>

/* -- Shape ------------------------------------------------------------------------------------- */

static const JsonMember region_members[] = {{"bar", &json_type_int},
                                            {"type", &json_type_string},
                                            {"address", &json_type_int},
                                            {"size", &json_type_int},
                                            {"prefetch", &json_type_bool, true},
                                            {"mem_type_64", &json_type_bool, true},
                                            {NULL}};
static const JsonType region_type = {.kind = JSON_KIND_OBJECT, .members = region_members};
static const JsonType regions_type = {.kind = JSON_KIND_ARRAY, .element = &region_type};
static const JsonMember class_members[] = {
    {"desc", &json_type_string, true}, {"class", &json_type_int}, {NULL}};
static const JsonType class_type = {.kind = JSON_KIND_OBJECT, .members = class_members};
static const JsonMember id_members[] = {{"device", &json_type_int},
                                        {"vendor", &json_type_int},
                                        {"subsystem", &json_type_int, true},
                                        {"subsystem-vendor", &json_type_int, true},
                                        {NULL}};
static const JsonType id_type = {.kind = JSON_KIND_OBJECT, .members = id_members};
static const JsonMember device_members[] = {{"bus", &json_type_int},
                                            {"slot", &json_type_int},
                                            {"function", &json_type_int},
                                            {"class_info", &class_type},
                                            {"id", &id_type},
                                            {"irq", &json_type_int, true},
                                            {"irq_pin", &json_type_int},
                                            {"qdev_id", &json_type_string},
                                            {"regions", &regions_type},
                                            {NULL}};
static const JsonType pci_device_json_type = {.kind = JSON_KIND_OBJECT, .members = device_members};
static const JsonType devices_type = {.kind = JSON_KIND_ARRAY, .element = &pci_device_json_type};
static const JsonMember bus_members[] = {
    {"bus", &json_type_int}, {"devices", &devices_type}, {NULL}};
static const JsonType bus_json_type = {.kind = JSON_KIND_OBJECT, .members = bus_members};
static const JsonType buses_type = {.kind = JSON_KIND_ARRAY, .element = &bus_json_type};

/* -- Content ----------------------------------------------------------------------------------- */

static json_t *describe_bar(const PciDevice *dev, unsigned index)
{
    PciBarKind kind = dev->bar_kinds[index];
    /* Not mapped is -1: the member has a sign. */
    json_t *region = json_pack("{s:i, s:s, s:I, s:I}", "bar", (int)index, "type",
                               kind == PCI_BAR_IO ? "io" : "memory", "address",
                               (json_int_t)dev->bar_mapped_at[index], "size",
                               (json_int_t)dev->bars[index]->size);

    if (kind != PCI_BAR_IO) {
        bool prefetch = kind == PCI_BAR_MEM64_PREFETCH;

        json_object_set_new(region, "prefetch", json_boolean(prefetch));
        json_object_set_new(region, "mem_type_64", json_boolean(prefetch || kind == PCI_BAR_MEM64));
    }
    return region;
}

static json_t *describe_device(const PciBus *bus, const PciDevice *dev)
{
    uint16_t class_code = pci_get_word(dev, PCI_CLASS_DEVICE);
    const char *class_name = pci_class_name(class_code);
    json_t *class_info = json_pack("{s:i}", "class", class_code);
    json_t *regions = json_array();

    if (class_name) {
        json_object_set_new(class_info, "desc", json_string(class_name));
    }
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        if (dev->bars[i]) {
            json_array_append_new(regions, describe_bar(dev, i));
        }
    }
    json_t *id = json_pack("{s:i, s:i, s:i, s:i}", "device", pci_get_word(dev, PCI_DEVICE_ID),
                           "vendor", pci_get_word(dev, PCI_VENDOR_ID), "subsystem",
                           pci_get_word(dev, PCI_SUBSYSTEM_ID), "subsystem-vendor",
                           pci_get_word(dev, PCI_SUBSYSTEM_VENDOR_ID));
    uint8_t pin = dev->config[PCI_INTERRUPT_PIN];
    json_t *device =
        json_pack("{s:i, s:i, s:i, s:o, s:o, s:i, s:o, s:o}", "bus", bus->number, "slot",
                  dev->devfn >> 3, "function", dev->devfn & 7, "class_info", class_info, "id", id,
                  "irq_pin", pin, "qdev_id", json_text(dev->dev.id), "regions", regions);
    if (pin) {
        json_object_set_new(device, "irq", json_integer(dev->config[PCI_INTERRUPT_LINE]));
    }
    return device;
}

void monitor_print_pci(Monitor *monitor, const Object *obj, int indent)
{
    const PciDevice *dev = (const PciDevice *)obj;
    const PciBus *bus = (const PciBus *)dev->dev.bus;
    uint16_t class_code = pci_get_word(dev, PCI_CLASS_DEVICE);
    const char *name = pci_class_name(class_code);
    g_autofree char *code = g_strdup_printf("Class %04x", class_code);

    monitor_printf(monitor, "%*sclass %s, addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)\n",
                   indent, "", name ? name : code, bus ? bus->number : 0, dev->devfn >> 3,
                   dev->devfn & 7, pci_get_word(dev, PCI_VENDOR_ID),
                   pci_get_word(dev, PCI_DEVICE_ID), pci_get_word(dev, PCI_SUBSYSTEM_VENDOR_ID),
                   pci_get_word(dev, PCI_SUBSYSTEM_ID));
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        if (dev->bars[i]) {
            uint64_t at = dev->bar_mapped_at[i];
            monitor_printf(monitor, "%*sbar %u: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", indent, "",
                           i, dev->bar_kinds[i] == PCI_BAR_IO ? "i/o" : "mem", at,
                           at + dev->bars[i]->size - 1);
        }
    }
}

static bool run_info_pci(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const PciBus *bus = (const PciBus *)bus_find(&pci_bus_type, NULL);
    json_t *buses = json_array(), *devices = json_array();

    for (unsigned devfn = 0; bus && devfn < G_N_ELEMENTS(bus->devices); devfn++) {
        if (bus->devices[devfn]) {
            json_array_append_new(devices, describe_device(bus, bus->devices[devfn]));
        }
    }
    if (bus) {
        json_array_append_new(buses,
                              json_pack("{s:i, s:O}", "bus", bus->number, "devices", devices));
    }
    json_decref(devices);
    monitor_return(monitor, buses);
    return true;
}

static void print_pci(Monitor *monitor, const json_t *result)
{
    g_autofree char *text = pci_info_text();

    monitor_printf(monitor, "%s", text ? text : "No PCI devices found\n");
}

static const MonitorCommand info_pci_command = {
    .name = "info pci",
    .qmp = "query-pci",
    .help = "show the PCI devices and where they are mapped",
    .returns = &buses_type,
    .run = run_info_pci,
    .print = print_pci,
};
MONITOR_COMMAND(info_pci_command);
