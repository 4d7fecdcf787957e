/* SPDX-License-Identifier: MIT */
/* 82371AB function 3: ACPI power management, GPE block, SMI command port, SMBus host. Datasheet:
 * Intel 290562, "82371AB PCI-to-ISA/IDE Xcelerator (PIIX4)"; ACPI 1.0b, 4.7. */
#include "hw/piix4-pm.h"

#include "softmmu/run.h"
#include "util/trace.h"

enum { /* configuration space */
       PM_PMBASE = 0x40,
       PM_DEVACTA = 0x54,
       PM_DEVACTB = 0x58,
       PM_DEVRESA = 0x5c,
       PM_DEVRESJ = 0x7c,
       PM_PMREGMISC = 0x80,
       PM_SMBBA = 0x90,
       PM_SMBHSTCFG = 0xd2
};

enum { DEVACTB_APMC_ENABLE = 0x02 };             /* in byte 3: port B2h raises an SMI */
enum { DECODE_COM1 = 0x08, DECODE_COM2 = 0x90 }; /* DEVRESC, byte 3 */
enum { PMREGMISC_ENABLE = 0x01, SMBHSTCFG_ENABLE = 0x01 };

enum { PM1_TIMER = 0x0001, PM1_GLOBAL = 0x0020, PM1_POWER_BUTTON = 0x0100, PM1_RTC = 0x0400 };
enum { PM1_ENABLE_BITS = PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC };
enum {
    PM1_CONTROL_SCI_ENABLE = 0x0001,
    PM1_CONTROL_SLEEP_TYPE_SHIFT = 10,
    PM1_CONTROL_SLEEP_ENABLE = 0x2000,
    PM1_CONTROL_BITS = 0x1c07 /* that can be read back */
};

enum { SLEEP_TYPE_S5 = 0 }; /* as the DSDT's \_S5 says */

#define PM_TIMER_HZ 3579545
#define PM_TIMER_MASK 0xffffff
#define PM_TIMER_HALF (1ll << 23) /* the status bit is set whenever bit 23 changes */

enum {
    PM_SIZE = 64,
    SMBUS_SIZE = 16,
    PM_BASE_MASK = 0xffc0,
    SMBUS_BASE_MASK = 0xfff0,
};

enum { /* SMBus registers */
       SMBUS_STATUS = 0,
       SMBUS_CONTROL = 2,
       SMBUS_BLOCK_DATA = 7
};
enum {
    SMBUS_STATUS_CLEARABLE = 0x1e,
    SMBUS_STATUS_DEVICE_ERROR = 0x04,
    SMBUS_CONTROL_START = 0x40
};

struct Piix4Pm {
    PciDevice pci;
    bool smm_enabled;
    Irq sci, smi;
    unsigned serial_ports; /* bit N: COM N+1 is there */
    Region pm_ports, smbus_ports, gpe_ports, smi_ports;

    uint16_t pm1_status, pm1_enable, pm1_control;
    int64_t overflow_tick; /* PM timer tick at which its status bit is set next */
    Timer overflow_timer;
    uint8_t gpe[PIIX4_GPE_SIZE]; /* two of status, two of enable */
    uint8_t smi_command, smi_status;
    uint8_t smbus[SMBUS_SIZE];
};

/* -- PM timer ---------------------------------------------------------------------------------- */

static int64_t ticks_now(void)
{
    return (int64_t)((__int128)clock_now_ns(CLOCK_TYPE_VIRTUAL) * PM_TIMER_HZ / NS_PER_SECOND);
}

/* The first nanosecond at which the counter shows `tick`. */
static int64_t tick_to_ns(int64_t tick)
{
    return (int64_t)(((__int128)tick * NS_PER_SECOND + PM_TIMER_HZ - 1) / PM_TIMER_HZ);
}

static int64_t next_overflow(void)
{
    return (ticks_now() / PM_TIMER_HALF + 1) * PM_TIMER_HALF;
}

static uint16_t pm1_status(const Piix4Pm *pm)
{
    return pm->pm1_status | (ticks_now() >= pm->overflow_tick ? PM1_TIMER : 0);
}

/* -- Outputs ----------------------------------------------------------------------------------- */

static bool sci_level(const Piix4Pm *pm)
{
    bool pm1 = pm1_status(pm) & pm->pm1_enable & PM1_ENABLE_BITS;
    bool gpe = (pm->gpe[0] & pm->gpe[2]) || (pm->gpe[1] & pm->gpe[3]);

    return (pm->pm1_control & PM1_CONTROL_SCI_ENABLE) && (pm1 || gpe);
}

