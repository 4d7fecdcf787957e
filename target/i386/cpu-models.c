/* SPDX-License-Identifier: MIT */
/* CPU models: the -cpu table, its parser, and what follows from a model's features. */
#include "target/i386/cpu-model.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_MODEL "tcg64"
#define DEFAULT_PHYS_BITS 40 /* as QEMU's translator has it */

/* PPRO and newer: what every 64-bit model starts from. */
#define BASE_64                                                                                    \
    "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "    \
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

typedef struct ModelRow {
    const char *name, *desc;
    const char *features; /* names; NULL: all that can be offered */
    const char *vendor, *model_id;
    unsigned family, model, stepping;
    uint32_t level, xlevel;
    bool is_host; /* identity of the host's CPU */
} ModelRow;

static const ModelRow model_rows[] = {
    {.name = "base",
     .desc = "base CPU model type with no features enabled",
     .features = "",
     .vendor = "AuthenticAMD",
     .model_id = "",
     .family = 6,
     .model = 6,
     .stepping = 3},
    {.name = "host",
     .desc = "all features of the host that can be carried, its identity",
     .is_host = true,
     .level = 0xd,
     .xlevel = 0x80000008},
    {.name = "kvm64",
     .desc = "Common KVM processor",
     .features = BASE_64,
     .vendor = "GenuineIntel",
     .model_id = "Common KVM processor",
     .family = 15,
     .model = 6,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x80000008},
    {.name = "max",
     .desc = "all features of the host that can be carried",
     .vendor = "AuthenticAMD",
     .model_id = "QEMU TCG CPU version 2.5+",
     .family = 6,
     .model = 6,
     .stepping = 3,
     .level = 0xd,
     .xlevel = 0x8000000a},
    {.name = "qemu64",
     .desc = "QEMU Virtual CPU version 2.5+",
     .features = BASE_64 "lahf-lm",
     .vendor = "AuthenticAMD",
     .model_id = "QEMU Virtual CPU version 2.5+",
     .family = 15,
     .model = 107,
     .stepping = 1,
     .level = 0xd,
     .xlevel = 0x8000000a},
    {.name = "tcg64",
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

/* Other names QEMU takes. */
static const struct {
    const char *name, *canonical;
} feature_aliases[] = {
    {"sse3", "pni"},       {"pclmuldq", "pclmulqdq"}, {"xd", "nx"},          {"i64", "lm"},
    {"ffxsr", "fxsr-opt"}, {"lzcnt", "abm"},          {"cmp", "cmp-legacy"},
};

static const char *const property_names[] = {
    "vendor", "family",     "model",          "stepping",        "model-id", "level",
    "xlevel", "phys-bits",  "host-phys-bits", "check",           "enforce",  "kvm",
    "pmu",    "migratable", "l3-cache",       "host-cache-info", NULL,
};

typedef struct ModelParser {
    CpuModel *model;
    uint32_t available[FEATURE_WORD_COUNT];
    bool enforce;
} ModelParser;

static CpuModel selected;
static bool selected_valid;

/* QEMU takes sse4_1, sse4-1 and sse4.1. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        bool separators = strchr("-_.", *a) && strchr("-_.", *b);

        if (*a != *b && !separators) {
            return false;
        }
    }
    return *a == *b;
}

static const FeatureRow *find_feature(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(feature_aliases); i++) {
        if (same_name(feature_aliases[i].name, name)) {
            name = feature_aliases[i].canonical;
        }
    }
    for (unsigned i = 0; i < feature_row_count; i++) {
        if (same_name(feature_rows[i].name, name)) {
            return &feature_rows[i];
        }
    }
    return NULL;
}

static const ModelRow *find_model(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(model_rows); i++) {
        if (strcmp(model_rows[i].name, name) == 0) {
            return &model_rows[i];
        }
    }
    return NULL;
}

static void set_bit(uint32_t *words, const FeatureRow *row, bool on)
{
    uint32_t bit = 1u << row->bit;

    words[row->word] = on ? words[row->word] | bit : words[row->word] & ~bit;
}

static void add_model_features(ModelParser *parser, const char *names)
{
    g_auto(GStrv) list = g_strsplit(names, " ", -1);

    for (char **name = list; *name; name++) {
        const FeatureRow *row = **name ? find_feature(*name) : NULL;

        if (row && (parser->available[row->word] >> row->bit & 1)) {
            set_bit(parser->model->features, row, true);
        }
    }
}

static void read_host_identity(CpuModel *model)
{
    uint32_t regs[4], name[12];
    unsigned family;

    __cpuid(0, regs[0], regs[1], regs[2], regs[3]);
    memcpy(model->vendor, &regs[1], 4);
    memcpy(model->vendor + 4, &regs[3], 4);
    memcpy(model->vendor + 8, &regs[2], 4);
    __cpuid(1, regs[0], regs[1], regs[2], regs[3]);
    family = regs[0] >> 8 & 15;
    model->family = family == 15 ? family + (regs[0] >> 20 & 255) : family;
    model->model = (regs[0] >> 4 & 15) | (regs[0] >> 12 & 0xf0);
    model->stepping = regs[0] & 15;
    if (__get_cpuid_max(0x80000000, NULL) >= 0x80000004) {
        for (unsigned i = 0; i < 3; i++) {
            __cpuid(0x80000002 + i, name[i * 4], name[i * 4 + 1], name[i * 4 + 2], name[i * 4 + 3]);
        }
        memcpy(model->model_id, name, sizeof(name));
    }
}

static void load_model_row(ModelParser *parser, const ModelRow *row)
{
    CpuModel *model = parser->model;

    *model = (CpuModel){.name = row->name,
                        .family = row->family,
                        .model = row->model,
                        .stepping = row->stepping,
                        .level = row->level,
                        .xlevel = row->xlevel,
                        .phys_bits = DEFAULT_PHYS_BITS};
    if (row->is_host) {
        read_host_identity(model);
    } else {
        g_strlcpy(model->vendor, row->vendor, sizeof(model->vendor));
        g_strlcpy(model->model_id, row->model_id, sizeof(model->model_id));
    }
    if (row->features) {
        add_model_features(parser, row->features);
        return;
    }
    memcpy(model->features, parser->available, sizeof(model->features));
    /* Follow from the number of CPUs, or are pointless without what they excuse. */
    set_bit(model->features, find_feature("ht"), false);
    set_bit(model->features, find_feature("cmp-legacy"), false);
    set_bit(model->features, find_feature("rsba"), false);
    set_bit(model->features, find_feature("md-clear"), false);
    set_bit(model->features, find_feature("topoext"), false);
    set_bit(model->features, find_feature("la57"), false);
}

static bool unknown_property(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    for (unsigned i = 0; i < feature_row_count; i++) {
        suggest_offer(&suggest, feature_rows[i].name);
    }
    for (const char *const *known = property_names; *known; known++) {
        suggest_offer(&suggest, *known);
    }
    return error_set(err, "-cpu: unknown feature or property '%s'%s", name, suggest_text(&suggest));
}

static bool apply_feature(ModelParser *parser, const char *name, bool on, Error **err)
{
    const FeatureRow *row = find_feature(name);

    if (!row) {
        return unknown_property(name, err);
    }
    if (!on || (parser->available[row->word] >> row->bit & 1)) {
        set_bit(parser->model->features, row, on);
        return true;
    }
    if (parser->enforce) {
        return error_set(err, "-cpu: feature '%s' is not available: %s", row->name,
                         row->carried ? "the host has it not" : "it is not carried");
    }
    warn_report("-cpu: feature '%s' is left out: %s", row->name,
                row->carried ? "the host has it not" : "it is not carried");
    return true;
}

static bool set_number(const char *name, const char *text, uint64_t low, uint64_t high,
                       uint64_t *ret_value, Error **err)
{
    uint64_t value = 0;

    if (!parse_u64(text, &value, err)) {
        error_prefix(err, "-cpu: %s: ", name);
        return false;
    }
    if (value < low || value > high) {
        return error_set(err, "-cpu: %s=%s is out of range (%" PRIu64 " to %" PRIu64 ")", name,
                         text, low, high);
    }
    *ret_value = value;
    return true;
}

static bool apply_number(CpuModel *model, const char *name, const char *text, Error **err)
{
    const struct {
        const char *name;
        uint32_t *field;
        uint64_t low, high;
    } rows[] = {
        {"family", &model->family, 0, 15 + 255},   {"model", &model->model, 0, 255},
        {"stepping", &model->stepping, 0, 15},     {"level", &model->level, 0, 0x20},
        {"xlevel", &model->xlevel, 0, 0x80000020}, {"phys-bits", &model->phys_bits, 32, 52},
    };
    uint64_t value = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            if (!set_number(name, text, rows[i].low, rows[i].high, &value, err)) {
                return false;
            }
            *rows[i].field = (uint32_t)value;
            return true;
        }
    }
    return true; /* a switch that means nothing here */
}

