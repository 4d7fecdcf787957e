/* SPDX-License-Identifier: MIT */
/* Every MSR: who has it, what it holds after reset, which bits may be set, what is #GP.
 * Intel SDM vol. 4, AMD APM vol. 2 app. A. */
#include <string.h>

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"

#define INTEL_CPU "max,vendor=GenuineIntel,family=6,model=85,phys-bits=40,+la57"
#define AMD_CPU "max,vendor=AuthenticAMD,family=23,model=1,phys-bits=40,+la57"
#define LATER_AMD_RESET HWCR_TSC_FREQ_SEL

static X86Cpu *cpu;

static void use(const char *text)
{
    Error *err = NULL;

    g_assert_true(cpu_model_select(text, &err));
    if (!cpu) {
        cpu = cpu_new(0, NULL);
    }
    cpu_reset(cpu, false);
}

static bool get(uint32_t msr, uint64_t *ret_value)
{
    cpu->fault.vector = VECTOR_NONE;
    cpu->gpr[R_RCX] = msr;
    if (helper_rdmsr(cpu, NULL) != INSN_NEXT) {
        g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_GP);
        g_assert_cmphex(cpu->fault.error_code, ==, 0);
        return false;
    }
    *ret_value = cpu->gpr[R_RDX] << 32 | cpu->gpr[R_RAX];
    return true;
}

static bool set(uint32_t msr, uint64_t value)
{
    cpu->fault.vector = VECTOR_NONE;
    cpu->gpr[R_RCX] = msr;
    cpu->gpr[R_RAX] = (uint32_t)value;
    cpu->gpr[R_RDX] = value >> 32;
    if (helper_wrmsr(cpu, NULL) != INSN_NEXT) {
        g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_GP);
        return false;
    }
    return true;
}

static uint64_t must_get(uint32_t msr)
{
    uint64_t value = 0;

    g_assert_true(get(msr, &value));
    return value;
}

static void expect_stored(uint32_t msr, uint64_t value)
{
    g_assert_true(set(msr, value));
    g_assert_cmphex(must_get(msr), ==, value);
}

/* -- MSRs whose bits stand for themselves ------------------------------------------------------ */

enum { INTEL = 1, AMD = 2, BOTH = 3 };
typedef enum Beyond { FAULTS, DROPS } Beyond;

/* `writable` bits are kept; any other faults or is dropped. */
static const struct {
    uint32_t msr;
    unsigned vendors;
    uint64_t reset, writable;
    Beyond beyond;
} plain[] = {
    {0x0, BOTH, 0, 0, DROPS},
    {0x1, BOTH, 0, 0, DROPS},
    {MSR_PLATFORM_ID, INTEL, 0, 0, FAULTS},
    {0x2a, BOTH, 0, 0, DROPS},
    {0x34, INTEL, 0, 0, FAULTS},
    {MSR_FEATURE_CONTROL, INTEL, 1, 0, FAULTS}, /* locked */
    {MSR_SPEC_CTRL, BOTH, 0, 7, FAULTS},
    {MSR_BIOS_SIGN, INTEL, 1ull << 32, UINT64_MAX, FAULTS},
    {MSR_BIOS_SIGN, AMD, 0x01000065, 0, DROPS},
    {0xc1, INTEL, 0, 0, DROPS},
    {0xc2, INTEL, 0, 0, DROPS},
    {0xce, INTEL, 1ull << 31, 0, FAULTS},
    {MSR_MTRRCAP, BOTH, 0x508, 0, FAULTS},
    {0x11e, INTEL, 0xbe702111, 0, DROPS},
    {MSR_MISC_FEATURES, INTEL, 0, 1, FAULTS},
    {MSR_SYSENTER_CS, BOTH, 0, UINT32_MAX, DROPS},
    {MSR_PKRS, BOTH, 0, UINT32_MAX, FAULTS},
    {MSR_MCG_CAP, BOTH, 0x10a, 0, FAULTS},
    {MSR_MCG_STATUS, BOTH, 0, 7, FAULTS},
    {MSR_MCG_CTL, BOTH, UINT64_MAX, UINT64_MAX, FAULTS},
    {0x186, INTEL, 0, 0, DROPS},
    {0x198, INTEL, 0x100000000400, 0, FAULTS},
    {0x199, INTEL, 0, 0, DROPS},
    {0x19a, INTEL, 0, 0x1f, FAULTS},
    {0x19b, INTEL, 0, 0x1ffff1f, FAULTS},
    {0x19c, INTEL, 0, 0, DROPS},
    {0x1db, BOTH, 0, 0, DROPS},
    {0x606, INTEL, 0, 0, DROPS},
    {MSR_XSS, BOTH, 0, 0, FAULTS},
    {MSR_STAR, BOTH, 0, UINT64_MAX, FAULTS},
    {MSR_FMASK, BOTH, 0, UINT32_MAX, FAULTS},
    {0xc0010000, AMD, 0, 0, DROPS},
    {0xc0010007, AMD, 0, 0, DROPS},
    {MSR_SYSCFG, AMD, 0, 0x7c0000, FAULTS},
    {0xc001001a, AMD, 0, 0xfffffff800000, FAULTS},
    {0xc001001d, AMD, 0, 0xfffffff800000, FAULTS},
    {0xc001001f, AMD, 0, 0, DROPS},
    {0xc0010044, AMD, 0, 0, DROPS},
    {0xc001004d, AMD, 0, 0, DROPS},
    {0xc0010055, AMD, 0, 0, DROPS},
    {0xc0010063, AMD, 0, 0, DROPS},
    {0xc0010114, AMD, 0x18, 0, DROPS},
    {0xc0010140, AMD, 0, 0, DROPS},
    {0xc0011021, AMD, 0, 0, DROPS},
    {0xc0011029, AMD, 2, 0, DROPS},
    {0xc001102a, AMD, 0, 0, DROPS},
};

