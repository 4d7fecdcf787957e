/* SPDX-License-Identifier: MIT */
/* Strings, the stack, atomics, operands across pages and code that changes itself. */
#include "tests/insn/body.inc"

BODY strings
    mov $700, %ecx
    rep movsb
    mov $300, %ecx
    mov %rbx, %rdi
    rep stosw
    lea 0x800(%rbx), %rsi
    lea 0x900(%rbx), %rdi
    mov $40, %ecx
    rep movsq
    mov %rbx, %rdi
    mov $200, %ecx
    mov (%rbx), %al
    repe scasb
    mov $300, %ecx
    repne scasl
    mov %rbx, %rsi
    lea 0x10(%rbx), %rdi
    mov $90, %ecx
    repe cmpsw
    lodsq
    std
    mov $20, %ecx
    rep movsl
    cmpsb
    cld
END strings

BODY strings_across_pages
    lea 0xf83(%rbx), %rsi
    lea 0xff1(%rbp), %rdi
    mov $500, %ecx
    rep movsb
    lea 0xffe(%rbx), %rdi
    mov $100, %ecx
    rep stosq
    xor %ecx, %ecx
    rep movsq
END strings_across_pages

BODY fault_rep_movs
    mov %rbx, %rsi
    lea 0x1f9b(%rbx), %rdi
    mov $1000, %ecx
    stc
    rep movsl
END fault_rep_movs

BODY stack_forms
    add $0x100, %rbp
    push %rax
    push %rsp
    pop %rcx
    push $-5
    pushw $0x1234
    pushw %dx
    popw %r9w
    popw 8(%rbx)
    pop %r8
    push (%rbx)
    push 8(%rsp)
    pop 16(%rbx)
    pop 8(%rsp)
    push %rbp
    mov %rsp, %rbp
    sub $64, %rsp
    leave
    enter $32, $0
    leave
    enter $16, $3
    call 2f
    jmp 3f
2:  mov (%rsp), %r10
    ret $16
3:  pushfq
    pop %rax
    push %rsp
    pop %rsp
    pop %r15
    push %r15
    pop %r14
END stack_forms

BODY fault_push
    lea -0xfff(%r12), %rsp
    stc
    push %rax
    lea 0xffc(%rbx), %rsp
    lea 0x1000(%r12), %rsp
    push %rax
END fault_push

BODY calls
    mov $300, %r8d
    lea 5f(%rip), %r9
    lea 6f(%rip), %r14
1:  call *%r9
    call *%r14
    mov %r9, (%rbx)
    call *(%rbx)
    jmp *7f(%rip)
    .balign 8
7:  .quad 0x10000000 + 8f - .Lstart_calls
5:  add %r8, %rax
    ret
6:  jmp *%r9
8:  dec %r8
    jnz 1b
END calls

BODY loops
    mov $9, %ecx
    xor %eax, %eax
1:  inc %eax
    loop 1b
    mov $100, %ecx
2:  add $3, %eax
    cmp $60, %eax
    loopne 2b
    jecxz 3f
    mov $0x100000003, %rcx
4:  inc %eax
    addr32 loop 4b
3:  jrcxz 5f
5:
END loops

BODY across_pages
    lea 0xffd(%rbx), %r8
    mov $50, %ecx
1:  add %rax, (%r8)
    lock xadd %rdx, 1(%r8)
    movups -9(%r8), %xmm0
    paddb %xmm1, %xmm0
    movups %xmm0, -7(%r8)
    adc (%r8), %r13
    movzbl %dl, %edx
    bts %rdx, -2(%r8)
    fldt -5(%r8)
    fstpt -3(%r8)
    loop 1b
END across_pages

BODY fault_across_pages
    stc
    mov 0xffd(%r12), %eax
END fault_across_pages

BODY fault_read_only
    cmp %rax, %rbx
    add %rax, (%r12)
END fault_read_only

BODY fault_missing
    mov $0x8000000000000000, %r8
    add %r8, %r8
    adc 0x123(%r13), %r9
END fault_missing

BODY fault_not_canonical
    mov $0x123456789abcdef0, %r8
    stc
    mov (%r8), %rax
END fault_not_canonical

BODY atomics
    mov $100, %r8d
1:  mov (%rbx), %rax
    lock cmpxchg %r8, (%rbx)
    lock cmpxchg %rdx, (%rbx)
    xchg %r13, 8(%rbx)
    lock incl 16(%rbx)
    lock negq 24(%rbx)
    lock cmpxchg8b 32(%rbx)
    lock cmpxchg16b 48(%rbx)
    lock cmpxchg16b 48(%rbx)
    xadd %ax, 64(%rbx)
    mfence
    dec %r8
    jnz 1b
END atomics

/* Changes an immediate it is about to execute, in the same block, and one executed before. */
BODY self_modifying
    mov $40, %ecx
    lea 2f(%rip), %r8
    lea 1f(%rip), %r14
1:  add $1, %eax
    mov %cl, 1(%r8)
2:  mov $0, %dl
    add %dl, %r9b
    movb $0x90, 3f(%rip)
3:  inc %r10
    nop
    incb 2(%r14)
    movb $0x49, 3b(%rip)
    loop 1b
END self_modifying
