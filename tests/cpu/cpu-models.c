/* SPDX-License-Identifier: MIT */
/* What CPUID says of a model, the bits that follow the CPU's state, leaves that must agree with
 * each other, MSRs that belong to a vendor, and the virtual interrupt flag. */
#include "cpu-test.h"

#define OSXSAVE (1u << 27)
#define HT (1u << 28)
#define HYPERVISOR (1u << 31)
#define APIC (1u << 9)
#define VME (1u << 1)

#define CR4_VME 1u
#define CR4_OSXSAVE 0x40000u
#define CR4_PKE 0x400000u
#define MSR_APIC_BASE 0x1bu
#define MSR_BIOS_SIGN 0x8bu
#define MSR_MISC_FEATURES 0x140u
#define MSR_MISC_ENABLE 0x1a0u
#define LIMIT_CPUID (1u << 22)

/* One named model: what it shows on any host (`own`, all of `edx`), and what it may show. */
typedef struct Model {
    const char *vendor, *name;
    uint32_t signature, level, xlevel;
    uint32_t edx;                /* of leaf 1: every x86-64 host carries it */
    uint32_t ecx_own, ecx_all;   /* of leaf 1 */
    uint32_t ebx7_own, ebx7_all; /* of leaf 7 */
    uint32_t xedx, xecx_all;     /* of leaf 80000001h */
} Model;

/* How x87 keeps FDP, FCS and FDS is the host's. */
#define HOST_EBX7 (1u << 6 | 1u << 13)

static const Model models[] = {
    {"AuthenticAMD", "QEMU Virtual CPU version 2.5+", 0x60fb1, 0xd, 0x8000000a, 0x078bfbfd,
     0x80000000, 0x80002001, 0, HOST_EBX7, 0x2193fbfd, 0x3},
    {"GenuineIntel", "Common KVM processor", 0xf61, 0xd, 0x80000008, 0x078bfbfd, 0x80000000,
     0x80002001, 0, HOST_EBX7, 0x20100800, 0},
    {"GenuineIntel", "Intel Core i7 9xx (Nehalem Class Core i7)", 0x106a3, 0xb, 0x80000008,
     0x078bfbff, 0x80000000, 0x80982201, 0, HOST_EBX7, 0x20100800, 1},
    {"GenuineIntel", "Intel Core Processor (Haswell)", 0x306c4, 0xd, 0x80000008, 0x078bfbff,
     0x81220000, 0xf7fa3203, 0x00000681, 0x00000fb9 | HOST_EBX7, 0x28100800, 0x21},
    {"GenuineIntel", "Intel Xeon Processor (Icelake)", 0x606a0, 0xd, 0x80000008, 0x078bfbff,
     0x81220000, 0xf7fa3203, 0x00100681, 0xf1bf07a9 | HOST_EBX7, 0x2c100800, 0x121},
    {"AuthenticAMD", "AMD Opteron 23xx (Gen 3 Class Opteron)", 0x100f23, 5, 0x8000000a, 0x078bfbff,
     0x80000000, 0x80802009, 0, 0, 0x2993fbff, 0xe7},
    {"AuthenticAMD", "AMD EPYC Processor", 0x800f12, 0xd, 0x8000001e, 0x078bfbff, 0x80000000,
     0xf6f8320b, 0x00100081, 0x209c01a9 | HOST_EBX7, 0x2fd3fbff, 0x4003f7},
};

static bool is_amd;
static uint32_t level, xlevel;

static void read_texts(char vendor[13], char name[49])
{
    Cpuid r = cpuid(0, 0);

    memcpy(vendor, &r.ebx, 4);
    memcpy(vendor + 4, &r.edx, 4);
    memcpy(vendor + 8, &r.ecx, 4);
    vendor[12] = '\0';
    memset(name, 0, 49);
    for (uint32_t i = 0; i < 3 && xlevel >= 0x80000004; i++) {
        r = cpuid(0x80000002 + i, 0);
        memcpy(name + 16 * i, &r, 16);
    }
}

