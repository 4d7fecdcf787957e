/* SPDX-License-Identifier: MIT */
/* CPU models: -cpu parsing, what CPUID answers, and that it promises nothing the host lacks. */
#include <cpuid.h>
#include <string.h>

#include "target/i386/cpu-model-rows.h"
#include "util/error.h"

enum { EAX, EBX, ECX, EDX };

static X86Cpu cpu;

static void set_topology(unsigned dies, unsigned cores, unsigned threads)
{
    cpu.model->topology = (CpuTopology){.dies = dies, .cores = cores, .threads = threads};
}

/* A CPU of the model that -cpu TEXT names. */
static const CpuModel *select_model(const char *text)
{
    Error *err = NULL;

    g_assert_true(cpu_model_select(text, &err));
    g_assert_null(err);
    memset(&cpu, 0, sizeof(cpu));
    cpu.model = cpu_model_current();
    set_topology(1, 1, 1);
    return cpu.model;
}

static void expect_error(const char *text, const char *message)
{
    Error *err = NULL;

    g_assert_false(cpu_model_select(text, &err));
    g_assert_cmpstr(error_message(err), ==, message);
    error_free(err);
}

static uint32_t leaf(uint32_t number, uint32_t subleaf, unsigned reg)
{
    uint32_t regs[4] = {1, 2, 3, 4};

    cpu_cpuid(&cpu, number, subleaf, regs);
    return regs[reg];
}

static void get_text(uint32_t first, unsigned leaves, char *text)
{
    for (unsigned i = 0; i < leaves * 4; i++) {
        uint32_t word = leaf(first + i / 4, 0, i % 4);

        memcpy(text + i * 4, &word, 4);
    }
    text[leaves * 16] = '\0';
}

static void get_vendor(uint32_t number, char vendor[13])
{
    uint32_t words[3] = {leaf(number, 0, EBX), leaf(number, 0, EDX), leaf(number, 0, ECX)};

    memcpy(vendor, words, 12);
    vendor[12] = '\0';
}

/* The host's own answer to a feature word. */
static uint32_t host(uint32_t number, uint32_t subleaf, unsigned reg)
{
    uint32_t regs[4];

    __cpuid_count(number, subleaf, regs[0], regs[1], regs[2], regs[3]);
    return regs[reg];
}

/* A guest that computes with 32 bits, as Linux does, gets the frequency of leaf 15h right, or none.
 */
static void test_odd_frequencies(void)
{
    unsigned named = 0, others = 0;

    select_model("Skylake-Client,+invtsc");
    for (uint64_t hz = 100000000; hz < 6000000000; hz += 12345678) {
        uint32_t denominator, numerator, crystal_khz;

        cpu.model->known_hz = hz;
        denominator = leaf(0x15, 0, EAX);
        numerator = leaf(0x15, 0, EBX);
        crystal_khz = leaf(0x15, 0, ECX) / 1000;
        if (denominator == 0) {
            g_assert_true(numerator == 0 && crystal_khz == 0);
            others++;
        } else {
            g_assert_cmpuint(crystal_khz * numerator / denominator, ==, hz / 1000);
            g_assert_true((uint64_t)numerator * 1000000000 == hz * denominator);
            named++;
        }
    }
    g_assert_true(named > 0 && others > 0);
    cpu.model->known_hz = 1999999800;
    g_assert_cmpuint(leaf(0x15, 0, EAX), ==, 0);
    g_assert_cmpuint(leaf(0x16, 0, EAX), ==, 2000);
    cpu.model->known_hz = 2995200000; /* 38.4 MHz * 156 / 2 */
    g_assert_cmpuint(leaf(0x15, 0, EBX), ==, 1872);
}

/* Frequencies are named where they are fixed; Intel's leaves only by Intel's models. */
static void test_frequency(void)
{
    select_model("Skylake-Client,tsc-frequency=2400000000");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0x16);
    g_assert_cmpuint(leaf(0x15, 0, EAX), ==, 5);
    g_assert_cmpuint(leaf(0x15, 0, EBX), ==, 12);
    g_assert_cmpuint(leaf(0x15, 0, ECX), ==, 1000000000);
    g_assert_cmpuint(leaf(0x16, 0, EAX), ==, 2400);
    g_assert_cmpuint(leaf(0x16, 0, EBX), ==, 2400);
    g_assert_cmpuint(leaf(0x16, 0, ECX), ==, 100);
    g_assert_cmphex(leaf(0x40000000, 0, EAX), ==, 0x40000010);
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 2400000);
    g_assert_cmpuint(leaf(0x40000010, 0, EBX), ==, 1000000);

    select_model("Skylake-Client,tsc-frequency=5000000001");
    g_assert_cmpuint(leaf(0x15, 0, EAX), ==, 0);
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 5000000);

    select_model("Skylake-Client,tsc-frequency=2400000000,vmware-cpuid-freq=off,level=13");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 13);
    g_assert_cmphex(leaf(0x40000000, 0, EAX), ==, 0x40000001);
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 0);

    select_model("Skylake-Client,+invtsc");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0x16);
    g_assert_true(cpu_model_needs_frequency(cpu.model, 0x15));
    cpu.model->known_hz = 3000000000;
    g_assert_false(cpu_model_needs_frequency(cpu.model, 0x15));
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 3000000);
    g_assert_cmpuint(leaf(0x16, 0, EAX), ==, 3000);

    select_model("Skylake-Client");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0xd);
    g_assert_cmphex(leaf(0x40000000, 0, EAX), ==, 0x40000001);
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 0);
    select_model("EPYC,+invtsc");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0xd);
    cpu.model->known_hz = 3000000000;
    g_assert_cmpuint(leaf(0x15, 0, ECX), ==, 0);
    g_assert_cmpuint(leaf(0x40000010, 0, EAX), ==, 3000000);
}

