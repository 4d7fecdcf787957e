/* SPDX-License-Identifier: MIT */
/* How a run ends: requests that know more than a ShutdownCause, and what the last one was. Under
 * the machine lock. */
#ifndef SOFTMMU_RUN_END_H
#define SOFTMMU_RUN_END_H

#include "softmmu/run.h"

typedef enum RunEndKind {
    RUN_END_NONE, /* it has not ended */
    RUN_END_GUEST_SHUTDOWN,
    RUN_END_GUEST_RESET, /* with -no-reboot, as the next two */
    RUN_END_HOST_RESET,
    RUN_END_TRIPLE_FAULT,
    RUN_END_PANIC,
    RUN_END_HANG,
    RUN_END_HOST_SIGNAL,
    RUN_END_QUIT,
    RUN_END_DEBUG_EXIT,
    RUN_END_ERROR
} RunEndKind;

/* What asked for a reset or for the end. */
typedef struct RunEnd {
    ShutdownCause cause; /* SHUTDOWN_CAUSE_NONE: nothing did */
    RunEndKind kind;
    RunState state;    /* at the end: what the machine did before */
    const char *found; /* HANG, PANIC: what noticed it, as the record names it */
    unsigned cpu;      /* TRIPLE_FAULT */
    uint64_t rip;      /* TRIPLE_FAULT: of the instruction that faulted */
    uint64_t value;    /* DEBUG_EXIT: what was written */
    int signal;        /* HOST_SIGNAL */
    int sender;        /* HOST_SIGNAL: process, 0: the kernel */
} RunEnd;

/* A CPU shut down: resets the machine, as the board of a PC does. */
void system_triple_fault(unsigned cpu, uint64_t rip);
/* isa-debug-exit. */
void system_debug_exit(uint64_t value);
/* A signal ends the process whatever run_shutdown_action says. */
void system_kill(int signal, int sender);
/* The guest or something that watches it says that it is lost: ends the process with status 1. */
void system_give_up(RunEndKind kind, const char *found);

/* What ended the run; kind RUN_END_NONE before. */
const RunEnd *run_end(void);
/* The CPU of the last triple fault, and how many there were. */
const RunEnd *run_last_triple_fault(void);
uint64_t run_triple_fault_count(void);

#endif
