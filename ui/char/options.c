/* SPDX-License-Identifier: MIT */
/* -chardev and the short forms of -serial, -monitor and -debugcon. */
#include "chardev-private.h"
#include "util/suggest.h"

#include <signal.h>
#include <string.h>

/* -- Finding ----------------------------------------------------------------------------------- */

bool chardev_may_wait = true;

typedef struct BackendSearch {
    const char *wanted;
    const Type *found;
    Suggest suggest;
} BackendSearch;

static void match_backend(const Type *type, void *opaque)
{
    BackendSearch *search = opaque;
    const ChardevInfo *info = type->info;

    if (!info->backend) {
        return;
    }
    suggest_offer(&search->suggest, info->backend);
    if (g_str_equal(info->backend, search->wanted) ||
        (info->alias && g_str_equal(info->alias, search->wanted))) {
        search->found = type;
    }
}

/* Back ends of QEMU's that are not here, and why. */
static const struct {
    const char *backend, *reason;
} refused_backends[] = {
    {"spicevmc", "there is no SPICE server"},
    {"spiceport", "there is no SPICE server"},
    {"qemu-vdagent", "there is no display with a clipboard"},
    {"dbus", "there is no D-Bus display"},
    {"braille", "BrlAPI is not used"},
    {"msmouse", "a serial mouse is not offered; the machine has a PS/2 mouse"},
    {"wctablet", "a serial tablet is not offered"},
    {"testdev", "it is for other machines; -device pc-testdev is the one for PCs"},
};

static const Type *find_backend(const char *name, Error **err)
{
    BackendSearch search = {.wanted = name};

    for (size_t i = 0; i < G_N_ELEMENTS(refused_backends); i++) {
        if (g_str_equal(refused_backends[i].backend, name)) {
            error_set(err, "character back end '%s' is not offered: %s", name,
                      refused_backends[i].reason);
            return NULL;
        }
    }
    suggest_init(&search.suggest, name);
    type_foreach(&chardev_type, match_backend, &search);
    if (!search.found) {
        error_set(err, "unknown character back end '%s'%s", name, suggest_text(&search.suggest));
    }
    return search.found;
}

Chardev *chardev_find(const char *id)
{
    return (Chardev *)object_child(object_container("/chardevs"), id);
}

Chardev *chardev_find_or_suggest(const char *id, Error **err)
{
    Chardev *chardev = chardev_find(id);

    if (!chardev) {
        GPtrArray *all = object_container("/chardevs")->children;
        Suggest suggest;
        suggest_init(&suggest, id);
        for (guint i = 0; i < all->len; i++) {
            suggest_offer(&suggest, ((Object *)all->pdata[i])->name);
        }
        error_set(err, "there is no character device '%s'%s", id, suggest_text(&suggest));
    }
    return chardev;
}

/* -- -chardev ---------------------------------------------------------------------------------- */

static bool check_options(const Type *type, KeyVal *options, bool is_before, Error **err)
{
    static const char *const common[] = {"backend", "id", "mux", "logfile", "logappend", "backlog"};
    const ChardevInfo *info = type->info;
    g_autoptr(GPtrArray) known = g_ptr_array_new();

    for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
        g_ptr_array_add(known, (gpointer)common[i]);
    }
    for (const char *const *name = info->options; name && *name; name++) {
        g_ptr_array_add(known, (gpointer)*name);
    }
    g_ptr_array_add(known, NULL);
    const char *const *names = (const char *const *)known->pdata;
    return is_before ? keyval_check_known(options, names, err)
                     : keyval_check_unused(options, names, err);
}

