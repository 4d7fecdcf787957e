/* SPDX-License-Identifier: MIT */
/* System management mode: SMI by the APM port and by IPI, the save-state map, RSM to every mode,
 * what is blocked, SMRAM. Intel SDM vol. 3 ch. 32, AMD APM vol. 2 ch. 10 (the 64-bit map). */
#include "smm.h"

#define OTHER_BASE 0x60000u
#define MAP_SIZE 0x200u
#define FLAGS_IOPL 0x3000u
#define APIC_ICR 0xfee00300u

enum { /* of the map, from SMBASE + FE00h; APM 2 table 10-1 */
       MAP_ES = 0x00,
       MAP_CS = 0x10,
       MAP_SS = 0x20,
       MAP_GDTR = 0x60,
       MAP_IDTR = 0x80,
       MAP_TR = 0x90,
       MAP_HALT = 0xc9,
       MAP_EFER = 0xd0,
       MAP_REVISION = 0xfc,
       MAP_SMBASE = 0x100,
       MAP_CR4 = 0x148,
       MAP_CR3 = 0x150,
       MAP_CR0 = 0x158,
       MAP_DR7 = 0x160,
       MAP_RFLAGS = 0x170,
       MAP_RIP = 0x178,
       MAP_RAX = 0x1f8
};
enum { SMRAM_LOCK = 0x10 };

/* What the handler is told and tells. */
struct {
    uint32_t count, cr0, cs, cr4, dr7, map, patches, again;
    uint32_t patch[8][2]; /* addresses and what to write there */
} volatile smm_area;
uint8_t smm_saved[MAP_SIZE] __attribute__((aligned(8)));
extern const uint8_t smm_handler[], smm_handler_end[];

__asm__("    .code16\n"
        "    .globl smm_handler, smm_handler_end\n"
        "smm_handler:\n"
        "    movl $smm_area, %ebx\n"
        "    incl (%ebx)\n"
        "    movl %cr0, %eax\n"
        "    movl %eax, 4(%ebx)\n"
        "    xorl %eax, %eax\n"
        "    movw %cs, %ax\n"
        "    movl %eax, 8(%ebx)\n"
        "    movl %cr4, %eax\n"
        "    movl %eax, 12(%ebx)\n"
        "    movl %dr7, %eax\n"
        "    movl %eax, 16(%ebx)\n"
        "    movl 20(%ebx), %esi\n"
        "    movl $smm_saved, %edi\n"
        "    movl $0x80, %ecx\n"
        "    cld\n"
        "    addr32 rep movsl\n"
        "    movl 24(%ebx), %ecx\n"
        "    leal 32(%ebx), %ebp\n"
        "1:  testl %ecx, %ecx\n"
        "    jz 2f\n"
        "    movl (%ebp), %edx\n"
        "    movl 4(%ebp), %eax\n"
        "    movl %eax, (%edx)\n"
        "    addl $8, %ebp\n"
        "    decl %ecx\n"
        "    jmp 1b\n"
        "2:  cmpl $0, 28(%ebx)\n"
        "    je 3f\n"
        "    decl 28(%ebx)\n"
        "    outb %al, $0xb2\n"
        "3:  rsm\n"
        "smm_handler_end:\n"
#ifdef __x86_64__
        "    .code64\n"
#else
        "    .code32\n"
#endif
);

static uint8_t host_smram(void)
{
    outl(CF8, 0x80000000 | (HOST_SMRAM & 0xfc));
    return inb(CFC + (HOST_SMRAM & 3));
}

static uint64_t saved(unsigned offset)
{
    uint64_t value;
    memcpy(&value, smm_saved + offset, sizeof(value));
    return value;
}

static void prepare(void)
{
    smm_area.count = 0;
    smm_area.patches = 0;
    smm_area.again = 0;
    memset(smm_saved, 0, sizeof(smm_saved));
    __asm__ volatile("" : : : "memory");
}

