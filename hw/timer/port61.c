/* SPDX-License-Identifier: MIT */
/* Port 61h of the PC: gate and output of timer channel 2, speaker enable, refresh toggle.
 * IBM PC AT Technical Reference, "System control port B". */
#include "hw/i8254.h"

enum {
    PORT61_GATE2 = 0x01,
    PORT61_SPEAKER = 0x02,
    PORT61_STORED = 0x0f,
    PORT61_REFRESH = 0x10,
    PORT61_OUT2 = 0x20
};

/* The refresh bit turns over with every memory refresh request: software times delays by it. */
#define REFRESH_NS 15085

struct PcSpeaker {
    IsaDevice isa;
    uint32_t iobase;
    Region port;
    I8254 *pit;
    uint8_t control;
};

static void pc_speaker_sync(Object *obj)
{
    PcSpeaker *speaker = (PcSpeaker *)obj;

    if (speaker->pit) {
        i8254_set_gate(speaker->pit, 2, speaker->control & PORT61_GATE2);
    }
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    const PcSpeaker *speaker = opaque;
    uint8_t value = speaker->control;

    if (clock_now_ns(CLOCK_TYPE_VIRTUAL) / REFRESH_NS & 1) {
        value |= PORT61_REFRESH;
    }
    if (speaker->pit && i8254_output_level(speaker->pit, 2)) {
        value |= PORT61_OUT2;
    }
    return value;
}

static void port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    PcSpeaker *speaker = opaque;

    speaker->control = (uint8_t)value & PORT61_STORED;
}

static const RegionOps port_ops = {
    .read = port_read, .write = port_write, .impl_min = 1, .impl_max = 1};

void pc_speaker_set_pit(PcSpeaker *speaker, I8254 *pit)
{
    speaker->pit = pit;
}

static bool pc_speaker_realize(Object *obj, Error **err)
{
    PcSpeaker *speaker = (PcSpeaker *)obj;

    region_init(&speaker->port, &(RegionDesc){.name = "pcspk",
                                              .kind = REGION_IO,
                                              .size = 1,
                                              .owner = obj,
                                              .ops = &port_ops,
                                              .opaque = speaker});
    isa_map_io(&speaker->isa, &speaker->port, (uint16_t)speaker->iobase);
    return true;
}

static void pc_speaker_unrealize(Object *obj)
{
    PcSpeaker *speaker = (PcSpeaker *)obj;

    region_fini(&speaker->port);
}

static const Field pc_speaker_fields[] = {PROP(PcSpeaker, iobase, .init = 0x61, .desc = "the port"),
                                          DERIVED(PcSpeaker, port), LINK(PcSpeaker, pit),
                                          STATE(PcSpeaker, control), FIELDS_END};

static const Type pc_speaker_type = {
    .name = "isa-pcspk",
    .parent = &isa_device_type,
    .size = sizeof(PcSpeaker),
    .desc = "port 61h: timer channel 2 and speaker",
    .fields = pc_speaker_fields,
    .realize = pc_speaker_realize,
    .unrealize = pc_speaker_unrealize,
    .sync = pc_speaker_sync,
};
DEVICE(pc_speaker_type);
