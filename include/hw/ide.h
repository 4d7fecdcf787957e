/* SPDX-License-Identifier: MIT */
/* IDE: a channel with up to two drives, and what a host controller gives it. ATA/ATAPI-6 (T13
 * 1410D), ATA-8 ACS. */
#ifndef HW_IDE_H
#define HW_IDE_H

#include "hw/device.h"

#define IDE_UNITS 2

typedef struct IdeDrive IdeDrive;
typedef struct IdeBus IdeBus;

/* A piece of guest memory that a DMA transfer goes through. */
typedef struct IdeSegment {
    uint64_t address;
    uint32_t size; /* bytes */
} IdeSegment;

typedef enum IdeDmaEnd {
    IDE_DMA_COMPLETE, /* the drive has all it wanted, and interrupts */
    IDE_DMA_SHORT,    /* the segments ended before the transfer; no interrupt */
    IDE_DMA_ERROR     /* the drive failed, and interrupts */
} IdeDmaEnd;

/* What a controller does for its channels; under the machine lock. */
typedef struct IdeControllerOps {
    /* The drive raised INTRQ while interrupts are enabled: an event, for latches. */
    void (*interrupt)(IdeBus *bus);
    /* Lines are to be driven from state again. */
    void (*update)(IdeBus *bus);
    /* A drive waits for DMA: call ide_bus_run_dma() when the guest has started the engine. */
    void (*dma_requested)(IdeBus *bus);
    /* `bytes_left`: of the segments, unused. */
    void (*dma_ended)(IdeBus *bus, IdeDmaEnd end, uint64_t bytes_left);
} IdeControllerOps;

struct IdeBus {
    Bus bus;
    uint8_t selected; /* STATE: unit of the DEV bit last written */
    uint8_t control;  /* STATE: device control register */
    unsigned index;   /* LINK: 0 primary, 1 secondary */
    IdeDrive *drives[IDE_UNITS];
    const IdeControllerOps *ops; /* LINK */
    Device *controller;          /* LINK */
};

extern const Type ide_bus_type; /* "IDE" */

/* The bus becomes child "ide.INDEX" of the controller. */
void ide_bus_init(IdeBus *bus, Device *controller, const IdeControllerOps *ops, unsigned index);

/* Makes a device of each drive of interface "ide" for this channel. */
bool ide_bus_create_drives(IdeBus *bus, Error **err);
void ide_bus_free_drives(IdeBus *bus);

/* The command block (registers 0-7, data 1, 2 or 4 bytes wide) and the control block. */
uint32_t ide_bus_read(IdeBus *bus, unsigned index, unsigned size);
void ide_bus_write(IdeBus *bus, unsigned index, uint32_t value, unsigned size);
uint8_t ide_bus_read_alternate_status(IdeBus *bus);
void ide_bus_write_control(IdeBus *bus, uint8_t value);

/* Size of a drive in sectors of 512 bytes; 0: there is none, or no medium in it. */
uint64_t ide_bus_drive_sectors(const IdeBus *bus, unsigned unit);

/* Level of INTRQ. */
bool ide_bus_irq_level(const IdeBus *bus);

/* The selected drive waits for the DMA engine. */
bool ide_bus_dma_is_wanted(const IdeBus *bus);
/* Starts the transfer the selected drive waits for; nothing happens when it waits for none in this
 * direction. Takes the segments (g_malloc); completion is told by dma_ended. */
void ide_bus_run_dma(IdeBus *bus, bool to_memory, IdeSegment *segments, size_t count);
/* The guest stopped the engine: what is under way is given up. */
void ide_bus_stop_dma(IdeBus *bus);

#endif
