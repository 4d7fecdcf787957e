/* SPDX-License-Identifier: MIT */
/* ATA disk: CHS, 28-bit and 48-bit addresses, PIO, MULTIPLE and DMA commands. ATA/ATAPI-6 (T13
 * 1410D) and ATA8-ACS. */
#include "hw/ide/ide-drive.h"

#include <string.h>

enum {               /* AtaCommand.flags */
       EXT = 1,      /* 48-bit address and count */
       MULTIPLE = 2, /* blocks of `multiple` sectors */
       DMA = 4,
       WRITE = 8,
       FUA = 16
};

enum { /* SET FEATURES, in the features register */
       FEATURE_WRITE_CACHE_ON = 0x02,
       FEATURE_TRANSFER_MODE = 0x03,
       FEATURE_APM_ON = 0x05,
       FEATURE_AAM_ON = 0x42,
       FEATURE_READ_AHEAD_OFF = 0x55,
       FEATURE_KEEP_SETTINGS = 0x66,
       FEATURE_WRITE_CACHE_OFF = 0x82,
       FEATURE_APM_OFF = 0x85,
       FEATURE_READ_AHEAD_ON = 0xaa,
       FEATURE_AAM_OFF = 0xc2,
       FEATURE_REVERT_SETTINGS = 0xcc
};

enum { /* SMART, in the features register */
       SMART_READ_DATA = 0xd0,
       SMART_READ_THRESHOLDS = 0xd1,
       SMART_AUTOSAVE = 0xd2,
       SMART_ENABLE = 0xd8,
       SMART_DISABLE = 0xd9,
       SMART_STATUS = 0xda,
       SMART_KEY_MID = 0x4f,
       SMART_KEY_HIGH = 0xc2
};

enum { MODE_MULTIWORD_DMA = 4, MODE_ULTRA_DMA = 8 }; /* upper five bits of a transfer mode */

#define CYLINDERS_MAX 16383u
#define LBA28_MAX 0xfffffffu
#define COMMAND_READ_NATIVE_MAX_EXT 0x27
#define DEFAULT_MODE (MODE_ULTRA_DMA << 3 | 5)

typedef struct AtaDisk {
    IdeDrive ide;
    uint32_t cyls, heads, secs; /* PROP: default geometry; 0: by the size */
    uint64_t wwn;
    uint8_t logical_heads, logical_secs; /* as INITIALIZE DEVICE PARAMETERS set them */
    uint8_t transfer_mode;
    bool write_cache, smart_enabled;
} AtaDisk;

typedef struct AtaCommand {
    uint8_t opcode;
    uint8_t flags;
    void (*run)(AtaDisk *disk, unsigned flags);
} AtaCommand;

/* -- Addresses --------------------------------------------------------------------------------- */

static uint32_t cylinders(const AtaDisk *disk, uint32_t heads, uint32_t secs)
{
    uint64_t count = heads && secs ? disk->ide.sectors / (heads * secs) : 0;

    return (uint32_t)CLAMP(count, 1, CYLINDERS_MAX);
}

/* Decodes the address registers; false when they name no sector. */
static bool get_lba(const AtaDisk *disk, bool is_ext, uint64_t *ret_lba)
{
    const IdeDrive *ide = &disk->ide;
    uint64_t low = ide->lba_low[0] | (uint64_t)ide->lba_mid[0] << 8;
    uint32_t head = ide->select & 0xf;

    low |= (uint64_t)ide->lba_high[0] << 16;
    if (is_ext) {
        *ret_lba = low | (uint64_t)ide->lba_low[1] << 24 | (uint64_t)ide->lba_mid[1] << 32 |
                   (uint64_t)ide->lba_high[1] << 40;
        return true;
    }
    if (ide->select & ATA_DEVICE_LBA) {
        *ret_lba = low | (uint64_t)head << 24;
        return true;
    }
    if (ide->lba_low[0] == 0 || ide->lba_low[0] > disk->logical_secs ||
        head >= disk->logical_heads) {
        return false;
    }
    *ret_lba = ((low >> 8) * disk->logical_heads + head) * disk->logical_secs + ide->lba_low[0] - 1;
    return true;
}