/* The host's caches, shared by as many as the guest's topology says. */
static void test_host_caches(void)
{
    const uint32_t number =
        host(0x80000000, 0, EAX) >= 0x8000001d && host(0x8000001d, 0, EAX) & 31 ? 0x8000001d : 4;

    select_model("Skylake-Client,host-cache-info=on");
    set_topology(1, 4, 2);
    for (unsigned i = 0; i < 5; i++) {
        bool is_there = host(number, i, EAX) & 31;
        g_assert_cmphex(leaf(4, i, EAX) & 0x3fff, ==, host(number, i, EAX) & 0x3fff);
        g_assert_cmphex(leaf(4, i, EBX), ==, is_there ? host(number, i, EBX) : 0);
        g_assert_cmphex(leaf(4, i, ECX), ==, is_there ? host(number, i, ECX) : 0);
        if (is_there) {
            bool is_last = (leaf(4, i, EAX) >> 5 & 7) == 3;
            g_assert_cmpuint(leaf(4, i, EAX) >> 14 & 0xfff, ==, is_last ? 7 : 1);
            g_assert_cmpuint(leaf(4, i, EAX) >> 26, ==, 3);
        }
    }
    select_model("max,host-cache-info=on");
    for (unsigned reg = EAX; reg <= EDX; reg++) {
        g_assert_cmphex(leaf(0x80000005, 0, reg), ==, host(0x80000005, 0, reg));
        g_assert_cmphex(leaf(0x80000006, 0, reg), ==, host(0x80000006, 0, reg));
    }
    select_model("max");
    g_assert_cmphex(leaf(0x80000005, 0, ECX), ==, 0x40020140);
}

static void test_qemu64(void)
{
    char text[49], vendor[13];

    select_model("qemu64");
    get_vendor(0, vendor);
    g_assert_cmpstr(vendor, ==, "AuthenticAMD");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0xd);
    g_assert_cmphex(leaf(1, 0, EAX), ==, 0x60fb1);
    g_assert_cmphex(leaf(1, 0, EDX), ==, 0x078bfbfd); /* what QEMU's qemu64 shows */
    g_assert_cmphex(leaf(1, 0, ECX), ==, 0x80002001);
    g_assert_cmphex(leaf(7, 0, EBX) & ~(1u << 6 | 1u << 13), ==, 0);
    g_assert_cmphex(leaf(0x80000000, 0, EAX), ==, 0x8000000a);
    g_assert_cmphex(leaf(0x80000001, 0, EDX), ==, 0x2193fbfd);
    g_assert_cmphex(leaf(0x80000001, 0, ECX), ==, 1);
    g_assert_cmphex(leaf(0x80000008, 0, EAX), ==, 0x3028);
    get_text(0x80000002, 3, text);
    g_assert_cmpstr(text, ==, "QEMU Virtual CPU version 2.5+");
    g_assert_cmphex(leaf(0x40000000, 0, EAX), ==, 0x40000001);
    g_assert_cmphex(leaf(0x40000000, 0, EBX), ==, 0x54474354); /* TCGT CGTC GTCG */
    g_assert_cmphex(leaf(0x40000000, 0, ECX), ==, 0x43544743);
    g_assert_cmphex(leaf(0x40000000, 0, EDX), ==, 0x47435447);
    g_assert_cmphex(leaf(0xd, 0, EAX), ==, 0);
    g_assert_cmphex(cpu.model->cr4_mask & (CR4_OSXSAVE | CR4_PCIDE | CR4_SMEP), ==, 0);
}

