/* SPDX-License-Identifier: MIT */
/* The side of a CPU that QOM shows: /machine/unattached/device[N], of a type named after its model,
 * with the model's identity and one row for each feature. */
#include "target/i386/cpu-object.h"

#include "target/i386/cpu-model.h"
#include "util/object.h"

typedef struct CpuObject {
    Object obj;
    X86Cpu *cpu;
    uint32_t apic_id, family, model, stepping, level, xlevel, phys_bits;
    char *vendor, *model_id;
} CpuObject;

static void print_halted(const Field *field, const void *field_address, GString *out)
{
    const X86Cpu *cpu = *(X86Cpu *const *)field_address;
    bool halted = cpu->vcpu.halted;

    field_type_bool.print(field, &halted, out);
}

/* A feature's row points at the CPU; .init says which feature. */
static void print_feature(const Field *field, const void *field_address, GString *out)
{
    const X86Cpu *cpu = *(X86Cpu *const *)field_address;
    bool has = cpu_has(cpu, (unsigned)field->init);

    field_type_bool.print(field, &has, out);
}

/* What the model has and is not offered here. */
static void print_unavailable(const Field *field, const void *field_address, GString *out)
{
    const X86Cpu *cpu = *(X86Cpu *const *)field_address;
    const char *comma = "";

    for (unsigned i = 0; i < feature_row_count; i++) {
        const FeatureRow *row = &feature_rows[i];

        if (cpu->model->dropped[row->word] >> row->bit & 1) {
            g_string_append_printf(out, "%s%s", comma, row->name);
            comma = ",";
        }
    }
}

static const FieldType unavailable_type = {
    .name = "strList", .size = sizeof(X86Cpu *), .print = print_unavailable, .is_list = true};
static const FieldType halted_type = {
    .name = "bool", .size = sizeof(X86Cpu *), .print = print_halted};
static const FieldType feature_type = {
    .name = "bool", .size = sizeof(X86Cpu *), .print = print_feature};

#define SHOWN(member, text) PROP(CpuObject, member, .desc = text, .read_only = true)

static const Field cpu_fields[] = {
    SHOWN(apic_id, "number on the APIC bus"),
    SHOWN(family, "family of CPUID"),
    SHOWN(model, "model of CPUID"),
    SHOWN(stepping, "stepping of CPUID"),
    SHOWN(level, "last basic leaf of CPUID"),
    SHOWN(xlevel, "last extended leaf of CPUID"),
    SHOWN(phys_bits, "bits of a physical address"),
    SHOWN(vendor, "vendor of CPUID"),
    SHOWN(model_id, "name of CPUID"),
    FIELD_ROW_(CpuObject, cpu, FIELD_DERIVED, &halted_type, 1, .prop_name = "halted"),
    FIELD_ROW_(CpuObject, cpu, FIELD_DERIVED, &unavailable_type, 1,
               .prop_name = "unavailable-features"),
    FIELDS_END};

/* The CPU itself goes on: only its object is gone. */
static void cpu_object_finalize(Object *obj)
{
    CpuObject *object = (CpuObject *)obj;

    if (object->cpu) {
        object->cpu->object = NULL;
    }
}

static const Type cpu_type = {
    .name = "x86_64-cpu",
    .parent = &object_type,
    .size = sizeof(CpuObject),
    .desc = "an x86-64 CPU",
    .fields = cpu_fields,
    .finalize = cpu_object_finalize,
    .abstract = true,
};
OBJECT_TYPE(cpu_type);

/* The type of a model is made on first use and stays. */
static const Type *type_of_model(const CpuModel *model)
{
    static GHashTable *types;
    Type *type;
    Field *rows;

    types = types ? types : g_hash_table_new(g_str_hash, g_str_equal);
    type = g_hash_table_lookup(types, model->name);
    if (type) {
        return type;
    }
    rows = g_new0(Field, feature_row_count + 1);
    for (unsigned i = 0; i < feature_row_count; i++) {
        rows[i] = (Field){.name = feature_rows[i].name,
                          .kind = FIELD_DERIVED,
                          .type = &feature_type,
                          .offset = offsetof(CpuObject, cpu),
                          .size = sizeof(X86Cpu *),
                          .count = 1,
                          .init = FEATURE(feature_rows[i].word, feature_rows[i].bit)};
    }
    type = g_new0(Type, 1);
    *type = (Type){.name = g_strdup_printf("%s-x86_64-cpu", model->name),
                   .parent = &cpu_type,
                   .size = sizeof(CpuObject),
                   .desc = cpu_type.desc,
                   .fields = rows};
    g_hash_table_insert(types, g_strdup(model->name), type);
    return type;
}

static void add_to_machine(Object *obj)
{
    Object *container = object_container("/machine/unattached");

    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("device[%u]", n);

        if (!object_child(container, name)) {
            object_add_child(container, name, obj);
            return;
        }
    }
}

void cpu_object_show(X86Cpu *cpu)
{
    const CpuModel *model = cpu->model;
    CpuObject *object;

    if (cpu->object || !object_resolve("/machine")) {
        return;
    }
    object = (CpuObject *)object_new(type_of_model(model));
    object->cpu = cpu;
    object->apic_id = cpu->apic_id;
    object->family = model->family;
    object->model = model->model;
    object->stepping = model->stepping;
    object->level = model->level;
    object->xlevel = model->xlevel;
    object->phys_bits = model->phys_bits;
    object->vendor = g_strdup(model->vendor);
    object->model_id = g_strdup(model->model_id);
    cpu->object = &object->obj;
    add_to_machine(&object->obj);
}
