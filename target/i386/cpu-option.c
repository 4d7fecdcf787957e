/* SPDX-License-Identifier: MIT */
/* The option -cpu: MODEL,+feature,-feature,feature=on|off,property=value. */
#include "target/i386/cpu-model-rows.h"
#include "target/i386/cpu-query.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_MODEL "tcg64"

typedef struct ModelParser {
    CpuModel *model;
    uint32_t available[FEATURE_WORD_COUNT];
    GPtrArray *missing; /* texts: what was asked for and is not offered */
    bool enforce, check;
    bool pmu, force;
    bool host_phys_bits;
    uint32_t host_phys_bits_limit; /* 0: none */
    uint32_t min_level, min_xlevel;
} ModelParser;

const CpuProvider *cpu_provider;
static CpuModel selected = {.topology = {.dies = 1, .cores = 1, .threads = 1}};
static bool selected_valid;

/* -- Properties -------------------------------------------------------------------------------- */

typedef enum PropertyKind { PROPERTY_TEXT, PROPERTY_NUMBER, PROPERTY_SWITCH } PropertyKind;

/* Switches without an offset are accepted and mean nothing: the CPU is that way. */
typedef struct Property {
    const char *name;
    PropertyKind kind;
    bool in_parser, is_inverted, is_ignored;
    size_t offset, size;
    uint64_t low, high;
} Property;

#define NUMBER(text, member, from, to)                                                             \
    {                                                                                              \
        .name = text, .kind = PROPERTY_NUMBER, .offset = offsetof(CpuModel, member),               \
        .size = sizeof(((CpuModel *)0)->member), .low = from, .high = to                           \
    }
#define TEXT(text, member)                                                                         \
    {                                                                                              \
        .name = text, .kind = PROPERTY_TEXT, .offset = offsetof(CpuModel, member),                 \
        .size = sizeof(((CpuModel *)0)->member)                                                    \
    }
/* A model's member that says what the CPU has not. */
#define HAS(text, member)                                                                          \
    {                                                                                              \
        .name = text, .kind = PROPERTY_SWITCH, .is_inverted = true,                                \
        .offset = offsetof(CpuModel, member)                                                       \
    }
#define PARSER(text, property_kind, member, to)                                                    \
    {                                                                                              \
        .name = text, .kind = property_kind, .in_parser = true,                                    \
        .offset = offsetof(ModelParser, member), .high = to                                        \
    }
#define IGNORED(text)                                                                              \
    {                                                                                              \
        .name = text, .kind = PROPERTY_SWITCH, .is_ignored = true                                  \
    }

static const Property properties[] = {
    TEXT("vendor", vendor),
    TEXT("model-id", model_id),
    NUMBER("family", family, 0, 15 + 255),
    NUMBER("model", model, 0, 255),
    NUMBER("stepping", stepping, 0, 15),
    NUMBER("level", level, 0, 0x20),
    NUMBER("xlevel", xlevel, 0, 0x80000020),
    NUMBER("phys-bits", phys_bits, 0, UINT32_MAX),
    NUMBER("level-func7", level_func7, 0, 2),
    NUMBER("tsc-frequency", tsc_hz, 0, INT64_MAX),
    NUMBER("ucode-rev", ucode_rev, 0, UINT64_MAX),
    PARSER("min-level", PROPERTY_NUMBER, min_level, 0x20),
    PARSER("min-xlevel", PROPERTY_NUMBER, min_xlevel, 0x80000020),
    PARSER("host-phys-bits", PROPERTY_SWITCH, host_phys_bits, 0),
    PARSER("host-phys-bits-limit", PROPERTY_NUMBER, host_phys_bits_limit, 52),
    PARSER("check", PROPERTY_SWITCH, check, 0),
    PARSER("enforce", PROPERTY_SWITCH, enforce, 0),
    HAS("l3-cache", no_l3_cache),
    HAS("cpuid-0xb", no_leaf_b),
    HAS("tcg-cpuid", no_signature),
    HAS("vmware-cpuid-freq", no_frequency),
    {.name = "host-cache-info", .kind = PROPERTY_SWITCH, .offset = offsetof(CpuModel, host_caches)},
    {.name = "legacy-cache", .kind = PROPERTY_SWITCH, .offset = offsetof(CpuModel, legacy_cache)},
    IGNORED("migratable"),
    HAS("kvm", no_kvm),
    IGNORED("kvm-no-smi-migration"),
    IGNORED("x-intel-pt-auto-level"),
    IGNORED("x-migrate-smi-count"),
    IGNORED("x-vendor-cpuid-only"),
    PARSER("pmu", PROPERTY_SWITCH, pmu, 0),
    PARSER("x-force-features", PROPERTY_SWITCH, force, 0),
    IGNORED("full-cpuid-auto-level"),
    IGNORED("fill-mtrr-mask"),
};

