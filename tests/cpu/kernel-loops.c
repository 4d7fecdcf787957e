/* SPDX-License-Identifier: MIT */
/* Loops of ring 0 over memory whose mapping and rights change between two runs: what a loop has
 * found out about its memory must not outlive the right to it. Intel SDM vol. 3, 4.6 and 4.10. */
#include "cpu-test.h"

#define P 1ull
#define W 2ull
#define U 4ull
#define D 0x40ull
#define WINDOW 0x8000000000ull
#define WORDS 64u
#define ROUNDS 60u
#define CR0_WP 0x10000u
#define CR4_PCIDE 0x20000u
#define NO_FLUSH (1ull << 63)
#define PAGE_FAULT 14u
#define SOURCE "SDM 3A 4.10.4.1"

typedef uint64_t Table[512] __attribute__((aligned(4096)));
static Table roots[2], window3[2], window2[2], window1[2];
static uint64_t frames[2][512] __attribute__((aligned(4096)));
static word old_cr3;

/* RDI: where, RCX: how many words of 64, RAX: what to write, sum of what was read. RDX says which
 * is next: all of them come, in an order that gives no two accesses a common check. */
void sum_loop(void);
void fill_loop(void);
__asm__(".balign 64\n"
        "sum_loop:\n"
        "    xor %eax, %eax\n"
        "    xor %edx, %edx\n"
        "1:  lea 1(%rdx, %rdx, 4), %edx\n"
        "    and $63, %edx\n"
        "    add (%rdi, %rdx, 8), %rax\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "    ret\n"
        "fill_loop:\n"
        "    xor %edx, %edx\n"
        "1:  lea 1(%rdx, %rdx, 4), %edx\n"
        "    and $63, %edx\n"
        "    mov %rax, (%rdi, %rdx, 8)\n"
        "    dec %ecx\n"
        "    jnz 1b\n"
        "    ret\n");

static uint64_t sum(void)
{
    uint64_t count = WORDS, result;

    __asm__ volatile("call sum_loop" : "=a"(result), "+c"(count) : "D"(WINDOW) : "rdx", "memory");
    return result;
}

static void fill(uint64_t value)
{
    uint64_t count = WORDS;

    __asm__ volatile("call fill_loop" : "+c"(count) : "D"(WINDOW), "a"(value) : "rdx", "memory");
}

/* The fault of a loop at its first access. */
static bool sum_faults(void)
{
    CATCH("call sum_loop", : "D"(WINDOW), "c"((uint64_t)WORDS) : "rax", "rdx", "memory");
    return caught.vector == PAGE_FAULT && caught.cr2 == WINDOW + 8;
}

static bool fill_faults(void)
{
    CATCH("call fill_loop", : "D"(WINDOW), "c"((uint64_t)WORDS), "a"(1ull) : "rdx", "memory");
    return caught.vector == PAGE_FAULT && caught.cr2 == WINDOW + 8;
}

static void forget(void)
{
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
}

static void map(unsigned space, unsigned frame, uint64_t rights)
{
    window1[space][0] = (word)frames[frame] | rights;
    forget();
}

/* Two address spaces, each with one of the frames in the window. */
static void make_spaces(void)
{
    old_cr3 = read_cr3();
    for (unsigned i = 0; i < 2; i++) {
        memcpy(roots[i], (void *)(old_cr3 & ~0xfffull), sizeof(Table));
        roots[i][WINDOW >> 39] = (word)window3[i] | P | W | U;
        window3[i][0] = (word)window2[i] | P | W | U;
        window2[i][0] = (word)window1[i] | P | W | U;
        window1[i][0] = (word)frames[i] | P | W;
        for (unsigned n = 0; n < 512; n++) {
            frames[i][n] = i ? 1000 : 1;
        }
    }
    write_cr3((word)roots[0]);
}

static uint64_t wanted(unsigned frame)
{
    return WORDS * (frame ? 1000ull : 1ull);
}

static void mapping_changes(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        map(0, i & 1, P | W);
        wrong += sum() != wanted(i & 1);
        wrong += sum() != wanted(i & 1);
    }
    check("kernel-loop-page-mapped-elsewhere", wrong, 0, SOURCE);
    map(0, 0, P | W);
}

static void space_changes(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        write_cr3((word)roots[i & 1]);
        wrong += sum() != wanted(i & 1);
    }
    check("kernel-loop-other-space", wrong, 0, SOURCE);
    write_cr3((word)roots[0]);
    if (!(cpuid(1, 0).ecx & 1u << 17)) {
        check_skip("kernel-loop-other-pcid", "no PCID");
        return;
    }
    write_cr4(read_cr4() | CR4_PCIDE);
    for (unsigned i = wrong = 0; i < ROUNDS; i++) {
        write_cr3((word)roots[i & 1] | (1 + (i & 1)) | (i > 4 ? NO_FLUSH : 0));
        wrong += sum() != wanted(i & 1);
    }
    check("kernel-loop-other-pcid", wrong, 0, SOURCE);
    write_cr3((word)roots[0]);
    write_cr4(read_cr4() & ~(word)CR4_PCIDE);
}

static void rights_change(void)
{
    unsigned read = 0, written = 0, unprotected = 0, dirty = 0;

    write_cr0(read_cr0() | CR0_WP);
    for (unsigned i = 0; i < ROUNDS; i++) {
        map(0, 0, P | W);
        fill(1);
        read += sum() != wanted(0);
        dirty += !(window1[0][0] & D);
        window1[0][0] &= ~D;
        forget();
        fill(1);
        dirty += !(window1[0][0] & D);
        map(0, 0, P);
        written += !fill_faults();
        write_cr0(read_cr0() & ~(word)CR0_WP);
        fill(1);
        write_cr0(read_cr0() | CR0_WP);
        unprotected += !fill_faults();
        map(0, 0, 0);
        read += !sum_faults();
    }
    check("kernel-loop-page-not-present", read, 0, SOURCE);
    check("kernel-loop-page-read-only", written, 0, SOURCE);
    check("kernel-loop-write-protect", unprotected, 0, "SDM 3A 4.6.1");
    check("kernel-loop-dirty-bit", dirty, 0, "SDM 3A 4.8");
}

/* movl $value, %eax; ret: eight bytes of it again and again. */
static void code_changes(void)
{
    uint32_t (*volatile function)(void) = (uint32_t(*)(void))WINDOW;
    unsigned wrong = 0;

    map(0, 0, P | W);
    for (unsigned i = 0; i < ROUNDS; i++) {
        fill(0x9090c300000000b8ull | (uint64_t)i << 8);
        wrong += function() != i;
        wrong += function() != i;
    }
    check("kernel-loop-writes-code", wrong, 0, "SDM 3A 9.1.3");
}

int main(void);
int main(void)
{
    make_spaces();
    mapping_changes();
    space_changes();
    rights_change();
    code_changes();
    write_cr3(old_cr3);
    return 0;
}
