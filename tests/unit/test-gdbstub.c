/* SPDX-License-Identifier: MIT */
/* The gdb server: packets in and out, and what it answers to packets that are no packets. */
#include "softmmu/gdbstub/packet.h"

#include "softmmu/gdbstub/session.h"
#include "target/i386/cpu-model.h"

#include <string.h>

/* Feeds all bytes; the last event that is one. */
static PacketEvent feed(PacketParser *parser, const char *bytes, size_t size)
{
    PacketEvent last = PACKET_NOTHING;

    for (size_t i = 0; i < size; i++) {
        PacketEvent event = packet_feed(parser, (uint8_t)bytes[i]);
        last = event == PACKET_NOTHING ? last : event;
    }
    return last;
}

static PacketEvent feed_text(PacketParser *parser, const char *text)
{
    return feed(parser, text, strlen(text));
}

static void test_packets(void)
{
    static const struct {
        const char *bytes, *data;
        PacketEvent event;
    } rows[] = {
        {"$#00", "", PACKET_COMPLETE},
        {"$g#67", "g", PACKET_COMPLETE},
        {"$OK#9a", "OK", PACKET_COMPLETE},
        {"$OK#9A", "OK", PACKET_COMPLETE},
        {"noise$OK#9a", "OK", PACKET_COMPLETE},
        {"$cut off$OK#9a", "OK", PACKET_COMPLETE},
        {"$a}\x03"
         "b#43",
         "a#b", PACKET_COMPLETE},
        {"$}]#da", "}", PACKET_COMPLETE},
        {"$OK#9b", NULL, PACKET_BAD},
        {"$OK#x", NULL, PACKET_BAD},
        {"$OK#9x", NULL, PACKET_BAD},
        {"$OK", NULL, PACKET_NOTHING},
        {"$OK#9", NULL, PACKET_NOTHING},
        {"+", NULL, PACKET_ACK},
        {"-", NULL, PACKET_NAK},
        {"\x03", NULL, PACKET_INTERRUPT},
        {"#9a", NULL, PACKET_NOTHING},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree PacketParser *parser = g_new0(PacketParser, 1);

        g_assert_cmpint(feed_text(parser, rows[i].bytes), ==, rows[i].event);
        if (rows[i].data) {
            g_assert_cmpstr((char *)parser->data, ==, rows[i].data);
            g_assert_cmpuint(parser->size, ==, strlen(rows[i].data));
        }
        if (rows[i].event != PACKET_NOTHING) { /* nothing of it is left */
            g_assert_cmpint(feed_text(parser, "$g#67"), ==, PACKET_COMPLETE);
            g_assert_cmpstr((char *)parser->data, ==, "g");
        }
    }
}

static void test_interrupt_is_data_in_packets(void)
{
    g_autofree PacketParser *parser = g_new0(PacketParser, 1);

    g_assert_cmpint(feed_text(parser, "$\x03+-#5b"), ==, PACKET_COMPLETE);
    g_assert_cmpstr((char *)parser->data, ==, "\x03+-");
}

static void test_longest(void)
{
    g_autofree PacketParser *parser = g_new0(PacketParser, 1);
    g_autofree char *data = g_strnfill(PACKET_MAX, 'a');
    GString *packet = packet_encode(data, PACKET_MAX);

    g_assert_cmpint(feed(parser, packet->str, packet->len), ==, PACKET_COMPLETE);
    g_assert_cmpstr((char *)parser->data, ==, data);
    g_string_free(packet, TRUE);

    g_autofree char *more = g_strnfill(PACKET_MAX + 1, 'a');
    packet = packet_encode(more, PACKET_MAX + 1);
    g_assert_cmpint(feed(parser, packet->str, packet->len), ==, PACKET_BAD);
    g_string_free(packet, TRUE);
    g_assert_cmpint(feed_text(parser, "$g#67"), ==, PACKET_COMPLETE);
}

static void test_round_trip(void)
{
    g_autofree PacketParser *parser = g_new0(PacketParser, 1);
    uint8_t bytes[256];
    GString *packet;

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    packet = packet_encode(bytes, sizeof(bytes));
    g_assert_cmpuint(packet->len, ==, 1 + sizeof(bytes) + 4 + 3); /* four bytes are escaped */
    g_assert_cmpint(feed(parser, packet->str, packet->len), ==, PACKET_COMPLETE);
    g_assert_cmpmem(parser->data, parser->size, bytes, sizeof(bytes));
    g_string_free(packet, TRUE);

    packet = packet_encode("T05thread:p01.01;", 17);
    g_assert_cmpstr(packet->str, ==, "$T05thread:p01.01;#06");
    g_string_free(packet, TRUE);
}

static void test_random_bytes(void)
{
    g_autofree PacketParser *parser = g_new0(PacketParser, 1);
    static const char frequent[] = "$#}+-\x03"
                                   "09af";
    GRand *random = g_rand_new_with_seed(1);
    unsigned complete = 0;

    for (unsigned i = 0; i < 1000000; i++) {
        unsigned pick = g_rand_int(random) % 64;
        uint8_t byte = pick < 10 ? (uint8_t)frequent[pick] : (uint8_t)g_rand_int(random);
        complete += packet_feed(parser, byte) == PACKET_COMPLETE;
        g_assert_cmpuint(parser->size, <=, PACKET_MAX);
    }
    g_assert_cmpuint(complete, >, 0);
    g_rand_free(random);
}

