/* SPDX-License-Identifier: MIT */
/* SMBIOS tables: what machines and -smbios make of them, byte for byte where QEMU's are known. */
#include "hw/smbios.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static GPtrArray *options;
static FwCfg *fw_cfg;

static void add(const char *text)
{
    Error *err = NULL;
    KeyVal *kv = keyval_parse(text, NULL, &err);

    g_assert_true(kv && smbios_check_option(kv, &err));
    g_ptr_array_add(options, kv);
}

static bool find_pci(const char *id, uint8_t *ret_bus, uint8_t *ret_devfn)
{
    *ret_bus = 2;
    *ret_devfn = 0x28;
    return strcmp(id, "nic") == 0;
}

static SmbiosConfig config(void)
{
    static const uint8_t uuid[16] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
                                     0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    SmbiosConfig c = {
        .options = options,
        .manufacturer = "QEMU",
        .product = "Board",
        .version = "board-1.0",
        .processor_id = 0x078bfbfd00060fb1,
        .sockets = 1,
        .cores = 1,
        .threads = 1,
        .low_memory = 128 << 20,
        .find_pci = find_pci,
    };

    memcpy(c.uuid, uuid, sizeof(uuid));
    return c;
}

/* The structure with its strings, joined by '|' behind it: "TYPE HANDLE: HEX [a|b]". */
static char *structure_text(const uint8_t *at, gsize left, gsize *ret_size)
{
    GString *text = g_string_new(NULL);
    gsize i;

    g_assert_cmpuint(left, >, at[1] + 1u);
    g_string_printf(text, "%u %x:", at[0], at[2] | at[3] << 8);
    for (i = 4; i < at[1]; i++) {
        g_string_append_printf(text, " %02x", at[i]);
    }
    g_string_append(text, " [");
    for (; at[i] || at[i + 1]; i++) {
        g_assert_cmpuint(i + 2, <, left);
        g_string_append_c(text, at[i] ? (char)at[i] : '|');
    }
    g_string_append_c(text, ']');
    *ret_size = i + 2;
    return g_string_free(text, FALSE);
}

/* Makes the tables; a line for each structure. */
static char *make(const SmbiosConfig *c)
{
    Error *err = NULL;
    GString *all = g_string_new(NULL);
    gsize size, length, largest = 0;
    unsigned count = 0;

    fw_cfg = (FwCfg *)object_new(type_find("fw_cfg_io"));
    smbios_tables_add(fw_cfg, c, &err);
    g_assert_null(err);
    const uint8_t *bytes =
        g_bytes_get_data(fw_cfg_get_file(fw_cfg, "etc/smbios/smbios-tables"), &size);
    for (gsize at = 0; at < size; at += length, count++) {
        g_autofree char *line = structure_text(bytes + at, size - at, &length);
        g_string_append_printf(all, "%s\n", line);
        largest = MAX(largest, length);
    }
    gsize anchor_size;
    const uint8_t *anchor =
        g_bytes_get_data(fw_cfg_get_file(fw_cfg, "etc/smbios/smbios-anchor"), &anchor_size);
    uint8_t sum = 0, inner_sum = 0;
    for (gsize i = 0; i < anchor_size; i++) {
        sum = (uint8_t)(sum + anchor[i]);
        inner_sum = (uint8_t)(inner_sum + (i >= 0x10 ? anchor[i] : 0));
    }
    g_assert_cmpuint(sum, ==, 0);
    if (c->is_64bit) {
        g_assert_cmpuint(anchor_size, ==, 0x18);
        g_assert_cmpmem(anchor, 5, "_SM3_", 5);
        g_assert_cmpuint(anchor[0x0c] | anchor[0x0d] << 8, ==, size);
    } else {
        g_assert_cmpuint(inner_sum, ==, 0);
        g_assert_cmpuint(anchor_size, ==, 0x1f);
        g_assert_cmpmem(anchor, 4, "_SM_", 4);
        g_assert_cmpuint(anchor[0x08] | anchor[0x09] << 8, ==, largest);
        g_assert_cmpuint(anchor[0x16] | anchor[0x17] << 8, ==, size);
        g_assert_cmpuint(anchor[0x1c] | anchor[0x1d] << 8, ==, count);
    }
    object_free((Object *)fw_cfg);
    return g_string_free(all, FALSE);
}

static void begin(void)
{
    options = g_ptr_array_new_with_free_func((GDestroyNotify)keyval_free);
}

static void expect(const SmbiosConfig *c, const char *wanted)
{
    g_autofree char *text = make(c);

    g_assert_cmpstr(text, ==, wanted);
    g_ptr_array_free(options, TRUE);
}

#define SYSTEM                                                                                     \
    "1 100: 01 02 03 00 78 56 34 12 bc 9a f0 de 11 22 33 44 55 66 77 88 06 00 00 "                 \
    "[QEMU|Board|board-1.0]\n"