/* What the named models showed under QEMU 7.2 with its translator. */
static const struct {
    const char *name;
    uint32_t level, xlevel, signature;
    uint32_t words[6];  /* 1.EDX 1.ECX 7.EBX 7.ECX 80000001.EDX 80000001.ECX */
    uint32_t caches[4]; /* 80000005.ECX .EDX 80000006.ECX .EDX */
} qemu_models[] = {
    {"pentium3",
     0x3,
     0x0,
     0x673,
     {0x0383fbfd, 0x80000000, 0x00000000, 0x00000000, 0x00000000, 0x00000000},
     {0x00000000, 0x00000000, 0x00000000, 0x00000000}},
    {"n270",
     0xa,
     0x80000008,
     0x106c2,
     {0x0fc9fbfd, 0x80400209, 0x00000000, 0x00000000, 0x00100000, 0x00000001},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"core2duo",
     0xa,
     0x80000008,
     0x6fb,
     {0x0fcbfbfd, 0x80002209, 0x00000000, 0x00000000, 0x20100800, 0x00000001},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"SandyBridge",
     0xd,
     0x80000008,
     0x206a1,
     {0x078bfbfd, 0x96982203, 0x00000000, 0x00000000, 0x28100800, 0x00000001},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"Haswell",
     0xd,
     0x80000008,
     0x306c4,
     {0x078bfbfd, 0xf6d83203, 0x000003a9, 0x00000000, 0x28100800, 0x00000021},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"Icelake-Server-v6",
     0xd,
     0x80000008,
     0x606a0,
     {0x078bfbfd, 0xf6d83203, 0x019803a9, 0x0001020c, 0x2c100800, 0x00000021},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"Denverton",
     0x15,
     0x80000008,
     0x506f1,
     {0x078bfbfd, 0xc6d8220b, 0x00904281, 0x00000000, 0x2c100800, 0x00000001},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"Opteron_G3",
     0x5,
     0x8000000a,
     0x100f23,
     {0x078bfbfd, 0x80802009, 0x00000000, 0x00000000, 0x2993fbfd, 0x00000065},
     {0x40020140, 0x40020140, 0x02008140, 0x00808140}},
    {"EPYC-v3",
     0xd,
     0x8000001e,
     0x800f12,
     {0x078bfbfd, 0xf6d8320b, 0x009801a9, 0x00000000, 0x2dd3fbfd, 0x00000075},
     {0x20080140, 0x40040140, 0x02006140, 0x00408140}},
    {"EPYC-Rome",
     0xd,
     0x8000001e,
     0x830f10,
     {0x078bfbfd, 0xf6d8320b, 0x019801a9, 0x00000004, 0x2dd3fbfd, 0x00000075},
     {0x20080140, 0x20080140, 0x02006140, 0x00808140}},
    {"EPYC-Milan-v1",
     0xd,
     0x8000001e,
     0xa00f11,
     {0x078bfbfd, 0xf6d8320b, 0x019803a9, 0x0000000c, 0x2dd3fbfd, 0x00000075},
     {0x20080140, 0x20080140, 0x02006140, 0x01008140}},
};

/* All that QEMU showed and that can be offered here is there. */
static void test_named_models(void)
{
    static const FeatureWord words[] = {FEATURE_1_EDX, FEATURE_1_ECX,        FEATURE_7_EBX,
                                        FEATURE_7_ECX, FEATURE_80000001_EDX, FEATURE_80000001_ECX};
    const uint32_t copies = 0x0183f3ff, os_bits = 1u << 27;
    uint32_t available[FEATURE_WORD_COUNT];

    cpu_features_available(available);
    available[FEATURE_80000001_EDX] |= copies & available[FEATURE_1_EDX];
    for (size_t i = 0; i < G_N_ELEMENTS(qemu_models); i++) {
        g_autofree char *text = g_strdup_printf("%s,check=off", qemu_models[i].name);
        const CpuModel *model = select_model(text);

        g_test_message("%s", qemu_models[i].name);
        g_assert_cmphex(leaf(0, 0, EAX), ==, qemu_models[i].level);
        g_assert_cmphex(model->xlevel, ==, qemu_models[i].xlevel);
        g_assert_cmphex(leaf(1, 0, EAX), ==, qemu_models[i].signature);
        for (size_t n = 0; n < G_N_ELEMENTS(words); n++) {
            uint32_t shown = qemu_models[i].words[n] & available[words[n]];

            shown &= words[n] == FEATURE_1_ECX ? ~os_bits : UINT32_MAX;
            g_assert_cmphex(model->features[words[n]] & qemu_models[i].words[n], ==, shown);
        }
        for (unsigned n = 0; n < 4 && model->xlevel >= 0x80000006; n++) {
            g_assert_cmphex(leaf(0x80000005 + n / 2, 0, ECX + n % 2), ==, qemu_models[i].caches[n]);
        }
    }
}

static void count_name(const char *name, const ModelChoice *choice, const char *of, void *opaque)
{
    g_autofree char *text = g_strdup_printf("%s,check=off", name);
    static const char *const lists[] = {"adds", "drops", "features"};
    const char *names[] = {choice->version ? choice->version->adds : NULL,
                           choice->version ? choice->version->drops : NULL, choice->row->features};

    select_model(text);
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_auto(GStrv) each = g_strsplit(names[i] ? names[i] : "", " ", -1);

        for (char **feature = each; *feature; feature++) {
            if (**feature && !cpu_feature_find(*feature)) {
                g_error("%s %s %s, which is no feature", name, lists[i], *feature);
            }
        }
    }
    ++*(unsigned *)opaque;
}

