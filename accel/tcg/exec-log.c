/* SPDX-License-Identifier: MIT */
/* -d exec and cpu: blocks entered from the loop; chained ones do not come by here. */
#include "accel/tcg/tcg-internal.h"
#include "util/log.h"

#include <inttypes.h>

void exec_log(X86Cpu *cpu)
{
    LOG(LOG_EXEC, "Trace %u: %04x:%" PRIx64 " mode 0x%x\n", cpu->vcpu.index,
        cpu->seg[SEG_CS].selector, cpu->rip, cpu->mode);
    if (log_enabled(LOG_CPU)) {
        g_autofree char *text = cpu_registers_text(cpu);
        log_printf("%s", text);
    }
}