static void patch(uint32_t address, uint32_t value)
{
    smm_area.patch[smm_area.patches][0] = address;
    smm_area.patch[smm_area.patches][1] = value;
    smm_area.patches = smm_area.patches + 1;
}

static uint32_t map_address(unsigned offset)
{
    return smm_area.map + offset;
}

/* -- SMRAM ------------------------------------------------------------------------------------- */

static void install(void)
{
    set_host_smram(SMRAM_USUAL | SMRAM_OPEN);
    memcpy((void *)(word)(SMRAM + SMM_ENTRY), smm_handler, (size_t)(smm_handler_end - smm_handler));
    memset((void *)(word)(SMRAM + 0x9000), 0x5a, 16);
    set_host_smram(SMRAM_USUAL);
    smm_area.map = SMRAM + 0xfe00;
}

static void check_smram(void)
{
    volatile uint32_t *code = (volatile uint32_t *)(word)(SMRAM + SMM_ENTRY);
    volatile uint32_t *data = (volatile uint32_t *)(word)(SMRAM + 0x9000);

    check("closed-code-hidden", code[0] == *(const uint32_t *)smm_handler, false, "290549 3.2.19");
    check("closed-data-hidden", data[0] == 0x5a5a5a5a, false, "290549 3.2.19");
    data[0] = 0x12345678; /* reaches what is in front of SMRAM, or nothing */
    set_host_smram(SMRAM_USUAL | SMRAM_OPEN);
    check("open-code", code[0], *(const uint32_t *)smm_handler, "290549 3.2.19");
    check("closed-write-kept-out", data[0], 0x5a5a5a5a, "290549 3.2.19");
    data[1] = 0xa5a5a5a5;
    set_host_smram(SMRAM_USUAL);
    check("closed-again", data[1] == 0xa5a5a5a5, false, "290549 3.2.19");
    prepare(); /* SMM reads what normal code does not see */
    smm_area.map = SMRAM + 0x9000;
    outb(0xb2, 0);
    check("smm-sees-smram", saved(0), 0xa5a5a5a55a5a5a5a, "SDM 3C 32.4");
    smm_area.map = SMRAM + 0xfe00;
}

/* In SMM: closes SMRAM, reads and writes data there, opens it again and looks. */
volatile uint32_t closed_read, closed_turns, open_read, open_written;
extern const uint8_t closing_handler[], closing_handler_end[];
__asm__("    .code16\n"
        "closing_handler:\n"
        "    movl $0x80000070, %eax\n"
        "    movw $0xcf8, %dx\n"
        "    outl %eax, %dx\n"
        "    movw $0xcfe, %dx\n"
        "    movb $0x2a, %al\n"
        "    addr32 movl 0xa9000, %ecx\n"
        "    outb %al, %dx\n"
        "    movl $100, %ecx\n"
        "1:  addr32 movl 0xa9000, %ebx\n"
        "    addr32 movl $0x11111111, 0xa9004\n"
        "    addr32 incl closed_turns\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    movb $0x0a, %al\n"
        "    outb %al, %dx\n"
        "    addr32 movl %ebx, closed_read\n"
        "    addr32 movl 0xa9000, %ebx\n"
        "    addr32 movl %ebx, open_read\n"
        "    addr32 movl 0xa9004, %ebx\n"
        "    addr32 movl %ebx, open_written\n"
        "    rsm\n"
        "closing_handler_end:\n"
#ifdef __x86_64__
        "    .code64\n"
#else
        "    .code32\n"
#endif
);

static void check_closed(void)
{
    set_host_smram(SMRAM_USUAL | SMRAM_OPEN);
    memcpy((void *)(word)(SMRAM + SMM_ENTRY), closing_handler,
           (size_t)(closing_handler_end - closing_handler));
    memset((void *)(word)(SMRAM + 0x9000), 0x5a, 16);
    set_host_smram(SMRAM_USUAL);
    outb(0xb2, 0);
    check("d-cls-code-runs", closed_turns, 100, "290549 3.2.19");
    check("d-cls-hides-data", closed_read == 0x5a5a5a5a, false, "290549 3.2.19");
    check("d-cls-off-again", open_read, 0x5a5a5a5a, "290549 3.2.19");
    check("d-cls-keeps-writes-out", open_written, 0x5a5a5a5a, "290549 3.2.19");
    install();
}