static const Property *find_property(const char *name)
{
    if (cpu_name_equal(name, "tsc-freq")) {
        name = "tsc-frequency";
    }
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (cpu_name_equal(properties[i].name, name)) {
            return &properties[i];
        }
    }
    return NULL;
}

void cpu_properties_foreach(void (*fn)(const char *name, const char *type, void *opaque),
                            void *opaque)
{
    static const char *const types[] = {
        [PROPERTY_TEXT] = "str", [PROPERTY_NUMBER] = "int", [PROPERTY_SWITCH] = "bool"};

    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        fn(properties[i].name, types[properties[i].kind], opaque);
    }
    for (unsigned i = 0; i < feature_row_count; i++) {
        fn(feature_rows[i].name, "bool", opaque);
    }
}

/* Hertz, or a number with K, M or G: thousands, millions and so on. */
static bool parse_frequency(const char *text, uint64_t *ret_hz, Error **err)
{
    static const char suffixes[] = "KMG";
    g_autofree char *digits = g_strdup(text);
    size_t length = strlen(text);
    const char *suffix = length ? strchr(suffixes, g_ascii_toupper(text[length - 1])) : NULL;
    uint64_t value = 0, factor = 1;

    if (suffix && *suffix) {
        digits[length - 1] = '\0';
        for (const char *c = suffixes; c <= suffix; c++) {
            factor *= 1000;
        }
    }
    if (!parse_u64(digits, &value, err)) {
        return false;
    }
    if (value > INT64_MAX / factor) {
        return error_set(err, "'%s' is too much", text);
    }
    *ret_hz = value * factor;
    return true;
}

