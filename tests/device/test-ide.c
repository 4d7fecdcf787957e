/* SPDX-License-Identifier: MIT */
/* PIIX3 IDE with a disk: registers, PIO, DMA, interrupts, errors, resets. Run alone:
 * build/tests/test-ide */
#include "tests/device/ide-board.h"

#include <string.h>

/* -- Registers --------------------------------------------------------------------------------- */

static void test_registers(void)
{
    set_up();
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    g_assert_cmphex(in(COUNT, 1), ==, 1);
    g_assert_cmphex(in(LOW, 1), ==, 1);
    g_assert_cmphex(in(MID, 1) | in(HIGH, 1), ==, 0);
    out(COUNT, 0x55, 1);
    out(LOW, 0xaa, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x55);
    g_assert_cmphex(in(LOW, 1), ==, 0xaa);
    out(COUNT, 0x12, 1);
    out(CONTROL, 0x80, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x55);
    out(CONTROL, 0, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0x12);
    out(DEVICE, 0xb0, 1);
    g_assert_cmphex(in(STATUS, 1), ==, 0);
    g_assert_cmphex(in(0x177, 1), ==, 0);
    tear_down();
}

static void test_identify(void)
{
    uint16_t words[256];
    char model[41] = "";

    set_up();
    command28(0xec, 0, 0);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x58);
    g_assert_true(irq_levels[14]);
    g_assert_cmphex(in(STATUS, 1), ==, 0x58);
    g_assert_false(irq_levels[14]);
    read_words(words, 256);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    for (unsigned i = 0; i < 20; i++) {
        model[2 * i] = (char)(words[27 + i] >> 8);
        model[2 * i + 1] = (char)words[27 + i];
    }
    g_assert_cmpstr(g_strchomp(model), ==, "QEMU HARDDISK");
    g_assert_cmpuint(words[60], ==, DISK_SECTORS);
    g_assert_cmpuint(words[100], ==, DISK_SECTORS);
    g_assert_cmphex(words[49] & 0x300, ==, 0x300);
    g_assert_cmphex(words[83] & 0xc400, ==, 0x4400);
    g_assert_cmpuint(words[3], ==, 16);
    g_assert_cmpuint(words[6], ==, 63);
    g_assert_cmpuint(words[1], ==, DISK_SECTORS / (16 * 63));
    tear_down();
}

/* -- PIO --------------------------------------------------------------------------------------- */

static void test_pio_read(void)
{
    uint16_t words[256];

    set_up();
    command28(0x20, 5, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(wait_idle(), ==, 0x58);
        g_assert_cmpuint(irq_edges[14], ==, i + 1);
        in(STATUS, 1);
        read_words(words, 256);
        check_sector(words, 5 + i);
    }
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 3);
    g_assert_cmphex(in(DATA, 2), ==, 0);
    tear_down();
}

static void test_pio_write_and_flush(void)
{
    uint16_t words[256];

    set_up();
    command28(0x30, 7, 2);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmphex(wait_idle(), ==, 0x58);
        g_assert_cmpuint(irq_edges[14], ==, i);
        in(STATUS, 1);
        for (unsigned j = 0; j < 128; j++) {
            out(DATA, 0xabcd0000 + i, 4);
        }
    }
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 2);
    in(STATUS, 1);
    command28(0xe7, 0, 0);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 3);
    command28(0x20, 8, 1);
    wait_idle();
    read_words(words, 256);
    g_assert_cmphex(words[254], ==, 1);
    g_assert_cmphex(words[255], ==, 0xabcd);
    tear_down();
}

static void test_multiple(void)
{
    uint16_t words[256 * 4];

    set_up();
    command28(0xc4, 0, 6);
    g_assert_cmphex(in(CONTROL, 1) & ERR, ==, 0);
    command28(0xc6, 0, 3);
    g_assert_cmphex(in(STATUS, 1) & ERR, ==, 0);
    tear_down();
    set_up();
    command28(0xc6, 0, 3);
    g_assert_cmphex(in(STATUS, 1) & ERR, ==, ERR);
    command28(0xc6, 0, 0);
    command28(0xc4, 0, 6);
    g_assert_cmphex(in(ERROR, 1), ==, ABRT);
    command28(0xc6, 0, 4);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    irq_edges[14] = 0;
    command48(0x29, 10, 6);
    wait_idle();
    in(STATUS, 1);
    read_words(words, 4 * 256);
    check_sector(words, 10);
    check_sector(words + 3 * 256, 13);
    g_assert_cmphex(wait_idle(), ==, 0x58);
    in(STATUS, 1);
    read_words(words, 2 * 256);
    check_sector(words + 256, 15);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 2);
    tear_down();
}

