/* SPDX-License-Identifier: MIT */
/* The option table, parsing of the command line into canonical items, and its help text. */
#include "softmmu/main/options.h"

#include "util/suggest.h"
#include "util/version.h"

#include <stdio.h>
#include <string.h>

const OptionRow option_rows[] = {
    {"h", .id = OPT_HELP},
    {"help", .id = OPT_HELP, .help = "print this text"},
    {"version", .id = OPT_VERSION, .help = "print the version"},
    {"machine", "[type=]NAME[,PROP=VALUE...]",
     "machine to emulate; help lists them, NAME,help lists "
     "the properties\naccel=A[:B...] names the accelerators to try",
     .id = OPT_MACHINE},
    {"accel", "NAME[,PROP=VALUE...]", "accelerator; a second -accel is tried when the first fails",
     .id = OPT_ACCEL},
    {"singlestep", .help = "one-insn-per-tb=on for -accel tcg", .id = OPT_SINGLESTEP},
    {"perfmap", .help = "perfmap=on for -accel tcg: names for perf report", .id = OPT_PERFMAP},
    {"jitdump", .help = "jitdump=on for -accel tcg: code for perf inject --jit", .id = OPT_JITDUMP},
    {"cpu", "MODEL[,+FEATURE][,-FEATURE]", "CPU model; help lists them", .id = OPT_CPU},
    {"device", "TYPE[,PROP=VALUE...]",
     "add a device; help lists them, TYPE,help lists the "
     "properties",
     .id = OPT_DEVICE},
    {"object", "TYPE,id=ID[,PROP=VALUE...]", "add an object; help lists the types",
     .id = OPT_OBJECT},
    {"global", "TYPE.PROP=VALUE", "default of a property for all devices of a type",
     .id = OPT_GLOBAL},
    {"drive", "file=FILE[,KEY=VALUE...]", "add a disk; help lists the keys", .id = OPT_DRIVE},
    {"chardev", "BACKEND,id=ID[,KEY=VALUE...]", "add a character back end; help lists them",
     .id = OPT_CHARDEV},
    {"add-fd", "fd=FD,set=N[,opaque=TEXT]",
     "put an inherited descriptor into a set; files can be opened as /dev/fdset/N",
     .id = OPT_ADD_FD},
    {"serial", "DEV",
     "next serial port: stdio, mon:stdio, file:PATH, unix:PATH,server=on,wait=off,\n"
     "tcp:HOST:PORT, telnet:, websocket:, udp:, pty, pipe:PATH, /dev/ttyS0, null, none,\n"
     "chardev:ID",
     .id = OPT_SERIAL},
    {"parallel", "none", "there is no parallel port", .id = OPT_PARALLEL},
    {"monitor", "DEV", "monitor on a character back end; none for no monitor", .id = OPT_MONITOR},
    {"qmp", "DEV", "monitor for programs (QMP) on a character back end", .id = OPT_QMP},
    {"qmp-pretty", "DEV", "the same with its answers indented", .id = OPT_QMP_PRETTY},
    {"mon", "chardev=ID[,mode=readline|control][,pretty=on]", "either on a -chardev",
     .id = OPT_MON},
    {"debugcon", "DEV", "debug console of the firmware (port e9h; -global isa-debugcon.iobase=)",
     .id = OPT_DEBUGCON},
    {"gdb", "DEV",
     "serve gdb on tcp:[HOST]:PORT, unix:PATH or another character back end; a client\n"
     "stops the machine",
     .id = OPT_GDB},
    {"display", "none", "kind of display", .id = OPT_DISPLAY},
    {"net", "none", "no network card", .id = OPT_NET},
    {"nic", "none", "no network card", .id = OPT_NIC},
    {"fw_cfg", "[name=]NAME,file=FILE|string=TEXT", "item the guest reads through fw_cfg",
     .id = OPT_FW_CFG},
    {"smbios", "file=FILE|type=N[,KEY=VALUE...]",
     "SMBIOS structure from a file, or keys of type 0, 1, 2, 3, 4, 8, 11, 17 or 41",
     .id = OPT_SMBIOS},
    {"acpitable", "file=FILE|data=FILE[:FILE...][,sig=...]",
     "ACPI table from a file; data=: without its header, whose keys are sig, rev, oem_id,\n"
     "oem_table_id, oem_rev, asl_compiler_id and asl_compiler_rev",
     .id = OPT_ACPI_TABLE},
    {"numa", "node[,nodeid=N][,mem=SIZE|memdev=ID][,cpus=FIRST[-LAST]]",
     "memory and CPUs of a node; or dist,src=N,dst=N,val=DISTANCE; or\n"
     "cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N]; or, with\n"
     "-machine hmat=on and initiator=N of nodes, hmat-lb,... and hmat-cache,...",
     .id = OPT_NUMA},
    {"option-rom", "[romfile=]FILE[,bootindex=N]",
     "ROM that firmware runs before it boots; bootindex=: its place among what it boots from",
     .id = OPT_OPTION_ROM},
    {"compat", "POLICY=VALUE[,...]", "what deprecated and unstable interfaces lead to",
     .id = OPT_COMPAT},
    {"L", "DIR", "look for firmware in DIR first; help lists the places", .id = OPT_FIRMWARE_DIR},
    {"action", "EVENT=ACTION[,...]",
     "reboot=reset|shutdown, shutdown=poweroff|pause,\n"
     "panic=pause|shutdown|exit-failure|none,\n"
     "watchdog=reset|shutdown|poweroff|pause|debug|none|inject-nmi",
     .id = OPT_ACTION},
    {"outcome", "FILE|stdio[,hang=SECONDS]",
     "write a JSON record of how the run ended and what it used;\n"
     "hang=: end when the guest is dead for so long (guest time)",
     .id = OPT_OUTCOME},
    {"run-with", "[user=NAME|UID:GID][,chroot=DIR]", "give up rights once the machine is made",
     .id = OPT_RUN_WITH},
    {"sandbox",
     "[enable=]on|off[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]\n"
     "                        [,spawn=allow|deny][,resourcecontrol=allow|deny]",
     "system calls the process may not make", .id = OPT_SANDBOX},
    {"overcommit", "[mem-lock=on|off][,cpu-pm=on|off]",
     "keep guest memory out of swap; leave halted CPUs to the guest (KVM)", .id = OPT_OVERCOMMIT},
    {"echr", "BYTE", "number of the byte before commands to a mux; 1: Ctrl-A", .id = OPT_ESCAPE},
    {"nodefaults", .id = OPT_NODEFAULTS, .help = "make no device that was not asked for"},
    {"S", .id = OPT_PAUSED, .help = "do not start the CPUs; the monitor's cont does"},
    {"daemonize", .id = OPT_DAEMONIZE, .help = "go to the background once the machine is made"},
    {"pidfile", "FILE", "write the process number there", .id = OPT_PIDFILE},
    {"d", "ITEM[,...]", "log items; help lists them", .id = OPT_LOG},
    {"D", "FILE", "write the log there", .id = OPT_LOG_FILE},
    {"trace", "[enable=]PATTERN[,file=FILE]", "write trace points that match; help lists them",
     .id = OPT_TRACE},
    {"msg", "[timestamp=on|off][,guest-name=on|off]", "form of messages", .id = OPT_MSG},
    {"k", "LANGUAGE", "keyboard layout of displays", .id = OPT_KEYMAP},
    {"no-user-config", .id = OPT_NO_USER_CONFIG, .help = "nothing: no configuration is read"},
    {"dump-config", .id = OPT_DUMP_CONFIG, .help = "print the canonical command line and end"},
    {NULL},
};

