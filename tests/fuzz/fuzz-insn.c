/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer of the translator. Random user code runs on the host's processor and in a guest:
 * translated afresh, from the cache, and sometimes one instruction at a time in exact mode.
 * Exception, error code, CR2, registers, flags, FPU state and memory must be the same.
 *
 *     fuzz-insn [--seed N] [--cases N] [--seconds N] [--first N] [--failures N] [--cpus N]
 *               [--bits 64|32] [--mutant N] [--strict] [--verbose] [--tcg OPTIONS]
 *     fuzz-insn --list FILE [--tcg OPTIONS]
 *
 * --strict: a difference that is known (is_known()) is a failure like any other.
 * A failure prints what to pass to see that case alone, and the case written down as
 * fuzz-insn-cases.txt has it: what was found once is kept there.
 */
#include "tests/fuzz/fuzz-insn-case.h"

#include "accel/tcg/mutant.h"
#include "softmmu/run.h"
#include "target/i386/translate/decode.h"
#include "target/i386/translate/rehost.h"
#include "tests/fuzz/fuzz-insn-coverage.h"
#include "tests/fuzz/fuzz-insn-draw.h"
#include "tests/fuzz/fuzz-insn-fixed.h"
#include "tests/fuzz/fuzz-options.h"
#include "tests/insn/case-segments.h"
#include "tests/insn/details.h"
#include "tests/insn/device-page.h"
#include "tests/insn/guest-cpu.h"
#include "tests/insn/native.h"
#include "util/error.h"

#include <Zydis/Mnemonic.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CACHE_MIB 24
#define WALK_STEPS 20000
#define LARGEST_OPERAND 64
#define LONGEST_WITHOUT_PREFIX 12 /* bytes: EVEX, opcode, ModRM, SIB, displacement, immediate */
#define TICKS_PER_GUEST_RUN 400   /* of 10 ms; the host has three */
#define MINIMISE_SECONDS 60       /* each time a guest hangs takes seconds */

uint64_t tcg_mutant;

static struct {
    uint64_t seed, first, cases, seconds, failures, cpus, bits;
    const char *list;
    bool verbose, strict;
} options = {.cases = UINT64_MAX, .seconds = UINT64_MAX, .failures = 1, .cpus = 1};

static struct {
    uint64_t run, timeouts, refused, strangers, failed;
    double seconds;
} counts;

static CaseMemory image, native_memory, guest_memory;
static volatile unsigned guest_ticks;
static char difference[8192]; /* the latest, for cases that do not fail again */

/* -- One comparison --------------------------------------------------------------------------- */

static void on_tick(void)
{
    if (++guest_ticks > TICKS_PER_GUEST_RUN) {
        guest_interrupt();
    }
    if (guest_ticks > 3 * TICKS_PER_GUEST_RUN) {
        static const char text[] = "# the guest's CPU hangs\n";
        _exit(write(STDOUT_FILENO, text, sizeof(text) - 1) ? 3 : 3);
    }
}

/* Mode bits that matter to the decoder, and where RIP is, for a state. */
static uint32_t mode_of(const CaseState *state)
{
    unsigned cs = case_segment(state->selector[SEG_CS]).attributes;
    unsigned ss = case_segment(state->selector[SEG_SS]).attributes;

    return (cs & SEG_L    ? CPU_MODE_CS_L
            : cs & SEG_DB ? CPU_MODE_CS_D
                          : 0) |
           (ss & SEG_DB ? CPU_MODE_SS_B : 0);
}

static uint64_t linear_rip(const CaseState *state)
{
    uint64_t base = case_segment(state->selector[SEG_CS]).base;

    return mode_of(state) & CPU_MODE_CS_L ? state->rip : (uint32_t)(base + state->rip);
}

/* The instruction at which the host faulted. */
static bool faulting_insn(const CaseOutcome *native, Insn *ret_insn)
{
    uint8_t bytes[15];
    unsigned size = 0;

    for (const uint8_t *at; size < sizeof(bytes); size++) {
        at = case_memory_at(&native_memory, linear_rip(&native->state) + size);
        if (!at) {
            break;
        }
        bytes[size] = *at;
    }
    return fuzz_decode(mode_of(&native->state), native->state.rip, bytes, size, ret_insn);
}

/* Is it one that leaves CR2 open? */
static bool cr2_is_free(const CaseOutcome *native)
{
    Insn insn;

    return native->vector == VECTOR_PF && faulting_insn(native, &insn) &&
           fuzz_insn_may_fault_anywhere(&insn);
}

