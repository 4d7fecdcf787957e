/* SPDX-License-Identifier: MIT */
/* The 8259 pair, its INT at LINT0 as ExtINT: initialisation, priorities, forms of EOI, rotation,
 * masks, polling, cascade, level lines. Intel 231468, "8259A"; ELCR: Intel 290550, "82371SB". */
#include "interrupts.h"

enum { OCW2_EOI = 0x20, OCW2_SPECIFIC = 0x60, OCW2_ROTATE = 0xa0, OCW2_SET_PRIORITY = 0xc0 };
enum { KEYBOARD_DATA = 0x60, KEYBOARD_COMMAND = 0x64 };

static void masks(uint16_t value)
{
    outb(PIC1_DATA, (uint8_t)value);
    outb(PIC2_DATA, value >> 8);
}

static uint64_t taken_in_window(void)
{
    window();
    return vectors();
}

static void keyboard_command(uint8_t command, uint8_t data)
{
    while (inb(KEYBOARD_COMMAND) & 2) {
    }
    outb(KEYBOARD_COMMAND, command);
    while (inb(KEYBOARD_COMMAND) & 2) {
    }
    outb(KEYBOARD_DATA, data);
}

/* IRQ 1 and 12: high while a byte waits to be read. */
static void keyboard_lower(void)
{
    while (inb(KEYBOARD_COMMAND) & 1) {
        inb(KEYBOARD_DATA);
    }
}

static void irq1_raise(void)
{
    keyboard_lower();
    keyboard_command(0xd2, 0x5a);
    while (!(inb(KEYBOARD_COMMAND) & 1)) {
    }
}

static void irq12_raise(void)
{
    keyboard_lower();
    keyboard_command(0xd3, 0x5a);
    while (!(inb(KEYBOARD_COMMAND) & 1)) {
    }
}

static void all_lower(void)
{
    irq0_lower();
    irq8_lower();
    keyboard_lower();
}

static void start(uint8_t icw4)
{
    all_lower();
    pic_start(icw4);
    masks(0xeefc & ~4u); /* 0, 1, 2, 8, 12 */
    vectors();
}

static void test_initialisation(void)
{
    outb(PIC1_DATA, 0xa5);
    check("imr", inb(PIC1_DATA), 0xa5, "8259A OCW1");
    outb(PIC1, 0x11);
    outb(PIC1_DATA, 0x40);
    outb(PIC1_DATA, 0x04);
    outb(PIC1_DATA, 0x01);
    check("icw1-clears-imr", inb(PIC1_DATA), 0, "8259A ICW1");
    start(1);
    irq0_raise();
    check("irr", pic_requests(), 0x0001, "8259A OCW3");
    irq0_lower();
    check("irr-follows-the-line", pic_requests(), 0, "8259A edge and level triggered modes");
    check("withdrawn", taken_in_window(), 0, "8259A edge and level triggered modes");
    irq0_raise();
    check("vector", taken_in_window(), 0x20, "8259A ICW2");
    check("isr", pic_in_service(), 0x0001, "8259A OCW3");
    check("irr-served", pic_requests(), 0, "8259A interrupt sequence");
    check("edge-once", taken_in_window(), 0, "8259A edge and level triggered modes");
    outb(PIC1, OCW2_EOI);
    check("isr-ended", pic_in_service(), 0, "8259A end of interrupt");
    check("high-is-no-edge", taken_in_window(), 0, "8259A edge and level triggered modes");
}

static void test_priorities(void)
{
    start(1);
    irq8_raise();
    irq1_raise();
    check("irr-cascade", pic_requests(), 0x0106, "8259A cascade mode");
    check("1-before-8", taken_in_window(), 0x21, "8259A fully nested mode");
    irq0_raise();
    check("0-nests", taken_in_window(), 0x20, "8259A fully nested mode");
    check("both-in-service", pic_in_service(), 3, "8259A fully nested mode");
    outb(PIC1, OCW2_EOI);
    check("eoi-highest", pic_in_service(), 2, "8259A end of interrupt");
    check("8-waits", taken_in_window(), 0, "8259A fully nested mode");
    outb(PIC1, OCW2_EOI);
    check("8-comes", taken_in_window(), 0x28, "8259A cascade mode");
    check("in-service-twice", pic_in_service(), 0x0104, "8259A cascade mode");
    outb(PIC2, OCW2_EOI);
    outb(PIC1, OCW2_SPECIFIC | 2);
    check("ended-twice", pic_in_service(), 0, "8259A end of interrupt");
    start(1);
    irq0_raise();
    masks(0xefff & ~6u);
    check("masked", taken_in_window(), 0, "8259A OCW1");
    check("masked-irr", pic_requests(), 1, "8259A OCW1");
    masks(0xeef8);
    check("unmasked", taken_in_window(), 0x20, "8259A OCW1");
}

