/* SPDX-License-Identifier: MIT */
/* A CPU without an accelerator: reset, derived mode and limits, wake-ups, the TSC, and what the
 * monitor prints of it. */
#include "softmmu/memory.h"
#include "softmmu/run.h"
#include "target/i386/cpu-model.h"
#include "target/i386/tsc.h"
#include "util/object.h"

#include <string.h>

#define RAM_SIZE 0x200000u

static Region root, ram_region;
static RamBlock *ram;
static X86Cpu *bsp, *ap;

static void make_machine(void)
{
    RegionDesc container = {.name = "memory", .kind = REGION_CONTAINER, .size = UINT64_MAX};
    RegionDesc desc = {.name = "ram", .kind = REGION_RAM, .size = RAM_SIZE};

    machine_lock();
    ram = ram_block_new(&(RamDesc){.name = "ram", .size = RAM_SIZE}, NULL);
    g_assert_nonnull(ram);
    desc.ram = ram;
    region_init(&root, &container);
    region_init(&ram_region, &desc);
    region_add(&root, 0, &ram_region, 0);
    address_space_init(&address_space_memory, &root, "memory");
    g_assert_true(cpu_model_select("qemu64", NULL));
    bsp = cpu_new(0, NULL);
    ap = cpu_new(1, NULL);
    g_assert_nonnull(bsp);
    g_assert_nonnull(ap);
}

static void check_value(Object *obj, const char *field, const char *expected)
{
    g_autofree char *value = object_get(obj, field, NULL);

    g_assert_cmpstr(value, ==, expected);
}

/* CPUs made with a machine are in its tree; their objects go with it, they stay. */
static void test_object(void)
{
    Object *machine = object_container("/machine"), *obj;
    X86Cpu *cpu = cpu_new(2, NULL);

    obj = object_resolve("/machine/unattached/device[0]");
    g_assert_nonnull(obj);
    g_assert_true(cpu->object == obj);
    g_assert_cmpstr(obj->type->name, ==, "qemu64-x86_64-cpu");
    check_value(obj, "apic-id", "2");
    check_value(obj, "family", "15");
    check_value(obj, "vendor", "AuthenticAMD");
    check_value(obj, "sse2", "on");
    check_value(obj, "avx512f", "off");
    check_value(obj, "halted", "on");
    g_assert_false(object_set(obj, "family", "6", NULL));
    object_free(machine);
    g_assert_null(cpu->object);
    g_assert_null(bsp->object);
}

static void test_reset(void)
{
    cpu_reset(bsp, false);
    g_assert_cmphex(bsp->rip, ==, 0xfff0);
    g_assert_cmphex(bsp->seg[SEG_CS].base, ==, 0xffff0000);
    g_assert_cmphex(bsp->seg[SEG_CS].selector, ==, 0xf000);
    g_assert_cmphex(bsp->cr0, ==, 0x60000010);
    g_assert_cmphex(bsp->eflags, ==, 2);
    g_assert_cmphex(bsp->gpr[R_RDX], ==, 0x60fb1);
    g_assert_cmphex(bsp->dr[6], ==, 0xffff0ff0);
    g_assert_cmphex(bsp->pat, ==, 0x0007040600070406ull);
    g_assert_false(bsp->halted || bsp->vcpu.halted || bsp->wait_for_sipi);
    g_assert_true(ap->halted && ap->vcpu.halted && ap->wait_for_sipi);
    g_assert_true(cpu_is_bsp(bsp) && !cpu_is_bsp(ap));
    g_assert_true(cpu_get(1) == ap);
    g_assert_null(cpu_get(2));
    g_assert_null(cpu_get(100000));
}

/* INIT keeps FPU state, MSRs, TSC and the cache bits of CR0. */
static void test_init(void)
{
    cpu_reset(bsp, false);
    bsp->cr0 = CR0_PE | CR0_ET;
    bsp->lstar = 0x1234;
    bsp->fpu[160] = 0x77;
    bsp->efer = EFER_SCE;
    bsp->tsc_offset = 99;
    bsp->mtrr_def_type = 0xc06;
    cpu_reset(bsp, true);
    g_assert_cmphex(bsp->cr0, ==, CR0_ET);
    g_assert_cmphex(bsp->lstar, ==, 0x1234);
    g_assert_cmphex(bsp->fpu[160], ==, 0x77);
    g_assert_cmphex(bsp->efer, ==, 0);
    g_assert_cmphex(bsp->tsc_offset, ==, 99);
    g_assert_cmphex(bsp->mtrr_def_type, ==, 0xc06);
    cpu_reset(bsp, false);
    g_assert_cmphex(bsp->lstar, ==, 0);
    g_assert_cmphex(bsp->fpu[160], ==, 0);
    g_assert_cmphex(bsp->tsc_offset, ==, 0);
}

