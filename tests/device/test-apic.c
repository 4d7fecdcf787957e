/* SPDX-License-Identifier: MIT */
/* Local and I/O APIC: registers, priorities, destinations, timer modes, x2APIC, ExtINT, levels. */
#include "tests/device/isa-bench.h"

#include "hw/apic.h"
#include "hw/ioapic.h"
#include "target/i386/cpu.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

enum { CPU_COUNT = 2, IOREGSEL = 0x00, IOWIN = 0x10 };

static X86Cpu *cpus[CPU_COUNT];
static Apic *apics[CPU_COUNT];
static IoApic *ioapic;
static I8259 *pic;
static Region apic_region;

static void set_up(void)
{
    pic = (I8259 *)bench_device("isa-i8259", "master", "on");
    i8259_set_output(pic, apic_pic_line());
    bench_start(pic);
    for (unsigned i = 0; i < CPU_COUNT; i++) {
        apics[i] = (Apic *)device_new("apic", NULL);
        apic_attach(apics[i], cpus[i], pic);
        bench_start(apics[i]);
        cpus[i]->events = 0;
    }
    ioapic = (IoApic *)device_new("ioapic", NULL);
    ioapic_set_memory(ioapic, &bench.memory);
    bench_start(ioapic);
    apic_region_init(&apic_region, NULL);
    region_add(&bench.memory, APIC_DEFAULT_BASE, &apic_region, 0);
}

static bool set_base(unsigned n, uint64_t value)
{
    return cpus[n]->apic_ops->set_base(cpus[n]->apic, value);
}

static void tear_down(void)
{
    region_fini(&apic_region);
    object_free((Object *)ioapic);
    for (unsigned i = 0; i < CPU_COUNT; i++) {
        object_free((Object *)apics[i]);
    }
    object_free((Object *)pic);
}

/* Registers of CPU 0, which is whose they are outside vCPU threads. */
static uint32_t get(unsigned offset)
{
    return (uint32_t)address_space_load(&address_space_memory, APIC_DEFAULT_BASE + offset, 4, NULL);
}

static void set(unsigned offset, uint32_t value)
{
    address_space_store(&address_space_memory, APIC_DEFAULT_BASE + offset, value, 4);
}

static uint32_t io_get(unsigned index)
{
    address_space_store(&address_space_memory, IOAPIC_DEFAULT_BASE + IOREGSEL, index, 4);
    return (uint32_t)address_space_load(&address_space_memory, IOAPIC_DEFAULT_BASE + IOWIN, 4,
                                        NULL);
}

static void io_set(unsigned index, uint32_t value)
{
    address_space_store(&address_space_memory, IOAPIC_DEFAULT_BASE + IOREGSEL, index, 4);
    address_space_store(&address_space_memory, IOAPIC_DEFAULT_BASE + IOWIN, value, 4);
}

static bool wrmsr(unsigned n, uint32_t msr, uint64_t value)
{
    return cpus[n]->apic_ops->msr_write(cpus[n]->apic, msr, value);
}

static uint64_t rdmsr(unsigned n, uint32_t msr)
{
    uint64_t value = 0;

    g_assert_true(cpus[n]->apic_ops->msr_read(cpus[n]->apic, msr, &value));
    return value;
}

static int ack(unsigned n)
{
    return cpus[n]->apic_ops->acknowledge(cpus[n]->apic);
}

static bool intr(unsigned n)
{
    g_assert_cmpint(!!(cpus[n]->events & CPU_EVENT_INTR), ==,
                    cpus[n]->apic_ops->has_interrupt(cpus[n]->apic));
    return cpus[n]->events & CPU_EVENT_INTR;
}

static void enable_x2apic(unsigned n)
{
    uint64_t base = cpus[n]->apic_ops->get_base(cpus[n]->apic);

    g_assert_true(cpus[n]->apic_ops->set_base(cpus[n]->apic, base | 1 << 10));
    g_assert_true(wrmsr(n, 0x80f, 0x1ff));
}