static void check_lock(void)
{
    set_host_smram(SMRAM_USUAL | SMRAM_LOCK);
    check("lock", host_smram(), SMRAM_USUAL | SMRAM_LOCK, "290549 3.2.19");
    set_host_smram(SMRAM_USUAL | SMRAM_OPEN);
    check("locked-stays", host_smram(), SMRAM_USUAL | SMRAM_LOCK, "290549 3.2.19");
    check("locked-hidden",
          *(volatile uint32_t *)(word)(SMRAM + SMM_ENTRY) == *(const uint32_t *)smm_handler, false,
          "290549 3.2.19");
    prepare();
    outb(0xb2, 0);
    check("locked-smi", smm_area.count, 1, "290549 3.2.19");
}

/* -- Entry, map, RSM --------------------------------------------------------------------------- */

extern const uint8_t behind_smi[];

static void check_map(void)
{
    word sp = 0, flags = 0, a = 0x11223344, b = 0x55667788;
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) gdtr, idtr;

    prepare();
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(gdtr), "=m"(idtr));
    __asm__ volatile("mov " CATCH_SP ", %0\n\t"
                     "pushf\n\t"
                     "pop %1\n\t"
                     "outb %%al, $0xb2\n\t"
                     "behind_smi: nop"
                     : "=&r"(sp), "=&r"(flags), "+a"(a), "+c"(b)
                     :
                     : "memory");
    check("smi-count", smm_area.count, 1, "SDM 3C 32.3");
    check("registers-kept", a == 0x11223344 && b == 0x55667788, true, "SDM 3C 32.7");
    check("smm-cr0", smm_area.cr0 & 0x8000000d, 0, "SDM 3C table 32-4");
    check("smm-cs", smm_area.cs, SMRAM >> 4, "SDM 3C table 32-4");
    check("smm-cr4", smm_area.cr4, 0, "SDM 3C table 32-4");
    check("smm-dr7", smm_area.dr7, 0x400, "SDM 3C table 32-4");
    check("map-revision", (uint32_t)saved(MAP_REVISION) & 0x3ffff, 0x20064, "APM 2 10.2.4");
    check("map-smbase", (uint32_t)saved(MAP_SMBASE), SMRAM, "APM 2 10.2.5");
    check("map-rip", saved(MAP_RIP), (word)behind_smi, "APM 2 table 10-1");
    check("map-rax", saved(MAP_RAX), 0x11223344, "APM 2 table 10-1");
    check("map-rcx", saved(MAP_RAX - 8), 0x55667788, "APM 2 table 10-1");
    check("map-rsp", saved(MAP_RAX - 32), sp, "APM 2 table 10-1");
    check("map-rflags", saved(MAP_RFLAGS) & 0x3f7ed7 & ~0x8d5ull, flags & 0x3f7ed7 & ~0x8d5ul,
          "APM 2 table 10-1");
    check("map-cr0", saved(MAP_CR0), read_cr0(), "APM 2 table 10-1");
    check("map-cr3", saved(MAP_CR3), read_cr3(), "APM 2 table 10-1");
    check("map-cr4", saved(MAP_CR4), read_cr4(), "APM 2 table 10-1");
    check("map-dr7", saved(MAP_DR7), read_dr7(), "APM 2 table 10-1");
    check("map-efer", saved(MAP_EFER), read_msr(0xc0000080), "APM 2 table 10-1");
    check("map-cs", (uint16_t)saved(MAP_CS), SEL_CODE, "APM 2 table 10-1");
    check("map-ss", (uint16_t)saved(MAP_SS), SEL_DATA, "APM 2 table 10-1");
    check("map-cs-attributes", saved(MAP_CS) >> 16 & 0xfff, sizeof(word) == 8 ? 0xa9b : 0xc9b,
          "APM 2 10.2.3");
    check("map-tr", (uint16_t)saved(MAP_TR), SEL_TSS, "APM 2 table 10-1");
    check("map-gdtr-base", saved(MAP_GDTR + 8), gdtr.base, "APM 2 table 10-1");
    check("map-gdtr-limit", (uint16_t)saved(MAP_GDTR + 4), gdtr.limit, "APM 2 table 10-1");
    check("map-idtr-base", saved(MAP_IDTR + 8), idtr.base, "APM 2 table 10-1");
    check("map-not-halted", smm_saved[MAP_HALT] & 1, 0, "SDM 3C 32.10");

    prepare();
    patch(map_address(MAP_RAX), 0xabcdef01);
    __asm__ volatile("outb %%al, $0xb2; nop" : "+a"(a) : : "memory");
    check("rsm-takes-map", (uint32_t)a, 0xabcdef01, "SDM 3C 32.7");
    prepare();
    write_cr2(0x1234);
    outb(0xb2, 0);
    check("cr2-kept", read_cr2(), 0x1234, "SDM 3C 32.4.1");
}