static void set_data(unsigned segment, uint32_t limit, unsigned attributes)
{
    bsp->seg[segment].limit = limit;
    bsp->seg[segment].attributes = (uint16_t)attributes;
    cpu_update_segment(bsp, segment);
}

static void expect_limits(unsigned segment, uint64_t read, uint64_t write)
{
    g_assert_cmphex(bsp->seg[segment].fast_read_limit, ==, read);
    g_assert_cmphex(bsp->seg[segment].fast_write_limit, ==, write);
}

static void test_limits(void)
{
    const unsigned data = SEG_P | SEG_S | SEG_ACCESSED;
    const uint64_t all = 0x100000000ull;

    cpu_reset(bsp, false);
    expect_limits(SEG_DS, 0x10000, 0x10000);
    expect_limits(SEG_CS, 0x10000, 0x10000); /* real mode writes through CS */
    bsp->cr0 |= CR0_PE;
    cpu_update_mode(bsp);
    expect_limits(SEG_DS, 0x10000, 0x10000);
    expect_limits(SEG_CS, 0x10000, 0); /* code: readable, never writable */
    set_data(SEG_ES, UINT32_MAX, data | SEG_WRITABLE);
    expect_limits(SEG_ES, all, all);
    set_data(SEG_ES, 0xfff, data);
    expect_limits(SEG_ES, 0x1000, 0);
    set_data(SEG_ES, 0xfff, data | SEG_WRITABLE | SEG_EXPAND_DOWN);
    expect_limits(SEG_ES, 0, 0);
    set_data(SEG_ES, 0xfff, data | SEG_CODE);
    expect_limits(SEG_ES, 0, 0);
    set_data(SEG_ES, 0xfff, data & ~SEG_P);
    expect_limits(SEG_ES, 0, 0);
    bsp->efer = EFER_LME | EFER_LMA;
    bsp->cr0 |= CR0_PG;
    bsp->seg[SEG_CS].attributes |= SEG_L;
    cpu_update_mode(bsp);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        expect_limits(i, UINT64_MAX, UINT64_MAX);
    }
    bsp->seg[SEG_CS].attributes &= (uint16_t)~SEG_L; /* compatibility mode */
    cpu_update_mode(bsp);
    expect_limits(SEG_ES, 0, 0);
    expect_limits(SEG_DS, 0x10000, 0x10000);
}

static void test_mode(void)
{
    const unsigned flat = SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | SEG_DB | SEG_G;
    const uint32_t base = CPU_MODE_PE | CPU_MODE_FPU | CPU_MODE_WAIT;

    cpu_reset(bsp, false);
    g_assert_cmphex(bsp->mode, ==, CPU_MODE_FPU | CPU_MODE_WAIT);
    bsp->cr0 |= CR0_PE;
    cpu_update_mode(bsp);
    g_assert_cmphex(bsp->mode, ==, base);
    bsp->seg[SEG_CS].base = 0;
    set_data(SEG_CS, UINT32_MAX, flat | SEG_CODE);
    set_data(SEG_DS, UINT32_MAX, flat);
    set_data(SEG_ES, UINT32_MAX, flat);
    g_assert_cmphex(bsp->mode, ==, base | CPU_MODE_CS_D | CPU_MODE_FLAT_CS);
    set_data(SEG_SS, UINT32_MAX, flat);
    g_assert_cmphex(bsp->mode, ==,
                    (base | CPU_MODE_CS_D | CPU_MODE_FLAT_CS | CPU_MODE_SS_B | CPU_MODE_FLAT_DATA));
    set_data(SEG_SS, UINT32_MAX, flat | 3 << SEG_DPL_SHIFT);
    g_assert_cmpuint(bsp->cpl, ==, 0);
    cpu_update_mode(bsp);
    g_assert_cmpuint(bsp->cpl, ==, 3);
    g_assert_cmphex(bsp->mode & CPU_MODE_CPL_MASK, ==, CPU_MODE_CPL_MASK);
    bsp->cr0 |= CR0_TS | CR0_MP;
    bsp->eflags |= EFLAGS_TF;
    cpu_update_mode(bsp);
    g_assert_cmphex(bsp->mode & (CPU_MODE_FPU | CPU_MODE_WAIT | CPU_MODE_TF), ==, CPU_MODE_TF);
    bsp->cr0 &= ~(uint64_t)CR0_TS;
    bsp->cr4 = CR4_OSFXSR | CR4_OSXSAVE;
    bsp->xcr0 = 7;
    cpu_update_mode(bsp);
    g_assert_cmphex(bsp->mode & (CPU_MODE_SSE | CPU_MODE_AVX | CPU_MODE_AVX512), ==,
                    (CPU_MODE_SSE | CPU_MODE_AVX));
    bsp->cr0 |= CR0_EM;
    cpu_update_mode(bsp);
    g_assert_cmphex(bsp->mode & (CPU_MODE_SSE | CPU_MODE_FPU | CPU_MODE_AVX), ==, CPU_MODE_AVX);
    bsp->eflags |= EFLAGS_VM;
    cpu_update_mode(bsp);
    g_assert_cmphex(bsp->mode & (CPU_MODE_AVX | CPU_MODE_VM), ==, CPU_MODE_VM);
    cpu_reset(bsp, false);
}

