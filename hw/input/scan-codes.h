/* SPDX-License-Identifier: MIT */
/* Scan code sets: the 8042's translation from set 2 to set 1, and the ways back. */
#ifndef HW_INPUT_SCAN_CODES_H
#define HW_INPUT_SCAN_CODES_H

#include <stdint.h>

/* What the 8042 makes of a set 2 byte (not the prefix F0h). */
uint8_t scan_code_translate(uint8_t set2);

/* Set 2 code of a set 1 make code (prefixes are the same in both), 0: none. */
uint8_t scan_code_set2(uint8_t set1);

/* Set 3 code of a key as ps2_keyboard_key() names it, 0: none. */
uint8_t scan_code_set3(unsigned key);

#endif