static void check_plain(size_t row)
{
    uint32_t msr = plain[row].msr;

    g_assert_cmphex(must_get(msr), ==, plain[row].reset);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t value = 1ull << bit, before = must_get(msr);
        bool is_writable = plain[row].writable & value;
        bool works = is_writable || plain[row].beyond == DROPS;

        g_test_message("MSR %x bit %u", msr, bit);
        g_assert_cmpint(set(msr, value), ==, works);
        if (is_writable) {
            g_assert_cmphex(must_get(msr), ==, value);
        } else if (works && plain[row].writable) {
            g_assert_cmphex(must_get(msr), ==, 0);
        } else {
            g_assert_cmphex(must_get(msr), ==, before);
        }
    }
}

static void check_absent(uint32_t msr)
{
    uint64_t value;

    g_test_message("MSR %x", msr);
    g_assert_false(get(msr, &value));
    g_assert_false(set(msr, 0));
}

static bool other_row_has(uint32_t msr, unsigned vendor)
{
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (plain[i].msr == msr && plain[i].vendors & vendor) {
            return true;
        }
    }
    return false;
}

static void test_plain(void)
{
    for (unsigned vendor = INTEL; vendor <= AMD; vendor++) {
        use(vendor == INTEL ? INTEL_CPU : AMD_CPU);
        for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
            if (plain[i].vendors & vendor) {
                check_plain(i);
            } else if (!other_row_has(plain[i].msr, vendor)) {
                check_absent(plain[i].msr);
            }
        }
    }
}

/* What no CPU of ours has. */
static void test_absent(void)
{
    static const uint32_t both[] = {0x2,        0x9e,       0xc3,       0xe7,       0x10b,
                                    0x122,      0x345,      0x38d,      0x38f,      0x428,
                                    0x480,      0x570,      0xd90,      0x12345678, 0x40000000,
                                    0xc0000104, 0xc0000408, 0xc0002000, 0x1000,     0xc0010131};
    static const uint32_t intel[] = {MSR_HWCR, MSR_SMM_BASE, 0xc0010020};
    static const uint32_t amd[] = {MSR_MISC_ENABLE, 0x79, MSR_FEATURE_CONTROL};
    uint64_t value;

    for (unsigned vendor = INTEL; vendor <= AMD; vendor++) {
        use(vendor == INTEL ? INTEL_CPU : AMD_CPU);
        for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
            check_absent(both[i]);
        }
        for (size_t i = 0; i < 3; i++) {
            check_absent(vendor == INTEL ? intel[i] : amd[i]);
        }
        g_assert_false(get(vendor == INTEL ? 0x79 : 0xc0010020, &value)); /* triggers of updates */
        g_assert_true(set(vendor == INTEL ? 0x79 : 0xc0010020, 0x1000));
    }
}