static void test_reset_values(void)
{
    set_up();
    g_assert_cmphex(get(0x20), ==, 0);
    g_assert_cmphex(get(0x30), ==, 0x1050014);
    g_assert_cmphex(get(0xf0), ==, 0xff);
    g_assert_cmphex(get(0xe0), ==, 0xffffffff);
    g_assert_cmphex(get(0x320), ==, 0x10000);
    g_assert_cmphex(get(0x350), ==, 0x700);
    g_assert_cmphex(cpus[0]->apic_ops->get_base(cpus[0]->apic), ==, 0xfee00900);
    g_assert_cmphex(cpus[1]->apic_ops->get_base(cpus[1]->apic), ==, 0xfee00800);
    g_assert_cmphex(io_get(1), ==, 0x170020);
    g_assert_cmphex(io_get(0x10), ==, 0x10000);
    tear_down();
}

static void test_priorities(void)
{
    set_up();
    set(0xf0, 0x1ff);
    apic_deliver(0, false, APIC_FIXED, 0x41, false);
    apic_deliver(0, false, APIC_FIXED, 0x52, false);
    g_assert_true(intr(0));
    set(0x80, 0x50);
    g_assert_false(intr(0));
    cpus[0]->apic_ops->set_tpr(cpus[0]->apic, 4);
    g_assert_cmphex(get(0x80), ==, 0x40);
    g_assert_true(intr(0));
    g_assert_cmphex(get(0x220), ==, 0x40002);
    g_assert_cmphex(ack(0), ==, 0x52);
    g_assert_cmphex(get(0x120), ==, 0x40000);
    g_assert_cmphex(get(0xa0), ==, 0x50);
    set(0x80, 0);
    g_assert_false(intr(0));
    apic_deliver(0, false, APIC_FIXED, 0x5f, false); /* of the same class */
    g_assert_false(intr(0));
    set(0xb0, 0);
    g_assert_cmphex(ack(0), ==, 0x5f);
    set(0xb0, 0);
    g_assert_cmphex(ack(0), ==, 0x41);
    g_assert_cmpint(ack(0), ==, -1);
    tear_down();
}

static void test_destinations(void)
{
    set_up();
    enable_x2apic(1);
    set(0xf0, 0x1ff);
    apic_deliver(0xff, false, APIC_FIXED, 0x30, false);
    g_assert_cmphex(ack(0), ==, 0x30);
    g_assert_cmphex(ack(1), ==, 0x30);
    wrmsr(1, 0x80b, 0);
    set(0xb0, 0);
    set(0xd0, 0x04000000);
    apic_deliver(0x04, true, APIC_FIXED, 0x31, false);
    g_assert_true(intr(0));
    g_assert_false(intr(1));
    ack(0);
    set(0xb0, 0);
    apic_deliver(0x02, true, APIC_FIXED, 0x31, false); /* x2APIC: bit 1 of cluster 0 */
    g_assert_false(intr(0));
    g_assert_cmphex(ack(1), ==, 0x31);
    wrmsr(1, 0x80b, 0);
    set(0xe0, 0);
    set(0xd0, 0x24000000); /* cluster 2, member 2 */
    apic_deliver(0x14, true, APIC_FIXED, 0x32, false);
    g_assert_false(intr(0));
    apic_deliver(0x2c, true, APIC_FIXED, 0x32, false);
    g_assert_cmphex(ack(0), ==, 0x32);
    set(0xb0, 0);
    set(0x80, 0x20);
    apic_deliver(0xff, false, APIC_LOWEST_PRIORITY, 0x40, false);
    g_assert_false(intr(0));
    g_assert_true(intr(1));
    tear_down();
}

