/* SPDX-License-Identifier: MIT */
/* The accelerator table, and the choice of the first one that works on this host. */
#include "accel/accel.h"
#include "util/suggest.h"

#include <string.h>

const char *accel_cpu_text;

LINKER_SET_DECLARE(const Accel, accels);

static const Accel *current;

/* Names that are right but may be missing in a build:
 * a reason to try the next, not a typing error. */
static const char *const known_names[] = {"hax",   "hvf", "kvm",  "nvmm",
                                          "qtest", "tcg", "whpx", "xen"};

const Accel *accel_find(const char *name)
{
    LINKER_SET_FOREACH(const Accel, accel, accels)
    {
        if (strcmp((*accel)->name, name) == 0) {
            return *accel;
        }
    }
    return NULL;
}

void accel_foreach(void (*fn)(const Accel *accel, void *opaque), void *opaque)
{
    LINKER_SET_FOREACH(const Accel, accel, accels)
    {
        fn(*accel, opaque);
    }
}

const Accel *accel_current(void)
{
    return current;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One bare name a line: scripts read it. */
char *accel_help(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GString *text = g_string_new("Accelerators supported in this build:\n");

    LINKER_SET_FOREACH(const Accel, accel, accels)
    {
        g_ptr_array_add(names, (char *)(*accel)->name);
    }
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_string_append_printf(text, "%s\n", (const char *)g_ptr_array_index(names, i));
    }
    return g_string_free(text, FALSE);
}

static bool name_is_known(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known_names); i++) {
        if (strcmp(known_names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool unknown_accel(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    LINKER_SET_FOREACH(const Accel, accel, accels)
    {
        suggest_offer(&suggest, (*accel)->name);
    }
    return error_set(err, "unknown accelerator '%s'%s", name, suggest_text(&suggest));
}

typedef enum Outcome {
    OUTCOME_USED,
    OUTCOME_NEXT, /* this host or build cannot: the next one may */
    OUTCOME_WRONG /* the user's mistake: no use in going on */
} Outcome;

static Outcome try_accel(const char *text, bool is_last, Error **err)
{
    g_autoptr(KeyVal) options = keyval_parse(text, "accel", err);
    const char *name = options ? keyval_get(options, "accel") : NULL;

    if (!options) {
        return OUTCOME_WRONG;
    }
    if (!name) {
        error_set(err, "'%s' names no accelerator", text);
        return OUTCOME_WRONG;
    }
    const Accel *accel = accel_find(name);

    if (!accel) {
        if (name_is_known(name)) {
            error_set(err, "%s is not available in this build", name);
            return OUTCOME_NEXT;
        }
        unknown_accel(name, err);
        return OUTCOME_WRONG;
    }
    if (!accel_options_read(accel->options, options, err)) {
        error_prefix(err, "%s: ", name);
        return OUTCOME_WRONG;
    }
    if ((!is_last && accel->suits && !accel->suits(err)) || !accel->init(err)) {
        error_prefix(err, "%s: ", name);
        return OUTCOME_NEXT;
    }
    current = accel;
    return OUTCOME_USED;
}

bool accel_select(char *const *texts, size_t count, Error **err)
{
    g_autoptr(GString) reasons = g_string_new(NULL);

    for (size_t i = 0; i < count; i++) {
        g_autoptr(Error) failure = NULL;

        switch (try_accel(texts[i], i + 1 == count, &failure)) {
        case OUTCOME_USED:
            if (reasons->len > 0) {
                warn_report("%s; using %s", reasons->str, current->name);
            }
            return true;
        case OUTCOME_WRONG:
            return error_set(err, "%s", error_message(failure));
        default:
            g_string_append_printf(reasons, "%s%s", reasons->len > 0 ? "; " : "",
                                   error_message(failure));
            break;
        }
    }
    error_set(err, "no accelerator can be used: %s", count > 0 ? reasons->str : "none was named");
    error_hint(err, "'-accel help' lists those of this build");
    return false;
}
