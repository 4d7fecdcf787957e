/* SPDX-License-Identifier: MIT */
/*
 * Assembly bodies natively, then translated cold, hot, in exact mode, and with data in a device:
 * registers, flags, FPU state and memory must match. The bodies are in the .S files beside this
 * one; run one alone with its name as argument.
 */
#include "tests/insn/case-segments.h"
#include "tests/insn/details.h"
#include "tests/insn/device-page.h"
#include "tests/insn/guest-cpu.h"
#include "tests/insn/native.h"
#include "util/error.h"

#include <glib.h>
#include <string.h>

uint64_t tcg_mutant;

typedef struct Body {
    const char *name;
    const uint8_t *start, *end;
} Body;

extern const Body __start_insn_bodies[], __stop_insn_bodies[];

#define START_OFFSETS 3

#define PAGE_MASKED_AWAY 6 /* data 5 */
#define ENTRY_ACCESSED 0x20u
#define ENTRY_DIRTY 0x40u

static const uint16_t start_offsets[START_OFFSETS] = {0, 0x300,
                                                      0xfc8}; /* the last crosses a page */

static CaseMemory image, native_memory, guest_memory;
static const char *only;
static unsigned failures;

static uint64_t mix(uint64_t n)
{
    n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9ull;
    n = (n ^ n >> 32) * 0x94d049bb133111ebull;
    return n ^ n >> 31;
}

static CaseState make_state(uint64_t rip)
{
    CaseState state = {.rip = rip, .eflags = EFLAGS_ZF | EFLAGS_PF, .selector = CASE_SELECTORS_64};

    for (unsigned i = 0; i < 16; i++) {
        state.gpr[i] = mix(i + 1);
        for (unsigned k = 0; k < 16; k++) {
            state.fpu.xmm[i][k] = (uint8_t)mix(i * 16 + k);
            state.fpu.ymm_high[i][k] = (uint8_t)mix(i * 16 + k + 999);
        }
    }
    for (unsigned i = 0; case_has_avx512() && i < 16; i++) {
        for (unsigned k = 0; k < 64; k++) {
            state.fpu.zmm_high[i][k / 2] = (uint8_t)mix(i * 64 + k + 5000);
            state.fpu.zmm16[i][k] = (uint8_t)mix(i * 64 + k + 7000);
        }
        state.fpu.k[i / 2] = mix(i + 9000);
    }
    state.gpr[R_RBX] = CASE_DATA;
    state.gpr[R_RSI] = CASE_DATA + 0x100;
    state.gpr[R_RDI] = CASE_DATA + CASE_PAGE;
    state.gpr[R_RBP] = CASE_DATA + 4 * CASE_PAGE;
    state.gpr[R_RSP] = CASE_STACK + CASE_PAGE + 0x800;
    state.gpr[R_R12] = CASE_DATA + 2 * CASE_PAGE;
    state.gpr[R_R13] = CASE_DATA + 3 * CASE_PAGE;
    state.fpu.fcw = 0x37f;
    state.fpu.mxcsr = 0x1f80;
    return state;
}

static void fill_image(const Body *body, unsigned offset)
{
    for (unsigned page = 0; page < CASE_PAGES; page++) {
        if (case_pages[page].may_execute) {
            memset(image.page[page], 0xcc, CASE_PAGE);
            continue;
        }
        for (unsigned i = 0; i < CASE_PAGE; i += 8) {
            uint64_t value = mix(page * CASE_PAGE + i);
            memcpy(&image.page[page][i], &value, sizeof(value));
        }
    }
    for (const uint8_t *from = body ? body->start : NULL; body && from < body->end; from++) {
        *case_memory_at(&image, CASE_CODE + offset + (uint64_t)(from - body->start)) = *from;
    }
}

static volatile unsigned ticks;

static void on_tick(void)
{
    if (++ticks > 2000) {
        guest_interrupt();
    }
}

/* What a mask leaves out is neither accessed nor dirty. */
static bool check_marks(const Body *body)
{
    uint64_t entry = guest_page_entry(PAGE_MASKED_AWAY);

    if (strcmp(body->name, "masked_away") || !(entry & (ENTRY_ACCESSED | ENTRY_DIRTY))) {
        return true;
    }
    printf("# %s was %s\n", case_pages[PAGE_MASKED_AWAY].name,
           entry & ENTRY_DIRTY ? "written" : "read");
    return false;
}