static void place_ports(Region *region, bool is_enabled, uint16_t base)
{
    region_set_address(region, base);
    region_set_enabled(region, is_enabled && base != 0);
}

static void piix4_pm_sync(Object *obj)
{
    Piix4Pm *pm = (Piix4Pm *)obj;
    const uint8_t *config = pm->pci.config;

    region_transaction_begin();
    pci_device_sync(&pm->pci);
    place_ports(&pm->pm_ports, config[PM_PMREGMISC] & PMREGMISC_ENABLE,
                pci_get_word(&pm->pci, PM_PMBASE) & PM_BASE_MASK);
    place_ports(&pm->smbus_ports, config[PM_SMBHSTCFG] & SMBHSTCFG_ENABLE,
                pci_get_word(&pm->pci, PM_SMBBA) & SMBUS_BASE_MASK);
    region_transaction_commit();
    irq_set(pm->sci, sci_level(pm));
    if ((pm->pm1_enable & PM1_TIMER) && !(pm1_status(pm) & PM1_TIMER)) {
        timer_mod_ns(&pm->overflow_timer, tick_to_ns(pm->overflow_tick));
    } else {
        timer_del(&pm->overflow_timer);
    }
}

static void overflow_timer_fired(void *opaque)
{
    piix4_pm_sync(opaque);
}

static void power_button_pressed(void *opaque)
{
    Piix4Pm *pm = opaque;

    TRACE(piix4_pm_power_button, "enable 0x%x control 0x%x", pm->pm1_enable, pm->pm1_control);
    pm->pm1_status |= PM1_POWER_BUTTON;
    piix4_pm_sync(&pm->pci.dev.obj);
}

/* -- PM block ---------------------------------------------------------------------------------- */

static void write_control(Piix4Pm *pm, uint16_t value)
{
    unsigned type = value >> PM1_CONTROL_SLEEP_TYPE_SHIFT & 7;

    pm->pm1_control = value & PM1_CONTROL_BITS;
    if (!(value & PM1_CONTROL_SLEEP_ENABLE)) {
        return;
    }
    TRACE(piix4_pm_sleep, "type %u", type);
    if (type == SLEEP_TYPE_S5) {
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else {
        guest_unimplemented(pm, "sleep type %u", type);
    }
}

static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    const Piix4Pm *pm = opaque;
    uint32_t unit = 0;

    switch (offset & ~3ull) {
    case PIIX4_PM1_EVENT:
        unit = pm1_status(pm) | (uint32_t)pm->pm1_enable << 16;
        break;
    case PIIX4_PM1_CONTROL:
        unit = pm->pm1_control;
        break;
    case PIIX4_PM_TIMER:
        unit = (uint32_t)ticks_now() & PM_TIMER_MASK;
        break;
    default:
        break;
    }
    return unit >> (8 * (offset & 3));
}

static void write_register(Piix4Pm *pm, uint64_t offset, uint16_t value)
{
    switch (offset) {
    case PIIX4_PM1_EVENT:
        if ((value & PM1_TIMER) && (pm1_status(pm) & PM1_TIMER)) {
            pm->overflow_tick = next_overflow();
        }
        pm->pm1_status &= (uint16_t)~value;
        break;
    case PIIX4_PM1_EVENT + 2:
        pm->pm1_enable = value;
        break;
    case PIIX4_PM1_CONTROL:
        write_control(pm, value);
        break;
    default:
        break;
    }
}

/* Registers are words: a byte leaves the other half alone, which for status means writing zeros. */
static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;

    TRACE(piix4_pm_write, "offset 0x%x value 0x%x", (unsigned)offset, (unsigned)value);
    if (size == 1) {
        uint64_t word = offset & ~1ull;
        unsigned shift = 8 * (offset & 1);
        uint16_t old = word == PIIX4_PM1_EVENT ? 0 : (uint16_t)pm_read(pm, word, 2);
        write_register(pm, word, (uint16_t)((old & ~(0xffu << shift)) | value << shift));
        return;
    }
    write_register(pm, offset, (uint16_t)value);
    if (size == 4) {
        write_register(pm, offset + 2, (uint16_t)(value >> 16));
    }
}

/* -- GPE block: status is cleared by writing ones ---------------------------------------------- */

