/* SPDX-License-Identifier: MIT */
/* Run state: the machine lock, stop and go, vCPU threads, reset and shutdown requests;
 * docs/design/loop-and-lock.md. */
#ifndef SOFTMMU_RUN_H
#define SOFTMMU_RUN_H

#include "util/loop.h"

#include <pthread.h>
#include <stdint.h>

/* -- Machine lock: fair (FIFO), not recursive -------------------------------------------------- */

void machine_lock(void);
void machine_unlock(void);
bool machine_lock_held(void);            /* by this thread */
extern const LoopLock machine_loop_lock; /* for loop_new() */

/* A condition of the machine lock, all zero at rest. Waiting drops the lock and takes it again; a
 * wake-up may come for no reason, so callers check again. Wakers hold the lock. */
typedef struct MachineCond {
    uint32_t sequence; /* counts wake-ups */
    uint32_t waiters;
} MachineCond;

void machine_cond_wait(MachineCond *cond);
/* The same for so many nanoseconds at most. */
void machine_cond_wait_for(MachineCond *cond, int64_t ns);
void machine_cond_wake_all(MachineCond *cond);

/* -- vCPUs ------------------------------------------------------------------------------------- */

typedef struct Vcpu Vcpu;
typedef struct VcpuThread VcpuThread;
typedef struct VcpuStart VcpuStart;

/* What an accelerator does for a vCPU; all run on the vCPU's own thread unless said otherwise. */
typedef struct VcpuOps {
    const char *name;
    /* True: one thread runs all vCPUs in turn; NULL: each has its own. Asked by vcpu_start(). */
    bool (*shares_thread)(void);
    bool (*init)(Vcpu *vcpu, Error **err); /* thread start; without the lock */
    void (*fini)(Vcpu *vcpu);
    /* Runs guest code until vcpu->exit_request is seen, the vCPU halts, or a request was posted.
     * Without the lock. Entered with vcpu->halted still set when has_work(): run() takes the event
     * and clears it. */
    void (*run)(Vcpu *vcpu);
    /* Any thread: makes run() notice exit_request or an interrupt soon; async-signal-safe. */
    void (*kick)(Vcpu *vcpu);
    /* Before the vCPU parks, and before work of others runs on it: what of its state run() keeps
     * elsewhere comes into vcpu->cpu, where the next run() takes it from. Under the lock, which it
     * may drop. May be NULL. */
    void (*save)(Vcpu *vcpu);
    /* Around a wait for other vCPUs that a device begins from within run(); under the lock, which
     * wait_end() may drop. May be NULL. */
    void (*wait_begin)(Vcpu *vcpu);
    void (*wait_end)(Vcpu *vcpu);
    /* The machine was reset: once for all vCPUs, all parked; under the lock. May be NULL. */
    void (*machine_reset)(void);
} VcpuOps;

struct Vcpu {
    unsigned index;
    void *cpu;        /* the target's CPU object */
    void *accel_data; /* the accelerator's */
    const VcpuOps *ops;
    VcpuThread *host;     /* its thread; NULL: not started */
    pthread_t thread;     /* the same */
    int thread_id;        /* as the kernel numbers it (/proc/PID/task/ID); 0: not started */
    VcpuStart *start;     /* under the lock: vcpu_start() waits for its init() */
    bool created;         /* init() is done */
    bool needs_fini;      /* ... and fini() is due when the thread ends */
    bool stop_requested;  /* under the lock */
    bool held;            /* under the lock: vm_start() leaves it parked (a debugger) */
    bool stopped;         /* parked: state may be read and written by the lock's holder */
    bool halted;          /* HLT, or waiting for SIPI: sleeps until has_work() */
    int64_t halt_poll_ns; /* while halted has_work() is asked again so soon; 0: after a kick only */
    int exit_request;     /* atomic: leave run() */
    bool end_requested;   /* under the lock: the thread shall end */
    uint64_t quiescent_epoch;     /* atomic: see vcpu_quiescent(); 0: outside run() */
    bool waits_for_others;        /* under the lock: in vcpu_wait_safe_points(), vcpu_run_on() */
    int64_t seen_ns, seen_run_ns; /* under the lock: vcpu_is_starved() */
    GQueue work;                  /* posted by vcpu_post() */
    bool (*has_work)(Vcpu *vcpu); /* target: an unmasked event would end the halt; under the lock */
};

/* Registers and starts the thread, which parks until the machine runs. Under the lock. */
bool vcpu_start(Vcpu *vcpu, Error **err);
/* Ends all vCPU threads and waits for them; drops the lock while waiting. */
void vcpus_destroy(void);
unsigned vcpu_count(void);
Vcpu *vcpu_get(unsigned index);
/* The calling thread's vCPU, or NULL. */
Vcpu *vcpu_self(void);
/* Wakes a halted vCPU or makes a running one look at its events. Any thread that holds the lock. */
void vcpu_kick(Vcpu *vcpu);
/* The same, and makes it leave run(). */
void vcpu_exit(Vcpu *vcpu);
/* Did the host run its thread for less than half of the time since this was asked last? Under the
 * lock. */
bool vcpu_is_starved(Vcpu *vcpu);
/* For VcpuOps.kick: ends a system call that its thread is in. Any thread; async-signal-safe. */
void vcpu_interrupt_thread(const Vcpu *vcpu);
/* Runs fn(vcpu, opaque) on the vCPU's thread under the lock at its next safe point;
 * does not wait. */
void vcpu_post(Vcpu *vcpu, void (*fn)(Vcpu *vcpu, void *opaque), void *opaque);
/* The same and waits (dropping the lock meanwhile); runs at once on the vCPU's own thread or when
 * it is stopped. */
