/* SPDX-License-Identifier: MIT */
/* What makes exits: ports and memory of devices in all sizes, strings, halts, interrupts by every
 * controller, NMI, other CPUs, memory that changes its rights. */
#include "kvm-guest.h"

#define PIC_MASTER 0x20
#define PIT 0x40
#define FW_CFG_SELECT 0x510
#define FW_CFG_DATA 0x511
#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define COM1 0x3f8
#define APIC 0xfee00000u
#define IOAPIC 0xfec00000u
#define HPET 0xfed00000u
#define SHADOW 0xc8000u
#define ROM 0xffff0000u

enum { VECTOR_NMI = 2, VECTOR_TIMER = 0x30, VECTOR_APIC = 0x40, VECTOR_SERIAL = 0x44 };

typedef struct Gate {
    uint16_t low, selector, kind, high;
} Gate;

extern void timer_entry(void), apic_entry(void), nmi_entry(void), serial_entry(void);
extern const uint8_t start_cpus_code[];
extern const uint32_t start_cpus_size;

static Gate idt[256];
static volatile uint32_t timer_ticks, apic_ticks, nmis, serial_interrupts, ap_state, ap_interrupts;

static uint32_t apic_id(void)
{
    return MMIO(uint32_t, APIC + 0x20) >> 24;
}

static void end_of_interrupt(void)
{
    MMIO(uint32_t, APIC + 0xb0) = 0;
}

void on_timer(void)
{
    timer_ticks++;
    outb(PIC_MASTER, 0x20);
}

void on_apic(void)
{
    if (apic_id() == 0) {
        apic_ticks++;
    } else {
        ap_interrupts++;
    }
    end_of_interrupt();
}

void on_nmi(void)
{
    nmis++;
}

/* The line stays up until it is the third time: level-triggered, it comes again after each end. */
void on_serial(void)
{
    if (++serial_interrupts == 3) {
        outb(COM1 + 1, 0);
    }
    end_of_interrupt();
}

static void set_gate(unsigned vector, void (*entry)(void))
{
    uint32_t address = (uint32_t)(uintptr_t)entry;

    idt[vector] = (Gate){(uint16_t)address, 8, 0x8e00, (uint16_t)(address >> 16)};
}

static void load_idt(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)(uintptr_t)idt};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

/* Halts until *counter has reached the count. */
static void wait_for(volatile uint32_t *counter, uint32_t count)
{
    while (*counter < count) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

/* -- Accesses ---------------------------------------------------------------------------------- */

static void test_ports(void)
{
    uint8_t signature[5] = {0}, *to = signature;
    uint32_t count = 4;
    const char *from = "string of bytes\n";
    uint32_t length = 16;

    outl(PCI_ADDRESS, 0x80000000);
    result("port-read-4", inl(PCI_DATA));
    result("port-read-2", inw(PCI_DATA + 2));
    result("port-read-1", inb(PCI_DATA + 1));
    outl(PCI_ADDRESS, 0x80000004);
    outw(PCI_DATA, 0x0107);
    result("port-write-2", inw(PCI_DATA));
    outw(FW_CFG_SELECT, 0);
    __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(FW_CFG_DATA) : "memory");
    result("port-string-in", *(uint32_t *)signature);
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(length) : "d"(CONSOLE) : "memory");
    result("port-unassigned", inl(0x5550));
}

static void test_memory(void)
{
    uint32_t copy[4] = {0}, *to = copy;
    const volatile uint32_t *from = (const volatile uint32_t *)HPET;
    uint32_t count = 2;

    result("mmio-read-4", MMIO(uint32_t, HPET));
    result("mmio-read-2", MMIO(uint16_t, HPET + 2));
    result("mmio-read-1", MMIO(uint8_t, HPET + 1));
    MMIO(uint32_t, HPET + 0x108) = 0x12345678;
    result("mmio-write-4", MMIO(uint32_t, HPET + 0x108));
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    result("mmio-string-low", copy[0]);
    result("mmio-string-high", copy[1]);
    result("mmio-unassigned", MMIO(uint32_t, 0xd0000000u));
    result("ioapic-version", (MMIO(uint32_t, IOAPIC) = 1, MMIO(uint32_t, IOAPIC + 0x10) >> 16));
    result("apic-id", apic_id());
    MMIO(uint32_t, APIC + 0x80) = 0x50;
    result("apic-tpr", MMIO(uint32_t, APIC + 0x80));
    MMIO(uint32_t, APIC + 0x80) = 0;
}

static void set_shadow(uint8_t rights)
{
    outl(PCI_ADDRESS, 0x80000058); /* PAM of C8000-CFFFF: register 5Bh */
    outb(PCI_DATA + 3, rights);
}

static void test_rights(void)
{
    uint32_t rom = MMIO(uint32_t, ROM);

    MMIO(uint32_t, ROM) = ~rom;
    result("rom-kept", MMIO(uint32_t, ROM) == rom);
    set_shadow(3);
    MMIO(uint32_t, SHADOW) = 0x11223344;
    result("shadow-read-write", MMIO(uint32_t, SHADOW));
    set_shadow(1);
    MMIO(uint32_t, SHADOW) = 0x55667788;
    result("shadow-read-only", MMIO(uint32_t, SHADOW));
    set_shadow(2);
    MMIO(uint32_t, SHADOW) = 0x99aabbcc;
    set_shadow(3);
    result("shadow-write-only", MMIO(uint32_t, SHADOW));
    for (unsigned i = 0; i < 64; i++) {
        set_shadow(i & 3);
        MMIO(uint8_t, 0x20000 + i) = (uint8_t)i;
    }
    result("beside-changes", MMIO(uint32_t, 0x20000 + 60));
}