/* Every name can be selected, and names only features that there are. */
static void test_every_name(void)
{
    unsigned count = 0;

    cpu_model_foreach(count_name, &count);
    g_assert_cmpuint(count, ==, 133); /* QEMU's 132 names and tcg64 */
}

/* Nothing of a longer name is left behind a shorter one. */
static void test_short_names(void)
{
    static const char *const texts[] = {"EPYC-v3,check=off", "EPYC-v2,check=off,model-id=CPU"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        char text[49];
        size_t length;

        select_model(texts[i]);
        get_text(0x80000002, 3, text);
        length = strlen(text);
        g_assert_cmpstr(text, ==, i ? "CPU" : "AMD EPYC Processor");
        for (size_t n = length; n < 48; n++) {
            g_assert_cmpint(text[n], ==, 0);
        }
    }
}

/* Versions build on each other. */
static void test_versions(void)
{
    uint32_t none[FEATURE_WORD_COUNT] = {0};
    ModelChoice choice;
    CpuModel model;

    g_assert_true(cpu_model_find("Icelake-Server-v6", &choice));
    cpu_model_load(&model, &choice, none);
    g_assert_cmpuint(model.model, ==, 106);
    g_assert_true(cpu_model_has(&model, FEATURE_AVX512F));
    g_assert_true(cpu_model_has(&model, FEATURE_XSAVES));             /* of version 5 */
    g_assert_true(cpu_model_has(&model, FEATURE_ARCH_CAPABILITIES));  /* of version 3 */
    g_assert_false(cpu_model_has(&model, FEATURE(FEATURE_7_EBX, 4))); /* HLE, until 1 */
    g_assert_true(cpu_model_find("Icelake-Server", &choice));
    cpu_model_load(&model, &choice, none);
    g_assert_cmpuint(model.model, ==, 134);
    g_assert_true(cpu_model_has(&model, FEATURE(FEATURE_7_EBX, 4)));
    g_assert_true(cpu_model_find("Haswell-noTSX-IBRS", &choice));
    cpu_model_load(&model, &choice, none);
    g_assert_cmpstr(model.model_id, ==, "Intel Core Processor (Haswell, no TSX, IBRS)");
    g_assert_cmpuint(model.stepping, ==, 1);
    g_assert_false(cpu_model_find("Haswell-v5", &choice));
    g_assert_false(cpu_model_find("max-v1", &choice));
}

