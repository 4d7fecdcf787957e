/* SPDX-License-Identifier: MIT */
/* CPU models of no particular processor, as QEMU 7.2 defines them. */
#include "target/i386/cpu-model-rows.h"

#include <glib.h>

static const ModelRow models[] = {
    {.name = "486",
     .vendor = "GenuineIntel",
     .model_id = "",
     .family = 4,
     .model = 8,
     .stepping = 0,
     .level = 1,
     .xlevel = 0,
     .features = "fpu vme pse"},
    {.name = "qemu32",
     .vendor = "GenuineIntel",
     .model_id = "QEMU Virtual CPU version 2.5+",
     .family = 6,
     .model = 6,
     .stepping = 3,
     .level = 4,
     .xlevel = 0x80000004,
     .is_quiet = true,
     .features = "fpu de pse tsc msr pae mce cx8 apic sep pge cmov pat mmx fxsr sse sse2 pni"},
    {.name = "qemu64",
     .vendor = "AuthenticAMD",
     .model_id = "QEMU Virtual CPU version 2.5+",
     .family = 15,
     .model = 107,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000000a,
     .is_quiet = true,
     .features = "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx "
                 "fxsr sse sse2 pni cx16 syscall nx lm lahf-lm svm"},
    {.name = "kvm32",
     .vendor = "GenuineIntel",
     .model_id = "Common 32-bit KVM processor",
     .family = 15,
     .model = 6,
     .stepping = 1,
     .level = 5,
     .xlevel = 0x80000008,
     .is_quiet = true,
     .features = "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx "
                 "fxsr sse sse2 pni"},
    {.name = "kvm64",
     .vendor = "GenuineIntel",
     .model_id = "Common KVM processor",
     .family = 15,
     .model = 6,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x80000008,
     .is_quiet = true,
     .features = "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx "
                 "fxsr sse sse2 pni cx16 syscall nx lm"},
};

const ModelTable generic_models = {
    .models = models,
    .model_count = G_N_ELEMENTS(models),
};