/* Without the feature there is no MSR. */
static void test_features(void)
{
    static const struct {
        const char *features;
        uint32_t first, second;
    } cases[] = {
        {"-mtrr", MSR_MTRRCAP, MSR_MTRR_PHYSBASE0},
        {"-mtrr", MSR_MTRR_FIX64K, MSR_MTRR_DEF_TYPE},
        {"-pat", MSR_PAT, MSR_PAT},
        {"-mca", MSR_MCG_CAP, MSR_MC0_CTL},
        {"-sep", MSR_SYSENTER_CS, MSR_SYSENTER_EIP},
        {"-lm", MSR_LSTAR, MSR_GS_BASE},
        {"-syscall", MSR_STAR, MSR_STAR},
        {"-lm,-syscall,-nx,-fxsr-opt", MSR_EFER, MSR_KERNEL_GS_BASE},
        {"-rdtscp,-rdpid", MSR_TSC_AUX, MSR_TSC_AUX},
        {"-tsc-adjust", MSR_TSC_ADJUST, MSR_TSC_ADJUST},
        {"-pks", MSR_PKRS, MSR_PKRS},
        {"-apic", MSR_APIC_BASE, MSR_APIC_BASE},
        {"-acpi", 0x19a, 0x19c},
        {"-xsaves", MSR_XSS, MSR_XSS},
        {"-arch-capabilities", MSR_ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES},
        {"-spec-ctrl,-stibp,-ssbd,-ibpb,-ibrs,-amd-stibp,-amd-ssbd", MSR_SPEC_CTRL, MSR_PRED_CMD},
        {"-x2apic", MSR_X2APIC_FIRST + 2, MSR_X2APIC_FIRST + 3},
        {"-tsc-deadline", MSR_TSC_DEADLINE, MSR_TSC_DEADLINE},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(INTEL_CPU ",%s", cases[i].features);

        use(text);
        check_absent(cases[i].first);
        check_absent(cases[i].second);
    }
}

/* -- Those with rules -------------------------------------------------------------------------- */

static void test_addresses(void)
{
    static const uint32_t msrs[] = {MSR_LSTAR,       MSR_CSTAR,          MSR_FS_BASE,
                                    MSR_GS_BASE,     MSR_KERNEL_GS_BASE, MSR_SYSENTER_ESP,
                                    MSR_SYSENTER_EIP};

    for (unsigned levels = 4; levels <= 5; levels++) {
        use(levels == 5 ? INTEL_CPU : INTEL_CPU ",-la57");
        for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
            g_assert_cmphex(must_get(msrs[i]), ==, 0);
            expect_stored(msrs[i], 0xffff812345678900ull);
            expect_stored(msrs[i], 0x00007fffffffffffull);
            g_assert_false(set(msrs[i], 0x0100000000000000ull));
            g_assert_false(set(msrs[i], 0xfe00000000000000ull));
            /* The CPU's width counts, not CR4.LA57, which is clear. */
            g_assert_cmpint(set(msrs[i], 0x00ff800000000000ull), ==, levels == 5);
            g_assert_cmpint(set(msrs[i], 0x0000800000000000ull), ==, levels == 5);
        }
    }
    use(AMD_CPU); /* SYSENTER is 32-bit */
    g_assert_true(set(MSR_SYSENTER_EIP, 0x123456789abcdef0ull));
    g_assert_cmphex(must_get(MSR_SYSENTER_EIP), ==, 0x9abcdef0);
    g_assert_false(set(MSR_LSTAR, 0x123456789abcdef0ull));
}