static void check_rsm_outside(void)
{
    CATCH("rsm", );
    check_trap("rsm-outside", &caught, 6, 0, 0, "SDM 2B RSM");
}

/* SMIs in other modes and rings: code that goes on must find everything as it was. */
static void check_modes(void)
{
    static const uint8_t code[] = {0xe6, 0xb2, 0x90, 0xcc}; /* out %al, $b2h; nop; int3 */
    Regs regs = {.ip = (word)code,
                 .cs = SEL_USER,
                 .ss = SEL_USER_DATA,
                 .sp = user_stack_top(),
                 .flags = 2 | FLAGS_IOPL,
                 .dx = 0x1234567,
                 .si = 0x89abcdef};

    prepare();
    Trap trap = run(&regs);
    check_trap("ring-3", &trap, 3, 0, 4, "SDM 3C 32.7");
    check("ring-3-once", smm_area.count, 1, "SDM 3C 32.7");
    check("ring-3-cs", trap.regs.cs << 16 | trap.regs.ss, SEL_USER << 16 | SEL_USER_DATA,
          "SDM 3C 32.7");
    check("ring-3-registers", trap.regs.dx == regs.dx && trap.regs.si == regs.si, true,
          "SDM 3C 32.7");
    check("ring-3-flags", trap.regs.flags & FLAGS_IOPL, FLAGS_IOPL, "SDM 3C 32.7");
    regs.cs = SEL_USER32;
    prepare();
    trap = run(&regs);
    check_trap("ring-3-32-bit", &trap, 3, 0, 4, "SDM 3C 32.7");
    check("ring-3-32-bit-cs", trap.regs.cs, SEL_USER32, "SDM 3C 32.7");
    regs.cs = SEL_CODE32;
    regs.ss = SEL_DATA;
    prepare();
    trap = run(&regs);
    check_trap("ring-0-32-bit", &trap, 3, 0, 4, "SDM 3C 32.7");
#ifdef __x86_64__
    regs.cs = SEL_CODE;
    regs.r15 = 0x123456789abcdef0;
    prepare();
    trap = run(&regs);
    check("r15-kept", trap.regs.r15, 0x123456789abcdef0, "SDM 3C 32.7");
    check("map-r15", saved(MAP_RAX - 15 * 8), 0x123456789abcdef0, "APM 2 table 10-1");
#else
    memcpy((void *)0x7000, code, sizeof(code));
    regs = (Regs){.ip = 0,
                  .cs = 0x700,
                  .ss = 0x600,
                  .sp = 0x100,
                  .ds = 0x111,
                  .gs = 0x444,
                  .flags = 0x20002 | FLAGS_IOPL};
    tss[0].io_map = 0xffff;
    prepare();
    smm_area.count = 0;
    static uint8_t all_ports[sizeof(Tss) + 0x20] __attribute__((aligned(16)));
    memcpy(all_ports, &tss[0], sizeof(Tss)); /* v8086 code asks the I/O map whatever IOPL says */
    ((Tss *)all_ports)->io_map = sizeof(Tss);
    gdt[SEL_FREE / 8] = descriptor((word)all_ports, sizeof(all_ports) - 1, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_FREE));
    trap = run(&regs);
    check_trap("v8086", &trap, 3, 0, 4, "SDM 3C 32.7");
    check("v8086-once", smm_area.count, 1, "SDM 3C 32.7");
    check("v8086-segments", trap.regs.ds | trap.regs.gs << 12, 0x444111, "SDM 3C 32.7");
    check("v8086-flags", trap.regs.flags & (0x20000 | FLAGS_IOPL), 0x20000 | FLAGS_IOPL,
          "SDM 3C 32.7");
    gdt[SEL_TSS / 8] &= ~(2ull << 40);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
