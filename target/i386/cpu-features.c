/* SPDX-License-Identifier: MIT */
/* The table of CPUID feature bits, and which of them this host and the translator can offer. */
#include "target/i386/cpu-model.h"

#include <cpuid.h>

/* What the host's instructions do once re-hosted; what helpers do alone; what nobody does yet. */
#define HOST(feature_name, w, b)                                                                   \
    {                                                                                              \
        .name = feature_name, .word = w, .bit = b, .carried = true, .needs_host = true             \
    }
#define OWN(feature_name, w, b)                                                                    \
    {                                                                                              \
        .name = feature_name, .word = w, .bit = b, .carried = true                                 \
    }
#define ABSENT(feature_name, w, b)                                                                 \
    {                                                                                              \
        .name = feature_name, .word = w, .bit = b, .needs_host = true                              \
    }

const FeatureRow feature_rows[] = {
    HOST("fpu", FEATURE_1_EDX, 0),
    OWN("vme", FEATURE_1_EDX, 1),
    OWN("de", FEATURE_1_EDX, 2),
    OWN("pse", FEATURE_1_EDX, 3),
    OWN("tsc", FEATURE_1_EDX, 4),
    OWN("msr", FEATURE_1_EDX, 5),
    OWN("pae", FEATURE_1_EDX, 6),
    OWN("mce", FEATURE_1_EDX, 7),
    HOST("cx8", FEATURE_1_EDX, 8),
    OWN("apic", FEATURE_1_EDX, 9),
    OWN("sep", FEATURE_1_EDX, 11),
    OWN("mtrr", FEATURE_1_EDX, 12),
    OWN("pge", FEATURE_1_EDX, 13),
    OWN("mca", FEATURE_1_EDX, 14),
    HOST("cmov", FEATURE_1_EDX, 15),
    OWN("pat", FEATURE_1_EDX, 16),
    OWN("pse36", FEATURE_1_EDX, 17),
    ABSENT("pn", FEATURE_1_EDX, 18),
    HOST("clflush", FEATURE_1_EDX, 19),
    ABSENT("ds", FEATURE_1_EDX, 21),
    OWN("acpi", FEATURE_1_EDX, 22),
    HOST("mmx", FEATURE_1_EDX, 23),
    HOST("fxsr", FEATURE_1_EDX, 24),
    HOST("sse", FEATURE_1_EDX, 25),
    HOST("sse2", FEATURE_1_EDX, 26),
    OWN("ss", FEATURE_1_EDX, 27),
    OWN("ht", FEATURE_1_EDX, 28),
    ABSENT("tm", FEATURE_1_EDX, 29),
    ABSENT("ia64", FEATURE_1_EDX, 30),
    ABSENT("pbe", FEATURE_1_EDX, 31),

    HOST("pni", FEATURE_1_ECX, 0),
    HOST("pclmulqdq", FEATURE_1_ECX, 1),
    ABSENT("dtes64", FEATURE_1_ECX, 2),
    OWN("monitor", FEATURE_1_ECX, 3),
    ABSENT("ds-cpl", FEATURE_1_ECX, 4),
    ABSENT("vmx", FEATURE_1_ECX, 5),
    ABSENT("smx", FEATURE_1_ECX, 6),
    ABSENT("est", FEATURE_1_ECX, 7),
    ABSENT("tm2", FEATURE_1_ECX, 8),
    HOST("ssse3", FEATURE_1_ECX, 9),
    ABSENT("cid", FEATURE_1_ECX, 10),
    HOST("fma", FEATURE_1_ECX, 12),
    HOST("cx16", FEATURE_1_ECX, 13),
    ABSENT("xtpr", FEATURE_1_ECX, 14),
    ABSENT("pdcm", FEATURE_1_ECX, 15),
    OWN("pcid", FEATURE_1_ECX, 17),
    ABSENT("dca", FEATURE_1_ECX, 18),
    HOST("sse4.1", FEATURE_1_ECX, 19),
    HOST("sse4.2", FEATURE_1_ECX, 20),
    OWN("x2apic", FEATURE_1_ECX, 21),
    HOST("movbe", FEATURE_1_ECX, 22),
    HOST("popcnt", FEATURE_1_ECX, 23),
    OWN("tsc-deadline", FEATURE_1_ECX, 24),
    HOST("aes", FEATURE_1_ECX, 25),
    HOST("xsave", FEATURE_1_ECX, 26),
    HOST("avx", FEATURE_1_ECX, 28),
    HOST("f16c", FEATURE_1_ECX, 29),
    HOST("rdrand", FEATURE_1_ECX, 30),
    OWN("hypervisor", FEATURE_1_ECX, 31),

    OWN("fsgsbase", FEATURE_7_EBX, 0),
    OWN("tsc-adjust", FEATURE_7_EBX, 1),
    ABSENT("sgx", FEATURE_7_EBX, 2),
    HOST("bmi1", FEATURE_7_EBX, 3),
    ABSENT("hle", FEATURE_7_EBX, 4),
    HOST("avx2", FEATURE_7_EBX, 5),
    ABSENT("fdp-excptn-only", FEATURE_7_EBX, 6),
    OWN("smep", FEATURE_7_EBX, 7),
    HOST("bmi2", FEATURE_7_EBX, 8),
    OWN("erms", FEATURE_7_EBX, 9),
    OWN("invpcid", FEATURE_7_EBX, 10),
    ABSENT("rtm", FEATURE_7_EBX, 11),
    OWN("zero-fcs-fds", FEATURE_7_EBX, 13),
    ABSENT("mpx", FEATURE_7_EBX, 14),
    HOST("avx512f", FEATURE_7_EBX, 16),
    HOST("avx512dq", FEATURE_7_EBX, 17),
    HOST("rdseed", FEATURE_7_EBX, 18),
    HOST("adx", FEATURE_7_EBX, 19),
    OWN("smap", FEATURE_7_EBX, 20),
    HOST("avx512ifma", FEATURE_7_EBX, 21),
    ABSENT("pcommit", FEATURE_7_EBX, 22),
    HOST("clflushopt", FEATURE_7_EBX, 23),
    HOST("clwb", FEATURE_7_EBX, 24),
    ABSENT("intel-pt", FEATURE_7_EBX, 25),
    ABSENT("avx512pf", FEATURE_7_EBX, 26),
    ABSENT("avx512er", FEATURE_7_EBX, 27),
    HOST("avx512cd", FEATURE_7_EBX, 28),
    HOST("sha-ni", FEATURE_7_EBX, 29),
    HOST("avx512bw", FEATURE_7_EBX, 30),
    HOST("avx512vl", FEATURE_7_EBX, 31),

    HOST("avx512vbmi", FEATURE_7_ECX, 1),
    OWN("umip", FEATURE_7_ECX, 2),
    OWN("pku", FEATURE_7_ECX, 3),
    ABSENT("waitpkg", FEATURE_7_ECX, 5),
    HOST("avx512vbmi2", FEATURE_7_ECX, 6),
    ABSENT("cet-ss", FEATURE_7_ECX, 7),
    HOST("gfni", FEATURE_7_ECX, 8),
    HOST("vaes", FEATURE_7_ECX, 9),
    HOST("vpclmulqdq", FEATURE_7_ECX, 10),
    HOST("avx512vnni", FEATURE_7_ECX, 11),
    HOST("avx512bitalg", FEATURE_7_ECX, 12),
    HOST("avx512-vpopcntdq", FEATURE_7_ECX, 14),
    OWN("la57", FEATURE_7_ECX, 16),
    OWN("rdpid", FEATURE_7_ECX, 22),
    ABSENT("bus-lock-detect", FEATURE_7_ECX, 24),
    OWN("cldemote", FEATURE_7_ECX, 25), /* a hint */
    HOST("movdiri", FEATURE_7_ECX, 27),
    HOST("movdir64b", FEATURE_7_ECX, 28),
    ABSENT("enqcmd", FEATURE_7_ECX, 29),
    ABSENT("sgxlc", FEATURE_7_ECX, 30),
    OWN("pks", FEATURE_7_ECX, 31),

    ABSENT("avx512-4vnniw", FEATURE_7_EDX, 2),
    ABSENT("avx512-4fmaps", FEATURE_7_EDX, 3),
    OWN("fsrm", FEATURE_7_EDX, 4),
    ABSENT("uintr", FEATURE_7_EDX, 5),
    HOST("avx512-vp2intersect", FEATURE_7_EDX, 8),
    OWN("md-clear", FEATURE_7_EDX, 10), /* VERW clears nothing here, and nothing needs clearing */
    ABSENT("serialize", FEATURE_7_EDX, 14),
    ABSENT("tsx-ldtrk", FEATURE_7_EDX, 16),
    ABSENT("pconfig", FEATURE_7_EDX, 18),
    ABSENT("arch-lbr", FEATURE_7_EDX, 19),
    ABSENT("cet-ibt", FEATURE_7_EDX, 20),
    ABSENT("amx-bf16", FEATURE_7_EDX, 22),
    ABSENT("avx512-fp16", FEATURE_7_EDX, 23),
    ABSENT("amx-tile", FEATURE_7_EDX, 24),
    ABSENT("amx-int8", FEATURE_7_EDX, 25),
    OWN("spec-ctrl", FEATURE_7_EDX, 26),
    OWN("stibp", FEATURE_7_EDX, 27),
    OWN("arch-capabilities", FEATURE_7_EDX, 29),
    ABSENT("core-capability", FEATURE_7_EDX, 30),
    OWN("ssbd", FEATURE_7_EDX, 31),

    HOST("avx-vnni", FEATURE_7_1_EAX, 4),
    HOST("avx512-bf16", FEATURE_7_1_EAX, 5),

    HOST("xsaveopt", FEATURE_D_1_EAX, 0),
    HOST("xsavec", FEATURE_D_1_EAX, 1),
    HOST("xgetbv1", FEATURE_D_1_EAX, 2),
    HOST("xsaves", FEATURE_D_1_EAX, 3),
    ABSENT("xfd", FEATURE_D_1_EAX, 4),

    OWN("syscall", FEATURE_80000001_EDX, 11),
    OWN("nx", FEATURE_80000001_EDX, 20),
    OWN("mmxext", FEATURE_80000001_EDX, 22), /* part of SSE, whether or not the host names it */
    OWN("fxsr-opt", FEATURE_80000001_EDX, 25),
    OWN("pdpe1gb", FEATURE_80000001_EDX, 26),
    OWN("rdtscp", FEATURE_80000001_EDX, 27),
    OWN("lm", FEATURE_80000001_EDX, 29),
    ABSENT("3dnowext", FEATURE_80000001_EDX, 30),
    ABSENT("3dnow", FEATURE_80000001_EDX, 31),

    HOST("lahf-lm", FEATURE_80000001_ECX, 0),
    OWN("cmp-legacy", FEATURE_80000001_ECX, 1),
    ABSENT("svm", FEATURE_80000001_ECX, 2),
    ABSENT("extapic", FEATURE_80000001_ECX, 3),
    ABSENT("cr8legacy", FEATURE_80000001_ECX, 4),
    HOST("abm", FEATURE_80000001_ECX, 5),
    HOST("sse4a", FEATURE_80000001_ECX, 6),
    HOST("misalignsse", FEATURE_80000001_ECX, 7),
    HOST("3dnowprefetch", FEATURE_80000001_ECX, 8),
    ABSENT("osvw", FEATURE_80000001_ECX, 9),
    ABSENT("ibs", FEATURE_80000001_ECX, 10),
    ABSENT("xop", FEATURE_80000001_ECX, 11),
    ABSENT("skinit", FEATURE_80000001_ECX, 12),
    ABSENT("wdt", FEATURE_80000001_ECX, 13),
    ABSENT("lwp", FEATURE_80000001_ECX, 15),
    ABSENT("fma4", FEATURE_80000001_ECX, 16),
    ABSENT("tce", FEATURE_80000001_ECX, 17),
    ABSENT("nodeid-msr", FEATURE_80000001_ECX, 19),
    ABSENT("tbm", FEATURE_80000001_ECX, 21),
    OWN("topoext", FEATURE_80000001_ECX, 22),
    ABSENT("perfctr-core", FEATURE_80000001_ECX, 23),
    ABSENT("perfctr-nb", FEATURE_80000001_ECX, 24),

    OWN("invtsc", FEATURE_80000007_EDX, 8),

    OWN("clzero", FEATURE_80000008_EBX, 0),
    HOST("xsaveerptr", FEATURE_80000008_EBX, 2),
    OWN("wbnoinvd", FEATURE_80000008_EBX, 9), /* an F3 prefix that WBINVD ignores */
    OWN("ibpb", FEATURE_80000008_EBX, 12),
    OWN("ibrs", FEATURE_80000008_EBX, 14),
    OWN("amd-stibp", FEATURE_80000008_EBX, 15),
    OWN("amd-ssbd", FEATURE_80000008_EBX, 24),
    ABSENT("virt-ssbd", FEATURE_80000008_EBX, 25),
    OWN("amd-no-ssb", FEATURE_80000008_EBX, 26),

    ABSENT("npt", FEATURE_8000000A_EDX, 0),
    ABSENT("lbrv", FEATURE_8000000A_EDX, 1),
    ABSENT("svm-lock", FEATURE_8000000A_EDX, 2),
    ABSENT("nrip-save", FEATURE_8000000A_EDX, 3),
    ABSENT("tsc-scale", FEATURE_8000000A_EDX, 4),
    ABSENT("vmcb-clean", FEATURE_8000000A_EDX, 5),
    ABSENT("flushbyasid", FEATURE_8000000A_EDX, 6),
    ABSENT("decodeassists", FEATURE_8000000A_EDX, 7),
    ABSENT("pause-filter", FEATURE_8000000A_EDX, 10),
    ABSENT("pfthreshold", FEATURE_8000000A_EDX, 12),
    ABSENT("avic", FEATURE_8000000A_EDX, 13),
    ABSENT("v-vmsave-vmload", FEATURE_8000000A_EDX, 15),
    ABSENT("vgif", FEATURE_8000000A_EDX, 16),
    ABSENT("svme-addr-chk", FEATURE_8000000A_EDX, 28),

    OWN("arat", FEATURE_6_EAX, 2),

    OWN("rdctl-no", FEATURE_ARCH_LOW, 0),
    OWN("ibrs-all", FEATURE_ARCH_LOW, 1),
    OWN("rsba", FEATURE_ARCH_LOW, 2),
    OWN("skip-l1dfl-vmentry", FEATURE_ARCH_LOW, 3),
    OWN("ssb-no", FEATURE_ARCH_LOW, 4),
    OWN("mds-no", FEATURE_ARCH_LOW, 5),
    OWN("pschange-mc-no", FEATURE_ARCH_LOW, 6),
    OWN("taa-no", FEATURE_ARCH_LOW, 8),
    OWN("sbdr-ssdp-no", FEATURE_ARCH_LOW, 13),
    OWN("fbsdp-no", FEATURE_ARCH_LOW, 14),
    OWN("psdp-no", FEATURE_ARCH_LOW, 15),
    OWN("bhi-no", FEATURE_ARCH_LOW, 20),
    OWN("pbrsb-no", FEATURE_ARCH_LOW, 24),
    OWN("gds-no", FEATURE_ARCH_LOW, 26),
    OWN("rfds-no", FEATURE_ARCH_LOW, 27),
    OWN("its-no", FEATURE_ARCH_HIGH, 30),

    ABSENT("split-lock-detect", FEATURE_CORE_CAPABILITY, 5),
};