static void test_tsc_aux(void)
{
    use(INTEL_CPU);
    g_assert_false(set(MSR_TSC_AUX, 1ull << 32));
    expect_stored(MSR_TSC_AUX, UINT32_MAX);
    use(AMD_CPU);
    g_assert_true(set(MSR_TSC_AUX, 0x500000007));
    g_assert_cmphex(must_get(MSR_TSC_AUX), ==, 7);
}

static void test_mtrr(void)
{
    static const uint32_t fixed[] = {MSR_MTRR_FIX64K,  MSR_MTRR_FIX16K_0,    MSR_MTRR_FIX16K_1,
                                     MSR_MTRR_FIX4K_0, MSR_MTRR_FIX4K_0 + 7, MSR_MTRR_DEF_TYPE};

    use(INTEL_CPU);
    g_assert_cmpuint(must_get(MSR_MTRRCAP) & 0xff, ==, MTRR_COUNT);
    for (unsigned type = 0; type < 256; type++) {
        bool is_type = type == 0 || type == 1 || (type >= 4 && type <= 6);

        for (unsigned i = 0; i < 8; i++) {
            bool in_pat = is_type || type == 7;

            g_assert_cmpint(set(MSR_PAT, (uint64_t)type << (i * 8)), ==, in_pat);
            for (unsigned n = 0; n < 5; n++) {
                g_assert_cmpint(set(fixed[n], (uint64_t)type << (i * 8)), ==, is_type);
            }
        }
        g_assert_cmpint(set(MSR_MTRR_DEF_TYPE, type), ==, is_type);
        g_assert_cmpint(set(MSR_MTRR_PHYSBASE0, type), ==, is_type);
    }
    for (unsigned bit = 8; bit < 64; bit++) {
        g_assert_cmpint(set(MSR_MTRR_DEF_TYPE, 1ull << bit), ==, bit == 10 || bit == 11);
        for (unsigned n = 0; n < MTRR_COUNT; n++) {
            uint32_t base = MSR_MTRR_PHYSBASE0 + 2 * n;

            g_assert_cmpint(set(base, 1ull << bit), ==, bit >= 12 && bit < 40);
            g_assert_cmpint(set(base + 1, 1ull << bit), ==, bit >= 11 && bit < 40);
        }
    }
    expect_stored(MSR_MTRR_PHYSBASE0 + 14, 0xc0000006);
    expect_stored(MSR_MTRR_PHYSBASE0 + 15, 0xffc0000800ull);
    expect_stored(MSR_MTRR_FIX4K_0 + 7, 0x0606060606060606ull);
    expect_stored(MSR_PAT, 0x0007010600070406ull);
    check_absent(MSR_MTRR_PHYSBASE0 + 2 * MTRR_COUNT);
    use(INTEL_CPU);
    g_assert_cmphex(must_get(MSR_PAT), ==, 0x0007040600070406ull);
    g_assert_cmphex(must_get(MSR_MTRR_DEF_TYPE), ==, 0);
    use(AMD_CPU); /* two more bits of each type, when SYSCFG lets them be seen */
    g_assert_false(set(MSR_MTRR_FIX64K, 0x1e));
    g_assert_true(set(MSR_SYSCFG, 1ull << 19));
    expect_stored(MSR_MTRR_FIX64K, 0x1e);
    g_assert_false(set(MSR_MTRR_FIX64K, 0x3e));
}

static void test_machine_check(void)
{
    use(INTEL_CPU);
    g_assert_cmpuint(must_get(MSR_MCG_CAP) & 0xff, ==, MCE_BANK_COUNT);
    for (uint32_t msr = MSR_MC0_CTL; msr < MSR_MC0_CTL + 4 * MCE_BANK_COUNT; msr++) {
        g_assert_cmphex(must_get(msr), ==, 0);
        g_assert_true(set(msr, 0));
        g_assert_cmpint(set(msr, 1), ==, msr % 4 == 0); /* the rest can only be cleared */
    }
    expect_stored(MSR_MC0_CTL, UINT64_MAX);
    check_absent(MSR_MC0_CTL + 4 * MCE_BANK_COUNT);
    use(AMD_CPU);
    g_assert_false(set(MSR_MC0_CTL + 1, 1));
    g_assert_true(set(MSR_HWCR, HWCR_MC_STATUS_WRITE));
    expect_stored(MSR_MC0_CTL + 1, 0xbea0000000000108ull);
    expect_stored(MSR_MC0_CTL + 2, 0x1234);
}

