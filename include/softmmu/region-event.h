/* SPDX-License-Identifier: MIT */
/* Writes to a region that are only counted, and writes that may wait: what an accelerator can take
 * off a guest without leaving it. Under the machine lock. */
#ifndef SOFTMMU_REGION_EVENT_H
#define SOFTMMU_REGION_EVENT_H

#include "softmmu/memory.h"

/* Of a region of kind IO: writes of `size` bytes at `offset`, of any value or of one. */
typedef struct RegionEvent {
    Region *region;
    uint64_t offset;
    unsigned size; /* 1, 2, 4, 8 */
    bool must_match;
    uint64_t value;
    int fd; /* counts them; a loop may wait for it */
} RegionEvent;

/* From now on such writes go to the event, not to the callbacks. Fails where there are no
 * descriptors left. Ends with region_event_free(), before region_fini(). */
RegionEvent *region_event_new(const RegionEvent *description, Error **err);
void region_event_free(RegionEvent *event);
/* How many since the last call. */
uint64_t region_event_take(RegionEvent *event);

/* A write of the guest: counted if there is an event for it, else false. */
bool region_event_count(const Region *region, uint64_t offset, uint64_t value, unsigned size);

/* The accelerator's hooks: a visible region's events have changed; writes that wait
 * (RegionDesc.posted_size) are to be made. */
extern void (*region_events_changed)(void);
extern void (*region_posted_wanted)(void);

#endif
