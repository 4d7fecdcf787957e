/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between a direct jump and its target: forty jumps lie in the page of the handler and
 * are written anew before each round and gone through twice. A translator that remembers where a
 * jump led the first time must not take the handler for it.
 */
#include "cpu-test.h"

#define LINKS 40
#define LINK_SIZE 16
#define ROUNDS 20000
#define VECTOR 0x50
#define APIC_EOI 0xb0
#define APIC_LVT_TIMER 0x320
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_DIVIDE 0x3e0
#define TIMER_PERIODIC 0x20000

static uint8_t page[4096] __attribute__((aligned(4096)));
static volatile unsigned interrupts;

/* inc %ecx; jmp to the next link, backwards for every other one; the last returns. */
static void write_links(void)
{
    for (unsigned i = 0; i < LINKS; i++) {
        unsigned at = (i & 1 ? LINKS * 2 - i : i) * LINK_SIZE;
        unsigned next = ((i + 1) & 1 ? LINKS * 2 - (i + 1) : i + 1) * LINK_SIZE;
        uint8_t *p = &page[at];
        int32_t distance = (int32_t)(next - (at + 7));
        *p++ = 0xff;
        *p++ = 0xc1;
        *p++ = i == LINKS - 1 ? 0xc3 : 0xe9;
        memcpy(p, &distance, 4);
    }
}

/* Behind the links: incl interrupts; movl $0, EOI; iretq, all in the links' page. */
static void write_handler(void)
{
    extern const uint8_t chains_handler[], chains_handler_end[];

    memcpy(&page[LINKS * 2 * LINK_SIZE + 64], chains_handler,
           (size_t)(chains_handler_end - chains_handler));
}
__asm__("chains_handler: incl interrupts\n"
        "push %rax\n"
        "movl $0xfee000b0, %eax\n"
        "movl $0, (%rax)\n"
        "pop %rax\n"
        "iretq\n"
        "chains_handler_end:\n");

int main(void);
int main(void)
{
    unsigned wrong = 0, rounds = 0;

    write_links();
    write_handler();
    idt_set(VECTOR, &page[LINKS * 2 * LINK_SIZE + 64], 0xe, 0, 0);
    apic_write(0xf0, 0x1ff);
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | VECTOR);
    apic_write(APIC_TIMER_INITIAL, 20000);
    __asm__ volatile("sti");
    for (; rounds < ROUNDS; rounds++) {
        unsigned count = 0;
        write_links();
        __asm__ volatile("call *%1; call *%1" : "+c"(count) : "r"(page) : "memory");
        wrong += count != 2 * LINKS;
    }
    __asm__ volatile("cli");
    check("links-counted", wrong, 0, "SDM 3A 6.6");
    check("interrupts-came", interrupts > 0, true, "SDM 3A 10.5.4");
    return 0;
}
