/* SPDX-License-Identifier: MIT */
/* The option -cpu: MODEL,+feature,-feature,feature=on|off,property=value. */
#include "target/i386/cpu-model-rows.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#define DEFAULT_MODEL "tcg64"

typedef struct ModelParser {
    CpuModel *model;
    uint32_t available[FEATURE_WORD_COUNT];
    bool enforce, check;
    bool host_phys_bits;
    uint32_t host_phys_bits_limit; /* 0: none */
    uint32_t min_level, min_xlevel;
} ModelParser;

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
    NUMBER("phys-bits", phys_bits, 32, 52),
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
    {.name = "legacy-cache", .kind = PROPERTY_SWITCH, .offset = offsetof(CpuModel, legacy_cache)},
    IGNORED("migratable"),
    IGNORED("kvm"),
    IGNORED("pmu"),
    IGNORED("host-cache-info"),
    IGNORED("full-cpuid-auto-level"),
    IGNORED("fill-mtrr-mask"),
};

/* Names that mean something to KVM alone. */
static const char *const foreign_prefixes[] = {"hv-", "hv_", "kvm-", "kvm_", "kvmclock", "vmx-"};

static const Property *find_property(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
        if (strcmp(properties[i].name, name) == 0) {
            return &properties[i];
        }
    }
    return NULL;
}

static bool is_foreign(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(foreign_prefixes); i++) {
        if (g_str_has_prefix(name, foreign_prefixes[i])) {
            return true;
        }
    }
    return false;
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

static bool set_text(char *field, const Property *property, const char *value, Error **err)
{
    if (strcmp(property->name, "vendor") == 0 && strlen(value) != 12) {
        return error_set(err, "-cpu: vendor '%s' must have 12 characters", value);
    }
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
    return error_set(err, "-cpu: unknown feature or property '%s'%s", name, suggest_text(&suggest));
}

static bool apply_feature(ModelParser *parser, const char *name, bool on, Error **err)
{
    const FeatureRow *row = cpu_feature_find(name);

    if (row) {
        cpu_features_set(parser->model->features, row, on);
        return true;
    }
    if (!is_foreign(name)) {
        return unknown_item(name, err);
    }
    if (on && parser->check) {
        warn_report("-cpu: '%s' means nothing without KVM", name);
    }
    return true;
}

static bool apply_item(ModelParser *parser, const char *item, Error **err)
{
    const char *equals = strchr(item, '=');
    const Property *property;
    bool on = true;

    if (*item == '+' || *item == '-') {
        return apply_feature(parser, item + 1, *item == '+', err);
    }
    g_autofree char *name = equals ? g_strndup(item, (gsize)(equals - item)) : g_strdup(item);
    property = find_property(name);
    if (property) {
        return apply_property(parser, property, equals ? equals + 1 : "on", err);
    }
    if (is_foreign(name)) {
        return apply_feature(parser, name, !equals || strcmp(equals + 1, "off") != 0, err);
    }
    if (!cpu_feature_find(name)) {
        return unknown_item(name, err);
    }
    if (equals && !parse_bool(equals + 1, &on, err)) {
        error_prefix(err, "-cpu: %s: ", name);
        return false;
    }
    return apply_feature(parser, name, on, err);
}

/* Drops what cannot be offered, with a warning for each feature, or an error for `enforce`. */
static bool drop_unavailable(ModelParser *parser, Error **err)
{
    CpuModel *model = parser->model;
    const FeatureRow *first = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (!cpu_model_has(model, FEATURE(row->word, row->bit)) ||
            (parser->available[row->word] >> row->bit & 1)) {
            continue;
        }
        if (parser->check && !parser->enforce) {
            warn_report("TCG doesn't support requested feature: %s.%s [bit %u]",
                        cpu_feature_word_name((FeatureWord)row->word), row->name, row->bit);
        }
        first = first ? first : row;
        count++;
        cpu_features_set(model->features, row, false);
    }
    if (!first || !parser->enforce) {
        return true;
    }
    return error_set(err, "-cpu: TCG doesn't support requested feature: %s.%s [bit %u]%s",
                     cpu_feature_word_name((FeatureWord)first->word), first->name, first->bit,
                     count > 1 ? " and others" : "");
}

static unsigned host_phys_bits(void)
{
    uint32_t eax, ebx, ecx, edx;

    return __get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) ? eax & 0xff : 36;
}

static bool finish_model(ModelParser *parser, Error **err)
{
    CpuModel *model = parser->model;

    if (!drop_unavailable(parser, err)) {
        return false;
    }
    model->level = MAX(model->level, parser->min_level);
    model->xlevel = MAX(model->xlevel, parser->min_xlevel);
    if (parser->host_phys_bits) {
        unsigned bits = host_phys_bits();

        model->phys_bits =
            parser->host_phys_bits_limit ? MIN(bits, parser->host_phys_bits_limit) : bits;
        model->phys_bits = CLAMP(model->phys_bits, 32, 52);
    }
    if (model->legacy_cache) {
        model->caches = CACHES_LEGACY;
    }
    cpu_model_finish(model);
    return true;
}

static void offer_name(const char *name, const ModelChoice *choice, const char *of, void *opaque)
{
    suggest_offer(opaque, g_intern_string(name));
}

bool cpu_model_select(const char *text, Error **err)
{
    g_auto(GStrv) items = g_strsplit(text && *text ? text : DEFAULT_MODEL, ",", -1);
    CpuModel model;
    ModelParser parser = {.model = &model, .check = true};
    ModelChoice choice;

    if (!cpu_model_find(items[0], &choice)) {
        Suggest suggest;

        suggest_init(&suggest, items[0]);
        cpu_model_foreach(offer_name, &suggest);
        return error_set(err, "unknown CPU model '%s'%s", items[0], suggest_text(&suggest));
    }
    cpu_features_available(parser.available);
    cpu_model_load(&model, &choice, parser.available);
    model.name = g_intern_string(items[0]); /* versions and aliases are types of their own */
    for (char **item = items + 1; *item; item++) {
        if (!apply_item(&parser, *item, err)) {
            return false;
        }
    }
    if (!finish_model(&parser, err)) {
        return false;
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
