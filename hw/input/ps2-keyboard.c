/* SPDX-License-Identifier: MIT */
/* PS/2 keyboard (MF2, 102 keys and more) with scan code sets 1 to 3. Sources: IBM PS/2 Hardware
 * Interface Technical Reference, "Keyboards"; Microsoft, "Keyboard Scan Code Specification". */
#include "hw/ps2.h"

#include "hw/input/scan-codes.h"
#include "util/trace.h"

enum {
    REPLY_SELF_TEST_PASSED = 0xaa,
    REPLY_ECHO = 0xee,
    REPLY_ACK = 0xfa,
    REPLY_RESEND = 0xfe,
    BREAK_PREFIX = 0xf0
};

enum {
    COMMAND_SET_LEDS = 0xed,
    COMMAND_ECHO = 0xee,
    COMMAND_SCAN_SET = 0xf0,
    COMMAND_IDENTIFY = 0xf2,
    COMMAND_TYPEMATIC = 0xf3,
    COMMAND_ENABLE = 0xf4,
    COMMAND_DISABLE = 0xf5,
    COMMAND_DEFAULTS = 0xf6,
    COMMAND_ALL_TYPEMATIC = 0xf7, /* to 0xfa: for set 3, all keys of one kind */
    COMMAND_ALL_TYPEMATIC_MAKE_BREAK = 0xfa,
    COMMAND_KEY_TYPEMATIC = 0xfb, /* to 0xfd: the same for one key */
    COMMAND_KEY_MAKE = 0xfd,
    COMMAND_RESEND = 0xfe,
    COMMAND_RESET = 0xff
};

enum { DEFAULT_SCAN_SET = 2, DEFAULT_TYPEMATIC = 0x2b, SCAN_SET_COUNT = 3 };

/* Keys whose codes are a sequence of their own. */
typedef struct SpecialKey {
    unsigned key;
    uint8_t scan_set;
    uint8_t make_size, break_size;
    uint8_t make[8], release[6];
} SpecialKey;

static const SpecialKey special_keys[] = {
    {PS2_KEY_PRINT, 1, 4, 4, {0xe0, 0x2a, 0xe0, 0x37}, {0xe0, 0xb7, 0xe0, 0xaa}},
    {PS2_KEY_PRINT, 2, 4, 6, {0xe0, 0x12, 0xe0, 0x7c}, {0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12}},
    {PS2_KEY_PAUSE, 1, 6, 0, {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}, {0}},
    {PS2_KEY_PAUSE, 2, 8, 0, {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77}, {0}},
};

static void notify(Ps2Keyboard *keyboard)
{
    if (keyboard->link.notify) {
        keyboard->link.notify(keyboard->link.owner);
    }
}

static void reply(Ps2Keyboard *keyboard, uint8_t byte)
{
    keyboard->last_sent = byte;
    ps2_queue_put(&keyboard->queue, byte);
}

static void set_defaults(Ps2Keyboard *keyboard)
{
    keyboard->scan_set = DEFAULT_SCAN_SET;
    keyboard->typematic = DEFAULT_TYPEMATIC;
}

static void write_parameter(Ps2Keyboard *keyboard, uint8_t byte)
{
    uint8_t command = keyboard->command;

    keyboard->command = 0;
    switch (command) {
    case COMMAND_SET_LEDS:
        keyboard->leds = byte & 7;
        reply(keyboard, REPLY_ACK);
        break;
    case COMMAND_TYPEMATIC:
        keyboard->typematic = byte & 0x7f;
        reply(keyboard, REPLY_ACK);
        break;
    case COMMAND_SCAN_SET:
        if (byte > SCAN_SET_COUNT) {
            reply(keyboard, REPLY_RESEND);
            break;
        }
        reply(keyboard, REPLY_ACK);
        if (byte) {
            keyboard->scan_set = byte;
        } else {
            reply(keyboard, keyboard->scan_set);
        }
        break;
    default: /* the kind of one key: all keys repeat and report their release */
        reply(keyboard, REPLY_ACK);
        break;
    }
}

static void reset(Ps2Keyboard *keyboard)
{
    ps2_queue_clear(&keyboard->queue);
    set_defaults(keyboard);
    keyboard->leds = 0;
    keyboard->scanning = true;
    reply(keyboard, REPLY_ACK);
    reply(keyboard, REPLY_SELF_TEST_PASSED);
}

