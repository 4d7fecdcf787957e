/* SPDX-License-Identifier: MIT */
/* pvpanic: what the board tells a guest about it. */
#ifndef HW_PVPANIC_H
#define HW_PVPANIC_H

#include "hw/isa.h"

/* Port of the first one on the bus; 0: there is none. */
uint16_t pvpanic_port(const IsaBus *bus);

#endif