static void test_ipi(void)
{
    set_up();
    enable_x2apic(1);
    set(0xf0, 0x1ff);
    set(0x310, 1 << 24);
    set(0x300, 0x4050);
    g_assert_cmphex(get(0x300), ==, 0x4050);
    g_assert_cmphex(ack(1), ==, 0x50);
    set(0x300, 0x84061); /* all, with oneself */
    g_assert_true(intr(0) && intr(1));
    ack(0);
    ack(1);
    set(0xb0, 0);
    wrmsr(1, 0x80b, 0);
    set(0x300, 0xc4062);
    g_assert_false(intr(0));
    g_assert_true(intr(1));
    set(0x300, 0x44063);
    g_assert_true(intr(0));
    set(0x310, 1 << 24);
    set(0x300, 0x4500);
    g_assert_cmphex(cpus[1]->events, ==, CPU_EVENT_INIT);
    set(0x300, 0x8500); /* de-assert */
    set(0x300, 0x469a);
    g_assert_cmphex(cpus[1]->events, ==, CPU_EVENT_INIT | CPU_EVENT_SIPI);
    g_assert_cmphex(cpus[1]->sipi_vector, ==, 0x9a);
    set(0x300, 0x4400);
    g_assert_true(cpus[1]->events & CPU_EVENT_NMI);
    tear_down();
}

static void test_errors(void)
{
    set_up();
    set(0xf0, 0x1ff);
    set(0x370, 0x3e);
    set(0x300, 0x4005);
    g_assert_cmphex(get(0x280), ==, 0);
    set(0x280, 0);
    g_assert_cmphex(get(0x280), ==, 0x20);
    g_assert_cmphex(ack(0), ==, 0x3e);
    get(0x3f0);
    apic_deliver(0, false, APIC_FIXED, 3, false);
    set(0x280, 0);
    g_assert_cmphex(get(0x280), ==, 0xc0);
    set(0x280, 0);
    g_assert_cmphex(get(0x280), ==, 0);
    tear_down();
}

static void test_timer(void)
{
    set_up();
    set(0xf0, 0x1ff);
    set(0x3e0, 0xb); /* by 1 */
    set(0x320, 0x40);
    set(0x380, 1000);
    advance_ns(400);
    g_assert_cmpuint(get(0x390), ==, 600);
    advance_ns(599);
    g_assert_false(intr(0));
    advance_ns(1);
    g_assert_cmphex(ack(0), ==, 0x40);
    g_assert_cmpuint(get(0x390), ==, 0);
    set(0xb0, 0);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    set(0x3e0, 0x3); /* by 16 */
    set(0x320, 0x20040);
    set(0x380, 62500);
    for (unsigned i = 0; i < 10; i++) {
        advance_ns(1000000);
        g_assert_cmphex(ack(0), ==, 0x40);
        set(0xb0, 0);
    }
    advance_ns(500000);
    g_assert_cmpuint(get(0x390), ==, 31250);
    set(0x320, 0x30040); /* masked: no wake-ups, but it counts */
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    advance_ns(10000000);
    g_assert_false(intr(0));
    g_assert_cmpuint(get(0x390), ==, 31250);
    set(0x380, 0);
    g_assert_cmpuint(get(0x390), ==, 0);
    tear_down();
}

static void test_periodic_flood(void)
{
    set_up();
    set(0xf0, 0x1ff);
    set(0x3e0, 0xb);
    set(0x320, 0x20040);
    set(0x380, 1); /* each nanosecond */
    for (unsigned i = 0; i < 100; i++) {
        advance_ns(20000);
        g_assert_cmphex(ack(0), ==, 0x40);
        set(0xb0, 0);
    }
    tear_down();
}

static void test_tsc_deadline(void)
{
    uint64_t now;

    set_up();
    set(0xf0, 0x1ff);
    wrmsr(0, MSR_TSC_DEADLINE, 12345); /* not in this mode */
    g_assert_cmpuint(rdmsr(0, MSR_TSC_DEADLINE), ==, 0);
    set(0x320, 0x40041);
    now = cpu_read_tsc(cpus[0]);
    wrmsr(0, MSR_TSC_DEADLINE, now + cpu_tsc_frequency_hz());
    g_assert_cmpuint(rdmsr(0, MSR_TSC_DEADLINE), ==, now + cpu_tsc_frequency_hz());
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), !=, TIMER_OFF);
    g_assert_false(intr(0));
    wrmsr(0, MSR_TSC_DEADLINE, 1); /* long gone: at once */
    g_assert_cmphex(ack(0), ==, 0x41);
    g_assert_cmpuint(rdmsr(0, MSR_TSC_DEADLINE), ==, 0);
    wrmsr(0, MSR_TSC_DEADLINE, now + cpu_tsc_frequency_hz());
    wrmsr(0, MSR_TSC_DEADLINE, 0);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    tear_down();
}