/* Writes that are only counted, where there is a pci-testdev: test_kvm.py puts it in slot 5. */
static void test_events(void)
{
    static const char *const names[] = {"events-none", "events-any", "events-match"};
    const uint32_t device = 0x80002800, bar = 0xd1000000u;

    outl(PCI_ADDRESS, device);
    if (inl(PCI_DATA) != 0x00051b36) {
        return;
    }
    outl(PCI_ADDRESS, device + 0x10);
    outl(PCI_DATA, bar);
    outl(PCI_ADDRESS, device + 4);
    outw(PCI_DATA, 2);
    for (unsigned test = 0; test < 3; test++) {
        uint32_t at, data;

        MMIO(uint8_t, bar) = (uint8_t)test;
        at = bar + MMIO(uint32_t, bar + 4);
        data = MMIO(uint32_t, bar + 8);
        for (unsigned i = 0; i < 20; i++) {
            MMIO(uint8_t, at) = (uint8_t)(data + (i & 1));
        }
        result(names[test], MMIO(uint32_t, bar + 12));
    }
}

/* -- Interrupts -------------------------------------------------------------------------------- */

/* The interval timer by the 8259, which the first local APIC passes on. */
static void test_pic(void)
{
    static const uint8_t words[] = {0x11, VECTOR_TIMER, 4, 1};

    for (unsigned i = 0; i < 4; i++) {
        outb(PIC_MASTER + !!i, words[i]);
    }
    outb(PIC_MASTER + 1, 0xfe);
    outb(PIT + 3, 0x34);
    outb(PIT, 0x00);
    outb(PIT, 0x10);
    wait_for(&timer_ticks, 3);
    outb(PIC_MASTER + 1, 0xff);
    result("pic-timer", timer_ticks >= 3);
}

static void test_apic_timer(void)
{
    MMIO(uint32_t, APIC + 0xf0) = 0x1ff;
    MMIO(uint32_t, APIC + 0x3e0) = 0xb;
    MMIO(uint32_t, APIC + 0x320) = VECTOR_APIC;
    MMIO(uint32_t, APIC + 0x380) = 100000;
    wait_for(&apic_ticks, 1);
    MMIO(uint32_t, APIC + 0x300) = 0x40000 | VECTOR_APIC; /* to itself */
    wait_for(&apic_ticks, 2);
    MMIO(uint32_t, APIC + 0x320) = 0x10000;
    result("apic-timer-and-self", apic_ticks);
}

static void test_nmi(void)
{
    MMIO(uint32_t, APIC + 0x310) = 0;
    MMIO(uint32_t, APIC + 0x300) = 0x4400; /* NMI to CPU 0 */
    while (!nmis) {
        __asm__ volatile("pause");
    }
    result("nmi", nmis);
}

static void write_ioapic(uint32_t index, uint32_t value)
{
    MMIO(uint32_t, IOAPIC) = index;
    MMIO(uint32_t, IOAPIC + 0x10) = value;
}

/* The serial port's "may send" keeps IRQ 4 up. */
static void test_ioapic(void)
{
    write_ioapic(0x11 + 2 * 4, 0);
    write_ioapic(0x10 + 2 * 4, 0x8000 | VECTOR_SERIAL);
    outb(COM1 + 4, 8);
    outb(COM1 + 1, 2);
    wait_for(&serial_interrupts, 3);
    write_ioapic(0x10 + 2 * 4, 0x10000);
    result("ioapic-level", serial_interrupts);
}

/* -- A second CPU ------------------------------------------------------------------------------ */

void ap_main(void)
{
    load_idt();
    MMIO(uint32_t, APIC + 0xf0) = 0x1ff;
    ap_state = 1;
    wait_for(&ap_interrupts, 100);
    ap_state = 2;
}

static void send(uint32_t target, uint32_t command)
{
    MMIO(uint32_t, APIC + 0x310) = target << 24;
    MMIO(uint32_t, APIC + 0x300) = command;
    while (MMIO(uint32_t, APIC + 0x300) & 0x1000) {
    }
}

static void test_second_cpu(void)
{
    for (uint32_t i = 0; i < start_cpus_size; i++) {
        MMIO(uint8_t, 0x8000 + i) = start_cpus_code[i];
    }
    send(1, 0x4500);
    send(1, 0x4608);
    while (ap_state < 1) {
        __asm__ volatile("pause");
    }
    for (uint32_t i = 1; i <= 100; i++) {
        send(1, 0x4000 | VECTOR_APIC);
        while (ap_interrupts < i) {
            __asm__ volatile("pause");
        }
    }
    while (ap_state < 2) {
        __asm__ volatile("pause");
    }
    result("second-cpu", ap_interrupts);
}

static uint8_t cpu_count(void)
{
    outw(FW_CFG_SELECT, 5);
    return inb(FW_CFG_DATA);
}

void main(void)
{
    set_gate(VECTOR_NMI, nmi_entry);
    set_gate(VECTOR_TIMER, timer_entry);
    set_gate(VECTOR_APIC, apic_entry);
    set_gate(VECTOR_SERIAL, serial_entry);
    load_idt();
    outb(PIC_MASTER + 1, 0xff);
    test_ports();
    test_memory();
    test_rights();
    test_events();
    test_pic();
    test_apic_timer();
    test_nmi();
    if (cpu_count() > 1) {
        test_second_cpu();
    }
    test_ioapic();
    finish();
}