static bool same_text(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++) {
    }
    return *a == *b;
}

static void check_model(const Model *model)
{
    Cpuid one = cpuid(1, 0), seven = level >= 7 ? cpuid(7, 0) : (Cpuid){0};
    Cpuid extended = cpuid(0x80000001, 0);

    check("model-signature", one.eax, model->signature, "QEMU model");
    check("model-level", level, model->level, "QEMU model");
    check("model-xlevel", xlevel, model->xlevel, "QEMU model");
    check("model-1-edx", one.edx & ~HT, model->edx, "QEMU model");
    check("model-1-ecx-own", one.ecx & model->ecx_own, model->ecx_own, "QEMU model");
    check("model-1-ecx-more", one.ecx & ~model->ecx_all, 0, "QEMU model");
    check("model-7-ebx-own", seven.ebx & model->ebx7_own, model->ebx7_own, "QEMU model");
    check("model-7-ebx-more", seven.ebx & ~model->ebx7_all, 0, "QEMU model");
    check("model-80000001-edx", extended.edx, model->xedx, "QEMU model");
    check("model-80000001-ecx-more", extended.ecx & ~model->xecx_all, 0, "QEMU model");
}

static void find_model(void)
{
    char vendor[13], name[49];

    read_texts(vendor, name);
    is_amd = same_text(vendor, "AuthenticAMD");
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        if (same_text(models[i].vendor, vendor) && same_text(models[i].name, name)) {
            check_model(&models[i]);
            return;
        }
    }
    check_skip("model", name);
}

/* -- Leaves that must agree -------------------------------------------------------------------- */

static void check_out_of_range(void)
{
    Cpuid last = cpuid(level, 0), beyond = cpuid(0x7fffffff, 0), middle = cpuid(level + 1, 0);

    check("beyond-basic", middle.eax, is_amd ? 0 : last.eax, "SDM 2A CPUID");
    check("beyond-all", beyond.ebx, is_amd ? 0 : last.ebx, "SDM 2A CPUID");
    check("beyond-extended", cpuid(xlevel + 1, 0).eax, is_amd ? 0 : last.eax, "SDM 2A CPUID");
    check("hypervisor-bit", cpuid(1, 0).ecx & HYPERVISOR, HYPERVISOR, "convention");
    check("hypervisor-vendor", cpuid(0x40000000, 0).ebx, 0x54474354, "convention");
}

static void check_topology(void)
{
    Cpuid one = cpuid(1, 0);
    uint32_t id = one.ebx >> 24, count = one.edx & HT ? one.ebx >> 16 & 0xff : 1;

    check("boot-apic-id", id, 0, "SDM 3A 9.9.1");
    if (level >= 0xb) {
        Cpuid threads = cpuid(0xb, 0), cores = cpuid(0xb, 1), end = cpuid(0xb, 2);

        check("topology-types", threads.ecx >> 8 << 8 | cores.ecx >> 8, 0x102, "SDM 2A CPUID 0BH");
        check("topology-id", threads.edx | cores.edx | end.edx, id, "SDM 2A CPUID 0BH");
        check("topology-count", cores.ebx, count, "SDM 2A CPUID 0BH");
        check("topology-fits", cores.ebx <= 1u << cores.eax && threads.ebx <= 1u << threads.eax, 1,
              "SDM 2A CPUID 0BH");
        check("topology-end", end.ebx << 16 | (end.ecx & 0xff00), 0, "SDM 2A CPUID 0BH");
    }
    if (!is_amd && level >= 4) {
        Cpuid l3 = cpuid(4, 3);

        check("l3-spans-package", (l3.eax >> 14 & 0xfff) + 1 >= count, 1, "SDM 2A CPUID 04H");
        check("cache-list-ends", cpuid(4, 4).eax & 31, 0, "SDM 2A CPUID 04H");
    } else if (is_amd && count > 1) {
        Cpuid sizes = cpuid(0x80000008, 0);

        check("amd-count", (sizes.ecx & 0xff) + 1, count, "APM 3 E.4.7");
        check("amd-legacy", cpuid(0x80000001, 0).ecx & 2, 2, "APM 3 E.4.2");
        check("amd-ids-fit", count <= 1u << (sizes.ecx >> 12 & 15), 1, "APM 3 E.4.7");
    }
}

