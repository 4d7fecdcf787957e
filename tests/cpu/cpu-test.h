/* SPDX-License-Identifier: MIT */
/*
 * What the flat guests of tests/cpu share. A guest is one file with main(); it is built for 32-bit
 * protected mode without paging or for 64-bit mode with the first 4 GiB mapped one to one, and runs
 * in ring 0, interrupts off, on any emulator that loads multiboot images. Each result names the
 * manual's section it comes from.
 *
 * Two ways to look at a fault:
 *   CATCH()  a few instructions in ring 0 with C around them; `caught` says what came
 *   run()    any code at any ring, segment and mode, entered by IRET; returns at its first trap
 */
#ifndef TESTS_CPU_CPU_TEST_H
#define TESTS_CPU_CPU_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef unsigned long word; /* a general register */

/* -- Results (report.c) ------------------------------------------------------------------------ */

/* One result line. `name`: unique in the guest, lower case, no '|'. `source`: "SDM 3A 6.12.1.2",
 * "APM 2 8.2.9", "silicon" (asked natively), "82093AA 3.2.4". Returns got == want. */
bool check(const char *name, uint64_t got, uint64_t want, const char *source);

/* A case that this machine cannot run; `why` says what is missing. */
void check_skip(const char *name, const char *why);

/* Formats %s %c %u %d %x %lx %llx %llu %% (no widths but %0N) to the console, and to a string. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void format(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The line that otherwise main()'s return prints: for a guest whose end is its last result. */
void report_last_line(void);

/* Ends the guest at once: what was seen so far is lost to the runner. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* -- Traps (trap.c) ---------------------------------------------------------------------------- */

#define NO_TRAP 0xff

/* Registers of interrupted code, and of code to be run. */
typedef struct Regs {
    word gs, fs, es, ds; /* selectors; run(): 0 stands for the flat data segment of CS's ring */
#ifdef __x86_64__
    word r15, r14, r13, r12, r11, r10, r9, r8;
#endif
    word di, si, bp, bx, dx, cx, ax;
    word vector, error; /* error: 0 where the exception pushes none */
    word ip, cs, flags;
    word sp, ss; /* always valid in Trap; in a 32-bit handler only when the ring changed */
} Regs;

typedef struct Trap {
    Regs regs;
    uint32_t vector; /* NO_TRAP: none came */
    uint32_t error;
    word offset; /* of the trap's IP from the first instruction of CATCH() or run() */
    word cr2, dr6;
} Trap;

extern Trap caught;

/* Runs the instructions `insns`; goes on behind them whether they fault or not: `caught`. Registers
 * are what they were at the fault. Operands as of asm: CATCH("divl %0", : "r"(0) : "eax", "edx").
 * Not re-entrant, first CPU only. */
#ifdef __x86_64__
#define CATCH_WORD "q"
#define CATCH_SP "%%rsp"
#else
#define CATCH_WORD "l"
#define CATCH_SP "%%esp"
#endif
#define CATCH(insns, ...)                                                                          \
    ({                                                                                             \
        __asm__ volatile("mov" CATCH_WORD " $771f, catch_start\n\t"                                \
                         "mov" CATCH_WORD " $779f, catch_end\n\t"                                  \
                         "mov" CATCH_WORD " " CATCH_SP ", catch_sp\n\t"                            \
                         "movl $0xff, caught_vector\n\t"                                           \
                         "771: " insns "\n\t"                                                      \
                         "779: mov" CATCH_WORD " $0, catch_end\n\t"                                \
                         : __VA_ARGS__);                                                           \
        __asm__ volatile("" : : : "memory");                                                       \
        caught.vector = caught_vector;                                                             \
    })
extern volatile uint32_t caught_vector;

/* Loads all registers of `in` by IRET (vector and error unused) and returns at the first trap that
 * has no handler. First CPU only. VM in flags: v8086 mode. A null selector other than 0 (1-3) is
 * loaded as such. 32-bit, ring 0: SS stays flat. */
Trap run(const Regs *in);

/* run() of code at `ip` in ring 3 (the flat user segments; 64-bit build: 64-bit code), stack
 * `user_stack_top()`, flags 2 (IF clear). */
Trap run_user(const void *ip);
word user_stack_top(void);

/* A handler of `vector` is called instead of ending CATCH() or run(), on the interrupted stack's
 * ring-0 stack, with interrupts off; what it changes in `regs` is what is returned to. NULL: none.
 * Any CPU. */
