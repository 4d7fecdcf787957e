/* SPDX-License-Identifier: MIT */
/* The tables of named CPU models: what each row says, and where the tables are. */
#ifndef TARGET_I386_CPU_MODEL_ROWS_H
#define TARGET_I386_CPU_MODEL_ROWS_H

#include "target/i386/cpu-model.h"

#include <glib.h>

/* A model in its first version; features are names of the feature table, separated by spaces. */
typedef struct ModelRow {
    const char *name, *desc; /* desc NULL: the model_id */
    const char *features;    /* NULL: all that can be offered */
    const char *vendor, *model_id;
    unsigned family, model, stepping;
    uint32_t level, xlevel;
    CacheSet caches;
    bool is_own;   /* not one of the versioned models: offers what it can, without a warning */
    bool is_quiet; /* the same for a versioned one */
    bool is_host;  /* identity of the host's CPU */
} ModelRow;

/* What a later version changes in an earlier one; absent members stay as they are there. */
typedef struct ModelVersion {
    const char *model;
    unsigned version, from;
    const char *alias; /* an older name of this version */
    const char *adds, *drops;
    const char *model_id;
    const char *note; /* for the help text */
    unsigned model_number, stepping;
} ModelVersion;

typedef struct ModelTable {
    const ModelRow *models;
    unsigned model_count;
    const ModelVersion *versions;
    unsigned version_count;
} ModelTable;

extern const ModelTable own_models, generic_models, intel_models, amd_models;

/* One name of -cpu, found. */
typedef struct ModelChoice {
    const ModelTable *table;
    const ModelRow *row;
    const ModelVersion *version; /* NULL: the first one, or a model without versions */
} ModelChoice;

/* NAME, NAME-vN or an alias; a bare NAME is version 1. */
bool cpu_model_find(const char *name, ModelChoice *ret_choice);
/* Calls for each name that cpu_model_find() takes; `of` is what an alias stands for, else NULL. */
void cpu_model_foreach(void (*fn)(const char *name, const ModelChoice *choice, const char *of,
                                  void *opaque),
                       void *opaque);

/* QEMU takes sse4_1, sse4-1 and sse4.1. */
bool cpu_name_equal(const char *a, const char *b);
/* The row of a feature's name in any spelling QEMU takes; NULL: unknown. */
const FeatureRow *cpu_feature_find(const char *name);
/* The register of a word as QEMU writes it: "CPUID.07H:EBX". */
const char *cpu_feature_word_name(FeatureWord word);
void cpu_features_set(uint32_t words[FEATURE_WORD_COUNT], const FeatureRow *row, bool on);

/* Identity and features of a choice, before -cpu's own changes; features may be more than can be
 * offered unless the row is quiet. */
void cpu_model_load(CpuModel *model, const ModelChoice *choice,
                    const uint32_t available[FEATURE_WORD_COUNT]);

/* Names of -cpu that are not features of the table. */
typedef enum ForeignKind {
    FOREIGN_NOT,    /* no such name */
    FOREIGN_HYPERV, /* enlightenments, which need KVM */
    FOREIGN_KVM,    /* mean nothing without KVM */
    FOREIGN_ABSENT  /* of the CPU, and not carried */
} ForeignKind;

/* Says that there is no such model, and what may be meant. */
bool cpu_model_unknown(const char *name, Error **err);
/* Works -cpu's text out. `missing` gets a text, to be freed, for each feature that was asked for
 * and is not offered; with `enforce` those are an error. */
bool cpu_model_parse(const char *text, CpuModel *ret_model, GPtrArray *missing, Error **err);

/* Names of features the model has and cpu_features_available() has not; caller frees the array. */
GPtrArray *cpu_model_missing(const ModelChoice *choice,
                             const uint32_t available[FEATURE_WORD_COUNT]);

ForeignKind cpu_foreign_find(const char *name);
/* FOREIGN_KVM: what models of the row have; one of them; what is not offered goes, and its text
 * into `missing`. */
void cpu_kvm_features_load(CpuModel *model, const ModelRow *row);
void cpu_kvm_feature_set(CpuModel *model, const char *name, bool on);
void cpu_kvm_features_drop(CpuModel *model, GPtrArray *missing);
void cpu_foreign_foreach(void (*fn)(const char *name, void *opaque), void *opaque);

/* One text for a feature: "CPUID.07H:EBX.hle [bit 4]". Caller frees. */
char *cpu_feature_text(const FeatureRow *row);

#endif
