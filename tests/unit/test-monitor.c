/* SPDX-License-Identifier: MIT */
/* The monitor without a machine: errors, expressions, line editing, sessions, garbage. */
#include "softmmu/memory-backend.h"
#include "softmmu/monitor.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/run.h"
#include "ui/chardev.h"
#include "util/log.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(const char *line, const char *expected)
{
    g_autofree char *text = monitor_run_hmp(line);

    if (!g_str_equal(text, expected)) {
        g_error("%s: got '%s' instead of '%s'", line, text, expected);
    }
}

static void test_errors(void)
{
    check("", "");
    check("   ", "");
    check("foo", "unknown command: 'foo'\r\n");
    check("stpo", "unknown command: 'stpo'\r\nDid you mean 'stop'?\r\n");
    check("info foo", "unknown command: 'info foo'\r\n");
    check("info statsu", "unknown command: 'info statsu'\r\nDid you mean 'info status'?\r\n");
    check("info /", "unknown command: 'info /'\r\n");
    check("/x", "unknown command: '/x'\r\nDid you mean 'x'?\r\n");
    check("\xff\xfe", "unknown command: '\xef\xbf\xbd\xef\xbf\xbd'\r\n");
    check("system_reset now", "system_reset: extraneous characters at the end of line: 'now'\r\n"
                              "Try \"help system_reset\" for more information\r\n");
    check("x", "x: argument 'address' is missing\r\nTry \"help x\" for more information\r\n");
    check("xp /q 0",
          "xp: no format has the letter 'q'\r\nTry \"help xp\" for more information\r\n");
    check("xp /70000x 0", "Error: 70000 units are too many: 65536 at a time\r\n");
    check("x 0", "Error: this machine has no CPU\r\n");
    check("info registers", "Error: this machine has no CPU\r\n");
    check("info mem", "Error: this machine has no CPU\r\n");
    check("cpu 0", "Error: there is no CPU 0: this machine has 0\r\n");
    check("qom-list /chardves",
          "Error: Device '/chardves' not found; did you mean 'chardevs'?\r\n");
    check("qom-get / nope", "Error: Property 'container.nope' not found\r\n");
    check("qom-get \"/chardevs", "qom-get: a quote is not closed\r\n"
                                 "Try \"help qom-get\" for more information\r\n");
    check("info fields isa-seiral",
          "Error: 'isa-seiral' is neither a type nor a path; did you mean 'isa-serial'?\r\n");
    check("info pci", "No PCI devices found\r\n");
    check("info pic", "Error: this machine has no PIC\r\n");
    check("info ioapic", "Error: this machine has no ioapic\r\n");
    check("info lapic", "Error: this machine has no CPU\r\n");
    check("info lapic 3", "Error: there is no local APIC with id 3\r\n");
    check("info registers 1", "Error: this machine has no CPU\r\n");
    check("info name", "Error: there is no machine\r\n");
    check("info uuid", "Error: there is no machine\r\n");
    check("info memory_size_summary", "Error: there is no machine\r\n");
    check("info balloon", "Error: The machine has no balloon\r\n");
    check("boot_set c", "Error: there is no machine\r\n");
    check("system_wakeup", "Error: the guest does not sleep\r\n");
    check("exit_preconfig", "Error: the machine has been made: that was to be said before\r\n");
    check("gva2gpa 0", "Error: this machine has no CPU\r\n");
    check("gpa2hva 4096", "Error: There is nothing at 0x1000\r\n");
    check("gpa2hpa 0", "Error: There is nothing at 0x0\r\n");
    check("sum 0 (-1)", "Error: size -1: 0 to 268435456 can be summed\r\n");
    check("sendkey a", "Error: this machine has no keyboard\r\n");
    check("sendkey a-ctlr", "Error: invalid parameter: ctlr; did you mean 'ctrl'?\r\n");
    check("sendkey a 3600001", "Error: keys can be held for 0 to 3600000 ms\r\n");
    check("sendkey a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q",
          "Error: 16 keys at a time can be pressed\r\n");
    check("mouse_move 1 1", "Error: this machine has no mouse\r\n");
    check("mouse_button 1", "Error: this machine has no mouse\r\n");
    check("mouse_set 2", "Error: there is no mouse 2\r\n");
    check("log in_asn",
          "Error: unknown log item 'in_asn'; did you mean 'in_asm'?\r\n"
          "Items: none, all, in_asm, op, out_asm, int, exec, cpu, cpu_reset, nochain, mmu, "
          "guest_errors, unimp, trace\r\n");
    log_enabled_items = LOG_INT;
    check("log in_asm,nonsense",
          "Error: unknown log item 'nonsense'\r\n"
          "Items: none, all, in_asm, op, out_asm, int, exec, cpu, cpu_reset, "
          "nochain, mmu, guest_errors, unimp, trace\r\n");
    g_assert_cmpuint(log_enabled_items, ==, LOG_INT);
    check("log in_asm,cpu", "");
    g_assert_cmpuint(log_enabled_items, ==, LOG_IN_ASM | LOG_CPU);
    check("log none", "");
    g_assert_cmpuint(log_enabled_items, ==, 0);
    check("trace-event no_such on", "Error: no trace point matches 'no_such'\r\n");
    check("trace-event x maybe",
          "trace-event: 'maybe' is neither on nor off\r\nTry \"help trace-event\" "
          "for more information\r\n");
    check("nmi", "Error: this machine has no CPU\r\n");
    check("help nope", "unknown command: 'nope'\r\n");
    check("help info statsu", "unknown command: 'info statsu'\r\nDid you mean 'info status'?\r\n");
}