static bool has_work(X86Cpu *cpu)
{
    return cpu->vcpu.has_work(&cpu->vcpu);
}

static void test_events(void)
{
    cpu_reset(bsp, false);
    cpu_reset(ap, false);
    g_assert_false(has_work(bsp));
    cpu_raise_event(bsp, CPU_EVENT_INTR);
    g_assert_false(has_work(bsp)); /* IF is clear */
    bsp->eflags |= EFLAGS_IF;
    g_assert_true(has_work(bsp));
    cpu_clear_event(bsp, CPU_EVENT_INTR);
    g_assert_false(has_work(bsp));
    cpu_raise_event(bsp, CPU_EVENT_NMI);
    g_assert_true(has_work(bsp));
    bsp->nmi_masked = true;
    g_assert_false(has_work(bsp));
    cpu_raise_event(ap, CPU_EVENT_INTR | CPU_EVENT_NMI | CPU_EVENT_SMI);
    ap->eflags |= EFLAGS_IF;
    g_assert_false(has_work(ap)); /* only INIT and SIPI count */
    cpu_raise_event(ap, CPU_EVENT_SIPI);
    g_assert_true(has_work(ap));
    cpu_reset(bsp, false);
    cpu_reset(ap, false);
    g_assert_cmpint(ap->events, ==, 0);
}

static void test_tsc(void)
{
    uint64_t hz = cpu_tsc_frequency_hz(), start = cpu_read_tsc(bsp), end;
    int64_t before = clock_now_ns(CLOCK_TYPE_VIRTUAL), deadline;

    g_assert_cmpuint(hz, >, 100000000);
    g_assert_cmpuint(hz, ==, cpu_tsc_frequency_hz());
    deadline = cpu_tsc_to_virtual_ns(bsp, start + hz);
    g_assert_cmpint(deadline - before, >, 900000000);
    g_assert_cmpint(deadline - clock_now_ns(CLOCK_TYPE_VIRTUAL), <=, 1000100000);
    g_assert_cmpint(cpu_tsc_to_virtual_ns(bsp, UINT64_MAX), <, TIMER_OFF);
    g_assert_cmpint(cpu_tsc_to_virtual_ns(bsp, 0), <=, clock_now_ns(CLOCK_TYPE_VIRTUAL));

    clock_virtual_set_running(true);
    cpu_tsc_resume();
    start = cpu_read_tsc(bsp);
    clock_virtual_set_running(false);
    g_usleep(60000);
    clock_virtual_set_running(true);
    cpu_tsc_resume();
    end = cpu_read_tsc(bsp);
    g_assert_cmpuint(end, >, start);
    g_assert_cmpuint(end - start, <, hz / 25); /* under 40 of the 60 ms that were stopped */
    start = cpu_read_tsc(bsp);
    g_usleep(20000);
    cpu_tsc_resume();
    g_assert_cmpuint(cpu_read_tsc(bsp) - start, >, hz / 55); /* and 20 ms that were not */
    clock_virtual_set_running(false);
}

static void test_a20(void)
{
    uint64_t physical = 0;

    cpu_reset(bsp, false);
    cpu_set_a20(bsp, false);
    g_assert_true(cpu_debug_translate(bsp, 0x100abc, &physical));
    g_assert_cmphex(physical, ==, 0xabc);
    cpu_set_a20(bsp, true);
    g_assert_true(cpu_debug_translate(bsp, 0x100abc, &physical));
    g_assert_cmphex(physical, ==, 0x100abc);
}

