/* SPDX-License-Identifier: MIT */
/* 8042 keyboard controller with auxiliary port, A20 gate and reset line. Sources: IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboard and Auxiliary Device Controller". */
#include "hw/ps2.h"

#include "hw/input/scan-codes.h"
#include "softmmu/run.h"
#include "util/trace.h"

enum { DATA_PORT = 0x60, COMMAND_PORT = 0x64, IRQ_KEYBOARD = 1, IRQ_AUX = 12 };

enum {
    STATUS_OUTPUT_FULL = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08,
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX = 0x20
};

enum {
    CONFIG_KEYBOARD_IRQ = 0x01,
    CONFIG_AUX_IRQ = 0x02,
    CONFIG_SYSTEM = 0x04,
    CONFIG_KEYBOARD_OFF = 0x10,
    CONFIG_AUX_OFF = 0x20,
    CONFIG_TRANSLATE = 0x40
};

enum { /* output port P2 */
       OUT_RUN = 0x01,
       OUT_A20 = 0x02,
       OUT_ONES = 0xcc,
       OUT_KEYBOARD_FULL = 0x10,
       OUT_AUX_FULL = 0x20
};

enum {
    CMD_READ_RAM = 0x20,
    CMD_WRITE_RAM = 0x60,
    CMD_PASSWORD_TEST = 0xa4,
    CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KEYBOARD_TEST = 0xab,
    CMD_KEYBOARD_OFF = 0xad,
    CMD_KEYBOARD_ON = 0xae,
    CMD_READ_INPUT_PORT = 0xc0,
    CMD_READ_OUTPUT_PORT = 0xd0,
    CMD_WRITE_OUTPUT_PORT = 0xd1,
    CMD_WRITE_KEYBOARD_BUFFER = 0xd2,
    CMD_WRITE_AUX_BUFFER = 0xd3,
    CMD_WRITE_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_READ_TEST_INPUTS = 0xe0,
    CMD_PULSE = 0xf0
};

enum { RAM_SIZE = 32, RAM_MASK = RAM_SIZE - 1, BREAK_PREFIX = 0xf0 };

struct I8042 {
    IsaDevice isa;
    Region data_port, command_port;
    Irq a20;
    Ps2Keyboard keyboard;
    Ps2Mouse mouse;

    uint8_t ram[RAM_SIZE]; /* byte 0 is the configuration */
    uint8_t command;       /* waits for its data byte, 0: none */
    uint8_t output_port;
    bool self_tested, last_was_command;
    uint8_t output; /* the output buffer */
    bool output_full, output_is_aux;
    bool reply_waits, reply_is_aux; /* the controller's own byte, next for the buffer */
    uint8_t reply;
    bool release_seen; /* the prefix F0h of a key release, taken away by translation */
};

static uint8_t config(const I8042 *controller)
{
    return controller->ram[0];
}

static void fill_output(I8042 *controller, uint8_t byte, bool is_aux)
{
    controller->output = byte;
    controller->output_full = true;
    controller->output_is_aux = is_aux;
}

static void take_keyboard_byte(I8042 *controller)
{
    uint8_t byte = ps2_queue_take(&controller->keyboard.queue);

    if (!(config(controller) & CONFIG_TRANSLATE)) {
        controller->release_seen = false;
    } else if (byte == BREAK_PREFIX) {
        controller->release_seen = true;
        return;
    } else {
        byte = scan_code_translate(byte) | (controller->release_seen ? 0x80 : 0);
        controller->release_seen = false;
    }
    fill_output(controller, byte, false);
}

static void refill_output(I8042 *controller)
{
    if (controller->reply_waits) {
        controller->reply_waits = false;
        fill_output(controller, controller->reply, controller->reply_is_aux);
    }
    while (!controller->output_full && controller->keyboard.queue.count &&
           !(config(controller) & CONFIG_KEYBOARD_OFF)) {
        take_keyboard_byte(controller);
    }
    if (!controller->output_full && controller->mouse.queue.count &&
        !(config(controller) & CONFIG_AUX_OFF)) {
        fill_output(controller, ps2_queue_take(&controller->mouse.queue), true);
    }
}

static void i8042_sync(Object *obj)
{
    I8042 *controller = (I8042 *)obj;
    bool full;

    if (!controller->output_full) {
        refill_output(controller);
    }
    full = controller->output_full;
    irq_set(isa_irq(&controller->isa, IRQ_KEYBOARD),
            full && !controller->output_is_aux && config(controller) & CONFIG_KEYBOARD_IRQ);
    irq_set(isa_irq(&controller->isa, IRQ_AUX),
            full && controller->output_is_aux && config(controller) & CONFIG_AUX_IRQ);
}

