/* SPDX-License-Identifier: MIT */
/* Keys by the names that monitors and programs know them by. */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include <stdbool.h>

/* `key` as ps2_keyboard_key() takes it: a set 1 make code, 80h added where it has the prefix E0h.
 */
typedef struct KeyName {
    const char *name; /* "ctrl", "kp_5" */
    unsigned char key;
} KeyName;

extern const KeyName key_names[]; /* ends with a NULL name */

bool key_find(const char *name, unsigned *ret_key);

#endif
