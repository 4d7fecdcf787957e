/* SPDX-License-Identifier: MIT */
/* An IDE channel: command and control block registers, device selection, INTRQ. ATA/ATAPI-6,
 * chapters 7 and 9. */

/*
 * Both drives of a channel see every register write; the selected one answers reads. Where only
 * one drive is present and the other is selected, the present one answers with zeroes, as device 0
 * does for an absent device 1.
 */
#include "hw/ide/ide-drive.h"
#include "util/trace.h"

enum {
    REGISTER_DATA,
    REGISTER_ERROR, /* write: features */
    REGISTER_COUNT,
    REGISTER_LBA_LOW,
    REGISTER_LBA_MID,
    REGISTER_LBA_HIGH,
    REGISTER_DEVICE,
    REGISTER_STATUS /* write: command */
};

enum { COMMAND_DIAGNOSTIC = 0x90 };

static IdeDrive *selected_drive(const IdeBus *bus)
{
    return bus->drives[bus->selected];
}

static bool is_empty(const IdeBus *bus)
{
    return !bus->drives[0] && !bus->drives[1];
}

bool ide_bus_irq_level(const IdeBus *bus)
{
    const IdeDrive *drive = selected_drive(bus);

    return drive && drive->irq_pending && !(bus->control & ATA_CONTROL_NIEN);
}

/* -- Data register ----------------------------------------------------------------------------- */

static uint32_t read_data(IdeBus *bus, unsigned size)
{
    IdeDrive *drive = selected_drive(bus);
    uint32_t value = 0;

    if (!drive || drive->phase != IDE_PIO_IN || !(drive->status & ATA_DRQ)) {
        return 0;
    }
    for (unsigned i = 0; i < size && drive->data_at < drive->data_size; i++) {
        value |= (uint32_t)drive->data[drive->data_at++] << (8 * i);
    }
    if (drive->data_at == drive->data_size) {
        drive->status &= (uint8_t)~ATA_DRQ;
        ide_drive_info(drive)->data_done(drive);
        bus->ops->update(bus);
    }
    return value;
}

static void write_data(IdeBus *bus, uint32_t value, unsigned size)
{
    IdeDrive *drive = selected_drive(bus);

    if (!drive || drive->phase != IDE_PIO_OUT || !(drive->status & ATA_DRQ)) {
        return;
    }
    for (unsigned i = 0; i < size && drive->data_at < drive->data_size; i++) {
        drive->data[drive->data_at++] = (uint8_t)(value >> (8 * i));
    }
    if (drive->data_at == drive->data_size) {
        drive->status &= (uint8_t)~ATA_DRQ;
        ide_drive_info(drive)->data_done(drive);
    }
}

/* -- Command block ----------------------------------------------------------------------------- */

uint32_t ide_bus_read(IdeBus *bus, unsigned index, unsigned size)
{
    IdeDrive *drive = selected_drive(bus);
    unsigned hob = bus->control & ATA_CONTROL_HOB ? 1 : 0;

    if (index == REGISTER_DATA) {
        return read_data(bus, size);
    }
    if (!drive) {
        return 0;
    }
    switch (index) {
    case REGISTER_ERROR:
        return hob ? drive->feature[1] : drive->error;
    case REGISTER_COUNT:
        return drive->count[hob];
    case REGISTER_LBA_LOW:
        return drive->lba_low[hob];
    case REGISTER_LBA_MID:
        return drive->lba_mid[hob];
    case REGISTER_LBA_HIGH:
        return drive->lba_high[hob];
    case REGISTER_DEVICE:
        return drive->select;
    default:
        drive->irq_pending = false;
        bus->ops->update(bus);
        return drive->status;
    }
}

static void push(uint8_t *two_deep, uint8_t value)
{
    two_deep[1] = two_deep[0];
    two_deep[0] = value;
}

static void write_register(IdeDrive *drive, unsigned index, uint8_t value)
{
    switch (index) {
    case REGISTER_ERROR:
        push(drive->feature, value);
        break;
    case REGISTER_COUNT:
        push(drive->count, value);
        break;
    case REGISTER_LBA_LOW:
        push(drive->lba_low, value);
        break;
    case REGISTER_LBA_MID:
        push(drive->lba_mid, value);
        break;
    case REGISTER_LBA_HIGH:
        push(drive->lba_high, value);
        break;
    default:
        drive->select = value | ATA_DEVICE_FIXED;
        break;
    }
}

/* EXECUTE DEVICE DIAGNOSTIC is for both drives, whichever is selected; device 0 answers. */
static void run_diagnostic(IdeBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->drives[i]) {
            ide_drive_cancel(bus->drives[i]);
            ide_drive_set_signature(bus->drives[i]);
        }
    }
    bus->selected = 0;
    if (bus->drives[0]) {
        ide_drive_interrupt(bus->drives[0]);
    }
}