/* Pages whose bytes changed must be marked so: in the page tables, and for migration. */
static bool check_marks(bool watch_dirty, FILE *out)
{
    bool ok = true;

    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (!memcmp(image.page[i], native_memory.page[i], CASE_PAGE)) {
            continue;
        }
        if (!(guest_page_entry(i) & 0x40)) {
            ok = false;
            if (out) {
                fprintf(out, "  %s was written, its D bit is clear\n", case_pages[i].name);
            }
        }
        if (watch_dirty && !guest_page_is_dirty(i)) {
            ok = false;
            if (out) {
                fprintf(out, "  %s was written, migration would not see it\n", case_pages[i].name);
            }
        }
    }
    return ok;
}

typedef struct Attempt {
    const FuzzCase *c;
    CaseState state;
    CaseOutcome native;
    bool stack_is_wide; /* RSP has an upper half */
    FILE *out;
} Attempt;

/* What 32-bit page tables and the guest's own ring 0 pages make different. */
static void adjust(const FuzzCase *c, const CaseOutcome *native, CaseOutcome *guest)
{
    if (guest->vector != VECTOR_PF || c->paging == GUEST_LONG) {
        return;
    }
    if (guest->cr2 - KERNEL_LOW < KERNEL_PAGES * CASE_PAGE) {
        guest->error_code &= ~PF_PRESENT;
    }
    if (c->paging == GUEST_32BIT) {
        guest->error_code |= native->error_code & PF_FETCH;
    }
}

/* Does the host's outcome say nothing about this way of paging? Tables without NX, and selectors of
 * 64-bit code. */
static bool is_beside_the_point(const FuzzCase *c, const CaseOutcome *native)
{
    const uint32_t no_execute = PF_FETCH | PF_PRESENT;

    return (c->paging != GUEST_LONG && native->state.selector[SEG_CS] == CASE_CODE_64) ||
           (c->paging == GUEST_32BIT && native->vector == VECTOR_PF &&
            (native->error_code & no_execute) == no_execute);
}

/* The upper half of RSP is undefined once it went through a stack of 16 or 32 bits. */
static void forget_upper_stack(const FuzzCase *c, CaseOutcome *outcome)
{
    if (!(c->mode & CPU_MODE_CS_L)) {
        outcome->state.gpr[R_RSP] = (uint32_t)outcome->state.gpr[R_RSP];
    }
}

static bool is_same(const Attempt *a, const CaseOutcome *guest, const char *name, FILE *out)
{
    bool same = case_outcomes_equal(&a->native, guest, out, "host", name);

    same = case_memory_equal(&native_memory, &guest_memory, out, "host", name) && same;
    return check_marks(a->c->watch_dirty, out) && same;
}

/* #DB where the manuals say more than the host does: between the iterations of a REP the SDM
 * (vol. 3, 17.3.1.1) wants RF set, AMD leaves it clear; and INT1 is a trap, RIP behind it, of which
 * a hypervisor that intercepts and repeats it makes a fault. */
static void adjust_debug(const CaseOutcome *native, CaseOutcome *guest)
{
    Insn insn;

    if (guest->vector != VECTOR_DB || native->vector != VECTOR_DB ||
        !faulting_insn(native, &insn)) {
        return;
    }
    if (insn.rep || insn.repne) {
        guest->state.eflags &= ~(uint64_t)EFLAGS_RF | native->state.eflags;
    }
    if (insn.mnemonic == ZYDIS_MNEMONIC_INT1 &&
        guest->state.rip - native->state.rip == insn.length) {
        guest->state.rip = native->state.rip;
    }
}

/* A fault has RF set (SDM vol. 3, 17.3.1.1). Once in millions the host's has not: a hypervisor was
 * asked for a page while it was delivered, and delivered it again. The next time it has. */
static void adjust_resume(const Attempt *a, CaseOutcome *guest)
{
    CaseOutcome again;

    if (a->native.vector != guest->vector || a->native.state.eflags & EFLAGS_RF ||
        !(guest->state.eflags & EFLAGS_RF)) {
        return;
    }
    native_set_memory(&image);
    native_run(&a->state, &again);
    if (again.state.eflags & EFLAGS_RF) {
        guest->state.eflags &= ~(uint64_t)EFLAGS_RF;
    }
}

