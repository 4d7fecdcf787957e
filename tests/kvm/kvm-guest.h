/* SPDX-License-Identifier: MIT */
/* What test guests share: ports, registers, text on port E9h. 32-bit, no SSE, constants only. */
#ifndef TESTS_KVM_GUEST_H
#define TESTS_KVM_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define CONSOLE 0xe9
#define EXIT_PORT 0xf4

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* What start.S calls; a guest has those it needs. */
void main(void);
void ap_main(void);
void on_timer(void);
void on_apic(void);
void on_nmi(void);
void on_serial(void);
void on_mce(void);

#define MMIO(type, address) (*(volatile type *)(uintptr_t)(address))

static inline void print(const char *text)
{
    while (*text) {
        outb(CONSOLE, (uint8_t)*text++);
    }
}

static inline void print_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        outb(CONSOLE, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
    }
}

/* One line a result: every accelerator has to print the same. */
static inline void result(const char *name, uint32_t value)
{
    print(name);
    print(" ");
    print_hex(value);
    print("\n");
}

static inline void finish(void)
{
    print("end\n");
    outb(EXIT_PORT, 0);
    for (;;) {
        __asm__ volatile("hlt");
    }
}

#endif