static void test_commands(void)
{
    check("info status", "VM status: paused (prelaunch)\r\n");
    check(" info   status  ", "VM status: paused (prelaunch)\r\n");
    check("help info status", "info status -- show whether the machine runs, or why not\r\n");
    check("? stop", "stop|s -- stop the machine\r\n");
    check("info cpus", "");
    check("info irq", "");
    check("info mice", "No mouse devices connected\r\n");
    check("info numa", "0 nodes\r\n");
    check("info network", "");
    check("info history", "");
    check("i 0x60", "portb[0x0060] = 0xff\r\n");
    check("i/w 0x60", "portl[0x0060] = 0xffffffff\r\n");
    check("o/h 0x60 1", "");
    check("sum 0 2", "33150\r\n"); /* as sum(1) says of two bytes ff */
    check("qom-list", "/\r\n");
    check("qom-get / type", "\"container\"\r\n");
    check("qom-get \"\\x2f\" type", "Error: Device 'x2f' not found\r\n");
    g_autofree char *all = monitor_run_hmp("help");
    g_assert_nonnull(strstr(all, "\r\nquit|q -- "));
    g_autofree char *group = monitor_run_hmp("info");
    g_assert_nonnull(strstr(group, "info mtree [-f] -- "));
    g_autofree char *fields = monitor_run_hmp("info fields isa-serial");
    g_assert_nonnull(strstr(fields, "prop     iobase "));
}

static void test_expressions(void)
{
    check("print 1 + 2 * 3", "0x7\r\n");
    check("p/d (1+2)*3-010", "1\r\n");
    check("p/d -5", "-5\r\n");
    check("p/u -1", "18446744073709551615\r\n");
    check("p/x ~0 & 0xff | 0x100", "0x1ff\r\n");
    check("p/x 5 ^ 1", "0x4\r\n");
    check("p/o 8", "010\r\n");
    check("p/c 0x41", "'A'\r\n");
    check("p/c 10", "'\\n'\r\n");
    check("p 'A'", "0x41\r\n");
    check("p/d 17 % 5", "2\r\n");
    check("p 0xffffffffffffffff + 1", "0\r\n");
}

static void check_expression_error(const char *expression, const char *expected)
{
    g_autofree char *line = g_strconcat("print ", expression, NULL);
    g_autofree char *text =
        g_strdup_printf("print: %s\r\nTry \"help print\" for more information\r\n", expected);

    check(line, text);
}