static bool run_guest(GuestHow how, const CaseState *state, const CaseOutcome *native,
                      const char *name)
{
    CaseOutcome outcome;

    ticks = 0;
    guest_set_memory(&image);
    guest_run(how, state, &outcome);
    guest_get_memory(&guest_memory);
    return case_outcomes_equal(native, &outcome, details(), "host", name) &&
           case_memory_equal(&native_memory, &guest_memory, details(), "host", name);
}

/* With data pages 0 and 1 in a device. */
static bool run_on_device(const CaseState *state, const CaseOutcome *native)
{
    CaseOutcome outcome;

    ticks = 0;
    guest_set_memory(&image);
    device_pages_begin(&image);
    guest_run(GUEST_TRANSLATED, state, &outcome);
    guest_get_memory(&guest_memory);
    device_pages_end(&guest_memory);
    return case_outcomes_equal(native, &outcome, details(), "host", "MMIO ") &&
           case_memory_equal(&native_memory, &guest_memory, details(), "host", "MMIO ");
}

static bool run_at(const Body *body, unsigned offset, CaseOutcome *native)
{
    CaseState state = make_state(CASE_CODE + offset);

    fill_image(body, offset);
    native_set_memory(&image);
    native_run(&state, native);
    native_get_memory(&native_memory);
    if (native->end != CASE_EXCEPTION) {
        return false;
    }
    guest_flush_tlb(true);
    guest_set_memory(&image);
    guest_forget_code();
    return run_guest(GUEST_TRANSLATED, &state, native, "cold") &&
           run_guest(GUEST_TRANSLATED, &state, native, "hot ") &&
           run_guest(GUEST_EXACT, &state, native, "exact") && check_marks(body) &&
           run_on_device(&state, native);
}

/* A body that is not meant to fault must reach its end, else it shows little. */
static bool ends_as_meant(const Body *body, const CaseOutcome *native)
{
    bool may_fault = !strncmp(body->name, "fault", 5);

    return native->end == CASE_EXCEPTION &&
           (may_fault ? native->vector != VECTOR_BP && native->vector != VECTOR_UD
                      : native->vector == VECTOR_BP);
}

static void run_body(const Body *body, unsigned number)
{
    bool same = true, ended = true, is_absent = false;
    CaseOutcome native;

    for (unsigned i = 0; i < START_OFFSETS; i++) {
        same = run_at(body, !strcmp(body->name, "calls") ? 0 : start_offsets[i], &native) && same;
        is_absent |= native.vector == VECTOR_UD;
        ended = ends_as_meant(body, &native) && ended;
    }
    if (is_absent && same) {
        printf("ok %u - %s # SKIP the host has no such instruction\n", number, body->name);
        return;
    }
    if (!ended) {
        printf("# %s ends by exception %u\n", body->name, native.vector);
    }
    failures += !(same && ended);
    printf("%s %u - %s\n", same && ended ? "ok" : "not ok", number, body->name);
}

static void run_all(void *opaque)
{
    unsigned number = 0;

    fill_image(NULL, 0);
    guest_set_memory(&image);
    native_tick_limit = 2000; /* a busy host may take its time over split locks */
    if (!native_init(&image, opaque)) {
        return;
    }
    native_tick = on_tick;
    printf("1..%u\n", only ? 1 : (unsigned)(__stop_insn_bodies - __start_insn_bodies));
    for (const Body *body = __start_insn_bodies; body < __stop_insn_bodies; body++) {
        if (!only || !strcmp(only, body->name)) {
            run_body(body, ++number);
        }
    }
}

int main(int argc, char **argv)
{
    Error *err = NULL;

    if (argc > 2 && !strcmp(argv[1], "--tcg")) {
        guest_choose_tcg(argv[2]);
        argc -= 2;
        argv += 2;
    }
    only = argc > 1 ? argv[1] : NULL;
    if (!guest_main(1, 16, 1, run_all, &err, &err) || err) {
        printf("Bail out! %s\n", error_message(err));
        return 2;
    }
    return failures != 0;
}
