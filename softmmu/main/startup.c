/* SPDX-License-Identifier: MIT */
/* Start-up: canonical options become log settings, an accelerator and a machine. */
#include "softmmu/main/startup.h"

#include "accel/accel.h"
#include "hw/machine.h"
#include "softmmu/main/confine.h"
#include "softmmu/run.h"
#include "softmmu/watchdog.h"
#include "target/i386/cpu.h"
#include "ui/chardev.h"
#include "util/suggest.h"
#include "util/thread-name.h"
#include "util/trace.h"

#include <string.h>
#include <sys/prctl.h>

/* -- Log --------------------------------------------------------------------------------------- */

static bool apply_log(const ConfigItem *item, void *opaque, Error **err)
{
    return log_enable(item->text, err);
}

static bool apply_log_file(const ConfigItem *item, void *opaque, Error **err)
{
    return log_set_file(item->text, err);
}

static bool apply_trace(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"enable", "file", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, "enable", err);

    if (!kv) {
        return false;
    }
    const char *pattern = keyval_get(kv, "enable"), *file = keyval_get(kv, "file");
    return keyval_check_unused(kv, known, err) && (!file || log_set_file(file, err)) &&
           (!pattern || trace_enable(pattern, err));
}

static bool messages_name_guest; /* -msg guest-name=on; the name is known once there is a machine */

static bool apply_msg(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"timestamp", "guest-name", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
    bool timestamp = false;

    if (!kv || !keyval_get_bool(kv, "timestamp", &timestamp, err) ||
        !keyval_get_bool(kv, "guest-name", &messages_name_guest, err) ||
        !keyval_check_unused(kv, known, err)) {
        return false;
    }
    report_set_timestamp(timestamp);
    return true;
}

bool startup_logging(const Config *config, Error **err)
{
    return config_foreach(config, OPT_MSG, apply_msg, NULL, err) &&
           config_foreach(config, OPT_LOG_FILE, apply_log_file, NULL, err) &&
           config_foreach(config, OPT_LOG, apply_log, NULL, err) &&
           config_foreach(config, OPT_TRACE, apply_trace, NULL, err);
}

/* -- Settings ---------------------------------------------------------------------------------- */

/* Index of the key's value among `names`; absent leaves *ret_index. */
static bool get_choice(KeyVal *kv, const char *key, const char *const *names, int *ret_index,
                       Error **err)
{
    const char *value = keyval_get(kv, key);
    Suggest suggest;

    if (!value) {
        return true;
    }
    suggest_init(&suggest, value);
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *ret_index = i;
            return true;
        }
        suggest_offer(&suggest, names[i]);
    }
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    return error_set(err, "%s=%s is not one of %s%s", key, value, all, suggest_text(&suggest));
}

static bool apply_action(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const reboot[] = {"reset", "shutdown", NULL};
    static const char *const shutdown[] = {"poweroff", "pause", NULL};
    static const char *const panic[] = {"shutdown", "pause", "exit-failure", "none", NULL};
    static const char *const known[] = {"reboot", "shutdown", "panic", "watchdog", NULL};
    int reboot_action = run_reboot_action, shutdown_action = run_shutdown_action;
    int panic_action = run_panic_action, watchdog_action = run_watchdog_action;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);

    if (!kv || !get_choice(kv, "reboot", reboot, &reboot_action, err) ||
        !get_choice(kv, "shutdown", shutdown, &shutdown_action, err) ||
        !get_choice(kv, "panic", panic, &panic_action, err) ||
        !get_choice(kv, "watchdog", watchdog_action_names, &watchdog_action, err) ||
        !keyval_check_unused(kv, known, err)) {
        return false;
    }
    run_reboot_action = (RebootAction)reboot_action;
    run_shutdown_action = (ShutdownAction)shutdown_action;
    run_panic_action = (PanicAction)panic_action;
    run_watchdog_action = (WatchdogAction)watchdog_action;
    return true;
}

static bool check_only_none(const ConfigItem *item, void *opaque, Error **err)
{
    const char *missing = opaque;

    if (strcmp(item->text, "none") == 0) {
        return true;
    }
    return error_set(err, "%s; only 'none' is offered", missing);
}

