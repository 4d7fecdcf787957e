/* SPDX-License-Identifier: MIT */
/* The byte queue of a PS/2 device. */
#include "hw/ps2.h"

const Field ps2_queue_fields[] = {STATE_ARRAY(Ps2Queue, bytes), STATE(Ps2Queue, head),
                                  STATE(Ps2Queue, count), FIELDS_END};

void ps2_queue_put(Ps2Queue *queue, uint8_t byte)
{
    if (queue->count < PS2_QUEUE_SIZE) {
        queue->bytes[(queue->head + queue->count) % PS2_QUEUE_SIZE] = byte;
        queue->count++;
    }
}

bool ps2_queue_put_event(Ps2Queue *queue, const uint8_t *bytes, unsigned count)
{
    if (queue->count + count > PS2_EVENT_ROOM) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        ps2_queue_put(queue, bytes[i]);
    }
    return true;
}

uint8_t ps2_queue_take(Ps2Queue *queue)
{
    uint8_t byte = queue->bytes[queue->head % PS2_QUEUE_SIZE];

    queue->head = (uint8_t)((queue->head + 1) % PS2_QUEUE_SIZE);
    queue->count--;
    return byte;
}

void ps2_queue_clear(Ps2Queue *queue)
{
    queue->count = 0;
}