#endif
}

/* -- What waits for RSM ------------------------------------------------------------------------ */

static unsigned nmis, nmi_smi_count;

static void on_nmi(Regs *regs)
{
    nmis++;
    nmi_smi_count = smm_area.count;
}

static void check_blocked(void)
{
    trap_set_handler(2, on_nmi);
    prepare();
    patch(APIC_ICR + 0x10, 0);
    patch(APIC_ICR, 0x4400); /* NMI to this CPU */
    outb(0xb2, 0);
    for (unsigned i = 0; i < 1000 && !nmis; i++) {
        inb(0x61);
    }
    check("nmi-after-rsm", nmis, 1, "SDM 3C 32.8");
    check("nmi-smi-done", nmi_smi_count, 1, "SDM 3C 32.8");
    prepare();
    smm_area.again = 1; /* a second SMI while in SMM */
    outb(0xb2, 0);
    for (unsigned i = 0; i < 1000 && smm_area.count < 2; i++) {
        inb(0x61);
    }
    check("smi-waits-for-rsm", smm_area.count, 2, "SDM 3C 32.2");
    prepare();
    *(volatile uint32_t *)(word)(APIC_ICR + 0x10) = 0;
    *(volatile uint32_t *)(word)APIC_ICR = 0x4200; /* SMI by IPI */
    for (unsigned i = 0; i < 1000 && !smm_area.count; i++) {
        inb(0x61);
    }
    check("smi-by-ipi", smm_area.count, 1, "SDM 3A 11.6.1");
}

/* -- SMBASE ------------------------------------------------------------------------------------ */

static void check_relocation(void)
{
    memcpy((void *)(word)(OTHER_BASE + SMM_ENTRY), smm_handler,
           (size_t)(smm_handler_end - smm_handler));
    prepare();
    patch(map_address(MAP_SMBASE), OTHER_BASE);
    outb(0xb2, 0);
    smm_area.map = OTHER_BASE + 0xfe00;
    prepare();
    patch(map_address(MAP_SMBASE), SMRAM);
    outb(0xb2, 0);
    check("relocated-cs", smm_area.cs, OTHER_BASE >> 4, "SDM 3C 32.11");
    check("relocated-map", (uint32_t)saved(MAP_SMBASE), OTHER_BASE, "SDM 3C 32.11");
    smm_area.map = SMRAM + 0xfe00;
    prepare();
    outb(0xb2, 0);
    check("moved-back", smm_area.cs, SMRAM >> 4, "SDM 3C 32.11");
}

#ifdef __x86_64__
/* -- HLT --------------------------------------------------------------------------------------- */

static void send_smi_later(void *argument)
{
    for (unsigned i = 0; i < 3000; i++) {
        inb(0x61);
    }
    *(volatile uint32_t *)(word)(APIC_ICR + 0x10) = 0;
    *(volatile uint32_t *)(word)APIC_ICR = 0x4200;
}

