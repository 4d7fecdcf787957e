/* SPDX-License-Identifier: MIT */
/* What programs ask about CPU models, as JSON in the form that QMP has. Main thread. */
#ifndef TARGET_I386_CPU_QUERY_H
#define TARGET_I386_CPU_QUERY_H

#include "util/json-type.h"

#define CPU_TYPE_SUFFIX "-x86_64-cpu"

/* The model used without -cpu. */
const char *cpu_model_default(void);

/* An object per name of -cpu: name, typename, unavailable-features, alias-of... Borrowed: it is
 * worked out once. */
const json_t *cpu_definitions_json(void);

/*
 * The others take a model as {"name": "qemu64", "props": {"avx": true}} and return NULL on failure.
 * Expansion: the same CPU with all that follows from it as props; `full` keeps its name, else it is
 * told as a change of the model "base".
 */
json_t *cpu_model_expansion_json(const json_t *model, bool full, Error **err);
/* {"result": "superset", "responsible-properties": [...]}: what of features `a` has over `b`. */
json_t *cpu_model_comparison_json(const json_t *a, const json_t *b, Error **err);
/* The model with the features that both have, told as a change of "base". */
json_t *cpu_model_baseline_json(const json_t *a, const json_t *b, Error **err);

/* Features and properties that -cpu takes; `type` as qom-list has it: "bool", "int", "str". */
void cpu_properties_foreach(void (*fn)(const char *name, const char *type, void *opaque),
                            void *opaque);

#endif
