/* SPDX-License-Identifier: MIT */
/* CPUID: the leaves of a model, with the bits that follow the CPU's present state. */
#include "target/i386/cpu-model.h"
#include "target/i386/cpu-topology.h"

#include <cpuid.h>

/*
 * Caches and TLBs are those QEMU shows: L1 64 KiB (AMD leaves) or 32 KiB (leaves 2 and 4), L2 512
 * KiB or 4 MiB, L3 16 MiB; with host-cache-info=on the host's, shared as the guest's topology says.
 * Guests size their copy loops by them.
 */

#define HYPERVISOR_LEAF 0x40000000u
#define OSXSAVE_BIT (1u << 27)
#define OSPKE_BIT (1u << 4)
#define HT_BIT (1u << 28)
#define CMP_LEGACY_BIT (1u << 1)
#define MONITOR_BIT (1u << 3)
#define NX_BIT (1u << 20)
#define LIMITED_LEVEL 2
#define FREQUENCY_LEAF 0x40000010u
#define APIC_TIMER_HZ 1000000000u /* of the local APIC's timer: the crystal of leaf 15h */
#define SHARING_MASK 0xffffc000u  /* leaf 4, EAX: threads that share the cache, cores */
#define AMD_CACHE_LEAF 0x8000001du

enum { EAX, EBX, ECX, EDX };

