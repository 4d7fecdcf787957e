/* SPDX-License-Identifier: MIT */
/* CPU models of AMD and Hygon, as QEMU 7.2 defines them. */
#include "target/i386/cpu-model-rows.h"

#include <glib.h>

#define AMD_64                                                                                     \
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr "    \
    "sse "                                                                                         \
    "sse2 pni syscall nx lm "

#define ZEN                                                                                        \
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr "    \
    "sse "                                                                                         \
    "sse2 pni monitor ssse3 fma cx16 sse4.1 sse4.2 movbe popcnt xsave avx f16c rdrand fsgsbase "   \
    "bmi1 avx2 smep bmi2 rdseed adx smap clflushopt xsaveopt xsavec xgetbv1 syscall nx mmxext "    \
    "fxsr-opt pdpe1gb rdtscp lm lahf-lm svm cr8legacy abm sse4a misalignsse 3dnowprefetch osvw "   \
    "topoext npt nrip-save arat "

static const ModelRow models[] = {
    {.name = "athlon",
     .vendor = "AuthenticAMD",
     .model_id = "QEMU Virtual CPU version 2.5+",
     .family = 6,
     .model = 2,
     .stepping = 3,
     .level = 2,
     .xlevel = 0x80000008,
     .features = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 mmx fxsr "
                 "sse sse2 mmxext 3dnowext 3dnow"},
    {.name = "phenom",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Phenom(tm) 9550 Quad-Core Processor",
     .family = 16,
     .model = 2,
     .stepping = 3,
     .level = 5,
     .xlevel = 0x8000001a,
     .features =
         AMD_64 "monitor cx16 popcnt mmxext fxsr-opt pdpe1gb rdtscp 3dnowext 3dnow lahf-lm svm "
                "abm sse4a npt"},
    {.name = "Opteron_G1",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Opteron 240 (Gen 1 Class Opteron)",
     .family = 15,
     .model = 6,
     .stepping = 1,
     .level = 5,
     .xlevel = 0x80000008,
     .features = AMD_64},
    {.name = "Opteron_G2",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Opteron 22xx (Gen 2 Class Opteron)",
     .family = 15,
     .model = 6,
     .stepping = 1,
     .level = 5,
     .xlevel = 0x8000000a,
     .features = AMD_64 "cx16 lahf-lm svm"},
    {.name = "Opteron_G3",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Opteron 23xx (Gen 3 Class Opteron)",
     .family = 16,
     .model = 2,
     .stepping = 3,
     .level = 5,
     .xlevel = 0x8000000a,
     .features = AMD_64 "monitor cx16 popcnt rdtscp lahf-lm svm abm sse4a misalignsse"},
    {.name = "Opteron_G4",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Opteron 62xx class CPU",
     .family = 21,
     .model = 1,
     .stepping = 2,
     .level = 0xd,
     .xlevel = 0x8000001a,
     .features =
         AMD_64 "pclmulqdq ssse3 cx16 sse4.1 sse4.2 popcnt aes xsave avx pdpe1gb rdtscp lahf-lm "
                "svm abm sse4a misalignsse 3dnowprefetch xop fma4 npt nrip-save"},
    {.name = "Opteron_G5",
     .vendor = "AuthenticAMD",
     .model_id = "AMD Opteron 63xx class CPU",
     .family = 21,
     .model = 2,
     .stepping = 0,
     .level = 0xd,
     .xlevel = 0x8000001a,
     .features =
         AMD_64 "pclmulqdq ssse3 fma cx16 sse4.1 sse4.2 popcnt aes xsave avx f16c pdpe1gb rdtscp "
                "lahf-lm svm abm sse4a misalignsse 3dnowprefetch xop fma4 tbm npt nrip-save"},
    {.name = "EPYC",
     .vendor = "AuthenticAMD",
     .model_id = "AMD EPYC Processor",
     .family = 23,
     .model = 1,
     .stepping = 2,
     .level = 0xd,
     .xlevel = 0x8000001e,
     .caches = CACHES_EPYC,
     .features = ZEN "pclmulqdq aes sha-ni"},
    {.name = "EPYC-Rome",
     .vendor = "AuthenticAMD",
     .model_id = "AMD EPYC-Rome Processor",
     .family = 23,
     .model = 49,
     .stepping = 0,
     .level = 0xd,
     .xlevel = 0x8000001e,
     .caches = CACHES_EPYC_ROME,
     .features = ZEN "pclmulqdq aes clwb sha-ni umip rdpid xsaves perfctr-core clzero xsaveerptr "
                     "wbnoinvd ibpb amd-stibp"},
    {.name = "EPYC-Milan",
     .vendor = "AuthenticAMD",
     .model_id = "AMD EPYC-Milan Processor",
     .family = 25,
     .model = 1,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000001e,
     .caches = CACHES_EPYC_MILAN,
     .features = ZEN "pclmulqdq pcid aes erms invpcid clwb sha-ni umip pku rdpid fsrm xsaves "
                     "perfctr-core clzero xsaveerptr wbnoinvd ibpb ibrs amd-stibp amd-ssbd "
                     "svme-addr-chk"},
    {.name = "Dhyana",
     .vendor = "HygonGenuine",
     .model_id = "Hygon Dhyana Processor",
     .family = 24,
     .model = 0,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000001e,
     .caches = CACHES_EPYC,
     .features = ZEN "ibpb"},
};

/* Later versions, as what differs from an earlier one. */
static const ModelVersion versions[] = {
    {.model = "EPYC",
     .version = 2,
     .from = 1,
     .alias = "EPYC-IBPB",
     .adds = "ibpb",
     .model_id = "AMD EPYC Processor (with IBPB)"},
    {.model = "EPYC",
     .version = 3,
     .from = 2,
     .adds = "xsaves perfctr-core clzero xsaveerptr",
     .model_id = "AMD EPYC Processor"},
    {.model = "EPYC-Rome", .version = 2, .from = 1, .adds = "ibrs amd-ssbd"},
    {.model = "Dhyana", .version = 2, .from = 1, .adds = "xsaves", .note = "XSAVES"},
};

const ModelTable amd_models = {
    .models = models,
    .model_count = G_N_ELEMENTS(models),
    .versions = versions,
    .version_count = G_N_ELEMENTS(versions),
};