static bool set_number(const char *name, const char *text, uint64_t low, uint64_t high,
                       uint64_t *ret_value, Error **err)
{
    uint64_t value = 0;
    bool is_frequency = strcmp(name, "tsc-frequency") == 0;

    if (!(is_frequency ? parse_frequency(text, &value, err) : parse_u64(text, &value, err))) {
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

static bool set_text(char *field, const Property *property, const char *value, Error **err)
{
    if (strcmp(property->name, "vendor") == 0 && strlen(value) != 12) {
        return error_set(err, "-cpu: vendor '%s' must have 12 characters", value);
    }
    memset(field, 0, property->size); /* CPUID shows all of it */
    g_strlcpy(field, value, property->size);
    return true;
}

static bool apply_property(ModelParser *parser, const Property *property, const char *value,
                           Error **err)
{
    char *owner = property->in_parser ? (char *)parser : (char *)parser->model;
    void *field = owner + property->offset;
    uint64_t number = 0;
    bool on = true;

    switch (property->kind) {
    case PROPERTY_TEXT:
        return set_text(field, property, value, err);
    case PROPERTY_NUMBER:
        if (!set_number(property->name, value, property->low, property->high, &number, err)) {
            return false;
        }
        if (property->size == sizeof(uint64_t)) {
            *(uint64_t *)field = number;
        } else {
            *(uint32_t *)field = (uint32_t)number;
        }
        parser->model->level_given |= strcmp(property->name, "level") == 0;
        return true;
    default:
        if (!parse_bool(value, &on, err)) {
            error_prefix(err, "-cpu: %s: ", property->name);
            return false;
        }
        if (!property->is_ignored) {
            *(bool *)field = on != property->is_inverted;
        }
        return true;
    }
}

/* -- Features ---------------------------------------------------------------------------------- */

static void offer_foreign(const char *name, void *opaque)
{
    suggest_offer(opaque, g_intern_string(name));
}

static bool unknown_item(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    for (unsigned i = 0; i < feature_row_count; i++) {
        suggest_offer(&suggest, feature_rows[i].name);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        suggest_offer(&suggest, properties[i].name);
    }
    cpu_foreign_foreach(offer_foreign, &suggest);
    error_set(err, "-cpu: unknown feature or property '%s'%s", name, suggest_text(&suggest));
    error_hint(err, "-cpu help lists the features");
    return false;
}

/* A name that is no feature of the table. */
static bool apply_foreign(ModelParser *parser, const char *name, bool on, Error **err)
{
    switch (cpu_foreign_find(name)) {
    case FOREIGN_NOT:
        return unknown_item(name, err);
    case FOREIGN_HYPERV:
        return !on || error_set(err, "-cpu: '%s': Hyper-V enlightenments %s", name,
                                cpu_provider ? "are not offered" : "need KVM");
    case FOREIGN_KVM:
        cpu_kvm_feature_set(parser->model, name, on && cpu_provider);
        if (on && !cpu_provider && parser->check) {
            warn_report("-cpu: '%s' means nothing without KVM", name);
        }
        return true;
    default:
        if (on) {
            g_ptr_array_add(parser->missing, g_strdup(name));
        }
        return true;
    }
}

static bool apply_feature(ModelParser *parser, const char *name, bool on, Error **err)
{
    const FeatureRow *row = cpu_feature_find(name);

    if (!row) {
        return apply_foreign(parser, name, on, err);
    }
    cpu_features_set(parser->model->features, row, on);
    return true;
}

/* NAME, NAME=VALUE */
static bool apply_item(ModelParser *parser, const char *item, Error **err)
{
    const char *equals = strchr(item, '=');
    g_autofree char *name = equals ? g_strndup(item, (gsize)(equals - item)) : g_strdup(item);
    const char *value = equals ? equals + 1 : "on";
    const Property *property = find_property(name);
    bool on = true;

    if (property) {
        return apply_property(parser, property, value, err);
    }
    if (cpu_feature_find(name) || cpu_foreign_find(name) == FOREIGN_ABSENT) {
        if (!parse_bool(value, &on, err)) {
            error_prefix(err, "-cpu: %s: ", name);
            return false;
        }
        return apply_feature(parser, name, on, err);
    }
    return apply_foreign(parser, name, strcmp(value, "off") != 0, err);
}

/* Properties first, then what is added, then what is taken away. */
static bool apply_items(ModelParser *parser, char **items, Error **err)
{
    static const char order[] = {'=', '+', '-'};

    for (size_t i = 0; i < sizeof(order); i++) {
        for (char **item = items; *item; item++) {
            bool has_sign = **item == '+' || **item == '-';

            if ((has_sign ? **item : '=') != order[i]) {
                continue;
            }
            if (!(has_sign ? apply_feature(parser, *item + 1, **item == '+', err)
                           : apply_item(parser, *item, err))) {
                return false;
            }
        }
    }
    return true;
}

/* Who does not offer a feature, in messages. */
static const char *offerer(void)
{
    return cpu_provider ? cpu_provider->name : "TCG";
}

static void find_available(uint32_t words[FEATURE_WORD_COUNT])
{
    if (cpu_provider) {
        cpu_provider->read_features(words);
    } else {
        cpu_features_available(words);
    }
}

/* Drops what cannot be offered and notes it. */
static void drop_unavailable(ModelParser *parser)
{
    CpuModel *model = parser->model;

    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (cpu_model_has(model, FEATURE(row->word, row->bit)) &&
            !(parser->available[row->word] >> row->bit & 1)) {
            g_ptr_array_add(parser->missing, cpu_feature_text(row));
            cpu_features_set(model->features, row, false);
            model->dropped[row->word] |= 1u << row->bit;
        }
    }
    cpu_kvm_features_drop(model, parser->missing);
}

/* What was asked for and means nothing here: said, not swallowed. */
static bool check_switches(const ModelParser *parser, Error **err)
{
    if (parser->force) {
        return error_set(err, "-cpu: x-force-features: CPUID offers nothing that is not carried");
    }
    if (parser->pmu && parser->check) {
        warn_report("-cpu: 'pmu': TCG has no performance counters");
    }
    return true;
}

static unsigned host_phys_bits(void)
{
    uint32_t eax, ebx, ecx, edx;

    return __get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) ? eax & 0xff : 36;
}