static void test_chs(void)
{
    uint16_t words[256];

    set_up();
    out(COUNT, 1, 1);
    out(LOW, 5, 1);
    out(MID, 1, 1);
    out(HIGH, 0, 1);
    out(DEVICE, 0xa2, 1);
    out(STATUS, 0x20, 1);
    wait_idle();
    read_words(words, 256);
    check_sector(words, (1 * 16 + 2) * 63 + 4);
    out(LOW, 0, 1);
    out(STATUS, 0x20, 1);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    out(LOW, 64, 1);
    out(STATUS, 0x20, 1);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    tear_down();
}

static void test_errors(void)
{
    set_up();
    command28(0x20, DISK_SECTORS, 1);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x51);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command28(0x20, DISK_SECTORS - 1, 2);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command48(0x24, 0xffffffffffff, 0);
    g_assert_cmphex(in(ERROR, 1), ==, IDNF);
    command28(0xa1, 0, 0);
    g_assert_cmphex(in(ERROR, 1), ==, ABRT);
    g_assert_true(irq_levels[14]);
    out(STATUS, 0xe5, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 0xff);
    g_assert_cmphex(in(STATUS, 1), ==, 0x50);
    tear_down();
}

/* -- DMA --------------------------------------------------------------------------------------- */

static void start_dma(uint8_t direction)
{
    out(BM + 4, TABLE, 4);
    out(BM + 2, 0x66, 1);
    out(BM, direction | 1, 1);
}

static void test_dma_read(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 1024 + 100);
    put_long(TABLE + 8, BUFFER + 0x8000);
    put_long(TABLE + 12, 0x80000000 | (1024 - 100));
    command28(0xc8, 100, 4);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x58);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    start_dma(8);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x61);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    g_assert_true(irq_levels[14]);
    check_sector(ram->host + BUFFER, 100);
    check_sector(ram->host + BUFFER + 512, 101);
    g_assert_cmphex(*(uint32_t *)(void *)(ram->host + BUFFER + 1024), ==, 102 << 8);
    g_assert_cmphex(*(uint32_t *)(void *)(ram->host + BUFFER + 0x8000), ==, (102 << 8 | 25));
    in(STATUS, 1);
    g_assert_false(irq_levels[14]);
    out(BM, 0, 1);
    out(BM + 2, 4, 1);
    g_assert_cmphex(in(BM + 2, 1), ==, 0);
    tear_down();
}

static void test_dma_write(void)
{
    uint16_t words[256];

    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    for (unsigned i = 0; i < 65536; i += 4) {
        put_long(BUFFER + i, 0x77000000 + i);
    }
    start_dma(0);
    command48(0x35, 1000, 128);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    command28(0x20, 1127, 1);
    wait_idle();
    read_words(words, 256);
    g_assert_cmphex(words[255], ==, 0x7700);
    g_assert_cmphex(words[254], ==, 0xfffc);
    tear_down();
}

/* A table that ends too early stops the engine without an interrupt; one that is too long leaves
 * it active. */
static void test_dma_lengths(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000 | 1024);
    command28(0xc8, 0, 4);
    start_dma(8);
    wait_idle();
    g_assert_cmphex(in(BM + 2, 1), ==, 0x60);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    check_sector(ram->host + BUFFER + 512, 1);
    out(BM, 0, 1);
    command28(0xc8, 0, 1);
    start_dma(8);
    wait_idle();
    g_assert_cmphex(in(BM + 2, 1), ==, 0x65);
    out(BM, 0, 1);
    g_assert_cmphex(in(BM + 2, 1), ==, 0x64);
    tear_down();
}