static void test_expression_errors(void)
{
    g_autofree char *deep = g_strnfill(100000, '(');

    check_expression_error("1 / 0", "division by zero");
    check_expression_error("1 % (2-2)", "division by zero");
    check_expression_error("(1", "')' expected");
    check_expression_error("1 +", "the expression ends too early");
    check_expression_error("0x", "a number cannot go on with 'x'");
    check_expression_error("12q", "a number cannot go on with 'q'");
    check_expression_error("99999999999999999999", "number too large");
    check_expression_error("foo", "'foo' is not an expression");
    check_expression_error("'A", "one character and ' have to follow a '");
    check_expression_error("$rpi", "unknown register '$rpi'; did you mean '$rip'?");
    check_expression_error("$rip", "this machine has no CPU");
    check_expression_error(deep, "expression too complex");
    check_expression_error("1 /tmp/x", "extraneous characters at the end of line: '/tmp/x'");
    check_expression_error("1 2", "extraneous characters at the end of line: '2'");
}

static void test_object_errors(void)
{
    check("qom-set / nope 1", "Error: Property 'container.nope' not found\r\n");
    check("qom-set -j / nope [1", "Error: JSON parse error at character 4: ']' expected near end "
                                  "of file\r\n");
    check("object_add nope", "Error: Parameter 'id' is missing\r\n");
    check("object_add id=x", "Error: Parameter 'qom-type' is missing\r\n");
    check("object_add memory-backend-rma,id=x",
          "Error: unknown object type 'memory-backend-rma'; did you mean 'memory-backend-ram'?\r\n"
          "-object help lists the types\r\n");
    check("object_add isa-serial,id=x", "Error: 'isa-serial' is a device: use -device\r\n");
    check("object_del nope", "Error: object 'nope' not found\r\n");
    check("device_add isa-serial",
          "Error: isa-serial needs a bus of type ISA, and this machine has "
          "none\r\n");
    check("device_del nope", "Error: Device 'nope' not found\r\n");
    check("device_del /chardevs", "Error: '/chardevs' is not a device that can be taken away\r\n");
    check("chardev-remove nope", "Error: there is no character device 'nope'\r\n");
    check("ringbuf_read nope 1", "Error: there is no character device 'nope'\r\n");
    check("ringbuf_read nope 0", "Error: size must be greater than zero and 4194304 at most\r\n");
}

/* An object lives from object_add to object_del; a ring buffer gives back what was written. */
static void test_objects(void)
{
    check("object_add memory-backend-ram,id=m,size=8K", "");
    check("qom-get /objects/m size", "8192\r\n");
    check("qom-get /objects/m prealloc", "false\r\n");
    check("qom-set /objects/m size 1", "Error: property 'size' of memory-backend-ram cannot change "
                                       "after the object is realized\r\n");
    check("object_add memory-backend-ram,id=m,size=8K",
          "Error: id 'm' cannot be used: there is an object of that name\r\n");
    MemoryBackend *backend = (MemoryBackend *)object_resolve("/objects/m");
    RamBlock *block = ram_block_ref(backend->block);
    check("object_del m", "Error: something uses the object 'm': it has to stay\r\n");
    ram_block_unref(block);
    check("object_del m", "");
    check("object_del m", "Error: object 'm' not found\r\n");
    check("chardev-add ringbuf,id=ring,size=8", "");
    check("ringbuf_write ring one two three", "");
    check("ringbuf_read ring 4", "wo t\r\n");
    check("ringbuf_read ring 100", "hree\r\n");
    check("chardev-remove ring", "");
}