static void test_x2apic(void)
{
    uint64_t value;

    set_up();
    g_assert_false(wrmsr(0, 0x80f, 0x1ff));
    g_assert_false(cpus[0]->apic_ops->set_base(cpus[0]->apic, 0xfee00500)); /* x2APIC, not on */
    enable_x2apic(1);
    enable_x2apic(0);
    g_assert_false(cpus[0]->apic_ops->set_base(cpus[0]->apic, 0xfee00900)); /* not back directly */
    g_assert_cmphex(get(0x30), ==, 0xffffffff);
    g_assert_cmphex(rdmsr(1, 0x802), ==, 1);
    g_assert_cmphex(rdmsr(1, 0x80d), ==, 2);
    g_assert_false(cpus[0]->apic_ops->msr_read(cpus[0]->apic, 0x80e, &value));
    g_assert_false(wrmsr(0, 0x80b, 1));
    g_assert_false(wrmsr(0, 0x802, 0));
    g_assert_false(wrmsr(0, 0x8ff, 0));
    g_assert_true(wrmsr(0, 0x830, 1ull << 32 | 0x4033));
    g_assert_cmphex(rdmsr(0, 0x830), ==, 1ull << 32 | 0x4033);
    g_assert_cmphex(ack(1), ==, 0x33);
    g_assert_true(wrmsr(0, 0x830, 0xffffffffull << 32 | 0x44));
    g_assert_cmphex(ack(1), ==, 0x44);
    g_assert_cmphex(ack(0), ==, 0x44);
    g_assert_true(wrmsr(0, 0x83f, 0x55));
    g_assert_cmphex(ack(0), ==, 0x55);
    tear_down();
}

static void test_extint(void)
{
    set_up();
    out8(0x20, 0x13);
    out8(0x21, 0x20);
    out8(0x21, 0x01);
    irq_raise(i8259_pin(pic, 3));
    g_assert_true(intr(0)); /* by the reset value of LINT0 */
    g_assert_false(intr(1));
    set(0xf0, 0x1ff);
    set(0x350, 0x10700);
    g_assert_false(intr(0));
    set(0x350, 0x700);
    g_assert_cmphex(ack(0), ==, 0x23);
    g_assert_false(intr(0));
    out8(0x20, 0x20);
    cpus[0]->apic_ops->set_base(cpus[0]->apic, 0xfee00100); /* off: the pin is the CPU's */
    irq_raise(i8259_pin(pic, 1));
    g_assert_cmphex(ack(0), ==, 0x21);
    tear_down();
}

static void test_lint_nmi(void)
{
    set_up();
    set(0xf0, 0x1ff);
    set(0x360, 0x400);
    irq_pulse(apic_nmi_line());
    g_assert_true(cpus[0]->events & CPU_EVENT_NMI);
    g_assert_false(cpus[1]->events & CPU_EVENT_NMI); /* its pin is masked */
    set(0x350, 0x8077);                              /* fixed, level */
    irq_raise(apic_lint_pin(apics[0], 0));
    g_assert_cmphex(ack(0), ==, 0x77);
    g_assert_cmphex(get(0x350), ==, 0xc077);
    set(0xb0, 0);
    g_assert_cmphex(ack(0), ==, 0x77); /* still high */
    irq_lower(apic_lint_pin(apics[0], 0));
    set(0xb0, 0);
    g_assert_false(intr(0));
    tear_down();
}

