/* SPDX-License-Identifier: MIT */
/* HPET: registers, one-shot and periodic timers of 32 and 64 bits, edge, level and message
 * interrupts, legacy replacement; alone and on the board. */
#include "tests/device/isa-bench.h"

#include "hw/apic.h"
#include "hw/hpet.h"
#include "target/i386/cpu.h"

enum { /* registers */
       CAPABILITIES = 0x000,
       CONFIG = 0x010,
       STATUS = 0x020,
       COUNTER = 0x0f0,
       TIMER0 = 0x100,
       TIMER1 = 0x120,
       TIMER2 = 0x140,
       COMPARATOR = 8,
       ROUTE = 16
};

enum { LEVEL = 2, ENABLE = 4, PERIODIC = 8, SET_VALUE = 0x40, NARROW = 0x100, FSB = 0x4000 };

static bool pit_heard;
static unsigned rises[HPET_OUTPUT_COUNT];
static bool levels[HPET_OUTPUT_COUNT];
static Hpet *hpet;

static void record(void *owner, unsigned n, bool level)
{
    rises[n] += level && !levels[n];
    levels[n] = level;
}

static void set_pit_heard(void *owner, unsigned n, bool level)
{
    pit_heard = level;
}

static void make(const char *timers, const char *msi)
{
    hpet = (Hpet *)device_new("hpet", NULL);
    object_set((Object *)hpet, "timers", timers, NULL);
    object_set((Object *)hpet, "msi", msi, NULL);
    object_set((Object *)hpet, "hpet-intcap", "0x900004", NULL); /* 2, 20, 23 */
    hpet_set_memory(hpet, &bench.memory);
    for (unsigned i = 0; i < HPET_OUTPUT_COUNT; i++) {
        hpet_set_output(hpet, i, (Irq){.set = record, .n = i});
        rises[i] = 0;
        levels[i] = false;
    }
    hpet_set_pit_heard(hpet, (Irq){.set = set_pit_heard});
    bench_start(hpet);
}

static void drop(void)
{
    object_free((Object *)hpet);
}

static uint64_t get(unsigned reg)
{
    return address_space_load(&address_space_memory, HPET_BASE + reg, 8, NULL);
}

static uint32_t get4(unsigned reg)
{
    return (uint32_t)address_space_load(&address_space_memory, HPET_BASE + reg, 4, NULL);
}

static void set(unsigned reg, uint64_t value)
{
    address_space_store(&address_space_memory, HPET_BASE + reg, value, 8);
}

static void set4(unsigned reg, uint32_t value)
{
    address_space_store(&address_space_memory, HPET_BASE + reg, value, 4);
}

static void advance_ticks(int64_t ticks)
{
    advance_ns(ticks * 10);
}

/* 2.3.4, 2.3.8 */
static void test_capabilities(void)
{
    make("3", "off");
    g_assert_cmphex(get(CAPABILITIES), ==, 0x009896808086a201); /* 10 ns in femtoseconds */
    g_assert_cmphex(get4(CAPABILITIES + 4), ==, 0x00989680);
    set(CAPABILITIES, 0);
    g_assert_cmphex(get(CAPABILITIES), ==, 0x009896808086a201);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(get(TIMER0 + 0x20 * i), ==, 0x0090000400000030);
        g_assert_cmphex(get(TIMER0 + 0x20 * i + COMPARATOR), ==, UINT64_MAX);
    }
    g_assert_cmphex(get(TIMER0 + 0x60), ==, 0); /* there is no fourth */
    set(TIMER0 + 0x60, UINT64_MAX);
    g_assert_cmphex(get(TIMER0 + 0x60), ==, 0);
    set(TIMER0, UINT64_MAX & ~0x3e00ull);
    g_assert_cmphex(get(TIMER0), ==, 0x009000040000013e); /* no messages, SET_VALUE reads 0 */
    g_assert_cmphex(address_space_load(&address_space_memory, HPET_BASE, 1, NULL), ==, 0xff);
    drop();
    make("24", "on");
    g_assert_cmphex(get4(CAPABILITIES), ==, 0x8086b701);
    g_assert_cmphex(get(TIMER0 + 0x20 * 23), ==, 0x0090000400008030);
    drop();
}