static void test_warnings(void)
{
    if (g_test_subprocess()) {
        select_model("Skylake-Server");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*TCG doesn't support requested feature: CPUID.07H:EBX.hle ?bit 4?*");
    expect_error("Skylake-Server,enforce,avx512f=off,avx512dq=off,avx512cd=off,avx512bw=off,"
                 "avx512vl=off",
                 "-cpu: TCG doesn't support requested features: CPUID.07H:EBX.hle [bit 4], "
                 "CPUID.07H:EBX.rtm [bit 11]");
}

static void test_quiet(void)
{
    if (g_test_subprocess()) {
        select_model("Skylake-Server,check=off");
        select_model("qemu64");
        select_model("kvm64");
        select_model("max");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("");
}

static void test_properties(void)
{
    select_model("Haswell,check=off,min-level=0x14,min-xlevel=0x80000004,migratable=off,pmu=on");
    g_assert_cmphex(leaf(0, 0, EAX), ==, 0x14);
    g_assert_cmphex(leaf(0x80000000, 0, EAX), ==, 0x80000008);
    g_assert_cmphex(leaf(4, 3, EAX), !=, 0);
    select_model("Haswell,check=off,l3-cache=off,cpuid-0xb=off,tcg-cpuid=off");
    g_assert_cmphex(leaf(4, 3, EAX) | leaf(0x80000006, 0, EDX), ==, 0);
    g_assert_cmphex(leaf(0xb, 1, ECX), ==, 0);
    g_assert_cmphex(leaf(0x40000000, 0, EAX), ==, 0);
    select_model("EPYC,check=off,legacy-cache=on");
    g_assert_cmphex(leaf(0x80000005, 0, ECX), ==, 0x40020140);
    select_model("max,host-phys-bits=on");
    g_assert_cmphex(leaf(0x80000008, 0, EAX) & 0xff, ==, host(0x80000008, 0, EAX) & 0xff);
    select_model("max,host-phys-bits=on,host-phys-bits-limit=34");
    g_assert_cmphex(leaf(0x80000008, 0, EAX) & 0xff, ==, 34);
    select_model("pentium3,check=off");
    g_assert_cmphex(cpu.model->phys_mask, ==, (1ull << 36) - 1);
    select_model("486,check=off");
    g_assert_cmphex(cpu.model->phys_mask, ==, UINT32_MAX);
    g_assert_cmphex(cpu.model->efer_mask, ==, 0);
}

/* Bits of each model that the host's instructions would have to carry out. */
static void test_promises(void)
{
    static const char *const names[] = {"base", "host", "kvm64", "max", "qemu64", "tcg64"};
    uint32_t available[FEATURE_WORD_COUNT];

    cpu_features_available(available);
    for (size_t n = 0; n < G_N_ELEMENTS(names); n++) {
        const CpuModel *model = select_model(names[n]);

        for (unsigned i = 0; i < feature_row_count; i++) {
            const FeatureRow *row = &feature_rows[i];
            unsigned feature = FEATURE(row->word, row->bit);

            if (cpu_model_has(model, feature) && !(available[row->word] >> row->bit & 1)) {
                g_error("%s offers %s", names[n], row->name);
            }
        }
        g_assert_cmphex(leaf(1, 0, ECX) & ~host(1, 0, ECX) & 0x76d83203, ==, 0);
        g_assert_cmphex(leaf(7, 0, EBX) & (1u << 4 | 1u << 11), ==, 0);          /* TSX */
        g_assert_cmphex(leaf(7, 0, EBX) & ~host(7, 0, EBX) & 0xdc230000, ==, 0); /* AVX-512 */
        g_assert_cmphex(leaf(0xd, 0, EAX) & 0xe0, ==, leaf(7, 0, EBX) & 1u << 16 ? 0xe0 : 0);
        g_assert_cmphex(leaf(7, 0, EDX) & (1u << 22 | 1u << 24 | 1u << 25), ==, 0); /* AMX */
    }
}

static void test_tcg64(void)
{
    const CpuModel *model = select_model(NULL);
    static const unsigned features[] = {
        FEATURE_PCID,   FEATURE_INVPCID,      FEATURE(FEATURE_7_EBX, 9), FEATURE(FEATURE_7_EDX, 4),
        FEATURE_RDTSCP, FEATURE_TSC_DEADLINE, FEATURE_SPEC_CTRL,         FEATURE_ARCH_CAPABILITIES};
    uint32_t needed = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 8 | 1u << 20;

    g_assert_cmpstr(model->name, ==, "tcg64");
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        g_assert_true(cpu_model_has(model, features[i]));
    }
    g_assert_cmphex(model->features[FEATURE_ARCH_LOW] & needed, ==, needed);
    g_assert_cmphex(model->features[FEATURE_ARCH_HIGH], ==, 1u << 30); /* ITS_NO is bit 62 */
    if (host(7, 0, EBX) & 1u << 5) {
        g_assert_true(leaf(7, 0, EBX) & 1u << 5); /* AVX2 */
        g_assert_cmphex(model->xcr0_mask, ==, XCR0_X87 | XCR0_SSE | XCR0_AVX);
    }
}

static void test_parsing(void)
{
    char vendor[13], text[49];

    select_model("qemu64,vendor=GenuineIntel,family=6,model=0x5e,stepping=3,model-id=My CPU");
    get_vendor(0, vendor);
    g_assert_cmpstr(vendor, ==, "GenuineIntel");
    g_assert_cmphex(leaf(1, 0, EAX), ==, 0x506e3);
    get_text(0x80000002, 3, text);
    g_assert_cmpstr(text, ==, "My CPU");
    g_assert_cmphex(leaf(0x80000001, 0, EDX), ==, 0x20100800); /* no AMD copies */

    select_model("qemu64,+pcid,-pni,fsgsbase=on,nx=off,level=7,xlevel=0x80000004,phys-bits=36");
    g_assert_true(leaf(1, 0, ECX) & 1u << 17);
    g_assert_false(leaf(1, 0, ECX) & 1);
    g_assert_true(leaf(7, 0, EBX) & 1);
    g_assert_false(leaf(0x80000001, 0, EDX) & 1u << 20);
    g_assert_cmphex(cpu.model->efer_mask, ==, EFER_SCE | EFER_LME | EFER_LMA);
    g_assert_cmphex(cpu.model->phys_mask, ==, (1ull << 36) - 1);
    g_assert_cmphex(leaf(0, 0, EAX), ==, 7);
    g_assert_cmphex(leaf(0x80000008, 0, EAX), ==, 0);

    select_model("qemu64,hypervisor=off");
    g_assert_false(leaf(1, 0, ECX) & 1u << 31);
    g_assert_cmphex(leaf(0x40000000, 0, EBX), ==, 0);
    select_model("qemu64,+sse4_1");
    g_assert_true((leaf(1, 0, ECX) & 1u << 19) == (host(1, 0, ECX) & 1u << 19));
    select_model("max,-xsave");
    g_assert_cmphex(leaf(1, 0, ECX) & (1u << 28 | 1u << 12), ==, 0); /* AVX, FMA go with it */
    g_assert_cmphex(leaf(7, 0, EBX) & 1u << 5, ==, 0);
    g_assert_cmphex(cpu.model->xcr0_mask, ==, 0);
}

static void test_errors(void)
{
    expect_error("qemu46", "-cpu: unknown CPU model 'qemu46'; did you mean 'qemu64'?");
    expect_error("qemu64,+pcdi", "-cpu: unknown feature or property 'pcdi'; did you mean 'pcid'?");
    expect_error("qemu64,vendro=x",
                 "-cpu: unknown feature or property 'vendro'; did you mean 'vendor'?");
    expect_error("qemu64,vendor=Intel", "-cpu: vendor 'Intel' must have 12 characters");
    expect_error("qemu64,phys-bits=99", "-cpu: phys-bits=99 is out of range (32 to 52)");
    expect_error("max,enforce,+vmx",
                 "-cpu: TCG doesn't support requested features: CPUID.01H:ECX.vmx [bit 5]");
    expect_error("max,enforce,+vmx-ept,+sgx1",
                 "-cpu: TCG doesn't support requested features: vmx-ept, sgx1");
    expect_error("max,hv-relaxed", "-cpu: 'hv-relaxed': Hyper-V enlightenments need KVM");
    expect_error("max,hv_spinlocks=0x1fff",
                 "-cpu: 'hv_spinlocks': Hyper-V enlightenments need KVM");
    expect_error("max,hv-relaxd=off",
                 "-cpu: unknown feature or property 'hv-relaxd'; did you mean 'hv-relaxed'?");
    expect_error("max,+kvm-pv-eio",
                 "-cpu: unknown feature or property 'kvm-pv-eio'; did you mean 'kvm-pv-eoi'?");
    expect_error("max,phys-bits=20", "-cpu: phys-bits=20 is out of range (32 to 52)");
    expect_error("max,x-force-features=on",
                 "-cpu: x-force-features: CPUID offers nothing that is not carried");
    expect_error("max,pcid=maybe", "-cpu: pcid: 'maybe' is neither on nor off");
    expect_error("max,help", "-cpu: unknown feature or property 'help'");
}

/* What follows a plus or a minus counts after what has a value, wherever it stands. */
static void test_order(void)
{
    const CpuModel *model = select_model("qemu64,+pcid,pcid=off");

    g_assert_true(cpu_model_has(model, FEATURE_PCID));
    model = select_model("qemu64,-pcid,+pcid,pcid=on");
    g_assert_false(cpu_model_has(model, FEATURE_PCID));
    model = select_model("qemu64,hv-relaxed=off,kvm=off,vmx-ept=off,migratable=off,lmce=off,"
                         "host_phys_bits=off,phys-bits=0,level-func7=1,tsc-freq=2G");
    g_assert_cmphex(leaf(0x80000008, 0, EAX) & 0xff, ==, 40);
    g_assert_cmphex(leaf(7, 0, EAX), ==, 1);
    g_assert_cmpuint(model->tsc_hz, ==, 2000000000);
    model = select_model("qemu64,tsc_frequency=123456789");
    g_assert_cmpuint(model->tsc_hz, ==, 123456789);
}

/* What is missing is named for each model; the generic ones that drop it silently say so too. */
static void test_missing(void)
{
    g_autofree char *qemu64 = cpu_models_missing_text("qemu64", NULL);
    g_autofree char *all = cpu_models_missing_text(NULL, NULL);
    g_autofree char *haswell = cpu_model_describe("Haswell,-rtm,help", NULL);
    Error *err = NULL;

    g_assert_cmpstr(qemu64, ==, "qemu64:\n    svm\n");
    g_assert_nonnull(strstr(all, "\nqemu64-v1:\n    svm\n"));
    g_assert_nonnull(strstr(all, "\nkvm64-v1: nothing\n"));
    g_assert_nonnull(strstr(all, "max: nothing\n"));
    g_assert_nonnull(strstr(haswell, "vendor=GenuineIntel,family=6,model=60,stepping=4"));
    g_assert_nonnull(strstr(haswell, " pcid "));
    g_assert_nonnull(strstr(haswell, "\n  CPUID.07H:EBX.hle [bit 4]\n"));
    g_assert_null(strstr(haswell, ".rtm"));
    g_assert_null(cpu_models_missing_text("Haswel", &err));
    g_assert_cmpstr(error_message(err), ==,
                    "-cpu: unknown CPU model 'Haswel'; did you mean 'Haswell'?");
    error_free(err);
    g_assert_null(cpu_model_describe("Haswel,help", NULL));
}

/* Rejected text leaves the model as it was. */
static void test_failure_keeps_model(void)
{
    const CpuModel *model = select_model("kvm64");

    g_assert_false(cpu_model_select("max,+nonsense", NULL));
    g_assert_cmpstr(model->name, ==, "kvm64");
    g_assert_true(cpu_model_current() == model);
}

static void test_dynamic_bits(void)
{
    uint32_t size;

    select_model("max");
    g_assert_false(leaf(1, 0, ECX) & 1u << 27);
    cpu.cr4 = CR4_OSXSAVE;
    g_assert_true(leaf(1, 0, ECX) & 1u << 27);
    g_assert_false(leaf(7, 0, ECX) & 1u << 4);
    cpu.cr4 = CR4_PKE;
    g_assert_true(leaf(7, 0, ECX) & 1u << 4);
    if (!(leaf(1, 0, ECX) & 1u << 28)) {
        g_test_skip("the host has no AVX");
        return;
    }
    cpu.xcr0 = XCR0_X87;
    g_assert_cmpuint(leaf(0xd, 0, EBX), ==, 576);
    cpu.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    size = host(0xd, 2, EAX) + host(0xd, 2, EBX);
    g_assert_cmpuint(leaf(0xd, 0, EBX), ==, size);
    g_assert_cmpuint(leaf(0xd, 0, ECX), >=, size);
    g_assert_cmpuint(leaf(0xd, 2, EAX), ==, host(0xd, 2, EAX));
    g_assert_cmpuint(leaf(0xd, 2, EBX), ==, host(0xd, 2, EBX));
    g_assert_cmpuint(leaf(0xd, 1, EBX), ==, 576 + host(0xd, 2, EAX));
}

static void test_topology(void)
{
    select_model("max");
    cpu.apic_id = 5;
    g_assert_false(leaf(1, 0, EDX) & 1u << 28);
    set_topology(1, 6, 1);
    g_assert_true(leaf(1, 0, EDX) & 1u << 28);
    g_assert_cmphex(leaf(1, 0, EBX), ==, 0x05060800);
    g_assert_cmpuint(leaf(0xb, 0, EBX), ==, 1);
    g_assert_cmphex(leaf(0xb, 0, ECX), ==, 0x100);
    g_assert_cmpuint(leaf(0xb, 1, EAX), ==, 3);
    g_assert_cmpuint(leaf(0xb, 1, EBX), ==, 6);
    g_assert_cmphex(leaf(0xb, 1, ECX), ==, 0x201);
    g_assert_cmphex(leaf(0xb, 2, ECX), ==, 2);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpuint(leaf(0xb, i, EDX), ==, 5);
    }
    g_assert_cmphex(leaf(0x80000008, 0, ECX), ==, 0x3005);
    g_assert_cmphex(leaf(4, 3, EAX), ==, 0); /* AMD has no leaf 4 */
    select_model("max,vendor=GenuineIntel");
    set_topology(1, 6, 1);
    g_assert_cmpuint(leaf(4, 3, EAX) >> 26, ==, 7);
    g_assert_cmphex(leaf(4, 4, EAX), ==, 0);
}