static void test_msi(void)
{
    set_up();
    enable_x2apic(1);
    set(0xf0, 0x1ff);
    address_space_store(&address_space_memory, 0xfee01000, 0x4066, 4);
    g_assert_cmphex(ack(1), ==, 0x66);
    address_space_store(&address_space_memory, 0xfee00000, 0x67, 4);
    g_assert_cmphex(ack(0), ==, 0x67);
    address_space_store(&address_space_memory, 0xfee00000, 0x8068, 4); /* level, not asserted */
    g_assert_false(intr(0));
    set(0xb0, 0);
    wrmsr(1, 0x80b, 0);
    set(0xd0, 0x01000000); /* both are member 0 or 1 of their set */
    address_space_store(&address_space_memory, 0xfee03004, 0x51, 4); /* logical: to both */
    g_assert_cmphex(ack(0), ==, 0x51);
    g_assert_cmphex(ack(1), ==, 0x51);
    address_space_store(&address_space_memory, 0xfee0300c, 0x52, 4); /* with a hint: to one */
    set(0xb0, 0);
    wrmsr(1, 0x80b, 0);
    g_assert_cmpint(intr(0) + intr(1), ==, 1);
    tear_down();
}

/* SDM 11.4.4. What each CPU sees of it is the flat guests' to test: here no CPU runs. */
static void test_moved_page(void)
{
    set_up();
    set(0x80, 0x35);
    g_assert_true(set_base(0, 0x42000900));
    g_assert_cmphex(get(0x80), ==, 0xffffffff);
    set(0x80, 0x45); /* a message, with a vector of no use */
    g_assert_cmphex(cpus[0]->apic_ops->get_tpr(cpus[0]->apic), ==, 3);
    g_assert_false(set_base(0, 0x10000042000900)); /* beyond 52 bits */
    object_reset((Object *)apics[0]);
    g_assert_cmphex(cpus[0]->apic_ops->get_base(cpus[0]->apic), ==, 0xfee00900);
    g_assert_cmphex(get(0xf0), ==, 0xff);
    tear_down();
}

/* SDM 11.8.5: without the broadcast the I/O APIC is told by its own register. */
static void test_directed_eoi(void)
{
    set_up();
    set(0xf0, 0x11ff);
    g_assert_cmphex(get(0xf0), ==, 0x11ff);
    io_set(0x26, 0x8045);
    irq_raise(ioapic_pin(ioapic, 11));
    g_assert_cmphex(ack(0), ==, 0x45);
    set(0xb0, 0);
    g_assert_false(intr(0));
    g_assert_cmphex(io_get(0x26), ==, 0xc045);
    address_space_store(&address_space_memory, IOAPIC_DEFAULT_BASE + 0x40, 0x45, 4);
    g_assert_cmphex(ack(0), ==, 0x45); /* it was high still */
    tear_down();
}

static void *sleep_until_told(void *semaphore)
{
    sem_wait(semaphore);
    return NULL;
}

/* A second edge is lost behind one that waits; timers are told if that is the host's doing. */
static void test_starved(void)
{
    Irq pin;
    sem_t semaphore;
    pthread_t thread;

    set_up();
    set(0xf0, 0x1ff);
    pin = ioapic_pin(ioapic, 11);
    io_set(0x26, 0x10045);
    g_assert_cmpint(irq_state(pin), ==, IRQ_DEAF);
    io_set(0x26, 0x45);
    g_assert_cmpint(irq_state(pin), ==, IRQ_FREE);
    irq_raise(pin);
    irq_lower(pin);
    g_assert_cmpint(irq_state(pin), ==, IRQ_FREE); /* nobody runs this CPU */
    sem_init(&semaphore, 0, 0);
    g_assert_cmpint(pthread_create(&thread, NULL, sleep_until_told, &semaphore), ==, 0);
    cpus[0]->vcpu.thread = thread;
    cpus[0]->vcpu.host = (VcpuThread *)&thread; /* not looked into */
    irq_state(pin);
    usleep(2000);
    g_assert_cmpint(irq_state(pin), ==, IRQ_STARVED);
    cpus[0]->vcpu.host = NULL;
    g_assert_cmphex(ack(0), ==, 0x45);
    g_assert_cmpint(irq_state(pin), ==, IRQ_FREE);
    sem_post(&semaphore);
    pthread_join(thread, NULL);
    sem_destroy(&semaphore);
    tear_down();
}