static void test_bad_properties(void)
{
    Error *err = NULL;
    Device *dev = device_new("hpet", NULL);

    object_set(&dev->obj, "timers", "2", NULL);
    g_assert_false(object_realize(&dev->obj, &err));
    g_assert_nonnull(strstr(error_message(err), "3 to 24"));
    error_free(err);
    object_free(&dev->obj);
}

/* 2.3.5, 2.3.7 */
static void test_counter(void)
{
    make("3", "off");
    advance_ticks(100);
    g_assert_cmpuint(get(COUNTER), ==, 0);
    set(COUNTER, 0xfffffff0);
    set(CONFIG, 1);
    advance_ticks(0x20);
    g_assert_cmphex(get(COUNTER), ==, 0x100000010);
    g_assert_cmphex(get4(COUNTER), ==, 0x10);
    g_assert_cmphex(get4(COUNTER + 4), ==, 1);
    set(COUNTER, 5); /* running: not taken */
    g_assert_cmphex(get(COUNTER), ==, 0x100000010);
    set(CONFIG, 0);
    advance_ticks(1000);
    g_assert_cmphex(get(COUNTER), ==, 0x100000010);
    set4(COUNTER + 4, 7);
    g_assert_cmphex(get(COUNTER), ==, 0x700000010);
    set(CONFIG, 1);
    advance_ns(19);
    g_assert_cmphex(get(COUNTER), ==, 0x700000011);
    drop();
}

/* 2.3.9.2.1 */
static void test_one_shot(void)
{
    make("3", "off");
    set(TIMER2, ENABLE | 20 << 9);
    set(TIMER2 + COMPARATOR, 1000);
    set(CONFIG, 1);
    advance_ticks(999);
    g_assert_cmpuint(rises[20], ==, 0);
    advance_ticks(1);
    g_assert_cmpuint(rises[20], ==, 1);
    g_assert_true(levels[20]); /* lasts, for receivers that look late */
    g_assert_cmphex(get(STATUS), ==, 0);
    g_assert_cmphex(get(TIMER2 + COMPARATOR), ==, 1000);
    set(TIMER2 + COMPARATOR, 1000); /* too late: the counter has passed it */
    advance_ticks(1000000);
    g_assert_cmpuint(rises[20], ==, 1);
    set(TIMER2 + COMPARATOR, get(COUNTER) + 50);
    advance_ticks(50);
    g_assert_cmpuint(rises[20], ==, 2);
    set(TIMER2, 20 << 9); /* no interrupt wanted */
    g_assert_false(levels[20]);
    set(TIMER2 + COMPARATOR, get(COUNTER) + 50);
    advance_ticks(50);
    g_assert_cmpuint(rises[20], ==, 2);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    drop();
}

static void test_one_shot_32(void)
{
    make("3", "off");
    set(TIMER1, ENABLE | NARROW | 20 << 9);
    g_assert_cmphex(get(TIMER1 + COMPARATOR), ==, UINT32_MAX);
    set(TIMER1 + COMPARATOR, 0x500000010); /* the upper half is not there */
    g_assert_cmphex(get(TIMER1 + COMPARATOR), ==, 0x10);
    set(COUNTER, 0x1fffffff0);
    set(CONFIG, 1);
    advance_ticks(0x0f);
    g_assert_cmpuint(rises[20], ==, 0);
    advance_ticks(1); /* wraps */
    g_assert_cmpuint(rises[20], ==, 1);
    advance_ticks(0x10);
    g_assert_cmpuint(rises[20], ==, 2);
    advance_ticks(0x100000000);
    g_assert_cmpuint(rises[20], ==, 4);
    drop();
}

