/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer of the translator. Random user code runs on the host's processor and in a guest:
 * translated afresh, from the cache, and sometimes one instruction at a time in exact mode.
 * Exception, error code, CR2, registers, flags, FPU state and memory must be the same.
 *
 *     fuzz-insn [--seed N] [--cases N] [--seconds N] [--first N] [--failures N] [--cpus N]
 * [--mutant N]
 * [--verbose]
 *
 * A failure prints what to pass to see that case alone.
 */
#include "tests/fuzz/fuzz-insn-case.h"

#include "accel/tcg/mutant.h"
#include "softmmu/run.h"
#include "target/i386/translate/decode.h"
#include "target/i386/translate/rehost.h"
#include "tests/fuzz/fuzz-insn-coverage.h"
#include "tests/fuzz/fuzz-random.h"
#include "tests/insn/device-page.h"
#include "tests/insn/guest-cpu.h"
#include "tests/insn/native.h"
#include "util/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CACHE_MIB 24
#define WALK_STEPS 20000
#define TICKS_PER_GUEST_RUN 100

uint64_t tcg_mutant;

static struct {
    uint64_t seed, first, cases, seconds, failures, cpus;
    bool verbose;
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
    if (guest_ticks > 10 * TICKS_PER_GUEST_RUN) {
        static const char text[] = "# the guest's CPU hangs\n";
        _exit(write(STDOUT_FILENO, text, sizeof(text) - 1) ? 3 : 3);
    }
}

/* Is it the instruction at which the host faulted that leaves CR2 open? */
static bool cr2_is_free(const CaseOutcome *native)
{
    uint8_t bytes[15];
    unsigned size = 0;
    Insn insn;

    for (const uint8_t *at; size < sizeof(bytes); size++) {
        at = case_memory_at(&native_memory, native->state.rip + size);
        if (!at) {
            break;
        }
        bytes[size] = *at;
    }
    return native->vector == VECTOR_PF && fuzz_decode(native->state.rip, bytes, size, &insn) &&
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
    FILE *out;
} Attempt;

static bool is_same(const Attempt *a, const CaseOutcome *guest, const char *name, FILE *out)
{
    bool same = case_outcomes_equal(&a->native, guest, out, "host", name);

    same = case_memory_equal(&native_memory, &guest_memory, out, "host", name) && same;
    return check_marks(a->c->watch_dirty, out) && same;
}