static void test_registers_text(void)
{
    g_autofree char *text = NULL;

    cpu_reset(bsp, false);
    text = cpu_registers_text(bsp);
    g_assert_true(
        g_str_has_prefix(text, "EAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\n"
                               "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\n"
                               "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\n"
                               "ES =0000 00000000 0000ffff 00009300\n"
                               "CS =f000 ffff0000 0000ffff 00009b00\n"));
    g_assert_nonnull(strstr(text, "\nLDT=0000 00000000 0000ffff 00008200\n"
                                  "TR =0000 00000000 0000ffff 00008b00\n"
                                  "GDT=     00000000 0000ffff\n"
                                  "IDT=     00000000 0000ffff\n"
                                  "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n"));
    g_assert_nonnull(strstr(text, "\nEFER=0000000000000000\n"));
    g_assert_nonnull(
        strstr(text, "[ST=0] FTW=ff MXCSR=00001f80\nFPR0=0000000000000000 0000 FPR1="));
    g_assert_null(strstr(text, "XMM08"));

    g_free(text);
    bsp->cr0 |= CR0_PE;
    bsp->efer = EFER_LMA;
    bsp->seg[SEG_CS].attributes = SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED | SEG_L;
    bsp->gpr[R_R8] = 0xfeedfacecafebeefull;
    cpu_update_mode(bsp);
    text = cpu_registers_text(bsp);
    g_assert_nonnull(strstr(text, "\nR8 =feedfacecafebeef R9 =0000000000000000 R10="));
    g_assert_nonnull(
        strstr(text, "\nCS =f000 00000000ffff0000 0000ffff 00209b00 DPL=0 CS64 [-RA]\n"));
    g_assert_nonnull(
        strstr(text, "\nDS =0000 0000000000000000 0000ffff 00009300 DPL=0 DS16 [-WA]\n"));
    g_assert_nonnull(strstr(text, "DPL=0 TSS64-busy\n"));
    g_assert_nonnull(strstr(text, "XMM15"));
    cpu_reset(bsp, false);
}

static void put64(uint64_t address, uint64_t value)
{
    memcpy(ram->host + address, &value, 8);
}

static void expect_text(bool each_page, const char *expected)
{
    g_autofree char *text = cpu_mappings_text(bsp, each_page);

    g_assert_cmpstr(text, ==, expected);
}

static void test_mappings(void)
{
    uint64_t physical;

    cpu_reset(bsp, false);
    expect_text(false, "PG disabled\n");
    bsp->cr0 |= CR0_PE | CR0_PG;
    bsp->cr4 = CR4_PAE;
    bsp->efer = EFER_LMA;
    bsp->cr3 = 0x1000;
    memset(ram->host, 0, 0x10000);
    put64(0x1000, 0x2007);
    put64(0x1000 + 511 * 8, 0x2003);
    put64(0x2000, 0x3007);
    put64(0x2000 + 8, 0x9000000000007ull); /* a table outside of memory */
    put64(0x3000, 0x4007);
    put64(0x3000 + 8, 0x200081 | 1ull << 63);
    put64(0x4000, 0x5067);
    put64(0x4000 + 8, 0x7003);
    expect_text(true, "0000000000000000: 0000000000005000 ---DA--UW\n"
                      "0000000000001000: 0000000000007000 --------W\n"
                      "0000000000200000: 0000000000200000 X-P------\n"
                      "ffffff8000000000: 0000000000005000 ---DA--UW\n"
                      "ffffff8000001000: 0000000000007000 --------W\n"
                      "ffffff8000200000: 0000000000200000 X-P------\n");
    expect_text(false, "0000000000000000-0000000000001000 0000000000001000 urw\n"
                       "0000000000001000-0000000000002000 0000000000001000 -rw\n"
                       "0000000000200000-0000000000400000 0000000000200000 -r-\n"
                       "ffffff8000000000-ffffff8000002000 0000000000002000 -rw\n"
                       "ffffff8000200000-ffffff8000400000 0000000000200000 -r-\n");
    g_assert_true(cpu_debug_translate(bsp, 0xffffff8000201234ull, &physical));
    g_assert_cmphex(physical, ==, 0x201234);
    g_assert_true(cpu_debug_translate(bsp, 0x1234, &physical));
    g_assert_cmphex(physical, ==, 0x7234);
    g_assert_false(cpu_debug_translate(bsp, 0x2000, &physical));
    g_assert_false(cpu_debug_translate(bsp, 0x40000000, &physical));
    cpu_reset(bsp, false);
}

