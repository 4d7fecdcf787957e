/* SPDX-License-Identifier: MIT */
/* util/symbols: lists, ELF files (this program's own), and files that are neither or broken. */
#include "util/symbols.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <string.h>

static char *folder;

static char *write_file(const char *name, const void *bytes, size_t size)
{
    char *path = g_build_filename(folder, name, NULL);

    g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
    return path;
}

static void assert_refused(const char *name, const void *bytes, size_t size, const char *part)
{
    g_autofree char *path = write_file(name, bytes, size);
    g_autoptr(Error) err = NULL;

    g_assert_null(symbols_load(path, &err));
    g_assert_nonnull(strstr(error_message(err), part));
}

static void test_list(void)
{
    static const char text[] = "0000000000001000 t beta_local\n"
                               "0000000000001000 T beta\n"
                               "0000000000001000 T alias\n"
                               "0000000000000800 T alpha\n"
                               "0000000000001800 D data\n"
                               "ffffffff81000000 t module_code\t[module]\n"
                               "no line\n"
                               "0000000000002000 W last"; /* without an end of line */
    g_autofree char *path = write_file("list", text, sizeof(text) - 1);
    g_autoptr(Symbols) symbols = symbols_load(path, NULL);
    uint64_t offset, address;

    g_assert_cmpuint(symbols_count(symbols), ==, 6);
    g_assert_cmpstr(symbols_find(symbols, 0x1000, &offset), ==, "alias");
    g_assert_cmpuint(offset, ==, 0);
    g_assert_cmpstr(symbols_find(symbols, 0x1fff, &offset), ==, "alias"); /* data is no code */
    g_assert_cmpuint(offset, ==, 0xfff);
    g_assert_cmpstr(symbols_find(symbols, 0xfff, &offset), ==, "alpha");
    g_assert_cmpstr(symbols_find(symbols, 0x2001, &offset), ==, "last");
    g_assert_cmpstr(symbols_find(symbols, 0xffffffff81000010, &offset), ==, "module_code");
    g_assert_null(symbols_find(symbols, 0x7ff, &offset));
    g_assert_null(symbols_find(symbols, 0x10000000, &offset));
    g_assert_true(symbols_address(symbols, "beta", &address));
    g_assert_cmpuint(address, ==, 0x1000);
    g_assert_false(symbols_address(symbols, "data", &address));
}

static void test_elf(void)
{
    g_autoptr(Symbols) symbols = symbols_load("/proc/self/exe", NULL);
    uint64_t start, offset;

    g_assert_nonnull(symbols);
    g_assert_true(symbols_address(symbols, "main", &start));
    g_assert_cmpstr(symbols_find(symbols, start + 3, &offset), ==, "main");
    g_assert_cmpuint(offset, ==, 3);
}

/* Every byte of the headers in turn, and every length: no crash, whatever comes out. */
static void test_broken_elf(void)
{
    Elf32_Ehdr header = {.e_ident = ELFMAG, .e_shoff = sizeof(header), .e_shnum = 2};
    Elf32_Shdr sections[2] = {
        {.sh_type = SHT_SYMTAB, .sh_link = 1, .sh_size = 2 * sizeof(Elf32_Sym)},
        {.sh_type = SHT_STRTAB, .sh_size = 6}};
    Elf32_Sym list[2] = {{0}, {.st_name = 1, .st_value = 0x100, .st_shndx = 1}};
    g_autoptr(GByteArray) file = g_byte_array_new();
    size_t headers = sizeof(header) + sizeof(sections);

    header.e_ident[EI_CLASS] = ELFCLASS32;
    sections[0].sh_offset = (Elf32_Off)headers;
    sections[1].sh_offset = (Elf32_Off)(headers + sizeof(list));
    g_byte_array_append(file, (const guint8 *)&header, sizeof(header));
    g_byte_array_append(file, (const guint8 *)sections, sizeof(sections));
    g_byte_array_append(file, (const guint8 *)list, sizeof(list));
    g_byte_array_append(file, (const guint8 *)"\0name", 6);
    for (size_t i = 0; i <= headers; i++) {
        uint8_t old = i < headers ? file->data[i] : 0;
        if (i < headers) {
            file->data[i] ^= 0xff;
        }
        g_autofree char *path = write_file("elf", file->data, file->len);
        g_autoptr(Symbols) symbols = symbols_load(path, NULL);
        uint64_t offset;
        if (i < headers) {
            file->data[i] = old;
        } else { /* unbroken */
            g_assert_cmpstr(symbols_find(symbols, 0x108, &offset), ==, "name");
        }
    }
    for (size_t size = SELFMAG; size < file->len; size++) {
        g_autofree char *path = write_file("elf", file->data, size);
        g_assert_null(symbols_load(path, NULL));
    }
}

static void test_errors(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(symbols_load("/nowhere/at/all", &err));
    g_assert_nonnull(strstr(error_message(err), "/nowhere/at/all"));
    assert_refused("empty", "", 0, "has no symbols");
    assert_refused("prose", "Some text.\n", 11, "has no symbols");
    assert_refused("zeros", "0 T _text\n0 T _end\n", 19, "only zeros");
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("symbols-XXXXXX", NULL);
    g_test_add_func("/symbols/list", test_list);
    g_test_add_func("/symbols/elf", test_elf);
    g_test_add_func("/symbols/broken-elf", test_broken_elf);
    g_test_add_func("/symbols/errors", test_errors);
    status = g_test_run();
    for (const char *const *name =
             (const char *const[]){"list", "elf", "empty", "prose", "zeros", NULL};
         *name; name++) {
        g_autofree char *path = g_build_filename(folder, *name, NULL);
        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
    return status;
}
