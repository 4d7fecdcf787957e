/* SPDX-License-Identifier: MIT */
/*
 * Walks through every form of every instruction. What the CPU model promises has a row and does in
 * the guest, translated and in exact mode, what the host's processor does; what it does not promise
 * is #UD, counted, and named once in the log and in `info jit`. A table by feature group shows how
 * many forms were seen and run.
 *
 * Run alone: build/tests/test-isa-walk [MODEL [64|32]]
 */
#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"
#include "target/i386/translate/decode.h"

#include "target/i386/translate/rehost.h"
#include "tests/fuzz/fuzz-insn-case.h"
#include "tests/insn/case-segments.h"
#include "tests/insn/details.h"
#include "tests/insn/guest-cpu.h"
#include "tests/insn/isa-walk.h"
#include "tests/insn/native.h"
#include "util/error.h"
#include "util/log.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define MODE_64 (CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA)
#define MODE_32 (CPU_MODE_CS_D | CPU_MODE_SS_B)
#define RUNS 3 /* cold, hot, exact */
#define MAX_SHOWN 20
#define MAX_GUEST_TICKS 100
#define RETURN_ADDRESS (CASE_CODE + 0x200)

typedef struct Group {
    unsigned seen, executed, faulted, equal, guest_only, row_only, absent;
} Group;

static Group groups[ZYDIS_ISA_SET_MAX_VALUE + 1];
static uint64_t refused[ZYDIS_MNEMONIC_MAX_VALUE + 1];    /* #UD for want of a row: how often */
static const char *reasons[ZYDIS_MNEMONIC_MAX_VALUE + 1]; /* not to ask the host */
static CaseMemory image, native_memory, guest_memory;
static uint32_t mode = MODE_64;
static unsigned failures;
static volatile unsigned ticks;

/* -- Starting point --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t n)
{
    n = (n + 1) * 0x9e3779b97f4a7c15ull;
    n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9ull;
    return n ^ n >> 31;
}

/* Odd words are numbers near 1 in single and double precision. */
static uint64_t word(uint64_t n)
{
    uint64_t value = mix(n);

    return n & 1 ? (value & 0x807fffff807fffffull) | 0x3f0000003f000000ull : value;
}

static void fill_bytes(uint8_t *to, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t value = word(seed + i / 8);
        memcpy(to + i, &value, MIN(size - i, 8));
    }
}

static void fill_index(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t value = mix(i) & 0x3f8;
        memcpy(to + i, &value, 8);
    }
}

/* Only what the model has: the rest does not exist in the guest. */
static void fill_vectors(CaseFpu *fpu)
{
    const CpuModel *model = cpu_model_current();

    fill_bytes(fpu->xmm[0], sizeof(fpu->xmm), 100);
    fill_index(fpu->xmm[ISA_WALK_INDEX], 16);
    if (cpu_model_has(model, FEATURE_AVX)) {
        fill_bytes(fpu->ymm_high[0], sizeof(fpu->ymm_high), 200);
        fill_index(fpu->ymm_high[ISA_WALK_INDEX], 16);
    }
    if (cpu_model_has(model, FEATURE_AVX512F) && case_has_avx512()) {
        fill_bytes(fpu->zmm_high[0], sizeof(fpu->zmm_high), 300);
        fill_index(fpu->zmm_high[ISA_WALK_INDEX], 32);
        fill_bytes(fpu->zmm16[0], sizeof(fpu->zmm16), 400);
        fill_bytes((uint8_t *)fpu->k, sizeof(fpu->k), 600);
    }
}

/* Compatibility mode: flat segments, registers without an upper half. */
static void make_legacy(CaseState *state)
{
    state->selector[SEG_CS] = CASE_CODE_32;
    state->selector[SEG_ES] = state->selector[SEG_DS] = CASE_DATA_3;
    for (unsigned i = 0; i < 8; i++) {
        state->gpr[i] = (uint32_t)state->gpr[i];
    }
}

