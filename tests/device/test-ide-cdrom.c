/* SPDX-License-Identifier: MIT */
/* PIIX3 IDE with a CD-ROM drive: packets, media that come and go, the tray. Run alone:
 * build/tests/test-ide-cdrom */
#include "tests/device/ide-board.h"

#include <string.h>

/* A drive at the secondary channel, with the disk image as its disc or without one. */
static void set_up_cd(bool has_disc)
{
    if (has_disc) {
        set_up_with(",media=cdrom,index=2");
    } else {
        set_up_drive("media=cdrom,index=2");
    }
}

static uint8_t wait_cd(void)
{
    while (in(0x376, 1) & BSY) {
        main_loop_wait(true);
    }
    return (uint8_t)in(0x177, 1);
}

static void send_packet(uint8_t features, uint16_t limit, const uint8_t *packet)
{
    out(0x171, features, 1);
    out(0x174, limit & 0xff, 1);
    out(0x175, limit >> 8, 1);
    out(0x176, 0xa0, 1);
    out(0x177, 0xa0, 1);
    g_assert_cmphex(in(0x376, 1) & (DRQ | BSY), ==, DRQ);
    g_assert_cmphex(in(0x172, 1), ==, 1);
    for (unsigned i = 0; i < 12; i += 2) {
        out(0x170, (uint32_t)(packet[i] | packet[i + 1] << 8), 2);
    }
}

static void read_cd_words(uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        words[i] = (uint16_t)in(0x170, 2);
    }
}

/* -- Packets ----------------------------------------------------------------------------------- */

static void test_identify(void)
{
    uint16_t words[256];

    set_up_cd(true);
    g_assert_cmphex(in(0x174, 1), ==, 0x14);
    g_assert_cmphex(in(0x175, 1), ==, 0xeb);
    out(0x177, 0xec, 1);
    g_assert_cmphex(in(0x177, 1) & ERR, ==, ERR);
    g_assert_cmphex(in(0x171, 1), ==, ABRT);
    g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 0xeb14);
    out(0x177, 0xa1, 1);
    wait_cd();
    read_cd_words(words, 256);
    g_assert_cmphex(words[0], ==, 0x85c0);
    tear_down();
}

static void test_pio(void)
{
    const uint8_t capacity[12] = {0x25};
    const uint8_t read[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 2};
    uint16_t words[2048];

    set_up_cd(true);
    send_packet(0, 8, capacity);
    g_assert_cmphex(wait_cd(), ==, 0x58);
    g_assert_cmphex(in(0x172, 1), ==, 2);
    g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 8);
    read_cd_words(words, 4);
    g_assert_cmphex(GUINT16_SWAP_LE_BE(words[1]), ==, DISK_SECTORS / 4 - 1);
    g_assert_cmphex(GUINT16_SWAP_LE_BE(words[3]), ==, 2048);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmphex(in(0x172, 1), ==, 3);
    g_assert_cmpuint(irq_edges[15], ==, 2);
    send_packet(0, 2048, read);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(wait_cd(), ==, 0x58);
        g_assert_cmphex(in(0x174, 1) | in(0x175, 1) << 8, ==, 2048);
        read_cd_words(words, 1024);
        check_sector(words, 12 + 4 * i);
        check_sector(words + 768, 15 + 4 * i);
    }
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmpuint(irq_edges[15], ==, 5);
    tear_down();
}

static void test_dma(void)
{
    const uint8_t inquiry[12] = {0x12, 0, 0, 0, 36};
    const uint8_t read[12] = {0xa8, 0, 0, 0, 0, 5, 0, 0, 0, 3};

    set_up_cd(true);
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000 | 6144);
    out(BM + 8 + 4, TABLE, 4);
    send_packet(1, 0, read);
    out(BM + 8, 9, 1);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmphex(in(BM + 10, 1) & 7, ==, 4);
    check_sector(ram->host + BUFFER, 20);
    check_sector(ram->host + BUFFER + 6144 - 512, 31);
    out(BM + 8, 0, 1);
    put_long(TABLE + 4, 0x80000000 | 36);
    send_packet(1, 0, inquiry);
    out(BM + 8, 9, 1);
    g_assert_cmphex(wait_cd(), ==, 0x50);
    g_assert_cmpmem(ram->host + BUFFER + 8, 4, "QEMU", 4);
    tear_down();
}

static void test_errors(void)
{
    const uint8_t ready[12] = {0}, sense[12] = {0x03, 0, 0, 0, 18};
    const uint8_t beyond[12] = {0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t unknown[12] = {0xfe};
    uint16_t words[9];

    set_up_cd(false);
    send_packet(0, 18, ready);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x24);
    send_packet(0, 18, sense);
    wait_cd();
    read_cd_words(words, 9);
    g_assert_cmphex(words[1] & 0xff, ==, 2);
    g_assert_cmphex(words[6] & 0xff, ==, 0x3a);
    send_packet(0, 18, unknown);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x54);
    tear_down();
    set_up_cd(true);
    send_packet(0, 18, beyond);
    g_assert_cmphex(wait_cd(), ==, 0x51);
    g_assert_cmphex(in(0x171, 1), ==, 0x54);
    tear_down();
}

/* Every packet opcode with a few contents ends in one way or another. */
static void test_garbage(void)
{
    GRand *random = g_rand_new_with_seed(21);

    set_up_cd(true);
    for (unsigned i = 0; i < 2000; i++) {
        uint8_t packet[12];
        for (unsigned j = 0; j < 12; j++) {
            packet[j] = (uint8_t)(g_rand_int(random) & (j > 1 && j < 8 ? 3 : 0xff));
        }
        packet[0] = (uint8_t)i;
        send_packet(i >> 10 & 1, (uint16_t)g_rand_int(random), packet);
        while (in(0x376, 1) & BSY) {
            main_loop_wait(true);
        }
        out(0x376, 4, 1);
        out(0x376, 0, 1);
    }
    g_rand_free(random);
    tear_down();
}

