/* SPDX-License-Identifier: MIT */
/* Text of `info pci`, in QEMU's layout. */
#include "hw/pci.h"

#include <inttypes.h>

static const struct {
    uint16_t class_code;
    const char *name;
} class_names[] = {
    {0x0001, "VGA controller"},
    {0x0100, "SCSI controller"},
    {0x0101, "IDE controller"},
    {0x0102, "Floppy controller"},
    {0x0104, "RAID controller"},
    {0x0106, "SATA controller"},
    {0x0107, "SAS controller"},
    {0x0180, "Storage controller"},
    {0x0200, "Ethernet controller"},
    {0x0280, "Network controller"},
    {0x0300, "VGA controller"},
    {0x0301, "XGA controller"},
    {0x0302, "3D controller"},
    {0x0380, "Display controller"},
    {0x0400, "Video controller"},
    {0x0401, "Audio controller"},
    {0x0403, "Audio controller"},
    {0x0480, "Multimedia controller"},
    {0x0500, "RAM controller"},
    {0x0501, "Flash controller"},
    {0x0580, "Memory controller"},
    {0x0600, "Host bridge"},
    {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},
    {0x0680, "Bridge"},
    {0x0700, "Serial port"},
    {0x0701, "Parallel port"},
    {0x0800, "Interrupt controller"},
    {0x0801, "DMA controller"},
    {0x0802, "Timer"},
    {0x0803, "RTC"},
    {0x0900, "Keyboard"},
    {0x0902, "Mouse"},
    {0x0c03, "USB controller"},
    {0x0c05, "SMBus"},
};

const char *pci_class_name(uint16_t class_code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++) {
        if (class_names[i].class_code == class_code) {
            return class_names[i].name;
        }
    }
    return NULL;
}

static void append_class(GString *out, const PciDevice *dev)
{
    uint16_t class_code = pci_get_word(dev, PCI_CLASS_DEVICE);
    const char *name = pci_class_name(class_code);

    if (name) {
        g_string_append(out, name);
    } else {
        g_string_append_printf(out, "Class %04d", class_code);
    }
}

static void append_bar(GString *out, const PciDevice *dev, unsigned index)
{
    uint64_t address = dev->bar_mapped_at[index];
    uint64_t last = address + dev->bars[index]->size - 1;
    PciBarKind kind = dev->bar_kinds[index];

    g_string_append_printf(out, "      BAR%u: ", index);
    if (kind == PCI_BAR_IO) {
        g_string_append_printf(out, "I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", address,
                               last & 0xffff);
        return;
    }
    bool is_64 = kind == PCI_BAR_MEM64 || kind == PCI_BAR_MEM64_PREFETCH;
    g_string_append_printf(out, "%d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
                           is_64 ? 64 : 32, kind == PCI_BAR_MEM64_PREFETCH ? " prefetchable" : "",
                           address, is_64 ? last : last & UINT32_MAX);
}

static void append_device(GString *out, const PciBus *bus, const PciDevice *dev)
{
    g_string_append_printf(out, "  Bus %2d, device %3d, function %d:\n    ", bus->number,
                           dev->devfn >> 3, dev->devfn & 7);
    append_class(out, dev);
    g_string_append_printf(out, ": PCI device %04x:%04x\n", pci_get_word(dev, PCI_VENDOR_ID),
                           pci_get_word(dev, PCI_DEVICE_ID));
    g_string_append_printf(out, "      PCI subsystem %04x:%04x\n",
                           pci_get_word(dev, PCI_SUBSYSTEM_VENDOR_ID),
                           pci_get_word(dev, PCI_SUBSYSTEM_ID));
    if (dev->config[PCI_INTERRUPT_PIN]) {
        g_string_append_printf(out, "      IRQ %d, pin %c\n", dev->config[PCI_INTERRUPT_LINE],
                               'A' + dev->config[PCI_INTERRUPT_PIN] - 1);
    }
    for (unsigned i = 0; i <= PCI_ROM_SLOT; i++) {
        if (dev->bars[i]) {
            append_bar(out, dev, i);
        }
    }
    g_string_append_printf(out, "      id \"%s\"\n", dev->dev.id ? dev->dev.id : "");
}

char *pci_info_text(void)
{
    PciBus *bus = (PciBus *)bus_find(&pci_bus_type, NULL);

    if (!bus) {
        return NULL;
    }
    GString *out = g_string_new(NULL);
    for (unsigned devfn = 0; devfn < G_N_ELEMENTS(bus->devices); devfn++) {
        if (bus->devices[devfn]) {
            append_device(out, bus, bus->devices[devfn]);
        }
    }
    return g_string_free(out, FALSE);
}