static void set_lba(IdeDrive *ide, uint64_t lba, bool is_ext)
{
    ide->lba_low[0] = (uint8_t)lba;
    ide->lba_mid[0] = (uint8_t)(lba >> 8);
    ide->lba_high[0] = (uint8_t)(lba >> 16);
    if (is_ext) {
        ide->lba_low[1] = (uint8_t)(lba >> 24);
        ide->lba_mid[1] = (uint8_t)(lba >> 32);
        ide->lba_high[1] = (uint8_t)(lba >> 40);
    } else {
        ide->select = (uint8_t)((ide->select & 0xf0) | (lba >> 24 & 0xf));
    }
}

static uint32_t get_count(const IdeDrive *ide, bool is_ext)
{
    uint32_t count = is_ext ? (uint32_t)(ide->count[1] << 8 | ide->count[0]) : ide->count[0];

    return count ? count : is_ext ? 65536 : 256;
}

/* Sets the transfer's place from the registers; fails the command when it is not on the disk. */
static bool set_transfer(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;
    uint32_t count = get_count(ide, flags & EXT);
    uint64_t lba;

    if (!get_lba(disk, flags & EXT, &lba) || lba >= ide->sectors || count > ide->sectors - lba) {
        ide_drive_fail(ide, ATA_IDNF);
        return false;
    }
    ide->lba = lba;
    ide->left = count;
    ide->is_fua = flags & FUA || !disk->write_cache;
    return true;
}

/* -- Reading and writing ----------------------------------------------------------------------- */