#define CHASSIS "3 300: 01 01 02 00 00 03 03 03 02 00 00 00 00 00 00 00 00 00 [QEMU|board-1.0]\n"
#define PROCESSOR                                                                                  \
    "03 01 02 b1 0f 06 00 fd fb 8b 07 03 00 00 00 d0 07 d0 07 41 01 ff ff ff ff ff ff 00 00 00 "
#define DIMM_TAIL "09 00 01 00 07 02 00 00 00 02 00 00 00 "
#define ZERO4 "00 00 00 00 "
#define RANGE_TAIL "00 10 01 " ZERO4 ZERO4 ZERO4 ZERO4 "[]\n"
#define BOOT_END "32 2000: 00 00 00 00 00 00 00 []\n127 7f00: []\n"
#define REST_128M                                                                                  \
    "16 1000: 01 03 06 00 00 02 00 fe ff 01 00 00 00 00 00 00 00 00 00 []\n"                       \
    "17 1100: 00 10 fe ff ff ff ff ff 80 00 " DIMM_TAIL "00 00 00 00 00 00 00 00 00 00 00 00 00 "  \
    "[DIMM 0|QEMU]\n"                                                                              \
    "19 1300: 00 00 00 00 ff ff 01 00 " RANGE_TAIL

static void test_default(void)
{
    begin();
    SmbiosConfig c = config();
    expect(&c, SYSTEM CHASSIS "4 400: 01 " PROCESSOR
                              "01 01 01 02 00 01 00 [CPU 0|QEMU|board-1.0]\n" REST_128M BOOT_END);
}

/* -m 20G -smp 8,sockets=2 with the entry point of 3.0. */
static void test_large(void)
{
    begin();
    SmbiosConfig c = config();
    c.is_64bit = true;
    c.sockets = 2;
    c.cores = c.threads = 4;
    c.low_memory = 3ull << 30;
    c.high_memory = 17ull << 30;
    expect(&c, SYSTEM CHASSIS
           "4 400: 01 " PROCESSOR "04 04 04 02 00 01 00 04 00 04 00 04 00 [CPU 0|QEMU|board-1.0]\n"
           "4 401: 01 " PROCESSOR "04 04 04 02 00 01 00 04 00 04 00 04 00 [CPU 1|QEMU|board-1.0]\n"
           "16 1000: 01 03 06 00 00 40 01 fe ff 02 00 00 00 00 00 00 00 00 00 []\n"
           "17 1100: 00 10 fe ff ff ff ff ff 00 40 " DIMM_TAIL
           "00 00 00 00 00 00 00 00 00 00 00 00 00 [DIMM 0|QEMU]\n"
           "17 1101: 00 10 fe ff ff ff ff ff 00 10 " DIMM_TAIL
           "00 00 00 00 00 00 00 00 00 00 00 00 00 [DIMM 1|QEMU]\n"
           "19 1300: 00 00 00 00 ff ff 2f 00 " RANGE_TAIL
           "19 1301: 00 00 40 00 ff ff 4f 01 " RANGE_TAIL BOOT_END);
}

static void test_options(void)
{
    begin();
    add("type=0,vendor=V,version=1.2,date=01/02/2020,release=3.4,uefi=on");
    add("type=1,manufacturer=M,product=P,version=Ver,serial=ds=nocloud,sku=S,family=F");
    add("type=2,manufacturer=BM,product=BP,version=BV,serial=BS,asset=BA,location=BL");
    add("type=3,manufacturer=CM,version=CV,serial=CS,asset=CA,sku=CK");
    add("type=4,sock_pfx=SP,manufacturer=PM,version=PV,serial=PS,asset=PA,part=PP,max-speed=3000,"
        "current-speed=2500,processor-id=0x1122334455667788");
    add("type=8,internal_reference=IR,external_reference=ER,connector_type=1,port_type=2");
    add("type=8,internal_reference=I2");
    add("type=11,value=hello,value=world");
    add("type=17,loc_pfx=LP,bank=BK,manufacturer=MM,serial=MS,asset=MA,part=MP,speed=1600");
    add("type=41,designation=Onboard,kind=ethernet,instance=3,pcidev=nic");
    add("type=1,family=G");
    SmbiosConfig c = config();
    expect(&c,
           "0 0: 01 02 00 e8 03 00 08 00 00 00 00 00 00 00 00 1c 03 04 ff ff [V|1.2|01/02/2020]\n"
           "1 100: 01 02 03 04 78 56 34 12 bc 9a f0 de 11 22 33 44 55 66 77 88 06 05 06 "
           "[M|P|Ver|ds=nocloud|S|G]\n"
           "2 200: 01 02 03 04 05 01 06 00 03 0a 00 [BM|BP|BV|BS|BA|BL]\n"
           "3 300: 01 01 02 03 04 03 03 03 02 00 00 00 00 00 00 00 00 05 [CM|CV|CS|CA|CK]\n"
           "4 400: 01 03 01 02 88 77 66 55 44 33 22 11 03 00 00 00 b8 0b c4 09 41 01 ff ff ff ff "
           "ff ff 04 05 06 01 01 01 02 00 01 00 [SP 0|PM|PV|PS|PA|PP]\n"
           "8 800: 01 00 02 01 02 [IR|ER]\n"
           "8 801: 01 00 00 00 00 [I2]\n"
           "11 e00: 02 [hello|world]\n"
           "16 1000: 01 03 06 00 00 02 00 fe ff 01 00 00 00 00 00 00 00 00 00 []\n"
           "17 1100: 00 10 fe ff ff ff ff ff 80 00 09 00 01 02 07 02 00 40 06 03 04 05 06 00 00 00 "
           "00 00 40 06 00 00 00 00 00 00 [LP 0|BK|MM|MS|MA|MP]\n"
           "19 1300: 00 00 00 00 ff ff 01 00 " RANGE_TAIL "32 2000: 00 00 00 00 00 00 00 []\n"
           "41 2900: 01 85 03 00 00 02 28 [Onboard]\n"
           "127 7f00: []\n");
}