static void check_halt(void)
{
    if (cpu_count() < 2) {
        check_skip("halt", "one CPU");
        return;
    }
    cpus_start();
    prepare();
    patch(map_address(MAP_HALT & ~3u), 0); /* do not halt again */
    cpu_run(1, send_smi_later, NULL);
    __asm__ volatile("hlt" : : : "memory");
    check("halt-left", smm_area.count, 1, "SDM 3C 32.10");
    check("halt-flag", smm_saved[MAP_HALT] & 1, 1, "SDM 3C 32.10");
    cpu_wait(1);
}

/* -- INIT -------------------------------------------------------------------------------------- */

/* The second CPU's handler, in its own SMRAM: beats until it is told to leave. */
#define SECOND_BASE 0x30000u
volatile uint32_t second_beats, second_leaves;
static volatile uint32_t second_works;
extern volatile unsigned cpus_present;
extern const uint8_t second_handler[], second_handler_end[];
__asm__("    .code16\n"
        "second_handler:\n"
        "    addr32 incl second_beats\n"
        "    addr32 cmpl $0, second_leaves\n"
        "    je second_handler\n"
        "    rsm\n"
        "second_handler_end:\n"
        "    .code64\n");

static void work_for_ever(void *argument)
{
    for (;;) {
        second_works++;
    }
}

/* Does the counter move within so many port reads? */
static bool moves_within(unsigned reads, volatile uint32_t *counter)
{
    uint32_t before = *counter;

    for (unsigned i = 0; i < reads && *counter == before; i++) {
        inb(0x61);
    }
    return *counter != before;
}

/* For a counter that should stand still. */
static bool moves(volatile uint32_t *counter)
{
    return moves_within(20000, counter);
}

/* For one that should move, on a CPU whose host thread may have to wait for a core. */
static bool begins_to_move(volatile uint32_t *counter)
{
    return moves_within(10000000, counter);
}

static void send_to_second(uint32_t command)
{
    apic_write(0x310, 1u << 24);
    apic_write(0x300, command);
}

static void check_init(void)
{
    if (cpu_count() < 2) {
        check_skip("init", "one CPU");
        return;
    }
    memcpy((void *)(word)(SECOND_BASE + SMM_ENTRY), second_handler,
           (size_t)(second_handler_end - second_handler));
    cpu_run(1, work_for_ever, NULL);
    check("second-works", begins_to_move(&second_works), true, "SDM 3A 9.4");
    send_to_second(0x4200);
    check("second-in-smm", begins_to_move(&second_beats), true, "SDM 3C 32.2");
    send_to_second(0x4500);
    check("init-waits-for-rsm", begins_to_move(&second_beats) && begins_to_move(&second_beats),
          true, "APM 2 10.3.3");
    unsigned present = cpus_present;
    send_to_second(0x4608); /* no CPU waits for it yet */
    second_leaves = 1;
    for (unsigned i = 0; i < 20000; i++) {
        inb(0x61);
    }
    check("init-after-rsm", moves(&second_works) || moves(&second_beats), false, "APM 2 10.3.3");
    check("early-sipi-lost", cpus_present, present, "SDM 3A 9.4.2");
    send_to_second(0x4608);
    for (unsigned i = 0; i < 10000000 && cpus_present == present; i++) {
        inb(0x61);
    }
    check("init-then-sipi", cpus_present != present, true, "SDM 3A 9.4.2");
}
#endif

int main(void);
int main(void)
{
    if (!find_power_management()) {
        check_skip("smm", "no PIIX4 power management");
        return 0;
    }
    install();
    check_map();
    check_smram();
    check_closed();
    check_rsm_outside();
    check_modes();
    check_blocked();
    check_relocation();
#ifdef __x86_64__
    check_halt();
    check_init();
#endif
    check_lock();
    return 0;
}
