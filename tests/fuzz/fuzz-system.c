/* SPDX-License-Identifier: MIT */
/*
 * Fuzzer of system code: random guests in all modes and rings, with random system registers,
 * descriptor tables and page tables.
 *
 *     build/tests/fuzz-system --seed S [--first N] --cases N|--seconds S [--drop MASK] [--trace]
 *                             [--tcg OPTIONS]
 *     build/tests/fuzz-system --list tests/fuzz/fuzz-system-cases.txt
 *
 * A case may end in any way but four: a crash (with seed and case on stderr), a hang, a state that
 * no CPU can be in, or two engines that disagree: exact mode, one instruction at a time, against
 * translated code. Cases whose outcome depends on when the TLB forgets or on the host's time are
 * counted and left alone. A failed case is printed with as few instructions as still fail.
 */
#include "tests/fuzz/fuzz-system.h"

#include "tests/fuzz/fuzz-options.h"
#include "tests/insn/details.h"
#include "util/error.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 30
#define TICK_US 2000

static struct {
    uint64_t seed, first, cases, seconds, failures, drop;
    const char *list, *tcg;
    bool trace;
} options = {.tcg = "", .cases = UINT64_MAX, .seconds = UINT64_MAX, .failures = 1};

static struct {
    uint64_t run, compared, timeouts, stops, unstable, depends_on_tlb, failed, steps;
    uint64_t by_mode[SYS_MODES];
} counts;

static SysCase sys_case;
static SysResult exact, translated, other;
static volatile uint64_t current;
static char first_words[2048]; /* about a failure, before it is run again */

/* -- One case ---------------------------------------------------------------------------------- */

static uint64_t case_seed(uint64_t index)
{
    uint64_t state = options.seed * 0x2545f4914f6cdd1dull + index;
    return random_mix(&state);
}

typedef enum Verdict { FINE, BROKEN_STATE, DIFFERENT } Verdict;

/* Does it end the same whenever exact mode runs it, and with whatever TLB? An interrupt that waits
 * for one engine only is that of a clock which the case has set going. */
static bool is_decided(const SysCase *c)
{
    if (exact.undecided || translated.cpu.events & ~CPU_EVENT_SMI) {
        counts.unstable++;
        return false;
    }
    sys_machine_run(c, SYS_EXACT, false, &other);
    if (!sys_results_equal(&exact, &other, NULL)) {
        counts.unstable++;
        return false;
    }
    sys_machine_run(c, SYS_EXACT_FLUSHED, false, &other);
    if (!sys_results_equal(&exact, &other, NULL)) {
        counts.depends_on_tlb++;
        return false;
    }
    return true;
}

static Verdict run_case(const SysCase *c, FILE *out)
{
    sys_machine_run(c, SYS_EXACT, options.trace, &exact);
    counts.steps += exact.steps;
    counts.stops += exact.end == SYS_STOPPED;
    if (!sys_invariants_hold(c, &exact, out)) {
        return BROKEN_STATE;
    }
    for (unsigned i = 0; i < 2; i++) { /* cold, then with code that is translated */
        sys_machine_run(c, SYS_TRANSLATED, false, &translated);
        translated.cr3_changed |= exact.cr3_changed || exact.end == SYS_TIMEOUT || c->is_async;
        if (!sys_invariants_hold(c, &translated, out)) {
            return BROKEN_STATE;
        }
        if (c->is_async || exact.end == SYS_TIMEOUT || translated.end == SYS_TIMEOUT) {
            counts.timeouts += !c->is_async;
            return FINE;
        }
        if (!sys_results_equal(&exact, &translated, NULL) && is_decided(c)) {
            sys_results_equal(&exact, &translated, out);
            return DIFFERENT;
        }
    }
    counts.compared++;
    return FINE;
}

/* -- After a failure --------------------------------------------------------------------------- */

static void print_case(const SysCase *c, uint64_t index)
{
    printf("# case %" PRIu64 ": fuzz-system --seed %" PRIu64 " --first %" PRIu64
           " --cases 1 --drop %" PRIu64 "\n# %s mode, %u bits, paging %u, cpl %u%s\n",
           index, options.seed, index, c->dropped, sys_mode_name(c->mode), sys_case_bits(c),
           c->paging, c->cpl, c->is_async ? ", with interrupts" : "");
}

/* Leaves out as much of the main code as it can do without. */
static void minimise(SysCase *c, Verdict verdict)
{
    uint64_t seed = c->seed, dropped = c->dropped;

    for (unsigned i = 0; i < c->insn_count && i < 64; i++) {
        sys_case_make(c, seed, dropped | 1ull << i);
        if (!c->is_async && run_case(c, NULL) == verdict) {
            dropped |= 1ull << i;
        }
    }
    sys_case_make(c, seed, dropped);
}