/* Takes out of the guest's outcome what may differ. */
static void make_comparable(const Attempt *a, CaseOutcome *guest)
{
    adjust(a->c, &a->native, guest);
    adjust_debug(&a->native, guest);
    adjust_resume(a, guest);
    forget_upper_stack(a->c, guest);
    if (guest->vector == VECTOR_PF && cr2_is_free(&a->native)) {
        guest->cr2 = a->native.cr2;
    }
}

/* A guest that runs too long is stopped. */
static void run_guest(GuestHow how, const CaseState *state, CaseOutcome *ret_outcome)
{
    guest_ticks = 0;
    native_tick = on_tick;
    guest_run(how, state, ret_outcome);
    native_tick = NULL;
}

static bool compare_guest(const Attempt *a, GuestHow how, const char *name)
{
    CaseOutcome guest;
    FILE *out;

    run_guest(how, &a->state, &guest);
    guest_get_memory(&guest_memory);
    make_comparable(a, &guest);
    if (how == GUEST_EXACT && guest.end == CASE_TIMEOUT) {
        return true; /* a loop that the others end in time takes exact mode too long */
    }
    if (is_same(a, &guest, name, NULL)) {
        return true;
    }
    out = a->out ? a->out : fmemopen(difference, sizeof(difference), "w");
    is_same(a, &guest, name, out);
    if (!a->out) {
        fclose(out);
    }
    return false;
}

/* The same with two data pages in a device. */
static bool compare_device(const Attempt *a)
{
    CaseOutcome guest;

    device_pages_begin(&image);
    run_guest(GUEST_TRANSLATED, &a->state, &guest);
    guest_get_memory(&guest_memory);
    device_pages_end(&guest_memory);
    if (guest.end == CASE_TIMEOUT) {
        return true; /* each access takes long */
    }
    make_comparable(a, &guest);
    if (case_outcomes_equal(&a->native, &guest, NULL, "", "") &&
        case_memory_equal(&native_memory, &guest_memory, NULL, "", "")) {
        return true;
    }
    FILE *out = a->out ? a->out : fmemopen(difference, sizeof(difference), "w");
    case_outcomes_equal(&a->native, &guest, out, "host", "MMIO ");
    case_memory_equal(&native_memory, &guest_memory, out, "host", "MMIO ");
    if (!a->out) {
        fclose(out);
    }
    return false;
}

static void run_natively(Attempt *a)
{
    fuzz_case_lay_out(a->c, &image, &a->state);
    native_set_memory(&image);
    native_run(&a->state, &a->native);
    guest_set_cpu_number(native_cpu_number_descriptor());
    a->stack_is_wide = a->native.state.gpr[R_RSP] >> 32 != 0;
    forget_upper_stack(a->c, &a->native);
    native_get_memory(&native_memory);
}

/* The same code but for one byte, over what is translated of the first. */
static bool run_variant(const FuzzCase *c, FILE *out)
{
    FuzzCase variant;
    Attempt a = {.c = &variant, .out = out};

    variant = fuzz_case_variant(c);
    guest_set_memory(&image);
    run_natively(&a);
    if (a.native.end != CASE_EXCEPTION || is_beside_the_point(c, &a.native)) {
        return true;
    }
    guest_set_memory(&image);
    return compare_guest(&a, GUEST_TRANSLATED, "replaced");
}

/* Runs a case everywhere; false: a difference. */
static bool run_case(const FuzzCase *c, FILE *out)
{
    Attempt a = {.c = c, .out = out};

    run_natively(&a);
    if (a.native.end != CASE_EXCEPTION) {
        counts.timeouts += a.native.end == CASE_TIMEOUT;
        counts.refused += a.native.end == CASE_REFUSED;
        return true;
    }
    if (is_beside_the_point(c, &a.native)) {
        return true;
    }
    guest_use(c->paging);
    if (c->flush_before) {
        guest_flush_tlb(c->forget_use);
    }
    if (c->watch_dirty) {
        guest_clear_dirty();
    }
    guest_set_memory(&image);
    if (!compare_guest(&a, GUEST_TRANSLATED, "cold")) {
        return false;
    }
    if (c->flush_between) {
        guest_flush_tlb(c->forget_use);
    }
    guest_set_memory(&image);
    if (!compare_guest(&a, GUEST_TRANSLATED, "hot ")) {
        return false;
    }
    if (c->second_opinion) {
        guest_set_memory(&image);
        if (!compare_guest(&a, GUEST_EXACT, "exact")) {
            return false;
        }
    }
    if (c->in_device) {
        guest_set_memory(&image);
        if (!compare_device(&a)) {
            return false;
        }
    }
    return !c->has_variant || run_variant(c, out);
}