typedef void TrapHandler(Regs *regs);
void trap_set_handler(unsigned vector, TrapHandler *handler);

/* One result for a whole trap: vector, error code and offset are what was expected. */
bool check_trap(const char *name, const Trap *trap, unsigned vector, uint64_t error, word offset,
                const char *source);

/* -- Descriptors ------------------------------------------------------------------------------- */

/* The GDT: selectors of the flat segments; from SEL_FREE to the end the guest's own. */
enum {
    SEL_CODE = 0x08, /* ring 0, of the build's size */
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18, /* ring 0, 32-bit */
    SEL_CODE16 = 0x20, /* ring 0, 16-bit, base 0, limit 64 KiB - 1 */
    SEL_DATA16 = 0x28,
    SEL_USER32 = 0x33,
    SEL_USER_DATA = 0x3b,
    SEL_USER = 0x43, /* ring 3, of the build's size */
    SEL_TSS = 0x50,  /* first CPU's; CPU n: + 0x10 * n, up to 16 CPUs */
    SEL_FREE = 0x150,
    GDT_ENTRIES = 256
};

extern uint64_t gdt[GDT_ENTRIES];

/* `access` is the descriptor's bits 40-47 (P DPL S TYPE), `size` bits 52-55 (G DB L AVL). */
uint64_t descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t size);

#ifdef __x86_64__
typedef struct Gate {
    uint64_t low, high;
} Gate;
typedef struct Tss {
    uint32_t reserved;
    uint64_t rsp[3], reserved2, ist[7], reserved3;
    uint16_t reserved4, io_map;
} __attribute__((packed)) Tss;
#else
typedef struct Gate {
    uint64_t low;
} Gate;
typedef struct Tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp,
        esi, edi, es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
} Tss;
#endif
extern Gate idt[256];
extern Tss tss[16]; /* of CPU n; stack of ring 0, IST1 exceptions, IST2 NMI and #MC */

/* Gate of `type` (0xe interrupt, 0xf trap), `ist` 64-bit only; idt_restore() makes it ours again.
 */
void idt_set(unsigned vector, const void *handler, unsigned type, unsigned dpl, unsigned ist);
void idt_restore(unsigned vector);

/* -- Registers --------------------------------------------------------------------------------- */

#define CONTROL_REGISTER(name)                                                                     \
    static inline word read_##name(void)                                                           \
    {                                                                                              \
        word value;                                                                                \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline void write_##name(word value)                                                    \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}
static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}
/* The same under CATCH(): returns the vector; `value` is left alone on a fault. */
uint32_t try_read_msr(uint32_t msr, uint64_t *value);
uint32_t try_write_msr(uint32_t msr, uint64_t value);

typedef struct Cpuid {
    uint32_t eax, ebx, ecx, edx;
} Cpuid;
static inline Cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    Cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "0"(leaf), "2"(subleaf));
    return r;
}
/* CR4.OSFXSR must be set. */
static inline void load_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}
static inline uint32_t store_mxcsr(void)
{
    uint32_t value;
    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}
static inline uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

#define PORT_ACCESS(suffix, type)                                                                  \
    static inline type in##suffix(uint16_t port)                                                   \
    {                                                                                              \
        type value;                                                                                \
        __asm__ volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port));                       \
        return value;                                                                              \
    }                                                                                              \
    static inline void out##suffix(uint16_t port, type value)                                      \
    {                                                                                              \
        __asm__ volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port));                      \
    }
PORT_ACCESS(b, uint8_t)
PORT_ACCESS(w, uint16_t)
PORT_ACCESS(l, uint32_t)

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* -- Several CPUs (smp.c, 64-bit build only) --------------------------------------------------- */

/* CPUs the machine has (fw_cfg). */
unsigned cpu_count(void);
/* Number of the calling CPU: 0 is the first. */
unsigned cpu_index(void);
/* Starts all others by INIT and SIPI; each waits for work with interrupts off. */
void cpus_start(void);
/* Has CPU `cpu` (not the caller) call function(argument), returns at once; cpu_wait() waits for
 * its end. */
void cpu_run(unsigned cpu, void (*function)(void *argument), void *argument);
void cpu_wait(unsigned cpu);

/* Local APIC by its page at FEE00000h. */
uint32_t apic_read(unsigned offset);
void apic_write(unsigned offset, uint32_t value);

#endif