/* -- Configuration ----------------------------------------------------------------------------- */

static void item_free(gpointer data)
{
    ConfigItem *item = data;

    g_free(item->text);
    g_free(item->origin);
    g_free(item);
}

static void line_free(gpointer data)
{
    ConfigLine *line = data;

    g_free(line->origin);
    g_free(line->key);
    g_free(line->place);
    g_free(line);
}

Config *config_new(void)
{
    Config *config = g_new0(Config, 1);

    config->items = g_ptr_array_new_with_free_func(item_free);
    config->lines = g_ptr_array_new_with_free_func(line_free);
    return config;
}

void config_free(Config *config)
{
    if (config) {
        g_ptr_array_free(config->items, TRUE);
        g_ptr_array_free(config->lines, TRUE);
        g_free(config);
    }
}

static const OptionRow *find_in(const OptionRow *rows, const char *name)
{
    for (; rows->name; rows++) {
        if (strcmp(rows->name, name) == 0) {
            return rows;
        }
    }
    return NULL;
}

static const OptionRow *find_row(const char *name, Error **err)
{
    const OptionRow *row = find_in(option_rows, name);
    Suggest suggest;

    row = row ? row : find_in(alias_rows, name);
    row = row ? row : find_in(refused_rows, name);
    if (row) {
        return row;
    }
    suggest_init(&suggest, name);
    for (row = option_rows; row->name; row++) {
        suggest_offer(&suggest, row->name);
    }
    for (row = alias_rows; row->name; row++) {
        suggest_offer(&suggest, row->name);
    }
    if (suggest.best) {
        error_set(err, "there is no option '-%s'; did you mean '-%s'?", name, suggest.best);
    } else {
        error_set(err, "there is no option '-%s'", name);
    }
    error_hint(err, "-help lists the options");
    return NULL;
}

