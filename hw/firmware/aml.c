/* SPDX-License-Identifier: MIT */
/* AML: package lengths are only known at the end of a term, so they are inserted by aml_end(). */
#include "hw/firmware/aml.h"

#include <assert.h>
#include <string.h>

enum { /* opcodes */
       OP_ZERO = 0x00,
       OP_ONE = 0x01,
       OP_NAME = 0x08,
       OP_BYTE = 0x0a,
       OP_WORD = 0x0b,
       OP_DWORD = 0x0c,
       OP_STRING = 0x0d,
       OP_QWORD = 0x0e,
       OP_SCOPE = 0x10,
       OP_BUFFER = 0x11,
       OP_PACKAGE = 0x12,
       OP_METHOD = 0x14,
       OP_DUAL_NAME = 0x2e,
       OP_MULTI_NAME = 0x2f,
       OP_EXTENDED = 0x5b,
       OP_CREATE_DWORD_FIELD = 0x8a,
       OP_IF = 0xa0
};
enum { EXT_REGION = 0x80, EXT_FIELD = 0x81, EXT_DEVICE = 0x82, EXT_PROCESSOR = 0x83 };
enum { REGION_SPACE_IO = 1, REGION_SPACE_PCI_CONFIG = 2 };
enum { FIELD_BYTE_ACCESS_PRESERVE = 1, METHOD_SERIALIZED = 8 };
enum { END_TAG_0 = 0x79, END_TAG_1 = 0x00 };
enum { NAME_SEGMENT_SIZE = 4 };

static void put(Aml *aml, const void *bytes, size_t size)
{
    g_byte_array_append(aml->bytes, bytes, (guint)size);
}

static void put_number(Aml *aml, uint64_t value, unsigned size)
{
    uint64_t little = GUINT64_TO_LE(value);

    put(aml, &little, size);
}

static void insert(Aml *aml, guint at, const uint8_t *bytes, guint size)
{
    guint tail = aml->bytes->len - at;

    g_byte_array_set_size(aml->bytes, aml->bytes->len + size);
    memmove(aml->bytes->data + at + size, aml->bytes->data + at, tail);
    memcpy(aml->bytes->data + at, bytes, size);
}

void aml_init(Aml *aml)
{
    *aml = (Aml){.bytes = g_byte_array_new()};
}

void aml_fini(Aml *aml)
{
    assert(aml->depth == 0);
    g_byte_array_unref(aml->bytes);
}

/* -- Bodies ------------------------------------------------------------------------------------ */

static void begin(Aml *aml, bool is_resource)
{
    assert(aml->depth < AML_DEPTH_MAX);
    aml->open[aml->depth].start = aml->bytes->len;
    aml->open[aml->depth].is_resource = is_resource;
    aml->depth++;
}

/* Encodes the length of a body of `body` bytes, itself included: 6 bits in one byte, or 4 bits and
 * up to three bytes more. */
static guint encode_package_length(guint body, uint8_t bytes[4])
{
    if (body + 1 < 1 << 6) {
        bytes[0] = (uint8_t)(body + 1);
        return 1;
    }
    guint extra = body + 2 < 1 << 12 ? 1 : body + 3 < 1 << 20 ? 2 : 3;
    guint length = body + 1 + extra;
    bytes[0] = (uint8_t)(extra << 6 | (length & 0x0f));
    for (guint i = 0; i < extra; i++) {
        bytes[1 + i] = (uint8_t)(length >> (4 + 8 * i));
    }
    return 1 + extra;
}

void aml_end(Aml *aml)
{
    uint8_t length[4];

    assert(aml->depth > 0);
    aml->depth--;
    guint start = aml->open[aml->depth].start;
    if (aml->open[aml->depth].is_resource) {
        put(aml, (const uint8_t[]){END_TAG_0, END_TAG_1}, 2);
        guint size = aml->bytes->len - start;
        insert(aml, start, (const uint8_t[]){OP_WORD, (uint8_t)size, (uint8_t)(size >> 8)}, 3);
    }
    guint size = encode_package_length(aml->bytes->len - start, length);
    insert(aml, start, length, size);
}

void aml_op(Aml *aml, uint8_t opcode)
{
    put(aml, &opcode, 1);
}

