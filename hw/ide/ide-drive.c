/* SPDX-License-Identifier: MIT */
/* What ATA disks and ATAPI drives share:
 * ends of commands, PIO blocks, DMA, requests to the image. */

/*
 * Every access to the image is a block request whose completion comes back on the loop. A request
 * carries the drive's generation; ide_drive_cancel() begins a new one and drains, so an orphan's
 * completion frees what it holds and touches nothing else, and no late transfer reaches guest
 * memory or the medium after a reset.
 *
 * A DMA transfer is the list of guest segments, copied when the engine started, and is moved in
 * chunks. A chunk goes straight between the image and guest RAM where all of its segments are RAM,
 * which stays referenced meanwhile, and through a buffer otherwise.
 *
 * A request that fails where the drive is told to stop the machine is held as it is, with its
 * memory, and submitted again when the machine goes on; a reset drops it.
 */
#include "hw/ide/ide-drive.h"

#include "softmmu/run.h"
#include "util/trace.h"

#include <errno.h>
#include <string.h>

#define DMA_CHUNK (1024u * 1024)
#define DMA_CHUNK_PIECES 256

typedef struct IdeDma {
    IdeSegment *segments;
    size_t count, index; /* segment the next byte is in */
    uint32_t offset;     /* of the next byte in it */
} IdeDma;

typedef struct Piece {
    RamBlock *block; /* NULL: `address` goes through the buffer */
    uint64_t address;
} Piece;

typedef struct IdeRequest {
    BlockRequest request;
    IdeDrive *drive;
    uint32_t generation;
    void (*done)(IdeDrive *drive, struct IdeRequest *own, int status);
    uint8_t *buffer; /* PIO data, or the bounce buffer of a DMA chunk */
    struct iovec iov[DMA_CHUNK_PIECES];
    Piece pieces[DMA_CHUNK_PIECES];
    unsigned piece_count;
} IdeRequest;

const IdeDriveInfo *ide_drive_info(const IdeDrive *drive)
{
    return drive->dev.obj.type->info;
}

/* -- Ends of a command ------------------------------------------------------------------------- */

void ide_drive_interrupt(IdeDrive *drive)
{
    IdeBus *bus = ide_drive_bus(drive);

    drive->irq_pending = true;
    if (ide_bus_irq_level(bus) && bus->drives[bus->selected] == drive) {
        bus->ops->interrupt(bus);
    }
    bus->ops->update(bus);
}

/* A packet device says in the count register what an interrupt is about. */
static void set_reason(IdeDrive *drive, uint8_t reason)
{
    if (ide_drive_info(drive)->is_packet) {
        drive->count[0] = reason;
    }
}

void ide_drive_finish(IdeDrive *drive)
{
    set_reason(drive, ATAPI_REASON_COMMAND | ATAPI_REASON_TO_HOST);
    drive->phase = IDE_IDLE;
    drive->status = ATA_DRDY | ATA_DSC;
    drive->error = 0;
    ide_drive_interrupt(drive);
}

void ide_drive_fail(IdeDrive *drive, uint8_t error)
{
    set_reason(drive, ATAPI_REASON_COMMAND | ATAPI_REASON_TO_HOST);
    drive->phase = IDE_IDLE;
    drive->status = ATA_DRDY | ATA_DSC | ATA_ERR;
    drive->error = error;
    ide_drive_interrupt(drive);
}

static void image_failed(IdeDrive *drive, int status)
{
    const IdeDriveInfo *info = ide_drive_info(drive);

    if (info->image_failed) {
        info->image_failed(drive, status);
    } else {
        ide_drive_fail(drive, status == -EPERM || status == -EROFS ? ATA_ABRT : ATA_UNC);
    }
}

void ide_drive_set_signature(IdeDrive *drive)
{
    const IdeDriveInfo *info = ide_drive_info(drive);

    drive->phase = IDE_IDLE;
    drive->count[0] = drive->count[1] = 1;
    drive->lba_low[0] = drive->lba_low[1] = 1;
    drive->lba_mid[0] = drive->lba_mid[1] = info->signature_mid;
    drive->lba_high[0] = drive->lba_high[1] = info->signature_high;
    drive->select = ATA_DEVICE_FIXED;
    drive->status = info->reset_status;
    drive->error = 1; /* diagnostic code: passed */
}

/* -- Requests ---------------------------------------------------------------------------------- */

static void request_free(IdeRequest *own, bool written)
{
    for (unsigned i = 0; i < own->piece_count; i++) {
        if (own->pieces[i].block) {
            address_space_unmap(own->pieces[i].block, own->iov[i].iov_base,
                                written ? own->iov[i].iov_len : 0);
        }
    }
    g_free(own->buffer);
    g_free(own);
}