static char *double_commas(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    return g_strjoinv(",,", parts);
}

/* Rewrites "a=1,b=2" to "PREFIXa=1,PREFIXb=2". */
static char *prefix_keys(const OptionRow *row, const char *argument, Error **err)
{
    g_autoptr(KeyVal) kv = keyval_parse(argument, row->implied_key, err);
    GString *text;

    if (!kv) {
        return NULL;
    }
    text = g_string_new(NULL);
    for (guint i = 0; i < kv->pairs->len; i++) {
        const KeyValPair *pair = kv->pairs->pdata[i];
        g_autofree char *value = double_commas(pair->value);

        g_string_append_printf(text, "%s%s%s=%s", i ? "," : "", row->prefix, pair->key, value);
    }
    return g_string_free(text, FALSE);
}

static bool add_rewritten(Config *config, const OptionRow *row, const char *argument,
                          const char *origin, Error **err)
{
    g_autofree char *text = NULL;

    if (row->rewrite) {
        return row->rewrite(config, argument, origin, err);
    }
    if (row->prefix) {
        text = prefix_keys(row, argument, err);
        if (!text) {
            return false;
        }
    } else if (row->text && strstr(row->text, "%s")) {
        g_auto(GStrv) parts = g_strsplit(row->text, "%s", 2);
        g_autofree char *doubled = double_commas(argument);
        text = g_strconcat(parts[0], doubled, parts[1], NULL);
    } else {
        text = g_strdup(row->text ? row->text : argument);
    }
    return config_add(config, row->to, text, origin, err);
}

bool config_add(Config *config, const char *name, const char *text, const char *origin, Error **err)
{
    const OptionRow *row = find_row(name, err);

    if (!row) {
        return false;
    }
    if (row->refused) {
        return error_set(err, "%s", row->refused);
    }
    if (row->id == OPT_NONE) {
        return add_rewritten(config, row, text, origin, err);
    }
    ConfigItem *item = g_new(ConfigItem, 1);
    *item = (ConfigItem){row, g_strdup(text), g_strdup(origin)};
    g_ptr_array_add(config->items, item);
    return true;
}

/* -- Command line ------------------------------------------------------------------------------ */

/* "help" for an option that takes keys, or one of a few words, and has no list of its own. Where a
 * name or a file comes first it may be called so. */
static bool asks_for_keys(const OptionRow *row, const char *argument)
{
    if (!row->arg || !row->help || row->refused || strstr(row->help, "help lists") ||
        (strcmp(argument, "help") != 0 && strcmp(argument, "?") != 0)) {
        return false;
    }
    g_autofree char *first = g_strndup(row->arg, strcspn(row->arg, ","));
    bool is_choice = !strpbrk(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return is_choice || (strchr(first, '=') && !strstr(first, "]NAME") && !strstr(first, "]FILE"));
}

static bool parse_option(Config *config, const char *name, const char *argument, bool *ret_taken,
                         Error **err)
{
    const OptionRow *row = find_row(name, err);
    bool takes_argument;

    if (!row) {
        return false;
    }
    takes_argument = row->arg != NULL;
    if (takes_argument && !argument && !row->refused) {
        return error_set(err, "-%s needs an argument: %s", name, row->arg);
    }
    g_autofree char *origin = takes_argument && argument ? g_strdup_printf("-%s %s", name, argument)
                                                         : g_strdup_printf("-%s", name);
    *ret_taken = takes_argument;
    if (takes_argument && argument && asks_for_keys(row, argument)) {
        return config_add(config, "help", name, origin, err);
    }
    if (!config_add(config, name, takes_argument ? argument : NULL, origin, err)) {
        error_prefix(err, "%s: ", origin);
        return false;
    }
    return true;
}

bool config_parse(Config *config, int argc, char **argv, Error **err)
{
    bool seen_disk = false;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool taken = false;

        if (word[0] == '-' && word[1]) {
            const char *name = word + (word[1] == '-' ? 2 : 1);

            if (!parse_option(config, name, argv[i + 1], &taken, err)) {
                return false;
            }
            i += taken;
            if (config_last(config, OPT_HELP) || config_last(config, OPT_VERSION)) {
                return true;
            }
            continue;
        }
        if (seen_disk) {
            return error_set(err, "'%s' is a second disk image; use -hdb or -drive", word);
        }
        seen_disk = true;
        if (!config_add(config, "hda", word, word, err)) {
            return false;
        }
    }
    return true;
}

