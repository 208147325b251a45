#include "daemon/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Segments that the loader writes to are left alone: there DONTNEED would undo the relocations.
static int let_go(struct dl_phdr_info *object, size_t size, void *page_size)
{
    (void)size;
    const uintptr_t page = *(const uintptr_t *)page_size;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_DYNAMIC)
            for (const ElfW(Dyn) *entry = (const void *)(object->dlpi_addr + segment->p_vaddr);
                 entry->d_tag != DT_NULL; entry++)
                if (entry->d_tag == DT_TEXTREL ||
                    (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL))
                    return 0;
    }
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || segment->p_flags & PF_W)
            continue;
        uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (end > begin)
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void footprint_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    malloc_trim(0);
    (void)dl_iterate_phdr(let_go, &page);
}