static void write_command(IdeBus *bus, uint8_t opcode)
{
    IdeDrive *drive = selected_drive(bus);

    TRACE(ide_command, "%s unit %u opcode 0x%02x", bus->bus.obj.name, bus->selected, opcode);
    if (opcode == COMMAND_DIAGNOSTIC) {
        run_diagnostic(bus);
        return;
    }
    if (!drive) {
        return;
    }
    if (drive->status & (ATA_BSY | ATA_DRQ) && opcode != ATA_COMMAND_DEVICE_RESET) {
        guest_error(drive, "command 0x%02x while busy", opcode);
        return;
    }
    drive->irq_pending = false;
    drive->command = opcode;
    drive->error = 0;
    drive->phase = IDE_IDLE;
    drive->status &= (uint8_t) ~(ATA_ERR | ATA_DF);
    ide_drive_info(drive)->command(drive, opcode);
}

void ide_bus_write(IdeBus *bus, unsigned index, uint32_t value, unsigned size)
{
    if (index == REGISTER_DATA) {
        write_data(bus, value, size);
        return;
    }
    if (is_empty(bus)) {
        return;
    }
    bus->control &= (uint8_t)~ATA_CONTROL_HOB;
    if (index == REGISTER_STATUS) {
        write_command(bus, (uint8_t)value);
        return;
    }
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->drives[i]) {
            write_register(bus->drives[i], index, (uint8_t)value);
        }
    }
    if (index == REGISTER_DEVICE) {
        bus->selected = value & ATA_DEVICE_DEV ? 1 : 0;
    }
}

/* -- Control block ----------------------------------------------------------------------------- */

uint8_t ide_bus_read_alternate_status(IdeBus *bus)
{
    const IdeDrive *drive = selected_drive(bus);

    return drive ? drive->status : 0;
}

void ide_bus_write_control(IdeBus *bus, uint8_t value)
{
    bool was_reset = bus->control & ATA_CONTROL_SRST;
    bool is_reset = value & ATA_CONTROL_SRST;

    bus->control = value;
    if (was_reset == is_reset) {
        return;
    }
    TRACE(ide_soft_reset, "%s %s", bus->bus.obj.name, is_reset ? "begins" : "ends");
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        IdeDrive *drive = bus->drives[i];
        if (drive && is_reset) {
            ide_drive_cancel(drive);
            drive->irq_pending = false;
            drive->status = ATA_BSY | ATA_DSC;
        } else if (drive) {
            ide_drive_set_signature(drive);
        }
    }
    bus->selected = 0;
}

/* -- Life -------------------------------------------------------------------------------------- */

void ide_bus_init(IdeBus *bus, Device *controller, const IdeControllerOps *ops, unsigned index)
{
    g_autofree char *name = g_strdup_printf("ide.%u", index);

    bus_init(&bus->bus, &ide_bus_type, controller, name);
    bus->controller = controller;
    bus->ops = ops;
    bus->index = index;
}

static bool create_drive(IdeBus *bus, Drive *drive, unsigned unit, Error **err)
{
    const char *type = drive_is_cdrom(drive) ? "ide-cd" : "ide-hd";
    g_autofree char *unit_text = g_strdup_printf("%u", unit);
    Device *dev;

    if (!type_find(type)) {
        return error_set(err, "drive '%s': %s is not available", ((Object *)drive)->name, type);
    }
    dev = device_new(type, &bus->bus);
    if (object_set(&dev->obj, "drive", ((Object *)drive)->name, err) &&
        object_set(&dev->obj, "unit", unit_text, err) && object_realize(&dev->obj, err)) {
        return true;
    }
    object_free(&dev->obj);
    return false;
}

bool ide_bus_create_drives(IdeBus *bus, Error **err)
{
    for (unsigned unit = 0; unit < IDE_UNITS; unit++) {
        Drive *drive = drive_get("ide", (int)bus->index, (int)unit, false);
        if (drive && !create_drive(bus, drive, unit, err)) {
            ide_bus_free_drives(bus);
            return false;
        }
    }
    return true;
}

void ide_bus_free_drives(IdeBus *bus)
{
    for (unsigned unit = 0; unit < IDE_UNITS; unit++) {
        object_free((Object *)bus->drives[unit]);
    }
}

uint64_t ide_bus_drive_sectors(const IdeBus *bus, unsigned unit)
{
    return bus->drives[unit] ? bus->drives[unit]->sectors : 0;
}

static const Field ide_bus_fields[] = {
    STATE(IdeBus, selected), STATE(IdeBus, control),   LINK(IdeBus, index), DERIVED(IdeBus, drives),
    LINK(IdeBus, ops),       LINK(IdeBus, controller), FIELDS_END,
};

const Type ide_bus_type = {
    .name = "IDE",
    .parent = &bus_type,
    .size = sizeof(IdeBus),
    .fields = ide_bus_fields,
};

OBJECT_TYPE(ide_bus_type);
