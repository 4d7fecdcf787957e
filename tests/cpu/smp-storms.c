/* SPDX-License-Identifier: MIT */
/*
 * CPUs against each other. One goes on with what it does while another one changes its page tables,
 * its code, or the same word: no store may be lost or reach a page after its shootdown, no old code
 * may run after a CPU has serialised, no interrupt may get lost.
 */
#include "cpu-test.h"

#define VECTOR_SHOOT 0x41
#define VECTOR_PING 0x42
#define VECTOR_PONG 0x43
#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR_LOW 0x300
#define APIC_ICR_HIGH 0x310
#define PATIENCE 300000000000ull /* TSC ticks */

#define P 1ull
#define W 2ull
#define A 0x20ull
#define D 0x40ull
#define AVAILABLE 0x200ull /* a bit that is software's */

/* Half a TiB of its own, of which two pages are used. */
#define AREA 0x8000000000ull

extern uint64_t page_map[512];

static uint64_t tables[3][512] __attribute__((aligned(4096)));
static uint8_t frames[4][4096] __attribute__((aligned(4096)));
static uint32_t apic_ids[16];
static volatile bool ended;
static volatile unsigned ready;

static void wait_until(volatile unsigned *counter, unsigned value)
{
    for (uint64_t start = read_tsc(); (int)(*counter - value) < 0;) {
        if (read_tsc() - start > PATIENCE) {
            give_up("waited for %u, at %u", value, *counter);
        }
        __builtin_ia32_pause();
    }
}

static void spin(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        __asm__ volatile("" : : : "memory");
    }
}

/* -- Interrupts from CPU to CPU ---------------------------------------------------------------- */

static void introduce(void *argument)
{
    write_cr0(read_cr0() | 0x10000); /* WP */
    apic_write(APIC_SPURIOUS, 0x1ff);
    apic_ids[cpu_index()] = apic_read(APIC_ID);
}

static void send(unsigned cpu, unsigned vector)
{
    apic_write(APIC_ICR_HIGH, apic_ids[cpu]);
    apic_write(APIC_ICR_LOW, 0x4000 | vector);
    while (apic_read(APIC_ICR_LOW) & 0x1000) {
        __builtin_ia32_pause();
    }
}

static volatile unsigned acknowledged;
static volatile uint64_t shot_address;

static void on_shoot(Regs *regs)
{
    __asm__ volatile("invlpg (%0)" : : "r"(shot_address) : "memory");
    __atomic_add_fetch(&acknowledged, 1, __ATOMIC_SEQ_CST);
    apic_write(APIC_EOI, 0);
}

/* Has CPU 1 forget the page, and serialise. */
static void shoot(uint64_t address)
{
    unsigned before = acknowledged;

    shot_address = address;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    send(1, VECTOR_SHOOT);
    wait_until(&acknowledged, before + 1);
}

/* -- Page tables ------------------------------------------------------------------------------- */

static volatile uint64_t *const entry = &tables[2][0];
static volatile unsigned faults;

static void map_area(void)
{
    page_map[AREA >> 39] = (word)tables[0] | P | W;
    tables[0][0] = (word)tables[1] | P | W;
    tables[1][0] = (word)tables[2] | P | W;
    tables[2][0] = (word)frames[0] | P | W;
    tables[2][1] = (word)frames[2] | P | W;
    write_cr3(read_cr3());
}

static void on_page_fault(Regs *regs)
{
    faults++;
}

static volatile uint64_t made; /* by CPU 1 */

/* Adds to a word in the page until told to end; each addition is one instruction. */
static void adds(void *argument)
{
    uint64_t count = 0;

    write_cr3(read_cr3());
    __asm__ volatile("sti");
    ready = 1;
    while (!ended) {
        for (unsigned i = 0; i < 64; i++) {
            __asm__ volatile("incq (%0)" : : "r"(AREA) : "memory");
            count++;
        }
    }
    __asm__ volatile("cli");
    made = count;
}

static uint64_t word_of(unsigned frame)
{
    return *(volatile uint64_t *)frames[frame];
}

static void begin(void (*function)(void *), uint64_t flags)
{
    ended = false;
    ready = 0;
    faults = 0;
    memset(frames, 0, sizeof(frames));
    *entry = (word)frames[0] | P | flags;
    shot_address = AREA;
    __asm__ volatile("invlpg (%0)" : : "r"(AREA) : "memory");
    cpu_run(1, function, NULL);
    wait_until(&ready, 1);
}

static void end(void)
{
    ended = true;
    cpu_wait(1);
}

/* Unmaps, or forbids writing, and shoots: then nothing is stored any more. Moves to another frame.
 */