/* -- After a difference ----------------------------------------------------------------------- */

static bool overwritten(uint64_t rip, const uint8_t *bytes, unsigned size)
{
    uint8_t current[16];

    return guest_fetch(rip, current) < size || memcmp(current, bytes, size) != 0;
}

/* Code that changed itself, or a jump into the middle of an instruction, may lead to instructions
 * that are not the same everywhere: walks through the case to see. */
static bool runs_only_allowed(const FuzzCase *c)
{
    CaseState state;
    uint8_t bytes[16];
    Insn insn;

    fuzz_case_lay_out(c, &image, &state);
    guest_set_memory(&image);
    guest_use(c->paging);
    guest_load(&state);
    for (unsigned i = 0; i < WALK_STEPS; i++) {
        const X86Cpu *cpu = guest_cpu();
        uint64_t rip = cpu->rip,
                 linear = rip + (cpu->mode & CPU_MODE_CS_L ? 0 : cpu->seg[SEG_CS].base);
        unsigned size = guest_fetch(linear, bytes);
        bool is_known_insn = cpu->cpl == 3 && fuzz_decode(cpu->mode, rip, bytes, size, &insn);
        if (is_known_insn && !fuzz_insn_is_allowed(&insn)) {
            return false;
        }
        if (c->paging != GUEST_LONG && cpu->seg[SEG_CS].selector == CASE_CODE_64) {
            return false; /* 64-bit code in long mode only */
        }
        if (guest_step()) {
            return true;
        }
        /* whether a REP or a scatter looks at its own bytes again is a matter of interrupts */
        if (is_known_insn &&
            (insn.row->carry == CARRY_STRING || insn.vector_index != INSN_NO_REG) &&
            overwritten(linear, bytes, insn.length)) {
            return false;
        }
    }
    return true;
}

static bool fails_alone(FuzzCase *c)
{
    c->flush_before = c->second_opinion = true;
    guest_forget_code();
    return !run_case(c, NULL);
}

static bool host_is_amd(void)
{
    return __builtin_cpu_is("amd") != 0;
}

/* A relative branch whose last byte is the last of its segment: taken once it goes where it should,
 * taken some times in a row it is #GP on AMD's silicon, as if what follows had been fetched. */
static bool branch_ends_segment(const CaseOutcome *native)
{
    Insn insn;

    return host_is_amd() && native->vector == VECTOR_GP &&
           native->state.selector[SEG_CS] != CASE_CODE_64 && faulting_insn(native, &insn) &&
           insn.operand_count && insn.operands[0].kind == OPERAND_REL &&
           native->state.rip + insn.length - 1 ==
               case_segment(native->state.selector[SEG_CS]).limit;
}

/* Offset of the memory operand in its segment. */
/* BT and its kin with a register index reach beyond their operand. */
static uint64_t bit_string_offset(const CaseState *state, const Insn *insn)
{
    unsigned bits = insn->operand_bits;
    uint64_t raw = state->gpr[insn->operands[1].reg];
    int64_t index = bits == 16 ? (int16_t)raw : bits == 32 ? (int32_t)raw : (int64_t)raw;

    return (uint64_t)(index >> (bits == 16 ? 4 : bits == 32 ? 5 : 6)) * (bits / 8);
}

static uint64_t effective_address(const CaseState *state, const Insn *insn)
{
    uint64_t address = (uint64_t)insn->displacement;

    if (insn->mnemonic == ZYDIS_MNEMONIC_XLAT) {
        address = state->gpr[R_RBX] + (state->gpr[R_RAX] & 0xff);
    } else if (insn->row->carry == CARRY_STRING) {
        address = state->gpr[R_RSI];
    } else {
        address += insn->base < 16 ? state->gpr[insn->base] : 0;
        address += insn->base == INSN_RIP ? state->rip + insn->length : 0;
        address += insn->index < 16 ? state->gpr[insn->index] << insn->scale : 0;
        address += insn->row->carry == CARRY_BIT_STRING ? bit_string_offset(state, insn) : 0;
    }
    return insn->address_bits == 16   ? (uint16_t)address
           : insn->address_bits == 32 ? (uint32_t)address
                                      : address;
}

