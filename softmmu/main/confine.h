/* SPDX-License-Identifier: MIT */
/* What the process gives up before the guest runs: system calls, its root folder, its user; and
 * memory it holds on to. */
#ifndef SOFTMMU_MAIN_CONFINE_H
#define SOFTMMU_MAIN_CONFINE_H

#include "util/keyval.h"

/* -sandbox: from here on the kernel ends the process at a system call that is denied (of
 * resourcecontrol= fails with EPERM). For all threads, those to come too. */
bool confine_sandbox(KeyVal *kv, Error **err);

/* Another root folder, then another user: "NAME" or "UID:GID". Either may be NULL. */
bool confine_process(const char *root, const char *user, Error **err);

/* Keeps all memory of the process, guest memory above all, out of swap. */
bool confine_lock_memory(Error **err);

#endif
