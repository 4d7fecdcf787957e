/* SPDX-License-Identifier: MIT */
/* Log: the items of -d, written to stderr or the -D file; traces go to the same place. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/error.h"

#include <stdint.h>

typedef enum LogItem {
    LOG_IN_ASM = 1 << 0,      /* in_asm: guest code of each translated block */
    LOG_OP = 1 << 1,          /* op: how each guest instruction is carried */
    LOG_OUT_ASM = 1 << 2,     /* out_asm: host code of each block */
    LOG_INT = 1 << 3,         /* int: interrupts and exceptions */
    LOG_EXEC = 1 << 4,        /* exec: blocks entered from the loop */
    LOG_CPU = 1 << 5,         /* cpu: registers before each such block */
    LOG_CPU_RESET = 1 << 6,   /* cpu_reset */
    LOG_MMU = 1 << 7,         /* mmu: TLB refills, page walks */
    LOG_GUEST_ERROR = 1 << 8, /* guest_errors */
    LOG_UNIMP = 1 << 9,       /* unimp: what a guest asked for and we do not offer */
    LOG_TRACE = 1 << 10,      /* trace points enabled by -trace write in any case */
    LOG_NOCHAIN = 1 << 11     /* nochain: writes nothing, exec and cpu see every block */
} LogItem;

/* Bits of enabled items; read-only outside util/base/log.c. */
extern uint32_t log_enabled_items;

static inline bool log_enabled(LogItem item)
{
    return G_UNLIKELY(log_enabled_items & (uint32_t)item);
}

/* Enables the comma-separated items of `-d`; an unknown name fails and names the nearest. "help" is
 * the caller's. */
bool log_enable(const char *items, Error **err);

/* Sends the log to `path` instead of stderr. */
bool log_set_file(const char *path, Error **err);

/* Writes unconditionally (callers test log_enabled first); thread safe, one write per call. */
void log_printf(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The items' names. */
void log_foreach(void (*fn)(const char *name, void *opaque), void *opaque);
/* Help text of -d: one line per item; caller frees. */
char *log_help(void);

#define LOG(item, ...)                                                                             \
    do {                                                                                           \
        if (log_enabled(item)) {                                                                   \
            log_printf(__VA_ARGS__);                                                               \
        }                                                                                          \
    } while (0)

#endif