static bool apply_global(const ConfigItem *item, void *opaque, Error **err)
{
    const char *equals = strchr(item->text, '=');
    const char *dot = strchr(item->text, '.');

    if (g_str_has_prefix(item->text, "driver=")) {
        g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
        static const char *const known[] = {"driver", "property", "value", NULL};
        if (!kv || !keyval_check_known(kv, known, err)) {
            return false;
        }
        const char *driver = keyval_get(kv, "driver"), *property = keyval_get(kv, "property");
        const char *value = keyval_get(kv, "value");
        return property && value ? object_add_global(driver, property, value, err)
                                 : error_set(err, "driver=, property= and value= belong together");
    }
    if (!equals || !dot || dot > equals) {
        return error_set(err, "the form is TYPE.PROPERTY=VALUE");
    }
    /* Names of types and of properties may hold dots:
     * the first split that names a type is meant. */
    for (const char *next = dot; next && next < equals; next = strchr(next + 1, '.')) {
        g_autofree char *name = g_strndup(item->text, (gsize)(next - item->text));
        dot = type_find(name) ? next : dot;
    }
    g_autofree char *driver = g_strndup(item->text, (gsize)(dot - item->text));
    g_autofree char *property = g_strndup(dot + 1, (gsize)(equals - dot - 1));
    return object_add_global(driver, property, equals + 1, err);
}

/* A daemon has no terminal. */
static bool check_no_stdio(const ConfigItem *item, void *opaque, Error **err)
{
    const char *text = g_str_has_prefix(item->text, "mon:") ? item->text + 4 : item->text;

    if (strcmp(text, "stdio") != 0 && !g_str_has_prefix(text, "stdio,")) {
        return true;
    }
    error_set(err, "with -daemonize there is no terminal to use");
    error_hint(err, "-display none goes with it; -serial and -monitor take file:, unix: or none");
    return false;
}

static bool check_daemon(const Config *config, Error **err)
{
    return !config_last(config, OPT_DAEMONIZE) ||
           (config_foreach(config, OPT_SERIAL, check_no_stdio, NULL, err) &&
            config_foreach(config, OPT_MONITOR, check_no_stdio, NULL, err) &&
            config_foreach(config, OPT_CHARDEV, check_no_stdio, NULL, err) &&
            config_foreach(config, OPT_DEBUGCON, check_no_stdio, NULL, err));
}

void startup_warn_if_unseen(const Config *config)
{
    const ConfigItem *serial = config_last(config, OPT_SERIAL);
    bool is_default = serial && g_str_has_prefix(serial->origin, "default device");

    if (is_default && !config_last(config, OPT_DISPLAY) && !config_last(config, OPT_MONITOR) &&
        !config_last(config, OPT_MON) && !config_last(config, OPT_DAEMONIZE)) {
        warn_report("there is no display here, so the guest runs unseen; -nographic shows its "
                    "serial console on this terminal, -display none says that this is meant");
    }
}

/* There are no deprecated and no unstable interfaces, so any policy about them holds. */
static bool check_compat(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const input[] = {"accept", "reject", "crash", NULL};
    static const char *const output[] = {"accept", "hide", NULL};
    static const char *const known[] = {"deprecated-input", "deprecated-output", "unstable-input",
                                        "unstable-output", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
    int choice;

    return kv && get_choice(kv, known[0], input, &choice, err) &&
           get_choice(kv, known[1], output, &choice, err) &&
           get_choice(kv, known[2], input, &choice, err) &&
           get_choice(kv, known[3], output, &choice, err) && keyval_check_unused(kv, known, err);
}

static bool apply_escape(const ConfigItem *item, void *opaque, Error **err)
{
    uint64_t byte;

    if (!parse_u64(item->text, &byte, err)) {
        return false;
    }
    if (byte == 0 || byte > UINT8_MAX) {
        return error_set(err, "%s is not between 1 and 255", item->text);
    }
    chardev_mux_prefix = (uint8_t)byte;
    return true;
}

bool startup_settings(const Config *config, Error **err)
{
    return check_daemon(config, err) &&
           config_foreach(config, OPT_DISPLAY, check_only_none, (void *)"there is no such display",
                          err) &&
           config_foreach(config, OPT_NET, check_only_none,
                          (void *)"there are no network back ends", err) &&
           config_foreach(config, OPT_NIC, check_only_none,
                          (void *)"there are no network back ends", err) &&
           config_foreach(config, OPT_PARALLEL, check_only_none,
                          (void *)"there is no parallel port", err) &&
           config_foreach(config, OPT_ESCAPE, apply_escape, NULL, err) &&
           config_foreach(config, OPT_COMPAT, check_compat, NULL, err) &&
           config_foreach(config, OPT_ACTION, apply_action, NULL, err) &&
           config_foreach(config, OPT_GLOBAL, apply_global, NULL, err);
}

/* -- What the process gives up ----------------------------------------------------------------- */

typedef struct Confinement {
    char *root, *user; /* NULL: as they are */
    bool mem_lock;
} Confinement;

static bool apply_run_with(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"user", "chroot", "async-teardown", NULL};
    Confinement *all = opaque;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
    bool async_teardown; /* there is nothing here that takes long to tear down */

    if (!kv || !keyval_get_bool(kv, "async-teardown", &async_teardown, err)) {
        return false;
    }
    const char *root = keyval_get(kv, "chroot"), *user = keyval_get(kv, "user");
    if (root) {
        g_free(all->root);
        all->root = g_strdup(root);
    }
    if (user) {
        g_free(all->user);
        all->user = g_strdup(user);
    }
    return keyval_check_unused(kv, known, err);
}