const ConfigItem *config_last(const Config *config, OptionId id)
{
    for (guint i = config->items->len; i > 0; i--) {
        const ConfigItem *item = config->items->pdata[i - 1];

        if (item->row->id == id) {
            return item;
        }
    }
    return NULL;
}

bool config_foreach(const Config *config, OptionId id,
                    bool (*fn)(const ConfigItem *item, void *opaque, Error **err), void *opaque,
                    Error **err)
{
    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if (item->row->id == id && !fn(item, opaque, err)) {
            error_prefix(err, "%s: ", config_error_place(config, item->origin, err));
            return false;
        }
    }
    return true;
}

const char *config_error_place(const Config *config, const char *origin, Error *const *err)
{
    for (guint i = 0; err && *err && i < config->lines->len; i++) {
        const ConfigLine *line = config->lines->pdata[i];
        g_autofree char *quoted = g_strdup_printf("'%s'", line->key);

        if (strcmp(line->origin, origin) == 0 && strstr(error_message(*err), quoted)) {
            return line->place;
        }
    }
    return origin;
}

char *config_text(const Config *config)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < config->items->len; i++) {
        const ConfigItem *item = config->items->pdata[i];

        if (item->row->id == OPT_DUMP_CONFIG) {
            continue;
        }
        g_string_append_printf(text, "-%s", item->row->name);
        if (item->text) {
            g_autofree char *quoted = g_shell_quote(item->text);
            bool plain = !strpbrk(item->text, " '\"\\$`!*?[]{}()<>|&;~#\t\n") && item->text[0];
            g_string_append_printf(text, " %s", plain ? item->text : quoted);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

/* -- Help -------------------------------------------------------------------------------------- */

#define HELP_COLUMN 24

static void append_row_help(const OptionRow *row, GString *text)
{
    gsize start = text->len;

    if (!row->help) {
        return;
    }
    g_string_append_printf(text, "-%s%s%s", row->name, row->arg ? " " : "",
                           row->arg ? row->arg : "");
    if (text->len - start >= HELP_COLUMN) {
        g_string_append_printf(text, "\n%*s", HELP_COLUMN, "");
    } else {
        g_string_append_printf(text, "%*s", (int)(HELP_COLUMN - (text->len - start)), "");
    }
    g_auto(GStrv) lines = g_strsplit(row->help, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_string_append_printf(text, line == lines ? "%s\n" : "                        %s\n",
                               *line);
    }
}

char *options_version(void)
{
    return g_strdup("QEMU emulator version " QEMU_COMPAT_VERSION " (Mimus " MIMUS_VERSION ")\n");
}

char *options_help_of(const char *name)
{
    const OptionRow *row = find_row(name, NULL);
    GString *text = g_string_new(NULL);

    if (row) {
        append_row_help(row, text);
    }
    return g_string_free(text, FALSE);
}

char *options_help(void)
{
    GString *text = g_string_new(NULL);
    g_autofree char *version = options_version();

    g_string_append_printf(text,
                           "%susage: %s [options] [disk_image]\n\n"
                           "disk_image: what the first hard disk holds, as -hda says it\n\n",
                           version, g_get_prgname());
    for (const OptionRow *row = option_rows; row->name; row++) {
        append_row_help(row, text);
    }
    g_string_append(text, "\nShort forms (--dump-config shows what they stand for):\n");
    for (const OptionRow *row = alias_rows; row->name; row++) {
        if (!row->refused) {
            append_row_help(row, text);
        }
    }
    return g_string_free(text, FALSE);
}