static void write_command(Ps2Keyboard *keyboard, uint8_t byte)
{
    switch (byte) {
    case COMMAND_SET_LEDS:
    case COMMAND_SCAN_SET:
    case COMMAND_TYPEMATIC:
    case COMMAND_KEY_TYPEMATIC ... COMMAND_KEY_MAKE:
        keyboard->command = byte;
        reply(keyboard, REPLY_ACK);
        break;
    case COMMAND_ECHO:
        reply(keyboard, REPLY_ECHO);
        break;
    case COMMAND_IDENTIFY:
        reply(keyboard, REPLY_ACK);
        reply(keyboard, 0xab);
        reply(keyboard, 0x83);
        break;
    case COMMAND_ENABLE:
    case COMMAND_DISABLE:
    case COMMAND_DEFAULTS:
        ps2_queue_clear(&keyboard->queue);
        if (byte != COMMAND_ENABLE) {
            set_defaults(keyboard);
        }
        keyboard->scanning = byte != COMMAND_DISABLE;
        reply(keyboard, REPLY_ACK);
        break;
    case COMMAND_ALL_TYPEMATIC ... COMMAND_ALL_TYPEMATIC_MAKE_BREAK:
        reply(keyboard, REPLY_ACK);
        break;
    case COMMAND_RESEND:
        ps2_queue_put(&keyboard->queue, keyboard->last_sent);
        break;
    case COMMAND_RESET:
        reset(keyboard);
        break;
    default:
        reply(keyboard, REPLY_RESEND);
        break;
    }
}

void ps2_keyboard_write(Ps2Keyboard *keyboard, uint8_t byte)
{
    TRACE(ps2_keyboard_write, "byte 0x%02x", byte);
    if (keyboard->command && byte < COMMAND_SET_LEDS) {
        write_parameter(keyboard, byte);
    } else { /* a command in place of a parameter ends the one that waits */
        keyboard->command = 0;
        write_command(keyboard, byte);
    }
    notify(keyboard);
}

static const SpecialKey *find_special(const Ps2Keyboard *keyboard, unsigned key)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(special_keys); i++) {
        if (special_keys[i].key == key && special_keys[i].scan_set == keyboard->scan_set) {
            return &special_keys[i];
        }
    }
    return NULL;
}

/* Codes of a key in the active set; returns how many bytes. */
static unsigned encode_key(const Ps2Keyboard *keyboard, unsigned key, bool down, uint8_t *ret_bytes)
{
    unsigned count = 0;
    uint8_t code = (uint8_t)(key & ~PS2_KEY_EXTENDED);

    if (keyboard->scan_set == 3) {
        code = scan_code_set3(key);
    } else {
        if (key & PS2_KEY_EXTENDED) {
            ret_bytes[count++] = 0xe0;
        }
        if (keyboard->scan_set == 1) {
            ret_bytes[count++] = down ? code : code | 0x80;
            return count;
        }
        code = scan_code_set2(code);
    }
    if (!code) {
        return 0;
    }
    if (!down) {
        ret_bytes[count++] = BREAK_PREFIX;
    }
    ret_bytes[count++] = code;
    return count;
}

void ps2_keyboard_key(Object *obj, unsigned key, bool down)
{
    Ps2Keyboard *keyboard = (Ps2Keyboard *)obj;
    const SpecialKey *special = find_special(keyboard, key);
    uint8_t bytes[4];
    unsigned count;

    if (!keyboard->scanning || key > 0xff) {
        return;
    }
    if (special) {
        ps2_queue_put_event(&keyboard->queue, down ? special->make : special->release,
                            down ? special->make_size : special->break_size);
    } else {
        count = encode_key(keyboard, key, down, bytes);
        ps2_queue_put_event(&keyboard->queue, bytes, count);
    }
    notify(keyboard);
}

uint8_t ps2_keyboard_leds(const Object *obj)
{
    return ((const Ps2Keyboard *)obj)->leds;
}

static const Field keyboard_fields[] = {LINK(Ps2Keyboard, link),
                                        STATE_STRUCT(Ps2Keyboard, queue, ps2_queue_fields),
                                        STATE(Ps2Keyboard, command),
                                        STATE(Ps2Keyboard, scan_set, .init = DEFAULT_SCAN_SET),
                                        STATE(Ps2Keyboard, leds),
                                        STATE(Ps2Keyboard, typematic, .init = DEFAULT_TYPEMATIC),
                                        STATE(Ps2Keyboard, last_sent),
                                        STATE(Ps2Keyboard, scanning, .init = true),
                                        FIELDS_END};

const Type ps2_keyboard_type = {
    .name = "ps2-kbd",
    .parent = &object_type,
    .size = sizeof(Ps2Keyboard),
    .desc = "PS/2 keyboard",
    .fields = keyboard_fields,
};
OBJECT_TYPE(ps2_keyboard_type);
