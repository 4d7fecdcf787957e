/* SPDX-License-Identifier: MIT */
/* x2APIC mode: the way in and out, which registers are there and which bits may be written, and
 * messages between two CPUs, physical, by cluster and broadcast. SDM 3A 11.12. */
#include "interrupts.h"

#define GP 13

enum { ENABLE = 0x800, EXTENDED = 0x400 };
enum { /* MSRs */
       X_ID = 0x802,
       X_VERSION = 0x803,
       X_TPR = 0x808,
       X_PPR = 0x80a,
       X_EOI = 0x80b,
       X_LDR = 0x80d,
       X_SVR = 0x80f,
       X_ISR = 0x810,
       X_IRR = 0x820,
       X_ESR = 0x828,
       X_ICR = 0x830,
       X_LVT_TIMER = 0x832,
       X_LVT_LINT0 = 0x835,
       X_LVT_ERROR = 0x837,
       X_INITIAL_COUNT = 0x838,
       X_CURRENT_COUNT = 0x839,
       X_DIVIDE = 0x83e,
       X_SELF_IPI = 0x83f
};

static uint64_t dummy;

/* -- Modes ------------------------------------------------------------------------------------- */

static void test_transitions(void)
{
    uint64_t off = read_msr(MSR_APIC_BASE) & ~(uint64_t)(ENABLE | EXTENDED);

    check("xapic-to-invalid", try_write_msr(MSR_APIC_BASE, off | EXTENDED), GP, "SDM 3A 11.12.5");
    check("xapic-no-msr", try_read_msr(X_ID, &dummy), GP, "SDM 3A 11.12.2");
    check("xapic-no-msr-write", try_write_msr(X_TPR, 0), GP, "SDM 3A 11.12.2");
    write_msr(MSR_APIC_BASE, off);
    check("off-to-x2apic", try_write_msr(MSR_APIC_BASE, off | ENABLE | EXTENDED), GP,
          "SDM 3A 11.12.5");
    check("off-to-invalid", try_write_msr(MSR_APIC_BASE, off | EXTENDED), GP, "SDM 3A 11.12.5");
    write_msr(MSR_APIC_BASE, off | ENABLE);
    apic_start();
    apic_write(APIC_TPR, 0x21);
    check("to-x2apic", try_write_msr(MSR_APIC_BASE, off | ENABLE | EXTENDED), NO_TRAP,
          "SDM 3A 11.12.5");
    check("x2apic-keeps-tpr", read_msr(X_TPR), 0x21, "SDM 3A 11.12.5.1");
    check("x2apic-to-xapic", try_write_msr(MSR_APIC_BASE, off | ENABLE), GP, "SDM 3A 11.12.5");
    check("x2apic-to-invalid", try_write_msr(MSR_APIC_BASE, off | EXTENDED), GP, "SDM 3A 11.12.5");
    check("x2apic-to-off", try_write_msr(MSR_APIC_BASE, off), NO_TRAP, "SDM 3A 11.12.5");
    check("off-no-msr", try_read_msr(X_ID, &dummy), GP, "SDM 3A 11.12.2");
    write_msr(MSR_APIC_BASE, off | ENABLE);
    check("off-loses-tpr", apic_read(APIC_TPR), 0, "SDM 3A 11.12.5.1");
    write_msr(MSR_APIC_BASE, off | ENABLE | EXTENDED);
    write_msr(X_SVR, 0x1ff);
}

/* -- Registers --------------------------------------------------------------------------------- */

static void test_registers(void)
{
    static const uint16_t there[] = {0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x810, 0x817,
                                     0x818, 0x81f, 0x820, 0x827, 0x828, 0x830, 0x832, 0x833,
                                     0x834, 0x835, 0x836, 0x837, 0x838, 0x839, 0x83e};
    static const uint16_t absent[] = {0x800, 0x801, 0x804, 0x809, 0x80b, 0x80c, 0x80e,
                                      0x831, 0x83a, 0x83d, 0x83f, 0x840, 0x8ff};
    char name[40];

    for (unsigned i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        format(name, sizeof(name), "read-%x", there[i]);
        check(name, try_read_msr(there[i], &dummy), NO_TRAP, "SDM 3A 11.12.1.2");
    }
    for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        format(name, sizeof(name), "no-read-%x", absent[i]);
        check(name, try_read_msr(absent[i], &dummy), GP, "SDM 3A 11.12.1.2");
    }
    static const uint16_t read_only[] = {0x802, 0x803, 0x80a, 0x80d, 0x810, 0x818, 0x820, 0x839};
    for (unsigned i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
        format(name, sizeof(name), "read-only-%x", read_only[i]);
        check(name, try_write_msr(read_only[i], 0), GP, "SDM 3A 11.12.1.3");
    }
}

static void test_reserved_bits(void)
{
    static const struct {
        uint16_t msr;
        uint64_t value;
    } rows[] = {{X_TPR, 0x100},
                {X_EOI, 1},
                {X_SVR, 0x201ff},
                {X_ESR, 1},
                {X_ICR, 0x1000 | 0x44041},
                {X_ICR, 0x44041 | 1 << 20},
                {X_LVT_TIMER, 0x10100},
                {X_LVT_LINT0, 0x20700},
                {X_LVT_ERROR, 0x10700},
                {X_INITIAL_COUNT, 1ull << 32},
                {X_DIVIDE, 4},
                {X_SELF_IPI, 0x100}};
    char name[40];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        format(name, sizeof(name), "reserved-%x-%llx", rows[i].msr,
               (unsigned long long)rows[i].value);
        check(name, try_write_msr(rows[i].msr, rows[i].value), GP, "SDM 3A 11.12.1.3");
    }
    write_msr(X_LVT_LINT0, LVT_MASK);
    check("status-bit-written", try_write_msr(X_LVT_LINT0, LVT_MASK | 1 << 12), NO_TRAP,
          "SDM 3A 11.12.1.3");
    check("status-bit-not-kept", read_msr(X_LVT_LINT0), LVT_MASK, "SDM 3A 11.12.1.3");
}