static void shootdown(const char *name, bool unmap)
{
    uint64_t late = 0, total = 0, moved = 0;
    char text[64];

    begin(adds, W);
    for (unsigned i = 0; i < 500; i++) {
        unsigned from = i & 1, to = !from;

        *entry = unmap ? 0 : (word)frames[from] | P;
        shoot(AREA);
        uint64_t before = word_of(from);
        spin(200 + i % 7 * 100);
        late += word_of(from) - before;
        *(volatile uint64_t *)frames[to] = word_of(from);
        moved++;
        *entry = (word)frames[to] | P | W;
        spin(i % 5 * 300);
    }
    end();
    total = word_of(moved & 1);
    format(text, sizeof(text), "%s-stale-stores", name);
    check(text, late, 0, "SDM 3A 4.10.5");
    format(text, sizeof(text), "%s-all-stores", name);
    check(text, total, made, "SDM 3A 4.10.5");
    format(text, sizeof(text), "%s-happened", name);
    check(text, faults > 20, 1, "framework");
    print("%s: %llu additions, %u faults\n", name, (unsigned long long)made, faults);
}

/* CPU 1 stores; here A and D are cleared, and a free bit of the entry is switched. */
static void accessed_and_dirty(void)
{
    uint64_t missing = 0, number = 0, wrong = 0, found = 0;

    begin(adds, W);
    for (unsigned i = 0; i < 600; i++) {
        __atomic_fetch_and(entry, ~(A | D), __ATOMIC_SEQ_CST);
        shoot(AREA);
        uint64_t before = word_of(0);
        spin(i % 9 * 100);
        uint64_t after = word_of(0), now = *entry;
        found += !!(now & D);
        missing += after != before && (now & (A | D)) != (A | D);
        /* as fast as CPU 1 sets its bits: neither may lose the other's */
        for (unsigned n = 0; n < 20; n++) {
            now = __atomic_fetch_xor(entry, AVAILABLE, __ATOMIC_SEQ_CST);
            wrong += !!(now & AVAILABLE) != (number & 1);
            number++;
            __atomic_fetch_and(entry, n & 1 ? ~D : ~(A | D), __ATOMIC_SEQ_CST);
        }
    }
    end();
    check("dirty-set-before-store", missing, 0, "SDM 3A 4.8");
    check("entry-changes-kept", wrong, 0, "SDM 3A 4.8");
    check("dirty-seen", found > 20, 1, "framework");
    check("dirty-all-stores", word_of(0), made, "SDM 3A 4.8");
}

/* -- Locked operands --------------------------------------------------------------------------- */

static uint8_t *const crossing = frames[1] - 4; /* 8 bytes, 4 in each page */
/* 8 bytes, 4 in each cache line; behind them one for each CPU. */
static uint8_t *const two_lines = frames[1] + 1020;
#define ADDITIONS 4000u

static void adds_locked(void *argument)
{
    volatile uint64_t *beside = (volatile uint64_t *)(frames[1] + 64) + (word)argument;

    for (unsigned i = 0; i < ADDITIONS; i++) {
        __asm__ volatile("lock incq (%0)" : : "r"(crossing) : "memory");
        ++*beside;
        __asm__ volatile("lock incl (%0)" : : "r"(frames[1] + 32) : "memory");
        __asm__ volatile("lock incq (%0)" : : "r"(two_lines) : "memory");
        __asm__ volatile("incb (%0)" : : "r"(two_lines + 8 + (word)argument) : "memory");
    }
}

static void locked_across_pages(void)
{
    unsigned cpus = cpu_count();
    uint64_t value, beside = 0, wrong = 0;

    memset(frames, 0, sizeof(frames));
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        cpu_run(cpu, adds_locked, (void *)(word)cpu);
    }
    adds_locked(NULL);
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        cpu_wait(cpu);
    }
    memcpy(&value, crossing, 8);
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        beside += ((uint64_t *)(frames[1] + 64))[cpu];
    }
    check("lock-across-pages", value, (uint64_t)cpus * ADDITIONS, "SDM 3A 8.1.2.2");
    check("lock-within-page", *(uint32_t *)(frames[1] + 32), cpus * ADDITIONS, "SDM 3A 8.1.2.2");
    memcpy(&value, two_lines, 8);
    check("lock-across-lines", value, (uint64_t)cpus * ADDITIONS, "SDM 3A 8.1.2.2");
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        wrong += two_lines[8 + cpu] != (ADDITIONS & 0xff);
    }
    check("bytes-beside-lock", wrong, 0, "SDM 3A 8.1.1");
    check("stores-beside-lock", beside, (uint64_t)cpus * ADDITIONS, "SDM 3A 8.1.1");
}

/* -- Changing code ----------------------------------------------------------------------------- */

/* mov $N, %eax; ret; padding: eight bytes, aligned */
static uint8_t patched[4096] __attribute__((aligned(4096)));
static volatile uint32_t newest, results_wrong, calls_made;
static volatile uint64_t traps_taken;

static uint64_t code_for(uint32_t value)
{
    return 0xb8ull | (uint64_t)value << 8 | 0xc3ull << 40 | 0x9090ull << 48;
}

static uint32_t call(void *code)
{
    uint32_t value;

    __asm__ volatile("call *%1" : "=a"(value) : "r"(code) : "memory", "cc");
    return value;
}

/* A value may be old until this CPU has been interrupted, but never goes back. */
static void calls(void *argument)
{
    uint32_t last = 0;

    __asm__ volatile("sti");
    ready = 1;
    while (!ended) {
        uint32_t floor = newest, value = call(patched);

        results_wrong += value < floor || value < last;
        last = value;
        calls_made++;
    }
    __asm__ volatile("cli");
}

