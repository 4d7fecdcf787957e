/* SPDX-License-Identifier: MIT */
/* No type of the emulator has a member that no field row declares: bytes that no row covers, and
 * that alignment does not explain, fail. What hides in padding is found by the lint rule "fields".
 */
#include "util/object.h"

#include <string.h>

#define MAX_ALIGNMENT 8

static void mark(uint8_t *covered, size_t size, size_t offset, size_t count)
{
    g_assert_cmpuint(offset + count, <=, size);
    memset(covered + offset, 1, count);
}

/* True when `gap` unused bytes that end at `end` can be padding before something aligned. */
static bool is_padding(size_t gap, size_t end)
{
    for (size_t alignment = 2; alignment <= MAX_ALIGNMENT; alignment *= 2) {
        if (gap < alignment && end % alignment == 0) {
            return true;
        }
    }
    return false;
}

/* Offset of the first byte run that is neither covered nor padding; `size` if there is none. */
static size_t find_hole(const uint8_t *covered, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t end = at;

        while (end < size && !covered[end]) {
            end++;
        }
        if (end > at && !is_padding(end - at, end)) {
            return at;
        }
        at = end + 1;
    }
    return size;
}

static bool check_rows(const char *name, const Field *rows, size_t size);

static bool check_nested(const char *name, const Field *field)
{
    g_autofree char *inner = g_strdup_printf("%s.%s", name, field->name);

    g_assert_cmpuint(field->count, >, 0);
    return field->type != &field_type_struct ||
           check_rows(inner, field->fields, field->size / field->count);
}

typedef struct Coverage {
    const char *name;
    uint8_t *covered;
    size_t size;
    bool fine;
} Coverage;

static void cover_field(const Field *field, void *opaque)
{
    Coverage *coverage = opaque;

    mark(coverage->covered, coverage->size, field->offset, field->size);
    coverage->fine &= check_nested(coverage->name, field);
    if (field->type->size && field->size != field->count * field->type->size) {
        g_test_message("%s.%s: %u bytes are not %u times %s", coverage->name, field->name,
                       field->size, field->count, field->type->name);
        coverage->fine = false;
    }
}

static bool report(Coverage *coverage)
{
    size_t hole = find_hole(coverage->covered, coverage->size);

    if (hole < coverage->size) {
        g_test_message("%s: no row declares what is at offset %zu", coverage->name, hole);
        coverage->fine = false;
    }
    g_free(coverage->covered);
    return coverage->fine;
}

static bool check_rows(const char *name, const Field *rows, size_t size)
{
    Coverage coverage = {name, g_malloc0(size), size, true};

    for (const Field *field = rows; field->name; field++) {
        cover_field(field, &coverage);
    }
    return report(&coverage);
}

static bool check_type(const Type *type)
{
    Coverage coverage = {type->name, g_malloc0(type->size), type->size, true};

    mark(coverage.covered, type->size, 0, sizeof(Object));
    type_foreach_field(type, cover_field, &coverage);
    return report(&coverage);
}

static void visit(const Type *type, void *opaque)
{
    unsigned *count = opaque;

    ++*count;
    if (!check_type(type)) {
        g_test_message("%s has undeclared members", type->name);
        g_test_fail();
    }
}

static void test_every_type(void)
{
    unsigned count = 0;

    type_foreach(&object_type, visit, &count);
    g_test_message("%u types", count);
    g_assert_cmpuint(count, >, 10);
}

/* -- The check itself -------------------------------------------------------------------------- */

typedef struct Part {
    uint16_t a;
    uint64_t b;
} Part;

typedef struct Sample {
    Object obj;
    bool flag;
    uint32_t level;
    uint64_t forgotten;
    Part parts[2];
} Sample;

static const Field part_rows[] = {STATE(Part, a), STATE(Part, b), FIELDS_END};
static const Field bad_part_rows[] = {STATE(Part, a), FIELDS_END};
static const Field all_rows[] = {
    PROP(Sample, flag),
    STATE(Sample, level),
    STATE(Sample, forgotten),
    STATE_STRUCTS(Sample, parts, part_rows),
    FIELDS_END,
};
static const Field one_less[] = {PROP(Sample, flag), STATE(Sample, level),
                                 STATE_STRUCTS(Sample, parts, part_rows), FIELDS_END};
static const Field nested_less[] = {
    PROP(Sample, flag),
    STATE(Sample, level),
    STATE(Sample, forgotten),
    STATE_STRUCTS(Sample, parts, bad_part_rows),
    FIELDS_END,
};

static Type sample_type(const Field *rows)
{
    return (Type){.name = "sample", .parent = &object_type, .size = sizeof(Sample), .fields = rows};
}

static void test_finds_holes(void)
{
    Type good = sample_type(all_rows);
    Type hole = sample_type(one_less);
    Type nested = sample_type(nested_less);
    Type tail = sample_type(all_rows);

    tail.size += 8; /* a last member no row names */
    g_assert_true(check_type(&good));
    g_assert_false(check_type(&hole));
    g_assert_false(check_type(&nested));
    g_assert_false(check_type(&tail));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fields/finds-holes", test_finds_holes);
    g_test_add_func("/fields/every-type", test_every_type);
    return g_test_run();
}