static void extended_op(Aml *aml, uint8_t opcode)
{
    aml_op(aml, OP_EXTENDED);
    aml_op(aml, opcode);
}

void aml_scope(Aml *aml, const char *name)
{
    aml_op(aml, OP_SCOPE);
    begin(aml, false);
    aml_path(aml, name);
}

void aml_device(Aml *aml, const char *name)
{
    extended_op(aml, EXT_DEVICE);
    begin(aml, false);
    aml_path(aml, name);
}

void aml_processor(Aml *aml, const char *name, uint8_t id)
{
    extended_op(aml, EXT_PROCESSOR);
    begin(aml, false);
    aml_path(aml, name);
    put_number(aml, id, 1);
    put_number(aml, 0, 4); /* no processor block */
    put_number(aml, 0, 1);
}

void aml_method(Aml *aml, const char *name, unsigned argument_count)
{
    aml_op(aml, OP_METHOD);
    begin(aml, false);
    aml_path(aml, name);
    put_number(aml, argument_count | METHOD_SERIALIZED, 1);
}

void aml_if(Aml *aml)
{
    aml_op(aml, OP_IF);
    begin(aml, false);
}

void aml_package(Aml *aml, uint8_t count)
{
    aml_op(aml, OP_PACKAGE);
    begin(aml, false);
    put_number(aml, count, 1);
}

void aml_resources(Aml *aml)
{
    aml_op(aml, OP_BUFFER);
    begin(aml, true);
}

void aml_field(Aml *aml, const char *region)
{
    extended_op(aml, EXT_FIELD);
    begin(aml, false);
    aml_path(aml, region);
    put_number(aml, FIELD_BYTE_ACCESS_PRESERVE, 1);
}

/* -- Terms ------------------------------------------------------------------------------------- */

static void put_segment(Aml *aml, const char *text, size_t length)
{
    char segment[NAME_SEGMENT_SIZE] = {'_', '_', '_', '_'};

    assert(length >= 1 && length <= NAME_SEGMENT_SIZE);
    memcpy(segment, text, length);
    put(aml, segment, sizeof(segment));
}

void aml_path(Aml *aml, const char *path)
{
    while (*path == '\\' || *path == '^') {
        aml_op(aml, (uint8_t)*path++);
    }
    g_auto(GStrv) segments = g_strsplit(path, ".", -1);
    guint count = g_strv_length(segments);

    if (count == 0) {
        aml_op(aml, 0); /* null name: the root or the parent itself */
    } else if (count == 2) {
        aml_op(aml, OP_DUAL_NAME);
    } else if (count > 2) {
        aml_op(aml, OP_MULTI_NAME);
        put_number(aml, count, 1);
    }
    for (guint i = 0; i < count; i++) {
        put_segment(aml, segments[i], strlen(segments[i]));
    }
}

void aml_name(Aml *aml, const char *name)
{
    aml_op(aml, OP_NAME);
    aml_path(aml, name);
}

void aml_integer(Aml *aml, uint64_t value)
{
    if (value <= 1) {
        aml_op(aml, value ? OP_ONE : OP_ZERO);
        return;
    }
    unsigned order = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    static const uint8_t opcodes[] = {OP_BYTE, OP_WORD, OP_DWORD, OP_QWORD};
    aml_op(aml, opcodes[order]);
    put_number(aml, value, 1u << order);
}

void aml_string(Aml *aml, const char *text)
{
    aml_op(aml, OP_STRING);
    put(aml, text, strlen(text) + 1);
}

/* Three letters of 5 bits and four hexadecimal digits, big endian. */
void aml_eisa_id(Aml *aml, const char *id)
{
    uint32_t value = 0;

    assert(strlen(id) == 7);
    for (unsigned i = 0; i < 3; i++) {
        value = value << 5 | (uint32_t)(id[i] - '@');
    }
    for (unsigned i = 3; i < 7; i++) {
        value = value << 4 | (uint32_t)g_ascii_xdigit_value(id[i]);
    }
    aml_op(aml, OP_DWORD);
    put_number(aml, GUINT32_SWAP_LE_BE(value), 4);
}

static void add_region(Aml *aml, const char *name, uint8_t space, uint16_t offset, uint8_t size)
{
    extended_op(aml, EXT_REGION);
    aml_path(aml, name);
    put_number(aml, space, 1);
    aml_integer(aml, offset);
    aml_integer(aml, size);
}

