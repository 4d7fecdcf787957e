/* SPDX-License-Identifier: MIT */
/* What ATA disks and ATAPI drives share: the task file, data transfers, requests to the image. */
#ifndef HW_IDE_IDE_DRIVE_H
#define HW_IDE_IDE_DRIVE_H

#include "block/block.h"
#include "hw/ide.h"

#define IDE_SECTOR_SIZE 512u
#define IDE_MULTIPLE_MAX 16u
#define IDE_DATA_SIZE (IDE_MULTIPLE_MAX * IDE_SECTOR_SIZE)

enum { /* status register */
       ATA_BSY = 0x80,
       ATA_DRDY = 0x40,
       ATA_DF = 0x20,
       ATA_DSC = 0x10,
       ATA_DRQ = 0x08,
       ATA_ERR = 0x01
};
enum { ATA_COMMAND_DEVICE_RESET = 0x08 };
enum { ATA_UNC = 0x40, ATA_IDNF = 0x10, ATA_ABRT = 0x04 }; /* error register */
enum { ATA_CONTROL_HOB = 0x80, ATA_CONTROL_SRST = 0x04, ATA_CONTROL_NIEN = 0x02 };
enum { ATA_DEVICE_LBA = 0x40, ATA_DEVICE_DEV = 0x10, ATA_DEVICE_FIXED = 0xa0 };

enum { ATAPI_REASON_COMMAND = 0x01, ATAPI_REASON_TO_HOST = 0x02 };

/* What the data register or the DMA engine is about. */
typedef enum IdePhase {
    IDE_IDLE,
    IDE_BUSY,    /* a request without data is under way */
    IDE_PIO_IN,  /* to the guest */
    IDE_PIO_OUT, /* from the guest */
    IDE_DMA_IN,  /* waits for, or is in, DMA to memory */
    IDE_DMA_OUT  /* from memory */
} IdePhase;

/* Type.info of a drive type. */
typedef struct IdeDriveInfo {
    void (*command)(IdeDrive *drive, uint8_t opcode);
    /* PIO: the guest has read, or written, all of data[0, data_size). */
    void (*data_done)(IdeDrive *drive);
    /* The image failed with a negative errno; NULL: the error register says it all. */
    void (*image_failed)(IdeDrive *drive, int status);
    /* Others than the guest have moved the tray; NULL: the media of this type do not change. */
    void (*medium_event)(IdeDrive *drive, DriveEvent event);
    bool is_packet; /* ATAPI: the count register tells the reason of an interrupt */
    uint8_t signature_mid, signature_high;
    uint8_t reset_status;
} IdeDriveInfo;

/* Registers that are two deep for 48-bit commands: [0] written last, [1] before. */
struct IdeDrive {
    Device dev;
    Drive *drive;           /* PROP */
    int32_t unit;           /* PROP; -1: the first free */
    int32_t werror, rerror; /* PROP; 0: as the drive says */
    char *serial, *model, *ver;
    BlockNode *node; /* NULL: no medium */
    uint64_t sectors;

    uint8_t feature[2], count[2], lba_low[2], lba_mid[2], lba_high[2];
    uint8_t select, status, error, command;
    bool irq_pending;
    uint8_t phase; /* IdePhase */
    uint32_t data_at, data_size;
    uint8_t data[IDE_DATA_SIZE];
    uint64_t lba;   /* next sector of the transfer */
    uint32_t left;  /* sectors of the transfer not yet done */
    uint32_t block; /* sectors between two interrupts of a PIO transfer */
    uint8_t multiple;
    bool is_fua;

    uint32_t generation; /* of requests: older ones are orphans */
    struct IdeDma *dma;  /* the running DMA transfer */
    /* Has failed, and is made again when the machine goes on. */
    struct IdeRequest *held;
};

extern const Type ide_drive_type; /* "ide-device", abstract */

static inline IdeBus *ide_drive_bus(const IdeDrive *drive)
{
    return (IdeBus *)drive->dev.bus;
}

const IdeDriveInfo *ide_drive_info(const IdeDrive *drive);

/* -- Ends of a command ------------------------------------------------------------------------- */

/* Command done: DRDY, and an interrupt. */
void ide_drive_finish(IdeDrive *drive);
/* Command failed with these error bits. */
void ide_drive_fail(IdeDrive *drive, uint8_t error);
/* Raises INTRQ without a change of the status. */
void ide_drive_interrupt(IdeDrive *drive);

/* -- Transfers; lba, left, block and is_fua are set -------------------------------------------- */

/* Offers data[0, size) to the guest with DRQ and an interrupt. */
void ide_drive_send(IdeDrive *drive, uint32_t size);
/* Asks the guest for `size` bytes; an interrupt unless it is the first block. */
void ide_drive_receive(IdeDrive *drive, uint32_t size, bool interrupt);
/* Reads the next block of the image into data[] and sends it. */
void ide_drive_read_block(IdeDrive *drive);
/* Writes data[], then receives the next block or finishes. */
void ide_drive_write_block(IdeDrive *drive);
/* Waits for the DMA engine, then moves `left` sectors from `lba`. */
void ide_drive_start_dma(IdeDrive *drive, bool to_memory);
/* The same with data[0, size) instead of the image. */
void ide_drive_send_by_dma(IdeDrive *drive, uint32_t size);
/* Flushes the image, then finishes. */
void ide_drive_flush(IdeDrive *drive);
/* Gives up whatever is under way; its results are dropped. */
void ide_drive_cancel(IdeDrive *drive);
/* The same, and the DMA engine hears of an error. */
void ide_drive_abort(IdeDrive *drive);
/* Uses what is in the drive from now on; nothing may be under way. */
void ide_drive_load_medium(IdeDrive *drive);
/* The state after power-on, SRST and EXECUTE DEVICE DIAGNOSTIC. */
void ide_drive_set_signature(IdeDrive *drive);

#endif