static uint16_t native_u16(uint64_t linear)
{
    const uint8_t *low = case_memory_at(&native_memory, (uint32_t)linear),
                  *high = case_memory_at(&native_memory, (uint32_t)(linear + 1));

    return low && high ? (uint16_t)(*low | *high << 8) : 0;
}

/* The selector that a far transfer of 16- or 32-bit code takes. */
static uint16_t far_selector(const CaseState *state, const Insn *insn)
{
    unsigned size = insn->operand_bits / 8;
    Segment ss = case_segment(state->selector[SEG_SS]);

    if (insn->memory_operand != INSN_NO_REG) {
        return native_u16(case_segment(state->selector[insn->segment]).base +
                          effective_address(state, insn) + size);
    }
    if (insn->operand_count && insn->operands[0].kind == OPERAND_FAR) {
        return insn->immediate2;
    }
    return native_u16(ss.base +
                      (state->gpr[R_RSP] & (ss.attributes & SEG_DB ? 0xffffffff : 0xffff)) + size);
}

/* What means another thing outside of long mode: NT in IRET, and L in a code segment. */
static bool is_of_long_mode(const CaseOutcome *native)
{
    Insn insn;

    if (!faulting_insn(native, &insn) || !insn.row || insn.row->carry != CARRY_HELPER) {
        return false;
    }
    switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
        if (native->state.eflags & EFLAGS_NT) {
            return true;
        }
        break;
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_RET:
        break;
    default:
        return false;
    }
    return (far_selector(&native->state, &insn) | 3) == CASE_CODE_64;
}

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* The sum of a base and an address that is not canonical may be canonical: AMD raises #GP already
 * for the address, Intel looks at the sum alone (SDM vol. 1, 3.3.7.1). We do as Intel does, since
 * translated code looks at the sum anyway. */
static bool is_outside_before_base(const CaseOutcome *native, const CaseOutcome *guest)
{
    uint64_t address, base;
    Insn insn;

    if (!host_is_amd() || native->vector != VECTOR_GP || !faulting_insn(native, &insn) ||
        !insn.row || (insn.segment != SEG_FS && insn.segment != SEG_GS) ||
        (guest->vector == VECTOR_GP && guest->state.rip == native->state.rip &&
         guest->error_code == native->error_code)) {
        return false;
    }
    base = insn.segment == SEG_FS ? native->state.fs_base : native->state.gs_base;
    address = effective_address(&native->state, &insn);
    return (!is_canonical(address) || !is_canonical(address + LARGEST_OPERAND - 1)) &&
           is_canonical(base + address);
}

/* FLDENV and FRSTOR are many reads, and nobody says in which order: a page fault or #AC in one and
 * the end of the segment in another. */
static bool is_pieces(const CaseOutcome *native, const CaseOutcome *guest)
{
    Insn insn;

    return (native->vector == VECTOR_PF || native->vector == VECTOR_AC) &&
           faulting_insn(native, &insn) && fuzz_insn_may_fault_anywhere(&insn) &&
           guest->state.rip == native->state.rip &&
           (guest->vector == VECTOR_GP || guest->vector == VECTOR_SS);
}

/* An operand under a mask that goes on at offset 0: Intel's silicon looks for the pages of what
 * comes there before it finds that the rest is outside of the segment. */
static bool is_masked_wrap(const CaseOutcome *native, const CaseOutcome *guest)
{
    Insn insn;

    return !host_is_amd() && native->vector == VECTOR_PF &&
           native->state.selector[SEG_CS] != CASE_CODE_64 && faulting_insn(native, &insn) &&
           insn.masked &&
           effective_address(&native->state, &insn) + LARGEST_OPERAND > (uint64_t)UINT32_MAX + 1 &&
           (guest->vector == VECTOR_GP || guest->vector == VECTOR_SS) &&
           guest->state.rip == native->state.rip;
}

static bool ends_segment(const CaseState *state)
{
    return state->selector[SEG_CS] != CASE_CODE_64 &&
           case_segment(state->selector[SEG_CS]).limit - state->rip < INSN_MAX_LENGTH;
}

static bool misses_rest(const CaseOutcome *outcome)
{
    return outcome->vector == VECTOR_PF && outcome->error_code & PF_FETCH &&
           outcome->cr2 - linear_rip(&outcome->state) - 1 < INSN_MAX_LENGTH;
}