static void test_rotation(void)
{
    start(1);
    outb(PIC1, OCW2_SET_PRIORITY | 0);
    irq0_raise();
    irq1_raise();
    check("0-is-last", taken_in_window(), 0x21, "8259A specific rotation");
    outb(PIC1, OCW2_ROTATE);
    check("rotated-eoi", pic_in_service(), 0, "8259A automatic rotation");
    check("then-0", taken_in_window(), 0x20, "8259A specific rotation");
    irq1_raise(); /* after rotation 1 is the least urgent */
    check("1-is-last", taken_in_window(), 0, "8259A automatic rotation");
    outb(PIC1, OCW2_EOI);
    check("1-comes", taken_in_window(), 0x21, "8259A automatic rotation");
    outb(PIC1, OCW2_ROTATE | 0x40 | 0); /* specific, of a level not in service: priorities alone */
    check("specific-other", pic_in_service(), 2, "8259A specific rotation");
    outb(PIC1, OCW2_SPECIFIC | 1);
}

static void test_auto_eoi(void)
{
    start(3);
    irq0_raise();
    check("auto-eoi", taken_in_window(), 0x20, "8259A automatic end of interrupt");
    check("auto-eoi-isr", pic_in_service(), 0, "8259A automatic end of interrupt");
    outb(PIC1, 0x80); /* rotate in this mode */
    irq0_raise();
    taken_in_window();
    irq0_raise();
    irq1_raise();
    window();
    check("auto-rotation", vectors(), 0x2120, "8259A automatic rotation");
    outb(PIC1, 0x00);
}

static void test_special_masks(void)
{
    start(1);
    irq0_raise();
    taken_in_window();
    irq1_raise();
    check("0-blocks-1", taken_in_window(), 0, "8259A fully nested mode");
    masks(0xeef9); /* mask what is in service */
    check("mask-alone", taken_in_window(), 0, "8259A special mask mode");
    outb(PIC1, 0x68);
    check("special-mask", taken_in_window(), 0x21, "8259A special mask mode");
    outb(PIC1, OCW2_EOI);
    check("special-mask-eoi", pic_in_service(), 1, "8259A special mask mode");
    outb(PIC1, 0x48);
    outb(PIC1, OCW2_SPECIFIC | 0);
}

static void test_nesting_of_the_slave(void)
{
    start(1);
    irq12_raise();
    check("12", taken_in_window(), 0x2c, "8259A cascade mode");
    irq8_raise();
    check("8-waits-for-12", taken_in_window(), 0, "8259A special fully nested mode");
    start(0x11);
    irq12_raise();
    taken_in_window();
    irq8_raise();
    check("8-nests", taken_in_window(), 0x28, "8259A special fully nested mode");
    check("slave-in-service", pic_in_service(), 0x1104, "8259A special fully nested mode");
    outb(PIC2, OCW2_EOI);
    check("slave-eoi", pic_in_service(), 0x1004, "8259A special fully nested mode");
}

static void test_poll(void)
{
    start(1);
    outb(PIC1, 0x0c);
    check("poll-nothing", inb(PIC1) & 0x80, 0, "8259A poll command");
    irq1_raise();
    outb(PIC1, 0x0c);
    check("poll", inb(PIC1), 0x81, "8259A poll command");
    check("poll-serves", pic_in_service(), 2, "8259A poll command");
    check("poll-no-interrupt", taken_in_window(), 0, "8259A poll command");
    outb(PIC1, OCW2_EOI);
    irq8_raise();
    outb(PIC1, 0x0c);
    check("poll-cascade", inb(PIC1), 0x82, "8259A poll command");
    outb(PIC2, 0x0c);
    check("poll-slave", inb(PIC2), 0x80, "8259A poll command");
    check("poll-imr", inb(PIC1_DATA), 0xf8, "8259A poll command"); /* one read only */
}

static void test_levels(void)
{
    outb(0x4d0, 0xff);
    outb(0x4d1, 0xff);
    check("elcr", inb(0x4d0) | inb(0x4d1) << 8, 0xdef8, "82371SB ELCR");
    outb(0x4d0, 0);
    outb(0x4d1, 0x10); /* IRQ 12 */
    start(1);
    irq12_raise();
    check("level", taken_in_window(), 0x2c, "82371SB ELCR");
    outb(PIC2, OCW2_EOI);
    outb(PIC1, OCW2_EOI);
    check("level-again", taken_in_window(), 0x2c, "82371SB ELCR");
    keyboard_lower();
    outb(PIC2, OCW2_EOI);
    outb(PIC1, OCW2_EOI);
    check("level-low", taken_in_window(), 0, "82371SB ELCR");
    outb(0x4d1, 0);
}

int main(void);
int main(void)
{
    log_interrupts();
    apic_start();
    apic_write(APIC_LVT_LINT0, 0x700);
    keyboard_lower();
    keyboard_command(0x60, 0x07); /* both interrupts on */
    test_initialisation();
    test_priorities();
    test_rotation();
    test_auto_eoi();
    test_special_masks();
    test_nesting_of_the_slave();
    test_poll();
    test_levels();
    return 0;
}