static CaseState make_state(void)
{
    CaseState state = {
        .rip = CASE_CODE, .eflags = EFLAGS_CF | EFLAGS_PF, .selector = CASE_SELECTORS_64};

    for (unsigned i = 0; i < 16; i++) {
        state.gpr[i] = mix(i + 40);
    }
    state.gpr[R_RAX] &= 0xff; /* XLAT; and the quotient of a division fits */
    state.gpr[R_RDX] = 0;
    state.gpr[R_RCX] = 5;
    state.gpr[R_RBX] = CASE_DATA + 0x100;
    state.gpr[R_RSI] = CASE_DATA + 0x400;
    state.gpr[R_RDI] = CASE_DATA + CASE_PAGE + 0x400;
    state.gpr[R_RBP] = CASE_STACK + CASE_PAGE + 0x900;
    state.gpr[R_RSP] = CASE_STACK + CASE_PAGE + 0x800;
    state.fpu.fcw = 0x37f;
    state.fpu.mxcsr = 0x1f80;
    state.fpu.ftw = 0x3f; /* two are free to be pushed to */
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa = mix(i + 60) | 1ull << 63;
        uint16_t exponent = (uint16_t)(0x3fff + i - 3);
        memcpy(state.fpu.st[i], &mantissa, 8);
        memcpy(state.fpu.st[i] + 8, &exponent, 2);
    }
    state.fpu.fsw = 2 << 11; /* the top: physical register 2 */
    fill_vectors(&state.fpu);
    if (mode == MODE_32) {
        make_legacy(&state);
    }
    return state;
}

static void fill_image(const IsaForm *form)
{
    const uint64_t target = RETURN_ADDRESS;

    for (unsigned page = 0; page < CASE_PAGES; page++) {
        if (case_pages[page].may_execute) {
            memset(image.page[page], 0xcc, CASE_PAGE);
        } else {
            fill_bytes(image.page[page], CASE_PAGE, page * 1000);
        }
    }
    memcpy(case_memory_at(&image, CASE_STACK + CASE_PAGE + 0x800), &target, sizeof(target));
    memcpy(image.page[0], form->bytes, form->insn.length);
}

/* -- Running ---------------------------------------------------------------------------------- */

static void on_tick(void)
{
    if (++ticks > MAX_GUEST_TICKS) {
        guest_interrupt();
    }
}

static void run_in_guest(unsigned run, const CaseState *state, CaseOutcome *outcome)
{
    ticks = 0;
    guest_set_memory(&image);
    guest_run(run == RUNS - 1 ? GUEST_EXACT : GUEST_TRANSLATED, state, outcome);
    guest_get_memory(&guest_memory);
}

static void fail(const IsaForm *form, const char *what)
{
    if (failures++ < MAX_SHOWN) {
        g_autofree char *text = decode_format(&form->insn, mode);
        printf("# %s: %s:", ZydisISASetGetString((ZydisISASet)form->insn.isa_set), text);
        for (unsigned i = 0; i < form->insn.length; i++) {
            printf(" %02x", form->bytes[i]);
        }
        printf(": %s\n", what);
    }
}

/* A busy host may take its processor away for longer than a run may last. */
#define NATIVE_TRIES 5

/* Promised and the same everywhere: host and guest have to agree. */
static void compare_with_host(const IsaForm *form, Group *group)
{
    static const char *const names[RUNS] = {"cold", "hot ", "exact"};
    const CaseState state = make_state();
    CaseOutcome native, guest;

    for (unsigned tries = 0; tries < NATIVE_TRIES; tries++) {
        native_set_memory(&image);
        native_run(&state, &native);
        native_get_memory(&native_memory);
        if (native.end == CASE_EXCEPTION) {
            break;
        }
    }
    if (native.end != CASE_EXCEPTION) {
        fail(form, "does not end on the host");
        return;
    }
    group->executed++;
    group->faulted += native.vector != VECTOR_BP;
    for (unsigned run = 0; run < RUNS; run++) {
        run_in_guest(run, &state, &guest);
        if (case_outcomes_equal(&native, &guest, NULL, "", "") &&
            case_memory_equal(&native_memory, &guest_memory, NULL, "", "")) {
            continue;
        }
        fail(form, "host and guest differ");
        if (failures <= MAX_SHOWN) {
            case_outcomes_equal(&native, &guest, details(), "host", names[run]);
            case_memory_equal(&native_memory, &guest_memory, details(), "host", names[run]);
        }
        return;
    }
    group->equal++;
}