static void device_has_data(void *owner)
{
    i8042_sync(owner);
}

static void answer(I8042 *controller, uint8_t byte, bool is_aux)
{
    controller->reply = byte;
    controller->reply_is_aux = is_aux;
    controller->reply_waits = true;
}

static void set_config_bits(I8042 *controller, uint8_t bits, bool on)
{
    controller->ram[0] = on ? controller->ram[0] | bits : controller->ram[0] & (uint8_t)~bits;
}

static void write_output_port(I8042 *controller, uint8_t value)
{
    controller->output_port = value;
    irq_set(controller->a20, value & OUT_A20);
    if (!(value & OUT_RUN)) {
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static uint8_t read_output_port(const I8042 *controller)
{
    uint8_t value = controller->output_port & (uint8_t) ~(OUT_KEYBOARD_FULL | OUT_AUX_FULL);

    if (controller->output_full) {
        value |= controller->output_is_aux ? OUT_AUX_FULL : OUT_KEYBOARD_FULL;
    }
    return value;
}

static void self_test(I8042 *controller)
{
    controller->self_tested = true;
    controller->output_full = false;
    set_config_bits(controller, CONFIG_SYSTEM, true);
    answer(controller, 0x55, false);
}

/* Commands with one number each; false: not one of them. */
static bool run_command(I8042 *controller, uint8_t command)
{
    switch (command) {
    case CMD_PASSWORD_TEST:
        answer(controller, 0xf1, false); /* there is none */
        return true;
    case CMD_AUX_OFF:
    case CMD_AUX_ON:
        set_config_bits(controller, CONFIG_AUX_OFF, command == CMD_AUX_OFF);
        return true;
    case CMD_KEYBOARD_OFF:
    case CMD_KEYBOARD_ON:
        set_config_bits(controller, CONFIG_KEYBOARD_OFF, command == CMD_KEYBOARD_OFF);
        return true;
    case CMD_AUX_TEST:
    case CMD_KEYBOARD_TEST:
    case CMD_READ_TEST_INPUTS:
        answer(controller, 0, false);
        return true;
    case CMD_SELF_TEST:
        self_test(controller);
        return true;
    case CMD_READ_INPUT_PORT:
        answer(controller, 0x80, false); /* not locked */
        return true;
    case CMD_READ_OUTPUT_PORT:
        answer(controller, read_output_port(controller), false);
        return true;
    case CMD_A20_OFF:
        write_output_port(controller, controller->output_port & (uint8_t)~OUT_A20);
        return true;
    case CMD_A20_ON:
        write_output_port(controller, controller->output_port | OUT_A20);
        return true;
    case CMD_WRITE_OUTPUT_PORT ... CMD_WRITE_AUX:
        controller->command = command;
        return true;
    default:
        return false;
    }
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *controller = opaque;
    uint8_t command = (uint8_t)value;

    TRACE(i8042_command, "command 0x%02x", command);
    controller->last_was_command = true;
    controller->command = 0;
    if (command >= CMD_READ_RAM && command < CMD_READ_RAM + RAM_SIZE) {
        answer(controller, controller->ram[command & RAM_MASK], false);
    } else if (command >= CMD_WRITE_RAM && command < CMD_WRITE_RAM + RAM_SIZE) {
        controller->command = command;
    } else if (command >= CMD_PULSE) { /* a clear bit pulses that line low; 0 is reset */
        if (!(command & OUT_RUN)) {
            system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        }
    } else if (!run_command(controller, command)) {
        guest_error(controller, "i8042: unknown command 0x%02x", command);
    }
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    I8042 *controller = opaque;
    uint8_t byte = (uint8_t)value, command = controller->command;

    controller->last_was_command = false;
    controller->command = 0;
    switch (command) {
    case 0:
        set_config_bits(controller, CONFIG_KEYBOARD_OFF, false);
        ps2_keyboard_write(&controller->keyboard, byte);
        break;
    case CMD_WRITE_OUTPUT_PORT:
        write_output_port(controller, byte);
        break;
    case CMD_WRITE_KEYBOARD_BUFFER:
    case CMD_WRITE_AUX_BUFFER:
        answer(controller, byte, command == CMD_WRITE_AUX_BUFFER);
        break;
    case CMD_WRITE_AUX:
        set_config_bits(controller, CONFIG_AUX_OFF, false);
        ps2_mouse_write(&controller->mouse, byte);
        break;
    default: /* CMD_WRITE_RAM + address */
        controller->ram[command & RAM_MASK] = byte;
        break;
    }
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    I8042 *controller = opaque;
    uint8_t byte = controller->output;

    if (controller->output_full) {
        controller->output_full = false;
        /* The lines fall before the next byte raises them: each byte is an edge. */
        irq_lower(isa_irq(&controller->isa, IRQ_KEYBOARD));
        irq_lower(isa_irq(&controller->isa, IRQ_AUX));
        i8042_sync(&controller->isa.dev.obj);
    }
    return byte;
}

static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    const I8042 *controller = opaque;
    uint8_t status = STATUS_UNLOCKED;

    if (controller->output_full) {
        status |= STATUS_OUTPUT_FULL | (controller->output_is_aux ? STATUS_AUX : 0);
    }
    if (controller->self_tested || config(controller) & CONFIG_SYSTEM) {
        status |= STATUS_SYSTEM;
    }
    return status | (controller->last_was_command ? STATUS_COMMAND : 0);
}

static const RegionOps data_ops = {
    .read = data_read, .write = data_write, .impl_min = 1, .impl_max = 1};
static const RegionOps command_ops = {
    .read = command_read, .write = command_write, .impl_min = 1, .impl_max = 1};

void i8042_set_a20(I8042 *controller, Irq a20)
{
    controller->a20 = a20;
}

Ps2Keyboard *i8042_keyboard(I8042 *controller)
{
    return &controller->keyboard;
}

Ps2Mouse *i8042_mouse(I8042 *controller)
{
    return &controller->mouse;
}

static void i8042_init(Object *obj)
{
    I8042 *controller = (I8042 *)obj;
    const Ps2Link link = {.notify = device_has_data, .owner = controller};

    controller->keyboard.link = link;
    controller->mouse.link = link;
}

static void map_port(I8042 *controller, Region *region, const char *name, const RegionOps *ops,
                     uint16_t port)
{
    region_init(region, &(RegionDesc){.name = name,
                                      .kind = REGION_IO,
                                      .size = 1,
                                      .owner = &controller->isa.dev.obj,
                                      .ops = ops,
                                      .opaque = controller});
    isa_map_io(&controller->isa, region, port);
}

static bool i8042_realize(Object *obj, Error **err)
{
    I8042 *controller = (I8042 *)obj;

    map_port(controller, &controller->data_port, "i8042-data", &data_ops, DATA_PORT);
    map_port(controller, &controller->command_port, "i8042-cmd", &command_ops, COMMAND_PORT);
    return true;
}

static void i8042_unrealize(Object *obj)
{
    I8042 *controller = (I8042 *)obj;

    region_fini(&controller->command_port);
    region_fini(&controller->data_port);
}

static void i8042_reset_hold(Object *obj)
{
    I8042 *controller = (I8042 *)obj;

    controller->ram[0] = CONFIG_KEYBOARD_IRQ | CONFIG_AUX_IRQ;
}

static const Field i8042_fields[] = {
    DERIVED(I8042, data_port),
    DERIVED(I8042, command_port),
    LINK(I8042, a20),
    CHILD(I8042, keyboard, &ps2_keyboard_type),
    CHILD(I8042, mouse, &ps2_mouse_type),
    STATE_ARRAY(I8042, ram),
    STATE(I8042, command),
    STATE(I8042, output_port, .init = OUT_RUN | OUT_A20 | OUT_ONES),
    STATE(I8042, self_tested),
    STATE(I8042, last_was_command, .init = true),
    STATE(I8042, output),
    STATE(I8042, output_full),
    STATE(I8042, output_is_aux),
    STATE(I8042, reply_waits),
    STATE(I8042, reply_is_aux),
    STATE(I8042, reply),
    STATE(I8042, release_seen),
    FIELDS_END};

static const Type i8042_type = {
    .name = "i8042",
    .parent = &isa_device_type,
    .size = sizeof(I8042),
    .desc = "keyboard controller",
    .fields = i8042_fields,
    .init = i8042_init,
    .realize = i8042_realize,
    .unrealize = i8042_unrealize,
    .reset_hold = i8042_reset_hold,
    .sync = i8042_sync,
};
DEVICE(i8042_type);
