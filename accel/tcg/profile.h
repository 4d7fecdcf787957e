/* SPDX-License-Identifier: MIT */
/* The guest's profile: where its CPUs spend their host time; `info hot`. */
#ifndef ACCEL_TCG_PROFILE_H
#define ACCEL_TCG_PROFILE_H

#include "util/error.h"

/* A vCPU's thread begins (its init()) and ends. */
void profile_cpu_begin(void);
void profile_cpu_end(void);
/* "start", "stop", "clear"; main thread, under the lock. */
bool profile_control(const char *what, Error **err);
/* The blocks most samples hit; caller frees. Fails when nothing was sampled yet. */
char *profile_text(unsigned lines, Error **err);

#endif
