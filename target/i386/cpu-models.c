/* SPDX-License-Identifier: MIT */
/* Finding CPU models by name, and what they hold before -cpu changes it. */
#include "target/i386/cpu-model-rows.h"

#include <cpuid.h>
#include <glib.h>
#include <string.h>

#define DEFAULT_PHYS_BITS 40 /* as QEMU's translator has it */

/* Other names QEMU takes. */
static const struct {
    const char *name, *canonical;
} feature_aliases[] = {
    {"sse3", "pni"},       {"pclmuldq", "pclmulqdq"}, {"xd", "nx"},          {"i64", "lm"},
    {"ffxsr", "fxsr-opt"}, {"lzcnt", "abm"},          {"cmp", "cmp-legacy"},
};

static const ModelTable *const tables[] = {&generic_models, &intel_models, &amd_models,
                                           &own_models};

/* -- Features by name -------------------------------------------------------------------------- */

bool cpu_name_equal(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        if (*a != *b && !(strchr("-_.", *a) && strchr("-_.", *b))) {
            return false;
        }
    }
    return *a == *b;
}

#define FEATURE_NAME_MAX 64

/* Writes the one spelling that all others equal; false: too long for any feature. */
static bool normal_name(const char *name, char normal[FEATURE_NAME_MAX])
{
    if (g_strlcpy(normal, name, FEATURE_NAME_MAX) >= FEATURE_NAME_MAX) {
        return false;
    }
    g_strdelimit(normal, "_.", '-');
    return true;
}

static void add_name(GHashTable *table, const char *name, const FeatureRow *row)
{
    char normal[FEATURE_NAME_MAX];

    g_assert(normal_name(name, normal));
    if (!g_hash_table_contains(table, normal)) {
        g_hash_table_insert(table, g_strdup(normal), (gpointer)row);
    }
}