/* What cannot wait writes at once; a device's own error stays. */
static void test_save(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "mimus-monitor-save", NULL);
    g_autofree char *line = g_strdup_printf("pmemsave 0 70000 %s", path);
    g_autofree char *content = NULL;
    gsize size;

    check(line, "");
    g_assert_true(g_file_get_contents(path, &content, &size, NULL));
    g_assert_cmpuint(size, ==, 70000);
    g_assert_cmphex((uint8_t)content[69999], ==, 0xff);
    unlink(path);
    check("pmemsave 0 1 /dev/full", "Error: cannot write '/dev/full': No space left on device\r\n");
    check("pmemsave 0 (-1) /dev/null", "Error: Parameter 'size' expects a number of bytes\r\n");
    check("pmemsave (-1) 2 /dev/null",
          "Error: 2 bytes from 0xffffffffffffffff on go beyond the last address\r\n");
    check("memsave 0 1 /dev/null", "Error: this machine has no CPU\r\n");
    check("dump-guest-memory /nowhere/x", "Error: there is no memory to dump\r\n");
    check("info dump", "Status: none\r\n");
}

static void test_completion(void)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"info stat", "status"},
        {"help qom-s", "qom-set"},
        {"? info uu", "uuid"},
        {"nope ", ""},
        {"sendkey ctrl-al", "ctrl-alt ctrl-alt_r"},
        {"sendkey ctrl-alt 1", ""},
        {"watchdog_action p", "pause poweroff"},
        {"device_add isa-ser", "isa-serial"},
        {"device_add isa-serial,iob", "isa-serial,iobase="},
        {"object_add memory-backend-memfd,id=a,prea",
         "memory-backend-memfd,id=a,prealloc-threads= memory-backend-memfd,id=a,prealloc="},
        {"object_add memory-backend-memfd,prealloc=o",
         "memory-backend-memfd,prealloc=off memory-backend-memfd,prealloc=on"},
        {"chardev-add ring", "ringbuf,"},
        {"qom-list /char", "/chardevs"},
        {"qom-list   /char", "/chardevs"},
        {"qom-set -j /char", "/chardevs"},
        {"qom-get /chardevs ty", "type"},
        {"qom-get /nowhere ty", ""},
        {"qom-set -j /chardevs ty", "type"},
        {"object_del ", ""},
        {"log out_asm,ex", "out_asm,exec"},
        {"log no", "nochain none"},
        {"trace-event ide_com", "ide_command"},
        {"chardev-add ringbuf,si", "ringbuf,size="},
        {"chardev-add socket,path=/x,serv", "socket,path=/x,server="},
        {"chardev-add nope,", ""},
        {"logfile /dev/nul", "/dev/null"},
        {"memsave 0 16 /de", "/dev/"},
        {"change d0 /nowhere/", ""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
        monitor_complete(rows[i].line, words);
        g_ptr_array_add(words, NULL);
        g_autofree char *all = g_strjoinv(" ", (char **)words->pdata);
        g_assert_cmpstr(all, ==, rows[i].words);
    }
}

/* -- Line editing ------------------------------------------------------------------------------ */

static GString *printed, *entered;

static void keep_print(void *opaque, const char *text)
{
    g_string_append(printed, text);
}

static void keep_line(void *opaque, const char *line)
{
    g_string_append_printf(entered, "<%s>", line);
    readline_start(*(Readline **)opaque);
}

static size_t no_words(void *opaque, const char *text, GPtrArray *words)
{
    if (g_str_has_prefix("alpha", text) && *text) {
        g_ptr_array_add(words, g_strdup("alpha"));
    } else if (g_str_equal(text, "b")) {
        g_ptr_array_add(words, g_strdup("beta"));
        g_ptr_array_add(words, g_strdup("better"));
    }
    return strlen(text);
}

static Readline *make_readline(void)
{
    static const ReadlineOps ops = {keep_print, keep_line, no_words};
    static Readline *readline;

    printed = g_string_new(NULL);
    entered = g_string_new(NULL);
    readline = readline_new("> ", &ops, &readline);
    readline_start(readline);
    return readline;
}

static void end_readline(Readline *readline)
{
    readline_free(readline);
    g_string_free(printed, TRUE);
    g_string_free(entered, TRUE);
}

static void type_text(Readline *readline, const char *text)
{
    for (; *text; text++) {
        readline_put(readline, (uint8_t)*text);
    }
}

/* The echo of the real one, byte for byte. */
static void test_readline_echo(void)
{
    Readline *readline = make_readline();

    type_text(readline, "in\r");
    g_assert_cmpstr(printed->str, ==, "> i\033[K\033[Din\033[K\n> ");
    end_readline(readline);
}