static bool apply_property(ModelParser *parser, const char *name, const char *value, Error **err)
{
    CpuModel *model = parser->model;

    if (strcmp(name, "vendor") == 0) {
        if (strlen(value) != 12) {
            return error_set(err, "-cpu: vendor '%s' must have 12 characters", value);
        }
        g_strlcpy(model->vendor, value, sizeof(model->vendor));
        return true;
    }
    if (strcmp(name, "model-id") == 0) {
        g_strlcpy(model->model_id, value, sizeof(model->model_id));
        return true;
    }
    if (strcmp(name, "enforce") == 0) {
        return parse_bool(value, &parser->enforce, err);
    }
    return apply_number(model, name, value, err);
}

static bool is_property(const char *name)
{
    return g_strv_contains(property_names, name);
}

static bool apply_item(ModelParser *parser, const char *item, Error **err)
{
    const char *equals = strchr(item, '=');
    bool on = true;

    if (*item == '+' || *item == '-') {
        return apply_feature(parser, item + 1, *item == '+', err);
    }
    g_autofree char *name = equals ? g_strndup(item, (gsize)(equals - item)) : g_strdup(item);
    if (is_property(name)) {
        return apply_property(parser, name, equals ? equals + 1 : "on", err);
    }
    if (!find_feature(name)) {
        return unknown_property(name, err);
    }
    if (equals && !parse_bool(equals + 1, &on, err)) {
        error_prefix(err, "-cpu: %s: ", name);
        return false;
    }
    return apply_feature(parser, name, on, err);
}