static bool compare_guest(const Attempt *a, GuestHow how, const char *name)
{
    CaseOutcome guest;
    FILE *out;

    guest_ticks = 0;
    native_tick = on_tick;
    guest_run(how, &a->state, &guest);
    native_tick = NULL;
    guest_get_memory(&guest_memory);
    if (guest.vector == VECTOR_PF && cr2_is_free(&a->native)) {
        guest.cr2 = a->native.cr2;
    }
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

    guest_ticks = 0;
    device_pages_begin(&image);
    native_tick = on_tick;
    guest_run(GUEST_TRANSLATED, &a->state, &guest);
    native_tick = NULL;
    guest_get_memory(&guest_memory);
    device_pages_end(&guest_memory);
    if (guest.end == CASE_TIMEOUT) {
        return true; /* each access takes long */
    }
    if (guest.vector == VECTOR_PF && cr2_is_free(&a->native)) {
        guest.cr2 = a->native.cr2;
    }
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
    if (a.native.end != CASE_EXCEPTION) {
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
    guest_load(&state);
    for (unsigned i = 0; i < WALK_STEPS; i++) {
        uint64_t rip = guest_cpu()->rip;
        unsigned size = guest_fetch(rip, bytes);
        bool is_known_insn = guest_cpu()->cpl == 3 && fuzz_decode(rip, bytes, size, &insn);
        if (is_known_insn && !fuzz_insn_is_allowed(&insn)) {
            return false;
        }
        if (guest_step()) {
            return true;
        }
        /* whether a REP looks at its own bytes again is a matter of interrupts */
        if (is_known_insn && insn.row->carry == CARRY_STRING &&
            overwritten(rip, bytes, insn.length)) {
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

/* Differences that are known and left as they are. */
static bool is_known(const FuzzCase *c)
{
    Attempt a = {.c = c};
    CaseOutcome guest;

    run_natively(&a);
    guest_set_memory(&image);
    guest_run(GUEST_TRANSLATED, &a.state, &guest);
    if (cr2_is_free(&a.native)) {
        return guest.vector == VECTOR_GP; /* half of the operand is not canonical */
    }
    /* A near transfer to an address that is not canonical faults behind it, not at it. */
    return a.native.vector == VECTOR_GP && guest.vector == VECTOR_GP &&
           (uint64_t)((int64_t)(guest.state.rip << 16) >> 16) != guest.state.rip;
}

static bool is_explained(const FuzzCase *c)
{
    FuzzCase variant = fuzz_case_variant(c);

    return !runs_only_allowed(c) || is_known(c) ||
           (c->has_variant && (!runs_only_allowed(&variant) || is_known(&variant)));
}

static FuzzCase minimise(const FuzzCase *failed, const char *first_difference)
{
    FuzzCase best = *failed, attempt = *failed;
    bool smaller = true;

    if (!fails_alone(&attempt)) {
        printf("# it does not fail by itself: what ran before matters\n%s", first_difference);
        return best;
    }
    best = attempt;
    while (smaller && best.count > 1) {
        smaller = false;
        for (unsigned i = 0; i < best.count && best.count > 1; i++) {
            attempt = best;
            fuzz_case_drop(&attempt, i);
            if (fails_alone(&attempt) && !is_explained(&attempt)) {
                best = attempt;
                smaller = true;
            }
        }
    }
    return best;
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
        printf("  %08" PRIx64 "  ", address);
        for (unsigned k = 0; k < 15; k++) {
            printf(k < length ? "%02x " : "   ", bytes[k]);
        }
        if (fuzz_decode(address, bytes, length, &insn)) {
            g_autofree char *text = decode_format(&insn, CPU_MODE_CS_L);
            printf(" %s", text);
        }
        putchar('\n');
    }
    case_state_print(&state, stdout);
}

static void report(const FuzzCase *failed, uint64_t index, const char *first_difference)
{
    FuzzCase c;

    if (tcg_mutant) {
        return;
    }
    c = minimise(failed, first_difference);
    printf("# case %" PRIu64 ": fuzz-insn --seed %" PRIu64 " --first %" PRIu64 " --cases 1\n",
           index, options.seed, index);
    print_case(&c);
    guest_forget_code();
    run_case(&c, stdout);
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

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t case_seed(uint64_t index)
{
    uint64_t state = options.seed * 0x2545f4914f6cdd1dull + index;
    return random_mix(&state);
}

static void run_all(void *opaque)
{
    Error **err = opaque;
    double begin, last;
    FuzzCase c;
    CaseState state;

    fuzz_case_make(&c, 1);
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
        fuzz_case_make(&c, case_seed(i));
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

static bool parse_options(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"--seed", &options.seed},         {"--first", &options.first},
                   {"--cases", &options.cases},       {"--seconds", &options.seconds},
                   {"--failures", &options.failures}, {"--cpus", &options.cpus},
                   {"--mutant", &tcg_mutant}};

    for (int i = 1; i < argc; i++) {
        size_t n = 0;
        if (!strcmp(argv[i], "--verbose")) {
            options.verbose = true;
            continue;
        }
        while (n < G_N_ELEMENTS(numbers) && strcmp(argv[i], numbers[n].name)) {
            n++;
        }
        if (n == G_N_ELEMENTS(numbers) || i + 1 == argc) {
            fprintf(stderr, "fuzz-insn: do not understand '%s'\n", argv[i]);
            return false;
        }
        *numbers[n].value = strtoull(argv[++i], NULL, 0);
    }
    return true;
}

int main(int argc, char **argv)
{
    Error *err = NULL;
    bool ok;

    options.seed = (uint64_t)time(NULL);
    if (!parse_options(argc, argv)) {
        return 2;
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
    if (!guest_main((unsigned)options.cpus, CACHE_MIB, options.seed, run_all, &err, &err) || err) {
        printf("not ok 1 - %s\n", error_message(err));
        return 2;
    }
    printf("# %" PRIu64 " cases in %.1f s: %.0f a second; %" PRIu64 " too long, %" PRIu64
           " tried system calls, %" PRIu64 " left the known ground, %" PRIu64 " failed\n",
           counts.run, counts.seconds, (double)counts.run / counts.seconds, counts.timeouts,
           counts.refused, counts.strangers, counts.failed);
    ok = !counts.failed && (tcg_mutant || fuzz_coverage_report(counts.run, options.verbose));
    printf("%s 1 - host and guest agree\n", ok ? "ok" : "not ok");
    return ok ? 0 : 1;
}