static bool apply_overcommit(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"mem-lock", "cpu-pm", NULL};
    Confinement *all = opaque;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);

    return kv && keyval_get_bool(kv, "mem-lock", &all->mem_lock, err) &&
           keyval_get_bool(kv, "cpu-pm", &run_cpu_pm, err) && keyval_check_unused(kv, known, err);
}

bool startup_confine(const Config *config, Error **err)
{
    Confinement all = {0};
    bool fine = config_foreach(config, OPT_RUN_WITH, apply_run_with, &all, err) &&
                config_foreach(config, OPT_OVERCOMMIT, apply_overcommit, &all, err);

    if (fine && all.mem_lock && !confine_lock_memory(err)) {
        error_prefix(err, "-overcommit mem-lock=on: ");
        fine = false;
    }
    if (fine && (all.root || all.user) && !confine_process(all.root, all.user, err)) {
        error_prefix(err, "-run-with: ");
        fine = false;
    }
    g_free(all.root);
    g_free(all.user);
    return fine;
}

static bool apply_sandbox(const ConfigItem *item, void *opaque, Error **err)
{
    const Config *config = opaque;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, "enable", err);
    const char *elevate = kv ? keyval_get(kv, "elevateprivileges") : NULL;
    const ConfigItem *run_with = config_last(config, OPT_RUN_WITH);

    if (elevate && strcmp(elevate, "deny") == 0 && run_with && strstr(run_with->text, "user=")) {
        error_set(err, "elevateprivileges=deny denies '%s', too", run_with->origin);
        error_hint(err, "elevateprivileges=children goes with it");
        return false;
    }
    return kv && confine_sandbox(kv, err);
}

bool startup_sandbox(const Config *config, Error **err)
{
    return config_foreach(config, OPT_SANDBOX, apply_sandbox, (void *)config, err);
}

/* -- Accelerator ------------------------------------------------------------------------------- */

/* QEMU takes kernel_irqchip=, max_ram_below_4g= and so on, too. */
static KeyVal *parse_machine(const ConfigItem *item, Error **err)
{
    KeyVal *kv = keyval_parse(item->text, "type", err);

    for (guint i = 0; kv && i < kv->pairs->len; i++) {
        g_strdelimit(((KeyValPair *)kv->pairs->pdata[i])->key, "_", '-');
    }
    return kv;
}

static const char *const kvm_machine_options[] = {"kernel-irqchip", "kvm-shadow-mem", NULL};

static bool collect_accel(const ConfigItem *item, void *opaque, Error **err)
{
    g_ptr_array_add(opaque, g_strdup(item->text));
    return true;
}

/* -machine accel=a:b */
static bool collect_machine_accel(const ConfigItem *item, void *opaque, Error **err)
{
    g_autoptr(KeyVal) kv = parse_machine(item, err);
    const char *names = kv ? keyval_get(kv, "accel") : NULL;

    if (!names) {
        return kv != NULL;
    }
    g_auto(GStrv) parts = g_strsplit(names, ":", -1);
    for (char **part = parts; *part; part++) {
        g_ptr_array_add(opaque, g_strdup(*part));
    }
    return true;
}

/* Properties of -machine that are KVM's: they belong to -accel kvm. */
static bool move_kvm_options(const ConfigItem *item, void *opaque, Error **err)
{
    g_autoptr(KeyVal) kv = parse_machine(item, err);
    GPtrArray *texts = opaque;

    for (unsigned n = 0; kv && kvm_machine_options[n]; n++) {
        const char *value = keyval_get(kv, kvm_machine_options[n]);

        for (guint i = 0; value && i < texts->len; i++) {
            char *text = texts->pdata[i];

            if (strcmp(text, "kvm") == 0 || g_str_has_prefix(text, "kvm,")) {
                texts->pdata[i] = g_strdup_printf("%s,%s=%s", text, kvm_machine_options[n], value);
                g_free(text);
            }
        }
    }
    return kv != NULL;
}