bool cpu_model_select(const char *text, Error **err)
{
    g_auto(GStrv) items = g_strsplit(text && *text ? text : DEFAULT_MODEL, ",", -1);
    const ModelRow *row = find_model(items[0]);
    CpuModel model;
    ModelParser parser = {.model = &model};

    if (!row) {
        Suggest suggest;

        suggest_init(&suggest, items[0]);
        for (size_t i = 0; i < G_N_ELEMENTS(model_rows); i++) {
            suggest_offer(&suggest, model_rows[i].name);
        }
        return error_set(err, "unknown CPU model '%s'%s", items[0], suggest_text(&suggest));
    }
    cpu_features_available(parser.available);
    load_model_row(&parser, row);
    for (char **item = items + 1; *item; item++) {
        if (!apply_item(&parser, *item, err)) {
            return false;
        }
    }
    cpu_model_finish(&model);
    model.cpu_count = selected.cpu_count;
    selected = model;
    selected_valid = true;
    return true;
}

CpuModel *cpu_model_current(void)
{
    if (!selected_valid) {
        cpu_model_select(NULL, NULL);
    }
    return &selected;
}

static void append_flag_names(GString *text)
{
    unsigned column = 0;

    for (unsigned i = 0; i < feature_row_count; i++) {
        const char *name = feature_rows[i].name;

        if (!feature_rows[i].carried) {
            continue;
        }
        if (column == 0 || column + strlen(name) + 1 > 78) {
            g_string_append(text, column ? "\n " : " ");
            column = 1;
        }
        g_string_append_printf(text, " %s", name);
        column += (unsigned)strlen(name) + 1;
    }
    g_string_append_c(text, '\n');
}

char *cpu_model_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(model_rows); i++) {
        g_string_append_printf(text, "x86 %-20s  %s\n", model_rows[i].name, model_rows[i].desc);
    }
    g_string_append(text, "\nRecognized CPUID flags (those of computational instructions take a "
                          "host that has them):\n");
    append_flag_names(text);
    return g_string_free(text, FALSE);
}

/* -- What follows from the features ------------------------------------------------------------ */

static void clear_feature(CpuModel *model, const char *name)
{
    set_bit(model->features, find_feature(name), false);
}

static void drop_unmet(CpuModel *model)
{
    static const char *const need_avx[] = {"fma",  "f16c",       "avx2",    "avx-vnni",
                                           "vaes", "vpclmulqdq", "avx512f", NULL};
    static const char *const need_avx512f[] = {"avx512dq",    "avx512ifma",   "avx512pf",
                                               "avx512er",    "avx512cd",     "avx512bw",
                                               "avx512vl",    "avx512vbmi",   "avx512vbmi2",
                                               "avx512vnni",  "avx512bitalg", "avx512-vpopcntdq",
                                               "avx512-bf16", "avx512-fp16",  "avx512-vp2intersect",
                                               NULL};

    if (!cpu_model_has(model, FEATURE_XSAVE)) {
        clear_feature(model, "avx");
        clear_feature(model, "pku");
        model->features[FEATURE_D_1_EAX] = 0;
    }
    for (const char *const *name = need_avx; *name && !cpu_model_has(model, FEATURE_AVX); name++) {
        clear_feature(model, *name);
    }
    for (const char *const *name = need_avx512f; *name && !cpu_model_has(model, FEATURE_AVX512F);
         name++) {
        clear_feature(model, *name);
    }
    if (!cpu_model_has(model, FEATURE_ARCH_CAPABILITIES)) {
        model->features[FEATURE_ARCH_LOW] = 0;
        model->features[FEATURE_ARCH_HIGH] = 0;
    }
}

