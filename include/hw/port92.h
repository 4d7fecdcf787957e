/* SPDX-License-Identifier: MIT */
/* Port 92h: fast A20 gate and fast reset. */
#ifndef HW_PORT92_H
#define HW_PORT92_H

#include "hw/isa.h"

typedef struct Port92 Port92; /* "port92" */

/* LINK: the A20 line; before realize. */
void port92_set_a20(Port92 *port, Irq a20);

#endif