/* Carried, but nothing to compare with: ends in the guest as it has to. */
static void run_alone(const IsaForm *form, Group *group)
{
    const CaseState state = make_state();
    const IsaEnd end = isa_walk_end(&form->insn);
    CaseOutcome guest;

    reasons[form->insn.mnemonic] = end.reason;
    if (!end.reason) {
        fail(form, "is carried, and nothing says what it has to do");
        return;
    }
    if (!end.may_run) {
        group->row_only++;
        return;
    }
    group->guest_only++;
    for (unsigned run = 0; run < RUNS; run++) {
        run_in_guest(run, &state, &guest);
        if (guest.end != CASE_EXCEPTION || !(end.vectors >> guest.vector & 1)) {
            g_autofree char *what = g_strdup_printf("ends by vector %u, not as it has to (%s)",
                                                    guest.vector, end.reason);
            fail(form, what);
            return;
        }
    }
}

static void expect_undefined(const IsaForm *form, Group *group)
{
    const CaseState state = make_state();
    CaseOutcome guest;

    group->absent++;
    for (unsigned run = 0; run < RUNS; run++) {
        run_in_guest(run, &state, &guest);
        refused[form->insn.mnemonic]++;
        if (guest.end != CASE_EXCEPTION || guest.vector != VECTOR_UD ||
            guest.state.rip != state.rip) {
            fail(form, "is not promised and not #UD");
            return;
        }
    }
}

/* Does the model decode it as an older instruction than the host? */
static bool is_older_for_model(const Insn *insn)
{
    return (insn->mnemonic == ZYDIS_MNEMONIC_BSF || insn->mnemonic == ZYDIS_MNEMONIC_BSR) &&
           memchr(insn->bytes, 0xf3, insn->opcode_offset);
}

/* Has it a far pointer, whose size for REX.W is of the maker? */
static bool has_wide_pointer(const Insn *insn)
{
    return insn->rex & 8 && insn->row->carry == CARRY_HELPER &&
           insn->memory_operand != INSN_NO_REG && insn->operands[insn->memory_operand].size == 10;
}

/* Does the host do something else than the maker of the model? */
static bool is_of_other_maker(const Insn *insn)
{
    const bool host_is_amd = __builtin_cpu_is("amd") != 0;
    const bool is_64bit = insn->stack_bits == 64;

    if (host_is_amd == cpu_model_current()->is_amd) {
        return false;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAS:
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
        return true;
    case ZYDIS_MNEMONIC_PUSH: /* of a segment register; 16 bits of 32 */
        return !is_64bit && insn->row->carry == CARRY_HELPER;
    case ZYDIS_MNEMONIC_CALL: /* to what is not canonical, found in memory */
        return has_wide_pointer(insn) || (is_64bit && insn->row->carry == CARRY_BRANCH &&
                                          insn->memory_operand != INSN_NO_REG);
    default:
        return has_wide_pointer(insn);
    }
}

static bool may_ask_host(const Insn *insn)
{
    const bool is_vzero = insn->mnemonic == ZYDIS_MNEMONIC_VZEROALL ||
                          insn->mnemonic == ZYDIS_MNEMONIC_VZEROUPPER; /* a helper in 32-bit code */

    if (insn->mnemonic == ZYDIS_MNEMONIC_INT1) {
        return false; /* a hypervisor may have made a fault of the trap */
    }
    return (fuzz_insn_is_allowed(insn) || is_vzero) && !is_older_for_model(insn) &&
           !is_of_other_maker(insn);
}

static void walk_form(const IsaForm *form)
{
    const Insn *insn = &form->insn;
    IsaPromise promise = isa_walk_promise(insn->isa_set);
    Group *group = &groups[insn->isa_set];

    group->seen++;
    fill_image(form);
    if (!insn->row) {
        if (promise == ISA_PROMISED) {
            fail(form, "is promised and has no row");
        }
        expect_undefined(form, group);
    } else if (promise == ISA_NOT_PROMISED) {
        fail(form, "has a row and is not promised");
    } else if (may_ask_host(insn)) {
        compare_with_host(form, group);
    } else {
        run_alone(form, group);
    }
}

/* -- Afterwards ------------------------------------------------------------------------------- */

