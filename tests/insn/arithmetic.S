/* SPDX-License-Identifier: MIT */
/* Integer arithmetic and chains of flags between memory accesses. */
#include "tests/insn/body.inc"

BODY add_sub_chain
    mov $1000, %ecx
    xor %eax, %eax
    xor %edx, %edx
1:  add (%rbx,%rcx), %rax
    adc 8(%rbx,%rcx), %rdx
    sbb %r8, 16(%rbx)
    adc $-3, %r9d
    sbb 4(%rsi), %r10w
    dec %rcx
    jnz 1b
END add_sub_chain

BODY flags_survive_accesses
    stc
    mov (%rbx), %rax
    rcl $1, %rdx
    inc %r8b
    mov %rdx, 8(%rbx)
    setc %al
    mov 16(%rbx), %r9
    seto %cl
    sets 24(%rbx)
    cmc
    mov (%rsi), %r10
    adc %r11, (%rbx)
    lahf
    mov %rax, 32(%rbx)
    cmp (%rsi), %r13
    mov %r13, 40(%rbx)
    cmovae 8(%rsi), %r13
    cmovs %r13, %r14
END flags_survive_accesses

BODY spilled_registers
    mov $77, %ecx
1:  lea 3(%r13,%r14,2), %r15
    add %r15, %r13
    xchg %r14, %r15
    imul %r13, %r14
    movzbl %r13b, %r15d
    add %r15, (%rbx)
    mov (%rbx), %r14
    xadd %r14, 8(%rbx)
    shld $7, %r13, %r14
    loop 1b
END spilled_registers

BODY high_bytes
    mov (%rbx), %ah
    add %ah, 1(%rbx)
    xchg %bh, %cl
    xchg %bh, %cl
    movzbl %dh, %eax
    sub 2(%rsi), %ch
    mov %ch, %dl
    add %dh, %ah
    mov %r9b, %dil
    mov %dil, %bpl
END high_bytes

BODY multiply_divide
    mov $200, %r8d
1:  mov (%rsi), %rax
    mul %r9
    xor %edx, %edx
    or $1, %r9
    div %r9
    mov %rax, (%rsi)
    imul $-7, 8(%rsi), %r10
    movsbl %r10b, %eax
    cltd
    movb $3, 16(%rsi)
    idivb 16(%rsi)
    add %r10, %r9
    dec %r8
    jnz 1b
END multiply_divide

BODY fault_divide
    stc
    mov (%rbx), %rax
    xor %ecx, %ecx
    stc
    idiv %ecx
END fault_divide

BODY bits
    mov $-70, %rax
    add $64, %rbx
    bts %rax, (%rbx)
    btr %eax, 16(%rbx)
    btc %ax, 8(%rbx)
    mov $1000, %r14d
    bt %r14, (%rbx)
    rcr $1, %rdx
    btsl $5, (%rbx)
    lock btcq $9, 8(%rbx)
    bsf (%rbx), %rcx
    bsr %rcx, %rdx
END bits

BODY shifts
    mov $33, %ecx
1:  shl %cl, %rax
    shr %cl, %edx
    sar %cl, %r8w
    rol %cl, (%rbx)
    rcl %cl, 8(%rbx)
    rcr $3, %r9
    ror $1, %r10b
    shrd %cl, %rdx, (%rbx)
    loop 1b
END shifts