/* 2.3.9.2.2 */
static void test_periodic(void)
{
    make("3", "off");
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 5000);  /* the first match, and the period */
    set(TIMER0 + COMPARATOR, 10000); /* the period alone */
    set(CONFIG, 1);
    g_assert_cmpuint(get(TIMER0 + COMPARATOR), ==, 5000);
    advance_ticks(5000);
    g_assert_cmpuint(rises[20], ==, 1);
    g_assert_cmpuint(get(TIMER0 + COMPARATOR), ==, 15000);
    advance_ticks(9999);
    g_assert_cmpuint(rises[20], ==, 1);
    for (unsigned i = 2; i < 100; i++) {
        advance_ticks(i == 2 ? 1 : 10000);
        g_assert_cmpuint(rises[20], ==, i);
    }
    set(TIMER0, ENABLE | 20 << 9); /* one-shot from now on */
    advance_ticks(100000);
    g_assert_cmpuint(rises[20], ==, 100);
    drop();
}

static void test_periodic_32(void)
{
    make("3", "off");
    set(COUNTER, 0xffffff00);
    set4(TIMER0, ENABLE | PERIODIC | SET_VALUE | NARROW | 20 << 9);
    set4(TIMER0 + COMPARATOR, 0xffffff80);
    set4(TIMER0 + COMPARATOR, 0x10000);
    set4(CONFIG, 1);
    advance_ticks(0x80);
    g_assert_cmpuint(rises[20], ==, 1);
    g_assert_cmphex(get(TIMER0 + COMPARATOR), ==, 0xff80); /* across the wrap */
    advance_ticks(0x10000);
    g_assert_cmpuint(rises[20], ==, 2);
    set4(CONFIG, 0); /* halted: nothing happens */
    advance_ticks(0x100000);
    g_assert_cmpuint(rises[20], ==, 2);
    set4(CONFIG, 1);
    advance_ticks(0x10000);
    g_assert_cmpuint(rises[20], ==, 3);
    drop();
}

/* A period of one tick must not keep the main loop busy. */
static void test_flood(void)
{
    make("3", "off");
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 1);
    set(CONFIG, 1);
    advance_ns(1000000);
    g_assert_cmpuint(rises[20], >=, 40);
    g_assert_cmpuint(rises[20], <=, 60);
    drop();
}

/* A host that was busy for five and a half periods: the edges come after all, one by one. */
static void test_late(void)
{
    make("3", "off");
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 100000); /* 1 ms */
    set(CONFIG, 1);
    advance_ticks(100000);
    g_assert_cmpuint(rises[20], ==, 1);
    clock_virtual_set_ns(clock_now_ns(CLOCK_TYPE_VIRTUAL) + 5500000);
    advance_ticks(1);
    g_assert_cmpuint(rises[20], ==, 2);
    g_assert_cmpuint(get(TIMER0 + COMPARATOR), ==, 700000);
    g_assert_cmpuint(rises[20], ==, 2);
    advance_ticks(7000);
    g_assert_cmpuint(rises[20], ==, 3);
    advance_ticks(1043000);
    g_assert_cmpuint(rises[20], ==, 17);
    clock_virtual_set_ns(clock_now_ns(CLOCK_TYPE_VIRTUAL) + 100 * NS_PER_SECOND);
    rises[20] = 0;
    advance_ns(5 * NS_PER_SECOND); /* no more than a second is made good */
    g_assert_cmpuint(rises[20], >=, 5995);
    g_assert_cmpuint(rises[20], <=, 6005);
    clock_virtual_set_ns(clock_now_ns(CLOCK_TYPE_VIRTUAL) + 5500000);
    advance_ticks(1);
    set(TIMER0, ENABLE | PERIODIC | 20 << 9); /* who programs it anew is owed nothing */
    rises[20] = 0;
    advance_ticks(49000);
    g_assert_cmpuint(rises[20], ==, 0);
    advance_ticks(1000);
    g_assert_cmpuint(rises[20], ==, 1);
    drop();
}

/* A quick period behind a slow one has its first edge in time. */
static void test_quicker(void)
{
    make("3", "off");
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 10000000); /* 100 ms */
    set(CONFIG, 1);
    advance_ticks(10000000);
    g_assert_cmpuint(rises[20], ==, 1);
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 10100000);
    set(TIMER0 + COMPARATOR, 100000); /* 1 ms */
    advance_ticks(100000);
    g_assert_cmpuint(rises[20], ==, 2);
    advance_ticks(100000);
    g_assert_cmpuint(rises[20], ==, 3);
    drop();
}

