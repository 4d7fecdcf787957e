/* SPDX-License-Identifier: MIT */
/* Messages between two local APICs in xAPIC mode: destinations, shorthands, delivery modes. SDM 3A
 * 11.6. */
#include "interrupts.h"

static volatile bool other_listens, other_ends;

static void end_each(unsigned vector)
{
    if (vector != 2) {
        eoi();
    }
}

static void listen(void *argument)
{
    apic_start();
    apic_write(APIC_LDR, 0x02000000);
    other_listens = true;
    while (!other_ends) {
        window();
    }
}

/* Both CPUs' vectors after an ICR write: the other one's above. */
static uint64_t send(uint8_t destination, uint32_t icr, unsigned expected_here,
                     unsigned expected_there)
{
    forget_vectors_of_both();
    apic_write(APIC_ICR_HIGH, (uint32_t)destination << 24);
    apic_write(APIC_ICR, icr);
    return vectors_of_both(expected_here, expected_there);
}

static void test_destinations(void)
{
    check("physical", send(1, 0x4051, 0, 1), 0x51ull << 32, "SDM 3A 11.6.2.1");
    check("physical-self", send(0, 0x4052, 1, 0), 0x52, "SDM 3A 11.6.2.1");
    check("physical-nobody", send(7, 0x4053, 0, 0), 0, "SDM 3A 11.6.2.1");
    check("physical-broadcast", send(0xff, 0x4054, 1, 1), 0x5400000054, "SDM 3A 11.6.2.1");
    check("flat-one", send(2, 0x4855, 0, 1), 0x55ull << 32, "SDM 3A 11.6.2.2");
    check("flat-both", send(3, 0x4856, 1, 1), 0x5600000056, "SDM 3A 11.6.2.2");
    check("flat-nobody", send(0xf0, 0x4857, 0, 0), 0, "SDM 3A 11.6.2.2");
    check("flat-broadcast", send(0xff, 0x4858, 1, 1), 0x5800000058, "SDM 3A 11.6.2.2");
    apic_write(APIC_LDR, 0x21000000); /* the sender alone: cluster 2, member 0 */
    apic_write(APIC_DFR, 0x0fffffff);
    check("cluster-one", send(0x21, 0x4859, 1, 0), 0x59, "SDM 3A 11.6.2.2");
    check("cluster-other-member", send(0x24, 0x485a, 0, 0), 0, "SDM 3A 11.6.2.2");
    check("cluster-other", send(0x41, 0x485b, 0, 0), 0, "SDM 3A 11.6.2.2");
    check("cluster-broadcast", send(0xff, 0x485c, 1, 1), 0x5c0000005c, "SDM 3A 11.6.2.2");
    apic_write(APIC_DFR, 0xffffffff);
    apic_write(APIC_LDR, 0x01000000);
}

static void test_shorthands(void)
{
    check("self", send(1, ICR_SELF | 0x61, 1, 0), 0x61, "SDM 3A 11.6.1");
    check("all", send(1, ICR_ALL | 0x62, 1, 1), 0x6200000062, "SDM 3A 11.6.1");
    check("others", send(0, ICR_OTHERS | 0x63, 0, 1), 0x63ull << 32, "SDM 3A 11.6.1");
    check("icr-reads", apic_read(APIC_ICR), ICR_OTHERS | 0x63, "SDM 3A 11.6.1");
}

static void test_modes(void)
{
    check("nmi", send(1, 0x4400, 0, 1), 2ull << 32, "SDM 3A 11.6.1");
    check("nmi-others", send(0, 0xc4400, 0, 1), 2ull << 32, "SDM 3A 11.6.1");
    check("init-deassert", send(1, 0x8500, 0, 0), 0, "SDM 3A 11.6.1");
    check("sipi-to-a-running-cpu", send(1, 0x4608, 0, 0), 0, "SDM 3A 9.4.1");
    apic_write(APIC_TPR, 0xf0);
    check("lowest-is-the-other", send(3, 0x4971, 0, 1), 0x71ull << 32, "SDM 3A 11.6.2.4");
    apic_write(APIC_TPR, 0);
    check("lowest-of-one", send(1, 0x4972, 1, 0), 0x72, "SDM 3A 11.6.2.4");
    /* A message is an edge whatever the trigger bit says. */
    check("trigger-mode-ignored", send(0, 0xc073, 1, 0), 0x73, "SDM 3A 11.6.1");
    check("no-tmr", apic_bit(APIC_TMR, 0x73), 0, "SDM 3A 11.6.1");
    apic_write(APIC_SVR, 0xff);
    check("disabled-sends", send(1, 0x4074, 0, 1), 0x74ull << 32, "SDM 3A 11.4.7.2");
    check("disabled-takes-nmi", send(0, 0x4400, 1, 0), 2, "SDM 3A 11.4.7.2");
    check("disabled-drops-fixed", send(0, 0x4075, 0, 0), 0, "SDM 3A 11.4.7.2");
    apic_write(APIC_SVR, 0x1ff);
}

int main(void);
int main(void)
{
    log_interrupts();
    cpus_start();
    apic_start();
    apic_write(APIC_LDR, 0x01000000);
    on_vector = end_each;
    cpu_run(1, listen, NULL);
    if (!WAIT_FOR(other_listens)) {
        give_up("the other CPU does not listen");
    }
    test_destinations();
    test_shorthands();
    test_modes();
    other_ends = true;
    cpu_wait(1);
    return 0;
}
