/* SPDX-License-Identifier: MIT */
/* x87, MMX, SSE, AVX2, FMA, BMI, AES, SHA, and their faults. */
#include "tests/insn/body.inc"

BODY x87
    fninit
    fldpi
    fildl (%rbx)
    fmul %st(1), %st
    fstpl 8(%rbx)
    fld1
    fadd %st(1), %st
    fsqrt
    fxch
    fsin
    fpatan
    fldl2e
    fbstp 16(%rbx)
    fistpll 32(%rbx)
    fnstcw 40(%rbx)
    andb $0xf3, 41(%rbx)
    orb $0x04, 41(%rbx)
    fldcw 40(%rbx)
    fld1
    fld1
    fdivs (%rsi)
    fcomi %st(1), %st
    fcmovb %st(1), %st
    fnstsw %ax
    fstpt 48(%rbx)
    fnstsw 64(%rbx)
END x87

BODY fault_x87_is_late
    fninit
    fnstcw (%rbx)
    andb $0xc0, (%rbx)
    fldcw (%rbx)
    fld1
    fldz
    fdivrp
    mov $5, %eax
    fnstsw (%rsi)
    stc
    fld1
END fault_x87_is_late

/* The pending exception goes before the fault of the operand. */
BODY fault_x87_before_page
    fninit
    fnstcw (%rbx)
    andb $0xc0, (%rbx)
    fldcw (%rbx)
    fld1
    fldz
    fdivrp
    fldl (%r13)
END fault_x87_before_page

BODY mmx
    movq (%rbx), %mm0
    paddw 8(%rbx), %mm0
    psllq $3, %mm0
    punpcklbw %mm0, %mm1
    pmaddwd (%rsi), %mm1
    movq %mm1, 16(%rbx)
    pinsrw $2, 24(%rbx), %mm2
    maskmovq %mm1, %mm2
    cvtpi2ps %mm2, %xmm3
    emms
END mmx

/* MMX registers are not stack registers. */
BODY maskmov_after_push
    fninit
    fld1
    fldpi
    maskmovq %mm6, %mm7
    maskmovdqu %xmm3, %xmm4
END maskmov_after_push

BODY sse
    mov $64, %r15d
1:  movaps (%rbx), %xmm0
    addps 16(%rbx), %xmm0
    mulpd %xmm1, %xmm0
    cvtdq2ps (%rsi), %xmm2
    pshufb 32(%rsi), %xmm2
    pcmpistri $0x1a, (%rsi), %xmm0
    cmovc %r8, %r9
    ucomisd 8(%rbx), %xmm1
    setp 3(%rbx)
    cvttsd2si 24(%rsi), %r14
    movnti %r14, 64(%rbx)
    movups %xmm2, 72(%rbx)
    dppd $0x31, %xmm2, %xmm1
    inc %rbx
    and $-16, %rbx
    dec %r15
    jnz 1b
    ldmxcsr 9f(%rip)
    divps (%rsi), %xmm2
    stmxcsr (%rbx)
    jmp 8f
9:  .long 0x7f80
8:
END sse

BODY fault_misaligned
    stc
    movaps 8(%rbx), %xmm0
END fault_misaligned

/* Alignment goes before the page and before the canonical address. */
BODY fault_misaligned_missing
    paddd 8(%r13), %xmm0
END fault_misaligned_missing

BODY fault_unmasked
    movl $0x1d00, (%rbx)
    ldmxcsr (%rbx)
    xorps %xmm0, %xmm0
    stc
    divps %xmm0, %xmm1
END fault_unmasked

BODY avx2
    mov $32, %ecx
1:  vmovdqu (%rbx), %ymm0
    vpaddd 5(%rsi), %ymm0, %ymm1
    vpermq $0x1b, %ymm1, %ymm2
    vfmadd231ps (%rbx), %ymm2, %ymm3
    vpcmpgtd %ymm2, %ymm1, %ymm4
    vpmovmskb %ymm4, %r13d
    vpmaskmovd %ymm1, %ymm4, 96(%rbx)
    vpmaskmovq 128(%rbx), %ymm4, %ymm5
    vextracti128 $1, %ymm5, 64(%rbx)
    vcvtph2ps (%rsi), %ymm6
    vbroadcastss (%rbx), %ymm7
    vaddsd %xmm7, %xmm6, %xmm8
    loop 1b
    vpcmpeqd %ymm9, %ymm9, %ymm9
    vpxor %ymm10, %ymm10, %ymm10
    vpgatherdd %ymm9, (%rbx,%ymm10,4), %ymm11
    vzeroupper
END avx2

/* Elements that were passed have their mask cleared. */
BODY fault_gather
    vpcmpeqd %ymm9, %ymm9, %ymm9
    vpxor %ymm10, %ymm10, %ymm10
    mov $0x1000, %eax
    vmovd %eax, %xmm1
    vpslldq $8, %xmm1, %xmm10
    vpslldq $4, %xmm9, %xmm9
    vpgatherdd %xmm9, (%r12,%xmm10,1), %xmm11
END fault_gather

BODY bmi
    mov $90, %ecx
1:  andn (%rbx), %r8, %rax
    pdep 8(%rbx), %rax, %r9
    pext %r8, %r9, %r10
    rorx $13, 16(%rbx), %r11
    shlx %rcx, (%rsi), %r13
    sarx %ecx, %r13d, %r14d
    mulx 8(%rsi), %r15, %rdx
    blsi %r15, %rdx
    adcx (%rbx), %rax
    adox %rdx, %r8
    lzcnt 8(%rbx), %r9
    tzcnt %r9w, %r10w
    popcnt %r8, %r11
    crc32q (%rsi), %r9
    movbe (%rbx), %r15
    movbe %r15d, 4(%rbx)
    bextr %r11d, %r8d, %r13d
    bzhi %rcx, %rax, %rdx
    loop 1b
END bmi

BODY crypto
    mov $20, %ecx
1:  aesenc (%rbx), %xmm1
    aesdeclast 16(%rbx), %xmm2
    aeskeygenassist $7, %xmm1, %xmm3
    pclmulqdq $0x11, 32(%rbx), %xmm3
    sha1rnds4 $2, %xmm1, %xmm2
    sha256rnds2 %xmm0, (%rbx), %xmm4
    sha256msg1 %xmm4, %xmm5
    movups %xmm4, 48(%rbx)
    loop 1b
END crypto

/* Without a base register REX.B means nothing. */
BODY sib_without_base
    mov $16, %ecx
    mov $-1, %r13
    .byte 0x49, 0x8b, 0x04, 0x0d /* mov 0x20000010(,%rcx,1), %rax with REX.B */
    .long 0x20000010
    .byte 0x49, 0x01, 0x04, 0x0d
    .long 0x20000020
END sib_without_base