/* Options that stand for one of TCG's. */
static void add_to_tcg(GPtrArray *texts, const char *option)
{
    for (guint i = 0; i < texts->len; i++) {
        char *text = texts->pdata[i];

        if (strcmp(text, "tcg") == 0 || g_str_has_prefix(text, "tcg,")) {
            texts->pdata[i] = g_strdup_printf("%s,%s=on", text, option);
            g_free(text);
        }
    }
}

/* A program by the name of kvm, or qemu-kvm, uses it. */
static void add_default_accel(GPtrArray *texts)
{
    if (g_str_has_suffix(g_get_prgname(), "kvm")) {
        g_ptr_array_add(texts, g_strdup("kvm"));
    }
    g_ptr_array_add(texts, g_strdup("tcg"));
}

bool startup_accelerator(const Config *config, Error **err)
{
    static const struct {
        OptionId id;
        const char *option;
    } for_tcg[] = {
        {OPT_SINGLESTEP, "one-insn-per-tb"}, {OPT_PERFMAP, "perfmap"}, {OPT_JITDUMP, "jitdump"}};
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    const ConfigItem *cpu = config_last(config, OPT_CPU);
    Confinement later; /* memory is locked when it is there; cpu-pm= has to be known first */

    if (!config_foreach(config, OPT_OVERCOMMIT, apply_overcommit, &later, err) ||
        !config_foreach(config, OPT_ACCEL, collect_accel, texts, err) ||
        !config_foreach(config, OPT_MACHINE, collect_machine_accel, texts, err)) {
        return false;
    }
    if (!texts->len) {
        add_default_accel(texts);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(for_tcg); i++) {
        if (config_last(config, for_tcg[i].id)) {
            add_to_tcg(texts, for_tcg[i].option);
        }
    }
    if (!config_foreach(config, OPT_MACHINE, move_kvm_options, texts, err)) {
        return false;
    }
    accel_cpu_text = cpu ? cpu->text : NULL;
    if (!accel_select((char *const *)texts->pdata, texts->len, err)) {
        error_prefix(err, "%s: ", config_last(config, OPT_ACCEL) ? "-accel" : "-machine accel=");
        return false;
    }
    return cpu_model_select(cpu ? cpu->text : NULL, err);
}

/* -- Machine ----------------------------------------------------------------------------------- */

static bool find_type(const ConfigItem *item, void *opaque, Error **err)
{
    const Type **type = opaque;
    g_autoptr(KeyVal) kv = parse_machine(item, err);
    const char *name = kv ? keyval_get(kv, "type") : NULL;

    if (!name) {
        return kv != NULL;
    }
    *type = machine_find_or_fail(name, err);
    return *type != NULL;
}

static bool apply_machine(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const except[] = {"type", "accel", "kernel-irqchip", "kvm-shadow-mem", NULL};
    g_autoptr(KeyVal) kv = parse_machine(item, err);

    return kv && object_set_all(opaque, kv, except, err);
}

static bool add_firmware_dir(const ConfigItem *item, void *opaque, Error **err)
{
    guint *count = opaque;
    Machine *machine = machine_current();

    g_ptr_array_insert(machine->firmware_dirs, (int)(*count)++, g_strdup(item->text));
    return true;
}

/* Clients list these in any machine, whether something is there or not. */
static void make_containers(void)
{
    static const char *const paths[] = {"/objects", "/chardevs", "/machine/unattached",
                                        "/machine/peripheral", "/machine/peripheral-anon"};

    for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
        object_container(paths[i]);
    }
}

Machine *startup_machine(const Config *config, Error **err)
{
    const Type *type = machine_default();
    guint firmware_dirs = 0;

    if (!config_foreach(config, OPT_MACHINE, find_type, &type, err)) {
        return NULL;
    }
    if (!type) {
        error_set(err, "there is no default machine; choose one by -machine");
        return NULL;
    }
    Object *obj = object_new(type);
    object_add_child(object_root(), "machine", obj);
    make_containers();
    if (!config_foreach(config, OPT_MACHINE, apply_machine, obj, err) ||
        !config_foreach(config, OPT_FIRMWARE_DIR, add_firmware_dir, &firmware_dirs, err)) {
        object_free(obj);
        return NULL;
    }
    Machine *machine = (Machine *)obj;
    if (machine->kernel && accel_current()->use_kernel) {
        accel_current()->use_kernel(machine->kernel);
    }
    report_set_guest_name(messages_name_guest ? machine->guest_name : NULL);
    thread_names_enable(machine->debug_threads);
    if (machine->process_name) {
        prctl(PR_SET_NAME, machine->process_name);
    }
    return machine;
}