static void cmd_transfer(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;

    if (flags & MULTIPLE && ide->multiple == 0) {
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    if (!set_transfer(disk, flags)) {
        return;
    }
    ide->block = flags & MULTIPLE ? ide->multiple : 1;
    if (flags & DMA) {
        ide_drive_start_dma(ide, !(flags & WRITE));
    } else if (flags & WRITE) {
        ide_drive_receive(ide, MIN(ide->left, ide->block) * IDE_SECTOR_SIZE, false);
    } else {
        ide_drive_read_block(ide);
    }
}

static void disk_data_done(IdeDrive *ide)
{
    if (ide->phase == IDE_PIO_OUT) {
        ide_drive_write_block(ide);
    } else if (ide->left > 0) {
        ide_drive_read_block(ide);
    } else {
        /* The last block was announced when it was ready; its end is no news. */
        ide->phase = IDE_IDLE;
        ide->status = ATA_DRDY | ATA_DSC;
    }
}

static void cmd_verify(AtaDisk *disk, unsigned flags)
{
    if (set_transfer(disk, flags)) {
        ide_drive_finish(&disk->ide);
    }
}

static void cmd_flush(AtaDisk *disk, unsigned flags)
{
    ide_drive_flush(&disk->ide);
}

static void cmd_set_multiple(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;
    uint8_t count = ide->count[0];

    if (count > IDE_MULTIPLE_MAX || (count & (count - 1))) {
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    ide->multiple = count;
    ide_drive_finish(ide);
}

/* -- Identification ---------------------------------------------------------------------------- */

static void put_word(uint8_t *data, unsigned word, uint16_t value)
{
    data[2 * word] = (uint8_t)value;
    data[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_long(uint8_t *data, unsigned word, uint32_t value)
{
    put_word(data, word, (uint16_t)value);
    put_word(data, word + 1, (uint16_t)(value >> 16));
}

/* ATA strings are padded with blanks and have the first character in the high byte. */
static void put_string(uint8_t *data, unsigned word, unsigned size, const char *text)
{
    size_t length = MIN(strlen(text), size);

    for (unsigned i = 0; i < size; i++) {
        data[2 * word + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
    }
}

static void put_names(const AtaDisk *disk, uint8_t *data)
{
    const IdeDrive *ide = &disk->ide;
    unsigned number = ide_drive_bus(ide)->index * IDE_UNITS + (unsigned)ide->unit + 1;
    g_autofree char *serial = g_strdup_printf("QM%05u", number);

    put_string(data, 10, 20, ide->serial ? ide->serial : serial);
    put_string(data, 23, 8, ide->ver ? ide->ver : "2.5+");
    put_string(data, 27, 40, ide->model ? ide->model : "QEMU HARDDISK");
}

static void put_geometry(const AtaDisk *disk, uint8_t *data)
{
    uint64_t sectors = disk->ide.sectors;
    uint32_t heads = disk->logical_heads, secs = disk->logical_secs;
    uint32_t current = cylinders(disk, heads, secs);

    put_word(data, 1, (uint16_t)disk->cyls);
    put_word(data, 3, (uint16_t)disk->heads);
    put_word(data, 6, (uint16_t)disk->secs);
    put_word(data, 54, (uint16_t)current);
    put_word(data, 55, (uint16_t)heads);
    put_word(data, 56, (uint16_t)secs);
    put_long(data, 57, current * heads * secs);
    put_long(data, 60, (uint32_t)MIN(sectors, LBA28_MAX));
    put_long(data, 100, (uint32_t)sectors);
    put_long(data, 102, (uint32_t)(sectors >> 32));
}

static void put_modes(const AtaDisk *disk, uint8_t *data)
{
    unsigned kind = disk->transfer_mode >> 3, selected = 1u << (disk->transfer_mode & 7);

    put_word(data, 49, 1 << 11 | 1 << 9 | 1 << 8); /* IORDY, LBA, DMA */
    put_word(data, 53, 7);                         /* words 54-58, 64-70 and 88 are valid */
    put_word(data, 63, (uint16_t)(0x07 | (kind == MODE_MULTIWORD_DMA ? selected << 8 : 0)));
    put_word(data, 64, 3); /* PIO modes 3 and 4 */
    for (unsigned word = 65; word <= 68; word++) {
        put_word(data, word, 120); /* ns a cycle */
    }
    put_word(data, 88, (uint16_t)(0x3f | (kind == MODE_ULTRA_DMA ? selected << 8 : 0)));
    put_word(data, 93, 1 << 14 | 1 << 13 | 1); /* 80 wires */
}

static void put_features(const AtaDisk *disk, uint8_t *data)
{
    enum { SMART = 1, WRITE_CACHE = 1 << 5, NOP = 1 << 14 };                       /* word 82 */
    enum { LBA48 = 1 << 10, FLUSH = 1 << 12, FLUSH_EXT = 1 << 13, ONE = 1 << 14 }; /* word 83 */
    enum { FUA_EXT = 1 << 6, WWN = 1 << 8 };                                       /* word 84 */
    uint16_t names = ONE | FUA_EXT | (disk->wwn ? WWN : 0);

    put_word(data, 80, 0xf0); /* ATA-4 to ATA-7 */
    put_word(data, 81, 0x16);
    put_word(data, 82, NOP | WRITE_CACHE | SMART);
    put_word(data, 83, ONE | FLUSH_EXT | FLUSH | LBA48);
    put_word(data, 84, names);
    put_word(data, 85,
             (uint16_t)(NOP | (disk->write_cache ? WRITE_CACHE : 0) |
                        (disk->smart_enabled ? SMART : 0)));
    put_word(data, 86, FLUSH_EXT | FLUSH | LBA48);
    put_word(data, 87, names);
    for (unsigned i = 0; i < 4 && disk->wwn; i++) {
        put_word(data, 108 + i, (uint16_t)(disk->wwn >> (48 - 16 * i)));
    }
}

static void cmd_identify(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;
    uint8_t *data = ide->data;

    memset(data, 0, IDE_SECTOR_SIZE);
    put_word(data, 0, 0x0040); /* not removable */
    put_word(data, 4, (uint16_t)(IDE_SECTOR_SIZE * disk->secs));
    put_word(data, 5, IDE_SECTOR_SIZE);
    put_word(data, 20, 3);
    put_word(data, 21, 512); /* buffer of 256 KiB */
    put_word(data, 22, 4);
    put_word(data, 47, 0x8000 | IDE_MULTIPLE_MAX);
    put_word(data, 48, 1); /* 32-bit PIO works */
    put_word(data, 50, 1 << 14);
    put_word(data, 51, 0x200);
    put_word(data, 52, 0x200);
    put_word(data, 59, (uint16_t)(ide->multiple ? 0x100 | ide->multiple : 0));
    put_names(disk, data);
    put_geometry(disk, data);
    put_modes(disk, data);
    put_features(disk, data);
    ide->left = 0;
    ide_drive_send(ide, IDE_SECTOR_SIZE);
}

/* -- Settings ---------------------------------------------------------------------------------- */

static bool set_transfer_mode(AtaDisk *disk, uint8_t mode)
{
    unsigned kind = mode >> 3, number = mode & 7;

    switch (kind) {
    case 0: /* PIO default */
    case 1: /* PIO flow control */
        disk->transfer_mode = 0;
        return number <= 4;
    case MODE_MULTIWORD_DMA:
        disk->transfer_mode = number <= 2 ? mode : disk->transfer_mode;
        return number <= 2;
    case MODE_ULTRA_DMA:
        disk->transfer_mode = number <= 5 ? mode : disk->transfer_mode;
        return number <= 5;
    default:
        return false;
    }
}

static void cmd_set_features(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;

    switch (ide->feature[0]) {
    case FEATURE_WRITE_CACHE_ON:
        disk->write_cache = true;
        break;
    case FEATURE_WRITE_CACHE_OFF:
        disk->write_cache = false;
        ide_drive_flush(ide);
        return;
    case FEATURE_TRANSFER_MODE:
        if (!set_transfer_mode(disk, ide->count[0])) {
            ide_drive_fail(ide, ATA_ABRT);
            return;
        }
        break;
    case FEATURE_APM_ON:
    case FEATURE_APM_OFF:
    case FEATURE_AAM_ON:
    case FEATURE_AAM_OFF:
    case FEATURE_READ_AHEAD_ON:
    case FEATURE_READ_AHEAD_OFF:
    case FEATURE_KEEP_SETTINGS:
    case FEATURE_REVERT_SETTINGS:
        break;
    default:
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    ide_drive_finish(ide);
}

static void cmd_set_geometry(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;

    if (ide->count[0] == 0) {
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    disk->logical_heads = (ide->select & 0xf) + 1;
    disk->logical_secs = ide->count[0];
    ide_drive_finish(ide);
}

/* A page of 512 bytes with a version in front and the checksum behind. */
static void send_smart_page(IdeDrive *ide)
{
    uint8_t sum = 0;

    memset(ide->data, 0, IDE_SECTOR_SIZE);
    put_word(ide->data, 0, 1);
    for (unsigned i = 0; i < IDE_SECTOR_SIZE - 1; i++) {
        sum = (uint8_t)(sum + ide->data[i]);
    }
    ide->data[IDE_SECTOR_SIZE - 1] = (uint8_t)-sum;
    ide->left = 0;
    ide_drive_send(ide, IDE_SECTOR_SIZE);
}

static void cmd_smart(AtaDisk *disk, unsigned flags)
{
    IdeDrive *ide = &disk->ide;
    uint8_t what = ide->feature[0];

    if (ide->lba_mid[0] != SMART_KEY_MID || ide->lba_high[0] != SMART_KEY_HIGH ||
        (!disk->smart_enabled && what != SMART_ENABLE)) {
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    switch (what) {
    case SMART_READ_DATA:
    case SMART_READ_THRESHOLDS:
        send_smart_page(ide);
        return;
    case SMART_ENABLE:
    case SMART_DISABLE:
        disk->smart_enabled = what == SMART_ENABLE;
        break;
    case SMART_AUTOSAVE:
    case SMART_STATUS: /* healthy: the key stays as it is */
        break;
    default:
        ide_drive_fail(ide, ATA_ABRT);
        return;
    }
    ide_drive_finish(ide);
}

static void cmd_read_native_max(AtaDisk *disk, unsigned flags)
{
    uint64_t last = disk->ide.sectors ? disk->ide.sectors - 1 : 0;

    set_lba(&disk->ide, flags & EXT ? last : MIN(last, LBA28_MAX - 1), flags & EXT);
    ide_drive_finish(&disk->ide);
}

static void cmd_check_power(AtaDisk *disk, unsigned flags)
{
    disk->ide.count[0] = 0xff; /* active or idle */
    ide_drive_finish(&disk->ide);
}

static void cmd_nothing(AtaDisk *disk, unsigned flags)
{
    ide_drive_finish(&disk->ide);
}

/* -- The command set --------------------------------------------------------------------------- */

static const AtaCommand commands[] = {
    {0x10, 0, cmd_nothing},  /* RECALIBRATE */
    {0x20, 0, cmd_transfer}, /* READ SECTORS */
    {0x21, 0, cmd_transfer},
    {0x24, EXT, cmd_transfer},
    {0x25, EXT | DMA, cmd_transfer},
    {COMMAND_READ_NATIVE_MAX_EXT, EXT, cmd_read_native_max},
    {0x29, EXT | MULTIPLE, cmd_transfer},
    {0x30, WRITE, cmd_transfer}, /* WRITE SECTORS */
    {0x31, WRITE, cmd_transfer},
    {0x34, WRITE | EXT, cmd_transfer},
    {0x35, WRITE | EXT | DMA, cmd_transfer},
    {0x39, WRITE | EXT | MULTIPLE, cmd_transfer},
    {0x3d, WRITE | EXT | DMA | FUA, cmd_transfer},
    {0x40, 0, cmd_verify}, /* READ VERIFY */
    {0x41, 0, cmd_verify},
    {0x42, EXT, cmd_verify},
    {0x70, 0, cmd_nothing},      /* SEEK */
    {0x91, 0, cmd_set_geometry}, /* INITIALIZE DEVICE PARAMETERS */
    {0xb0, 0, cmd_smart},
    {0xc4, MULTIPLE, cmd_transfer},
    {0xc5, WRITE | MULTIPLE, cmd_transfer},
    {0xc6, 0, cmd_set_multiple},
    {0xc8, DMA, cmd_transfer},
    {0xc9, DMA, cmd_transfer},
    {0xca, WRITE | DMA, cmd_transfer},
    {0xcb, WRITE | DMA, cmd_transfer},
    {0xce, WRITE | EXT | MULTIPLE | FUA, cmd_transfer},
    {0xe0, 0, cmd_nothing}, /* STANDBY IMMEDIATE */
    {0xe1, 0, cmd_nothing}, /* IDLE IMMEDIATE */
    {0xe2, 0, cmd_nothing}, /* STANDBY */
    {0xe3, 0, cmd_nothing}, /* IDLE */
    {0xe5, 0, cmd_check_power},
    {0xe6, 0, cmd_nothing}, /* SLEEP */
    {0xe7, 0, cmd_flush},
    {0xea, EXT, cmd_flush},
    {0xec, 0, cmd_identify},
    {0xef, 0, cmd_set_features},
    {0xf8, 0, cmd_read_native_max},
};

static void disk_command(IdeDrive *ide, uint8_t opcode)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].opcode == opcode) {
            commands[i].run((AtaDisk *)ide, commands[i].flags);
            return;
        }
    }
    ide_drive_fail(ide, ATA_ABRT);
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool disk_realize(Object *obj, Error **err)
{
    AtaDisk *disk = (AtaDisk *)obj;

    if (!disk->ide.node) {
        return error_set(err, "ide-hd needs drive=ID of a drive with an image");
    }
    if (disk->heads > 16 || disk->secs > 255 || disk->cyls > 65535) {
        return error_set(err, "cyls= is at most 65535, heads= 16 and secs= 255");
    }
    disk->heads = disk->heads ? disk->heads : 16;
    disk->secs = disk->secs ? disk->secs : 63;
    disk->cyls = disk->cyls ? disk->cyls : cylinders(disk, disk->heads, disk->secs);
    return true;
}

static void disk_reset_hold(Object *obj)
{
    AtaDisk *disk = (AtaDisk *)obj;

    disk->logical_heads = (uint8_t)disk->heads;
    disk->logical_secs = (uint8_t)disk->secs;
}

static const Field disk_fields[] = {
    PROP(AtaDisk, cyls, .desc = "cylinders of the default geometry"),
    PROP(AtaDisk, heads, .desc = "heads of the default geometry"),
    PROP(AtaDisk, secs, .desc = "sectors a track of the default geometry"),
    PROP(AtaDisk, wwn, .desc = "world wide name, 0 none"),
    STATE(AtaDisk, logical_heads),
    STATE(AtaDisk, logical_secs),
    STATE(AtaDisk, transfer_mode, .init = DEFAULT_MODE),
    STATE(AtaDisk, write_cache, .init = true),
    STATE(AtaDisk, smart_enabled, .init = true),
    FIELDS_END,
};

static const IdeDriveInfo disk_info = {
    .command = disk_command,
    .data_done = disk_data_done,
    .reset_status = ATA_DRDY | ATA_DSC,
};

static const Type disk_type = {
    .name = "ide-hd",
    .parent = &ide_drive_type,
    .size = sizeof(AtaDisk),
    .desc = "ATA disk",
    .fields = disk_fields,
    .info = &disk_info,
    .realize = disk_realize,
    .reset_hold = disk_reset_hold,
    .user_creatable = true,
};

DEVICE(disk_type);