static void request_submit(IdeDrive *drive, IdeRequest *own)
{
    drive->status = ATA_BSY | ATA_DSC;
    block_submit(drive->node, &own->request);
}

static GPtrArray *holders; /* drives that hold a request */

static void retry_held(void *opaque)
{
    while (run_state_is_running() && holders->len) {
        IdeDrive *drive = g_ptr_array_remove_index(holders, holders->len - 1);

        request_submit(drive, g_steal_pointer(&drive->held));
    }
}

static void hold_request(IdeDrive *drive, IdeRequest *own, int status)
{
    if (!holders) {
        holders = g_ptr_array_new();
        run_state_listen(retry_held, NULL);
    }
    g_ptr_array_add(holders, drive);
    drive->held = own;
    warn_report("drive '%s': %s: the machine stops; `cont` tries again",
                ((Object *)drive->drive)->name, g_strerror(-status));
    vm_stop_request(RUN_STATE_IO_ERROR);
}

static void drop_held(IdeDrive *drive)
{
    if (drive->held) {
        g_ptr_array_remove(holders, drive);
        request_free(g_steal_pointer(&drive->held), false);
    }
}

static void request_done(BlockRequest *request, int status)
{
    IdeRequest *own = request->opaque;
    IdeDrive *drive = own->drive;
    bool is_current = own->generation == drive->generation;
    DriveErrorAction action = DRIVE_ERROR_REPORT;

    if (is_current && status < 0) {
        action = drive_error_action(drive->drive, request->op == BLOCK_READ, status);
        drive_tell_error(drive->drive, request->op == BLOCK_READ, status, action);
    }
    if (action == DRIVE_ERROR_STOP) {
        hold_request(drive, own, status);
        return;
    }
    status = action == DRIVE_ERROR_IGNORE ? 0 : status;
    if (is_current) {
        own->done(drive, own, status);
    }
    request_free(own, request->op == BLOCK_READ);
    if (is_current) {
        ide_drive_bus(drive)->ops->update(ide_drive_bus(drive));
    }
}

static IdeRequest *request_new(IdeDrive *drive, BlockOp op,
                               void (*done)(IdeDrive *, IdeRequest *, int))
{
    IdeRequest *own = g_new0(IdeRequest, 1);

    own->drive = drive;
    own->generation = drive->generation;
    own->done = done;
    own->request.op = op;
    own->request.offset = drive->lba * IDE_SECTOR_SIZE;
    own->request.iov = own->iov;
    own->request.done = request_done;
    own->request.opaque = own;
    own->request.fua = op == BLOCK_WRITE && drive->is_fua;
    return own;
}

static void dma_free(IdeDrive *drive)
{
    if (drive->dma) {
        g_free(drive->dma->segments);
        g_free(drive->dma);
        drive->dma = NULL;
    }
}

void ide_drive_cancel(IdeDrive *drive)
{
    drive->generation++;
    drop_held(drive);
    dma_free(drive);
    if (drive->node) {
        block_drain(drive->node);
    }
    drive->phase = IDE_IDLE;
}

static void flush_done(IdeDrive *drive, IdeRequest *own, int status)
{
    if (status < 0) {
        ide_drive_fail(drive, ATA_ABRT);
    } else {
        ide_drive_finish(drive);
    }
}

void ide_drive_flush(IdeDrive *drive)
{
    IdeRequest *own = request_new(drive, BLOCK_FLUSH, flush_done);

    own->request.offset = 0;
    drive->phase = IDE_BUSY;
    request_submit(drive, own);
}

/* -- PIO --------------------------------------------------------------------------------------- */

void ide_drive_send(IdeDrive *drive, uint32_t size)
{
    set_reason(drive, ATAPI_REASON_TO_HOST);
    if (ide_drive_info(drive)->is_packet) {
        drive->lba_mid[0] = (uint8_t)size;
        drive->lba_high[0] = (uint8_t)(size >> 8);
    }
    drive->phase = IDE_PIO_IN;
    drive->data_at = 0;
    drive->data_size = size;
    drive->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    ide_drive_interrupt(drive);
}

void ide_drive_receive(IdeDrive *drive, uint32_t size, bool interrupt)
{
    drive->phase = IDE_PIO_OUT;
    drive->data_at = 0;
    drive->data_size = size;
    drive->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (interrupt) {
        ide_drive_interrupt(drive);
    }
}

