/* SPDX-License-Identifier: MIT */
/*
 * Golden code: what the translator makes of about a hundred instructions, pinned in golden.txt. A
 * change of code quality is a diff there. Addresses are replaced by names, so that only the code
 * counts.
 *
 * Run alone: build/tests/test-golden tests/insn/golden.txt; with --write it makes the file anew.
 */
#include "accel/tcg/tcg-internal.h"
#include "tests/insn/case-segments.h"
#include "tests/insn/guest-cpu.h"
#include "util/error.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

static const char *golden_path;
static bool write_anew;
static int status = 1;

/* One instruction each, 64-bit code. */
static const char *const samples[] = {
    "01d8",
    "4801d8",
    "6601d8",
    "00d8",
    "00e3",
    "4401e8",
    "4501ef",
    "83c005",
    "4883c408",
    "4883ec10",
    "0303",
    "480303",
    "034308",
    "48034c9308",
    "4a038cad00010000",
    "4c032c24",
    "4c0374ac10",
    "0103",
    "48014424f8",
    "f00103",
    "f0830c2400",
    "f0480fb10b",
    "f0480fc113",
    "48ff03",
    "ffc0",
    "fec4",
    "8603",
    "4887d8",
    "89d8",
    "4889e5",
    "4989e5",
    "8b03",
    "8a23",
    "8823",
    "488b05f0ffffff",
    "48890510000000",
    "48a14433221100000000",
    "678b03",
    "64488b042528000000",
    "65488b042510000000",
    "c70344332211",
    "48c743f8ffffffff",
    "b844332211",
    "48b88877665544332211",
    "8d0483",
    "488d442408",
    "4c8d6c0510",
    "0fb603",
    "0fbe4301",
    "480fb7c1",
    "4863d8",
    "0f44c3",
    "0f4403",
    "0f94c0",
    "0f9403",
    "c1e004",
    "d3e0",
    "d323",
    "48c1f83f",
    "0fa4d805",
    "0fa503",
    "f7e3",
    "f723",
    "480fafc3",
    "6bc007",
    "f7fb",
    "99",
    "4898",
    "0fc8",
    "0fa3d8",
    "0fa303",
    "480fab03",
    "0fba2305",
    "0fbcc3",
    "f30fb8c3",
    "f30fbdc3",
    "c4e270f2c3",
    "c4e2f1f703",
    "50",
    "4155",
    "6a05",
    "6844332211",
    "ff33",
    "58",
    "415d",
    "5c",
    "8f03",
    "9c",
    "c3",
    "c20800",
    "e800000000",
    "e8fbefffff",
    "ffd0",
    "ff5308",
    "e9fb0f0000",
    "ebfe",
    "ffe0",
    "ff24c500000000",
    "7405",
    "0f8500100000",
    "e2fe",
    "e3fe",
    "f3a4",
    "f348ab",
    "a4",
    "f2ae",
    "0f5803",
    "0f58c1",
    "f20f5803",
    "0f2803",
    "0f1103",
    "660f6f03",
    "660fd6c1",
    "f30f2ac3",
    "f2480f2d03",
    "0fae13",
    "c5f958c1",
    "c5fc5803",
    "c4e27d5803",
    "c4e27d1c03",
    "660f38dcc1",
    "0f38c8c1",
    "d803",
    "dd03",
    "dd1b",
    "d9c0",
    "dfe0",
    "fa",
    "fb",
    "fc",
    "fd",
    "f4",
    "0f05",
    "0fa2",
    "0f31",
    "0f20c0",
    "0f22d8",
    "90",
    "f390",
    "0f1f4000",
    "0faee8",
    "f30f1efa",
    "c9",
    "8cd8",
    "f3480faec0",
    "f3480faed0",
};

/* ... and those of hosts with AVX-512 */
static const char *const samples_avx512[] = {
    "62f174485803",   "62f174585803",   "6261744a584302", "62017c385ac8",
    "62f17e4b6f4301", "62f17e4b7f03",   "62d17ecb6f45ff", "62f27d4b6303",
    "62f27e4b3103",   "62f27d499004bb", "62f27d49a004bb", "c5f8900b",
    "c4e1fb92cb",     "c461fb93e9",     "c4e27d2c03",
};

/* Traces of user code, several instructions each. */
static const char *const traces[] = {
    "488b0c06",                 /* base and index */
    "4d8b76084983c601",         /* a base without host register */
    "41817cc504ffffff7f4d11f5", /* T2 holds it, and still does */
    "8a63018a6501",             /* AH, which no REX may stand beside */
    "488b0d00010000",           /* no register at all */
    "c4a17d6f44b510",           /* VEX */
    "535541555d5b39c3",         /* PUSH and POP in a window */
    "e8000000005b",             /* CALL */
};

