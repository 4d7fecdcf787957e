/* SPDX-License-Identifier: MIT */
/* What can be said about CPU models: their names, and what they lack on this host. */
#include "target/i386/cpu-model-rows.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define LINE_WIDTH 78

/* Words in lines of their own, each behind `indent` spaces. */
static void append_words(GString *text, GPtrArray *words, unsigned indent)
{
    unsigned column = 0;

    for (guint i = 0; i < words->len; i++) {
        const char *word = words->pdata[i];

        if (column == 0 || column + strlen(word) + 1 > LINE_WIDTH) {
            g_string_append_printf(text, "%s%*s", column ? "\n" : "", (int)indent - 1, "");
            column = indent - 1;
        }
        g_string_append_printf(text, " %s", word);
        column += (unsigned)strlen(word) + 1;
    }
    g_string_append_c(text, '\n');
}

static void append_flag_names(GString *text)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; i < feature_row_count; i++) {
        if (feature_rows[i].carried) {
            g_ptr_array_add(names, (void *)feature_rows[i].name);
        }
    }
    append_words(text, names, 2);
}

/* -- What a model lacks ------------------------------------------------------------------------ */

GPtrArray *cpu_model_missing(const ModelChoice *choice,
                             const uint32_t available[FEATURE_WORD_COUNT])
{
    uint32_t all[FEATURE_WORD_COUNT];
    GPtrArray *names = g_ptr_array_new();
    CpuModel model;

    if (!choice->row->features) { /* what there is */
        return names;
    }
    memset(all, 0xff, sizeof(all));
    cpu_model_load(&model, choice, all);
    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (cpu_model_has(&model, FEATURE(row->word, row->bit)) &&
            !(available[row->word] >> row->bit & 1)) {
            g_ptr_array_add(names, (void *)row->name);
        }
    }
    return names;
}

/* What is available is asked once: each CPUID may be a trip to a hypervisor. */
typedef struct MissingText {
    GString *text;
    uint32_t available[FEATURE_WORD_COUNT];
} MissingText;

static void append_missing(const char *name, const ModelChoice *choice, const char *of,
                           void *opaque)
{
    const MissingText *missing = opaque;
    g_autoptr(GPtrArray) names = cpu_model_missing(choice, missing->available);

    if (of) {
        return; /* the same as what it stands for */
    }
    if (!names->len) {
        g_string_append_printf(missing->text, "%s: nothing\n", name);
        return;
    }
    g_string_append_printf(missing->text, "%s:\n", name);
    append_words(missing->text, names, 4);
}

char *cpu_models_missing_text(const char *name, Error **err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    MissingText missing = {.text = text};
    ModelChoice choice;

    cpu_features_available(missing.available);
    if (!name) {
        cpu_model_foreach(append_missing, &missing);
    } else if (cpu_model_find(name, &choice)) {
        append_missing(name, &choice, NULL, &missing);
    } else {
        cpu_model_unknown(name, err);
        return NULL;
    }
    return g_strdup(text->str);
}

static void append_features(GString *text, const CpuModel *model)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (cpu_model_has(model, FEATURE(row->word, row->bit))) {
            g_ptr_array_add(names, (void *)row->name);
        }
    }
    append_words(text, names, 2);
}

char *cpu_model_describe(const char *option, Error **err)
{
    g_auto(GStrv) items = g_strsplit(option, ",", -1);
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) rest = g_string_new(items[0]);
    GString *text = g_string_new(NULL);
    CpuModel model;

    for (char **item = items + 1; items[0] && *item; item++) {
        if (strcmp(*item, "help") != 0 && strcmp(*item, "?") != 0) {
            g_string_append_printf(rest, ",%s", *item);
        }
    }
    if (!cpu_model_parse(rest->str, &model, missing, err)) {
        g_string_free(text, TRUE);
        return NULL;
    }
    g_string_append_printf(text,
                           "%s: %s\n  vendor=%s,family=%u,model=%u,stepping=%u,level=0x%x,"
                           "xlevel=0x%x,phys-bits=%u\nFeatures offered:\n",
                           rest->str, model.model_id, model.vendor, model.family, model.model,
                           model.stepping, model.level, model.xlevel, model.phys_bits);
    append_features(text, &model);
    g_string_append(text, missing->len ? "Not available on this host:\n"
                                       : "Nothing of it is missing on this host.\n");
    for (guint i = 0; i < missing->len; i++) {
        g_string_append_printf(text, "  %s\n", (const char *)missing->pdata[i]);
    }
    return g_string_free(text, FALSE);
}

/* -- -cpu help --------------------------------------------------------------------------------- */

typedef struct HelpLine {
    char *name, *text;
} HelpLine;

static void help_line(const char *name, const ModelChoice *choice, const char *of, void *opaque)
{
    const ModelRow *row = choice->row;
    const ModelVersion *version = choice->version;
    HelpLine line = {.name = g_strdup(name)};
    CpuModel model;

    if (row->desc) {
        line.text = g_strdup(row->desc);
    } else if (of && !version) {
        line.text = g_strdup("(alias configured by machine type)");
    } else if (of) {
        line.text = g_strdup_printf("(alias of %s)", of);
    } else {
        const uint32_t none[FEATURE_WORD_COUNT] = {0};

        cpu_model_load(&model, choice, none);
        line.text = g_strconcat(model.model_id, version && version->note ? " [" : "",
                                version && version->note ? version->note : "",
                                version && version->note ? "]" : "", NULL);
    }
    g_array_append_val((GArray *)opaque, line);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const HelpLine *)a)->name, ((const HelpLine *)b)->name);
}

static void free_line(void *line)
{
    g_free(((HelpLine *)line)->name);
    g_free(((HelpLine *)line)->text);
}

char *cpu_model_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");
    g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(HelpLine));

    g_array_set_clear_func(lines, free_line);
    cpu_model_foreach(help_line, lines);
    g_array_sort(lines, compare_lines);
    for (unsigned i = 0; i < lines->len; i++) {
        HelpLine *line = &g_array_index(lines, HelpLine, i);

        g_string_append_printf(text, "x86 %-20s  %s\n", line->name, line->text);
    }
    g_string_append(text,
                    "\n-cpu MODEL,help says what MODEL has, and what of it this host lacks.\n");
    g_string_append(text, "\nRecognized CPUID flags (those of computational instructions take a "
                          "host that has them):\n");
    append_flag_names(text);
    return g_string_free(text, FALSE);
}
