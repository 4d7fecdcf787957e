/* SPDX-License-Identifier: MIT */
/* The CMOS RAM of the clock chip, for boards that leave facts there for the firmware. Under the
 * machine lock. */
#ifndef HW_RTC_H
#define HW_RTC_H

#include "hw/device.h"

#define RTC_CMOS_SIZE 128

/* Byte `index` (14-127) of a "mc146818rtc"; survives reset. The device's properties base, clock
 * and driftfix are the keys of -rtc. */
void rtc_set_cmos(Device *rtc, unsigned index, uint8_t value);
/* All clocks forget the periodic interrupts that they still owe (driftfix=slew). */
void rtc_reset_reinjection(void);
uint8_t rtc_get_cmos(const Device *rtc, unsigned index);

#endif
