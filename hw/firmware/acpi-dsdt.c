/* SPDX-License-Identifier: MIT */
/* The DSDT of the PC board: PCI root, interrupt links, ISA devices, processors, soft-off. */
#include "hw/firmware/acpi-dsdt.h"

#include "hw/firmware/aml.h"
#include "hw/hpet.h"
#include "hw/piix4-pm.h"

#include <assert.h>

#define LINK_COUNT 4
#define PCI_SLOT_COUNT 32
#define PIIX3_ADDRESS 0x00010000
#define PIRQ_ROUTES 0x60 /* in the PIIX3's configuration space */
#define PIRQ_DISABLED 0x80
#define STATUS_PRESENT 0x0b
#define STATUS_DISABLED 0x09
#define PCI_WINDOW_END 0xfebfffff /* the I/O APIC follows */

/* Byte offset of the interrupt number in a template of one aml_interrupts(). */
#define INTERRUPT_NUMBER_OFFSET 5

/* -- PCI root ---------------------------------------------------------------------------------- */

static void add_root_windows(Aml *aml, uint64_t low_memory)
{
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_word_window(aml, AML_SPACE_BUS, 0, 0xff);
    aml_io(aml, 0xcf8, 8);
    aml_word_window(aml, AML_SPACE_IO, 0, 0xcf7);
    aml_word_window(aml, AML_SPACE_IO, 0xd00, 0xffff);
    aml_dword_window(aml, AML_SPACE_MEMORY, 0xa0000, 0xbffff, true);
    aml_dword_window(aml, AML_SPACE_MEMORY, (uint32_t)low_memory, PCI_WINDOW_END, false);
    aml_end(aml);
}

static void add_routing(Aml *aml)
{
    aml_name(aml, "_PRT");
    aml_package(aml, PCI_SLOT_COUNT * LINK_COUNT);
    for (unsigned i = 0; i < PCI_SLOT_COUNT * LINK_COUNT; i++) {
        unsigned slot = i / LINK_COUNT, pin = i % LINK_COUNT;
        char link[] = "LNKA";
        link[3] += (char)((slot + pin + LINK_COUNT - 1) % LINK_COUNT);
        aml_package(aml, 4);
        aml_integer(aml, slot << 16 | 0xffff);
        aml_integer(aml, pin);
        aml_path(aml, link);
        aml_integer(aml, 0);
        aml_end(aml);
    }
    aml_end(aml);
}

/* -- Interrupt links: a register of the PIIX3 each --------------------------------------------- */

static void add_link_state(Aml *aml, const char *reg)
{
    aml_method(aml, "_STA", 0);
    aml_if(aml);
    aml_op(aml, AML_AND);
    aml_path(aml, reg);
    aml_integer(aml, PIRQ_DISABLED);
    aml_op(aml, AML_NO_TARGET);
    aml_op(aml, AML_RETURN);
    aml_integer(aml, STATUS_DISABLED);
    aml_end(aml);
    aml_op(aml, AML_RETURN);
    aml_integer(aml, STATUS_PRESENT);
    aml_end(aml);

    aml_method(aml, "_DIS", 0);
    aml_op(aml, AML_OR);
    aml_path(aml, reg);
    aml_integer(aml, PIRQ_DISABLED);
    aml_path(aml, reg);
    aml_end(aml);
}

static void add_link_setting(Aml *aml, const char *reg)
{
    aml_method(aml, "_CRS", 0);
    aml_op(aml, AML_STORE);
    aml_resources(aml);
    aml_interrupts(aml, (const uint32_t[]){0}, 1);
    aml_end(aml);
    aml_op(aml, AML_LOCAL0);
    aml_dword_field_of_arg(aml, AML_LOCAL0, INTERRUPT_NUMBER_OFFSET, "IRQN");
    aml_op(aml, AML_AND);
    aml_path(aml, reg);
    aml_integer(aml, 0x0f);
    aml_path(aml, "IRQN");
    aml_op(aml, AML_RETURN);
    aml_op(aml, AML_LOCAL0);
    aml_end(aml);

    aml_method(aml, "_SRS", 1);
    aml_dword_field_of_arg(aml, AML_ARG0, INTERRUPT_NUMBER_OFFSET, "IRQN");
    aml_op(aml, AML_STORE);
    aml_path(aml, "IRQN");
    aml_path(aml, reg);
    aml_end(aml);
}

