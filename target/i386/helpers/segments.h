/* SPDX-License-Identifier: MIT */
/* Segmentation: descriptor loads and checks. Intel SDM vol. 3 ch. 3, 5. */
#ifndef TARGET_I386_HELPERS_SEGMENTS_H
#define TARGET_I386_HELPERS_SEGMENTS_H

#include "target/i386/helpers/access.h"

/* MOV/POP/LxS to a data or stack segment register (ES SS DS FS GS) with every check; real and v8086
 * mode too. */
bool segment_load(X86Cpu *cpu, unsigned segment, uint16_t selector);

/* Sets a segment register without checks as real mode, v8086 mode and SYSCALL do. */
void segment_set_real(X86Cpu *cpu, unsigned segment, uint16_t selector);
void segment_set_flat(X86Cpu *cpu, unsigned segment, uint16_t selector, uint16_t attributes);

/* Raw descriptor of a selector from GDT or LDT; `vector` is raised with the selector as error code
 * when out of limits. */
bool segment_read_descriptor(X86Cpu *cpu, uint16_t selector, unsigned vector, uint32_t *ret_low,
                             uint32_t *ret_high);

/* The same for the 16 bytes of a long mode system descriptor, as four doublewords. */
bool segment_read_wide_descriptor(X86Cpu *cpu, uint16_t selector, unsigned vector,
                                  uint32_t ret_words[4]);
/* For LAR and alike: a null selector or one out of limits is no fault, *ret_exists is false then;
 * false: #PF. */
bool segment_try_descriptor(X86Cpu *cpu, uint16_t selector, bool *ret_exists, uint32_t *ret_low,
                            uint32_t *ret_high);

/* Has it no limit, so that what reaches beyond 4 GiB goes on at 0? Intel's silicon looks at none
 * where the base is 0 and the limit the greatest; SDM vol. 3, 5.3 leaves that open. For segments
 * that do not expand down. */
bool segment_is_unlimited(const X86Cpu *cpu, const Segment *segment);

/* Unpacks a descriptor's halves into the hidden part. */
Segment segment_from_descriptor(uint16_t selector, uint32_t low, uint32_t high);

#endif
