/* SPDX-License-Identifier: MIT */
/* 82371SB function 0: PCI-to-ISA bridge, PCI interrupt router, reset control. Datasheet: Intel
 * 290550, "82371FB (PIIX) and 82371SB (PIIX3) PCI ISA IDE Xcelerator". */
#include "hw/piix3.h"

#include "softmmu/run.h"
#include "util/trace.h"

enum { /* configuration space */
       PIIX3_IORT = 0x4c,
       PIIX3_XBCS = 0x4e,
       PIIX3_PIRQRCA = 0x60,
       PIIX3_TOM = 0x69,
       PIIX3_MSTAT = 0x6a,
       PIIX3_MBIRQ0 = 0x70,
       PIIX3_MBDMA0 = 0x76,
       PIIX3_MBDMA1 = 0x77,
       PIIX3_PCSC = 0x78,
       PIIX3_SMICNTL = 0xa0,
       PIIX3_SMIREQ_END = 0xaf
};

enum { PIRQ_COUNT = 4, PIRQ_DISABLED = 0x80, PIRQ_IRQ_MASK = 0x0f };
enum { RESET_CONTROL_HARD = 0x02, RESET_CONTROL_TRIGGER = 0x04 };
enum { STATUS_DEVSEL_MEDIUM = 0x0200 };

/* IRQs the router can reach: 0, 1, 2, 8 and 13 belong to the board. */
#define ROUTABLE_IRQS 0xdef8u

struct Piix3 {
    PciDevice pci;
    IsaBus isa;
    uint16_t driven; /* ISA lines this router holds up */

    uint8_t reset_control;
};

/* The board rotates the four lines from slot to slot, slot 1 being straight. */
static unsigned pirq_of(unsigned slot, unsigned pin)
{
    return (pin + slot + PIRQ_COUNT - 1) % PIRQ_COUNT;
}

static unsigned pirq_levels(const PciBus *bus)
{
    unsigned levels = 0;

    for (guint i = 0; i < bus->bus.devices->len; i++) {
        const PciDevice *dev = bus->bus.devices->pdata[i];
        unsigned pin = dev->config[PCI_INTERRUPT_PIN] - 1u;
        unsigned slot = (unsigned)dev->devfn >> 3;
        if (dev->intx_level && pin < 4 && pci_bus_intx_level(bus, slot, pin)) {
            levels |= 1u << pirq_of(slot, pin);
        }
    }
    return levels;
}

static uint16_t isa_levels(const Piix3 *piix3)
{
    unsigned pirqs = pirq_levels((const PciBus *)piix3->pci.dev.bus);
    unsigned levels = 0;

    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        uint8_t route = piix3->pci.config[PIIX3_PIRQRCA + i];
        if ((pirqs >> i & 1) && !(route & PIRQ_DISABLED)) {
            levels |= 1u << (route & PIRQ_IRQ_MASK);
        }
    }
    return (uint16_t)(levels & ROUTABLE_IRQS);
}

/* Touches only lines whose level it changes: an ISA line may have another driver. */
static void route_interrupts(Piix3 *piix3)
{
    uint16_t levels = isa_levels(piix3);
    uint16_t changed = levels ^ piix3->driven;

    piix3->driven = levels;
    for (unsigned irq = 0; irq < ISA_IRQ_COUNT; irq++) {
        if (changed >> irq & 1) {
            irq_set(piix3->isa.irqs[irq], levels >> irq & 1);
        }
    }
}

static void set_intx(void *owner, unsigned slot, unsigned pin, bool level)
{
    Piix3 *piix3 = owner;

    TRACE(piix3_intx, "slot %u pin %u level %d", slot, pin, level);
    route_interrupts(piix3);
}

static void piix3_sync(Object *obj)
{
    Piix3 *piix3 = (Piix3 *)obj;

    pci_device_sync(&piix3->pci);
    route_interrupts(piix3);
}

static uint8_t reset_control_read(void *owner)
{
    const Piix3 *piix3 = owner;

    return piix3->reset_control;
}

static void reset_control_write(void *owner, uint8_t value)
{
    Piix3 *piix3 = owner;

    TRACE(piix3_reset_control, "value 0x%02x", value);
    piix3->reset_control = value & RESET_CONTROL_HARD;
    if (value & RESET_CONTROL_TRIGGER) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

ResetPort piix3_reset_port(Piix3 *piix3)
{
    return (ResetPort){
        .read = reset_control_read,
        .write = reset_control_write,
        .owner = piix3,
    };
}

IsaBus *piix3_isa_bus(Piix3 *piix3)
{
    return &piix3->isa;
}

static void piix3_init(Object *obj)
{
    Piix3 *piix3 = (Piix3 *)obj;

    isa_bus_init(&piix3->isa, &piix3->pci.dev, "isa.0", NULL, NULL);
}

/* Power-on values of the registers that have one; all of them are plain storage here, but for the
 * interrupt routes. */
static void fill_config(PciDevice *pci)
{
    static const struct {
        uint8_t offset, value;
    } values[] = {
        {PIIX3_IORT, 0x4d},   {PIIX3_XBCS, 0x03},   {PIIX3_TOM, 0x02},  {PIIX3_MBIRQ0, 0x80},
        {PIIX3_MBDMA0, 0x0c}, {PIIX3_MBDMA1, 0x0c}, {PIIX3_PCSC, 0x02}, {PIIX3_SMICNTL, 0x08},
    };

    pci_set_word(pci, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_set_word(pci, PCI_STATUS, STATUS_DEVSEL_MEDIUM);
    pci->write_mask[PCI_COMMAND] = 0; /* positive decoding of ISA cannot be switched off */
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        pci->config[values[i].offset] = values[i].value;
    }
    for (unsigned i = PIIX3_IORT; i <= PIIX3_SMIREQ_END; i++) {
        pci->write_mask[i] = 0xff;
    }
    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        pci->config[PIIX3_PIRQRCA + i] = PIRQ_DISABLED;
        pci->write_mask[PIIX3_PIRQRCA + i] = PIRQ_DISABLED | PIRQ_IRQ_MASK;
    }
}

static bool piix3_realize(Object *obj, Error **err)
{
    Piix3 *piix3 = (Piix3 *)obj;
    PciBus *bus = (PciBus *)piix3->pci.dev.bus;

    fill_config(&piix3->pci);
    piix3->isa.io = bus->io;
    piix3->isa.memory = bus->memory;
    bus->set_intx = set_intx;
    bus->intx_owner = piix3;
    return true;
}

static void piix3_unrealize(Object *obj)
{
    PciBus *bus = (PciBus *)((Piix3 *)obj)->pci.dev.bus;

    if (bus) {
        bus->set_intx = NULL;
        bus->intx_owner = NULL;
    }
}

static const Field piix3_fields[] = {
    DERIVED(Piix3, isa),
    DERIVED(Piix3, driven),
    STATE(Piix3, reset_control),
    FIELDS_END,
};

static const PciDeviceInfo piix3_info = {
    .vendor_id = 0x8086,
    .device_id = 0x7000,
    .class_code = 0x060100,
    .multifunction = true,
};

static const Type piix3_type = {
    .name = "PIIX3",
    .parent = &pci_device_type,
    .size = sizeof(Piix3),
    .desc = "PCI-to-ISA bridge",
    .fields = piix3_fields,
    .info = &piix3_info,
    .init = piix3_init,
    .realize = piix3_realize,
    .unrealize = piix3_unrealize,
    .sync = piix3_sync,
};
DEVICE(piix3_type);