static uint64_t gpe_read(void *opaque, uint64_t offset, unsigned size)
{
    const Piix4Pm *pm = opaque;

    return pm->gpe[offset];
}

static void gpe_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;

    if (offset < PIIX4_GPE_SIZE / 2) {
        pm->gpe[offset] &= (uint8_t)~value;
    } else {
        pm->gpe[offset] = (uint8_t)value;
    }
}

/* -- SMI command port -------------------------------------------------------------------------- */

static uint64_t smi_read(void *opaque, uint64_t offset, unsigned size)
{
    const Piix4Pm *pm = opaque;

    return offset == 0 ? pm->smi_command : pm->smi_status;
}

/* The switch between legacy and ACPI mode needs no handler in SMM here. */
static void smi_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;

    if (offset != 0) {
        pm->smi_status = (uint8_t)value;
        return;
    }
    TRACE(piix4_pm_smi_command, "value 0x%02x", (unsigned)value);
    pm->smi_command = (uint8_t)value;
    if (value == PIIX4_ACPI_ENABLE) {
        pm->pm1_control |= PM1_CONTROL_SCI_ENABLE;
    } else if (value == PIIX4_ACPI_DISABLE) {
        pm->pm1_control &= (uint16_t)~PM1_CONTROL_SCI_ENABLE;
    }
    if (pm->smm_enabled && (pm->pci.config[PM_DEVACTB + 3] & DEVACTB_APMC_ENABLE)) {
        irq_pulse(pm->smi);
    }
}

/* -- SMBus host: nobody is on the bus, so every transaction ends in "no acknowledge" ----------- */

static uint64_t smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    Piix4Pm *pm = opaque;

    return offset == SMBUS_BLOCK_DATA ? 0 : pm->smbus[offset];
}

