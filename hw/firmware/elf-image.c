/* SPDX-License-Identifier: MIT */
/* ELF executables for i386 and x86-64: their loadable segments and the PVH entry note. */
#include "hw/firmware/direct-boot.h"

#include <elf.h>
#include <string.h>

#define NOTE_NAME "Xen"
#define NOTE_PHYS32_ENTRY 18
#define NOTE_ALIGN(size) (((size) + 3ull) & ~3ull)

/* The fields of both program header forms that matter. */
typedef struct Segment {
    uint32_t type;
    uint64_t offset, file_size, address, memory_size;
} Segment;

typedef struct ElfFile {
    const uint8_t *bytes;
    gsize size;
    bool is_64;
    uint64_t entry, header_offset;
    unsigned header_count, header_size;
} ElfFile;

bool elf_is_image(GBytes *file)
{
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(file, &size);

    return size >= sizeof(Elf64_Ehdr) && memcmp(bytes, ELFMAG, SELFMAG) == 0 &&
           bytes[EI_DATA] == ELFDATA2LSB;
}

static bool in_file(const ElfFile *elf, uint64_t offset, uint64_t size)
{
    return offset <= elf->size && size <= elf->size - offset;
}

static bool read_header(ElfFile *elf)
{
    elf->is_64 = elf->bytes[EI_CLASS] == ELFCLASS64;
    if (elf->is_64) {
        Elf64_Ehdr header;
        memcpy(&header, elf->bytes, sizeof(header));
        elf->entry = header.e_entry;
        elf->header_offset = header.e_phoff;
        elf->header_count = header.e_phnum;
        elf->header_size = sizeof(Elf64_Phdr);
    } else {
        Elf32_Ehdr header;
        memcpy(&header, elf->bytes, sizeof(header));
        elf->entry = header.e_entry;
        elf->header_offset = header.e_phoff;
        elf->header_count = header.e_phnum;
        elf->header_size = sizeof(Elf32_Phdr);
    }
    return in_file(elf, elf->header_offset, (uint64_t)elf->header_count * elf->header_size);
}

static Segment read_segment(const ElfFile *elf, unsigned index)
{
    const uint8_t *at = elf->bytes + elf->header_offset + (uint64_t)index * elf->header_size;

    if (elf->is_64) {
        Elf64_Phdr h;
        memcpy(&h, at, sizeof(h));
        return (Segment){h.p_type, h.p_offset, h.p_filesz, h.p_paddr, h.p_memsz};
    }
    Elf32_Phdr h;
    memcpy(&h, at, sizeof(h));
    return (Segment){h.p_type, h.p_offset, h.p_filesz, h.p_paddr, h.p_memsz};
}

static void look_for_pvh_note(const ElfFile *elf, const Segment *segment, ElfImage *image)
{
    uint64_t at = segment->offset, end = segment->offset + segment->file_size;

    while (end - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, elf->bytes + at, sizeof(note));
        uint64_t name = at + sizeof(note);
        uint64_t data = name + NOTE_ALIGN(note.n_namesz);
        if (data + NOTE_ALIGN(note.n_descsz) > end) {
            return;
        }
        if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof(NOTE_NAME) &&
            memcmp(elf->bytes + name, NOTE_NAME, sizeof(NOTE_NAME)) == 0 && note.n_descsz >= 4) {
            image->has_pvh_entry = true;
            memcpy(&image->pvh_entry, elf->bytes + data, 4);
            return;
        }
        at = data + NOTE_ALIGN(note.n_descsz);
    }
}

static bool segment_fits(const ElfFile *elf, const Segment *s, uint64_t memory_end, Error **err)
{
    if (!in_file(elf, s->offset, s->file_size) || s->file_size > s->memory_size) {
        return error_set(err, "-kernel: the ELF file is cut off");
    }
    if (s->address < BOOT_HIGH_START || s->address > memory_end ||
        s->memory_size > memory_end - s->address) {
        return error_set(err,
                         "-kernel: the ELF segment at 0x%" G_GINT64_MODIFIER
                         "x lies outside of the guest's memory from 1 MiB to %" G_GUINT64_FORMAT
                         " MiB",
                         s->address, memory_end >> 20);
    }
    return true;
}

/* The range of guest memory all segments lie in. */
static bool measure(const ElfFile *elf, uint64_t memory_end, ElfImage *image, uint64_t *ret_end,
                    Error **err)
{
    uint64_t start = UINT64_MAX, end = 0, file_end = 0;

    for (unsigned i = 0; i < elf->header_count; i++) {
        Segment s = read_segment(elf, i);
        if (s.type != PT_LOAD || s.memory_size == 0) {
            continue;
        }
        if (!segment_fits(elf, &s, memory_end, err)) {
            return false;
        }
        start = MIN(start, s.address);
        end = MAX(end, s.address + s.memory_size);
        file_end = MAX(file_end, s.address + s.file_size);
    }
    image->address = start;
    image->memory_size = end - start;
    *ret_end = file_end;
    return start < end || error_set(err, "-kernel: the ELF file has nothing to load");
}

static GBytes *lay_out(const ElfFile *elf, uint64_t start, uint64_t end)
{
    uint8_t *bytes = g_malloc0(end - start);

    for (unsigned i = 0; i < elf->header_count; i++) {
        Segment s = read_segment(elf, i);
        if (s.type == PT_LOAD && s.memory_size != 0) {
            memcpy(bytes + (s.address - start), elf->bytes + s.offset, s.file_size);
        }
    }
    return g_bytes_new_take(bytes, end - start);
}

bool elf_read(GBytes *file, uint64_t memory_end, bool headers_only, ElfImage *ret_image,
              Error **err)
{
    ElfFile elf;
    ElfImage image = {0};
    uint64_t end;

    elf.bytes = g_bytes_get_data(file, &elf.size);
    if (!read_header(&elf)) {
        return error_set(err, "-kernel: the ELF file is cut off");
    }
    for (unsigned i = 0; i < elf.header_count; i++) {
        Segment s = read_segment(&elf, i);
        if (s.type == PT_NOTE && in_file(&elf, s.offset, s.file_size)) {
            look_for_pvh_note(&elf, &s, &image);
        }
    }
    image.entry = elf.entry;
    if (!headers_only) {
        if (!measure(&elf, memory_end, &image, &end, err)) {
            return false;
        }
        image.bytes = lay_out(&elf, image.address, end);
    }
    *ret_image = image;
    return true;
}
