/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. All under the machine lock. */
#ifndef SOFTMMU_RUN_INTERNAL_H
#define SOFTMMU_RUN_INTERNAL_H

#include "softmmu/run.h"

/* -- vcpu.c ------------------------------------------------------------------------------------ */

/* Something happened that the main thread may be waiting for: a vCPU started, parked, ended or did
 * its work. */
void vcpus_wait_change(void);
void vcpus_changed(void);
/* On the vCPU's thread: its state comes from where the accelerator keeps it. */
void vcpu_save(Vcpu *vcpu);
/* On the vCPU's thread: what was posted; true when there was something. */
bool vcpu_do_work(Vcpu *vcpu);
/* Parks every vCPU; the lock is dropped while waiting. Main thread. */
void vcpus_park(void);
/* Lets them go on. */
void vcpus_resume(void);

/* -- vcpu-thread.c ----------------------------------------------------------------------------- */

/* A host thread and the vCPUs it runs. */
typedef struct VcpuThread {
    pthread_t pthread;
    GPtrArray *vcpus;
    MachineCond wake; /* sleeping: all its vCPUs are halted or parked */
    Vcpu *running;    /* in run(), or NULL */
    int64_t running_since_ns;
    Timer slice; /* of the main loop, armed while more than one could run */
} VcpuThread;

/* Wakes the thread, or has another vCPU that it runs leave run(). */
void vcpu_thread_wake(Vcpu *vcpu);
void vcpu_set_self(Vcpu *vcpu);

/* -- run-state.c ------------------------------------------------------------------------------- */

void run_state_set(RunState state);
/* vm_stop() for a process that ends then: clients hear of that, not of a stop. */
void vm_stop_to_end(RunState state);

/* -- reset.c ----------------------------------------------------------------------------------- */

/* A watchdog asks for a reset, or for the end of the process. */
void run_request_after_hang(bool ends);

/* -- safe-point.c ------------------------------------------------------------------------------ */

/* After VcpuOps.run(), by the vCPU's thread, without the lock:
 * it looks at nothing published now. */
void safe_point_leave_run(Vcpu *vcpu);
/* Then, under the lock: has what waited for this released. */
void safe_point_check(void);
/* Around a vCPU's wait for others, from C code: they need not wait for it in turn. */
void safe_point_wait_begin(Vcpu *self);
void safe_point_wait_end(Vcpu *self);
/* Releases everything; no vCPU thread is left. */
void safe_point_flush(void);

#endif