static unsigned parse_hex(const char *text, uint8_t *bytes)
{
    unsigned count = 0, byte;

    while (sscanf(text + 2 * count, "%2x", &byte) == 1) {
        bytes[count++] = (uint8_t)byte;
    }
    return count;
}

static void append_gs(GString *out, uint64_t offset)
{
    static const struct {
        size_t offset, size;
        const char *name;
    } fields[] = {
        {offsetof(X86Cpu, gpr), 128, "gpr"},
        {offsetof(X86Cpu, rip), 8, "rip"},
        {offsetof(X86Cpu, eflags), 8, "eflags"},
        {offsetof(X86Cpu, tcg.tlb), 8, "tlb"},
        {offsetof(X86Cpu, tcg.jump_key), 8, "jump_key"},
        {offsetof(X86Cpu, tcg.poll), 8, "poll"},
        {offsetof(X86Cpu, tcg.scratch), 64, "scratch"},
        {offsetof(X86Cpu, tcg.saved_flags), 4, "saved_flags"},
        {offsetof(X86Cpu, tcg.windows), 128, "windows"},
        {offsetof(X86Cpu, tcg.slots), sizeof(((X86Cpu *)0)->tcg.slots), "slots"},
        {offsetof(X86Cpu, tcg.jump_cache), sizeof(((X86Cpu *)0)->tcg.jump_cache), "jump_cache"},
        {offsetof(X86Cpu, seg), sizeof(((X86Cpu *)0)->seg), "seg"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (offset >= fields[i].offset && offset < fields[i].offset + fields[i].size) {
            g_string_append_printf(out, "%s+%u", fields[i].name,
                                   (unsigned)(offset - fields[i].offset));
            return;
        }
    }
    g_string_append(out, "?");
}

/* A branch target inside of the block is an offset, outside a stub by name. */
static void append_target(GString *out, const Block *block, const uint8_t *target)
{
    const struct {
        const uint8_t *address;
        const char *name;
    } names[] = {
        {stubs.exit_chain, "exit_chain"},
        {stubs.exit_lookup, "exit_lookup"},
        {stubs.exit_insn, "exit_insn"},
        {stubs.exit_exact, "exit_exact"},
        {stubs.exit_branch, "exit_branch"},
        {stubs.exit_hot, "exit_hot"},
        {stubs.fill_slot[1], "fill_slot_read"},
        {stubs.fill_slot[2], "fill_slot_write"},
        {stubs.fill_slot[3], "fill_slot_modify"},
        {stubs.refill_window[1], "refill_window_read"},
        {stubs.refill_window[2], "refill_window_write"},
        {stubs.refill[1], "refill_read"},
        {stubs.refill[2], "refill_write"},
        {stubs.refill[3], "refill_modify"},
    };

    if (target >= block->code && target <= block->code + block->code_size) {
        g_string_append_printf(out, "+%x", (unsigned)(target - block->code));
        return;
    }
    for (unsigned access = 1; access <= 3; access++) {
        for (unsigned log2 = 0; log2 < REFILL_SIZES; log2++) {
            if (stubs.refill_sized[access][log2] == target) {
                static const char *const what[] = {"", "read", "write", "modify"};
                g_string_append_printf(out, "refill_%s_%u", what[access], 1u << log2);
                return;
            }
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].address == target) {
            g_string_append(out, names[i].name);
            return;
        }
    }
    g_string_append(out, "?");
}

static void append_insn(GString *out, const Block *block, const uint8_t *at,
                        const ZydisDisassembledInstruction *insn)
{
    const ZydisDecodedOperand *op = insn->operands;
    const char *bracket = strchr(insn->text, '[');
    bool is_gs = insn->info.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS;

    g_string_append_printf(out, "  %3x  ", (unsigned)(at - block->code));
    if (op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && op[0].imm.is_relative) {
        g_string_append_printf(out, "%s ", ZydisMnemonicGetString(insn->info.mnemonic));
        append_target(out, block, at + insn->info.length + op[0].imm.value.s);
    } else if (is_gs && bracket) {
        const ZydisDecodedOperandMem *mem =
            op[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? &op[0].mem : &op[1].mem;
        g_string_append_len(out, insn->text, bracket + 1 - insn->text);
        append_gs(out, (uint64_t)mem->disp.value);
        if (mem->index != ZYDIS_REGISTER_NONE) {
            g_string_append_printf(out, "+%s*%u", ZydisRegisterGetString(mem->index), mem->scale);
        }
        g_string_append(out, strchr(bracket, ']'));
    } else if (op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && insn->info.length == 10) {
        g_string_append_printf(out, "mov %s, POINTER", ZydisRegisterGetString(op[0].reg.value));
    } else {
        g_string_append(out, insn->text);
    }
    g_string_append_c(out, '\n');
}

static void append_title(GString *out, const X86Cpu *cpu, const uint8_t *bytes, unsigned size)
{
    ZydisDisassembledInstruction insn;

    for (unsigned at = 0; at < size; at += insn.info.length) {
        ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, cpu->rip + at, bytes + at, size - at,
                              &insn);
        g_string_append_printf(out, "%s%s", at ? "; " : "  ", insn.text);
    }
    g_string_append_c(out, '\n');
}