static void add_links(Aml *aml)
{
    static const uint32_t choices[] = {5, 10, 11};

    for (unsigned i = 0; i < LINK_COUNT; i++) {
        char name[] = "LNKA", reg[] = "PRQA";
        name[3] += (char)i;
        reg[3] += (char)i;
        aml_device(aml, name);
        aml_name(aml, "_HID");
        aml_eisa_id(aml, "PNP0C0F");
        aml_name(aml, "_UID");
        aml_integer(aml, i);
        aml_name(aml, "_PRS");
        aml_resources(aml);
        aml_interrupts(aml, choices, G_N_ELEMENTS(choices));
        aml_end(aml);
        add_link_state(aml, reg);
        add_link_setting(aml, reg);
        aml_end(aml);
    }
}

/* -- ISA --------------------------------------------------------------------------------------- */

typedef struct IsaEntry {
    const char *name, *id;
    uint16_t ports[2]; /* 0: none */
    uint8_t port_size;
    uint8_t irq; /* 0: none */
} IsaEntry;

static void add_isa_device(Aml *aml, const IsaEntry *entry, unsigned uid)
{
    aml_device(aml, entry->name);
    aml_name(aml, "_HID");
    aml_eisa_id(aml, entry->id);
    if (uid) {
        aml_name(aml, "_UID");
        aml_integer(aml, uid);
    }
    aml_name(aml, "_STA");
    aml_integer(aml, 0x0f);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    for (unsigned i = 0; i < 2 && entry->ports[i]; i++) {
        aml_io(aml, entry->ports[i], entry->port_size);
    }
    if (entry->irq) {
        aml_irq(aml, entry->irq);
    }
    aml_end(aml);
    aml_end(aml);
}

/* By its methods a guest says that it has panicked (WRPT), and asks what is understood (RDPT). */
static void add_panic_port(Aml *aml, uint16_t port)
{
    aml_device(aml, "PEVT");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0001");
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io(aml, port, 1);
    aml_end(aml);
    aml_io_region(aml, "PEOR", port, 1);
    aml_field(aml, "PEOR");
    aml_field_unit(aml, "PEPT", 8);
    aml_end(aml);
    aml_name(aml, "_STA");
    aml_integer(aml, STATUS_PRESENT);
    aml_method(aml, "RDPT", 0);
    aml_op(aml, AML_STORE);
    aml_path(aml, "PEPT");
    aml_op(aml, AML_LOCAL0);
    aml_op(aml, AML_RETURN);
    aml_op(aml, AML_LOCAL0);
    aml_end(aml);
    aml_method(aml, "WRPT", 1);
    aml_op(aml, AML_STORE);
    aml_op(aml, AML_ARG0);
    aml_path(aml, "PEPT");
    aml_end(aml);
    aml_end(aml);
}

