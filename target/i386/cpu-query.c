/* SPDX-License-Identifier: MIT */
/* CPU models as programs ask for them: the list, what is in one, how two compare. */
#include "target/i386/cpu-query.h"

#include "target/i386/cpu-model-rows.h"

#include <string.h>

/* -- The list ---------------------------------------------------------------------------------- */

typedef struct Definitions {
    json_t *list;
    uint32_t available[FEATURE_WORD_COUNT];
} Definitions;

static void add_definition(const char *name, const ModelChoice *choice, const char *of,
                           void *opaque)
{
    g_autofree char *type = g_strconcat(name, CPU_TYPE_SUFFIX, NULL);
    const Definitions *definitions = opaque;
    g_autoptr(GPtrArray) missing = cpu_model_missing(choice, definitions->available);
    json_t *names = json_array();

    for (guint i = 0; i < missing->len; i++) {
        json_array_append_new(names, json_string(missing->pdata[i]));
    }
    /* What "max" and "host" hold depends on where they run; only "base" never changes. */
    json_t *definition =
        json_pack("{s:s, s:s, s:b, s:b, s:b, s:o}", "name", name, "typename", type,
                  "migration-safe", choice->row->features != NULL, "static",
                  strcmp(name, "base") == 0, "deprecated", false, "unavailable-features", names);
    if (of) {
        json_object_set_new(definition, "alias-of", json_string(of));
    }
    json_array_append_new(definitions->list, definition);
}

const json_t *cpu_definitions_json(void)
{
    static json_t *list;

    if (!list) {
        Definitions definitions = {.list = json_array()};

        cpu_features_available(definitions.available);
        cpu_model_foreach(add_definition, &definitions);
        list = definitions.list;
    }
    return list;
}

/* -- A model of a client becomes text of -cpu -------------------------------------------------- */

static bool append_property(GString *text, const char *name, const json_t *value, Error **err)
{
    const char *string = json_is_text(value) ? json_string_value(value) : NULL;
    uint64_t number;

    if (strpbrk(name, ",=") || (string && strchr(string, ','))) {
        return error_set(err, "property '%s': neither name nor value may contain ','", name);
    }
    if (json_is_boolean(value)) {
        g_string_append_printf(text, ",%s=%s", name, json_is_true(value) ? "on" : "off");
    } else if (json_is_integer(value)) {
        g_string_append_printf(text, ",%s=%" JSON_INTEGER_FORMAT, name, json_integer_value(value));
    } else if (json_get_unsigned(value, &number)) {
        g_string_append_printf(text, ",%s=%" G_GUINT64_FORMAT, name, (guint64)number);
    } else if (string) {
        g_string_append_printf(text, ",%s=%s", name, string);
    } else {
        return error_set(err, "property '%s': a boolean, an integer or a string is wanted", name);
    }
    return true;
}

static bool read_model(const json_t *json, CpuModel *ret_model, Error **err)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    const char *name = json_string_value(json_object_get(json, "name")), *key;
    g_autoptr(GString) text = g_string_new(name);
    json_t *value;

    if (strchr(name, ',')) {
        return cpu_model_unknown(name, err);
    }
    json_object_foreach(json_object_get(json, "props"), key, value)
    {
        if (!append_property(text, key, value, err)) {
            return false;
        }
    }
    return cpu_model_parse(text->str, ret_model, missing, err);
}

/* -- Expansion --------------------------------------------------------------------------------- */

static json_t *features_json(const uint32_t words[FEATURE_WORD_COUNT])
{
    json_t *props = json_object();

    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        json_object_set_new(props, row->name, json_boolean(words[row->word] >> row->bit & 1));
    }
    return props;
}

static void set_number(json_t *props, const char *name, uint64_t value)
{
    json_object_set_new(props, name, json_integer((json_int_t)value));
}

static json_t *model_json(const CpuModel *model, bool full)
{
    json_t *props = features_json(model->features);

    set_number(props, "family", model->family);
    set_number(props, "model", model->model);
    set_number(props, "stepping", model->stepping);
    set_number(props, "min-level", model->level);
    set_number(props, "min-xlevel", model->xlevel);
    if (model->vendor[0]) {
        json_object_set_new(props, "vendor", json_text(model->vendor));
        json_object_set_new(props, "model-id", json_text(model->model_id));
    }
    if (full) {
        set_number(props, "level", model->level);
        set_number(props, "xlevel", model->xlevel);
        set_number(props, "phys-bits", model->phys_bits);
    }
    return json_pack("{s:{s:s, s:o}}", "model", "name", full ? model->name : "base", "props",
                     props);
}

json_t *cpu_model_expansion_json(const json_t *json, bool full, Error **err)
{
    CpuModel model;

    return read_model(json, &model, err) ? model_json(&model, full) : NULL;
}

/* -- Two models -------------------------------------------------------------------------------- */

json_t *cpu_model_comparison_json(const json_t *a, const json_t *b, Error **err)
{
    static const char *const results[2][2] = {{"identical", "superset"},
                                              {"subset", "incompatible"}};
    bool a_has_more = false, b_has_more = false;
    CpuModel models[2];

    if (!read_model(a, &models[0], err) || !read_model(b, &models[1], err)) {
        return NULL;
    }
    json_t *names = json_array();
    for (unsigned i = 0; i < feature_row_count; i++) {
        unsigned feature = FEATURE(feature_rows[i].word, feature_rows[i].bit);
        bool of_a = cpu_model_has(&models[0], feature), of_b = cpu_model_has(&models[1], feature);

        a_has_more |= of_a && !of_b;
        b_has_more |= of_b && !of_a;
        if (of_a != of_b) {
            json_array_append_new(names, json_string(feature_rows[i].name));
        }
    }
    return json_pack("{s:s, s:o}", "result", results[b_has_more][a_has_more],
                     "responsible-properties", names);
}

json_t *cpu_model_baseline_json(const json_t *a, const json_t *b, Error **err)
{
    uint32_t common[FEATURE_WORD_COUNT];
    CpuModel models[2];

    if (!read_model(a, &models[0], err) || !read_model(b, &models[1], err)) {
        return NULL;
    }
    for (unsigned i = 0; i < FEATURE_WORD_COUNT; i++) {
        common[i] = models[0].features[i] & models[1].features[i];
    }
    return json_pack("{s:{s:s, s:o}}", "model", "name", "base", "props", features_json(common));
}