static void aligned_patches(void)
{
    volatile uint64_t *code = (volatile uint64_t *)patched;

    newest = results_wrong = calls_made = 0;
    *code = code_for(0);
    begin(calls, W);
    for (uint32_t value = 1; value <= 600; value++) {
        *code = code_for(value);
        shoot(AREA);
        newest = value;
        spin(value % 7 * 200);
    }
    end();
    check("patch-aligned", results_wrong, 0, "SDM 3A 8.1.3");
    check("patch-aligned-last", call(patched), 600, "SDM 3A 8.1.3");
}

/* INT3 at the patched place: as if the function were done, with a value of its own. */
static void on_breakpoint(Regs *regs)
{
    traps_taken++;
    regs->ax = UINT32_MAX;
    regs->ip += 5; /* IP points behind the INT3: to the RET */
    regs->ip -= 1;
}

static void calls_through_traps(void *argument)
{
    __asm__ volatile("sti");
    ready = 1;
    while (!ended) {
        uint32_t floor = newest, value = call(patched + 3);

        /* whole values only: low and high bytes always agree */
        results_wrong += value < floor || (value >> 16 != (value & 0xffff));
        calls_made++;
    }
    __asm__ volatile("cli");
}

/* Not aligned: first byte by INT3, the rest, the first byte, with the others serialised between. */
static void patch_by_breakpoint(void)
{
    volatile uint8_t *code = patched + 3;

    newest = results_wrong = 0;
    traps_taken = 0;
    *(volatile uint64_t *)code = code_for(0);
    begin(calls_through_traps, W);
    for (uint32_t value = 1; value <= 300; value++) {
        uint32_t both = value << 16 | value;

        code[0] = 0xcc;
        shoot(AREA);
        for (unsigned i = 0; i < 4; i++) {
            code[1 + i] = (uint8_t)(both >> 8 * i);
            spin(50);
        }
        shoot(AREA);
        code[0] = 0xb8;
        shoot(AREA);
        newest = both;
        spin(value % 5 * 100);
    }
    end();
    check("patch-by-breakpoint", results_wrong, 0, "SDM 3A 8.1.3");
    print("patch: %llu traps\n", (unsigned long long)traps_taken);
}

/* Each CPU changes a function of its own, all in one page, and calls it at once. */
static void changes_itself(void *argument)
{
    uint8_t *code = patched + 64 + 64 * (word)argument;
    uint32_t wrong = 0;

    *(volatile uint64_t *)code = code_for(0);
    for (uint32_t i = 1; i <= 3000; i++) {
        *(volatile uint32_t *)(code + 1) = i; /* by data, then called */
        wrong += call(code) != i;
    }
    __atomic_fetch_add(&results_wrong, wrong, __ATOMIC_SEQ_CST);
}

static void self_modifying(void)
{
    unsigned cpus = cpu_count();

    results_wrong = 0;
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        cpu_run(cpu, changes_itself, (void *)(word)cpu);
    }
    changes_itself(NULL);
    for (unsigned cpu = 1; cpu < cpus; cpu++) {
        cpu_wait(cpu);
    }
    check("self-modifying-in-one-page", results_wrong, 0, "SDM 3A 8.1.3");
}

/* -- Ping and pong ----------------------------------------------------------------------------- */

static volatile unsigned pings, pongs;

static void on_ping(Regs *regs)
{
    pings++;
    apic_write(APIC_EOI, 0);
    send(0, VECTOR_PONG);
}

static void on_pong(Regs *regs)
{
    pongs++;
    apic_write(APIC_EOI, 0);
}

/* Asleep unless there is one: the wake-up must not fall between the test and the HLT. */
static void answers(void *argument)
{
    ready = 1;
    while (pings < 1000) {
        __asm__ volatile("sti; hlt; cli");
    }
}

static void ping_pong(void)
{
    ready = pings = pongs = 0;
    cpu_run(1, answers, NULL);
    wait_until(&ready, 1);
    for (unsigned i = 1; i <= 1000; i++) {
        send(1, VECTOR_PING);
        while (pongs < i) {
            __asm__ volatile("sti; hlt; cli");
        }
    }
    cpu_wait(1);
    check("ping-pong", pings, pongs, "SDM 3A 10.6");
}

int main(void)
{
    cpus_start();
    for (unsigned cpu = 1; cpu < cpu_count(); cpu++) {
        cpu_run(cpu, introduce, NULL);
        cpu_wait(cpu);
    }
    introduce(NULL);
    trap_set_handler(VECTOR_SHOOT, on_shoot);
    trap_set_handler(VECTOR_PING, on_ping);
    trap_set_handler(VECTOR_PONG, on_pong);
    trap_set_handler(3, on_breakpoint);
    trap_set_handler(14, on_page_fault);
    map_area();
    shootdown("unmap", true);
    shootdown("protect", false);
    accessed_and_dirty();
    trap_set_handler(14, NULL);
    locked_across_pages();
    aligned_patches();
    patch_by_breakpoint();
    self_modifying();
    ping_pong();
    return 0;
}