/* A request for one PIO block, with a buffer of its own: an orphan must not write to data[]. */
static IdeRequest *block_request(IdeDrive *drive, BlockOp op,
                                 void (*done)(IdeDrive *, IdeRequest *, int))
{
    IdeRequest *own = request_new(drive, op, done);

    own->request.size = MIN(drive->left, drive->block) * IDE_SECTOR_SIZE;
    own->buffer = g_malloc(own->request.size);
    own->iov[0] = (struct iovec){.iov_base = own->buffer, .iov_len = own->request.size};
    own->request.iov_count = 1;
    return own;
}

static void advance(IdeDrive *drive, uint64_t bytes)
{
    drive->lba += bytes / IDE_SECTOR_SIZE;
    drive->left -= (uint32_t)(bytes / IDE_SECTOR_SIZE);
}

static void read_block_done(IdeDrive *drive, IdeRequest *own, int status)
{
    if (status < 0) {
        image_failed(drive, status);
        return;
    }
    memcpy(drive->data, own->buffer, own->request.size);
    advance(drive, own->request.size);
    ide_drive_send(drive, (uint32_t)own->request.size);
}

void ide_drive_read_block(IdeDrive *drive)
{
    drive->phase = IDE_PIO_IN;
    request_submit(drive, block_request(drive, BLOCK_READ, read_block_done));
}

static void write_block_done(IdeDrive *drive, IdeRequest *own, int status)
{
    if (status < 0) {
        image_failed(drive, status);
        return;
    }
    advance(drive, own->request.size);
    if (drive->left > 0) {
        ide_drive_receive(drive, MIN(drive->left, drive->block) * IDE_SECTOR_SIZE, true);
    } else {
        ide_drive_finish(drive);
    }
}

void ide_drive_write_block(IdeDrive *drive)
{
    IdeRequest *own = block_request(drive, BLOCK_WRITE, write_block_done);

    memcpy(own->buffer, drive->data, own->request.size);
    request_submit(drive, own);
}

/* -- DMA --------------------------------------------------------------------------------------- */

static uint64_t dma_bytes_left(const IdeDma *dma)
{
    uint64_t bytes = 0;

    for (size_t i = dma->index; i < dma->count; i++) {
        bytes += dma->segments[i].size;
    }
    return bytes - (dma->index < dma->count ? dma->offset : 0);
}

/* The engine goes idle before the drive interrupts, as on the wire. */
static void dma_end(IdeDrive *drive, IdeDmaEnd end)
{
    IdeBus *bus = ide_drive_bus(drive);
    uint64_t left = dma_bytes_left(drive->dma);

    dma_free(drive);
    bus->ops->dma_ended(bus, end, left);
}

void ide_drive_abort(IdeDrive *drive)
{
    if (drive->dma) {
        dma_end(drive, IDE_DMA_ERROR);
    }
    ide_drive_cancel(drive);
}

/* Appends the next piece of at most `limit` bytes; false when guest memory there is not RAM, or no
 * segment is left. */
static bool add_piece(IdeRequest *own, IdeDma *dma, uint64_t limit, bool to_memory)
{
    const IdeSegment *segment = &dma->segments[dma->index];
    uint64_t address = segment->address + dma->offset;
    uint64_t size = MIN(segment->size - dma->offset, limit);
    Piece *piece = &own->pieces[own->piece_count];
    void *host = address_space_map(&address_space_memory, address, &size, to_memory, &piece->block);

    if (!host) {
        return false;
    }
    own->iov[own->piece_count++] = (struct iovec){.iov_base = host, .iov_len = size};
    own->request.size += size;
    dma->offset += (uint32_t)size;
    if (dma->offset == segment->size) {
        dma->index++;
        dma->offset = 0;
    }
    return true;
}

/* Moves bytes between guest memory and the buffer of a chunk, from the transfer's position. */
static void copy_segments(IdeDma *dma, uint8_t *buffer, uint64_t size, bool to_memory)
{
    while (size > 0 && dma->index < dma->count) {
        const IdeSegment *segment = &dma->segments[dma->index];
        uint64_t step = MIN(segment->size - dma->offset, size);
        uint64_t address = segment->address + dma->offset;

        if (to_memory) {
            address_space_write(&address_space_memory, address, buffer, step);
        } else {
            address_space_read(&address_space_memory, address, buffer, step);
        }
        buffer += step;
        size -= step;
        dma->offset += (uint32_t)step;
        if (dma->offset == segment->size) {
            dma->index++;
            dma->offset = 0;
        }
    }
}

static void dma_next_chunk(IdeDrive *drive);

