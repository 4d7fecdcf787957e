/* SPDX-License-Identifier: MIT */
/* Symbols out of ELF files and text lists. A file may be anything: every offset is checked. */
#include "util/symbols.h"

#include <elf.h>
#include <string.h>

/* What lies farther behind a symbol does not belong to it. */
#define MAX_OFFSET (256u << 10)

typedef struct Symbol {
    uint64_t address;
    const char *name;
    bool is_global;
} Symbol;

struct Symbols {
    GArray *list; /* of Symbol, by address */
    GStringChunk *names;
};

static Symbols *symbols_new(void)
{
    Symbols *symbols = g_new0(Symbols, 1);

    symbols->list = g_array_new(FALSE, FALSE, sizeof(Symbol));
    symbols->names = g_string_chunk_new(65536);
    return symbols;
}

void symbols_free(Symbols *symbols)
{
    if (symbols) {
        g_array_free(symbols->list, TRUE);
        g_string_chunk_free(symbols->names);
        g_free(symbols);
    }
}

static void add(Symbols *symbols, uint64_t address, const char *name, bool is_global)
{
    Symbol symbol = {address, g_string_chunk_insert(symbols->names, name), is_global};

    g_array_append_val(symbols->list, symbol);
}

/* Of those at one address the global ones come first: they are what people know. */
static gint compare(gconstpointer a, gconstpointer b)
{
    const Symbol *one = a, *other = b;

    if (one->address != other->address) {
        return one->address < other->address ? -1 : 1;
    }
    if (one->is_global != other->is_global) {
        return one->is_global ? -1 : 1;
    }
    return strcmp(one->name, other->name);
}

/* -- ELF --------------------------------------------------------------------------------------- */

typedef struct File {
    const uint8_t *bytes;
    size_t size;
} File;

/* A piece of the file, or NULL where it has none. */
static const void *piece(const File *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset ? file->bytes + offset : NULL;
}

/* What both sizes of section headers and symbols have, in the wider form. */
static bool section_get(const File *file, uint64_t offset, bool is_64, Elf64_Shdr *ret_section)
{
    const void *bytes = piece(file, offset, is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
    Elf32_Shdr narrow;

    if (!bytes) {
        return false;
    }
    if (is_64) {
        memcpy(ret_section, bytes, sizeof(*ret_section));
        return true;
    }
    memcpy(&narrow, bytes, sizeof(narrow));
    *ret_section = (Elf64_Shdr){.sh_type = narrow.sh_type,
                                .sh_offset = narrow.sh_offset,
                                .sh_size = narrow.sh_size,
                                .sh_link = narrow.sh_link};
    return true;
}

static void symbol_get(const uint8_t *bytes, bool is_64, Elf64_Sym *ret_symbol)
{
    Elf32_Sym narrow;

    if (is_64) {
        memcpy(ret_symbol, bytes, sizeof(*ret_symbol));
        return;
    }
    memcpy(&narrow, bytes, sizeof(narrow));
    *ret_symbol = (Elf64_Sym){narrow.st_name,  narrow.st_info,  narrow.st_other,
                              narrow.st_shndx, narrow.st_value, narrow.st_size};
}

static void read_table(Symbols *symbols, const File *file, bool is_64, const Elf64_Shdr *table,
                       const Elf64_Shdr *strings)
{
    size_t each = is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    const uint8_t *bytes = piece(file, table->sh_offset, table->sh_size);
    const char *names = piece(file, strings->sh_offset, strings->sh_size);

    if (!bytes || !names || !strings->sh_size || names[strings->sh_size - 1]) {
        return;
    }
    for (size_t i = 0; i < table->sh_size / each; i++) {
        Elf64_Sym symbol;
        symbol_get(bytes + i * each, is_64, &symbol);
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type == STT_FUNC || type == STT_NOTYPE) && symbol.st_shndx != SHN_UNDEF &&
            symbol.st_shndx != SHN_ABS && symbol.st_name < strings->sh_size &&
            names[symbol.st_name]) {
            add(symbols, symbol.st_value, names + symbol.st_name,
                ELF64_ST_BIND(symbol.st_info) != STB_LOCAL);
        }
    }
}