static char *new_file(const char *bytes, gssize size)
{
    char *path = g_strdup("/tmp/test-smbios-XXXXXX");
    int fd = g_mkstemp(path);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_file_set_contents(path, bytes, size, NULL));
    close(fd);
    return path;
}

static void expect_failure(const char *message)
{
    g_autoptr(Error) err = NULL;
    SmbiosConfig c = config();

    fw_cfg = (FwCfg *)object_new(type_find("fw_cfg_io"));
    g_assert_false(smbios_tables_add(fw_cfg, &c, &err));
    g_assert_nonnull(strstr(error_message(err), message));
    object_free((Object *)fw_cfg);
    g_ptr_array_free(options, TRUE);
}

static void test_files(void)
{
    static const char own[] = "\x80\x08\x00\x90\x01\x02\x03\x04text\0\0\x20\x04\x00\x20\0\0";
    g_autofree char *path = new_file(own, sizeof(own) - 1);
    g_autofree char *cut = new_file(own, 10);
    g_autofree char *option = g_strdup_printf("file=%s", path);
    g_autofree char *cut_option = g_strdup_printf("file=%s", cut);
    g_autofree char *string = g_strdup_printf("type=11,path=%s", cut);

    begin();
    add(option);
    SmbiosConfig c = config();
    g_autofree char *text = make(&c);
    g_assert_true(g_str_has_prefix(text, "128 9000: 01 02 03 04 [text]\n32 2000: []\n1 100:"));
    g_assert_null(strstr(text, "32 2000: 00"));
    g_ptr_array_free(options, TRUE);

    begin();
    add(cut_option);
    expect_failure("holds no whole structure at byte 0");
    begin();
    add(string);
    expect_failure("holds a zero byte");
    begin();
    add("type=41,pcidev=none");
    expect_failure("there is no PCI device 'none'");
    g_assert_cmpint(g_remove(path) | g_remove(cut), ==, 0);
}

static void test_errors(void)
{
    static const struct {
        const char *option, *message;
    } rows[] = {
        {"foo=1", "type= or file= is needed"},
        {"type=9", "type=9 cannot be filled by keys"},
        {"type=256", "type=256 cannot be filled by keys"},
        {"type=x", "parameter 'type': 'x' is not a number from 0 to 2^64 - 1"},
        {"type=3,serail=1", "unknown parameter 'serail'; did you mean 'serial'?"},
        {"type=0,release=300.1", "release: '300.1' is not MAJOR.MINOR, both up to 255"},
        {"type=0,uefi=2", "uefi: '2' is neither on nor off"},
        {"type=1,uuid=xx", "uuid: 'xx' is not a UUID"},
        {"type=4,max-speed=70000", "max-speed: 70000 is more than 65535"},
        {"type=8,port_type=256", "port_type: 256 is more than 255"},
        {"type=17,speed=x", "speed: 'x' is not a number from 0 to 2^64 - 1"},
        {"type=41,instance=300", "instance: 300 is more than 255"},
        {"file=/nowhere", "cannot read '/nowhere': No such file or directory"},
        {"type=11,path=/nowhere", "cannot read '/nowhere': No such file or directory"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(KeyVal) kv = keyval_parse(rows[i].option, NULL, NULL);
        g_assert_false(smbios_check_option(kv, &err));
        g_assert_cmpstr(error_message(err), ==, rows[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/default", test_default);
    g_test_add_func("/smbios/large", test_large);
    g_test_add_func("/smbios/options", test_options);
    g_test_add_func("/smbios/files", test_files);
    g_test_add_func("/smbios/errors", test_errors);
    return g_test_run();
}
