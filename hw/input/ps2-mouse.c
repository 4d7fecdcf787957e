/* SPDX-License-Identifier: MIT */
/* PS/2 mouse, with the wheel of the IntelliMouse and the five buttons of the Explorer. Sources: IBM
 * PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft, "IntelliMouse protocol". */
#include "hw/ps2.h"

#include "util/trace.h"

enum {
    REPLY_SELF_TEST_PASSED = 0xaa,
    REPLY_ACK = 0xfa,
    REPLY_ERROR = 0xfe,
    COMMAND_SCALE_1_1 = 0xe6,
    COMMAND_SCALE_2_1 = 0xe7,
    COMMAND_RESOLUTION = 0xe8,
    COMMAND_STATUS = 0xe9,
    COMMAND_STREAM = 0xea,
    COMMAND_READ = 0xeb,
    COMMAND_WRAP_OFF = 0xec,
    COMMAND_WRAP = 0xee,
    COMMAND_REMOTE = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_RATE = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_RESET = 0xff
};

enum { ID_STANDARD = 0, ID_WHEEL = 3, ID_FIVE_BUTTONS = 4 };
enum { DEFAULT_RATE = 100, DEFAULT_RESOLUTION = 2, MAX_STEP = 255, MAX_WHEEL_STEP = 7 };
enum { PACKET_ONE = 0x08, PACKET_X_SIGN = 0x10, PACKET_Y_SIGN = 0x20, PACKET_SIZE = 4 };

static void notify(Ps2Mouse *mouse)
{
    if (mouse->link.notify) {
        mouse->link.notify(mouse->link.owner);
    }
}

static void reply(Ps2Mouse *mouse, uint8_t byte)
{
    ps2_queue_put(&mouse->queue, byte);
}

static bool has_news(const Ps2Mouse *mouse)
{
    return mouse->dx || mouse->dy || (mouse->dz && mouse->id != ID_STANDARD) ||
           mouse->buttons != mouse->sent_buttons;
}

/* Builds the next report; returns its size. What it leaves of a long way stays for the next one. */
static unsigned make_packet(const Ps2Mouse *mouse, uint8_t *ret_packet, int *ret_dx, int *ret_dy,
                            int *ret_dz)
{
    int dx = CLAMP(mouse->dx, -MAX_STEP, MAX_STEP);
    int dy = CLAMP(mouse->dy, -MAX_STEP, MAX_STEP);
    int dz = CLAMP(mouse->dz, -MAX_WHEEL_STEP, MAX_WHEEL_STEP);
    int up = -dy;

    *ret_dx = dx;
    *ret_dy = dy;
    *ret_dz = dz;
    ret_packet[0] = (uint8_t)((mouse->buttons & 7) | PACKET_ONE | (dx < 0 ? PACKET_X_SIGN : 0) |
                              (up < 0 ? PACKET_Y_SIGN : 0));
    ret_packet[1] = (uint8_t)dx;
    ret_packet[2] = (uint8_t)up;
    ret_packet[3] = (uint8_t)dz;
    if (mouse->id == ID_FIVE_BUTTONS) {
        ret_packet[3] = (uint8_t)((dz & 0xf) | (mouse->buttons & 0x18) << 1);
    }
    return mouse->id == ID_STANDARD ? PACKET_SIZE - 1 : PACKET_SIZE;
}

static void consume(Ps2Mouse *mouse, int dx, int dy, int dz)
{
    mouse->dx -= dx;
    mouse->dy -= dy;
    mouse->dz -= dz;
    mouse->sent_buttons = mouse->buttons;
}

/* Streams what has happened as far as the queue has room. */
static void report(Ps2Mouse *mouse)
{
    uint8_t packet[PACKET_SIZE];
    int dx, dy, dz;

    while (mouse->reporting && !mouse->remote && has_news(mouse)) {
        unsigned size = make_packet(mouse, packet, &dx, &dy, &dz);
        if (!ps2_queue_put_event(&mouse->queue, packet, size)) {
            break;
        }
        consume(mouse, dx, dy, dz);
    }
}

static void set_defaults(Ps2Mouse *mouse)
{
    mouse->rate = DEFAULT_RATE;
    mouse->resolution = DEFAULT_RESOLUTION;
    mouse->scale_2_1 = false;
    mouse->reporting = false;
    mouse->remote = false;
    mouse->wrap = false;
}

static void reset(Ps2Mouse *mouse)
{
    ps2_queue_clear(&mouse->queue);
    set_defaults(mouse);
    mouse->id = ID_STANDARD;
    mouse->dx = 0;
    mouse->dy = 0;
    mouse->dz = 0;
    reply(mouse, REPLY_ACK);
    reply(mouse, REPLY_SELF_TEST_PASSED);
    reply(mouse, mouse->id);
}

/* Rates 200, 100, 80 ask for the wheel; 200, 200, 80 for five buttons too. */
static void set_rate(Ps2Mouse *mouse, uint8_t rate)
{
    mouse->last_rates[0] = mouse->last_rates[1];
    mouse->last_rates[1] = mouse->rate;
    mouse->rate = rate;
    if (rate != 80 || mouse->last_rates[0] != 200) {
        return;
    }
    if (mouse->last_rates[1] == 100) {
        mouse->id = ID_WHEEL;
    } else if (mouse->last_rates[1] == 200) {
        mouse->id = ID_FIVE_BUTTONS;
    }
}