static void test_amd(void)
{
    use(AMD_CPU);
    g_assert_cmphex(must_get(MSR_HWCR), ==, LATER_AMD_RESET);
    g_assert_cmphex(must_get(MSR_SMM_BASE), ==, 0x30000);
    expect_stored(MSR_SMM_BASE, 0xa0000);
    g_assert_false(set(MSR_SMM_BASE, 1ull << 32));
    g_assert_false(set(MSR_HWCR, 1ull << 32));
    g_assert_false(set(MSR_HWCR, 1 << 2));
    expect_stored(MSR_HWCR, 1); /* SMM lock: until reset */
    g_assert_true(set(MSR_HWCR, 0));
    g_assert_cmphex(must_get(MSR_HWCR), ==, 1);
    g_assert_false(set(MSR_SMM_BASE, 0x30000));
    use("qemu64");
    g_assert_cmphex(must_get(MSR_HWCR), ==, 0);
}

static void test_debugctl(void)
{
    use(INTEL_CPU);
    for (unsigned bit = 0; bit < 64; bit++) {
        bool is_defined = bit < 2 || (bit >= 6 && bit < 16);

        g_assert_cmpint(set(MSR_DEBUGCTL, 1ull << bit), ==, is_defined);
        g_assert_cmphex(must_get(MSR_DEBUGCTL) & ~3ull, ==, 0);
    }
    expect_stored(MSR_DEBUGCTL, 3);
    use(AMD_CPU);
    g_assert_true(set(MSR_DEBUGCTL, 0x3f));
    g_assert_false(set(MSR_DEBUGCTL, 0x40));
}

/* The revision appears with CPUID: software clears the MSR, runs CPUID and reads it. */
static void test_microcode(void)
{
    use(INTEL_CPU ",ucode-rev=0x4200000000");
    g_assert_cmphex(must_get(MSR_BIOS_SIGN), ==, 0x42ull << 32);
    expect_stored(MSR_BIOS_SIGN, 0);
    cpu->gpr[R_RAX] = 0;
    g_assert_cmpint(helper_cpuid(cpu, NULL), ==, INSN_NEXT);
    g_assert_cmphex(must_get(MSR_BIOS_SIGN), ==, 0);
    cpu->gpr[R_RAX] = 1;
    g_assert_cmpint(helper_cpuid(cpu, NULL), ==, INSN_NEXT);
    g_assert_cmphex(must_get(MSR_BIOS_SIGN), ==, 0x42ull << 32);
}

static uint32_t cpuid(uint32_t leaf, unsigned reg)
{
    static const uint8_t gprs[] = {R_RAX, R_RBX, R_RCX, R_RDX};

    cpu->gpr[R_RAX] = leaf;
    cpu->gpr[R_RCX] = 0;
    g_assert_cmpint(helper_cpuid(cpu, NULL), ==, INSN_NEXT);
    return (uint32_t)cpu->gpr[gprs[reg]];
}

static void test_misc_enable(void)
{
    const uint64_t reset = MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS;

    use(INTEL_CPU ",-monitor");
    g_assert_cmphex(must_get(MSR_MISC_ENABLE), ==, reset);
    g_assert_true(set(MSR_MISC_ENABLE, 0)); /* what says what there is stays */
    g_assert_cmphex(must_get(MSR_MISC_ENABLE), ==, reset & ~MISC_ENABLE_FAST_STRINGS);
    g_assert_true(set(MSR_MISC_ENABLE, MISC_ENABLE_MONITOR | MISC_ENABLE_EIST));
    g_assert_cmphex(must_get(MSR_MISC_ENABLE), ==, reset & ~MISC_ENABLE_FAST_STRINGS);
    g_assert_false(set(MSR_MISC_ENABLE, reset | 1ull << 63));
    g_assert_false(set(MSR_MISC_ENABLE, reset | 1 << 4));

    g_assert_cmpuint(cpuid(0, 0), >, 2);
    expect_stored(MSR_MISC_ENABLE, reset | MISC_ENABLE_LIMIT_CPUID);
    g_assert_cmpuint(cpuid(0, 0), ==, 2);

    g_assert_true(cpuid(0x80000001, 3) & 1 << 20);
    expect_stored(MSR_MISC_ENABLE, reset | MISC_ENABLE_XD_DISABLE);
    g_assert_false(cpuid(0x80000001, 3) & 1 << 20);
    g_assert_false(set(MSR_EFER, EFER_NXE));
    expect_stored(MSR_MISC_ENABLE, reset);
    expect_stored(MSR_EFER, EFER_NXE);
}