/* Each shape: what the leaves of both vendors say, for the last CPU of the second package. */
static const struct {
    unsigned dies, cores, threads;
    uint32_t apic_id;
    uint32_t leaf_1_count, leaf_4_l1, leaf_4_l3; /* EBX 23:16; EAX 31:14 */
    uint32_t leaf_b[2][2], leaf_1f[3][2];        /* shift, count */
    uint32_t core_count, share_l1, share_l3;     /* 80000008.ECX, 8000001D.EAX 25:14 */
    uint32_t unit, node;                         /* 8000001E.EBX, ECX */
} shapes[] = {
    {1, 1, 1, 1, 0, 0, 0, {{0, 1}, {0, 1}}, {{0}}, 0, 0, 0, 0, 1},
    {1, 4, 1, 7, 4, 3 << 12, 3 << 12 | 3, {{0, 1}, {2, 4}}, {{0}}, 0x2003, 0, 3, 3, 1},
    {1, 1, 2, 3, 2, 1, 1, {{1, 2}, {1, 2}}, {{0}}, 0x1001, 1, 1, 0x100, 1},
    {1, 3, 2, 13, 6, 3 << 12 | 1, 3 << 12 | 7, {{1, 2}, {3, 6}}, {{0}}, 0x3005, 1, 5, 0x102, 1},
    {2,
     2,
     2,
     15,
     8,
     3 << 12 | 1,
     3 << 12 | 3,
     {{1, 2}, {3, 8}},
     {{1, 2}, {2, 4}, {3, 8}},
     0x3007,
     1,
     3,
     0x101,
     0x103},
    {3,
     5,
     3,
     128 + 32 + 4 * 4 + 2,
     128,
     31 << 12 | 3,
     31 << 12 | 31,
     {{2, 3}, {7, 45}},
     {{2, 3}, {5, 15}, {7, 45}},
     0x702c,
     2,
     31,
     0x204,
     0x205},
};