static void test_extint_message(void)
{
    set_up();
    out8(0x20, 0x13);
    out8(0x21, 0x20);
    out8(0x21, 0x01);
    set(0xf0, 0x1ff);
    set(0x350, 0x10700); /* LINT0 is closed */
    io_set(0x10, 0x8700);
    i8259_set_output(pic, ioapic_pin(ioapic, 0));
    irq_raise(i8259_pin(pic, 3));
    g_assert_true(intr(0));
    g_assert_cmphex(io_get(0x10), ==, 0x8700); /* an edge whatever it says: no remote IRR */
    g_assert_cmphex(ack(0), ==, 0x23);
    g_assert_false(intr(0));
    g_assert_cmphex(get(0x110), ==, 0); /* the vector is the 8259's to end */
    irq_raise(i8259_pin(pic, 1));
    g_assert_cmphex(ack(0), ==, 0x21);
    tear_down();
}

static void test_ioapic_events(void)
{
    static const struct {
        uint32_t entry;
        int event;
    } rows[] = {{0x200, CPU_EVENT_SMI}, {0x400, CPU_EVENT_NMI}, {0x500, CPU_EVENT_INIT}};

    set_up();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        io_set(0x1b, 1u << 24);
        io_set(0x1a, rows[i].entry | 0x8000); /* level makes no difference */
        irq_raise(ioapic_pin(ioapic, 5));
        g_assert_cmphex(cpus[1]->events, ==, rows[i].event);
        cpus[1]->events = 0;
        g_assert_cmphex(io_get(0x1a), ==, rows[i].entry | 0x8000);
        g_assert_cmphex(cpus[1]->events, ==, 0); /* once an edge */
        irq_lower(ioapic_pin(ioapic, 5));
    }
    tear_down();
}

static void test_lowest_priority_others(void)
{
    set_up();
    enable_x2apic(1);
    set(0xf0, 0x1ff);
    wrmsr(1, 0x808, 0x20); /* the sender would be the lowest */
    set(0x300, 0xc4155);
    g_assert_false(intr(0));
    g_assert_true(intr(1));
    tear_down();
}

static void test_lint_modes(void)
{
    set_up();
    set(0xf0, 0x1ff);
    set(0x360, 0x200);
    irq_pulse(apic_lint_pin(apics[0], 1));
    g_assert_cmphex(cpus[0]->events, ==, CPU_EVENT_SMI);
    cpus[0]->events = 0;
    for (unsigned mode = 1; mode <= 6; mode++) {
        if (mode == 1 || mode == 3 || mode == 6) { /* reserved for local pins */
            set(0x360, mode << 8 | 0x55);
            irq_pulse(apic_lint_pin(apics[0], 1));
            g_assert_cmphex(cpus[0]->events, ==, 0);
        }
    }
    set(0x360, 0x10400);
    irq_pulse(apic_lint_pin(apics[0], 1));
    g_assert_cmphex(cpus[0]->events, ==, 0);
    set(0xf0, 0xff); /* disabled by software: masks cannot be cleared */
    set(0x360, 0x400);
    g_assert_cmphex(get(0x360), ==, 0x10400);
    set(0x300, 0x44040); /* and nothing is received, but sent */
    set(0x310, 1 << 24);
    set(0x300, 0x4400);
    g_assert_cmphex(cpus[1]->events, ==, CPU_EVENT_NMI);
    g_assert_cmphex(cpus[0]->events, ==, 0);
    set(0x360, 0x500);
    set(0xf0, 0x1ff);
    set(0x360, 0x500);
    irq_pulse(apic_lint_pin(apics[0], 1));
    g_assert_cmphex(cpus[0]->events, ==, CPU_EVENT_INIT);
    g_assert_cmphex(get(0x360), ==, 0x10000);
    tear_down();
}

