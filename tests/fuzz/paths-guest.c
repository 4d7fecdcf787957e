/* SPDX-License-Identifier: MIT */
/*
 * A flat guest that runs random code (paths_code.py) with interrupts and prints a hash of what each
 * case leaves in registers, flags and memory, and had at its faults: test-paths.py.
 */
#include "cpu-test.h"

#define BUFFER_SIZE (256 * 1024)
#define ROUNDS 3
#define MOST_FAULTS 3000
#define FLAGS 0x8d5u
#define DIV_LENGTH 2
#define MOV_LENGTH 7 /* MOV with a displacement of 32 bits */
#define TIMER_VECTOR 0x50
#define TIMER_COUNT 20000

enum { RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, REGISTERS };

extern void (*const case_table[])(void);
void run_case(void (*code)(void));
extern const uint8_t on_tick[];

uint32_t counter, ticks;
uint64_t saved_flags, state[REGISTERS];
static uint8_t buffer[BUFFER_SIZE] __attribute__((aligned(4096)));
static uint64_t hash;
static unsigned faults;

static void mix(uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
}

/* Everything counts that the interrupted code could see; it goes on behind the instruction. */
static void note_fault(Regs *regs, unsigned length)
{
    const word seen[] = {regs->ip,  regs->flags & FLAGS,
                         regs->ax,  regs->bx,
                         regs->cx,  regs->dx,
                         regs->si,  regs->di,
                         regs->bp,  regs->r8,
                         regs->r9,  regs->r10,
                         regs->r11, regs->r12,
                         regs->r13, regs->r14,
                         regs->r15};

    for (unsigned i = 0; i < sizeof(seen) / sizeof(*seen); i++) {
        mix(seen[i]);
    }
    regs->ip += length;
    if (++faults > MOST_FAULTS) {
        counter = 1;
    }
}

static void on_address(Regs *regs)
{
    note_fault(regs, MOV_LENGTH);
}

static void on_divide(Regs *regs)
{
    note_fault(regs, DIV_LENGTH);
}

static void start_timer(void)
{
    idt_set(TIMER_VECTOR, on_tick, 0xe, 0, 0);
    apic_write(0xf0, 0x1ff);                   /* on */
    apic_write(0x3e0, 0xb);                    /* divide by 1 */
    apic_write(0x320, 0x20000 | TIMER_VECTOR); /* again and again */
    apic_write(0x380, TIMER_COUNT);
}

static void run_round(unsigned number, unsigned round)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        state[i] = 0x1111111111111111ull * i + number + round;
    }
    state[RBX] = (uint64_t)buffer + BUFFER_SIZE / 2 - 64 + number % 128;
    state[R15] = state[RBX] + 256;
    state[R11] = (uint64_t)buffer + 4096 - 160 + 8 * (number % 40);
    counter = 60 + 13 * round;
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2;"
                     "pxor %%xmm3, %%xmm3; sti"
                     :
                     :
                     : "memory");
    run_case(case_table[number]);
    __asm__ volatile("cli" : : : "memory");
    for (unsigned i = 0; i < REGISTERS; i++) {
        mix(state[i]);
    }
    mix(saved_flags & FLAGS);
}

int main(void)
{
    uint64_t *words = (uint64_t *)buffer;

    start_timer();
    trap_set_handler(0, on_divide);
    trap_set_handler(12, on_address);
    trap_set_handler(13, on_address);
    trap_set_handler(14, on_address);
    for (unsigned number = 0; case_table[number]; number++) {
        hash = number;
        faults = 0;
        for (unsigned i = 0; i < BUFFER_SIZE / 8; i++) {
            words[i] = i * 8 * 0x0123456789abcdefull;
        }
        for (unsigned round = 0; round < ROUNDS; round++) {
            run_round(number, round);
        }
        for (unsigned i = 0; i < BUFFER_SIZE / 8; i++) {
            mix(words[i]);
        }
        print("case %u %llx faults %u\n", number, (unsigned long long)hash, faults);
    }
    return 0;
}