static void check_shape(size_t i)
{
    g_test_message("shape %zu", i);
    select_model("kvm64,level=0x1f,xlevel=0x80000008");
    set_topology(shapes[i].dies, shapes[i].cores, shapes[i].threads);
    cpu.apic_id = shapes[i].apic_id;
    g_assert_cmphex(leaf(1, 0, EBX) >> 16 & 0xff, ==, shapes[i].leaf_1_count);
    g_assert_cmphex(leaf(1, 0, EBX) >> 24, ==, shapes[i].apic_id);
    g_assert_cmpint(!!(leaf(1, 0, EDX) & 1u << 28), ==, shapes[i].leaf_1_count > 1);
    g_assert_cmphex(leaf(4, 0, EAX) >> 14, ==, shapes[i].leaf_4_l1);
    g_assert_cmphex(leaf(4, 3, EAX) >> 14, ==, shapes[i].leaf_4_l3);
    for (unsigned n = 0; n < 2; n++) {
        g_assert_cmphex(leaf(0xb, n, EAX), ==, shapes[i].leaf_b[n][0]);
        g_assert_cmphex(leaf(0xb, n, EBX), ==, shapes[i].leaf_b[n][1]);
        g_assert_cmphex(leaf(0xb, n, EDX), ==, shapes[i].apic_id);
    }
    for (unsigned n = 0; n < 3; n++) {
        static const uint32_t types[] = {1, 2, 5};

        g_assert_cmphex(leaf(0x1f, n, EAX), ==, shapes[i].leaf_1f[n][0]);
        g_assert_cmphex(leaf(0x1f, n, EBX), ==, shapes[i].leaf_1f[n][1]);
        g_assert_cmphex(leaf(0x1f, n, ECX), ==, shapes[i].dies > 1 ? types[n] << 8 | n : 0);
    }
    select_model("EPYC,check=off");
    set_topology(shapes[i].dies, shapes[i].cores, shapes[i].threads);
    cpu.apic_id = shapes[i].apic_id;
    g_assert_cmpint(leaf(0x80000001, 0, ECX) >> 1 & 1, ==, shapes[i].leaf_1_count > 1);
    g_assert_cmphex(leaf(0x80000008, 0, ECX), ==, shapes[i].core_count);
    g_assert_cmphex(leaf(0x8000001d, 0, EAX) >> 14, ==, shapes[i].share_l1);
    g_assert_cmphex(leaf(0x8000001d, 3, EAX) >> 14, ==, shapes[i].share_l3);
    g_assert_cmphex(leaf(0x8000001e, 0, EAX), ==, shapes[i].apic_id);
    g_assert_cmphex(leaf(0x8000001e, 0, EBX), ==, shapes[i].unit);
    g_assert_cmphex(leaf(0x8000001e, 0, ECX), ==, shapes[i].node);
}