static void test_remote_irr_written_back(void)
{
    set_up();
    enable_x2apic(0);
    g_assert_true(wrmsr(0, 0x835, 0x8077));
    irq_raise(apic_lint_pin(apics[0], 0));
    g_assert_cmphex(rdmsr(0, 0x835), ==, 0xc077);
    g_assert_true(wrmsr(0, 0x835, rdmsr(0, 0x835) | 0x11000)); /* read-only bits, not reserved */
    g_assert_cmphex(rdmsr(0, 0x835), ==, 0x1c077);
    g_assert_false(wrmsr(0, 0x835, 0x20077));
    tear_down();
}

static void test_ioapic_edge(void)
{
    set_up();
    set(0xf0, 0x1ff);
    irq_raise(ioapic_pin(ioapic, 4));
    io_set(0x19, 0);
    io_set(0x18, 0x44); /* the edge came while masked: lost */
    g_assert_false(intr(0));
    irq_lower(ioapic_pin(ioapic, 4));
    irq_raise(ioapic_pin(ioapic, 4));
    g_assert_cmphex(ack(0), ==, 0x44);
    set(0xb0, 0);
    g_assert_false(intr(0));
    tear_down();
}

static void test_ioapic_level(void)
{
    set_up();
    set(0xf0, 0x1ff);
    io_set(0x26, 0xa045); /* pin 11: level, active low */
    irq_raise(ioapic_pin(ioapic, 11));
    g_assert_cmphex(io_get(0x26), ==, 0xe045);
    g_assert_cmphex(get(0x1a0), ==, 1 << 5); /* TMR */
    g_assert_cmphex(ack(0), ==, 0x45);
    set(0xb0, 0);
    g_assert_true(intr(0)); /* still asserted */
    irq_lower(ioapic_pin(ioapic, 11));
    ack(0);
    set(0xb0, 0);
    g_assert_false(intr(0));
    g_assert_cmphex(io_get(0x26), ==, 0xa045);
    irq_raise(ioapic_pin(ioapic, 11));
    address_space_store(&address_space_memory, IOAPIC_DEFAULT_BASE + 0x40, 0x45, 4);
    g_assert_cmphex(io_get(0x26), ==, 0xe045); /* directed EOI: it asks again */
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_assert_true(cpu_model_select(NULL, NULL));
    for (unsigned i = 0; i < CPU_COUNT; i++) {
        cpus[i] = cpu_new(i, NULL);
    }
    g_test_add_func("/apic/reset", test_reset_values);
    g_test_add_func("/apic/priorities", test_priorities);
    g_test_add_func("/apic/destinations", test_destinations);
    g_test_add_func("/apic/ipi", test_ipi);
    g_test_add_func("/apic/errors", test_errors);
    g_test_add_func("/apic/timer", test_timer);
    g_test_add_func("/apic/flood", test_periodic_flood);
    g_test_add_func("/apic/tsc-deadline", test_tsc_deadline);
    g_test_add_func("/apic/x2apic", test_x2apic);
    g_test_add_func("/apic/extint", test_extint);
    g_test_add_func("/apic/lint", test_lint_nmi);
    g_test_add_func("/apic/msi", test_msi);
    g_test_add_func("/apic/moved-page", test_moved_page);
    g_test_add_func("/apic/directed-eoi", test_directed_eoi);
    g_test_add_func("/apic/starved", test_starved);
    g_test_add_func("/apic/extint-message", test_extint_message);
    g_test_add_func("/apic/lowest-priority-others", test_lowest_priority_others);
    g_test_add_func("/apic/lint-modes", test_lint_modes);
    g_test_add_func("/apic/remote-irr-written-back", test_remote_irr_written_back);
    g_test_add_func("/ioapic/events", test_ioapic_events);
    g_test_add_func("/ioapic/edge", test_ioapic_edge);
    g_test_add_func("/ioapic/level", test_ioapic_level);
    return g_test_run();
}
