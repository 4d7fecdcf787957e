/* SPDX-License-Identifier: MIT */
/* AVX-512: opmasks, masked and broadcast operands, gathers and scatters, and their faults. */
#include "tests/insn/body.inc"

BODY evex_arithmetic
    vaddps (%rbx), %zmm1, %zmm2
    vaddpd 64(%rbx){1to8}, %zmm3, %zmm4
    vmulps {rz-sae}, %zmm5, %zmm6, %zmm20
    vfmadd231pd {ru-sae}, %zmm20, %zmm21, %zmm22
    vsqrtpd %zmm22, %zmm23
    vcvtps2udq {rd-sae}, %zmm4, %zmm24
    vcvttsd2si {sae}, %xmm22, %r13
    vcvtusi2sd %r14, %xmm16, %xmm17
    vpternlogd $0x96, 128(%rbx), %zmm20, %zmm24
    vpermt2d 192(%rbx), %zmm1, %zmm2
    vextractf32x4 $3, %zmm2, 17(%rdi)
    vinserti64x4 $1, (%rsi), %zmm9, %zmm31
    vpconflictd %zmm2, %zmm19
    vmovdqu32 %zmm31, 1(%rbp)
    vmovaps %zmm22, 64(%rbp)
    vpsrlvw 128(%rbp), %zmm1, %zmm7
    vzeroupper
    vaddps %zmm16, %zmm17, %zmm18
END evex_arithmetic

BODY opmasks
    mov $0x1234567890abcdef, %rax
    kmovq %rax, %k1
    kmovq (%rbx), %k2
    kandq %k1, %k2, %k3
    kunpckdq %k1, %k3, %k4
    kshiftlq $7, %k4, %k5
    kaddw %k5, %k1, %k6
    kmovq %k6, 8(%rbx)
    kmovb %k6, 16(%rbx)
    kortestq %k1, %k2
    setc 32(%rbx)
    ktestw %k4, %k6
    setz 33(%rbx)
    kmovd %k3, %r13d
    kxnorw %k7, %k7, %k7
    vptestmb (%rsi), %zmm4, %k2{%k7}
    vpmovm2b %k2, %zmm5
END opmasks

BODY masked_moves
    mov $0x5a, %eax
    kmovd %eax, %k1
    vmovdqu32 (%rbx), %zmm1{%k1}
    vmovdqu32 64(%rbx), %zmm2{%k1}{z}
    vmovdqu64 %zmm3, 64(%rdi){%k1}
    vmovdqu8 %zmm4, 130(%rdi){%k2}
    vpcompressd %zmm5, 256(%rdi){%k1}
    vpexpandd 8(%rbx), %zmm6{%k1}
    vpmovqb %zmm7, 300(%rdi){%k1}
    vaddps (%r12){1to16}, %zmm8, %zmm8{%k1}
    vcvtps2ph $0, %zmm9, 320(%rdi){%k3}
    vbroadcastf32x4 (%rsi), %zmm10{%k4}
    vmovss (%rsi), %xmm11{%k1}{z}
    vmovsd %xmm12, 400(%rdi){%k1}
END masked_moves

/* The mask leaves out what lies on the page that is missing, and on data page 5, which test-insn
 * finds neither accessed nor dirty. */