static uint64_t errors(void)
{
    write_msr(X_ESR, 0);
    return read_msr(X_ESR);
}

static void test_self_ipi(void)
{
    check("id", read_msr(X_ID), cpuid(11, 0).edx, "SDM 3A 11.12.5.1");
    check("ldr", read_msr(X_LDR), 1u << (read_msr(X_ID) & 15) | read_msr(X_ID) >> 4 << 16,
          "SDM 3A 11.12.10.2");
    write_msr(X_SELF_IPI, 0x41);
    write_msr(X_SELF_IPI, 0x52);
    check("self-ipi-irr", read_msr(X_IRR + 2), 0x40002, "SDM 3A 11.12.11");
    window();
    check("self-ipi", vectors(), 0x52, "SDM 3A 11.12.11");
    check("isr", read_msr(X_ISR + 2), 0x40000, "SDM 3A 11.12.1.2");
    check("ppr", read_msr(X_PPR), 0x50, "SDM 3A 11.12.1.2");
    write_msr(X_EOI, 0);
    window();
    write_msr(X_EOI, 0);
    check("self-ipi-next", vectors(), 0x41, "SDM 3A 11.12.11");
    write_msr(X_ICR, 0x44063);
    window();
    write_msr(X_EOI, 0);
    check("icr-self", vectors(), 0x63, "SDM 3A 11.12.9");
    errors();
    write_msr(X_SELF_IPI, 9);
    check("self-ipi-illegal", errors() & 0x60, 0x40, "SDM 3A 11.5.3");
    write_msr(X_ICR, 0x44009);
    check("icr-illegal", errors() & 0x20, 0x20, "SDM 3A 11.5.3");
    write_msr(X_ICR,
              0xffffffff00000000ull | 0x4400 | 0x40000); /* NMI to oneself: kept as written */
    check("icr-is-64-bit", read_msr(X_ICR), 0xffffffff00044400ull, "SDM 3A 11.12.9");
    vectors();
}

/* -- Messages ---------------------------------------------------------------------------------- */

static volatile bool other_listens, other_ends;

static void end_each(unsigned vector)
{
    if (vector != 2) {
        write_msr(X_EOI, 0);
    }
}

static void listen(void *argument)
{
    write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | EXTENDED);
    write_msr(X_SVR, 0x1ff);
    write_msr(X_TPR, 0);
    other_listens = true;
    while (!other_ends) {
        window();
    }
}

/* Both CPUs' vectors after an ICR write: the other one's above. */
static uint64_t send(uint64_t icr, unsigned expected_here, unsigned expected_there)
{
    forget_vectors_of_both();
    write_msr(X_ICR, icr);
    return vectors_of_both(expected_here, expected_there);
}

static void test_messages(void)
{
    cpu_run(1, listen, NULL);
    on_vector = end_each;
    if (!WAIT_FOR(other_listens)) {
        give_up("the other CPU does not listen");
    }
    check("physical", send(1ull << 32 | 0x4051, 0, 1), 0x51ull << 32, "SDM 3A 11.12.9");
    check("physical-self", send(0x4052, 1, 0), 0x52, "SDM 3A 11.12.9");
    check("physical-nobody", send(7ull << 32 | 0x4052, 0, 0), 0, "SDM 3A 11.12.9");
    check("broadcast", send(0xffffffffull << 32 | 0x4053, 1, 1), 0x5300000053, "SDM 3A 11.12.9");
    check("broadcast-logical", send(0xffffffffull << 32 | 0x4854, 1, 1), 0x5400000054,
          "SDM 3A 11.12.9");
    check("cluster-both", send(3ull << 32 | 0x4855, 1, 1), 0x5500000055, "SDM 3A 11.12.10.2");
    check("cluster-one", send(2ull << 32 | 0x4856, 0, 1), 0x56ull << 32, "SDM 3A 11.12.10.2");
    check("cluster-other", send(0x10003ull << 32 | 0x4857, 0, 0), 0, "SDM 3A 11.12.10.2");
    check("others", send(0xc4058, 0, 1), 0x58ull << 32, "SDM 3A 11.12.9");
    check("all", send(0x84059, 1, 1), 0x5900000059, "SDM 3A 11.12.9");
    check("nmi", send(1ull << 32 | 0x4400, 0, 1), 2ull << 32, "SDM 3A 11.12.9");
    write_msr(X_TPR, 0xf0);
    check("lowest-priority", send(3ull << 32 | 0x4965, 0, 1), 0x65ull << 32, "SDM 3A 11.6.2.4");
    write_msr(X_TPR, 0);
    other_ends = true;
    cpu_wait(1);
}

int main(void);
int main(void)
{
    if (!(cpuid(1, 0).ecx >> 21 & 1)) {
        check_skip("x2apic", "no x2APIC");
        return 0;
    }
    log_interrupts();
    cpus_start();
    test_transitions();
    test_registers();
    test_reserved_bits();
    test_self_ipi();
    test_messages();
    return 0;
}