/* -- Bits that follow the CPU's state ---------------------------------------------------------- */

static void set_xcr0(uint32_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"(value), "d"(0));
}

static void check_xsave(void)
{
    word cr4 = read_cr4();
    Cpuid all, part, ymm;

    if (!(cpuid(1, 0).ecx & 1u << 26)) {
        check("no-xsave-leaf", cpuid(0xd, 0).eax, is_amd || level >= 0xd ? 0 : cpuid(level, 0).eax,
              "SDM 1 13.2");
        return;
    }
    check("osxsave-clear", cpuid(1, 0).ecx & OSXSAVE, 0, "SDM 2A CPUID 01H");
    write_cr4(cr4 | CR4_OSXSAVE);
    check("osxsave-set", cpuid(1, 0).ecx & OSXSAVE, OSXSAVE, "SDM 2A CPUID 01H");
    set_xcr0(1);
    all = cpuid(0xd, 0);
    check("xsave-legacy-size", all.ebx, 576, "SDM 1 13.2");
    check("xsave-base-states", all.eax & 3, 3, "SDM 1 13.2");
    if (all.eax & 4) {
        ymm = cpuid(0xd, 2);
        set_xcr0(7);
        part = cpuid(0xd, 0);
        check("xsave-avx-size", part.ebx, ymm.eax + ymm.ebx, "SDM 1 13.2");
        check("xsave-most", part.ecx >= part.ebx, 1, "SDM 1 13.2");
        set_xcr0(1);
    }
    write_cr4(cr4);
}

static void check_pkey(void)
{
    word cr4 = read_cr4();

    if (level < 7 || !(cpuid(7, 0).ecx & 8)) {
        return;
    }
    check("ospke-clear", cpuid(7, 0).ecx & 16, 0, "SDM 2A CPUID 07H");
    write_cr4(cr4 | CR4_PKE);
    check("ospke-set", cpuid(7, 0).ecx & 16, 16, "SDM 2A CPUID 07H");
    write_cr4(cr4);
}

static void check_apic(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE);

    check("apic-on", cpuid(1, 0).edx & APIC, APIC, "SDM 3A 11.4.3");
    write_msr(MSR_APIC_BASE, base & ~0x800ull);
    check("apic-off", cpuid(1, 0).edx & APIC, 0, "SDM 3A 11.4.3");
    write_msr(MSR_APIC_BASE, base);
    check("apic-on-again", cpuid(1, 0).edx & APIC, APIC, "SDM 3A 11.4.3");
}

static void user_cpuid(void)
{
    __asm__ volatile("cpuid\n\tint3" : : : "eax", "ebx", "ecx", "edx");
}

static void check_intel(void)
{
    uint64_t enable = read_msr(MSR_MISC_ENABLE), value = 0;
    Trap trap;

    write_msr(MSR_MISC_ENABLE, enable | LIMIT_CPUID);
    check("limited-level", cpuid(0, 0).eax, 2, "SDM 4 IA32_MISC_ENABLE");
    write_msr(MSR_MISC_ENABLE, enable);
    check("whole-level", cpuid(0, 0).eax, level, "SDM 4 IA32_MISC_ENABLE");
    write_msr(MSR_BIOS_SIGN, 0);
    check("microcode-cleared", read_msr(MSR_BIOS_SIGN), 0, "SDM 3A 9.11.7");
    cpuid(1, 0);
    check("microcode-revision", read_msr(MSR_BIOS_SIGN) >> 32 != 0, 1, "SDM 3A 9.11.7");
    check("no-hwcr", try_read_msr(0xc0010015, &value), 13, "SDM 4");
    write_msr(MSR_MISC_FEATURES, 1);
    trap = run_user(user_cpuid);
    check("cpuid-faults", trap.vector, 13, "SDM 4 MISC_FEATURES_ENABLES");
    check("cpuid-ring-0", cpuid(0, 0).eax, level, "SDM 3A 2.7");
    write_msr(MSR_MISC_FEATURES, 0);
}

