/* SPDX-License-Identifier: MIT */
/*
 * Samples of what the guest does. Each vCPU thread has a timer that counts its CPU time and sends
 * it SIGPROF; the handler finds the block that was interrupted and counts it. Translated code is
 * not changed for it, so a profile can be switched on at any time.
 *
 * A sample outside of translated code belongs to the block that is being refilled a TLB entry for,
 * if it is that, else to the instruction C runs. Which of them it is the stack says: below
 * host_stack lie, in a refill, the address in the block it returns to, a register, and an address
 * in the stub. That the frame is still that of stubs.enter() is seen by the return address it was
 * entered with, which the first sample in translated code shows.
 */
#include "accel/tcg/profile.h"
#include "accel/tcg/guest-symbols.h"
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SAMPLES_PER_SECOND 997 /* of CPU time; the host's tick may allow fewer */
#define SLOTS 16384u           /* per CPU; a power of two */
#define TRIES 64u
#define FRAME_RETURN 56 /* from host_stack: six registers and the alignment are in between */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

typedef enum Place { IN_CODE, IN_REFILL, IN_C, PLACES } Place;

typedef struct Slot {
    uint64_t rip;
    uint32_t insn_count;
    uint8_t cpl;
    bool is_used, is_trace;
    uint64_t count[PLACES];
} Slot;

/* Of one CPU; written by the handler on its thread, read while it goes on. */
typedef struct Profile {
    Slot slots[SLOTS];
    uint64_t lost; /* no slot was free */
} Profile;

static Profile *profiles[TCG_MAX_CPUS]; /* made at the first start, then kept */
static uint64_t enter_return;           /* where stubs.enter() returns to; 0: not seen yet */
static bool is_on;

static __thread timer_t timer;
static __thread bool has_timer;

/* -- In the handler ---------------------------------------------------------------------------- */

static Slot *find_slot(Profile *profile, uint64_t rip, uint8_t cpl)
{
    uint64_t hash = (rip ^ (uint64_t)cpl << 60) * 0x9e3779b97f4a7c15ull;

    for (unsigned i = 0; i < TRIES; i++) {
        Slot *slot = &profile->slots[((hash >> 40) + i) % SLOTS];
        if (!slot->is_used) {
            slot->rip = rip;
            slot->cpl = cpl;
            __atomic_store_n(&slot->is_used, true, __ATOMIC_RELEASE);
            return slot;
        }
        if (slot->rip == rip && slot->cpl == cpl) {
            return slot;
        }
    }
    profile->lost++;
    return NULL;
}

static bool is_block_code(const void *pc)
{
    return code_cache_contains(pc) &&
           (const uint8_t *)pc >= code_cache.execute + code_cache.blocks_start;
}

/* The block a TLB entry is being filled for, or NULL: C was not called by translated code. */
static const Block *find_refilled(const X86Cpu *cpu, uint64_t rsp)
{
    const uint64_t *frame = (const uint64_t *)cpu->tcg.host_stack;
    const void *caller;

    if (!frame || !enter_return || rsp >= cpu->tcg.host_stack - 24 ||
        frame[FRAME_RETURN / 8] != enter_return) {
        return NULL;
    }
    caller = (const uint8_t *)frame[-1] - 1;
    if (!is_block_code(caller) || !code_cache_contains((const void *)frame[-3]) ||
        is_block_code((const void *)frame[-3])) {
        return NULL;
    }
    return block_from_host(caller);
}

static void on_sample(int number, siginfo_t *info, void *context)
{
    const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const void *pc = (const void *)regs[REG_RIP];
    const X86Cpu *cpu = host_signals_selected();
    Profile *profile = cpu ? __atomic_load_n(&profiles[cpu->vcpu.index], __ATOMIC_ACQUIRE) : NULL;
    const Block *block = NULL;
    Place place = IN_C;
    Slot *slot;

    if (!profile) {
        return;
    }
    if (is_block_code(pc)) {
        block = block_from_host(pc);
        place = IN_CODE;
        enter_return = ((const uint64_t *)cpu->tcg.host_stack)[FRAME_RETURN / 8];
    } else if ((block = find_refilled(cpu, (uint64_t)regs[REG_RSP]))) {
        place = IN_REFILL;
    }
    slot = find_slot(profile, block ? block->rip : cpu->rip,
                     ((block ? block->mode : cpu->mode) & CPU_MODE_CPL_MASK) >> CPU_MODE_CPL_SHIFT);
    if (slot) {
        slot->count[place]++;
        if (block) {
            slot->insn_count = block->insn_count;
            slot->is_trace = block->is_trace;
        }
    }
}

/* -- Start and stop ---------------------------------------------------------------------------- */

static void set_timer(bool run)
{
    long period = run ? 1000000000 / SAMPLES_PER_SECOND : 0;
    struct itimerspec interval = {{0, period}, {0, period}};

    if (has_timer) {
        timer_settime(timer, 0, &interval, NULL);
    }
}

/* On the thread itself, once; vCPUs that share it share the timer. */
static void make_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    sigset_t set;

    if (!has_timer) {
        event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
        has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
        sigemptyset(&set);
        sigaddset(&set, SIGPROF);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
}

static void apply(Vcpu *vcpu, void *opaque)
{
    if (is_on) {
        make_timer();
    }
    set_timer(is_on);
}

