/* SPDX-License-Identifier: MIT */
/* ATAPI CD-ROM drive: the packet interface and the commands that boot and read discs. ATA/ATAPI-6,
 * 9.8; SFF-8020i; MMC-3. */
#include "hw/ide/ide-drive.h"

#include <string.h>

#define PACKET_SIZE 12u
#define BLOCK_SIZE 2048u
#define BLOCK_SECTORS (BLOCK_SIZE / IDE_SECTOR_SIZE)
#define LEAD_OUT 0xaa

enum { /* ATA commands */
       COMMAND_NOP = 0x00,
       COMMAND_PACKET = 0xa0,
       COMMAND_IDENTIFY_PACKET = 0xa1,
       COMMAND_STANDBY_IMMEDIATE = 0xe0,
       COMMAND_IDLE_IMMEDIATE = 0xe1,
       COMMAND_CHECK_POWER = 0xe5,
       COMMAND_SLEEP = 0xe6,
       COMMAND_FLUSH = 0xe7,
       COMMAND_SET_FEATURES = 0xef
};

enum { FEATURE_DMA = 1, FEATURE_TRANSFER_MODE = 3 };

enum {
    SENSE_NONE = 0,
    SENSE_NOT_READY = 2,
    SENSE_MEDIUM_ERROR = 3,
    SENSE_ILLEGAL_REQUEST = 5,
    SENSE_UNIT_ATTENTION = 6
};
enum { /* additional sense codes */
       ASC_NONE = 0,
       ASC_READ_ERROR = 0x11,
       ASC_INVALID_COMMAND = 0x20,
       ASC_LBA_OUT_OF_RANGE = 0x21,
       ASC_INVALID_FIELD = 0x24,
       ASC_MEDIUM_CHANGED = 0x28,
       ASC_NO_MEDIUM = 0x3a,
       ASC_REMOVAL_PREVENTED = 0x53
};
enum { /* media events */
       MEDIA_NOTHING = 0,
       MEDIA_EJECT_REQUEST = 1,
       MEDIA_NEW = 2,
       MEDIA_REMOVAL = 3
};
enum { START_STOP_START = 1, START_STOP_TRAY = 2 };

enum { PROFILE_CD_ROM = 0x0008 };

typedef struct AtapiCd {
    IdeDrive ide;
    uint8_t packet[PACKET_SIZE];
    bool packet_expected; /* the data being received is a packet */
    bool by_dma;
    uint32_t limit; /* bytes between two interrupts, as the guest wants it */
    uint8_t sense_key, sense_code;
    bool attention;      /* the guest has to hear of a new medium before it uses it */
    uint8_t media_event; /* not yet asked for */
} AtapiCd;

typedef struct PacketCommand {
    uint8_t opcode;
    enum { AT_ANY_TIME, AFTER_ATTENTION, WITH_MEDIUM } when;
    void (*run)(AtapiCd *cd);
} PacketCommand;

/* -- Big-endian fields ------------------------------------------------------------------------- */

static uint32_t get_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t get_be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static void put_be16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put_be32(uint8_t *bytes, uint32_t value)
{
    put_be16(bytes, value >> 16);
    put_be16(bytes + 2, value);
}

/* -- Ends -------------------------------------------------------------------------------------- */

static void finish(AtapiCd *cd)
{
    cd->sense_key = SENSE_NONE;
    cd->sense_code = ASC_NONE;
    ide_drive_finish(&cd->ide);
}

static void fail(AtapiCd *cd, uint8_t key, uint8_t code)
{
    cd->sense_key = key;
    cd->sense_code = code;
    ide_drive_fail(&cd->ide, (uint8_t)(key << 4 | ATA_ABRT));
}