/* All names by their normal spelling: the list of all models asks ten thousand times. */
static GHashTable *feature_names(void)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < feature_row_count; i++) {
        add_name(table, feature_rows[i].name, &feature_rows[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(feature_aliases); i++) {
        char normal[FEATURE_NAME_MAX];

        g_assert(normal_name(feature_aliases[i].canonical, normal));
        add_name(table, feature_aliases[i].name, g_hash_table_lookup(table, normal));
    }
    return table;
}

const FeatureRow *cpu_feature_find(const char *name)
{
    static GHashTable *table;
    char normal[FEATURE_NAME_MAX];

    table = table ? table : feature_names();
    return normal_name(name, normal) ? g_hash_table_lookup(table, normal) : NULL;
}

const char *cpu_feature_word_name(FeatureWord word)
{
    static const char *const names[FEATURE_WORD_COUNT] = {
        [FEATURE_1_EDX] = "CPUID.01H:EDX",
        [FEATURE_1_ECX] = "CPUID.01H:ECX",
        [FEATURE_7_EBX] = "CPUID.07H:EBX",
        [FEATURE_7_ECX] = "CPUID.07H:ECX",
        [FEATURE_7_EDX] = "CPUID.07H:EDX",
        [FEATURE_7_1_EAX] = "CPUID.07H:EAX",
        [FEATURE_D_1_EAX] = "CPUID.0DH:EAX",
        [FEATURE_80000001_EDX] = "CPUID.80000001H:EDX",
        [FEATURE_80000001_ECX] = "CPUID.80000001H:ECX",
        [FEATURE_80000007_EDX] = "CPUID.80000007H:EDX",
        [FEATURE_80000008_EBX] = "CPUID.80000008H:EBX",
        [FEATURE_8000000A_EDX] = "CPUID.8000000AH:EDX",
        [FEATURE_6_EAX] = "CPUID.06H:EAX",
        [FEATURE_ARCH_LOW] = "MSR(10AH)",
        [FEATURE_ARCH_HIGH] = "MSR(10AH)[63:32]",
        [FEATURE_CORE_CAPABILITY] = "MSR(CFH)",
    };

    return names[word];
}

char *cpu_feature_text(const FeatureRow *row)
{
    return g_strdup_printf("%s.%s [bit %u]", cpu_feature_word_name((FeatureWord)row->word),
                           row->name, row->bit);
}

void cpu_features_set(uint32_t words[FEATURE_WORD_COUNT], const FeatureRow *row, bool on)
{
    uint32_t bit = 1u << row->bit;

    words[row->word] = on ? words[row->word] | bit : words[row->word] & ~bit;
}

static void set_by_names(uint32_t words[FEATURE_WORD_COUNT], const char *names, bool on)
{
    g_auto(GStrv) list = g_strsplit(names ? names : "", " ", -1);

    for (char **name = list; *name; name++) {
        const FeatureRow *row = **name ? cpu_feature_find(*name) : NULL;

        if (row) {
            cpu_features_set(words, row, on);
        }
    }
}

/* -- Models by name ---------------------------------------------------------------------------- */

typedef struct Search {
    const char *name;
    ModelChoice choice;
    bool found;
} Search;

static void match_name(const char *name, const ModelChoice *choice, const char *of, void *opaque)
{
    Search *search = opaque;

    if (!search->found && strcmp(search->name, name) == 0) {
        search->choice = *choice;
        search->found = true;
    }
}

bool cpu_model_find(const char *name, ModelChoice *ret_choice)
{
    Search search = {.name = name};

    cpu_model_foreach(match_name, &search);
    if (search.found) {
        *ret_choice = search.choice;
    }
    return search.found;
}

static void foreach_version(const ModelTable *table, const ModelRow *row,
                            void (*fn)(const char *name, const ModelChoice *choice, const char *of,
                                       void *opaque),
                            void *opaque)
{
    for (unsigned i = 0; i < table->version_count; i++) {
        const ModelVersion *version = &table->versions[i];
        ModelChoice choice = {.table = table, .row = row, .version = version};

        if (strcmp(version->model, row->name) == 0) {
            g_autofree char *name = g_strdup_printf("%s-v%u", row->name, version->version);

            fn(name, &choice, NULL, opaque);
            if (version->alias) {
                fn(version->alias, &choice, name, opaque);
            }
        }
    }
}

void cpu_model_foreach(void (*fn)(const char *name, const ModelChoice *choice, const char *of,
                                  void *opaque),
                       void *opaque)
{
    for (size_t t = 0; t < G_N_ELEMENTS(tables); t++) {
        for (unsigned i = 0; i < tables[t]->model_count; i++) {
            const ModelRow *row = &tables[t]->models[i];
            ModelChoice choice = {.table = tables[t], .row = row};

            if (row->is_own) {
                fn(row->name, &choice, NULL, opaque);
                continue;
            }
            g_autofree char *first = g_strdup_printf("%s-v1", row->name);
            fn(row->name, &choice, first, opaque);
            fn(first, &choice, NULL, opaque);
            foreach_version(tables[t], row, fn, opaque);
        }
    }
}

/* -- Loading ----------------------------------------------------------------------------------- */

static void read_host_vendor(CpuModel *model)
{
    uint32_t regs[4];

    __cpuid(0, regs[0], regs[1], regs[2], regs[3]);
    memcpy(model->vendor, &regs[1], 4);
    memcpy(model->vendor + 4, &regs[3], 4);
    memcpy(model->vendor + 8, &regs[2], 4);
}

static void read_host_identity(CpuModel *model)
{
    uint32_t regs[4], name[12];
    unsigned family;

    read_host_vendor(model);
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

static const ModelVersion *find_version(const ModelChoice *choice, unsigned number)
{
    for (unsigned i = 0; i < choice->table->version_count; i++) {
        const ModelVersion *version = &choice->table->versions[i];

        if (version->version == number && strcmp(version->model, choice->row->name) == 0) {
            return version;
        }
    }
    return NULL;
}

/* Applies a version's changes after those of the version it comes from. */
static void apply_version(CpuModel *model, const ModelChoice *choice, const ModelVersion *version)
{
    const ModelVersion *chain[16];
    unsigned count = 0;

    for (; version && count < G_N_ELEMENTS(chain); version = find_version(choice, version->from)) {
        chain[count++] = version;
    }
    while (count--) {
        version = chain[count];
        set_by_names(model->features, version->adds, true);
        set_by_names(model->features, version->drops, false);
        model->model = version->model_number ? version->model_number : model->model;
        model->stepping = version->stepping ? version->stepping : model->stepping;
        if (version->model_id) {
            memset(model->model_id, 0, sizeof(model->model_id)); /* CPUID shows all of it */
            g_strlcpy(model->model_id, version->model_id, sizeof(model->model_id));
        }
    }
}

/* All that can be offered, but for what follows from the number of CPUs, or is pointless without
 * what it excuses. */
static void take_all(CpuModel *model, const uint32_t available[FEATURE_WORD_COUNT])
{
    memcpy(model->features, available, sizeof(model->features));
    set_by_names(model->features, "ht cmp-legacy rsba md-clear topoext la57", false);
}

/* Addresses of a CPU without long mode have 36 or 32 bits. */
static unsigned default_phys_bits(const CpuModel *model)
{
    if (cpu_model_has(model, FEATURE_LM)) {
        return DEFAULT_PHYS_BITS;
    }
    return cpu_model_has(model, FEATURE_PSE36) ? 36 : 32;
}

/* A provider runs the host's processor itself: its maker is every model's, because SYSCALL and
 * SYSENTER of compatibility mode go by that, and what offers all of it is it. */
static void load_identity(CpuModel *model, const ModelRow *row)
{
    if (row->is_host || (cpu_provider && !row->features)) {
        read_host_identity(model);
        return;
    }
    g_strlcpy(model->vendor, row->vendor, sizeof(model->vendor));
    g_strlcpy(model->model_id, row->model_id, sizeof(model->model_id));
    if (cpu_provider && *row->vendor) {
        read_host_vendor(model);
    }
}

void cpu_model_load(CpuModel *model, const ModelChoice *choice,
                    const uint32_t available[FEATURE_WORD_COUNT])
{
    const ModelRow *row = choice->row;

    *model = (CpuModel){.name = row->name,
                        .family = row->family,
                        .model = row->model,
                        .stepping = row->stepping,
                        .level = row->level,
                        .xlevel = row->xlevel,
                        .caches = row->caches};
    load_identity(model, row);
    if (row->features) {
        set_by_names(model->features, row->features, true);
        set_by_names(model->features, "hypervisor", row->is_own ? *row->features != 0 : true);
        apply_version(model, choice, choice->version);
    } else {
        take_all(model, available);
    }
    cpu_kvm_features_load(model, row);
    if (cpu_provider && !row->is_own) {
        set_by_names(model->features, cpu_provider->adds, true);
        set_by_names(model->features, cpu_provider->drops, false);
    }
    if (row->is_own || row->is_quiet) {
        for (unsigned i = 0; i < FEATURE_WORD_COUNT; i++) {
            model->features[i] &= available[i];
        }
    }
    model->phys_bits =
        row->features && *row->features ? default_phys_bits(model) : DEFAULT_PHYS_BITS;
}