/* Descriptors that point outside of RAM go through a buffer; a table there is an error. */
static void test_dma_strange_memory(void)
{
    set_up();
    put_long(TABLE, 0xf0000000);
    put_long(TABLE + 4, 512);
    put_long(TABLE + 8, BUFFER);
    put_long(TABLE + 12, 0x80000000 | 512);
    command28(0xc8, 50, 2);
    start_dma(8);
    g_assert_cmphex(wait_idle(), ==, 0x50);
    check_sector(ram->host + BUFFER, 51);
    out(BM, 0, 1);
    command28(0xc8, 50, 2);
    out(BM + 4, 0xf0000000, 4);
    out(BM + 2, 0x06, 1);
    out(BM, 9, 1);
    g_assert_cmphex(in(BM + 2, 1) & 3, ==, 2);
    tear_down();
}

/* -- Resets ------------------------------------------------------------------------------------ */

static void test_soft_reset(void)
{
    set_up();
    command28(0x20, 5, 3);
    out(CONTROL, 4, 1);
    g_assert_cmphex(in(CONTROL, 1) & BSY, ==, BSY);
    out(CONTROL, 0, 1);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmphex(in(ERROR, 1), ==, 1);
    g_assert_cmphex(in(COUNT, 1), ==, 1);
    block_drain_all();
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    tear_down();
}

static void test_reset_in_flight(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    command28(0xc8, 0, 128);
    start_dma(8);
    object_reset(&controller->obj);
    object_reset(object_container("/machine/unattached"));
    g_assert_cmphex(in(CONTROL, 1), ==, 0x50);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    memset(ram->host + BUFFER, 0xee, 65536);
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmphex(ram->host[BUFFER], ==, 0xee);
    g_assert_cmphex(ram->host[BUFFER + 65535], ==, 0xee);
    tear_down();
}

static void test_stopped_engine(void)
{
    set_up();
    put_long(TABLE, BUFFER);
    put_long(TABLE + 4, 0x80000000);
    command28(0xc8, 0, 128);
    start_dma(8);
    out(BM, 0, 1);
    g_assert_cmphex(in(BM + 2, 1) & 1, ==, 0);
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    command28(0xe5, 0, 0);
    g_assert_cmpuint(irq_edges[14], ==, 1);
    tear_down();
}

static void test_interrupt_disable(void)
{
    set_up();
    out(CONTROL, 2, 1);
    command28(0xe5, 0, 0);
    g_assert_cmpuint(irq_edges[14], ==, 0);
    out(CONTROL, 0, 1);
    g_assert_true(irq_levels[14]);
    in(STATUS, 1);
    g_assert_false(irq_levels[14]);
    tear_down();
}

/* Whatever a guest writes, nothing worse than an error comes of it. */
static void test_garbage(void)
{
    GRand *random = g_rand_new_with_seed(20);

    set_up();
    for (unsigned i = 0; i < 20000; i++) {
        static const uint16_t ports[] = {0x1f0, 0x1f2,  0x1f6, 0x1f7, 0x3f6,
                                         BM,    BM + 4, 0x170, 0x1f4};
        uint16_t port = (uint16_t)(ports[g_rand_int_range(random, 0, 9)] + (i & 1));
        unsigned size = 1u << g_rand_int_range(random, 0, 3);
        if (g_rand_boolean(random)) {
            out(port, g_rand_int(random) & (port == BM + 4 ? 0xfffff : 0xffffffff), size);
        } else {
            in(port, size);
        }
        if (i % 64 == 0) {
            main_loop_wait(false);
        }
    }
    g_rand_free(random);
    tear_down();
}

int main(int argc, char **argv)
{
    ide_board_begin(&argc, &argv);
    g_test_add_func("/ide/registers", test_registers);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio/read", test_pio_read);
    g_test_add_func("/ide/pio/write-and-flush", test_pio_write_and_flush);
    g_test_add_func("/ide/pio/multiple", test_multiple);
    g_test_add_func("/ide/pio/chs", test_chs);
    g_test_add_func("/ide/errors", test_errors);
    g_test_add_func("/ide/dma/read", test_dma_read);
    g_test_add_func("/ide/dma/write", test_dma_write);
    g_test_add_func("/ide/dma/lengths", test_dma_lengths);
    g_test_add_func("/ide/dma/strange-memory", test_dma_strange_memory);
    g_test_add_func("/ide/reset/soft", test_soft_reset);
    g_test_add_func("/ide/reset/in-flight", test_reset_in_flight);
    g_test_add_func("/ide/reset/stopped-engine", test_stopped_engine);
    g_test_add_func("/ide/interrupt-disable", test_interrupt_disable);
    g_test_add_func("/ide/garbage", test_garbage);
    return ide_board_end();
}
