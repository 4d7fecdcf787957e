/* SPDX-License-Identifier: MIT */
/* Writes to a region that are only counted, in an event descriptor: the kernel can do that without
 * anybody of ours, where it runs the guest. */
#include "softmmu/memory/internal.h"
#include "softmmu/region-event.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

void (*region_events_changed)(void);
void (*region_posted_wanted)(void);

static void tell(void)
{
    if (region_events_changed) {
        region_events_changed();
    }
}

RegionEvent *region_event_new(const RegionEvent *description, Error **err)
{
    Region *region = description->region;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    RegionEvent *event;

    if (fd < 0) {
        error_set_errno(err, errno, "no event descriptor for writes to '%s'", region->name);
        return NULL;
    }
    event = g_new(RegionEvent, 1);
    *event = *description;
    event->fd = fd;
    if (!region->events) {
        region->events = g_ptr_array_new();
    }
    g_ptr_array_add(region->events, event);
    tell();
    return event;
}

void region_event_free(RegionEvent *event)
{
    Region *region;

    if (!event) {
        return;
    }
    region = event->region;
    g_ptr_array_remove(region->events, event);
    if (region->events->len == 0) {
        g_clear_pointer(&region->events, g_ptr_array_unref);
    }
    tell();
    close(event->fd);
    g_free(event);
}

uint64_t region_event_take(RegionEvent *event)
{
    eventfd_t count = 0;

    return eventfd_read(event->fd, &count) == 0 ? count : 0;
}

bool region_event_count(const Region *region, uint64_t offset, uint64_t value, unsigned size)
{
    for (guint i = 0; i < region->events->len; i++) {
        const RegionEvent *event = g_ptr_array_index(region->events, i);

        if (event->offset == offset && event->size == size &&
            (!event->must_match || event->value == (value & all_ones(size)))) {
            return eventfd_write(event->fd, 1) == 0;
        }
    }
    return false;
}