static void test_cpuid_faulting(void)
{
    use(INTEL_CPU);
    expect_stored(MSR_MISC_FEATURES, 1);
    g_assert_cmpuint(cpuid(0, 0), >, 0);
    cpu->cpl = 3;
    g_assert_cmpint(helper_cpuid(cpu, NULL), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_GP);
    cpu->smm = true;
    g_assert_cmpint(helper_cpuid(cpu, NULL), ==, INSN_NEXT);
    cpu->smm = false;
    cpu->cpl = 0;
}

static void test_efer(void)
{
    use(INTEL_CPU);
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t value = 1ull << bit;
        bool works = cpu->model->efer_mask & value;

        g_assert_cmpint(set(MSR_EFER, value), ==, works);
    }
    g_assert_true(set(MSR_EFER, EFER_LMA)); /* follows paging alone */
    g_assert_cmphex(must_get(MSR_EFER), ==, 0);
    use(INTEL_CPU ",-nx,-fxsr-opt,-syscall");
    g_assert_false(set(MSR_EFER, EFER_NXE));
    g_assert_false(set(MSR_EFER, EFER_FFXSR));
    g_assert_false(set(MSR_EFER, EFER_SCE));
    expect_stored(MSR_EFER, EFER_LME);
}

static void test_commands(void)
{
    uint64_t value;

    use(INTEL_CPU);
    g_assert_false(get(MSR_PRED_CMD, &value));
    g_assert_true(set(MSR_PRED_CMD, 1));
    g_assert_true(set(MSR_PRED_CMD, 0));
    g_assert_false(set(MSR_PRED_CMD, 2));
    g_assert_false(set(MSR_ARCH_CAPABILITIES, 0));
    use("qemu64,+ibrs");
    g_assert_false(set(MSR_SPEC_CTRL, 4)); /* no SSBD */
    expect_stored(MSR_SPEC_CTRL, 3);
}

/* Counters that CPUID does not name. */
static void test_counters(void)
{
    use(INTEL_CPU);
    g_assert_cmphex(cpuid(0xa, 0), ==, 0);
    cpu->gpr[R_RCX] = 0;
    g_assert_cmpint(helper_rdpmc(cpu, NULL), ==, INSN_FAULT);
    g_assert_cmpuint(cpu->fault.vector, ==, VECTOR_GP);
}

static void test_ring_3(void)
{
    uint64_t value;

    use(INTEL_CPU);
    cpu->cpl = 3;
    g_assert_false(get(MSR_TSC, &value));
    g_assert_false(set(MSR_STAR, 0));
    cpu->cpl = 0;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msr/plain", test_plain);
    g_test_add_func("/msr/absent", test_absent);
    g_test_add_func("/msr/features", test_features);
    g_test_add_func("/msr/addresses", test_addresses);
    g_test_add_func("/msr/tsc-aux", test_tsc_aux);
    g_test_add_func("/msr/mtrr", test_mtrr);
    g_test_add_func("/msr/machine-check", test_machine_check);
    g_test_add_func("/msr/amd", test_amd);
    g_test_add_func("/msr/debugctl", test_debugctl);
    g_test_add_func("/msr/microcode", test_microcode);
    g_test_add_func("/msr/misc-enable", test_misc_enable);
    g_test_add_func("/msr/cpuid-faulting", test_cpuid_faulting);
    g_test_add_func("/msr/efer", test_efer);
    g_test_add_func("/msr/commands", test_commands);
    g_test_add_func("/msr/counters", test_counters);
    g_test_add_func("/msr/ring-3", test_ring_3);
    return g_test_run();
}
