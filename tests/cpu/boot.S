/* SPDX-License-Identifier: MIT */
/* From the multiboot loader (32-bit protected mode, paging off) to main(): segments, in the 64-bit
 * build long mode with the first 4 GiB mapped one to one for all rings, stack. Multiboot 0.6.96, 3. */
    .set    SEL_CODE, 0x08
    .set    SEL_DATA, 0x10
    .set    SEL_CODE32, 0x18
    .set    STACK_SIZE, 0x4000
    .set    CR0, 0x23                           /* PE MP NE */
    .set    MSR_EFER, 0xc0000080

    .section .multiboot, "a"
    .balign 4
    .long   0x1badb002, 0, -0x1badb002

    .text
    .code32
    .globl  _start
_start:
    cli
    cld
    movl    $boot_stack_top, %esp
    lgdt    gdt_pointer
    ljmp    $SEL_CODE32, $1f
1:  movl    $SEL_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
#ifdef __x86_64__
    movl    $page_directories, %edi             /* 2 MiB pages: present, writable, user */
    movl    $0x87, %eax
    xorl    %edx, %edx
1:  movl    %eax, (%edi)
    movl    %edx, 4(%edi)
    addl    $8, %edi
    addl    $0x200000, %eax
    jnc     1b
    movl    $page_directories + 7, page_directory_pointers
    movl    $page_directories + 0x1007, page_directory_pointers + 8
    movl    $page_directories + 0x2007, page_directory_pointers + 16
    movl    $page_directories + 0x3007, page_directory_pointers + 24
    movl    $page_directory_pointers + 7, page_map
    call    enter_long_mode
    ljmp    $SEL_CODE, $1f
    .code64
1:  call    runtime_init
    call    main
    call    report_end
    .code32
/* Paging and long mode on; the caller then jumps to 64-bit code. Destroys EAX, ECX, EDX. */
enter_long_mode:
    movl    $0x620, %eax                        /* PAE OSFXSR OSXMMEXCPT */
    movl    %eax, %cr4
    movl    $page_map, %eax
    movl    %eax, %cr3
    movl    $MSR_EFER, %ecx
    rdmsr
    orl     $0x100, %eax                        /* LME */
    wrmsr
    movl    $CR0 | 0x80000000, %eax
    movl    %eax, %cr0
    ret

/* -- Other CPUs: copied to 8000h, started in real mode at 0800:0000 -------------------------- */
    .globl  ap_trampoline, ap_trampoline_end
    .code16
ap_trampoline:
    cli
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   ap_gdt_pointer - ap_trampoline
    movl    $0x21, %eax
    movl    %eax, %cr0
    ljmpl   $SEL_CODE32, $ap_start32
ap_gdt_pointer:
    .word   256 * 8 - 1
    .long   gdt
ap_trampoline_end:

    .code32
ap_start32:
    movl    $SEL_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
    movl    $1, %ebx
    lock xaddl %ebx, cpus_present
    andl    $0xff, %ebx                         /* its number: how many came before it */
    movl    %ebx, %eax
    imull   $STACK_SIZE, %eax, %eax
    leal    ap_stacks(%eax), %esp
    call    enter_long_mode
    ljmp    $SEL_CODE, $1f
    .code64
1:  movl    %ebx, %edi
    call    ap_main
#else
    movl    $CR0, %eax
    movl    %eax, %cr0
    ljmp    $SEL_CODE, $1f
1:  call    runtime_init
    call    main
    call    report_end
#endif

    .data
    .balign 8
    .globl  gdt
gdt:
    .quad   0
#ifdef __x86_64__
    .quad   0x00af9b000000ffff                  /* SEL_CODE */
#else
    .quad   0x00cf9b000000ffff
#endif
    .quad   0x00cf93000000ffff                  /* SEL_DATA */
    .quad   0x00cf9b000000ffff                  /* SEL_CODE32 */
    .quad   0x00009b000000ffff                  /* SEL_CODE16 */
    .quad   0x000093000000ffff                  /* SEL_DATA16 */
    .quad   0x00cffb000000ffff                  /* SEL_USER32 */
    .quad   0x00cff3000000ffff                  /* SEL_USER_DATA */
#ifdef __x86_64__
    .quad   0x00affb000000ffff                  /* SEL_USER */
#else
    .quad   0x00cffb000000ffff
#endif
    .fill   256 - 9, 8, 0
    .word   0
gdt_pointer:
    .word   256 * 8 - 1
    .long   gdt, 0
    .globl  cpus_present
cpus_present:                                   /* 0-7 have come, 8-15 are ready besides the first */
    .long   1

    .bss
    .balign 4096
#ifdef __x86_64__
    .globl  page_map
page_map:
    .skip   4096
page_directory_pointers:
    .skip   4096
page_directories:
    .skip   4 * 4096
ap_stacks:                                      /* CPU n's ends at n * STACK_SIZE */
    .skip   16 * STACK_SIZE
#endif
    .skip   STACK_SIZE
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