static void add_isa(Aml *aml, const AcpiConfig *config)
{
    static const IsaEntry fixed[] = {
        {"RTC", "PNP0B00", {0x70}, 8, 8},
        {"KBD", "PNP0303", {0x60, 0x64}, 1, 1},
        {"MOU", "PNP0F13", {0}, 0, 12},
    };
    static const IsaEntry serial[] = {
        {"COM1", "PNP0501", {0x3f8}, 8, 4},
        {"COM2", "PNP0501", {0x2f8}, 8, 3},
        {"COM3", "PNP0501", {0x3e8}, 8, 4},
        {"COM4", "PNP0501", {0x2e8}, 8, 3},
    };

    aml_device(aml, "ISA");
    aml_name(aml, "_ADR");
    aml_integer(aml, PIIX3_ADDRESS);
    aml_pci_config_region(aml, "PIRR", PIRQ_ROUTES, LINK_COUNT);
    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        add_isa_device(aml, &fixed[i], 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(serial); i++) {
        if (config->serial_ports >> i & 1) {
            add_isa_device(aml, &serial[i], i + 1);
        }
    }
    if (config->panic_port) {
        add_panic_port(aml, config->panic_port);
    }
    aml_end(aml);
    aml_field(aml, "ISA.PIRR");
    for (unsigned i = 0; i < LINK_COUNT; i++) {
        char reg[] = "PRQA";
        reg[3] += (char)i;
        aml_field_unit(aml, reg, 8);
    }
    aml_end(aml);
}

/* -- The rest ---------------------------------------------------------------------------------- */

/* Ports that belong to no other device. */
static void add_board_resources(Aml *aml)
{
    aml_device(aml, "MBRD");
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0C02");
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io(aml, 0x92, 1);
    aml_io(aml, PIIX4_SMI_COMMAND_PORT, 2);
    aml_io(aml, 0x4d0, 2);
    aml_io(aml, PIIX4_PM_BASE, 64);
    aml_io(aml, PIIX4_SMBUS_BASE, 16);
    aml_io(aml, PIIX4_GPE_BASE, PIIX4_GPE_SIZE);
    aml_end(aml);
    aml_end(aml);
}

static void add_fw_cfg(Aml *aml)
{
    aml_device(aml, "FWCF");
    aml_name(aml, "_HID");
    aml_string(aml, "QEMU0002");
    aml_name(aml, "_STA");
    aml_integer(aml, STATUS_PRESENT);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_io(aml, FW_CFG_PORT, FW_CFG_PORT_COUNT);
    aml_end(aml);
    aml_end(aml);
}

static void add_hpet(Aml *aml)
{
    aml_device(aml, "HPET");
    aml_name(aml, "_HID");
    aml_eisa_id(aml, "PNP0103");
    aml_name(aml, "_UID");
    aml_integer(aml, 0);
    aml_name(aml, "_STA");
    aml_integer(aml, 0x0f);
    aml_name(aml, "_CRS");
    aml_resources(aml);
    aml_memory(aml, HPET_BASE, HPET_SIZE);
    aml_end(aml);
    aml_end(aml);
}

static void add_processors(Aml *aml, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[5];
        g_snprintf(name, sizeof(name), "C%03X", i);
        aml_processor(aml, name, (uint8_t)i);
        aml_end(aml);
    }
}

static void add_soft_off(Aml *aml)
{
    aml_name(aml, "\\_S5");
    aml_package(aml, 4);
    for (unsigned i = 0; i < 4; i++) {
        aml_integer(aml, 0);
    }
    aml_end(aml);
}

GByteArray *acpi_dsdt_code(const AcpiConfig *config)
{
    Aml aml;

    aml_init(&aml);
    aml_scope(&aml, "\\_SB");
    aml_device(&aml, "PCI0");
    aml_name(&aml, "_HID");
    aml_eisa_id(&aml, "PNP0A03");
    aml_name(&aml, "_UID");
    aml_integer(&aml, 0);
    add_root_windows(&aml, config->low_memory);
    add_isa(&aml, config);
    add_links(&aml);
    add_routing(&aml);
    add_board_resources(&aml);
    add_fw_cfg(&aml);
    aml_end(&aml);
    if (config->hpet_timers) {
        add_hpet(&aml);
    }
    add_processors(&aml, config->cpu_count);
    aml_end(&aml);
    add_soft_off(&aml);

    GByteArray *code = g_byte_array_ref(aml.bytes);
    aml_fini(&aml);
    return code;
}