/* -- Media and tray ---------------------------------------------------------------------------- */

/* Sends a packet without data; the sense key and code that it ended with, 0: fine. */
static unsigned sense_after(uint8_t opcode, uint8_t byte4)
{
    const uint8_t packet[12] = {opcode, 0, 0, 0, byte4}, sense[12] = {0x03, 0, 0, 0, 18};
    uint16_t words[9];

    send_packet(0, 18, packet);
    if (!(wait_cd() & ERR)) {
        return 0;
    }
    send_packet(0, 18, sense);
    wait_cd();
    read_cd_words(words, 9);
    wait_cd();
    return (words[1] & 0xffu) << 8 | (words[6] & 0xffu);
}

/* GET EVENT STATUS NOTIFICATION about media: the event, and the state of tray and medium. */
static unsigned media_status(void)
{
    const uint8_t packet[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    uint16_t words[4];

    send_packet(0, 8, packet);
    wait_cd();
    read_cd_words(words, 4);
    wait_cd();
    return (words[2] & 0xffu) << 8 | words[2] >> 8;
}

enum { TEST_READY = 0x00, START_STOP = 0x1b, PREVENT_ALLOW = 0x1e };
enum { NOT_READY_NO_MEDIUM = 0x23a, ATTENTION_NEW_MEDIUM = 0x628, NOT_READY_PREVENTED = 0x253 };

static void test_media(void)
{
    Error *err = NULL;

    set_up_cd(true);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, 0);
    g_assert_false(drive_remove_medium(drive, &err)); /* the tray is closed */
    g_clear_pointer(&err, error_free);
    g_assert_true(drive_open_tray(drive, false, NULL));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(media_status(), ==, 0x301);
    g_assert_true(drive_remove_medium(drive, NULL));
    g_assert_true(drive_close_tray(drive, NULL));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(media_status(), ==, 0);
    g_assert_false(drive_change_medium(drive, "/nowhere", "raw", true, false, &err));
    g_clear_pointer(&err, error_free);
    g_assert_true(drive_change_medium(drive, image, "raw", true, false, NULL));
    g_assert_cmphex(media_status(), ==, 0x202);
    g_assert_cmphex(media_status(), ==, 0x002);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, ATTENTION_NEW_MEDIUM);
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, 0);
    tear_down();
}

/* The guest's own eject, and its lock against that of others. */
static void test_tray(void)
{
    Error *err = NULL;

    set_up_cd(true);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 1), ==, 0);
    g_assert_cmphex(sense_after(START_STOP, 2), ==, NOT_READY_PREVENTED);
    g_assert_false(drive_open_tray(drive, false, &err));
    g_assert_nonnull(strstr(error_message(err), "has locked the tray"));
    error_free(err);
    g_assert_cmphex(media_status(), ==, 0x102); /* it hears of the wish */
    g_assert_cmphex(media_status(), ==, 0x002); /* once */
    g_assert_true(drive_press_eject(drive, false, NULL));
    g_assert_false(drive_is_tray_open(drive));
    g_assert_cmphex(media_status(), ==, 0x102);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 0), ==, 0);
    g_assert_cmphex(sense_after(START_STOP, 2), ==, 0);
    g_assert_true(drive_is_tray_open(drive));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
    g_assert_cmphex(sense_after(START_STOP, 3), ==, 0);
    g_assert_false(drive_is_tray_open(drive));
    g_assert_cmphex(sense_after(TEST_READY, 0), ==, ATTENTION_NEW_MEDIUM);
    g_assert_cmphex(sense_after(PREVENT_ALLOW, 1), ==, 0);
    g_assert_true(drive_open_tray(drive, true, NULL));
    tear_down();
}

/* The medium goes while it is read: between two blocks, on the way from the image, by DMA. */
static void test_torn_out(void)
{
    const uint8_t read[12] = {0x28, 0, 0, 0, 0, 3, 0, 0, 8};
    uint16_t words[1024];

    for (unsigned when = 0; when < 4; when++) {
        set_up_cd(true);
        put_long(TABLE, BUFFER);
        put_long(TABLE + 4, 0x80000000 | 16384);
        out(BM + 8 + 4, TABLE, 4);
        send_packet(when >= 2, 2048, read);
        if (when == 0) {
            wait_cd();
            read_cd_words(words, 512);
        } else if (when == 3) {
            out(BM + 8, 9, 1);
        }
        g_assert_true(drive_open_tray(drive, true, NULL));
        g_assert_true(drive_remove_medium(drive, NULL));
        g_assert_cmphex(wait_cd() & (ERR | DRQ), ==, ERR);
        g_assert_cmphex(in(0x171, 1), ==, 0x24);
        out(BM + 8, 0, 1);
        g_assert_cmphex(sense_after(TEST_READY, 0), ==, NOT_READY_NO_MEDIUM);
        tear_down();
    }
}

int main(int argc, char **argv)
{
    ide_board_begin(&argc, &argv);
    g_test_add_func("/ide/cd/identify", test_identify);
    g_test_add_func("/ide/cd/pio", test_pio);
    g_test_add_func("/ide/cd/dma", test_dma);
    g_test_add_func("/ide/cd/errors", test_errors);
    g_test_add_func("/ide/cd/garbage", test_garbage);
    g_test_add_func("/ide/cd/media", test_media);
    g_test_add_func("/ide/cd/tray", test_tray);
    g_test_add_func("/ide/cd/torn-out", test_torn_out);
    return ide_board_end();
}