static bool set_phys_bits(ModelParser *parser, unsigned usual, Error **err)
{
    CpuModel *model = parser->model;

    if (parser->host_phys_bits) {
        unsigned bits = host_phys_bits();

        model->phys_bits =
            parser->host_phys_bits_limit ? MIN(bits, parser->host_phys_bits_limit) : bits;
        model->phys_bits = CLAMP(model->phys_bits, 32, 52);
    } else if (model->phys_bits == 0) {
        model->phys_bits = usual;
    }
    return (model->phys_bits >= 32 && model->phys_bits <= 52) ||
           error_set(err, "-cpu: phys-bits=%u is out of range (32 to 52)", model->phys_bits);
}

static bool finish_model(ModelParser *parser, unsigned usual_phys_bits, Error **err)
{
    CpuModel *model = parser->model;

    drop_unavailable(parser);
    if (parser->enforce && parser->missing->len) {
        g_autofree char *list = NULL;

        g_ptr_array_add(parser->missing, NULL);
        list = g_strjoinv(", ", (char **)parser->missing->pdata);
        g_ptr_array_remove_index(parser->missing, parser->missing->len - 1);
        return error_set(err, "-cpu: %s doesn't support requested features: %s", offerer(), list);
    }
    if (!check_switches(parser, err) || !set_phys_bits(parser, usual_phys_bits, err)) {
        return false;
    }
    model->level = MAX(model->level, parser->min_level);
    model->xlevel = MAX(model->xlevel, parser->min_xlevel);
    if (model->legacy_cache) {
        model->caches = CACHES_LEGACY;
    }
    cpu_model_finish(model);
    return true;
}

/* -- Models ------------------------------------------------------------------------------------ */

const char *cpu_model_default(void)
{
    return DEFAULT_MODEL;
}

static void offer_name(const char *name, const ModelChoice *choice, const char *of, void *opaque)
{
    suggest_offer(opaque, g_intern_string(name));
}

bool cpu_model_unknown(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    cpu_model_foreach(offer_name, &suggest);
    error_set(err, "-cpu: unknown CPU model '%s'%s", name, suggest_text(&suggest));
    error_hint(err, "-cpu help lists the models");
    return false;
}

static bool parse_model(const char *text, ModelParser *parser, Error **err)
{
    const char *standard = cpu_provider ? cpu_provider->default_model : DEFAULT_MODEL;
    g_auto(GStrv) items = g_strsplit(text && *text ? text : standard, ",", -1);
    CpuModel *model = parser->model;
    unsigned usual_phys_bits;
    ModelChoice choice;

    if (!cpu_model_find(items[0], &choice)) {
        return cpu_model_unknown(items[0], err);
    }
    find_available(parser->available);
    cpu_model_load(model, &choice, parser->available);
    model->name = g_intern_string(items[0]); /* versions and aliases are types of their own */
    usual_phys_bits = model->phys_bits;
    return apply_items(parser, items + 1, err) && finish_model(parser, usual_phys_bits, err);
}

bool cpu_model_parse(const char *text, CpuModel *ret_model, GPtrArray *missing, Error **err)
{
    ModelParser parser = {.model = ret_model, .missing = missing, .check = false};

    return parse_model(text, &parser, err);
}

bool cpu_model_select(const char *text, Error **err)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    CpuModel model;
    ModelParser parser = {.model = &model, .missing = missing, .check = true};

    if (!parse_model(text, &parser, err)) {
        return false;
    }
    for (guint i = 0; parser.check && i < missing->len; i++) {
        warn_report("%s doesn't support requested feature: %s", offerer(),
                    (const char *)missing->pdata[i]);
    }
    model.topology = selected.topology;
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