static void test_numbers(void)
{
    const char *text = "1f,ffffffffffffffff,10000000000000000,x";
    uint8_t bytes[3];
    uint64_t value;
    GString *hex;

    g_assert_true(packet_number(&text, &value));
    g_assert_cmphex(value, ==, 0x1f);
    text++;
    g_assert_true(packet_number(&text, &value));
    g_assert_cmphex(value, ==, UINT64_MAX);
    text++;
    g_assert_false(packet_number(&text, &value));
    g_assert_cmpstr(text, ==, "10000000000000000,x");
    text = "";
    g_assert_false(packet_number(&text, &value));

    g_assert_true(packet_bytes("00aBff", bytes, 3));
    g_assert_cmpmem(bytes, 3, "\x00\xab\xff", 3);
    g_assert_false(packet_bytes("00aBf", bytes, 3));
    g_assert_false(packet_bytes("00agff", bytes, 3));
    g_assert_false(packet_bytes("", bytes, 1));
    hex = g_string_new(NULL);
    packet_append_bytes(hex, "\x00\xab\xff", 3);
    g_assert_cmpstr(hex->str, ==, "00abff");
    g_string_free(hex, TRUE);
}

/* -- Descriptions and registers ---------------------------------------------------------------- */

/* A CPU with that much of a model. */
static X86Cpu *cpu_with(bool has_avx512)
{
    static CpuModel models[2];
    static X86Cpu cpus[2];

    models[1].xsave[XSAVE_OPMASK] = (XsaveComponent){.size = 64, .offset = 832};
    models[1].xsave[XSAVE_ZMM_HI256] = (XsaveComponent){.size = 512, .offset = 896};
    models[1].xsave[XSAVE_HI16_ZMM] = (XsaveComponent){.size = 1024, .offset = 1408};
    cpus[has_avx512].model = &models[has_avx512];
    return &cpus[has_avx512];
}

static void check_features(bool has_avx512)
{
    static const char *const annexes[] = {"i386-64bit.xml", "i386-64bit-sse.xml",
                                          "i386-64bit-avx.xml", "i386-64bit-avx512.xml"};
    const X86Cpu *cpu = cpu_with(has_avx512);
    g_autofree char *target = gdb_features_text(cpu, "target.xml");
    unsigned count = 0;

    g_assert_nonnull(strstr(target, "<architecture>i386:x86-64</architecture>"));
    for (unsigned i = 0; i < (has_avx512 ? 4 : 3); i++) {
        g_autofree char *text = gdb_features_text(cpu, annexes[i]);
        g_assert_nonnull(strstr(target, annexes[i]));
        for (const char *at = text; (at = strstr(at, "<reg ")); at++) {
            count++;
        }
    }
    g_assert_cmpuint(count, ==, debug_register_count(cpu));
    g_assert_cmpint(strstr(target, annexes[3]) != NULL, ==, has_avx512);
    g_assert_null(gdb_features_text(cpu, "other.xml"));
    g_assert_null(gdb_features_text(cpu, ""));
}

static void test_features(void)
{
    g_autofree char *hidden = gdb_features_text(cpu_with(false), "i386-64bit-avx512.xml");

    g_assert_null(hidden);
    check_features(false);
    check_features(true);
}

/* Features come one after the other, and the order of g is the one gdb makes of them. */
static void test_register_order(void)
{
    static const struct {
        unsigned number;
        const char *name;
        unsigned bits;
    } rows[] = {{0, "rax", 64},      {6, "rbp", 64},       {16, "rip", 64},      {17, "eflags", 32},
                {18, "cs", 32},      {24, "ss_base", 64},  {30, "cr0", 64},      {35, "efer", 64},
                {36, "st0", 80},     {44, "fctrl", 32},    {51, "fop", 32},      {52, "xmm0", 128},
                {68, "mxcsr", 32},   {69, "ymm0h", 128},   {84, "ymm15h", 128},  {85, "xmm16", 128},
                {100, "xmm31", 128}, {101, "ymm16h", 128}, {116, "ymm31h", 128}, {117, "k0", 64},
                {124, "k7", 64},     {125, "zmm0h", 256},  {156, "zmm31h", 256}};
    unsigned feature = DEBUG_FEATURE_CORE, count = debug_register_count(cpu_with(true)), bits = 0;

    g_assert_cmpuint(debug_register_count(cpu_with(false)), ==, 85);
    g_assert_cmpuint(count, ==, 157);
    g_assert_cmpuint(debug_register(84)->feature, ==, DEBUG_FEATURE_AVX);
    g_assert_cmpuint(debug_register(85)->feature, ==, DEBUG_FEATURE_AVX512);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmpstr(debug_register(rows[i].number)->name, ==, rows[i].name);
        g_assert_cmpuint(debug_register(rows[i].number)->bits, ==, rows[i].bits);
    }
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmpuint(debug_register(i)->feature, >=, feature);
        g_assert_cmpuint(debug_register(i)->bits, <=, 8 * DEBUG_REGISTER_MAX_BYTES);
        feature = debug_register(i)->feature;
        bits += debug_register(i)->bits;
    }
    g_assert_cmpuint(bits / 4, <=, PACKET_MAX); /* g */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdbstub/packets", test_packets);
    g_test_add_func("/gdbstub/interrupt-in-packet", test_interrupt_is_data_in_packets);
    g_test_add_func("/gdbstub/longest", test_longest);
    g_test_add_func("/gdbstub/round-trip", test_round_trip);
    g_test_add_func("/gdbstub/random-bytes", test_random_bytes);
    g_test_add_func("/gdbstub/numbers", test_numbers);
    g_test_add_func("/gdbstub/features", test_features);
    g_test_add_func("/gdbstub/register-order", test_register_order);
    return g_test_run();
}
