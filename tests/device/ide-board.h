/* SPDX-License-Identifier: MIT */
/* A board for tests of the PIIX3 IDE controller: RAM, a PCI and an ISA bus whose interrupt lines
 * are recorded, one drive, and a driver of the primary channel. Its virtual clock stands still. */
#ifndef TESTS_DEVICE_IDE_BOARD_H
#define TESTS_DEVICE_IDE_BOARD_H

#include "block/block.h"
#include "hw/isa.h"

/* The primary channel; the ports of the secondary are 0x80 below, its bus master 8 above. */
enum { DATA = 0x1f0, ERROR = 0x1f1, COUNT = 0x1f2, LOW, MID, HIGH, DEVICE, STATUS = 0x1f7 };
enum { CONTROL = 0x3f6, BM = 0xc000 };
enum { BSY = 0x80, DRDY = 0x40, DRQ = 0x08, ERR = 0x01 };
enum { ABRT = 0x04, IDNF = 0x10 };

#define DISK_SECTORS 4096
#define TABLE 0x1000 /* in RAM: of the descriptors, and of their data */
#define BUFFER 0x10000

extern RamBlock *ram;
extern Device *controller;
extern Drive *drive;
extern char *image; /* the path of an image: each word of it tells its sector and its place there */
extern bool irq_levels[ISA_IRQ_COUNT];
extern unsigned irq_edges[ISA_IRQ_COUNT];

void ide_board_begin(int *argc, char ***argv);
/* Runs the tests; the exit status. */
int ide_board_end(void);

/* A fresh controller with the image as its disk, as after power-on. */
void set_up(void);
/* ...with more options: ",NAME=VALUE". */
void set_up_with(const char *options);
/* ...with a drive of these options alone. */
void set_up_drive(const char *options);
void tear_down(void);

uint32_t in(uint16_t port, unsigned size);
void out(uint16_t port, uint32_t value, unsigned size);
/* Into RAM. */
void put_long(uint32_t address, uint32_t value);
/* The bytes are those of this sector of the image. */
void check_sector(const void *bytes, uint32_t lba);

/* Turns the loop until the channel is no longer busy; its alternate status. */
uint8_t wait_idle(void);
void command28(uint8_t opcode, uint32_t lba, uint8_t count);
void command48(uint8_t opcode, uint64_t lba, uint16_t count);
void read_words(uint16_t *words, unsigned count);

#endif