/* Makes the back end, below a mux if mux=on. */
static Chardev *create_with_mux(const Type *type, const char *label, KeyVal *options, Error **err)
{
    bool mux = false;

    if (!check_options(type, options, true, err) || !keyval_get_bool(options, "mux", &mux, err)) {
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is no reason to end */
    g_autofree char *base_label = mux ? g_strconcat(label, "-base", NULL) : g_strdup(label);
    if (mux && chardev_find(base_label)) {
        error_set(err, "there is a character device '%s' already", base_label);
        return NULL;
    }
    Chardev *chardev = chardev_create(type, base_label, options, err);
    if (!chardev) {
        return NULL;
    }
    if (!check_options(type, options, false, err)) {
        object_free(&chardev->obj);
        return NULL;
    }
    chardev_enrol(chardev);
    return mux ? chardev_mux_new(label, chardev, err) : chardev;
}

const Type *chardev_parse_backend(KeyVal *options, Error **err)
{
    const char *backend = keyval_get(options, "backend");

    if (!backend) {
        error_set(err, "-chardev needs a back end first, as in 'socket,id=...'");
        return NULL;
    }
    const Type *type = find_backend(backend, err);
    return type && check_options(type, options, true, err) ? type : NULL;
}

Chardev *chardev_new(KeyVal *options, Error **err)
{
    const Type *type = chardev_parse_backend(options, err);
    const char *id = keyval_get(options, "id");

    if (!type) {
        return NULL;
    }
    if (!id || !*id || strchr(id, '/')) {
        error_set(err, "-chardev %s needs id=%s", keyval_get(options, "backend"),
                  id && *id ? " without '/'" : "");
        return NULL;
    }
    if (chardev_find(id)) {
        error_set(err, "there are two character devices with id '%s'", id);
        return NULL;
    }
    return create_with_mux(type, id, options, err);
}

static void add_help(const char *backend, const char *desc, void *opaque)
{
    g_string_append_printf(opaque, "  %-10s %s\n", backend, desc);
}

char *chardev_help(void)
{
    GString *text = g_string_new("Available character back ends:\n");

    chardev_foreach_backend(add_help, text);
    g_string_append(text, "All take: mux=on|off, logfile=FILE, logappend=on|off, and backlog=SIZE, "
                          "how much\noutput is kept for the next client while none is there "
                          "(default 0: it is dropped).\n");
    return g_string_free(text, FALSE);
}

/* -- Short forms: each becomes the options of -chardev ----------------------------------------- */

/* "HOST:PORT" with an IPv6 host in brackets, into host= and port=. */
static bool split_address(KeyVal *options, const char *address, Error **err)
{
    const char *colon = strrchr(address, ':');

    if (!colon) {
        return error_set(err, "'%s' is not HOST:PORT", address);
    }
    g_autofree char *host = g_strndup(address, (gsize)(colon - address));
    size_t length = strlen(host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = 0;
        keyval_set(options, "host", host + 1);
    } else {
        keyval_set(options, "host", host);
    }
    keyval_set(options, "port", colon + 1);
    return true;
}

static KeyVal *options_with_path(const char *path, Error **err)
{
    KeyVal *options = keyval_parse("", NULL, err);

    if (options && path) {
        keyval_set(options, "path", path);
    }
    return options;
}

static KeyVal *options_of_unix(const char *rest, Error **err)
{
    return keyval_parse(rest, "path", err);
}

static KeyVal *options_of_tcp(const char *rest, Error **err)
{
    g_autoptr(KeyVal) options = keyval_parse(rest, "host", err);
    g_autofree char *address = g_strdup(options ? keyval_get(options, "host") : NULL);

    if (!options || !split_address(options, address ? address : "", err)) {
        return NULL;
    }
    return g_steal_pointer(&options);
}

static KeyVal *options_of_telnet(const char *rest, Error **err)
{
    KeyVal *options = options_of_tcp(rest, err);

    if (options) {
        keyval_set(options, "telnet", "on");
    }
    return options;
}

static KeyVal *options_of_websocket(const char *rest, Error **err)
{
    KeyVal *options = options_of_tcp(rest, err);

    if (options) {
        keyval_set(options, "websocket", "on");
    }
    return options;
}

/* [HOST]:PORT[@[LOCAL]:LOCALPORT] */
static KeyVal *options_of_udp(const char *rest, Error **err)
{
    g_auto(GStrv) halves = g_strsplit(rest, "@", 2);
    g_autoptr(KeyVal) options = keyval_parse("", NULL, err);
    g_autoptr(KeyVal) local = keyval_parse("", NULL, err);

    if (!options || !local || !split_address(options, halves[0] ? halves[0] : "", err)) {
        return NULL;
    }
    if (halves[0] && halves[1]) {
        if (!split_address(local, halves[1], err)) {
            return NULL;
        }
        keyval_set(options, "localaddr", keyval_get(local, "host"));
        keyval_set(options, "localport", keyval_get(local, "port"));
    }
    return g_steal_pointer(&options);
}

/* WIDTHxHEIGHT, each in pixels or, with a C behind it, in characters. */
static KeyVal *options_of_vc(const char *rest, Error **err)
{
    static const char *const keys[2][2] = {{"width", "cols"}, {"height", "rows"}};
    g_autoptr(KeyVal) options = keyval_parse("", NULL, err);
    g_auto(GStrv) sizes = g_strsplit(rest, "x", 2);
    uint64_t number;

    for (unsigned i = 0; i < 2; i++) {
        bool in_characters = sizes[0] && sizes[i] && g_str_has_suffix(sizes[i], "C");

        if (in_characters) {
            sizes[i][strlen(sizes[i]) - 1] = '\0';
        }
        if (!sizes[0] || !sizes[i] || !parse_u64(sizes[i], &number, NULL)) {
            error_set(err, "'vc:%s' is not vc:WIDTHxHEIGHT or vc:COLUMNSCxROWSC", rest);
            return NULL;
        }
        keyval_set(options, keys[i][in_characters], sizes[i]);
    }
    return g_steal_pointer(&options);
}

static KeyVal *options_none(const char *rest, Error **err)
{
    return keyval_parse("", NULL, err);
}

static const struct ShortForm {
    const char *form; /* ending in ':': a prefix */
    const char *backend;
    KeyVal *(*parse)(const char *rest, Error **err);
} short_forms[] = {
    {"stdio", "stdio", options_none},
    {"null", "null", options_none},
    {"pty", "pty", options_none},
    {"vc", "vc", options_none},
    {"vc:", "vc", options_of_vc},
    {"file:", "file", options_with_path},
    {"pipe:", "pipe", options_with_path},
    {"unix:", "socket", options_of_unix},
    {"tcp:", "socket", options_of_tcp},
    {"telnet:", "socket", options_of_telnet},
    {"websocket:", "socket", options_of_websocket},
    {"udp:", "udp", options_of_udp},
};

/* /dev/ttyS0 and the like are their own short form. */
static const struct ShortForm device_forms[] = {
    {"", "parallel", options_with_path},
    {"", "serial", options_with_path},
};

static const struct ShortForm *find_short_form(const char *text, Error **err)
{
    Suggest suggest;

    if (g_str_has_prefix(text, "/dev/")) {
        return &device_forms[g_str_has_prefix(text, "/dev/parport") ? 0 : 1];
    }
    g_autofree char *word = g_strndup(text, strcspn(text, ":") + (strchr(text, ':') ? 1 : 0));

    suggest_init(&suggest, word);
    suggest_offer(&suggest, "none");
    suggest_offer(&suggest, "chardev:");
    suggest_offer(&suggest, "mon:");
    for (size_t i = 0; i < G_N_ELEMENTS(short_forms); i++) {
        if (g_str_equal(short_forms[i].form, word)) {
            return &short_forms[i];
        }
        suggest_offer(&suggest, short_forms[i].form);
    }
    error_set(err, "'%s' is not a character device%s", text, suggest_text(&suggest));
    return NULL;
}

Chardev *chardev_new_short(const char *label, const char *text, Error **err)
{
    bool with_monitor = g_str_has_prefix(text, "mon:");

    if (g_str_equal(text, "none")) {
        return NULL;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        return chardev_find_or_suggest(text + strlen("chardev:"), err);
    }
    if (with_monitor) {
        text += strlen("mon:");
    }
    if (with_monitor && g_str_has_prefix(text, "chardev:")) {
        Chardev *shared = chardev_find_or_suggest(text + strlen("chardev:"), err);
        if (shared && !shared->is_mux) {
            error_set(err, "character device '%s' was made without mux=on", shared->label);
            return NULL;
        }
        return shared;
    }
    const struct ShortForm *form = find_short_form(text, err);
    if (!form) {
        return NULL;
    }
    if (chardev_find(label)) {
        error_set(err, "there are two character devices with id '%s'", label);
        return NULL;
    }
    g_autoptr(KeyVal) options = form->parse(text + strlen(form->form), err);
    const Type *type = options ? find_backend(form->backend, err) : NULL;
    if (!type) {
        return NULL;
    }
    if (with_monitor) {
        keyval_set(options, "mux", "on");
    }
    if (with_monitor && g_str_equal(form->backend, "stdio")) {
        keyval_set(options, "signal", "off"); /* Ctrl-C is the guest's */
    }
    return create_with_mux(type, label, options, err);
}