/* Every entry of the one table points at the table: the listing ends all the same. */
static void test_recursive_tables(void)
{
    g_autofree char *text = NULL;

    cpu_reset(bsp, false);
    bsp->cr0 |= CR0_PE | CR0_PG;
    bsp->cr4 = CR4_PAE;
    bsp->efer = EFER_LMA;
    bsp->cr3 = 0x1000;
    for (unsigned i = 0; i < 512; i++) {
        put64(0x1000 + i * 8, 0x1007);
    }
    text = cpu_mappings_text(bsp, true);
    g_assert_true(g_str_has_suffix(text, "(cut here: too many entries)\n"));
    cpu_reset(bsp, false);
}

/* The guest's counter, read so close to the host's that no other thread ran between them. */
static uint64_t read_both(uint64_t host_hz, uint64_t *ret_host)
{
    uint64_t before, guest;

    do {
        before = __rdtsc();
        guest = cpu_read_tsc(bsp);
        *ret_host = __rdtsc();
    } while (*ret_host - before > host_hz / 20000);
    return guest;
}

/* The counter runs at the rate that was asked for, and deadlines go by it. */
static void test_tsc_frequency(void)
{
    uint64_t host_hz = cpu_tsc_frequency_hz(), start, host_start, guest, host;
    const uint64_t hz = 1234567890;
    int64_t deadline;

    tsc_set_frequency(hz);
    g_assert_cmpuint(cpu_tsc_frequency_hz(), ==, hz);
    start = read_both(host_hz, &host_start);
    do {
        guest = read_both(host_hz, &host) - start;
        host -= host_start;
    } while (host < host_hz / 50);
    g_assert_cmpfloat_with_epsilon((double)guest / (double)host, (double)hz / (double)host_hz,
                                   0.01 * (double)hz / (double)host_hz);
    deadline = cpu_tsc_to_virtual_ns(bsp, cpu_read_tsc(bsp) + hz);
    g_assert_cmpint(llabs(deadline - clock_now_ns(CLOCK_TYPE_VIRTUAL) - NS_PER_SECOND), <,
                    NS_PER_SECOND / 100);
    tsc_set_frequency(0);
    g_assert_cmpuint(cpu_tsc_frequency_hz(), ==, host_hz);
}

/* APIC ids leave gaps where a count is no power of two. */
static void test_topology(void)
{
    static const struct {
        CpuTopology shape;
        uint32_t ids[8];
    } cases[] = {
        {{1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7}},  {{1, 3, 1}, {0, 1, 2, 4, 5, 6, 8, 9}},
        {{1, 3, 2}, {0, 1, 2, 3, 4, 5, 8, 9}},  {{2, 1, 3}, {0, 1, 2, 4, 5, 6, 8, 9}},
        {{3, 1, 2}, {0, 1, 2, 3, 4, 5, 8, 9}},  {{3, 3, 1}, {0, 1, 2, 4, 5, 6, 8, 9}},
        {{1, 1, 5}, {0, 1, 2, 3, 4, 8, 9, 10}},
    };
    CpuTopology wide = {.dies = 3, .cores = 5, .threads = 3};
    CpuTopology one = {.dies = 1, .cores = 1, .threads = 1};
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_true(cpu_topology_set(&cases[i].shape, 8, NULL));
        for (unsigned n = 0; n < 8; n++) {
            g_assert_cmpuint(cpu_apic_id(n), ==, cases[i].ids[n]);
        }
    }
    g_assert_true(cpu_topology_set(&wide, 90, NULL));
    g_assert_false(cpu_topology_set(&wide, 91, &err));
    g_assert_cmpstr(error_message(err), ==,
                    "-smp: the last CPU of this shape would have APIC id 256; 254 is the highest");
    error_free(err);
    g_assert_true(cpu_topology_set(&one, 1, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_machine();
    g_test_add_func("/cpu/reset", test_reset);
    g_test_add_func("/cpu/init", test_init);
    g_test_add_func("/cpu/limits", test_limits);
    g_test_add_func("/cpu/mode", test_mode);
    g_test_add_func("/cpu/events", test_events);
    g_test_add_func("/cpu/tsc", test_tsc);
    g_test_add_func("/cpu/a20", test_a20);
    g_test_add_func("/cpu/registers-text", test_registers_text);
    g_test_add_func("/cpu/mappings", test_mappings);
    g_test_add_func("/cpu/recursive-tables", test_recursive_tables);
    g_test_add_func("/cpu/object", test_object);
    g_test_add_func("/cpu/tsc-frequency", test_tsc_frequency);
    g_test_add_func("/cpu/topology", test_topology);
    return g_test_run();
}
