/* SPDX-License-Identifier: MIT */
/* Loops of every shape that a translator may unroll, with interrupts and faults in the middle: each
 * must let interrupts in, and who is interrupted must have the registers it says it has. */
#include "interrupts.h"

enum { VECTOR = 0x61, DIVIDE_BY_1 = 0xb, TIMES = 3, SECONDS = 20 };
#define PATTERN 0x5a00000000000000ull

/* What the loops look at, and until when at most (TSC). */
static volatile uint64_t came, until;
static Regs seen;

static void keep(Regs *regs)
{
    seen = *regs;
    came = 1;
    eoi();
}

/* One interrupt, some time after now. */
static void ask_for_interrupt(void)
{
    static uint64_t second;

    if (!second) {
        uint64_t begin = __builtin_ia32_rdtsc();
        pm_delay(PM_TIMER_HZ / 50);
        second = (__builtin_ia32_rdtsc() - begin) * 50;
    }
    came = 0;
    until = __builtin_ia32_rdtsc() + SECONDS * second;
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR);
    apic_write(APIC_INITIAL_COUNT, 3000000);
}

#define INTO_RDX "rdtsc; shl $32, %%rdx; or %%rax, %%rdx\n\t"

/* Jumps back at its end. */
static void loop_backward(void)
{
    unsigned interrupted = 0;

    for (unsigned i = 0; i < TIMES; i++) {
        ask_for_interrupt();
        __asm__ volatile("sti\n"
                         "1: " INTO_RDX "cmp %0, %%rdx\n\t"
                         "ja 2f\n\t"
                         "cmpq $0, %1\n\t"
                         "je 1b\n"
                         "2: cli"
                         :
                         : "m"(until), "m"(came)
                         : "rax", "rdx", "memory");
        interrupted += (unsigned)came;
    }
    check("backward-interrupted", interrupted, TIMES, "SDM 3A 6.6");
}

/* Jumps back in its middle; its beginning is what it falls into. */
static void loop_forward(void)
{
    unsigned interrupted = 0;

    for (unsigned i = 0; i < TIMES; i++) {
        ask_for_interrupt();
        __asm__ volatile("sti\n\t"
                         "jmp 2f\n"
                         "1: pause\n\t" INTO_RDX "cmp %0, %%rdx\n\t"
                         "ja 3f\n"
                         "2: xor %%edi, %%edi\n\t"
                         "cmpq $0, %1\n\t"
                         "je 1b\n"
                         "3: cli"
                         :
                         : "m"(until), "m"(came)
                         : "rax", "rdx", "rdi", "memory");
        interrupted += (unsigned)came;
    }
    check("forward-interrupted", interrupted, TIMES, "SDM 3A 6.6");
}

/* In three pieces that lie the wrong way round. */
static void loop_in_pieces(void)
{
    unsigned interrupted = 0;

    for (unsigned i = 0; i < TIMES; i++) {
        ask_for_interrupt();
        __asm__ volatile("sti\n\t"
                         "jmp 1f\n"
                         "3: cmpq $0, %1\n\t"
                         "je 1f\n\t"
                         "jmp 4f\n"
                         "2: cmp %0, %%rdx\n\t"
                         "jbe 3b\n\t"
                         "jmp 4f\n"
                         "1: " INTO_RDX "jmp 2b\n"
                         "4: cli"
                         :
                         : "m"(until), "m"(came)
                         : "rax", "rdx", "memory");
        interrupted += (unsigned)came;
    }
    check("pieces-interrupted", interrupted, TIMES, "SDM 3A 6.6");
}

/* R13-R15 go up together, the registers that the loop does not name keep their patterns. */
static bool patterns_hold(const Regs *regs)
{
    return regs->bx == PATTERN + 1 && regs->bp == PATTERN + 2 && regs->si == PATTERN + 3 &&
           regs->di == PATTERN + 4 && regs->r8 == PATTERN + 5 && regs->r9 == PATTERN + 6 &&
           regs->r10 == PATTERN + 7 && regs->r11 == PATTERN + 8 && regs->r12 == PATTERN + 9;
}

#define SET_PATTERNS                                                                               \
    "mov %[pattern], %%rbx; lea 1(%%rbx), %%rbx\n\t"                                               \
    "lea 1(%%rbx), %%rbp; lea 2(%%rbx), %%rsi; lea 3(%%rbx), %%rdi; lea 4(%%rbx), %%r8\n\t"        \
    "lea 5(%%rbx), %%r9; lea 6(%%rbx), %%r10; lea 7(%%rbx), %%r11; lea 8(%%rbx), %%r12\n\t"        \
    "xor %%r13d, %%r13d; mov $10, %%r14d; mov $20, %%r15d\n\t"
#define CLOBBERS                                                                                   \
    "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",       \
        "r15", "rbp", "cc", "memory"

static void loop_with_registers(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < 20; i++) {
        ask_for_interrupt();
        __asm__ volatile(SET_PATTERNS "sti\n"
                                      "1: inc %%r13; inc %%r14; inc %%r15\n\t" INTO_RDX
                                      "cmp %[until], %%rdx\n\t"
                                      "ja 2f\n\t"
                                      "cmpq $0, %[came]\n\t"
                                      "je 1b\n"
                                      "2: cli"
                         :
                         : [pattern] "i"(PATTERN), [until] "m"(until), [came] "m"(came)
                         : CLOBBERS);
        /* between two of the three, or not */
        wrong += !patterns_hold(&seen) || seen.r13 - (seen.r14 - 10) > 1 ||
                 seen.r14 - 10 - (seen.r15 - 20) > 1;
    }
    check("registers-when-interrupted", wrong, 0, "SDM 3A 6.12");
}

/* The last round of a loop faults: R13 counts, R14 points, R15 adds up. */
static void loop_into_fault(void)
{
    static uint64_t values[64];
    unsigned wrong = 0;

    for (unsigned i = 0; i < 64; i++) {
        values[i] = i;
    }
    for (unsigned rounds = 1; rounds < 64; rounds++) {
        CATCH(SET_PATTERNS "mov %[from], %%r14\n\t"
                           "xor %%r15d, %%r15d\n"
                           "1: add (%%r14), %%r15\n\t"
                           "inc %%r13\n\t"
                           "cmp %%r13, %%rcx\n\t"
                           "lea 8(%%r14), %%r14\n\t"
                           "jne 1b\n\t"
                           "bts $63, %%r14\n\t"
                           "jmp 1b",
              : [pattern] "i"(PATTERN), [from] "i"(values), "c"((word)rounds)
              : "rax", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                "r15", "rbp", "cc", "memory");
        wrong += !patterns_hold(&caught.regs) || caught.regs.r13 != rounds ||
                 caught.regs.r14 != ((word)&values[rounds] | 1ull << 63) ||
                 caught.regs.r15 != rounds * (rounds - 1) / 2;
    }
    check("registers-when-faulting", wrong, 0, "SDM 3A 6.5");
}

int main(void);
int main(void)
{
    log_interrupts();
    apic_start();
    trap_set_handler(VECTOR, keep);
    loop_backward();
    loop_forward();
    loop_in_pieces();
    loop_with_registers();
    loop_into_fault();
    return 0;
}
