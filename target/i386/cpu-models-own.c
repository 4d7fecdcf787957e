/* SPDX-License-Identifier: MIT */
/* CPU models of our own, and those that stand for no processor: base, host, max. */
#include "target/i386/cpu-model-rows.h"

#include <glib.h>

/* PPRO and newer: what every 64-bit model starts from. */
#define BASE_64                                                                                    \
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr "    \
    "sse "                                                                                         \
    "sse2 pni cx16 syscall nx lm hypervisor "

/*
 * What makes guests fast: address space tags, cheap user-space instructions, x86-64-v3, and an
 * ARCH_CAPABILITIES that says no mitigation is needed. SMEP, SMAP and UMIP are left out: they cost
 * context changes.
 */
#define FAST_64                                                                                    \
    "lahf-lm pcid invpcid erms fsrm fsgsbase rdtscp rdpid pdpe1gb mmxext 3dnowprefetch abm ssse3 " \
    "sse4.1 sse4.2 popcnt movbe pclmulqdq aes sha-ni rdrand rdseed adx xsave xsaveopt xsavec "     \
    "xgetbv1 xsaveerptr avx avx2 fma f16c bmi1 bmi2 vaes vpclmulqdq gfni avx-vnni clflushopt "     \
    "clwb tsc-deadline tsc-adjust invtsc arat "
#define NO_MITIGATIONS                                                                             \
    "spec-ctrl arch-capabilities rdctl-no ibrs-all skip-l1dfl-vmentry ssb-no mds-no "              \
    "pschange-mc-no taa-no sbdr-ssdp-no fbsdp-no psdp-no bhi-no pbrsb-no gds-no rfds-no its-no "

static const ModelRow models[] = {
    {.name = "base",
     .is_own = true,
     .desc = "base CPU model type with no features enabled",
     .features = "",
     .vendor = "",
     .model_id = "",
     .family = 6,
     .model = 6,
     .stepping = 3},
    {.name = "host",
     .is_own = true,
     .desc = "all features of the host that can be carried, its identity",
     .is_host = true,
     .level = 0xd,
     .xlevel = 0x80000008},
    {.name = "max",
     .is_own = true,
     .desc = "all features of the host that can be carried",
     .vendor = "AuthenticAMD",
     .model_id = "QEMU TCG CPU version 2.5+",
     .family = 15,
     .model = 107,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000000a},
    {.name = "tcg64",
     .is_own = true,
     .desc = "what makes guests fast under TCG (default)",
     .features = BASE_64 FAST_64 NO_MITIGATIONS,
     .vendor = "AuthenticAMD",
     .model_id = "Mimus Virtual CPU",
     .family = 15,
     .model = 107,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000000a},
};

const ModelTable own_models = {.models = models, .model_count = G_N_ELEMENTS(models)};