static IrqState state;

static IrqState say_state(void *owner, unsigned n)
{
    return state;
}

/* Edges for a CPU that the host does not run come when it does. */
static void test_starved(void)
{
    make("3", "off");
    hpet_set_output(hpet, 20, (Irq){.set = record, .state = say_state, .n = 20});
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | 20 << 9);
    set(TIMER0 + COMPARATOR, 100000); /* 1 ms */
    set(CONFIG, 1);
    state = IRQ_STARVED;
    advance_ticks(550000);
    g_assert_cmpuint(rises[20], ==, 0);
    state = IRQ_FREE;
    advance_ticks(25000);
    g_assert_cmpuint(rises[20], >=, 1);
    advance_ticks(35000);
    g_assert_cmpuint(rises[20], ==, 6);
    set(TIMER0, ENABLE | PERIODIC | LEVEL | 20 << 9); /* a level waits by itself */
    state = IRQ_STARVED;
    set(STATUS, 1);
    rises[20] = 0;
    advance_ticks(100000);
    g_assert_cmpuint(rises[20], ==, 1);
    drop();
}

/* A match beyond the end of the guest clock is not one in the past. */
static void test_far(void)
{
    make("3", "off");
    set(TIMER0, ENABLE);
    set(TIMER0 + COMPARATOR, INT64_MAX / 10);
    advance_ns(1000);
    set(CONFIG, 1);
    advance_ns(1000);
    g_assert_cmpint(loop_deadline_ns(main_loop(), CLOCK_TYPE_VIRTUAL), ==, TIMER_OFF);
    g_assert_cmpuint(rises[0], ==, 0);
    drop();
}

/* 2.3.6, 2.3.5 */
static void test_level(void)
{
    make("3", "off");
    set(TIMER2, ENABLE | LEVEL | 23 << 9);
    set(TIMER2 + COMPARATOR, 100);
    set(TIMER1, LEVEL | 20 << 9);
    set(TIMER1 + COMPARATOR, 100);
    set(CONFIG, 1);
    advance_ticks(100);
    g_assert_cmphex(get(STATUS), ==, 6); /* also of the one that has no interrupt */
    g_assert_true(levels[23]);
    g_assert_false(levels[20]);
    set(STATUS, 2);
    g_assert_true(levels[23]);
    g_assert_cmphex(get(STATUS), ==, 4);
    set(CONFIG, 0); /* no interrupt, but the status stays */
    g_assert_false(levels[23]);
    g_assert_cmphex(get(STATUS), ==, 4);
    set(CONFIG, 1);
    g_assert_true(levels[23]);
    set(TIMER2, LEVEL | 23 << 9);
    g_assert_false(levels[23]);
    set(TIMER2, ENABLE | LEVEL | 20 << 9); /* another line */
    g_assert_true(levels[20]);
    set(STATUS, 4);
    g_assert_false(levels[20]);
    g_assert_cmphex(get(STATUS), ==, 0);
    drop();
}

static void test_routes(void)
{
    make("3", "off");
    set(TIMER2, 20 << 9);
    set(TIMER2, ENABLE | 21 << 9); /* not among the capabilities: the old one stays */
    g_assert_cmphex(get4(TIMER2), ==, 0x30 | ENABLE | 20 << 9);
    set(TIMER2, 2 << 9);
    g_assert_cmphex(get4(TIMER2), ==, 0x30 | 2 << 9);
    drop();
}