void vcpu_run_on(Vcpu *vcpu, void (*fn)(Vcpu *vcpu, void *opaque), void *opaque);

/* Runs fn(vcpu, opaque) for every vCPU where none of them uses what it changes: here and now for
 * those outside run(), and for the caller's own, on its thread for any other; waits for all. The
 * lock is dropped meanwhile. */
void vcpu_run_on_all(void (*fn)(Vcpu *vcpu, void *opaque), void *opaque);

/* -- Safe points: what a running vCPU may still be looking at is freed later ------------------- */

/* Called by run() where its thread holds no pointer into anything that was published before (flat
 * views, RAM found through them). Entering and leaving run() count too. No lock; cheap. */
void vcpu_quiescent(Vcpu *vcpu);
/* Calls release(opaque) from the main loop once every vCPU has passed a safe point; at once when
 * there is no main loop and no vCPU. Under the lock. */
void vcpu_defer(void (*release)(void *opaque), void *opaque);

/* Returns once every other vCPU has passed a safe point since the call, or waits in here itself:
 * what was withdrawn before is used by no translated code any more. Under the lock, which is
 * dropped meanwhile; any thread. */
void vcpu_wait_safe_points(void);

/* -overcommit cpu-pm=on: a halted guest CPU may keep the host's CPU, where the accelerator can. */
extern bool run_cpu_pm;

/* -- Run state --------------------------------------------------------------------------------- */

/* Names as query-status prints them. */
typedef enum RunState {
    RUN_STATE_PRELAUNCH,
    RUN_STATE_RUNNING,
    RUN_STATE_PAUSED,
    RUN_STATE_SHUTDOWN,
    RUN_STATE_INTERNAL_ERROR,
    RUN_STATE_GUEST_PANICKED,
    RUN_STATE_DEBUG,
    RUN_STATE_IO_ERROR, /* of an image: `cont` tries again */
    RUN_STATE_WATCHDOG,
    RUN_STATE_COUNT
} RunState;

RunState run_state_get(void);
/* After a shutdown, panic or internal error: `cont` is refused until the machine was reset. */
bool run_state_needs_reset(void);
const char *run_state_name(RunState state);
static inline bool run_state_is_running(void)
{
    return run_state_get() == RUN_STATE_RUNNING;
}

/* Main thread, under the lock. vm_stop parks all vCPUs (the lock is dropped while waiting) and
 * stops the virtual clock. */
void vm_start(void);
void vm_stop(RunState state);
/* Calls fn(opaque) with all vCPUs parked; who ran goes on then. To the outside nothing stops. */
void vm_run_parked(void (*fn)(void *opaque), void *opaque);
/* From any thread under the lock, vCPU threads too: posted to the main loop. */
void vm_stop_request(RunState state);

/* Calls fn(opaque) each time the machine has started to run or has stopped; run_state_get() says
 * which. Main thread, under the lock. */
void run_state_listen(void (*fn)(void *opaque), void *opaque);
/* Forgets those of `opaque`. */
void run_state_unlisten(void *opaque);

/* Names as the SHUTDOWN and RESET events print them. */
typedef enum ShutdownCause {
    SHUTDOWN_CAUSE_NONE,
    SHUTDOWN_CAUSE_HOST_ERROR,
    SHUTDOWN_CAUSE_HOST_QUIT,  /* monitor quit */
    SHUTDOWN_CAUSE_HOST_RESET, /* monitor system_reset */
    SHUTDOWN_CAUSE_HOST_SIGNAL,
    SHUTDOWN_CAUSE_GUEST_SHUTDOWN,
    SHUTDOWN_CAUSE_GUEST_RESET,
    SHUTDOWN_CAUSE_GUEST_PANIC,
    SHUTDOWN_CAUSE_COUNT
} ShutdownCause;

/* Asks for it; any thread under the lock; acted upon by the main loop. A vCPU that asks leaves
 * run() at once and parks. A shutdown for GUEST_PANIC follows run_panic_action; one for HOST_SIGNAL
 * or HOST_QUIT ends the process whatever run_shutdown_action says. */
void system_reset_request(ShutdownCause cause);
void system_shutdown_request(ShutdownCause cause);
/* `quit`: ends the process with this status after orderly clean-up. */
void system_exit_request(int status, ShutdownCause cause);
void system_powerdown_request(void); /* the power button */
/* Called under the lock when the button is pressed (the ACPI PM device). */
void system_set_powerdown_notify(void (*fn)(void *opaque), void *opaque);

/* -action and its short forms -no-reboot, -no-shutdown. */
typedef enum RebootAction { REBOOT_ACTION_RESET, REBOOT_ACTION_SHUTDOWN } RebootAction;
typedef enum ShutdownAction { SHUTDOWN_ACTION_POWEROFF, SHUTDOWN_ACTION_PAUSE } ShutdownAction;
typedef enum PanicAction {
    PANIC_ACTION_SHUTDOWN,
    PANIC_ACTION_PAUSE,
    PANIC_ACTION_EXIT_FAILURE,
    PANIC_ACTION_NONE
} PanicAction;
extern RebootAction run_reboot_action;
extern ShutdownAction run_shutdown_action;
extern PanicAction run_panic_action;

/* What a machine reset is: set by the board (resets the object tree, then the vCPUs). Runs with all
 * vCPUs parked. */
void system_set_reset_handler(void (*fn)(void *opaque), void *opaque);
uint64_t system_reset_count(void);

/* Main loop until the process should end: main_loop_wait() and the requests above; leaves the
 * machine parked, returns the exit status. */
int run_main_loop(void);
/* Its other half: acts on the requests made so far.
 * True: the process should end with that status. */
bool run_handle_requests(int *ret_status);

#endif
