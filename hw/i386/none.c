/* SPDX-License-Identifier: MIT */
/* The board "none": two empty address spaces, for monitors that only ask questions. */
#include "hw/machine.h"

typedef struct NoneMachine {
    Machine machine;
    Region memory, io;
} NoneMachine;

static bool none_realize(Object *obj, Error **err)
{
    NoneMachine *none = (NoneMachine *)obj;

    region_init(&none->memory,
                &(RegionDesc){.name = "system", .kind = REGION_CONTAINER, .size = UINT64_MAX});
    region_init(&none->io, &(RegionDesc){.name = "io", .kind = REGION_CONTAINER, .size = 0x10000});
    address_space_init(&address_space_memory, &none->memory, "memory");
    address_space_init(&address_space_io, &none->io, "I/O");
    return true;
}

static void none_unrealize(Object *obj)
{
    NoneMachine *none = (NoneMachine *)obj;

    region_fini(&none->io);
    region_fini(&none->memory);
    address_space_fini(&address_space_io);
    address_space_fini(&address_space_memory);
}

static const Field none_fields[] = {
    DERIVED(NoneMachine, memory),
    DERIVED(NoneMachine, io),
    FIELDS_END,
};

static const MachineInfo none_info = {.name = "none", .desc = "empty machine"};

static const Type none_type = {
    .name = "none" MACHINE_TYPE_SUFFIX,
    .parent = &machine_type,
    .size = sizeof(NoneMachine),
    .desc = "empty machine",
    .fields = none_fields,
    .info = &none_info,
    .realize = none_realize,
    .unrealize = none_unrealize,
};
OBJECT_TYPE(none_type);