static void test_readline_editing(void)
{
    static const struct {
        const char *typed, *entered;
    } rows[] = {
        {"abc\r", "<abc>"},
        {"abc\r\nd\n", "<abc><d>"},
        {"abc\x7f\x08x\r", "<ax>"},
        {"bc\x01"
         "a\x05"
         "d\r",
         "<abcd>"},
        {"abc\033[D\033[DX\r", "<aXbc>"},
        {"abc\033OD\033OC!\r", "<abc!>"},
        {"abc\033[1~\033[3~\r", "<bc>"},
        {"abc\033[H\033[Fd\r", "<abcd>"},
        {"one two \x17x\r", "<one x>"},
        {"abc\x02\x15z\r", "<zc>"},
        {"abc\x02\x0b\r", "<ab>"},
        {"first\rsecond\r\033[A\033[A!\r", "<first><second><first!>"},
        {"first\rsec\x10\x0e"
         "ond\r",
         "<first><second>"},
        {"al\t1\r", "<alpha 1>"},
        {"b\tt\r", "<bett>"},
        {"\033[9999999999999~x\r", "<x>"},
        {"\x7f\x02\x04\x17\x0b\x0e\x10\t\r", "<>"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Readline *readline = make_readline();
        type_text(readline, rows[i].typed);
        g_assert_cmpstr(entered->str, ==, rows[i].entered);
        end_readline(readline);
    }
}

static void test_readline_long_line(void)
{
    Readline *readline = make_readline();

    for (int i = 0; i < 100000; i++) {
        readline_put(readline, 'x');
    }
    g_assert_cmpuint(printed->len, <, 1 << 20);
    readline_put(readline, '\r');
    g_assert_cmpuint(entered->len, ==, 4095 + 2);
    end_readline(readline);
}

/* -- A session --------------------------------------------------------------------------------- */

static void turn(int times)
{
    while (times-- > 0) {
        main_loop_wait(false);
    }
}

/* What has come within a few turns of the loop; caller frees. */
static char *take_answer(int fd)
{
    g_autoptr(GString) all = g_string_new(NULL);
    char buffer[4096];
    ssize_t count;

    turn(4);
    while ((count = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
        g_string_append_len(all, buffer, count);
    }
    return g_strdup(all->str);
}

static void check_answer(int fd, const char *expected)
{
    g_autofree char *answer = take_answer(fd);

    g_assert_cmpstr(answer, ==, expected);
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), 0), ==, strlen(text));
}

static Chardev *make_chardev(int fd, const char *id)
{
    g_autofree char *text = g_strdup_printf("socket,id=%s,fd=%d", id, fd);
    g_autoptr(KeyVal) options = keyval_parse(text, "backend", NULL);

    return chardev_new(options, NULL);
}

static void test_session(void)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    Chardev *chardev = make_chardev(pair[0], "m0");
    g_assert_true(monitor_new_hmp(chardev, NULL));
    check_answer(pair[1], "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ");
    send_text(pair[1], "p");
    check_answer(pair[1], "p\033[K");
    send_text(pair[1], "\n");
    check_answer(pair[1], "\r\nprint: argument 'expression' is missing\r\n"
                          "Try \"help print\" for more information\r\n(qemu) ");
    send_text(pair[1], "s\t");
    g_autofree char *listed = take_answer(pair[1]);
    g_assert_true(g_str_has_prefix(listed, "s\033[K\r\ns  "));
    g_assert_nonnull(strstr(listed, "stop  "));
    g_assert_nonnull(strstr(listed, "system_powerdown"));
    g_assert_true(g_str_has_suffix(listed, " \r\n(qemu) s\033[K"));
    send_text(pair[1], "\x15info stat\t\r");
    turn(4);
    char buffer[8192] = "";
    g_assert_cmpint(recv(pair[1], buffer, sizeof(buffer) - 1, 0), >, 0);
    g_assert_true(
        g_str_has_suffix(buffer, "info status \033[K\r\nVM status: paused (prelaunch)\r\n(qemu) "));
    send_text(pair[1], "info fields /char\tm\t");
    turn(4);
    memset(buffer, 0, sizeof(buffer));
    g_assert_cmpint(recv(pair[1], buffer, sizeof(buffer) - 1, 0), >, 0);
    g_assert_true(g_str_has_suffix(buffer, "info fields /chardevs/m0 \033[K"));
    g_autofree char *expected = g_strdup_printf("m0: filename=fd:%d\r\n", pair[0]);
    check("info chardev", expected);
    Error *error = NULL;
    g_assert_false(monitor_new_hmp(chardev, &error));
    g_assert_cmpstr(error_message(error), ==, "character device 'm0' is in use");
    error_free(error);
    close(pair[1]);
    turn(4);
    object_free(&chardev->obj);
}