static void smbus_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Piix4Pm *pm = opaque;

    if (offset == SMBUS_STATUS) {
        pm->smbus[SMBUS_STATUS] &= (uint8_t) ~(value & SMBUS_STATUS_CLEARABLE);
        return;
    }
    pm->smbus[offset] = (uint8_t)value;
    if (offset == SMBUS_CONTROL && (value & SMBUS_CONTROL_START)) {
        pm->smbus[SMBUS_CONTROL] &= (uint8_t)~SMBUS_CONTROL_START;
        pm->smbus[SMBUS_STATUS] |= SMBUS_STATUS_DEVICE_ERROR;
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

void piix4_pm_connect(Piix4Pm *pm, Irq sci, Irq smi, unsigned serial_ports)
{
    pm->serial_ports = serial_ports;
    pm->sci = sci;
    pm->smi = smi;
}

static void set_mask(PciDevice *pci, unsigned offset, unsigned count, uint8_t mask)
{
    for (unsigned i = 0; i < count; i++) {
        pci->write_mask[offset + i] = mask;
    }
}

static void fill_config(Piix4Pm *pm)
{
    PciDevice *pci = &pm->pci;

    pci_set_word(pci, PCI_STATUS, 0x0280); /* fast back-to-back, medium DEVSEL */
    pci_set_word(pci, PM_PMBASE, 1);
    pci_set_word(pci, PM_SMBBA, 1);
    set_mask(pci, PM_PMBASE, 1, (uint8_t)PM_BASE_MASK);
    set_mask(pci, PM_PMBASE + 1, 1, PM_BASE_MASK >> 8);
    set_mask(pci, PM_SMBBA, 1, (uint8_t)SMBUS_BASE_MASK);
    set_mask(pci, PM_SMBBA + 1, 1, SMBUS_BASE_MASK >> 8);
    set_mask(pci, PM_SMBHSTCFG, 1, 0x0f);
    set_mask(pci, PM_PMREGMISC, 1, PMREGMISC_ENABLE);
    set_mask(pci, PM_DEVACTA, PM_DEVRESJ + 4 - PM_DEVACTA, 0xff);
    /* SeaBIOS takes the bit for "SMM is set up already". */
    pci->config[PM_DEVACTB + 3] = pm->smm_enabled ? 0 : DEVACTB_APMC_ENABLE;
    pci->config[PM_DEVRESA + 3] = 0x10; /* floppy disk controller; which ports are decoded */
    pci->config[PM_DEVRESA + 7] = 0x60;
    pci->config[PM_DEVRESA + 11] =
        (pm->serial_ports & 1 ? DECODE_COM1 : 0) | (pm->serial_ports & 2 ? DECODE_COM2 : 0);
}

static const RegionOps pm_ops = {.read = pm_read, .write = pm_write};
static const RegionOps gpe_ops = {
    .read = gpe_read, .write = gpe_write, .impl_min = 1, .impl_max = 1};
static const RegionOps smi_ops = {
    .read = smi_read, .write = smi_write, .impl_min = 1, .impl_max = 1};
static const RegionOps smbus_ops = {
    .read = smbus_read, .write = smbus_write, .impl_min = 1, .impl_max = 1};

static void add_ports(Piix4Pm *pm, Region *region, const char *name, const RegionOps *ops,
                      uint16_t address, uint16_t size)
{
    region_init(region, &(RegionDesc){.name = name,
                                      .kind = REGION_IO,
                                      .size = size,
                                      .owner = &pm->pci.dev.obj,
                                      .ops = ops,
                                      .opaque = pm});
    region_add(((PciBus *)pm->pci.dev.bus)->io, address, region, 0);
}

static bool piix4_pm_realize(Object *obj, Error **err)
{
    Piix4Pm *pm = (Piix4Pm *)obj;

    fill_config(pm);
    timer_init(&pm->overflow_timer, main_loop(), CLOCK_TYPE_VIRTUAL, overflow_timer_fired, pm);
    region_transaction_begin();
    add_ports(pm, &pm->pm_ports, "piix4-pm", &pm_ops, 0, PM_SIZE);
    add_ports(pm, &pm->smbus_ports, "piix4-smbus", &smbus_ops, 0, SMBUS_SIZE);
    add_ports(pm, &pm->gpe_ports, "acpi-gpe0", &gpe_ops, PIIX4_GPE_BASE, PIIX4_GPE_SIZE);
    add_ports(pm, &pm->smi_ports, "apm", &smi_ops, PIIX4_SMI_COMMAND_PORT, 2);
    region_set_enabled(&pm->pm_ports, false);
    region_set_enabled(&pm->smbus_ports, false);
    region_transaction_commit();
    system_set_powerdown_notify(power_button_pressed, pm);
    return true;
}

static void piix4_pm_unrealize(Object *obj)
{
    Piix4Pm *pm = (Piix4Pm *)obj;

    system_set_powerdown_notify(NULL, NULL);
    timer_del(&pm->overflow_timer);
    region_fini(&pm->smi_ports);
    region_fini(&pm->gpe_ports);
    region_fini(&pm->smbus_ports);
    region_fini(&pm->pm_ports);
}

static void piix4_pm_reset_hold(Object *obj)
{
    Piix4Pm *pm = (Piix4Pm *)obj;

    pm->overflow_tick = next_overflow();
}

static const Field piix4_pm_fields[] = {
    PROP(Piix4Pm, smm_enabled, .desc = "the machine has system management mode"),
    LINK(Piix4Pm, sci),
    LINK(Piix4Pm, smi),
    LINK(Piix4Pm, serial_ports),
    DERIVED(Piix4Pm, pm_ports),
    DERIVED(Piix4Pm, smbus_ports),
    DERIVED(Piix4Pm, gpe_ports),
    DERIVED(Piix4Pm, smi_ports),
    STATE(Piix4Pm, pm1_status),
    STATE(Piix4Pm, pm1_enable),
    STATE(Piix4Pm, pm1_control),
    STATE(Piix4Pm, overflow_tick),
    DERIVED(Piix4Pm, overflow_timer),
    STATE_ARRAY(Piix4Pm, gpe),
    STATE(Piix4Pm, smi_command),
    STATE(Piix4Pm, smi_status),
    STATE_ARRAY(Piix4Pm, smbus),
    FIELDS_END,
};

static const PciDeviceInfo piix4_pm_info = {
    .vendor_id = 0x8086,
    .device_id = 0x7113,
    .class_code = 0x068000,
    .revision = 3,
    .interrupt_pin = 1,
};

static const Type piix4_pm_type = {
    .name = "PIIX4_PM",
    .parent = &pci_device_type,
    .size = sizeof(Piix4Pm),
    .desc = "Power management",
    .fields = piix4_pm_fields,
    .info = &piix4_pm_info,
    .realize = piix4_pm_realize,
    .unrealize = piix4_pm_unrealize,
    .reset_hold = piix4_pm_reset_hold,
    .sync = piix4_pm_sync,
};
DEVICE(piix4_pm_type);