static uint32_t text_word(const char *text)
{
    const uint8_t *bytes = (const uint8_t *)text;

    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void vendor_words(const char *vendor, uint32_t regs[4])
{
    regs[EBX] = text_word(vendor);
    regs[EDX] = text_word(vendor + 4);
    regs[ECX] = text_word(vendor + 8);
}

/* Unlike the vendor, the name is in the order of the registers' names. */
static void hypervisor_leaf(const CpuModel *model, uint32_t regs[4])
{
    static const char name[] = "TCGTCGTCGTCG";

    regs[EAX] = model->has_frequency && !model->no_frequency ? FREQUENCY_LEAF : HYPERVISOR_LEAF + 1;
    for (unsigned i = 0; i < 3; i++) {
        regs[EBX + i] = text_word(name + 4 * i);
    }
}

/* VMware's leaf, which others look at too: kilohertz of the TSC and of the APIC timer. */
static void frequency_leaf(const CpuModel *model, uint32_t regs[4])
{
    if (model->known_hz && !model->no_frequency) {
        regs[EAX] = (uint32_t)((model->known_hz + 500) / 1000);
        regs[EBX] = APIC_TIMER_HZ / 1000;
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* TSC = crystal * EBX / EAX. Linux multiplies the crystal's kilohertz by EBX in 32 bits: a
 * frequency that takes a longer numerator is not named here. Linux then begins with leaf 16h and
 * measures. */
static void leaf_15(const CpuModel *model, uint32_t regs[4])
{
    uint64_t divisor, numerator;

    if (!model->known_hz) {
        return;
    }
    divisor = common_divisor(model->known_hz, APIC_TIMER_HZ);
    numerator = model->known_hz / divisor;
    if (numerator > UINT32_MAX / (APIC_TIMER_HZ / 1000)) {
        return;
    }
    regs[EAX] = (uint32_t)(APIC_TIMER_HZ / divisor);
    regs[EBX] = (uint32_t)numerator;
    regs[ECX] = APIC_TIMER_HZ;
}

/* Megahertz: base, maximum, bus. */
static void leaf_16(const CpuModel *model, uint32_t regs[4])
{
    if (model->known_hz) {
        regs[EAX] = regs[EBX] = (uint32_t)((model->known_hz + 500000) / 1000000) & 0xffff;
        regs[ECX] = 100;
    }
}

/* The host's answer, of a maker that has the leaf; else zeros. */
static void host_leaf(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    if (__get_cpuid_max(leaf & 0x80000000, NULL) >= leaf) {
        __cpuid_count(leaf, subleaf, regs[EAX], regs[EBX], regs[ECX], regs[EDX]);
    }
}

/* A cache of the host, by whichever leaf its maker has for that: they have one layout. */
static void host_cache(uint32_t subleaf, uint32_t regs[4])
{
    host_leaf(4, subleaf, regs);
    if (!(regs[EAX] & 31)) {
        host_leaf(AMD_CACHE_LEAF, subleaf, regs);
    }
}

static uint32_t signature(const CpuModel *model)
{
    unsigned family = model->family > 15 ? 15 : model->family;
    unsigned extended = model->family > 15 ? model->family - 15 : 0;

    return extended << 20 | (model->model >> 4) << 16 | family << 8 | (model->model & 15) << 4 |
           model->stepping;
}

static void leaf_1(const X86Cpu *cpu, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;
    const CpuTopology *topology = &model->topology;
    unsigned count =
        topology_countable(topology_per_package(topology), topology_package_shift(topology));

    regs[EAX] = signature(model);
    regs[EBX] = cpu->apic_id << 24 | 8 << 8; /* CLFLUSH: 8x8 */
    regs[ECX] = model->features[FEATURE_1_ECX];
    regs[EDX] = model->features[FEATURE_1_EDX];
    if (cpu->cr4 & CR4_OSXSAVE) {
        regs[ECX] |= OSXSAVE_BIT;
    }
    if (cpu_has(cpu, FEATURE_MONITOR) && !model->is_amd &&
        !(cpu->misc_enable & MISC_ENABLE_MONITOR)) {
        regs[ECX] &= ~MONITOR_BIT;
    }
    if (count > 1) {
        regs[EBX] |= (count > 255 ? 255 : count) << 16;
        regs[EDX] |= HT_BIT;
    }
}

/* Descriptors of the caches of leaf 4; AMD has neither. */
static void leaf_2(const CpuModel *model, uint32_t regs[4])
{
    if (model->host_caches) {
        host_leaf(2, 0, regs);
    } else if (!model->is_amd) {
        regs[EAX] = 1;
        regs[ECX] = model->no_l3_cache ? 0 : 0x4d;
        regs[EDX] = 0x2c307d;
    }
}

/* Deterministic cache parameters: type, level, line 64 bytes. */
static void leaf_4(const CpuModel *model, uint32_t subleaf, uint32_t regs[4])
{
    static const struct {
        uint8_t type, level, ways;
        bool shared, inclusive;
        uint16_t sets;
    } caches[] = {
        {1, 1, 8, false, false, 64},    /* L1 data */
        {2, 1, 8, false, false, 64},    /* L1 instructions */
        {3, 2, 16, false, false, 4096}, /* L2 */
        {3, 3, 16, true, true, 16384},  /* L3 */
    };
    const CpuTopology *topology = &model->topology;
    unsigned core_shift = topology_core_shift(topology);
    unsigned core_ids = 1u << (topology_package_shift(topology) - core_shift);
    unsigned shared_by;

    if (model->is_amd) {
        return;
    }
    if (model->host_caches) {
        host_cache(subleaf, regs);
        if (regs[EAX] & 31) {
            bool is_shared = (regs[EAX] >> 5 & 7) >= 3;
            shared_by = 1u << (is_shared ? topology_die_shift(topology) : core_shift);
            regs[EAX] = (regs[EAX] & ~SHARING_MASK) | (shared_by - 1) << 14 |
                        (core_ids > 64 ? 63 : core_ids - 1) << 26;
        }
        return;
    }
    if (subleaf >= (model->no_l3_cache ? 3 : 4)) {
        return;
    }
    shared_by = 1u << (caches[subleaf].shared ? topology_die_shift(topology) : core_shift);
    regs[EAX] = caches[subleaf].type | (uint32_t)caches[subleaf].level << 5 | 1u << 8 |
                (shared_by - 1) << 14 | (core_ids > 64 ? 63 : core_ids - 1) << 26;
    regs[EBX] = (64 - 1) | (uint32_t)(caches[subleaf].ways - 1) << 22;
    regs[ECX] = caches[subleaf].sets - 1;
    regs[EDX] = caches[subleaf].inclusive ? 6 : 1; /* L3: inclusive, complex index */
}

static void leaf_7(const X86Cpu *cpu, uint32_t subleaf, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;

    if (subleaf == 0) {
        regs[EAX] = model->level_func7 ? model->level_func7 : model->features[FEATURE_7_1_EAX] != 0;
        regs[EBX] = model->features[FEATURE_7_EBX];
        regs[ECX] = model->features[FEATURE_7_ECX] | (cpu->cr4 & CR4_PKE ? OSPKE_BIT : 0);
        regs[EDX] = model->features[FEATURE_7_EDX];
    } else if (subleaf == 1) {
        regs[EAX] = model->features[FEATURE_7_1_EAX];
    }
}

/* One level of extended topology: where the next one's number begins, processors of this one. */
static void topology_level(uint32_t regs[4], unsigned type, unsigned shift, unsigned count)
{
    regs[EAX] = shift;
    regs[EBX] = count;
    regs[ECX] |= type << 8;
}

/* Extended topology: threads and cores; with dies, leaf 1Fh names them too. */
static void extended_topology(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    const CpuTopology *topology = &cpu->model->topology;
    bool has_dies = leaf == 0x1f;

    if (cpu->model->no_leaf_b || (has_dies && topology->dies == 1)) {
        return;
    }
    regs[ECX] = subleaf & 0xff;
    regs[EDX] = cpu->apic_id;
    if (subleaf == 0) {
        topology_level(regs, 1, topology_core_shift(topology), topology->threads);
    } else if (subleaf == 1 && has_dies) {
        topology_level(regs, 2, topology_die_shift(topology), topology_per_die(topology));
    } else if (subleaf == (has_dies ? 2 : 1)) {
        topology_level(regs, has_dies ? 5 : 2, topology_package_shift(topology),
                       topology_per_package(topology));
    }
}

uint32_t xsave_area_size(const CpuModel *model, uint64_t components, bool compacted)
{
    uint32_t size = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENT_COUNT; i++) {
        const XsaveComponent *component = &model->xsave[i];

        if (!(components >> i & 1)) {
            continue;
        }
        if (compacted) {
            size = component->aligned ? (size + 63) & ~63u : size;
            size += component->size;
        } else if (component->offset + component->size > size) {
            size = component->offset + component->size;
        }
    }
    return size;
}

static void leaf_d(const X86Cpu *cpu, uint32_t subleaf, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;

    if (!cpu_has(cpu, FEATURE_XSAVE)) {
        return;
    }
    if (subleaf == 0) {
        regs[EAX] = (uint32_t)model->xcr0_mask;
        regs[EBX] = xsave_area_size(model, cpu->xcr0, false);
        regs[ECX] = xsave_area_size(model, model->xcr0_mask, false);
        regs[EDX] = (uint32_t)(model->xcr0_mask >> 32);
    } else if (subleaf == 1) {
        regs[EAX] = model->features[FEATURE_D_1_EAX];
        if (cpu_has(cpu, FEATURE_XSAVEC)) {
            regs[EBX] = xsave_area_size(model, cpu->xcr0 | cpu->xss, true);
        }
    } else if (subleaf < XSAVE_COMPONENT_COUNT && (model->xcr0_mask >> subleaf & 1)) {
        regs[EAX] = model->xsave[subleaf].size;
        regs[EBX] = model->xsave[subleaf].offset;
        regs[ECX] = model->xsave[subleaf].aligned ? 2 : 0;
    }
}

static void basic_leaf(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;

    switch (leaf) {
    case 0:
        regs[EAX] = model->level;
        if (cpu->misc_enable & MISC_ENABLE_LIMIT_CPUID && !model->is_amd) {
            regs[EAX] = model->level < LIMITED_LEVEL ? model->level : LIMITED_LEVEL;
        }
        vendor_words(model->vendor, regs);
        break;
    case 1:
        leaf_1(cpu, regs);
        break;
    case 2:
        leaf_2(model, regs);
        break;
    case 4:
        leaf_4(model, subleaf, regs);
        break;
    case 5: /* MONITOR/MWAIT: extensions enumerated, interrupts break even when masked */
        regs[EAX] = regs[EBX] = 64; /* the line, smallest and largest */
        regs[ECX] = 3;
        regs[EDX] = 0x10; /* one kind of C1 */
        break;
    case 6:
        regs[EAX] = model->features[FEATURE_6_EAX];
        break;
    case 7:
        leaf_7(cpu, subleaf, regs);
        break;
    case 0x15:
        leaf_15(model, regs);
        break;
    case 0x16:
        leaf_16(model, regs);
        break;
    case 0xb:
    case 0x1f:
        extended_topology(cpu, leaf, subleaf, regs);
        break;
    case 0xd:
        leaf_d(cpu, subleaf, regs);
        break;
    default:
        break;
    }
}

/* The caches of AMD's leaves. */
typedef struct AmdCache {
    uint8_t type, level, ways;
    uint16_t sets; /* of lines of 64 bytes */
    uint8_t flags; /* EDX of leaf 8000001Dh */
    bool is_shared, is_self_initializing;
} AmdCache;

static const AmdCache amd_caches[][4] = {
    [CACHES_LEGACY] = {{1, 1, 2, 512, 1, false, true},
                       {2, 1, 2, 512, 1, false, true},
                       {3, 2, 16, 512, 0, false, true},
                       {3, 3, 16, 16384, 6, true, true}},
    [CACHES_EPYC] = {{1, 1, 8, 64, 1, false, true},
                     {2, 1, 4, 256, 1, false, true},
                     {3, 2, 8, 1024, 0, false, false},
                     {3, 3, 16, 8192, 6, true, true}},
    [CACHES_EPYC_ROME] = {{1, 1, 8, 64, 1, false, true},
                          {2, 1, 8, 64, 1, false, true},
                          {3, 2, 8, 1024, 0, false, false},
                          {3, 3, 16, 16384, 6, true, true}},
    [CACHES_EPYC_MILAN] = {{1, 1, 8, 64, 1, false, true},
                           {2, 1, 8, 64, 1, false, true},
                           {3, 2, 8, 1024, 0, false, false},
                           {3, 3, 16, 32768, 6, true, true}},
};

static uint32_t cache_kib(const AmdCache *cache)
{
    return cache->ways * (uint32_t)cache->sets * 64 / 1024;
}

/* The four bits that stand for 2, 4, 8 and 16 ways. */
static uint32_t encoded_ways(const AmdCache *cache)
{
    return cache->ways == 16 ? 8 : cache->ways == 8 ? 6 : cache->ways;
}

/* With extended topology. */
static void leaf_8000001d(const CpuModel *model, uint32_t subleaf, uint32_t regs[4])
{
    const CpuTopology *topology = &model->topology;
    const AmdCache *cache;
    unsigned shared_by;

    if (model->host_caches) {
        host_cache(subleaf, regs);
        if (regs[EAX] & 31) {
            bool is_of_die = (regs[EAX] >> 5 & 7) >= 3;
            shared_by = is_of_die ? topology_countable(topology_per_die(topology),
                                                       topology_die_shift(topology))
                                  : topology->threads;
            regs[EAX] = (regs[EAX] & ~SHARING_MASK) | (shared_by - 1) << 14;
        }
        return;
    }
    if (subleaf >= (model->no_l3_cache ? 3 : 4)) {
        return;
    }
    cache = &amd_caches[model->caches][subleaf];
    shared_by = cache->is_shared
                    ? topology_countable(topology_per_die(topology), topology_die_shift(topology))
                    : topology->threads;
    regs[EAX] = cache->type | (uint32_t)cache->level << 5 |
                (uint32_t)cache->is_self_initializing << 8 | (shared_by - 1) << 14;
    regs[EBX] = (64 - 1) | (uint32_t)(cache->ways - 1) << 22;
    regs[ECX] = cache->sets - 1;
    regs[EDX] = cache->flags;
}

/* L1 caches, and TLBs of 255 entries. */
static void leaf_80000005(const CpuModel *model, uint32_t regs[4])
{
    if (model->host_caches) {
        host_leaf(0x80000005, 0, regs);
        return;
    }
    regs[EAX] = regs[EBX] = 0x01ff01ff;
    for (unsigned i = 0; i < 2; i++) {
        const AmdCache *cache = &amd_caches[model->caches][i];

        regs[ECX + i] = cache_kib(cache) << 24 | (uint32_t)cache->ways << 16 | 1 << 8 | 64;
    }
}

/* L2 and L3 caches, and TLBs of 512 entries, 4 ways. */
static void leaf_80000006(const CpuModel *model, uint32_t regs[4])
{
    const AmdCache *l2 = &amd_caches[model->caches][2], *l3 = &amd_caches[model->caches][3];

    if (model->host_caches) {
        host_leaf(0x80000006, 0, regs);
        return;
    }
    regs[EBX] = 0x42004200;
    regs[ECX] = cache_kib(l2) << 16 | encoded_ways(l2) << 12 | 1 << 8 | 64;
    if (!model->no_l3_cache) {
        regs[EDX] = cache_kib(l3) / 512 << 18 | encoded_ways(l3) << 12 | 1 << 8 | 64;
    }
}

/* Core, node and how many of each there are. */
static void leaf_8000001e(const X86Cpu *cpu, uint32_t regs[4])
{
    const CpuTopology *topology = &cpu->model->topology;
    unsigned core_bits = topology_die_shift(topology) - topology_core_shift(topology);
    uint32_t core = cpu->apic_id >> topology_core_shift(topology) & ((1u << core_bits) - 1);

    regs[EAX] = cpu->apic_id;
    regs[EBX] = (topology->threads - 1) << 8 | core;
    regs[ECX] = (topology->dies - 1) << 8 | (cpu->apic_id >> topology_die_shift(topology) & 0xff);
}

static void leaf_80000001(const X86Cpu *cpu, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;

    regs[EAX] = signature(model);
    regs[ECX] = model->features[FEATURE_80000001_ECX];
    regs[EDX] = model->features[FEATURE_80000001_EDX];
    if (model->is_amd && topology_per_package(&model->topology) > 1) {
        regs[ECX] |= CMP_LEGACY_BIT;
    }
    if (cpu->misc_enable & MISC_ENABLE_XD_DISABLE) {
        regs[EDX] &= ~NX_BIT;
    }
}

static void leaf_80000008(const CpuModel *model, uint32_t regs[4])
{
    unsigned count = topology_per_package(&model->topology);
    unsigned linear_bits = cpu_model_has(model, FEATURE_LA57) ? 57 : 48;

    regs[EAX] = model->phys_bits;
    if (cpu_model_has(model, FEATURE_LM)) {
        regs[EAX] |= linear_bits << 8;
    }
    regs[EBX] = model->features[FEATURE_80000008_EBX];
    if (count > 1) {
        regs[ECX] = topology_package_shift(&model->topology) << 12 | (count - 1);
    }
}

static void extended_leaf(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
    const CpuModel *model = cpu->model;

    switch (leaf) {
    case 0x80000000:
        regs[EAX] = model->xlevel;
        vendor_words(model->vendor, regs);
        break;
    case 0x80000001:
        leaf_80000001(cpu, regs);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        for (unsigned i = 0; i < 4; i++) {
            regs[i] = text_word(model->model_id + (leaf - 0x80000002) * 16 + i * 4);
        }
        break;
    case 0x80000005:
        leaf_80000005(model, regs);
        break;
    case 0x80000006:
        leaf_80000006(model, regs);
        break;
    case 0x80000007:
        regs[EDX] = model->features[FEATURE_80000007_EDX];
        break;
    case 0x80000008:
        leaf_80000008(model, regs);
        break;
    case 0x8000001d:
        if (cpu_has(cpu, FEATURE_TOPOEXT)) {
            leaf_8000001d(model, subleaf, regs);
        }
        break;
    case 0x8000001e:
        if (cpu_has(cpu, FEATURE_TOPOEXT)) {
            leaf_8000001e(cpu, regs);
        }
        break;
    default:
        break;
    }
}

void cpu_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4])
{
    const CpuModel *model = cpu->model;

    ret_regs[EAX] = ret_regs[EBX] = ret_regs[ECX] = ret_regs[EDX] = 0;
    if (leaf >= HYPERVISOR_LEAF && leaf < HYPERVISOR_LEAF + 0x10000 &&
        (model->features[FEATURE_1_ECX] & 1u << 31)) {
        if (leaf == HYPERVISOR_LEAF && !model->no_signature) {
            hypervisor_leaf(model, ret_regs);
        } else if (leaf == FREQUENCY_LEAF && !model->no_signature) {
            frequency_leaf(model, ret_regs);
        }
        return;
    }
    if (leaf >= 0x80000000 && leaf <= model->xlevel) {
        extended_leaf(cpu, leaf, subleaf, ret_regs);
        return;
    }
    if (leaf > model->level) { /* Intel answers with the last basic leaf, AMD with zeros */
        if (model->is_amd) {
            return;
        }
        leaf = model->level;
    }
    basic_leaf(cpu, leaf, subleaf, ret_regs);
}