/* While memory is written the session waits, and what is typed meanwhile comes behind; a client
 * that leaves finds a fresh session, and the end of the writing disturbs nobody. */
static void test_deferred(void)
{
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "mimus-monitor-deferred", NULL);
    g_autofree char *line = g_strdup_printf("pmemsave 0 300000 %s\r", path);
    static const char behind[] = "\0info numa\r"; /* a byte of zero is nothing */
    g_autoptr(GString) all = g_string_new(NULL);
    struct stat status;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    Chardev *chardev = make_chardev(pair[0], "m2");
    g_assert_true(monitor_new_hmp(chardev, NULL));
    send_text(pair[1], line);
    g_assert_cmpint(send(pair[1], behind, sizeof(behind) - 1, 0), ==, sizeof(behind) - 1);
    for (int i = 0; i < 3000 && !strstr(all->str, "0 nodes\r\n(qemu) "); i++) {
        g_autofree char *more = take_answer(pair[1]);
        g_string_append(all, more);
        usleep(1000);
    }
    g_assert_nonnull(strstr(all->str, "\r\n(qemu) i\033[K"));
    g_assert_true(g_str_has_suffix(all->str, "\r\n0 nodes\r\n(qemu) "));
    g_assert_cmpint(stat(path, &status), ==, 0);
    g_assert_cmpint(status.st_size, ==, 300000);
    send_text(pair[1], line);
    send_text(pair[1], "info numa\r");
    turn(2);
    close(pair[1]);
    turn(2);
    object_free(&chardev->obj);
    for (int i = 0; i < 1000 && (stat(path, &status) < 0 || status.st_size < 300000); i++) {
        turn(1);
        usleep(1000);
    }
    for (int i = 0; i < 20; i++) {
        turn(1);
        usleep(1000);
    }
    unlink(path);
}

/* An answer of 400 KB through buffers of 64 KiB, to a client that reads late: nothing is lost. */
static void test_long_answer(void)
{
    g_autoptr(GString) all = g_string_new(NULL);
    char buffer[4096];
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    Chardev *chardev = make_chardev(pair[0], "m1");
    g_assert_true(monitor_new_hmp(chardev, NULL));
    send_text(pair[1], "xp /65536xb 0\r");
    turn(20);
    for (int i = 0; i < 2000 && !strstr(all->str, "000000000000fff0:"); i++) {
        ssize_t count = recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
        g_string_append_len(all, buffer, MAX(count, 0));
        if (count < 0) {
            usleep(1000);
        }
        turn(1);
    }
    const char *at = strstr(all->str, "\n0000000000000000:");
    g_assert_nonnull(at);
    for (int line = 0; line < 4096; line++) {
        g_assert_cmphex(g_ascii_strtoull(at + 1, NULL, 16), ==, line * 16);
        at = strchr(at + 1, '\n');
        g_assert_true(at || line == 4095);
    }
    close(pair[1]);
    object_free(&chardev->obj);
    turn(4);
}

/* -- Garbage ----------------------------------------------------------------------------------- */