static void cd_image_failed(IdeDrive *ide, int status)
{
    fail((AtapiCd *)ide, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
}

/* Sends the first `size` bytes of data[], at most what the packet allows. */
static void reply(AtapiCd *cd, uint32_t size, uint32_t allowed)
{
    IdeDrive *ide = &cd->ide;

    size = MIN(size, allowed);
    if (size == 0) {
        finish(cd);
    } else if (cd->by_dma) {
        ide_drive_send_by_dma(ide, size);
    } else {
        ide->left = 0;
        ide_drive_send(ide, MIN(size, cd->limit));
    }
}

static uint8_t *clear_data(AtapiCd *cd)
{
    return memset(cd->ide.data, 0, IDE_SECTOR_SIZE);
}

static uint32_t blocks(const AtapiCd *cd)
{
    return (uint32_t)MIN(cd->ide.sectors / BLOCK_SECTORS, UINT32_MAX);
}

/* -- Packet commands --------------------------------------------------------------------------- */

static void cmd_nothing(AtapiCd *cd)
{
    finish(cd);
}

static void medium_came(AtapiCd *cd)
{
    ide_drive_load_medium(&cd->ide);
    cd->attention = cd->ide.node != NULL;
    cd->media_event = cd->ide.node ? MEDIA_NEW : MEDIA_NOTHING;
}

static void cmd_start_stop(AtapiCd *cd)
{
    Drive *drive = cd->ide.drive;
    bool open = !(cd->packet[4] & START_STOP_START);

    if (!(cd->packet[4] & START_STOP_TRAY) || !drive || drive_is_tray_open(drive) == open) {
        finish(cd);
        return;
    }
    if (open && drive_is_locked(drive)) {
        fail(cd, cd->ide.node ? SENSE_NOT_READY : SENSE_ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED);
        return;
    }
    drive_move_tray(drive, open);
    if (open) {
        ide_drive_load_medium(&cd->ide);
    } else {
        medium_came(cd);
    }
    finish(cd);
}

static void cmd_prevent_removal(AtapiCd *cd)
{
    if (cd->ide.drive) {
        drive_set_locked(cd->ide.drive, cd->packet[4] & 1);
    }
    finish(cd);
}

static void cmd_request_sense(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    if (cd->attention && cd->sense_key == SENSE_NONE) {
        cd->attention = false;
        cd->sense_key = SENSE_UNIT_ATTENTION;
        cd->sense_code = ASC_MEDIUM_CHANGED;
    }
    data[0] = 0x70; /* current error */
    data[2] = cd->sense_key;
    data[7] = 10;
    data[12] = cd->sense_code;
    cd->sense_key = SENSE_NONE;
    cd->sense_code = ASC_NONE;
    reply(cd, 18, cd->packet[4]);
}

static void put_padded(uint8_t *data, size_t size, const char *text)
{
    size_t length = MIN(strlen(text), size);

    memset(data, ' ', size);
    memcpy(data, text, length);
}

static void cmd_inquiry(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    if (cd->packet[1] & 1) {
        fail(cd, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
        return;
    }
    data[0] = 5;    /* CD-ROM */
    data[1] = 0x80; /* removable */
    data[3] = 0x21; /* ATAPI, response format 1 */
    data[4] = 31;
    put_padded(data + 8, 8, "QEMU");
    put_padded(data + 16, 16, cd->ide.model ? cd->ide.model : "QEMU DVD-ROM");
    put_padded(data + 32, 4, cd->ide.ver ? cd->ide.ver : "2.5+");
    reply(cd, 36, get_be16(cd->packet + 3));
}

static void cmd_read_capacity(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    put_be32(data, blocks(cd) - 1);
    put_be32(data + 4, BLOCK_SIZE);
    reply(cd, 8, 8);
}

static void read_blocks(AtapiCd *cd, uint32_t block, uint32_t count)
{
    IdeDrive *ide = &cd->ide;

    if (count == 0) {
        finish(cd);
        return;
    }
    if (block >= blocks(cd) || count > blocks(cd) - block) {
        fail(cd, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
        return;
    }
    ide->lba = (uint64_t)block * BLOCK_SECTORS;
    ide->left = count * BLOCK_SECTORS;
    ide->block = CLAMP(cd->limit / IDE_SECTOR_SIZE, 1, IDE_MULTIPLE_MAX);
    ide->is_fua = false;
    if (cd->by_dma) {
        ide_drive_start_dma(ide, true);
    } else {
        ide_drive_read_block(ide);
    }
}

static void cmd_read10(AtapiCd *cd)
{
    read_blocks(cd, get_be32(cd->packet + 2), get_be16(cd->packet + 7));
}

static void cmd_read12(AtapiCd *cd)
{
    uint32_t count = get_be32(cd->packet + 6);

    /* More than the disc has is refused; the shift to sectors must not overflow before that. */
    read_blocks(cd, get_be32(cd->packet + 2), MIN(count, UINT32_MAX / BLOCK_SECTORS));
}

/* An address as the guest asked for it: blocks, or minute, second and frame. */
static void put_address(uint8_t *data, uint32_t block, bool is_msf)
{
    uint32_t frames = block + 150;

    if (!is_msf) {
        put_be32(data, block);
        return;
    }
    data[0] = 0;
    data[1] = (uint8_t)(frames / 75 / 60);
    data[2] = (uint8_t)(frames / 75 % 60);
    data[3] = (uint8_t)(frames % 75);
}

static void put_track(uint8_t *data, uint8_t number, uint32_t block, bool is_msf)
{
    data[1] = 0x14; /* data track, uninterrupted */
    data[2] = number;
    put_address(data + 4, block, is_msf);
}

static void cmd_read_toc(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);
    bool is_msf = cd->packet[1] & 2;
    uint8_t first = cd->packet[6];
    unsigned format = cd->packet[2] & 0xf ? cd->packet[2] & 0xf : cd->packet[9] >> 6;
    uint32_t size = 4;

    if (format > 1 || (format == 0 && first > 1 && first != LEAD_OUT)) {
        fail(cd, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
        return;
    }
    if (format == 1 || first <= 1) {
        put_track(data + size, 1, 0, is_msf);
        size += 8;
    }
    if (format == 0) {
        put_track(data + size, LEAD_OUT, blocks(cd), is_msf);
        size += 8;
    }
    put_be16(data, size - 2);
    data[2] = data[3] = 1; /* first and last track or session */
    reply(cd, size, get_be16(cd->packet + 7));
}

/* Mode pages 01h (error recovery) and 2Ah (capabilities). */
static void cmd_mode_sense10(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd), *page = data + 8;
    uint32_t size;

    switch (cd->packet[2] & 0x3f) {
    case 0x01:
        page[1] = 6;
        page[3] = 5; /* retries */
        size = 16;
        break;
    case 0x2a:
        page[1] = 18;
        page[4] = 0x71;           /* plays audio, mode 2, multi-session */
        page[6] = 0x29;           /* lock, eject, tray */
        put_be16(page + 8, 706);  /* kB/s at most: 4x */
        put_be16(page + 10, 2);   /* volume levels */
        put_be16(page + 12, 512); /* kB of buffer */
        put_be16(page + 14, 706);
        size = 28;
        break;
    default:
        fail(cd, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
        return;
    }
    page[0] = cd->packet[2] & 0x3f;
    put_be16(data, size - 2);
    data[2] = cd->ide.node ? 0x01 : 0x70; /* medium: data CD, or none */
    reply(cd, size, get_be16(cd->packet + 7));
}

/* The profile list and the core feature. */
static void cmd_get_configuration(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    put_be16(data + 6, cd->ide.node ? PROFILE_CD_ROM : 0);
    data[10] = 0x03; /* feature 0, persistent and current */
    data[11] = 4;
    put_be16(data + 12, PROFILE_CD_ROM);
    data[14] = cd->ide.node ? 1 : 0;
    put_be16(data + 16, 1); /* feature 1: core */
    data[18] = 0x03;
    data[19] = 4;
    put_be32(data + 20, 2); /* ATAPI */
    put_be32(data, 24 - 4);
    reply(cd, 24, get_be16(cd->packet + 7));
}

static void cmd_get_event_status(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    if (!(cd->packet[1] & 1)) { /* only polled */
        fail(cd, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD);
        return;
    }
    data[3] = 0x10; /* media events are supported */
    if (!(cd->packet[4] & 0x10)) {
        data[2] = 0x80; /* none of the classes asked for */
        put_be16(data, 2);
        reply(cd, 4, get_be16(cd->packet + 7));
        return;
    }
    put_be16(data, 6);
    data[2] = 4;
    data[4] = cd->media_event;
    data[5] = cd->ide.node ? 2 : 0; /* medium present */
    data[5] |= cd->ide.drive && drive_is_tray_open(cd->ide.drive);
    cd->media_event = MEDIA_NOTHING;
    reply(cd, 8, get_be16(cd->packet + 7));
}

static void cmd_read_disc_information(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    put_be16(data, 32);
    data[2] = 0x0e; /* complete disc, complete session */
    data[3] = data[4] = data[5] = data[6] = 1;
    data[7] = 0x20;
    reply(cd, 34, get_be16(cd->packet + 7));
}

static void cmd_mechanism_status(AtapiCd *cd)
{
    uint8_t *data = clear_data(cd);

    data[5] = 1;
    reply(cd, 8, get_be16(cd->packet + 8));
}

static const PacketCommand packet_commands[] = {
    {0x00, WITH_MEDIUM, cmd_nothing}, /* TEST UNIT READY */
    {0x03, AT_ANY_TIME, cmd_request_sense},
    {0x12, AT_ANY_TIME, cmd_inquiry},
    {0x1b, AFTER_ATTENTION, cmd_start_stop},
    {0x1e, AFTER_ATTENTION, cmd_prevent_removal},
    {0x25, WITH_MEDIUM, cmd_read_capacity},
    {0x28, WITH_MEDIUM, cmd_read10},
    {0x2b, WITH_MEDIUM, cmd_nothing}, /* SEEK */
    {0x43, WITH_MEDIUM, cmd_read_toc},
    {0x46, AT_ANY_TIME, cmd_get_configuration},
    {0x4a, AT_ANY_TIME, cmd_get_event_status},
    {0x51, WITH_MEDIUM, cmd_read_disc_information},
    {0x5a, AFTER_ATTENTION, cmd_mode_sense10},
    {0xa8, WITH_MEDIUM, cmd_read12},
    {0xbb, AFTER_ATTENTION, cmd_nothing}, /* SET CD SPEED */
    {0xbd, AFTER_ATTENTION, cmd_mechanism_status},
};

static void run_packet(AtapiCd *cd)
{
    memcpy(cd->packet, cd->ide.data, PACKET_SIZE);
    for (size_t i = 0; i < G_N_ELEMENTS(packet_commands); i++) {
        const PacketCommand *command = &packet_commands[i];
        if (command->opcode != cd->packet[0]) {
            continue;
        }
        if (command->when != AT_ANY_TIME && cd->attention) {
            cd->attention = false;
            fail(cd, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
        } else if (command->when == WITH_MEDIUM && blocks(cd) == 0) {
            fail(cd, SENSE_NOT_READY, ASC_NO_MEDIUM);
        } else {
            command->run(cd);
        }
        return;
    }
    fail(cd, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND);
}

/* -- ATA commands ------------------------------------------------------------------------------ */

static void expect_packet(AtapiCd *cd)
{
    IdeDrive *ide = &cd->ide;
    uint32_t limit = ide->lba_mid[0] | (uint32_t)ide->lba_high[0] << 8;

    cd->limit = limit ? limit & ~1u : 0xfffe;
    cd->limit = MAX(cd->limit, 2);
    cd->by_dma = ide->feature[0] & FEATURE_DMA;
    cd->packet_expected = true;
    ide->count[0] = ATAPI_REASON_COMMAND;
    ide_drive_receive(ide, PACKET_SIZE, false);
}

static void put_word(uint8_t *data, unsigned word, uint16_t value)
{
    data[2 * word] = (uint8_t)value;
    data[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_string(uint8_t *data, unsigned word, unsigned size, const char *text)
{
    size_t length = MIN(strlen(text), size);

    for (unsigned i = 0; i < size; i++) {
        data[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
    }
}

static void cmd_identify(AtapiCd *cd)
{
    IdeDrive *ide = &cd->ide;
    uint8_t *data = clear_data(cd);
    unsigned number = ide_drive_bus(ide)->index * IDE_UNITS + (unsigned)ide->unit + 1;
    g_autofree char *serial = g_strdup_printf("QM%05u", number);

    put_word(data, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets */
    put_string(data, 10, 20, ide->serial ? ide->serial : serial);
    put_string(data, 23, 8, ide->ver ? ide->ver : "2.5+");
    put_string(data, 27, 40, ide->model ? ide->model : "QEMU DVD-ROM");
    put_word(data, 48, 1);
    put_word(data, 49, 1 << 11 | 1 << 9 | 1 << 8); /* IORDY, LBA, DMA */
    put_word(data, 53, 7);
    put_word(data, 63, 0x07);
    put_word(data, 64, 3);
    for (unsigned word = 65; word <= 68; word++) {
        put_word(data, word, 120);
    }
    put_word(data, 80, 0x1e);                      /* ATA-1 to ATAPI-4 */
    put_word(data, 82, 1 << 14 | 1 << 9 | 1 << 4); /* NOP, DEVICE RESET, PACKET */
    put_word(data, 83, 1 << 14);
    put_word(data, 84, 1 << 14);
    put_word(data, 85, 1 << 14 | 1 << 9 | 1 << 4);
    put_word(data, 87, 1 << 14);
    put_word(data, 88, 0x3f | 0x2000); /* Ultra DMA 0-5, 5 chosen */
    put_word(data, 93, 1 << 14 | 1 << 13 | 1);
    ide->left = 0;
    ide_drive_send(ide, IDE_SECTOR_SIZE);
}

static void cd_command(IdeDrive *ide, uint8_t opcode)
{
    AtapiCd *cd = (AtapiCd *)ide;

    cd->packet_expected = false;
    switch (opcode) {
    case ATA_COMMAND_DEVICE_RESET:
        ide_drive_cancel(ide);
        ide_drive_set_signature(ide);
        break;
    case COMMAND_PACKET:
        expect_packet(cd);
        break;
    case COMMAND_IDENTIFY_PACKET:
        cmd_identify(cd);
        break;
    case COMMAND_SET_FEATURES:
        if (ide->feature[0] != FEATURE_TRANSFER_MODE) {
            ide_drive_fail(ide, ATA_ABRT);
            break;
        }
        ide_drive_finish(ide);
        break;
    case COMMAND_CHECK_POWER:
        ide_drive_finish(ide);
        ide->count[0] = 0xff;
        break;
    case COMMAND_STANDBY_IMMEDIATE:
    case COMMAND_IDLE_IMMEDIATE:
    case COMMAND_SLEEP:
    case COMMAND_FLUSH:
        ide_drive_finish(ide);
        break;
    default: /* IDENTIFY DEVICE and READ SECTORS show the signature besides */
        ide_drive_set_signature(ide);
        ide_drive_fail(ide, ATA_ABRT);
        ide->count[0] = 1;
        break;
    }
}

static void cd_data_done(IdeDrive *ide)
{
    AtapiCd *cd = (AtapiCd *)ide;

    if (cd->packet_expected) {
        cd->packet_expected = false;
        run_packet(cd);
    } else if (ide->left > 0) {
        ide_drive_read_block(ide);
    } else if (ide->command == COMMAND_PACKET) {
        ide_drive_finish(ide); /* the end of a packet command has an interrupt of its own */
    } else {
        ide->phase = IDE_IDLE;
        ide->status = ATA_DRDY | ATA_DSC;
    }
}

/* -- Media ------------------------------------------------------------------------------------- */

/* A transfer from the medium ends with an error when that goes; the tray does not wait. */
static void medium_leaves(AtapiCd *cd)
{
    IdeDrive *ide = &cd->ide;
    bool is_reading = ide->phase == IDE_BUSY || ide->phase == IDE_DMA_IN ||
                      (ide->phase == IDE_PIO_IN && ide->left > 0);

    if (is_reading) {
        ide_drive_abort(ide);
    }
    ide->node = NULL;
    ide->sectors = 0;
    cd->attention = false;
    cd->media_event = MEDIA_REMOVAL;
    if (is_reading) {
        fail(cd, SENSE_NOT_READY, ASC_NO_MEDIUM);
    }
}

static void cd_medium_event(IdeDrive *ide, DriveEvent event)
{
    AtapiCd *cd = (AtapiCd *)ide;

    switch (event) {
    case DRIVE_MEDIUM_LEAVES:
        medium_leaves(cd);
        break;
    case DRIVE_MEDIUM_CAME:
        medium_came(cd);
        break;
    case DRIVE_EJECT_WANTED:
        cd->media_event = MEDIA_EJECT_REQUEST;
        break;
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

static const Field cd_fields[] = {
    STATE_ARRAY(AtapiCd, packet), STATE(AtapiCd, packet_expected), STATE(AtapiCd, by_dma),
    STATE(AtapiCd, limit),        STATE(AtapiCd, sense_key),       STATE(AtapiCd, sense_code),
    STATE(AtapiCd, attention),    STATE(AtapiCd, media_event),     FIELDS_END,
};

static const IdeDriveInfo cd_info = {
    .command = cd_command,
    .data_done = cd_data_done,
    .image_failed = cd_image_failed,
    .medium_event = cd_medium_event,
    .is_packet = true,
    .signature_mid = 0x14,
    .signature_high = 0xeb,
    .reset_status = 0,
};

static const Type cd_type = {
    .name = "ide-cd",
    .parent = &ide_drive_type,
    .size = sizeof(AtapiCd),
    .desc = "ATAPI CD-ROM drive",
    .fields = cd_fields,
    .info = &cd_info,
    .user_creatable = true,
};

DEVICE(cd_type);