static void check_amd(void)
{
    uint64_t value = 0;

    check("no-misc-enable", try_read_msr(MSR_MISC_ENABLE, &value), 13, "APM 2 A");
    check("hwcr", try_read_msr(0xc0010015, &value), NO_TRAP, "APM 2 A");
    check("patch-level", read_msr(MSR_BIOS_SIGN) != 0, 1, "APM 2 A");
}

/* -- The virtual interrupt flag ---------------------------------------------------------------- */

#ifndef __x86_64__
#define V86_CODE 0x7000u
#define FLAGS_IF 0x200u
#define FLAGS_VIF 0x80000u
#define FLAGS_VIP 0x100000u
#define FLAGS_VM 0x20000u

static Trap run_v86(uint32_t flags)
{
    static const uint8_t code[] = {
        0xfa, 0x9c, 0x58,      /* cli; pushf; pop ax */
        0xfb, 0x9c, 0x5b,      /* sti; pushf; pop bx */
        0x9d, 0x9c, 0x59, 0xf4 /* popf of 0; pushf; pop cx; hlt */
    };
    Regs regs = {.ip = 0,
                 .cs = V86_CODE >> 4,
                 .ss = V86_CODE >> 4,
                 .ds = V86_CODE >> 4,
                 .es = V86_CODE >> 4,
                 .fs = V86_CODE >> 4,
                 .gs = V86_CODE >> 4,
                 .sp = 0x800,
                 .flags = 2 | FLAGS_VM | flags};

    memcpy((void *)V86_CODE, code, sizeof(code));
    *(volatile uint16_t *)(V86_CODE + 0x800) = 0;
    return run(&regs);
}

static void check_vme(void)
{
    word cr4 = read_cr4();
    Trap trap;

    if (!(cpuid(1, 0).edx & VME)) {
        CATCH("mov %0, %%cr4", : "r"(cr4 | CR4_VME));
        check("no-vme", caught.vector, 13, "SDM 3A 2.5");
        return;
    }
    trap = run_v86(0);
    check_trap("vme-off", &trap, 13, 0, 0, "SDM 3A 21.2.7");
    write_cr4(cr4 | CR4_VME);
    trap = run_v86(0);
    check_trap("vme-runs", &trap, 13, 0, 9, "SDM 3A 21.4");
    check("vme-cli", trap.regs.ax & 0x3200, 0x3000, "SDM 3A 21.4");
    check("vme-sti", trap.regs.bx & 0x3200, 0x3200, "SDM 3A 21.4");
    check("vme-popf", trap.regs.cx & 0x3200, 0x3000, "SDM 3A 21.4");
    check("vme-real-if", trap.regs.flags & (FLAGS_IF | FLAGS_VIF), 0, "SDM 3A 21.4");
    trap = run_v86(FLAGS_VIP);
    check_trap("vme-pending", &trap, 13, 0, 3, "SDM 3A 21.3.3.4");
    write_cr4(cr4);
}
#endif

int main(void)
{
    level = cpuid(0, 0).eax;
    xlevel = cpuid(0x80000000, 0).eax;
    find_model();
    check_out_of_range();
    check_topology();
    check_xsave();
    check_pkey();
    check_apic();
    if (is_amd) {
        check_amd();
    } else {
        check_intel();
    }
#ifndef __x86_64__
    check_vme();
#endif
    return 0;
}
