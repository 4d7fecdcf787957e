/* SPDX-License-Identifier: MIT */
/* main(): parse everything, build the machine, run the main loop, take everything down again.
 * docs/design/architecture.md walks through it. */
#include "softmmu/main/outcome.h"
#include "softmmu/main/startup.h"

#include "block/block.h"
#include "hw/machine.h"
#include "softmmu/gdbstub.h"
#include "softmmu/run.h"
#include "ui/chardev.h"

#include <stdio.h>
#include <stdlib.h>

/* The main loop under the machine lock, which the caller holds from here on. */
static bool start_loop(Error **err)
{
    Loop *loop = loop_new("main", &machine_loop_lock, err);

    if (!loop) {
        return false;
    }
    main_loop_set(loop);
    machine_lock();
    return true;
}

/* Machine, host side, board, devices; in this order, because each needs the one before. */
static bool build_machine(const Config *config, Error **err)
{
    const ConfigItem *pidfile = config_last(config, OPT_PIDFILE);
    Machine *machine;

    if (pidfile && !process_write_pidfile(pidfile->text, err)) {
        error_prefix(err, "%s: ", pidfile->origin);
        return false;
    }
    if (!startup_accelerator(config, err)) {
        return false;
    }
    machine = startup_machine(config, err);
    if (!machine || !startup_back_ends(config, machine, err) || !process_watch_signals(err)) {
        return false;
    }
    if (!object_realize(&machine->obj, err) || !startup_devices(config, err) ||
        !machine_ready(machine, err)) {
        return false;
    }
    system_set_reset_handler(machine_reset, machine);
    machine_reset(machine);
    startup_warn_if_unseen(config);
    return process_leave_folder(err) && startup_confine(config, err) && process_ready(err);
}

/* Everything that was made, newest first, whether start-up got to its end or not. */
static void take_down(void)
{
    Object *root = object_root();

    vcpus_destroy();
    block_drain_all();
    object_free((Object *)machine_current());
    while (root->children->len) {
        object_free(root->children->pdata[root->children->len - 1]);
    }
    chardev_restore_terminal();
    process_remove_pidfile();
    machine_unlock();
}

static bool run(const Config *config, int *ret_status, Error **err)
{
    if (!outcome_begin(config, err) || !startup_logging(config, err) ||
        !startup_settings(config, err)) {
        return false;
    }
    if (config_last(config, OPT_DAEMONIZE) && !process_daemonize(err)) {
        return false;
    }
    if (!startup_sandbox(config, err) || !start_loop(err)) {
        return false;
    }
    outcome_watch();
    bool built = build_machine(config, err);
    if (built) {
        if (!config_last(config, OPT_PAUSED)) {
            vm_start();
        }
        *ret_status = run_main_loop();
        gdbstub_exit(*ret_status);
        outcome_collect();
    }
    take_down();
    return built;
}

static void print_config(const Config *config)
{
    g_autofree char *text = config_text(config);

    fputs(text, stdout);
}

/* Reports the error, which is the outcome. */
static int failed(Error *err)
{
    outcome_write(EXIT_FAILURE, err);
    error_report_free(err);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argv[0]);
    g_autoptr(Config) config = config_new();
    Error *err = NULL;
    int status = EXIT_SUCCESS;

    g_set_prgname(name);
    if (!config_parse(config, argc, argv, &err)) {
        outcome_begin_words(argc, argv);
        return failed(err);
    }
    if (help_answer(config)) {
        return EXIT_SUCCESS;
    }
    if (!config_add_defaults(config, &err)) {
        return failed(err);
    }
    if (config_last(config, OPT_DUMP_CONFIG)) {
        print_config(config);
        return EXIT_SUCCESS;
    }
    if (!run(config, &status, &err)) {
        return failed(err);
    }
    return outcome_write(status, NULL) || status ? status : EXIT_FAILURE;
}
