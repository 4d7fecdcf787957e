/* SPDX-License-Identifier: MIT */
/* Pages of a case that are registers of a device instead of RAM: every access is an MMIO one. */
#ifndef TESTS_INSN_DEVICE_PAGE_H
#define TESTS_INSN_DEVICE_PAGE_H

#include "tests/insn/insn-case.h"

/* Data pages 0 and 1 become a device's with the bytes of `image`, until device_pages_end(), which
 * stores what they hold in `ret_memory`. On the thread of the guest's CPU. */
void device_pages_begin(const CaseMemory *image);
void device_pages_end(CaseMemory *ret_memory);

#endif