/* At the end of what is mapped, or of the segment: whether an invalid opcode is seen before the
 * rest of the instruction is fetched. */
static bool is_cut_off(const CaseOutcome *native, const CaseOutcome *guest)
{
    if (native->state.rip != guest->state.rip) {
        return false;
    }
    if (guest->vector != VECTOR_UD) {
        return native->vector == VECTOR_UD && misses_rest(guest);
    }
    return misses_rest(native) || (native->vector == VECTOR_GP && ends_segment(&native->state));
}

static bool is_prefix(uint8_t byte, bool is_64bit)
{
    static const uint8_t legacy[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                     0x66, 0x67, 0xf0, 0xf2, 0xf3};

    return (is_64bit && (byte & 0xf0) == 0x40) || memchr(legacy, byte, sizeof(legacy));
}

/* An invalid opcode that would be too long if it were one: the silicon knows its length. */
static bool is_too_long_besides(const CaseOutcome *native, const CaseOutcome *guest)
{
    bool is_64bit = native->state.selector[SEG_CS] == CASE_CODE_64;
    const uint8_t *byte = case_memory_at(&native_memory, linear_rip(&native->state));
    unsigned prefixes = 0;

    if (guest->vector != VECTOR_UD || native->vector != VECTOR_GP || native->error_code ||
        native->state.rip != guest->state.rip) {
        return false;
    }
    while (byte && prefixes < INSN_MAX_LENGTH && is_prefix(*byte, is_64bit)) {
        prefixes++;
        byte = case_memory_at(&native_memory, linear_rip(&native->state) + prefixes);
    }
    return prefixes + LONGEST_WITHOUT_PREFIX > INSN_MAX_LENGTH;
}

/* What a random address hits may be a page of this program, which the host finds there. All pages
 * of cases are below 4 GiB. */
static bool is_own_page(const CaseOutcome *native, const CaseOutcome *guest)
{
    uint64_t page = guest->cr2 & ~(uint64_t)(CASE_PAGE - 1);
    unsigned char resident;

    return guest->vector == VECTOR_PF && guest->cr2 > UINT32_MAX &&
           (native->vector != VECTOR_PF || native->cr2 != guest->cr2) &&
           mincore((void *)(uintptr_t)page, CASE_PAGE, &resident) == 0;
}

/* Differences that are known and left as they are. */
static bool is_known(const FuzzCase *c)
{
    Attempt a = {.c = c};
    CaseOutcome guest;

    if (options.strict) {
        return false;
    }
    run_natively(&a);
    guest_use(c->paging);
    guest_set_memory(&image);
    run_guest(GUEST_TRANSLATED, &a.state, &guest);
    if (c->paging != GUEST_LONG && is_of_long_mode(&a.native)) {
        return true;
    }
    if (!(c->mode & CPU_MODE_CS_L) && a.stack_is_wide) {
        return true; /* Linux returns to a 16-bit stack with an upper half of its own in RSP: some
                        instruction has shown it */
    }
    return branch_ends_segment(&a.native) || is_pieces(&a.native, &guest) ||
           is_outside_before_base(&a.native, &guest) || is_cut_off(&a.native, &guest) ||
           is_own_page(&a.native, &guest) || is_masked_wrap(&a.native, &guest) ||
           is_too_long_besides(&a.native, &guest);
}