const unsigned feature_row_count = G_N_ELEMENTS(feature_rows);

/* Where each word of the host is found; ARCH_CAPABILITIES is an MSR of ours alone. */
static const struct {
    uint32_t leaf, subleaf;
    uint8_t reg; /* EAX EBX ECX EDX */
} word_source[FEATURE_WORD_COUNT] = {
    [FEATURE_1_EDX] = {1, 0, 3},
    [FEATURE_1_ECX] = {1, 0, 2},
    [FEATURE_7_EBX] = {7, 0, 1},
    [FEATURE_7_ECX] = {7, 0, 2},
    [FEATURE_7_EDX] = {7, 0, 3},
    [FEATURE_7_1_EAX] = {7, 1, 0},
    [FEATURE_D_1_EAX] = {0xd, 1, 0},
    [FEATURE_80000001_EDX] = {0x80000001, 0, 3},
    [FEATURE_80000001_ECX] = {0x80000001, 0, 2},
    [FEATURE_80000007_EDX] = {0x80000007, 0, 3},
    [FEATURE_80000008_EBX] = {0x80000008, 0, 1},
    [FEATURE_8000000A_EDX] = {0x8000000a, 0, 3},
    [FEATURE_6_EAX] = {6, 0, 0},
};

static uint32_t host_word(FeatureWord word)
{
    uint32_t regs[4];

    if (word_source[word].leaf == 0 ||
        __get_cpuid_max(word_source[word].leaf & 0x80000000, NULL) < word_source[word].leaf) {
        return 0;
    }
    __cpuid_count(word_source[word].leaf, word_source[word].subleaf, regs[0], regs[1], regs[2],
                  regs[3]);
    return regs[word_source[word].reg];
}

