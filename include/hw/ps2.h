/* SPDX-License-Identifier: MIT */
/* PS/2 keyboard and mouse, and the 8042 controller they hang on. Under the machine lock. */
#ifndef HW_PS2_H
#define HW_PS2_H

#include "hw/isa.h"

#define PS2_QUEUE_SIZE 64
#define PS2_EVENT_ROOM 16 /* events stop here, so that replies to commands always fit */

/* Bytes on their way to the host. */
typedef struct Ps2Queue {
    uint8_t bytes[PS2_QUEUE_SIZE];
    uint8_t head, count;
} Ps2Queue;

extern const Field ps2_queue_fields[];

void ps2_queue_put(Ps2Queue *queue, uint8_t byte); /* dropped when full */
/* All bytes of an event or none: false when they do not fit behind what waits. */
bool ps2_queue_put_event(Ps2Queue *queue, const uint8_t *bytes, unsigned count);
uint8_t ps2_queue_take(Ps2Queue *queue); /* not when empty */
void ps2_queue_clear(Ps2Queue *queue);

/* What a device calls when it has put something into its queue. */
typedef struct Ps2Link {
    void (*notify)(void *owner);
    void *owner;
} Ps2Link;

typedef struct Ps2Keyboard {
    Object obj;
    Ps2Link link;
    Ps2Queue queue;
    uint8_t command; /* waits for its parameter, 0: none */
    uint8_t scan_set, leds, typematic, last_sent;
    bool scanning;
} Ps2Keyboard;

typedef struct Ps2Mouse {
    Object obj;
    Ps2Link link;
    Ps2Queue queue;
    uint8_t command;
    uint8_t rate, resolution, id;
    uint8_t last_rates[2]; /* before `rate`: the knock that opens wheel mode */
    uint8_t buttons, sent_buttons;
    bool reporting, remote, wrap, scale_2_1;
    int32_t dx, dy, dz; /* moved and not reported yet; y grows downwards */
} Ps2Mouse;

extern const Type ps2_keyboard_type; /* "ps2-kbd" */
extern const Type ps2_mouse_type;    /* "ps2-mouse" */

/* A byte from the host. */
void ps2_keyboard_write(Ps2Keyboard *keyboard, uint8_t byte);
void ps2_mouse_write(Ps2Mouse *mouse, uint8_t byte);

#define PS2_KEY_EXTENDED 0x80
#define PS2_KEY_PRINT (PS2_KEY_EXTENDED | 0x37)
#define PS2_KEY_PAUSE (PS2_KEY_EXTENDED | 0x46)

/* A key goes down or up. `key`: its set 1 make code, with PS2_KEY_EXTENDED if that has the prefix
 * E0h; repeats are further "down" calls. `obj` is a "ps2-kbd". */
void ps2_keyboard_key(Object *obj, unsigned key, bool down);

/* Lamps the guest has lit: bit 0 scroll, 1 num, 2 caps. */
uint8_t ps2_keyboard_leds(const Object *obj);

/* Relative movement (y downwards, z towards the user) and the buttons now held: bit 0 left, 1
 * right, 2 middle, 3 and 4 the side ones. `obj` is a "ps2-mouse". */
void ps2_mouse_event(Object *obj, int dx, int dy, int dz, unsigned buttons);

/* -- Controller -------------------------------------------------------------------------------- */

typedef struct I8042 I8042; /* "i8042" */

/* LINK: the A20 gate; before realize. */
void i8042_set_a20(I8042 *controller, Irq a20);
Ps2Keyboard *i8042_keyboard(I8042 *controller);
Ps2Mouse *i8042_mouse(I8042 *controller);

#endif
