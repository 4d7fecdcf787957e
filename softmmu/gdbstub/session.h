/* SPDX-License-Identifier: MIT */
/* The parts of the gdb server: session (connection, dispatch), queries, target (registers, memory),
 * breakpoints (points, running and stopping). */
#ifndef SOFTMMU_GDBSTUB_SESSION_H
#define SOFTMMU_GDBSTUB_SESSION_H

#include "softmmu/gdbstub/packet.h"
#include "target/i386/debug.h"
#include "ui/chardev.h"

#define GDB_SSTEP_ENABLE 1u
#define GDB_SSTEP_NO_INTERRUPTS 2u
#define GDB_SSTEP_NO_TIMERS 4u

#define GDB_SIGNAL_INT 2
#define GDB_SIGNAL_TRAP 5

#define GDB_ERROR_FAULT "E14"    /* no such memory */
#define GDB_ERROR_ARGUMENT "E22" /* what QEMU says to anything it cannot read */

typedef struct GdbSession {
    Chardev *chardev;
    PacketParser parser;
    GString *last_packet; /* sent again when the client did not get it; NULL: none */
    bool multiprocess;    /* threads are named pPID.TID */
    bool attached;        /* between connecting or vAttach and D */
    bool awaits_stop;     /* the client let the machine run and waits for a stop reply */
    bool physical_memory; /* m and M take physical addresses */
    unsigned sstep;       /* GDB_SSTEP_* */
    unsigned current;     /* CPU of g, p, m... (Hg) */
    unsigned stepping;    /* CPU of s and c (Hc) */
    unsigned listed;      /* next CPU of qsThreadInfo */
} GdbSession;

/* -- session.c --------------------------------------------------------------------------------- */

void gdb_send(GdbSession *session, const char *text);
void gdb_send_bytes(GdbSession *session, const void *bytes, size_t size);

/* A thread as packets name it: "p01.02", "1", "p1.-1"... Moves *text behind it. CPUs of
 * *ret_first .. *ret_last - 1 are meant; false: no such thread. */
bool gdb_parse_thread(const char **text, unsigned *ret_first, unsigned *ret_last);
void gdb_append_thread(const GdbSession *session, GString *text, unsigned cpu_index);
X86Cpu *gdb_cpu(unsigned index);

/* -- queries.c: q and Q ------------------------------------------------------------------------ */

void gdb_query(GdbSession *session, const char *text);

/* -- target.c ---------------------------------------------------------------------------------- */

/* Text of an annex of qXfer:features:read as it is for this CPU, NULL: no such one. Caller frees.
 */
char *gdb_features_text(const X86Cpu *cpu, const char *annex);
void gdb_read_registers(GdbSession *session, const char *text);
void gdb_write_registers(GdbSession *session, const char *text);
void gdb_read_register(GdbSession *session, const char *text);
void gdb_write_register(GdbSession *session, const char *text);
void gdb_read_memory(GdbSession *session, const char *text);
void gdb_write_memory(GdbSession *session, const char *text);

/* -- breakpoints.c ----------------------------------------------------------------------------- */

void gdb_change_point(GdbSession *session, const char *text, bool insert);
/* c and s, with the optional address at `text`. */
void gdb_resume(GdbSession *session, const char *text, bool step);
/* vCont;ACTION[:THREAD]... from the first semicolon on. */
void gdb_resume_each(GdbSession *session, const char *text);
/* What is left of a resumption: steps, held CPUs. */
void gdb_resume_end(void);
void gdb_send_stop(GdbSession *session, unsigned signal_number, const DebugHit *hit);
/* The machine has stopped. */
void gdb_machine_stopped(GdbSession *session);

#endif