static void append_sample(GString *out, X86Cpu *cpu, const char *hex, bool is_trace)
{
    Emitter e = {code_cache.write + code_cache.used, code_cache.write + code_cache.size,
                 code_cache.execute - code_cache.write};
    Block *block = g_new0(Block, 1);
    uint8_t bytes[32] = {0};
    unsigned size = parse_hex(hex, bytes);
    ZydisDisassembledInstruction insn;
    const uint8_t *at;

    block->rip = cpu->rip;
    block->mode = cpu->mode;
    block->second_page = BLOCK_NO_PAGE;
    block->is_trace = is_trace;
    if (!target_translate(cpu, block, bytes, size, is_trace ? UINT_MAX : 1, &e)) {
        printf("Bail out! %s cannot be translated\n", hex);
        exit(1);
    }
    g_string_append(out, hex);
    append_title(out, cpu, bytes, size);
    for (at = block->code; at < block->code + block->code_size; at += insn.info.length) {
        if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, (uintptr_t)at, at,
                                                (ZyanUSize)(block->code + block->code_size - at),
                                                &insn))) {
            g_string_append(out, "  not decodable\n");
            break;
        }
        append_insn(out, block, at, &insn);
    }
    g_free(block);
}

/* The line of the first difference, for the message. */
static unsigned first_difference(const char *a, const char *b)
{
    unsigned line = 1;

    for (; *a && *a == *b; a++, b++) {
        line += *a == '\n';
    }
    return line;
}

static void run(void *opaque)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *golden = NULL;
    CaseState state = {.rip = CASE_CODE, .eflags = EFLAGS_FIXED, .selector = CASE_SELECTORS_64};
    size_t common;

    guest_load(&state);
    for (size_t i = 0; i < G_N_ELEMENTS(samples); i++) {
        append_sample(out, guest_cpu(), samples[i], false);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(traces); i++) {
        append_sample(out, guest_cpu(), traces[i], true);
    }
    common = out->len;
    for (size_t i = 0; case_has_avx512() && i < G_N_ELEMENTS(samples_avx512); i++) {
        append_sample(out, guest_cpu(), samples_avx512[i], false);
    }
    if (write_anew && !case_has_avx512()) {
        printf("# writing needs a host with AVX-512\n");
        return;
    }
    if (write_anew) {
        status = g_file_set_contents(golden_path, out->str, (gssize)out->len, NULL) ? 0 : 1;
        return;
    }
    if (!g_file_get_contents(golden_path, &golden, NULL, NULL)) {
        printf("1..1\nnot ok 1 - cannot read %s\n", golden_path);
        return;
    }
    if (!case_has_avx512() && strlen(golden) > common) {
        printf("# the host lacks AVX-512: its instructions are left out\n");
        golden[common] = 0;
    }
    status = strcmp(golden, out->str) != 0;
    if (status) {
        unsigned line = first_difference(golden, out->str);
        printf("# differs from line %u on; if that is meant: test-golden --write %s\n", line,
               golden_path);
    }
    printf("1..1\n%s 1 - code of %zu instructions\n", status ? "not ok" : "ok",
           G_N_ELEMENTS(samples));
}

int main(int argc, char **argv)
{
    g_autoptr(Error) err = NULL;

    write_anew = argc == 3 && !strcmp(argv[1], "--write");
    if (argc != 2 && !write_anew) {
        fprintf(stderr, "usage: %s [--write] FILE\n", argv[0]);
        return 2;
    }
    if (!__builtin_cpu_supports("bmi2")) {
        printf("1..0 # SKIP the host lacks BMI2: the plain forms are emitted\n");
        return 0;
    }
    golden_path = argv[argc - 1];
    if (!guest_main(1, 16, 1, run, NULL, &err)) {
        printf("1..1\nnot ok 1 - %s\n", error_message(err));
    }
    return status;
}