/* 2.2.4: IRQ 0 and 8 belong to timers 0 and 1. */
static void test_legacy(void)
{
    make("3", "off");
    irq_raise(hpet_legacy_input(hpet, HPET_LEGACY_PIT));
    irq_raise(hpet_legacy_input(hpet, HPET_LEGACY_RTC));
    g_assert_true(levels[0] && levels[8]);
    irq_lower(hpet_legacy_input(hpet, HPET_LEGACY_PIT));
    g_assert_false(levels[0]);
    g_assert_true(levels[8]);
    g_assert_true(pit_heard);
    set(CONFIG, 3);
    g_assert_false(levels[8] || pit_heard);
    irq_raise(hpet_legacy_input(hpet, HPET_LEGACY_PIT));
    g_assert_false(levels[0]);
    rises[0] = rises[8] = 0;
    set(TIMER0, ENABLE | 20 << 9);
    set(TIMER0 + COMPARATOR, 100);
    set(TIMER1, ENABLE | LEVEL | 20 << 9);
    set(TIMER1 + COMPARATOR, 100);
    set(TIMER2, ENABLE | 20 << 9);
    set(TIMER2 + COMPARATOR, 100);
    advance_ticks(100);
    g_assert_cmpuint(rises[0], ==, 1);
    g_assert_true(levels[8]);
    g_assert_cmpuint(rises[20], ==, 1); /* the third is not replaced */
    set(STATUS, 7);
    set(CONFIG, 1);
    g_assert_true(levels[0] && levels[8]); /* back to what the older timers say */
    g_assert_true(pit_heard);
    drop();
}

static void test_message(void)
{
    X86Cpu *cpu = cpu_new(0, NULL);
    Apic *apic = (Apic *)device_new("apic", NULL);

    apic_attach(apic, cpu, NULL);
    bench_start(apic);
    address_space_store(&address_space_memory, APIC_DEFAULT_BASE + 0xf0, 0, 4);
    make("3", "on");
    apic_deliver(0, false, APIC_NMI, 0, false);
    g_assert_true(cpu->events & CPU_EVENT_NMI);
    cpu_clear_event(cpu, CPU_EVENT_NMI);
    set(TIMER1, ENABLE | FSB);
    set(TIMER1 + ROUTE, 0xfee0000000000400); /* NMI to CPU 0 */
    set(TIMER1 + COMPARATOR, 100);
    set(CONFIG, 1);
    advance_ticks(100);
    g_assert_true(cpu->events & CPU_EVENT_NMI);
    cpu_clear_event(cpu, CPU_EVENT_NMI);
    set(TIMER1 + ROUTE, 0xfed0010800000400); /* into its own registers: nobody listens */
    set(TIMER1 + COMPARATOR, 200);
    advance_ticks(100);
    g_assert_cmphex(get(TIMER1 + COMPARATOR), ==, 200);
    g_assert_false(cpu->events & CPU_EVENT_NMI);
    drop();
    object_free((Object *)apic);
}

static void test_reset(void)
{
    make("3", "on");
    set(TIMER1, ENABLE | LEVEL | FSB);
    set(CONFIG, 3);
    advance_ticks(100);
    object_reset((Object *)hpet);
    g_assert_cmphex(get(CONFIG), ==, 0);
    g_assert_cmphex(get(COUNTER), ==, 0);
    g_assert_cmphex(get(TIMER1), ==, 0x0090000400008030);
    drop();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    g_assert_true(cpu_model_select(NULL, NULL));
    g_test_add_func("/hpet/capabilities", test_capabilities);
    g_test_add_func("/hpet/bad-properties", test_bad_properties);
    g_test_add_func("/hpet/counter", test_counter);
    g_test_add_func("/hpet/one-shot", test_one_shot);
    g_test_add_func("/hpet/one-shot-32", test_one_shot_32);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/periodic-32", test_periodic_32);
    g_test_add_func("/hpet/flood", test_flood);
    g_test_add_func("/hpet/late", test_late);
    g_test_add_func("/hpet/quicker", test_quicker);
    g_test_add_func("/hpet/starved", test_starved);
    g_test_add_func("/hpet/far", test_far);
    g_test_add_func("/hpet/level", test_level);
    g_test_add_func("/hpet/routes", test_routes);
    g_test_add_func("/hpet/legacy", test_legacy);
    g_test_add_func("/hpet/message", test_message);
    g_test_add_func("/hpet/reset", test_reset);
    return g_test_run();
}