static void report(SysCase *c, uint64_t index, Verdict verdict)
{
    options.trace = false;
    print_case(c, index);
    fputs(first_words, details());
    minimise(c, verdict);
    print_case(c, index);
    options.trace = true;
    run_case(c, details());
    options.trace = false;
    fflush(stdout);
}

/* -- The run ----------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static Verdict run_and_listen(const SysCase *c)
{
    FILE *out = fmemopen(first_words, sizeof(first_words), "w");
    Verdict verdict = run_case(c, out);

    fclose(out);
    return verdict;
}

static void run_number(uint64_t index)
{
    Verdict verdict;

    current = index;
    sys_case_make(&sys_case, case_seed(index), options.drop);
    counts.run++;
    counts.by_mode[sys_case.mode]++;
    verdict = run_and_listen(&sys_case);
    if (verdict != FINE) {
        counts.failed++;
        report(&sys_case, index, verdict);
    }
}

static void run_list(FILE *list)
{
    char line[160];
    uint64_t index;

    while (fgets(line, sizeof(line), list)) {
        if (sscanf(line, "%" SCNu64 " %" SCNu64, &options.seed, &index) == 2) {
            run_number(index);
        }
    }
}

static void run_all(FILE *list)
{
    double begin = now();

    if (list) {
        run_list(list);
    }
    for (uint64_t i = options.first; !list && counts.run < options.cases; i++) {
        if (now() - begin >= (double)options.seconds || counts.failed >= options.failures) {
            break;
        }
        run_number(i);
    }
    printf("# %" PRIu64 " cases, %.0f a second, %" PRIu64 " steps: %" PRIu64 " compared, %" PRIu64
           " stopped the machine, %" PRIu64 " too long, %" PRIu64 " depend on time, %" PRIu64
           " on the TLB, %" PRIu64 " failed\n",
           counts.run, (double)counts.run / (now() - begin), counts.steps, counts.compared,
           counts.stops, counts.timeouts, counts.unstable, counts.depends_on_tlb, counts.failed);
    for (unsigned i = 0; i < SYS_MODES; i++) {
        printf("# %-12s %" PRIu64 "\n", sys_mode_name((SysMode)i), counts.by_mode[i]);
    }
}

/* -- Watching ---------------------------------------------------------------------------------- */

/* By snprintf() in a signal handler: the process is lost anyway. */
static void say_where(const char *why)
{
    char line[160];
    int length = snprintf(line, sizeof(line),
                          "\n%s: fuzz-system --seed %" PRIu64 " --first %" PRIu64 " --cases 1\n",
                          why, options.seed, current);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);

    (void)written;
}

static void on_tick(int signal_number)
{
    if (sys_machine_tick() >= WATCHDOG_SECONDS) {
        say_where("hang");
        abort();
    }
}

static void on_abort(int signal_number)
{
    say_where("abort");
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

/* SIGSEGV and the like are the translator's; what it does not know takes the default action, and
 * the last line printed says which case it was. */
static void watch(void)
{
    struct itimerval interval = {{0, TICK_US}, {0, TICK_US}};
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    sigaction(SIGALRM, &tick, NULL);
    signal(SIGABRT, on_abort);
    setitimer(ITIMER_REAL, &interval, NULL);
}

/* A run in which hardly a case could be compared proves nothing. */
static bool is_worth_something(void)
{
    return counts.run < 1000 || (counts.compared > counts.run / 4 &&
                                 counts.unstable + counts.depends_on_tlb < counts.run / 10);
}

int main(int argc, char **argv)
{
    const FuzzOption words[] = {
        {"--seed", &options.seed},           {"--first", &options.first},
        {"--cases", &options.cases},         {"--seconds", &options.seconds},
        {"--failures", &options.failures},   {"--drop", &options.drop},
        {"--list", .text = &options.list},   {"--tcg", .text = &options.tcg},
        {"--trace", .flag = &options.trace}, {NULL},
    };
    Error *err = NULL;
    FILE *list;
    bool ok;

    options.seed = (uint64_t)time(NULL);
    if (!fuzz_parse_options(argv, words)) {
        return 2;
    }
    if (options.cases == UINT64_MAX && options.seconds == UINT64_MAX) {
        options.seconds = 10;
    }
    list = options.list ? fopen(options.list, "r") : NULL;
    if (options.list && !list) {
        perror(options.list);
        return 2;
    }
    printf("1..1\n# seed %" PRIu64 "\n", options.seed);
    fflush(stdout);
    if (!sys_machine_init(options.tcg, &err)) {
        printf("not ok 1 - %s\n", error_message(err));
        return 2;
    }
    watch();
    run_all(list);
    if (list) {
        fclose(list);
    }
    ok = counts.run && !counts.failed && is_worth_something();
    printf("%s 1 - system code neither breaks nor divides the engines\n", ok ? "ok" : "not ok");
    sys_machine_fini();
    return ok ? 0 : 1;
}