static void dma_chunk_done(IdeDrive *drive, IdeRequest *own, int status)
{
    bool is_read = own->request.op == BLOCK_READ;

    if (status < 0) {
        dma_end(drive, IDE_DMA_ERROR);
        image_failed(drive, status);
        return;
    }
    if (own->buffer && is_read) {
        copy_segments(drive->dma, own->buffer, own->request.size, true);
    }
    advance(drive, own->request.size);
    if (drive->left > 0) {
        dma_next_chunk(drive);
        return;
    }
    dma_end(drive, IDE_DMA_COMPLETE);
    ide_drive_finish(drive);
}

/* Takes the whole chunk through a buffer instead. */
static void bounce_chunk(IdeRequest *own, IdeDma *dma, uint64_t size, bool to_memory)
{
    for (unsigned i = 0; i < own->piece_count; i++) {
        address_space_unmap(own->pieces[i].block, own->iov[i].iov_base, 0);
    }
    own->piece_count = 0;
    own->buffer = g_malloc0(size);
    own->iov[0] = (struct iovec){.iov_base = own->buffer, .iov_len = size};
    own->request.iov_count = 1;
    own->request.size = size;
    if (!to_memory) {
        copy_segments(dma, own->buffer, size, false);
    }
}

/* Requests are whole sectors; where the pieces do not add up to that, a buffer helps. */
static void dma_next_chunk(IdeDrive *drive)
{
    IdeDma *dma = drive->dma, start = *dma;
    bool to_memory = drive->phase == IDE_DMA_IN;
    uint64_t wanted = MIN((uint64_t)drive->left * IDE_SECTOR_SIZE, DMA_CHUNK);
    uint64_t size = MIN(wanted, dma_bytes_left(dma)) / IDE_SECTOR_SIZE * IDE_SECTOR_SIZE;
    IdeRequest *own;
    bool is_ram = true;

    if (size == 0) {
        drive->phase = IDE_IDLE;
        drive->status = ATA_DRDY | ATA_DSC;
        dma_end(drive, IDE_DMA_SHORT);
        return;
    }
    own = request_new(drive, to_memory ? BLOCK_READ : BLOCK_WRITE, dma_chunk_done);
    while (is_ram && own->request.size < size && own->piece_count < DMA_CHUNK_PIECES) {
        is_ram = add_piece(own, dma, size - own->request.size, to_memory);
    }
    own->request.iov_count = own->piece_count;
    if (!is_ram || own->request.size % IDE_SECTOR_SIZE) {
        *dma = start;
        bounce_chunk(own, dma, size, to_memory);
    }
    request_submit(drive, own);
}

void ide_drive_start_dma(IdeDrive *drive, bool to_memory)
{
    IdeBus *bus = ide_drive_bus(drive);

    drive->phase = to_memory ? IDE_DMA_IN : IDE_DMA_OUT;
    drive->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    bus->ops->dma_requested(bus);
}

void ide_drive_send_by_dma(IdeDrive *drive, uint32_t size)
{
    drive->left = 0;
    drive->data_size = size;
    ide_drive_start_dma(drive, true);
}

/* Moves data[] to memory at once. */
static void dma_send_data(IdeDrive *drive)
{
    uint64_t size = MIN(drive->data_size, dma_bytes_left(drive->dma));

    copy_segments(drive->dma, drive->data, size, true);
    dma_end(drive, IDE_DMA_COMPLETE);
    ide_drive_finish(drive);
}

static IdeDrive *dma_drive(const IdeBus *bus)
{
    IdeDrive *drive = bus->drives[bus->selected];

    return drive && (drive->phase == IDE_DMA_IN || drive->phase == IDE_DMA_OUT) ? drive : NULL;
}

bool ide_bus_dma_is_wanted(const IdeBus *bus)
{
    IdeDrive *drive = dma_drive(bus);

    return drive && !drive->dma;
}

void ide_bus_run_dma(IdeBus *bus, bool to_memory, IdeSegment *segments, size_t count)
{
    IdeDrive *drive = dma_drive(bus);

    if (!drive || drive->dma || to_memory != (drive->phase == IDE_DMA_IN)) {
        g_free(segments);
        return;
    }
    drive->dma = g_new0(IdeDma, 1);
    drive->dma->segments = segments;
    drive->dma->count = count;
    if (drive->left > 0) {
        dma_next_chunk(drive);
    } else {
        dma_send_data(drive);
    }
}