static void send_status(Ps2Mouse *mouse)
{
    uint8_t buttons = (uint8_t)((mouse->buttons & 1) << 2 | (mouse->buttons & 4) >> 1 |
                                (mouse->buttons & 2) >> 1);

    reply(mouse, REPLY_ACK);
    reply(mouse,
          (uint8_t)(mouse->remote << 6 | mouse->reporting << 5 | mouse->scale_2_1 << 4 | buttons));
    reply(mouse, mouse->resolution);
    reply(mouse, mouse->rate);
}

static void send_data(Ps2Mouse *mouse)
{
    uint8_t packet[PACKET_SIZE];
    int dx, dy, dz;
    unsigned size = make_packet(mouse, packet, &dx, &dy, &dz);

    reply(mouse, REPLY_ACK);
    for (unsigned i = 0; i < size; i++) {
        reply(mouse, packet[i]);
    }
    consume(mouse, dx, dy, dz);
}

static void write_parameter(Ps2Mouse *mouse, uint8_t byte)
{
    if (mouse->command == COMMAND_RATE) {
        set_rate(mouse, byte);
    } else {
        mouse->resolution = byte & 3;
    }
    mouse->command = 0;
    reply(mouse, REPLY_ACK);
}

/* Commands that change one thing and are acknowledged; false: not one of them. */
static bool write_mode(Ps2Mouse *mouse, uint8_t byte)
{
    switch (byte) {
    case COMMAND_SCALE_1_1:
    case COMMAND_SCALE_2_1:
        mouse->scale_2_1 = byte == COMMAND_SCALE_2_1;
        break;
    case COMMAND_STREAM:
    case COMMAND_REMOTE:
        mouse->remote = byte == COMMAND_REMOTE;
        break;
    case COMMAND_WRAP:
    case COMMAND_WRAP_OFF:
        mouse->wrap = byte == COMMAND_WRAP;
        break;
    case COMMAND_ENABLE:
    case COMMAND_DISABLE:
        mouse->reporting = byte == COMMAND_ENABLE;
        break;
    case COMMAND_DEFAULTS:
        set_defaults(mouse);
        break;
    case COMMAND_RESOLUTION:
    case COMMAND_RATE:
        mouse->command = byte;
        break;
    default:
        return false;
    }
    reply(mouse, REPLY_ACK);
    return true;
}

static void write_command(Ps2Mouse *mouse, uint8_t byte)
{
    switch (byte) {
    case COMMAND_STATUS:
        send_status(mouse);
        break;
    case COMMAND_READ:
        send_data(mouse);
        break;
    case COMMAND_IDENTIFY:
        reply(mouse, REPLY_ACK);
        reply(mouse, mouse->id);
        break;
    case COMMAND_RESET:
        reset(mouse);
        break;
    default:
        if (!write_mode(mouse, byte)) {
            reply(mouse, REPLY_ERROR);
        }
        break;
    }
}

void ps2_mouse_write(Ps2Mouse *mouse, uint8_t byte)
{
    TRACE(ps2_mouse_write, "byte 0x%02x", byte);
    if (mouse->wrap && byte != COMMAND_WRAP_OFF && byte != COMMAND_RESET) {
        reply(mouse, byte);
    } else if (mouse->command) {
        write_parameter(mouse, byte);
    } else {
        write_command(mouse, byte);
        report(mouse);
    }
    notify(mouse);
}

void ps2_mouse_event(Object *obj, int dx, int dy, int dz, unsigned buttons)
{
    Ps2Mouse *mouse = (Ps2Mouse *)obj;

    if (!mouse->reporting && !mouse->remote) {
        return;
    }
    mouse->dx = CLAMP(mouse->dx + CLAMP(dx, -10000, 10000), -10000, 10000);
    mouse->dy = CLAMP(mouse->dy + CLAMP(dy, -10000, 10000), -10000, 10000);
    mouse->dz = CLAMP(mouse->dz + CLAMP(dz, -100, 100), -100, 100);
    mouse->buttons = buttons & 0x1f;
    report(mouse);
    notify(mouse);
}

static const Field mouse_fields[] = {LINK(Ps2Mouse, link),
                                     STATE_STRUCT(Ps2Mouse, queue, ps2_queue_fields),
                                     STATE(Ps2Mouse, command),
                                     STATE(Ps2Mouse, rate, .init = DEFAULT_RATE),
                                     STATE(Ps2Mouse, resolution, .init = DEFAULT_RESOLUTION),
                                     STATE(Ps2Mouse, id),
                                     STATE_ARRAY(Ps2Mouse, last_rates),
                                     STATE(Ps2Mouse, buttons),
                                     STATE(Ps2Mouse, sent_buttons),
                                     STATE(Ps2Mouse, reporting),
                                     STATE(Ps2Mouse, remote),
                                     STATE(Ps2Mouse, wrap),
                                     STATE(Ps2Mouse, scale_2_1),
                                     STATE(Ps2Mouse, dx),
                                     STATE(Ps2Mouse, dy),
                                     STATE(Ps2Mouse, dz),
                                     FIELDS_END};

const Type ps2_mouse_type = {
    .name = "ps2-mouse",
    .parent = &object_type,
    .size = sizeof(Ps2Mouse),
    .desc = "PS/2 mouse",
    .fields = mouse_fields,
};
OBJECT_TYPE(ps2_mouse_type);
