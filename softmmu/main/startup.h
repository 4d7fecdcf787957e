/* SPDX-License-Identifier: MIT */
/* The steps of start-up, in the order main() takes them. Under the machine lock from
 * startup_machine() on. */
#ifndef SOFTMMU_MAIN_STARTUP_H
#define SOFTMMU_MAIN_STARTUP_H

#include "softmmu/main/options.h"

typedef struct Machine Machine;

/* -d, -D, -trace, -msg: before anything else. */
bool startup_logging(const Config *config, Error **err);

/* Options that name something not there, and settings of the run state (-action). */
bool startup_settings(const Config *config, Error **err);

/* -accel and -machine accel=; then -cpu. */
bool startup_accelerator(const Config *config, Error **err);

/* Makes the object of the board at /machine with the properties of all -machine items; not yet
 * realized. NULL on failure. */
Machine *startup_machine(const Config *config, Error **err);

/* -add-fd, -object, -chardev, -drive, -serial, -fw_cfg: what the board may take when it is realized. */
bool startup_back_ends(const Config *config, Machine *machine, Error **err);

/* -device, -debugcon, -monitor, -mon: after the board is realized. */
bool startup_devices(const Config *config, Error **err);

/* Lets the monitor tell clients which options there are. */
void startup_tell_options(void);

/* -sandbox: before there are threads. */
bool startup_sandbox(const Config *config, Error **err);

/* -overcommit, -run-with: when nothing more needs rights. */
bool startup_confine(const Config *config, Error **err);

/* Who gives no option about a display expects a window: says how to see the guest. */
void startup_warn_if_unseen(const Config *config);

/* -- The process (process.c) ------------------------------------------------------------------- */

/* -daemonize: returns in the child; the parent waits for process_ready() or the child's end and
 * ends with its status. */
bool process_daemonize(Error **err);
/* A daemon keeps no folder busy; when no path is opened any more and before rights are given up. */
bool process_leave_folder(Error **err);
/* Tells the waiting parent that all went well and lets go of the terminal; no-op when not
 * daemonized. */
bool process_ready(Error **err);

/* Writes and locks the file; process_remove_pidfile() removes it. */
bool process_write_pidfile(const char *path, Error **err);
void process_remove_pidfile(void);

/* SIGINT, SIGTERM and SIGHUP ask for a shutdown; before threads are started. */
bool process_watch_signals(Error **err);

#endif