void aml_pci_config_region(Aml *aml, const char *name, uint8_t offset, uint8_t size)
{
    add_region(aml, name, REGION_SPACE_PCI_CONFIG, offset, size);
}

void aml_io_region(Aml *aml, const char *name, uint16_t port, uint8_t size)
{
    add_region(aml, name, REGION_SPACE_IO, port, size);
}

void aml_field_unit(Aml *aml, const char *name, uint8_t bits)
{
    assert(bits < 1 << 6);
    put_segment(aml, name, strlen(name));
    put_number(aml, bits, 1);
}

void aml_dword_field_of_arg(Aml *aml, uint8_t source_op, uint8_t offset, const char *name)
{
    aml_op(aml, OP_CREATE_DWORD_FIELD);
    aml_op(aml, source_op);
    aml_integer(aml, offset);
    aml_path(aml, name);
}

/* -- Resources --------------------------------------------------------------------------------- */

enum { /* descriptor types; those from 80h are followed by a 16-bit length */
       TAG_IRQ_NO_FLAGS = 0x22,
       TAG_IO = 0x47,
       TAG_MEMORY_FIXED = 0x86,
       TAG_DWORD_SPACE = 0x87,
       TAG_WORD_SPACE = 0x88,
       TAG_INTERRUPT = 0x89
};
enum { IO_DECODE16 = 1, INTERRUPT_CONSUMER = 1, INTERRUPT_SHARED = 8 };
enum { SPACE_FLAGS_PRODUCER_FIXED = 0x0c, MEMORY_READ_WRITE = 1, MEMORY_CACHEABLE = 2 };
enum { IO_ENTIRE_RANGE = 3 };

void aml_io(Aml *aml, uint16_t base, uint8_t size)
{
    put_number(aml, TAG_IO, 1);
    put_number(aml, IO_DECODE16, 1);
    put_number(aml, base, 2);
    put_number(aml, base, 2);
    put_number(aml, 1, 1); /* alignment */
    put_number(aml, size, 1);
}

void aml_memory(Aml *aml, uint32_t base, uint32_t size)
{
    put_number(aml, TAG_MEMORY_FIXED, 1);
    put_number(aml, 9, 2);
    put_number(aml, 0, 1);
    put_number(aml, base, 4);
    put_number(aml, size, 4);
}

void aml_irq(Aml *aml, uint8_t irq)
{
    put_number(aml, TAG_IRQ_NO_FLAGS, 1);
    put_number(aml, 1ull << irq, 2);
}

void aml_interrupts(Aml *aml, const uint32_t *interrupts, uint8_t count)
{
    put_number(aml, TAG_INTERRUPT, 1);
    put_number(aml, 2 + 4ull * count, 2);
    put_number(aml, INTERRUPT_CONSUMER | INTERRUPT_SHARED, 1);
    put_number(aml, count, 1);
    for (unsigned i = 0; i < count; i++) {
        put_number(aml, interrupts[i], 4);
    }
}

static void put_window(Aml *aml, uint8_t tag, unsigned width, AmlSpace space, uint64_t first,
                       uint64_t last, uint8_t type_flags)
{
    put_number(aml, tag, 1);
    put_number(aml, 3 + 5ull * width, 2);
    put_number(aml, space, 1);
    put_number(aml, SPACE_FLAGS_PRODUCER_FIXED, 1);
    put_number(aml, type_flags, 1);
    put_number(aml, 0, width); /* granularity */
    put_number(aml, first, width);
    put_number(aml, last, width);
    put_number(aml, 0, width); /* translation */
    put_number(aml, last - first + 1, width);
}

void aml_word_window(Aml *aml, AmlSpace space, uint16_t first, uint16_t last)
{
    put_window(aml, TAG_WORD_SPACE, 2, space, first, last,
               space == AML_SPACE_IO ? IO_ENTIRE_RANGE : 0);
}

void aml_dword_window(Aml *aml, AmlSpace space, uint32_t first, uint32_t last, bool cacheable)
{
    put_window(aml, TAG_DWORD_SPACE, 4, space, first, last,
               MEMORY_READ_WRITE | (cacheable ? MEMORY_CACHEABLE : 0));
}
