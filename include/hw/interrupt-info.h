/* SPDX-License-Identifier: MIT */
/* What interrupt controllers show to `info pic`, `info irq` and their kin. Under the machine lock.
 */
#ifndef HW_INTERRUPT_INFO_H
#define HW_INTERRUPT_INFO_H

#include "util/linker-set.h"
#include "util/object.h"

#include <stdint.h>

typedef struct InterruptInfo {
    const Type *type;
    const char *command; /* besides `info pic`: "ioapic" for `info ioapic`; NULL: none */
    /* Appends its state, whole lines. */
    void (*print)(const Object *obj, GString *out);
    /* How often each of its inputs asked since the start; *ret_count of them, 0: another controller
     * tells. NULL: it does not count. */
    const uint64_t *(*counts)(Object *obj, unsigned *ret_count);
} InterruptInfo;

/* One row for each type of controller. */
#define INTERRUPT_INFO(variable) LINKER_SET_ENTRY(interrupt_infos, variable)

#endif