static bool is_explained(const FuzzCase *c)
{
    FuzzCase variant = fuzz_case_variant(c);

    return !runs_only_allowed(c) || is_known(c) ||
           (c->has_variant && (!runs_only_allowed(&variant) || is_known(&variant)));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double minimise_until;

static bool fails_afresh(const FuzzCase *c)
{
    FuzzCase copy = *c;

    return now() < minimise_until && fails_alone(&copy) && !is_explained(&copy);
}

static FuzzCase minimise(const FuzzCase *failed, const char *first_difference)
{
    FuzzCase best = *failed, attempt = *failed;
    bool smaller = true;

    if (!fails_alone(&attempt)) {
        fprintf(details(), "it does not fail by itself: what ran before matters\n%s",
                first_difference);
        return best;
    }
    best = attempt;
    minimise_until = now() + MINIMISE_SECONDS;
    while (smaller && best.count > 1) {
        smaller = false;
        for (unsigned i = 0; i < best.count && best.count > 1; i++) {
            attempt = best;
            fuzz_case_drop(&attempt, i);
            if (fails_afresh(&attempt)) {
                best = attempt;
                smaller = true;
            }
        }
    }
    return best;
}

static void print_stack(const CaseState *state)
{
    uint64_t base = mode_of(state) & CPU_MODE_CS_L ? 0 : case_segment(state->selector[SEG_SS]).base;
    const uint8_t *at = case_memory_at(&image, base + state->gpr[R_RSP]);

    fprintf(details(), "  stack");
    for (unsigned i = 0; at && i < 40 && (state->gpr[R_RSP] + base + i) % CASE_PAGE; i++) {
        fprintf(details(), "%s%02x", i % 8 ? "" : " ", at[i]);
    }
    putc('\n', details());
}

static void print_case(const FuzzCase *c)
{
    CaseState state;
    uint8_t bytes[16];
    Insn insn;

    fuzz_case_lay_out(c, &image, &state);
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t address = fuzz_case_address(c, i);
        unsigned length = c->insns[i].length;
        memset(bytes, 0, sizeof(bytes));
        for (unsigned k = 0; k < length; k++) {
            const uint8_t *at = case_memory_at(&image, address + k);
            bytes[k] = at ? *at : 0;
        }
        fprintf(details(), "  %08" PRIx64 "  ", address);
        for (unsigned k = 0; k < 15; k++) {
            fprintf(details(), k < length ? "%02x " : "   ", bytes[k]);
        }
        if (fuzz_decode(c->mode, address, bytes, length, &insn)) {
            g_autofree char *text = decode_format(&insn, c->mode);
            fprintf(details(), " %s", text);
        }
        putc('\n', details());
    }
    case_state_print(&state, details());
    print_stack(&state);
    if (c->has_variant) {
        fprintf(details(), "  then with byte %u of instruction %u replaced by %02x\n",
                c->variant_byte, c->variant_insn, c->variant_value);
    }
}

static void report(const FuzzCase *failed, uint64_t index, const char *first_difference)
{
    FuzzCase c;

    if (tcg_mutant) {
        return;
    }
    c = minimise(failed, first_difference);
    printf("# case %" PRIu64 ": fuzz-insn%s --seed %" PRIu64 " --first %" PRIu64 " --cases 1\n",
           index,
           options.bits == 64   ? " --bits 64"
           : options.bits == 32 ? " --bits 32"
                                : "",
           options.seed, index);
    print_case(&c);
    if (c.paging != GUEST_LONG) {
        fprintf(details(), "  %s paging without long mode\n",
                c.paging == GUEST_PAE ? "PAE" : "32-bit");
    }
    guest_forget_code();
    run_case(&c, details());
    minimise_until = now() + MINIMISE_SECONDS;
    fuzz_fixed_print(&c, fails_afresh, details());
    fflush(stdout);
}

/* After a difference: reports it unless it is explained. */
static bool judge(const FuzzCase *c, uint64_t index)
{
    g_autofree char *first_difference = g_strdup(difference);

    if (is_explained(c)) {
        return false;
    }
    report(c, index, first_difference);
    return true;
}

/* -- The run ---------------------------------------------------------------------------------- */

static uint64_t case_seed(uint64_t index)
{
    uint64_t state = options.seed * 0x2545f4914f6cdd1dull + index;
    return random_mix(&state);
}

static void run_all(void *opaque)
{
    Error **err = opaque;
    FuzzModes modes = options.bits == 64   ? FUZZ_64_BIT
                      : options.bits == 32 ? FUZZ_LEGACY
                                           : FUZZ_ALL_MODES;
    double begin, last;
    FuzzCase c;
    CaseState state;

    fuzz_case_make(&c, 1, FUZZ_ALL_MODES);
    fuzz_case_lay_out(&c, &image, &state);
    guest_set_memory(&image);
    if (!native_init(&image, err)) {
        return;
    }
    begin = last = now();
    for (uint64_t i = options.first; counts.run < options.cases; i++) {
        double seconds = now() - begin;
        if (seconds >= (double)options.seconds || counts.failed >= options.failures) {
            break;
        }
        fuzz_case_make(&c, case_seed(i), modes);
        counts.run++;
        if (run_case(&c, NULL)) {
            for (unsigned k = 0; k < c.count; k++) {
                fuzz_coverage_add(c.insns[k].isa_set);
            }
        } else if (judge(&c, i)) {
            counts.failed++;
        } else {
            counts.strangers++;
        }
        if (options.verbose && now() - last > 5) {
            last = now();
            printf("# %" PRIu64 " cases, %.0f a second\n", counts.run,
                   (double)counts.run / seconds);
        }
    }
    counts.seconds = now() - begin;
}