static void test_shapes(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        check_shape(i);
    }
}

/* Leaves out of range: AMD answers zeros, Intel its last basic leaf. */
static void test_out_of_range(void)
{
    select_model("qemu64");
    g_assert_cmphex(leaf(0x20, 0, EBX) | leaf(0x20, 0, EAX) | leaf(0x80000050, 0, EAX), ==, 0);
    select_model("kvm64,level=1");
    g_assert_cmphex(leaf(0x20, 0, EAX), ==, leaf(1, 0, EAX));
    g_assert_cmphex(leaf(0x80000050, 0, EAX), ==, leaf(1, 0, EAX));
}

static void test_help(void)
{
    g_autofree char *text = cpu_model_help();

    g_assert_nonnull(strstr(text, "x86 tcg64"));
    g_assert_nonnull(strstr(text, " pcid"));
    g_assert_null(strstr(text, " vmx"));
}

static void test_table(void)
{
    for (unsigned i = 0; i < feature_row_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            g_assert_cmpstr(feature_rows[i].name, !=, feature_rows[j].name);
            g_assert_true(feature_rows[i].word != feature_rows[j].word ||
                          feature_rows[i].bit != feature_rows[j].bit);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpuid/odd-frequencies", test_odd_frequencies);
    g_test_add_func("/cpuid/frequency", test_frequency);
    g_test_add_func("/cpuid/host-caches", test_host_caches);
    g_test_add_func("/cpuid/qemu64", test_qemu64);
    g_test_add_func("/cpuid/promises", test_promises);
    g_test_add_func("/cpuid/named-models", test_named_models);
    g_test_add_func("/cpuid/every-name", test_every_name);
    g_test_add_func("/cpuid/short-names", test_short_names);
    g_test_add_func("/cpuid/versions", test_versions);
    g_test_add_func("/cpuid/warnings", test_warnings);
    g_test_add_func("/cpuid/quiet", test_quiet);
    g_test_add_func("/cpuid/properties", test_properties);
    g_test_add_func("/cpuid/tcg64", test_tcg64);
    g_test_add_func("/cpuid/parsing", test_parsing);
    g_test_add_func("/cpuid/errors", test_errors);
    g_test_add_func("/cpuid/order", test_order);
    g_test_add_func("/cpuid/missing", test_missing);
    g_test_add_func("/cpuid/failure-keeps-model", test_failure_keeps_model);
    g_test_add_func("/cpuid/dynamic-bits", test_dynamic_bits);
    g_test_add_func("/cpuid/topology", test_topology);
    g_test_add_func("/cpuid/shapes", test_shapes);
    g_test_add_func("/cpuid/out-of-range", test_out_of_range);
    g_test_add_func("/cpuid/help", test_help);
    g_test_add_func("/cpuid/table", test_table);
    return g_test_run();
}
