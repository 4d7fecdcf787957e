/* SPDX-License-Identifier: MIT */
/*
 * Memory ordering between CPUs: the small programs that tell memory models apart, many times over.
 * Each CPU goes through arrays of independent words, all at once from a common start. Forbidden
 * outcomes must never be seen; what x86 allows is counted and printed, not demanded.
 */
#include "cpu-test.h"

#define SLOTS 2048
#define STRIDE 8 /* words: a line of its own for each slot */
#define BATCHES 60
#define PARTIES 4
#define ORDERING "SDM 3A 8.2.3"

typedef volatile uint64_t Shared;

static Shared x[SLOTS * STRIDE] __attribute__((aligned(4096)));
static Shared y[SLOTS * STRIDE] __attribute__((aligned(4096)));
static uint8_t r[PARTIES][2][SLOTS];

static volatile unsigned arrived, round_number;

/* What party `n` does to slot `i`. */
typedef void Step(unsigned n, unsigned i);

typedef struct Program {
    const char *name;
    unsigned parties;
    Step *step;
    bool (*seen)(unsigned i); /* the outcome in question */
    bool allowed;
} Program;

static const Program *program;

#define STORE(array, i) ((array)[(i)*STRIDE] = 1)
#define LOAD(array, i) ((uint8_t)(array)[(i)*STRIDE])

static void store_buffer(unsigned n, unsigned i)
{
    if (n == 0) {
        STORE(x, i);
        r[0][0][i] = LOAD(y, i);
    } else {
        STORE(y, i);
        r[1][0][i] = LOAD(x, i);
    }
}

static void store_buffer_fenced(unsigned n, unsigned i)
{
    if (n == 0) {
        STORE(x, i);
        __asm__ volatile("mfence" : : : "memory");
        r[0][0][i] = LOAD(y, i);
    } else {
        STORE(y, i);
        __asm__ volatile("mfence" : : : "memory");
        r[1][0][i] = LOAD(x, i);
    }
}

/* LOCK orders as a fence does; one side with XCHG, the other with an unrelated locked word. */
static void store_buffer_locked(unsigned n, unsigned i)
{
    uint64_t one = 1, own = 0;

    if (n == 0) {
        __asm__ volatile("xchg %0, %1" : "+r"(one), "+m"(x[i * STRIDE]) : : "memory");
        r[0][0][i] = LOAD(y, i);
    } else {
        STORE(y, i);
        __asm__ volatile("lock incq %0" : "+m"(own) : : "memory");
        r[1][0][i] = LOAD(x, i);
    }
}

static void message_passing(unsigned n, unsigned i)
{
    if (n == 0) {
        STORE(x, i);
        STORE(y, i);
    } else {
        r[1][0][i] = LOAD(y, i);
        r[1][1][i] = LOAD(x, i);
    }
}

static void load_buffer(unsigned n, unsigned i)
{
    if (n == 0) {
        r[0][0][i] = LOAD(x, i);
        STORE(y, i);
    } else {
        r[1][0][i] = LOAD(y, i);
        STORE(x, i);
    }
}

/* A CPU sees its own store first, but all agree on the order of two others' stores. */
static void independent_reads(unsigned n, unsigned i)
{
    if (n == 0) {
        STORE(x, i);
    } else if (n == 1) {
        STORE(y, i);
    } else {
        Shared *first = n == 2 ? x : y, *second = n == 2 ? y : x;

        r[n][0][i] = LOAD(first, i);
        r[n][1][i] = LOAD(second, i);
    }
}

/* What one has seen of another's store a third one sees too (causality). */
static void write_to_read(unsigned n, unsigned i)
{
    if (n == 0) {
        STORE(x, i);
    } else if (n == 1) {
        r[1][0][i] = LOAD(x, i);
        if (r[1][0][i]) {
            STORE(y, i);
        }
    } else {
        r[2][0][i] = LOAD(y, i);
        r[2][1][i] = LOAD(x, i);
    }
}

static bool both_zero(unsigned i)
{
    return !r[0][0][i] && !r[1][0][i];
}

static bool both_one(unsigned i)
{
    return r[0][0][i] && r[1][0][i];
}

static bool flag_without_data(unsigned i)
{
    return r[1][0][i] && !r[1][1][i];
}

static bool disagree(unsigned i)
{
    return r[2][0][i] && !r[2][1][i] && r[3][0][i] && !r[3][1][i];
}

static bool effect_without_cause(unsigned i)
{
    return r[2][0][i] && !r[2][1][i];
}

static const Program programs[] = {
    {"sb", 2, store_buffer, both_zero, true},
    {"sb-mfence", 2, store_buffer_fenced, both_zero, false},
    {"sb-lock", 2, store_buffer_locked, both_zero, false},
    {"mp", 2, message_passing, flag_without_data, false},
    {"lb", 2, load_buffer, both_one, false},
    {"wrc", 3, write_to_read, effect_without_cause, false},
    {"iriw", 4, independent_reads, disagree, false},
};

/* All that take part leave it together, as nearly as it goes. */
static void barrier(void)
{
    unsigned round = round_number;

    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == program->parties) {
        arrived = 0;
        __atomic_store_n(&round_number, round + 1, __ATOMIC_SEQ_CST);
    }
    while (__atomic_load_n(&round_number, __ATOMIC_SEQ_CST) == round) {
        __builtin_ia32_pause();
    }
}

/* The parties take the slots in different orders in every other batch, so that they meet. */
static void take_part(void *argument)
{
    unsigned n = (unsigned)(word)argument;

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        barrier();
        for (unsigned i = 0; i < SLOTS; i++) {
            program->step(n, batch & 1 && n & 1 ? SLOTS - 1 - i : i);
        }
        barrier();
        barrier(); /* until the first has counted */
    }
}

static unsigned count_outcomes(void)
{
    unsigned seen = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        seen += program->seen(i);
        x[i * STRIDE] = y[i * STRIDE] = 0;
    }
    return seen;
}

static void run_program(const Program *p)
{
    char name[64];
    unsigned seen = 0;

    program = p;
    for (unsigned n = 1; n < p->parties; n++) {
        cpu_run(n, take_part, (void *)(word)n);
    }
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        barrier();
        for (unsigned i = 0; i < SLOTS; i++) {
            p->step(0, i);
        }
        barrier();
        seen += count_outcomes();
        barrier();
    }
    for (unsigned n = 1; n < p->parties; n++) {
        cpu_wait(n);
    }
    format(name, sizeof(name), "litmus-%s", p->name);
    print("%s: %u of %u\n", name, seen, SLOTS * BATCHES);
    if (!p->allowed) {
        check(name, seen, 0, ORDERING);
    }
}

int main(void)
{
    unsigned cpus = cpu_count();

    cpus_start();
    for (unsigned i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (programs[i].parties <= cpus) {
            run_program(&programs[i]);
        } else {
            check_skip(programs[i].name, "more CPUs than the machine has");
        }
    }
    return 0;
}