void ide_bus_stop_dma(IdeBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        IdeDrive *drive = bus->drives[i];
        if (drive && drive->dma) {
            ide_drive_cancel(drive);
            drive->status = ATA_DRDY | ATA_DSC;
        }
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool choose_unit(IdeDrive *drive, IdeBus *bus, Error **err)
{
    if (drive->unit < 0) {
        drive->unit = bus->drives[0] ? 1 : 0;
    }
    if (drive->unit >= IDE_UNITS) {
        return error_set(err, "unit %d: an IDE channel has units 0 and 1", drive->unit);
    }
    if (bus->drives[drive->unit]) {
        return error_set(err, "%s has a drive at unit %d already", bus->bus.obj.name, drive->unit);
    }
    return true;
}

void ide_drive_load_medium(IdeDrive *drive)
{
    bool is_there = drive->drive && !drive_is_tray_open(drive->drive);

    drive->node = is_there ? drive_node(drive->drive) : NULL;
    drive->sectors = drive->node ? block_size(drive->node) / IDE_SECTOR_SIZE : 0;
}

static void medium_event(Object *obj, DriveEvent event)
{
    IdeDrive *drive = (IdeDrive *)obj;

    ide_drive_info(drive)->medium_event(drive, event);
}

static bool ide_drive_realize(Object *obj, Error **err)
{
    IdeDrive *drive = (IdeDrive *)obj;
    IdeBus *bus = ide_drive_bus(drive);

    if (!choose_unit(drive, bus, err) || (drive->drive && !drive_take(drive->drive, err))) {
        return false;
    }
    if (drive->drive) {
        drive_override_errors(drive->drive, drive->werror, drive->rerror);
    }
    if (drive->drive && ide_drive_info(drive)->medium_event) {
        drive_set_device(drive->drive, obj, medium_event);
    }
    ide_drive_load_medium(drive);
    bus->drives[drive->unit] = drive;
    return true;
}

static void ide_drive_unrealize(Object *obj)
{
    IdeDrive *drive = (IdeDrive *)obj;

    ide_drive_cancel(drive);
    ide_drive_bus(drive)->drives[drive->unit] = NULL;
    if (drive->drive) {
        drive_set_device(drive->drive, NULL, NULL);
        drive_release(drive->drive);
    }
}

static void ide_drive_reset_hold(Object *obj)
{
    IdeDrive *drive = (IdeDrive *)obj;

    ide_drive_cancel(drive);
    ide_drive_set_signature(drive);
    if (drive->drive) {
        drive_set_locked(drive->drive, false);
    }
}

static const Field ide_drive_fields[] = {
    PROP_LINK(IdeDrive, drive, .desc = "drive with the image", .link_type = &drive_type),
    PROP(IdeDrive, unit, .desc = "0 master, 1 slave, -1 the first free", .init = -1),
    PROP_ENUM(IdeDrive, werror, .choices = drive_error_choices,
              .desc = "what a failed write leads to"),
    PROP_ENUM(IdeDrive, rerror, .choices = drive_error_choices,
              .desc = "what a failed read leads to"),
    PROP(IdeDrive, serial, .desc = "serial number, up to 20 characters"),
    PROP(IdeDrive, model, .desc = "model name, up to 40 characters"),
    PROP(IdeDrive, ver, .desc = "firmware version, up to 8 characters"),
    DERIVED(IdeDrive, node),
    DERIVED(IdeDrive, sectors),
    STATE_ARRAY(IdeDrive, feature),
    STATE_ARRAY(IdeDrive, count),
    STATE_ARRAY(IdeDrive, lba_low),
    STATE_ARRAY(IdeDrive, lba_mid),
    STATE_ARRAY(IdeDrive, lba_high),
    STATE(IdeDrive, select),
    STATE(IdeDrive, status),
    STATE(IdeDrive, error),
    STATE(IdeDrive, command),
    STATE(IdeDrive, irq_pending),
    STATE(IdeDrive, phase),
    STATE(IdeDrive, data_at),
    STATE(IdeDrive, data_size),
    STATE_ARRAY(IdeDrive, data),
    STATE(IdeDrive, lba),
    STATE(IdeDrive, left),
    STATE(IdeDrive, block),
    STATE(IdeDrive, multiple, .init = IDE_MULTIPLE_MAX),
    STATE(IdeDrive, is_fua),
    DERIVED(IdeDrive, generation),
    DERIVED(IdeDrive, dma),
    DERIVED(IdeDrive, held),
    FIELDS_END,
};

static const BusDeviceInfo ide_device_info = {.bus_type = &ide_bus_type, .max_devices = IDE_UNITS};

const Type ide_drive_type = {
    .name = "ide-device",
    .parent = &device_type,
    .size = sizeof(IdeDrive),
    .fields = ide_drive_fields,
    .info = &ide_device_info,
    .realize = ide_drive_realize,
    .unrealize = ide_drive_unrealize,
    .reset_hold = ide_drive_reset_hold,
    .abstract = true,
};

OBJECT_TYPE(ide_drive_type);