static uint64_t compute_cr4_mask(const CpuModel *model)
{
    static const struct {
        unsigned feature;
        uint32_t bits;
    } rows[] = {
        {FEATURE(FEATURE_1_EDX, 1), CR4_VME | CR4_PVI},
        {FEATURE_TSC, CR4_TSD},
        {FEATURE(FEATURE_1_EDX, 2), CR4_DE},
        {FEATURE(FEATURE_1_EDX, 3), CR4_PSE},
        {FEATURE(FEATURE_1_EDX, 6), CR4_PAE},
        {FEATURE(FEATURE_1_EDX, 7), CR4_MCE},
        {FEATURE(FEATURE_1_EDX, 13), CR4_PGE},
        {FEATURE(FEATURE_1_EDX, 24), CR4_OSFXSR},
        {FEATURE(FEATURE_1_EDX, 25), CR4_OSXMMEXCPT},
        {FEATURE_UMIP, CR4_UMIP},
        {FEATURE_LA57, CR4_LA57},
        {FEATURE(FEATURE_7_EBX, 0), CR4_FSGSBASE},
        {FEATURE_PCID, CR4_PCIDE},
        {FEATURE_XSAVE, CR4_OSXSAVE},
        {FEATURE(FEATURE_7_EBX, 7), CR4_SMEP},
        {FEATURE(FEATURE_7_EBX, 20), CR4_SMAP},
        {FEATURE_PKU, CR4_PKE},
    };
    uint64_t mask = CR4_PCE;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        mask |= cpu_model_has(model, rows[i].feature) ? rows[i].bits : 0;
    }
    return mask;
}

static void read_xsave_layout(CpuModel *model)
{
    uint32_t size, offset, flags, unused;

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENT_COUNT; i++) {
        if (model->xcr0_mask >> i & 1) {
            __cpuid_count(0xd, i, size, offset, flags, unused);
            model->xsave[i] =
                (XsaveComponent){.size = size, .offset = offset, .aligned = flags & 2};
        }
    }
}

/* Which MXCSR bits may be set is the host's matter: its instructions take the value. */
static uint32_t host_mxcsr_mask(void)
{
    uint8_t area[512] __attribute__((aligned(16))) = {0};
    uint32_t mask;

    __asm__ volatile("fxsave64 %0" : "+m"(area));
    memcpy(&mask, area + 28, sizeof(mask));
    return mask ? mask : 0xffbf;
}

void cpu_model_finish(CpuModel *model)
{
    const uint32_t amd_aliases = 0x0183f3ff; /* bits of 1.EDX repeated in 80000001.EDX */
    const uint32_t x87_pointers = 1u << 6 | 1u << 13;
    uint32_t available[FEATURE_WORD_COUNT];

    cpu_features_available(available);
    drop_unmet(model);
    model->is_amd =
        strcmp(model->vendor, "AuthenticAMD") == 0 || strcmp(model->vendor, "HygonGenuine") == 0;
    if (model->is_amd) {
        model->features[FEATURE_80000001_EDX] |= model->features[FEATURE_1_EDX] & amd_aliases;
    }
    if (model->level >= 7) { /* how x87 keeps FCS, FDS, FDP is the host's silicon */
        model->features[FEATURE_7_EBX] |= available[FEATURE_7_EBX] & x87_pointers;
    }
    if (cpu_model_has(model, FEATURE_TOPOEXT)) {
        model->xlevel = MAX(model->xlevel, 0x8000001e);
    }
    model->phys_mask = (1ull << model->phys_bits) - 1;
    model->cr4_mask = compute_cr4_mask(model);
    model->efer_mask = 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_SYSCALL) ? EFER_SCE : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_LM) ? EFER_LME | EFER_LMA : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_NX) ? EFER_NXE : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_FXSR_OPT) ? EFER_FFXSR : 0;
    model->xcr0_mask = 0;
    if (cpu_model_has(model, FEATURE_XSAVE)) {
        model->xcr0_mask = XCR0_X87 | XCR0_SSE;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_AVX) ? XCR0_AVX : 0;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_AVX512F) ? XCR0_AVX512 : 0;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_PKU) ? XCR0_PKRU : 0;
    }
    read_xsave_layout(model);
    model->mxcsr_mask = host_mxcsr_mask();
}