static bool print_groups(void)
{
    bool ok = true;

    printf("# %-24s %6s %6s %6s %6s %6s %6s %6s\n", "feature group", "forms", "run", "equal",
           "fault", "alone", "row", "#UD");
    for (unsigned i = 0; i <= ZYDIS_ISA_SET_MAX_VALUE; i++) {
        const Group *g = &groups[i];
        const char *name = ZydisISASetGetString((ZydisISASet)i);
        if (g->seen) {
            printf("# %-24s %6u %6u %6u %6u %6u %6u %6u\n", name, g->seen, g->executed, g->equal,
                   g->faulted, g->guest_only, g->row_only, g->absent);
        }
        if (i && isa_walk_promise(i) == ISA_PROMISED && isa_walk_is_in_mode(i, mode) &&
            !g->executed && !g->guest_only) {
            printf("# %s is promised, nothing of it was run\n", name);
            ok = false;
        }
    }
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        if (reasons[i]) {
            printf("# not compared: %s: %s\n", ZydisMnemonicGetString((ZydisMnemonic)i),
                   reasons[i]);
        }
    }
    return ok;
}

static unsigned occurrences(const char *text, const char *what)
{
    unsigned count = 0;

    while ((text = strstr(text, what))) {
        text += strlen(what);
        count++;
    }
    return count;
}

/* Each instruction not carried: once in the log, in `info jit` with its count. */
static bool check_reports(const char *log_path)
{
    g_autoptr(GString) jit = g_string_new("\n");
    g_autofree char *log = NULL;
    bool ok = true;

    target_append_jit_info(jit);
    if (!g_file_get_contents(log_path, &log, NULL, NULL)) {
        printf("# there is no log\n");
        return false;
    }
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        const char *name = ZydisMnemonicGetString((ZydisMnemonic)i);
        g_autofree char *in_log = g_strdup_printf("instruction %s is not carried", name);
        g_autofree char *in_jit =
            g_strdup_printf("\nnot carried: %s, %" PRIu64 " times\n", name, refused[i]);
        g_autofree char *any = g_strdup_printf("\nnot carried: %s,", name);
        const unsigned expected = refused[i] != 0;
        if (occurrences(log, in_log) != expected || occurrences(jit->str, in_jit) != expected ||
            occurrences(jit->str, any) != expected) {
            printf("# %s: refused %" PRIu64 " times, but reported otherwise\n", name, refused[i]);
            ok = false;
        }
    }
    return ok;
}

static void walk(void *opaque)
{
    g_autoptr(GArray) forms = isa_walk_forms(mode);

    fill_image(&g_array_index(forms, IsaForm, 0));
    guest_set_memory(&image);
    if (!native_init(&image, opaque)) {
        return;
    }
    native_tick = on_tick;
    for (guint i = 0; i < forms->len; i++) {
        walk_form(&g_array_index(forms, IsaForm, i));
    }
    native_tick = NULL;
}

static int report(const char *log_path)
{
    const bool is_covered = print_groups(), is_reported = check_reports(log_path);

    printf("%s 1 - promised forms do what the host does, others are #UD (%u wrong)\n",
           failures ? "not ok" : "ok", failures);
    printf("%s 2 - no promised group is left out\n", is_covered ? "ok" : "not ok");
    printf("%s 3 - what is not carried is counted and named once\n", is_reported ? "ok" : "not ok");
    return failures || !is_covered || !is_reported;
}

int main(int argc, char **argv)
{
    g_autofree char *path = NULL;
    Error *err = NULL;
    int fd = g_file_open_tmp("isa-walk-XXXXXX", &path, NULL), status;

    printf("1..3\n");
    if (fd < 0 || !log_set_file(path, &err) || !log_enable("unimp", &err)) {
        printf("Bail out! no log: %s\n", err ? error_message(err) : "no temporary file");
        return 2;
    }
    close(fd);
    guest_choose_model(argc > 1 ? argv[1] : "max");
    mode = argc > 2 && !strcmp(argv[2], "32") ? MODE_32 : MODE_64;
    if (!guest_main(1, 16, 1, walk, &err, &err) || err) {
        printf("Bail out! %s\n", error_message(err));
        unlink(path);
        return 2;
    }
    status = report(path);
    unlink(path);
    return status;
}
