/* SPDX-License-Identifier: MIT */
/* Log: the items of -d, and where their text goes. */
#include "util/log.h"
#include "util/suggest.h"
#include "util/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

uint32_t log_enabled_items;

/* Read by any thread; changed only by log_set_file() at start-up or from the monitor. */
static int log_fd = STDERR_FILENO;

static const struct {
    const char *name;
    LogItem item;
    const char *help;
} log_items[] = {
    {"in_asm", LOG_IN_ASM, "guest code of each translated block"},
    {"op", LOG_OP, "how each guest instruction is carried"},
    {"out_asm", LOG_OUT_ASM, "host code of each translated block"},
    {"int", LOG_INT, "interrupts and exceptions"},
    {"exec", LOG_EXEC, "each block entered from the loop"},
    {"cpu", LOG_CPU, "registers before each block entered from the loop"},
    {"cpu_reset", LOG_CPU_RESET, "registers before each CPU reset"},
    {"nochain", LOG_NOCHAIN, "no jumps from block to block: exec and cpu show every block"},
    {"mmu", LOG_MMU, "TLB refills and flushes, and flushes of translated code"},
    {"guest_errors", LOG_GUEST_ERROR, "what the guest did that no driver does"},
    {"unimp", LOG_UNIMP, "what the guest asked for and is not offered"},
    {"trace", LOG_TRACE, "trace points; trace:PATTERN enables those that match"},
};

static bool enable_one(const char *name, Error **err)
{
    Suggest suggest;

    if (g_str_has_prefix(name, "trace:")) {
        return trace_enable(name + strlen("trace:"), err);
    }
    suggest_init(&suggest, name);
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (g_str_equal(name, log_items[i].name)) {
            log_enabled_items |= log_items[i].item;
            return true;
        }
        suggest_offer(&suggest, log_items[i].name);
    }
    g_autoptr(GString) all = g_string_new("none, all");
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        g_string_append_printf(all, ", %s", log_items[i].name);
    }
    error_set(err, "unknown log item '%s'%s", name, suggest_text(&suggest));
    error_hint(err, "Items: %s", all->str);
    return false;
}

bool log_enable(const char *items, Error **err)
{
    g_auto(GStrv) names = g_strsplit(items, ",", -1);

    for (char **name = names; *name; name++) {
        if (g_str_equal(*name, "all")) {
            for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
                log_enabled_items |= log_items[i].item;
            }
        } else if (!g_str_equal(*name, "none") && !enable_one(*name, err)) {
            return false;
        }
    }
    return true;
}

bool log_set_file(const char *path, Error **err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);

    if (fd < 0) {
        return error_set_errno(err, errno, "cannot open log file '%s'", path);
    }
    int old = log_fd;
    log_fd = fd;
    if (old != STDERR_FILENO) {
        close(old);
    }
    return true;
}

/* A full disk must not stop the guest; that text is missing is said once. */
static void log_write(const char *text, size_t length)
{
    static bool was_reported;
    ssize_t written = write(log_fd, text, length);

    if (written == (ssize_t)length || log_fd == STDERR_FILENO ||
        __atomic_exchange_n(&was_reported, true, __ATOMIC_RELAXED)) {
        return;
    }
    warn_report("the log is not complete: %s; the guest goes on",
                written < 0 ? g_strerror(errno) : "no room for a whole line");
}

void log_printf(const char *format, ...)
{
    char small[512];
    char *text = small;
    va_list args;

    va_start(args, format);
    int length = g_vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if ((size_t)length >= sizeof(small)) {
        va_start(args, format);
        text = g_strdup_vprintf(format, args);
        va_end(args);
    }
    log_write(text, (size_t)length);
    if (text != small) {
        g_free(text);
    }
}

void log_foreach(void (*fn)(const char *name, void *opaque), void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        fn(log_items[i].name, opaque);
    }
}

char *log_help(void)
{
    GString *out = g_string_new("What -d can log, with commas between:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        g_string_append_printf(out, "%-15s %s\n", log_items[i].name, log_items[i].help);
    }
    return g_string_free(out, FALSE);
}
