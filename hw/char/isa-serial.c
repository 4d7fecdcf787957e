/* SPDX-License-Identifier: MIT */
/* Serial port of the PC: a 16550A at the ports and lines of COM1 to COM4. */
#include "hw/isa.h"
#include "hw/uart16550.h"

#define UNSET UINT32_MAX

enum { COM_COUNT = 4 };

typedef struct IsaSerial {
    IsaDevice isa;
    uint32_t index, iobase, irq;
    Chardev *chardev;
    Uart uart;
} IsaSerial;

static const uint16_t com_ports[COM_COUNT] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
static const uint8_t com_irqs[COM_COUNT] = {4, 3, 4, 3};

static bool index_is_taken(const IsaSerial *self, uint32_t index)
{
    const GPtrArray *devices = self->isa.dev.bus->devices;

    for (guint i = 0; i < devices->len; i++) {
        const IsaSerial *other = devices->pdata[i];

        if (other != self && other->isa.dev.obj.type == self->isa.dev.obj.type &&
            other->isa.dev.obj.realized && other->index == index) {
            return true;
        }
    }
    return false;
}

/* Fills in what the user left open: the first free COM port and its resources. */
static bool choose_resources(IsaSerial *self, Error **err)
{
    if (self->index == UNSET) {
        for (self->index = 0; index_is_taken(self, self->index);) {
            self->index++;
        }
    }
    if (self->index >= COM_COUNT && (self->iobase == UNSET || self->irq == UNSET)) {
        return error_set(err,
                         "index %u: a machine has COM ports 0 to %d; give iobase and irq for "
                         "another one",
                         self->index, COM_COUNT - 1);
    }
    if (self->iobase == UNSET) {
        self->iobase = com_ports[self->index];
    }
    if (self->irq == UNSET) {
        self->irq = com_irqs[self->index];
    }
    if (self->irq >= ISA_IRQ_COUNT) {
        return error_set(err, "irq %u: an ISA bus has lines 0 to %d", self->irq, ISA_IRQ_COUNT - 1);
    }
    if (self->iobase > 0x10000 - UART_REGISTER_COUNT) {
        return error_set(err, "iobase 0x%x: ports end at 0xffff", self->iobase);
    }
    return true;
}

static bool isa_serial_realize(Object *obj, Error **err)
{
    IsaSerial *self = (IsaSerial *)obj;

    if (!choose_resources(self, err) ||
        !uart_connect(&self->uart, self->chardev, isa_irq(&self->isa, self->irq), err)) {
        return false;
    }
    isa_map_io(&self->isa, &self->uart.registers, (uint16_t)self->iobase);
    return true;
}

static void isa_serial_unrealize(Object *obj)
{
    IsaSerial *self = (IsaSerial *)obj;

    region_del(&self->uart.registers);
    uart_disconnect(&self->uart);
}

static const Field isa_serial_fields[] = {
    PROP(IsaSerial, index, .init = UNSET, .desc = "COM port, 0 to 3; the first free one"),
    PROP(IsaSerial, iobase, .init = UNSET, .desc = "first of the eight ports"),
    PROP(IsaSerial, irq, .init = UNSET, .desc = "ISA interrupt line"),
    PROP_LINK(IsaSerial, chardev, .link_type = &chardev_type, .desc = "host side of the line"),
    CHILD(IsaSerial, uart, &uart_type),
    FIELDS_END};

static const Type isa_serial_type = {
    .name = "isa-serial",
    .parent = &isa_device_type,
    .size = sizeof(IsaSerial),
    .desc = "serial port",
    .fields = isa_serial_fields,
    .realize = isa_serial_realize,
    .unrealize = isa_serial_unrealize,
    .user_creatable = true,
};
DEVICE(isa_serial_type);
