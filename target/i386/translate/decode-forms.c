/* SPDX-License-Identifier: MIT */
/*
 * Decoding by form: most instructions of 64-bit code differ from one met before in displacement and
 * immediate only.
 *
 * A form is all bytes in front of those two: prefixes, opcode, ModRM, SIB. What Zydis made of its
 * first instruction is kept, and the next one gets its own values put in. The tables here only say
 * how long a form may be: it is kept if what Zydis found behind it is exactly a displacement and an
 * immediate. So a wrong row would cost time, not truth.
 */
#include "target/i386/translate/decode-forms.h"

#include "accel/tcg/options.h"

#include <string.h>

#define FORM_COUNT 4096u
#define FORM_MOST_BYTES 7 /* a key has a byte for their number */
#define PREFIXES_MOST 3

typedef struct Form {
    uint64_t key; /* 0: none */
    Insn insn;
} Form;

static Form forms[FORM_COUNT]; /* under the code lock */

/* A bit for each opcode with ModRM, 32 in a word; those that are no forms (prefixes, VEX, EVEX,
 * XOP, MOV with an 8-byte offset, two immediates) have a bit in the second table. */
static const uint32_t modrm_one[8] = {0x0f0f0f0f, 0x0f0f0f0f, 0x00000000, 0x00000a08,
                                      0x0000ffff, 0x00000000, 0xff0f00c3, 0xc0c00000};
static const uint32_t other_one[8] = {0x00008000, 0x40404040, 0x0000ffff, 0x000000f4,
                                      0x00008000, 0x0000000f, 0x00000130, 0x000d0000};
static const uint32_t modrm_two[8] = {0xffffa00f, 0xff00ff0f, 0xffffffff, 0xff7fffff,
                                      0xffff0000, 0xfffff8f8, 0xffff00ff, 0xffffffff};
static const uint32_t other_two[8] = {0x00008000, 0x0500000f, 0x00000000, 0x01000000,
                                      0x00000000, 0x00000000, 0x00000000, 0x00000000};

static bool has_bit(const uint32_t *table, unsigned opcode)
{
    return table[opcode / 32] >> opcode % 32 & 1;
}

static bool is_prefix(unsigned byte)
{
    return byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == 0xf0 || byte == 0x64 ||
           byte == 0x65 || byte == 0x2e || byte == 0x3e;
}

/* Bytes up to ModRM and SIB; 0: not an instruction to keep, or there are not as many. */
static unsigned form_length(const uint8_t *bytes, unsigned size)
{
    const uint32_t *modrm = modrm_one, *other = other_one;
    unsigned n = 0, rm;

    while (n < size && n < PREFIXES_MOST && is_prefix(bytes[n])) {
        n++;
    }
    n += n < size && (bytes[n] & 0xf0) == 0x40; /* REX */
    if (n < size && bytes[n] == 0x0f) {
        modrm = modrm_two;
        other = other_two;
        n++;
    }
    if (n + 3 > size || has_bit(other, bytes[n])) {
        return 0;
    }
    if (has_bit(modrm, bytes[n++])) {
        rm = bytes[n++];
        n += rm < 0xc0 && (rm & 7) == 4;
    }
    return n <= FORM_MOST_BYTES ? n : 0;
}

static uint64_t form_key(const uint8_t *bytes, unsigned length)
{
    uint64_t key = 0;

    memcpy(&key, bytes, length);
    return key | (uint64_t)length << 56;
}

static int64_t little_endian(const uint8_t *bytes, unsigned size, bool is_signed)
{
    uint64_t value = 0;
    unsigned unused = 64 - size * 8;

    memcpy(&value, bytes, size);
    return is_signed ? (int64_t)(value << unused) >> unused : (int64_t)value;
}

static void put_in_values(Insn *insn, uint64_t rip, const uint8_t *bytes)
{
    insn->rip = rip;
    memcpy(insn->bytes, bytes, insn->length);
    if (insn->displacement_size) {
        insn->displacement =
            little_endian(bytes + insn->displacement_offset, insn->displacement_size, true);
    }
    if (insn->immediate_size) {
        insn->immediate = little_endian(bytes + insn->immediate_offset, insn->immediate_size,
                                        insn->immediate_is_signed);
    }
}

/* Is what lies behind the form a displacement and one immediate? */
static bool is_complete(const Insn *insn, unsigned length)
{
    unsigned displacement = insn->displacement_size, immediate = insn->immediate_size;

    return insn->length == length + displacement + immediate &&
           (!displacement || insn->displacement_offset == length) &&
           (!immediate || insn->immediate_offset == length + displacement) &&
           (immediate & (immediate - 1)) == 0;
}

DecodeResult decode_insn_by_form(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size,
                                 Insn *ret_insn, bool *ret_too_long)
{
    unsigned length = tcg_options.opt_forms && mode & CPU_MODE_CS_L ? form_length(bytes, size) : 0;
    uint64_t key;
    DecodeResult result;
    Form *form;

    if (!length) {
        return decode_insn(mode, rip, bytes, size, ret_insn, ret_too_long);
    }
    key = form_key(bytes, length);
    form = &forms[key * 0x9e3779b97f4a7c15ull >> 52];
    if (form->key == key && form->insn.length <= size) {
        *ret_too_long = false;
        *ret_insn = form->insn;
        put_in_values(ret_insn, rip, bytes);
        return DECODE_OK;
    }
    result = decode_insn(mode, rip, bytes, size, ret_insn, ret_too_long);
    if (result == DECODE_OK && is_complete(ret_insn, length)) {
        form->key = key;
        form->insn = *ret_insn;
    }
    return result;
}