/* The host's XSAVE state is usable only where its system has switched it on. */
static uint32_t host_xsave_blocks(void)
{
    uint32_t xcr0, high;

    if (!(host_word(FEATURE_1_ECX) & 1u << 27)) { /* OSXSAVE */
        return 0;
    }
    __asm__("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    return xcr0;
}

void cpu_features_available(uint32_t ret_words[FEATURE_WORD_COUNT])
{
    uint32_t host[FEATURE_WORD_COUNT];
    uint32_t xcr0 = host_xsave_blocks();

    for (unsigned word = 0; word < FEATURE_WORD_COUNT; word++) {
        host[word] = host_word((FeatureWord)word);
        ret_words[word] = 0;
    }
    if ((xcr0 & (XCR0_X87 | XCR0_SSE)) != (XCR0_X87 | XCR0_SSE)) {
        host[FEATURE_1_ECX] &= ~(1u << (FEATURE_XSAVE % 32));
    }
    if ((xcr0 & XCR0_AVX) == 0) {
        host[FEATURE_1_ECX] &= ~(1u << (FEATURE_AVX % 32));
    }
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512) {
        host[FEATURE_7_EBX] &= ~(1u << (FEATURE_AVX512F % 32));
    }
    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (row->carried && (!row->needs_host || (host[row->word] >> row->bit & 1))) {
            ret_words[row->word] |= 1u << row->bit;
        }
    }
}