static void read_elf(Symbols *symbols, const File *file)
{
    bool is_64 = file->bytes[EI_CLASS] == ELFCLASS64;
    uint64_t start, size = is_64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    unsigned count;

    if (is_64) {
        Elf64_Ehdr header;
        memcpy(&header, file->bytes, sizeof(header));
        start = header.e_shoff;
        count = header.e_shnum;
    } else {
        Elf32_Ehdr header;
        memcpy(&header, file->bytes, sizeof(header));
        start = header.e_shoff;
        count = header.e_shnum;
    }
    for (unsigned i = 0; i < count; i++) {
        Elf64_Shdr table, strings;
        if (section_get(file, start + i * size, is_64, &table) && table.sh_type == SHT_SYMTAB &&
            table.sh_link < count &&
            section_get(file, start + table.sh_link * size, is_64, &strings)) {
            read_table(symbols, file, is_64, &table, &strings);
        }
    }
}

/* -- Text -------------------------------------------------------------------------------------- */

static void read_text(Symbols *symbols, const File *file)
{
    const char *at = (const char *)file->bytes, *end = at + file->size;

    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        g_autofree char *line = g_strndup(at, (size_t)(stop - at));
        char *rest;
        uint64_t address = g_ascii_strtoull(line, &rest, 16);
        if (rest != line && rest[0] == ' ' && rest[1] && strchr("tTwWiI", rest[1]) &&
            rest[2] == ' ' && rest[3]) {
            g_autofree char *name = g_strndup(rest + 3, strcspn(rest + 3, " \t\r"));
            add(symbols, address, name, g_ascii_isupper(rest[1]));
        }
        at = stop + 1;
    }
}

/* -- Use --------------------------------------------------------------------------------------- */

Symbols *symbols_load(const char *path, Error **err)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GMappedFile) mapped = g_mapped_file_new(path, FALSE, &failure);
    g_autoptr(Symbols) symbols = NULL;
    const Symbol *last;
    File file;

    if (!mapped) {
        error_set(err, "cannot read symbols: %s", failure->message);
        return NULL;
    }
    file = (File){(const uint8_t *)g_mapped_file_get_contents(mapped),
                  g_mapped_file_get_length(mapped)};
    symbols = symbols_new();
    if (file.size >= sizeof(Elf64_Ehdr) && !memcmp(file.bytes, ELFMAG, SELFMAG)) {
        read_elf(symbols, &file);
    } else if (file.size) {
        read_text(symbols, &file);
    }
    g_array_sort(symbols->list, compare);
    if (!symbols->list->len) {
        error_set(err, "'%s' has no symbols: neither an ELF file's nor lines ADDRESS TYPE NAME",
                  path);
        return NULL;
    }
    last = &g_array_index(symbols->list, Symbol, symbols->list->len - 1);
    if (!last->address) {
        error_set(err, "'%s' has only zeros for addresses: /proc/kallsyms shows them to root",
                  path);
        return NULL;
    }
    return g_steal_pointer(&symbols);
}

const char *symbols_find(const Symbols *symbols, uint64_t address, uint64_t *ret_offset)
{
    const Symbol *list = (const Symbol *)(void *)symbols->list->data;
    size_t low = 0, high = symbols->list->len;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!low || address - list[low - 1].address > MAX_OFFSET) {
        return NULL;
    }
    while (low > 1 && list[low - 2].address == list[low - 1].address) {
        low--;
    }
    *ret_offset = address - list[low - 1].address;
    return list[low - 1].name;
}

bool symbols_address(const Symbols *symbols, const char *name, uint64_t *ret_address)
{
    for (guint i = 0; i < symbols->list->len; i++) {
        const Symbol *symbol = &g_array_index(symbols->list, Symbol, i);
        if (!strcmp(symbol->name, name)) {
            *ret_address = symbol->address;
            return true;
        }
    }
    return false;
}

size_t symbols_count(const Symbols *symbols)
{
    return symbols->list->len;
}