void profile_cpu_begin(void)
{
    apply(NULL, NULL);
}

void profile_cpu_end(void)
{
    if (has_timer) {
        timer_delete(timer);
        has_timer = false;
    }
}

static void clear(void)
{
    for (unsigned i = 0; i < TCG_MAX_CPUS; i++) {
        if (profiles[i]) {
            memset(profiles[i], 0, sizeof(*profiles[i]));
        }
    }
}

static void start(void)
{
    struct sigaction action = {.sa_sigaction = on_sample,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    unsigned count = vcpu_count() ? vcpu_count() : TCG_MAX_CPUS; /* none at start-up */

    sigfillset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
    for (unsigned i = 0; i < count; i++) {
        if (!profiles[i]) { /* pages of zeros until used */
            __atomic_store_n(&profiles[i], g_malloc0(sizeof(Profile)), __ATOMIC_RELEASE);
        }
    }
    is_on = true;
}

bool profile_control(const char *what, Error **err)
{
    if (!strcmp(what, "clear")) {
        clear();
        return true;
    }
    if (!strcmp(what, "start")) {
        start();
    } else if (!strcmp(what, "stop")) {
        is_on = false;
    } else {
        return error_set(err, "'%s': it is start, stop or clear", what);
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        vcpu_post(vcpu_get(i), apply, NULL);
    }
    return true;
}

/* -- Text -------------------------------------------------------------------------------------- */

static uint64_t total_of(const Slot *slot)
{
    return slot->count[IN_CODE] + slot->count[IN_REFILL] + slot->count[IN_C];
}

static gint compare(gconstpointer a, gconstpointer b)
{
    const Slot *one = *(const Slot *const *)a, *other = *(const Slot *const *)b;
    uint64_t here = total_of(one), there = total_of(other);

    return here != there ? (here < there ? 1 : -1) : (one->rip < other->rip ? -1 : 1);
}

static guint hash_slot(gconstpointer key)
{
    const Slot *slot = key;
    return (guint)((slot->rip ^ slot->cpl) * 0x9e3779b97f4a7c15ull >> 32);
}

static gboolean same_slot(gconstpointer a, gconstpointer b)
{
    const Slot *one = a, *other = b;
    return one->rip == other->rip && one->cpl == other->cpl;
}

/* Sums of all CPUs; returns samples lost. */
static uint64_t merge(GHashTable *sums)
{
    uint64_t lost = 0;

    for (unsigned i = 0; i < TCG_MAX_CPUS; i++) {
        for (unsigned n = 0; profiles[i] && n < SLOTS; n++) {
            const Slot *slot = &profiles[i]->slots[n];
            if (!__atomic_load_n(&slot->is_used, __ATOMIC_ACQUIRE)) {
                continue;
            }
            Slot *sum = g_hash_table_lookup(sums, slot);
            if (!sum) {
                sum = g_memdup2(slot, sizeof(*slot));
                g_hash_table_add(sums, sum);
            } else {
                for (unsigned place = 0; place < PLACES; place++) {
                    sum->count[place] += slot->count[place];
                }
            }
        }
        lost += profiles[i] ? profiles[i]->lost : 0;
    }
    return lost;
}

static void append_line(GString *text, const Slot *slot, uint64_t all)
{
    g_autofree char *name = guest_symbols_name(vcpu_get(0)->cpu, slot->rip);

    g_string_append_printf(text,
                           "%6.2f%% %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
                           "  %u  %016" PRIx64 " %5u %s%s\n",
                           100.0 * (double)total_of(slot) / (double)all, total_of(slot),
                           slot->count[IN_CODE], slot->count[IN_REFILL], slot->count[IN_C],
                           slot->cpl, slot->rip, slot->insn_count,
                           slot->is_trace ? "trace " : "      ", name ? name : "");
}

char *profile_text(unsigned lines, Error **err)
{
    g_autoptr(GHashTable) sums = g_hash_table_new_full(hash_slot, same_slot, g_free, NULL);
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer key;
    uint64_t all = 0, by_place[PLACES] = {0}, lost = merge(sums);
    GString *text;

    g_hash_table_iter_init(&iter, sums);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Slot *slot = key;
        g_ptr_array_add(list, key);
        all += total_of(slot);
        for (unsigned place = 0; place < PLACES; place++) {
            by_place[place] += slot->count[place];
        }
    }
    if (!all) {
        error_set(err, is_on ? "no samples yet: they are taken while CPUs run"
                             : "no samples: 'hot start' or -accel tcg,profile=on takes them");
        return NULL;
    }
    g_ptr_array_sort(list, compare);
    text = g_string_new(NULL);
    g_string_printf(text,
                    "%" PRIu64 " samples of CPU time%s: %.1f%% in translated code, %.1f%% in TLB "
                    "refills, %.1f%% in other C; %" PRIu64 " lost\n"
                    "          total     code   refill        C CPL     address     insns       "
                    "symbol\n",
                    all, is_on ? "" : " (stopped)", 100.0 * (double)by_place[IN_CODE] / (double)all,
                    100.0 * (double)by_place[IN_REFILL] / (double)all,
                    100.0 * (double)by_place[IN_C] / (double)all, lost);
    for (guint i = 0; i < MIN(list->len, lines); i++) {
        append_line(text, g_ptr_array_index(list, i), all);
    }
    return g_string_free(text, FALSE);
}