BODY masked_away
    mov $0xff, %eax
    kmovd %eax, %k1
    vmovdqu32 -32(%r13), %zmm1{%k1}
    vmovdqu8 -8(%r13), %zmm2{%k1}{z}
    vpaddd -32(%r13), %zmm3, %zmm4{%k1}
    vpexpandq -16(%r13), %zmm5{%k2}{z}
    kxorw %k3, %k3, %k3
    vmovdqu32 %zmm1, (%r13){%k3}
    vmovaps (%r13), %zmm6{%k3}
    vmovss (%r13), %xmm7{%k3}
    mov $0xff00, %eax
    kmovd %eax, %k4
    vmovdqu32 -32(%rbp), %zmm8{%k4}
    vmovdqu32 %zmm8, -32(%rbp){%k4}
    vpcompressd %zmm9, (%rbp){%k4}
    lea 0x1000(%rbp), %rax
    vmovdqu64 (%rax), %zmm10{%k3}
    vmovdqu64 %zmm10, (%rax){%k3}
    vaddsd (%rax), %xmm10, %xmm10{%k3}
    vmovdqu32 %zmm11, -32(%rax){%k1}
    vmovdqu8 -8(%rax), %zmm12{%k1}{z}
    vcvtps2ph $0, %zmm11, -16(%rax){%k1}
    vpmovdw %zmm11, -16(%rax){%k1}
    vpxor %xmm0, %xmm0, %xmm0
    vpcmpeqd %xmm1, %xmm1, %xmm1
    vmovss %xmm1, %xmm0, %xmm1
    vmaskmovps -4(%r13), %ymm1, %ymm0
    vmaskmovps %ymm0, %ymm1, 4060(%rdi)
END masked_away

BODY gather_scatter
    kxnorw %k0, %k0, %k1
    vpxord %zmm1, %zmm1, %zmm1
    vpternlogd $0xff, %zmm2, %zmm2, %zmm2
    vpsrld $22, %zmm2, %zmm2
    vpmulld (%rsi){1to16}, %zmm2, %zmm3
    vpsrld $22, %zmm3, %zmm3
    vpgatherdd 5(%rbx,%zmm3,1), %zmm20{%k1}
    kxnorw %k0, %k0, %k1
    vpscatterdd %zmm20, (%rdi,%zmm3,2){%k1}
    mov $0x35, %eax
    kmovd %eax, %k2
    vpmovzxdq %ymm3, %zmm4
    vgatherqpd (%rbx,%zmm4,2), %zmm21{%k2}
    kmovd %eax, %k2
    vscatterqps %ymm21, (%rbp,%zmm4,2){%k2}
    kmovd %eax, %k2
    vpgatherqd (%rsi,%ymm4,1), %xmm22{%k2}
END gather_scatter

BODY fault_gather_in_the_middle
    kxnorw %k0, %k0, %k1
    vpxord %zmm1, %zmm1, %zmm1
    mov $0x1000, %eax
    vmovd %eax, %xmm2
    vpslldq $8, %xmm2, %xmm2
    vpgatherdd -2048(%r13,%zmm2,1), %zmm3{%k1}
    ud2
END fault_gather_in_the_middle

BODY fault_scatter_in_the_middle
    kxnorw %k0, %k0, %k1
    mov $-0x1000, %rax
    vmovq %rax, %xmm2
    vpslldq $8, %xmm2, %xmm2
    vmovdqa64 %zmm2, %zmm2
    vpscatterqq %zmm3, 8(%rbp,%zmm2,1){%k1}
    ud2
END fault_scatter_in_the_middle

BODY fault_masked_load
    mov $0x300, %eax
    kmovd %eax, %k1
    vmovdqu32 -32(%r13), %zmm1{%k1}
    ud2
END fault_masked_load

BODY fault_masked_store
    mov $0x8001, %eax
    kmovd %eax, %k1
    vmovdqu32 %zmm1, -32(%r12){%k1}
    ud2
END fault_masked_store

BODY fault_misaligned_zmm
    vmovdqa64 (%rbx), %zmm1
    vmovdqa64 %zmm1, 32(%rbx)
    ud2
END fault_misaligned_zmm

BODY fault_misaligned_masked
    mov $1, %eax
    kmovd %eax, %k1
    vmovaps 32(%rbx), %zmm1{%k1}
    ud2
END fault_misaligned_masked

BODY fault_unmasked_exception
    vstmxcsr (%rbx)
    andl $0xffffe07f, (%rbx)
    vldmxcsr (%rbx)
    vpxord %zmm1, %zmm1, %zmm1
    vdivps {rn-sae}, %zmm1, %zmm1, %zmm2
    kxorw %k1, %k1, %k1
    vdivps %zmm1, %zmm1, %zmm3{%k1}
    vdivps %zmm1, %zmm1, %zmm3
    ud2
END fault_unmasked_exception