/* -- Cases that are written down --------------------------------------------------------------- */

static void run_fixed(void *opaque)
{
    FixedCase *fixed = opaque;
    Error *err = NULL;
    CaseState state;

    fuzz_case_lay_out(&fixed->c, &image, &state);
    guest_set_memory(&image);
    if (!native_init(&image, &err)) {
        fprintf(details(), "%s\n", error_message(err));
        error_free(err);
        counts.failed = 1;
        return;
    }
    counts.failed = !run_case(&fixed->c, details());
}

/* In a process of its own: the LDT is set up once. */
static bool run_fixed_alone(FixedCase *fixed)
{
    Error *err = NULL;
    int status;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        memcpy(case_ldt, fixed->ldt, sizeof(case_ldt));
        if (!guest_main((unsigned)options.cpus, CACHE_MIB, 1, run_fixed, fixed, &err) || err) {
            fprintf(details(), "%s\n", error_message(err));
            counts.failed = 1;
        }
        fflush(stdout);
        _exit(counts.failed != 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static int run_list(void)
{
    g_autofree char *text = NULL, *error = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned line = 0, number = 0, failed = 0;
    FixedCase *fixed;

    if (!g_file_get_contents(options.list, &text, NULL, NULL)) {
        fprintf(stderr, "fuzz-insn: cannot read %s\n", options.list);
        return 2;
    }
    lines = g_strsplit(text, "\n", -1);
    while ((fixed = fuzz_fixed_read(lines, &line, &error))) {
        bool ok = fixed->missing || run_fixed_alone(fixed);
        failed += !ok;
        printf("%s %u - %s", ok ? "ok" : "not ok", ++number, fixed->name);
        if (fixed->missing) {
            printf(" # SKIP no %s here", fixed->missing);
        }
        putchar('\n');
        fuzz_fixed_free(fixed);
    }
    if (error) {
        printf("Bail out! %s: %s\n", options.list, error);
        return 2;
    }
    printf("1..%u\n", number);
    return failed || !number;
}

int main(int argc, char **argv)
{
    const char *tcg = NULL;
    const FuzzOption words[] = {{"--seed", &options.seed},
                                {"--first", &options.first},
                                {"--cases", &options.cases},
                                {"--seconds", &options.seconds},
                                {"--failures", &options.failures},
                                {"--cpus", &options.cpus},
                                {"--mutant", &tcg_mutant},
                                {"--bits", &options.bits},
                                {"--tcg", .text = &tcg},
                                {"--list", .text = &options.list},
                                {"--strict", .flag = &options.strict},
                                {"--verbose", .flag = &options.verbose},
                                {NULL}};
    Error *err = NULL;
    bool ok;

    options.seed = (uint64_t)time(NULL) * 100003 + (uint64_t)getpid(); /* tests start together */
    if (!fuzz_parse_options(argv, words)) {
        return 2;
    }
    if (tcg) {
        guest_choose_tcg(tcg);
    }
    if (options.list) {
        return run_list();
    }
    if (tcg_mutant && !TCG_HAS_MUTANTS) {
        fprintf(stderr, "fuzz-insn: this build has no mutants\n");
        return 2;
    }
    if (options.cases == UINT64_MAX && options.seconds == UINT64_MAX) {
        options.seconds = 10;
    }
    printf("1..1\n# seed %" PRIu64 "\n", options.seed);
    fflush(stdout);
    fuzz_draw_ldt(options.seed);
    if (!guest_main((unsigned)options.cpus, CACHE_MIB, options.seed, run_all, &err, &err) || err) {
        printf("not ok 1 - %s\n", error_message(err));
        return 2;
    }
    printf("# %" PRIu64 " cases in %.1f s: %.0f a second; %" PRIu64 " too long, %" PRIu64
           " tried system calls, %" PRIu64 " left the known ground, %" PRIu64 " failed\n",
           counts.run, counts.seconds, (double)counts.run / counts.seconds, counts.timeouts,
           counts.refused, counts.strangers, counts.failed);
    ok = !counts.failed &&
         (tcg_mutant || fuzz_coverage_report(counts.run, options.bits, options.verbose));
    printf("%s 1 - host and guest agree\n", ok ? "ok" : "not ok");
    return ok ? 0 : 1;
}
