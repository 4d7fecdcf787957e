/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. All under the machine lock. */
#ifndef SOFTMMU_RUN_INTERNAL_H
#define SOFTMMU_RUN_INTERNAL_H

#include "softmmu/run.h"

/* -- vcpu.c ------------------------------------------------------------------------------------ */

/* Parks every vCPU; the lock is dropped while waiting. Main thread. */
void vcpus_park(void);
/* Lets them go on. */
void vcpus_resume(void);

/* -- run-state.c ------------------------------------------------------------------------------- */

void run_state_set(RunState state);

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