static const char *const tokens[] = {
    "info ",
    "x",
    "xp",
    "/",
    "print ",
    "p",
    "/4xb",
    "/99999999999i",
    "qom-list ",
    "qom-get ",
    "/machine",
    "/chardevs",
    "$rip",
    "$",
    "(",
    ")",
    "+",
    "*",
    "0xffff",
    "-1",
    "\"",
    "\\",
    " ",
    "status",
    "registers",
    "mtree",
    "-f",
    "-a",
    "qtree",
    "fields ",
    "isa-serial",
    "qom-tree",
    "help ",
    "?",
    "stop",
    "cont",
    "system_reset",
    "system_powerdown",
    "cpu ",
    "log ",
    "none",
    "mem",
    "tlb",
    "jit",
    "pci",
    "type",
    "'",
    "~",
    "%",
    "\xff",
    "\x01",
    "99999999999999999999",
    "s",
    "c",
    "version",
    "cpus",
    ",",
    "/fmt",
    "object_add ",
    "memory-backend-ram,",
    "id=a",
    "object_del ",
    "chardev-add ",
    "ringbuf,",
    "chardev-remove ",
    "ringbuf_write ",
    "ringbuf_read ",
    "qom-set ",
    "device_add ",
    "device_del ",
    "i",
    "o",
    "sum",
    "sendkey ",
    "mouse_move ",
    "-j ",
    "//",
    "..",
};

static void test_garbage_lines(void)
{
    for (int i = 0; i < 20000; i++) {
        g_autoptr(GString) line = g_string_new(NULL);
        for (int n = g_test_rand_int_range(0, 8); n > 0; n--) {
            if (g_test_rand_int_range(0, 6) == 0) {
                g_string_append_c(line, (char)g_test_rand_int_range(1, 256));
            } else {
                g_string_append(line, tokens[g_test_rand_int_range(0, G_N_ELEMENTS(tokens))]);
            }
        }
        g_autofree char *text = monitor_run_hmp(line->str);
        g_assert_true(*text == 0 || g_str_has_suffix(text, "\r\n"));
    }
    log_enabled_items = 0;
}

static void test_garbage_keys(void)
{
    Readline *readline = make_readline();

    for (int i = 0; i < 200000; i++) {
        static const uint8_t keys[] = {27, '[', 'A', 'B', 'C', 'D', '~', '3', 9, 127, 13, 1, 5, 16};
        bool is_key = g_test_rand_int_range(0, 2);
        readline_put(readline, is_key ? keys[g_test_rand_int_range(0, G_N_ELEMENTS(keys))]
                                      : (uint8_t)g_test_rand_int_range(0, 256));
        g_string_truncate(printed, 0);
    }
    g_assert_cmpuint(entered->len, >, 0);
    end_readline(readline);
}

int main(int argc, char **argv)
{
    static Region memory, io;

    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    object_container("/chardevs");
    region_init(&memory, &(RegionDesc){.name = "memory", .size = UINT64_MAX});
    region_init(&io, &(RegionDesc){.name = "io", .size = 65536});
    address_space_init(&address_space_memory, &memory, "memory");
    address_space_init(&address_space_io, &io, "I/O");
    g_test_add_func("/monitor/errors", test_errors);
    g_test_add_func("/monitor/commands", test_commands);
    g_test_add_func("/monitor/object-errors", test_object_errors);
    g_test_add_func("/monitor/objects", test_objects);
    g_test_add_func("/monitor/save", test_save);
    g_test_add_func("/monitor/completion", test_completion);
    g_test_add_func("/monitor/expressions", test_expressions);
    g_test_add_func("/monitor/expression-errors", test_expression_errors);
    g_test_add_func("/monitor/readline/echo", test_readline_echo);
    g_test_add_func("/monitor/readline/editing", test_readline_editing);
    g_test_add_func("/monitor/readline/long-line", test_readline_long_line);
    g_test_add_func("/monitor/session", test_session);
    g_test_add_func("/monitor/deferred", test_deferred);
    g_test_add_func("/monitor/long-answer", test_long_answer);
    g_test_add_func("/monitor/garbage/keys", test_garbage_keys);
    g_test_add_func("/monitor/garbage/lines", test_garbage_lines);
    return g_test_run();
}
