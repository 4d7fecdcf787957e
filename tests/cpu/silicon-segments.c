/* SPDX-License-Identifier: MIT */
/* 16- and 32-bit code on segments of all sizes, against what a processor said (Zen 4; user mode can
 * make such segments with modify_ldt): stacks that wrap, limits, strings, far transfers. */
#include "cpu-test.h"

/* The LDT: all of ring 3. Code and data have 64 KiB each, one behind the other. */
enum {
    CODE = 0x400000,
    DATA = 0x410000,
    SIZE = 0x10000,
    SEL_LDT = SEL_FREE,
    OFFSET = 0x100, /* of the code */
    REGISTERS = 6,
    RESULTS = 10
};
static uint64_t ldt[11];

/* Name, code; then in hexadecimal CS SS DS ESP EBX ECX, and on the other side vector, error code,
 * EIP CS ESP EAX ECX ESI EDI and a sum of the data. At first EAX is 11223344h, EDX 0, EBP 200h, ESI
 * and EDI are EBX, ES and FS are DS, the data a pattern; INT3 lies everywhere around the code. A
 * sum of 0 is not looked at. A vector of 3 means that the code ran to its end. */
static const char *const rows[] = {
    /* clang-format off */
    "push-w-16-wrap 50 7 17 17 0 0 0 3 0 102 7 fffe 11223344 0 0 0 8ef7ea48",
    "push-w-16-split 50 7 17 17 1 0 0 c 0 100 7 1 11223344 0 0 0 8ef80000",
    "push-w-16-upper 50 7 17 17 12340002 0 0 3 0 102 7 0 11223344 0 0 0 3af0268",
    "push-w-16-big 50 7 1f 1f 800 0 0 3 0 102 7 7fe 11223344 0 0 0 a4bfea48",
    "push-w-16-limit 50 7 1f 1f 1001 0 0 c 0 100 7 1001 11223344 0 0 0 8ef80000",
    "pop-w-16-end 58 7 17 17 ffff 0 0 c 0 100 7 ffff 11223344 0 0 0 8ef80000",
    "pop-w-16-last 58 7 17 17 fffe 0 0 3 0 102 7 0 1122f8f1 0 0 0 8ef80000",
    "pusha-w-16-wrap 60 7 17 17 8 0 0 3 0 102 7 fff8 11223344 0 0 0 7ec9b031",
    "pusha-w-16-split 60 7 17 17 7 0 0 c 0 100 7 7 11223344 0 0 0 ef54386",
    "popa-w-16-wrap 61 7 17 17 fff8 0 0 3 0 102 7 8 1122312a 231c dcd5 cec7 8ef80000",
    "enter-w-16 c8040000 7 17 17 100 0 0 3 0 105 7 fa 11223344 0 0 0 37c541bb",
    "enter-w-16-3 c8040003 7 17 17 100 0 0 3 0 105 7 f4 11223344 0 0 0 164b4af6",
    "enter-w-16-wrap c8000000 7 17 17 0 0 0 3 0 105 7 fffe 11223344 0 0 0 8ef7e1db",
    "enter-w-16-big c8100002 7 1f 1f 400 0 0 3 0 105 7 3ea 11223344 0 0 0 365b0779",
    "enter-w-16-31 c810003f 7 17 17 400 0 0 3 0 105 7 3b0 11223344 0 0 0 164fb539",
    "leave-w-16 c9 7 17 17 100 0 0 3 0 102 7 202 11223344 0 0 0 8ef80000",
    "leave-w-16-big c9 7 1f 1f 12345 0 0 3 0 102 7 202 11223344 0 0 0 8ef80000",
    "call-w-16 e81000 7 17 17 100 0 0 3 0 114 7 fe 11223344 0 0 0 5708c217",
    "ret-w-16-imm 682001589050c20400 7 17 17 100 0 0 3 0 121 7 104 11220120 0 0 0 7a9f259a",
    "push-seg-w-16 1e0fa0 7 17 17 100 0 0 3 0 104 7 fc 11223344 0 0 0 78e7c244",
    "push-imm-w-16 6aff683412 7 17 17 100 0 0 3 0 106 7 fc 11223344 0 0 0 9e3ad1b0",
    "pushf-w-16 9c58 7 17 17 100 0 0 3 0 103 7 100 11220202 0 0 0 5d8901f9",
    "push-sp-w-16 5458 7 17 17 12340100 0 0 3 0 103 7 100 11220100 0 0 0 1e6321ba",
    "pop-sp-w-16 5c 7 17 17 12340100 0 0 3 0 102 7 801 11223344 0 0 0 8ef80000",
    "push-w-32-wrap 6650 f 17 17 0 0 0 3 0 103 f fffe 11223344 0 0 0 8ef7ea48",
    "push-w-32-split 6650 f 17 17 1 0 0 c 0 100 f 1 11223344 0 0 0 8ef80000",
    "push-w-32-upper 6650 f 17 17 12340002 0 0 3 0 103 f 0 11223344 0 0 0 3af0268",
    "push-w-32-big 6650 f 1f 1f 800 0 0 3 0 103 f 7fe 11223344 0 0 0 a4bfea48",
    "push-w-32-limit 6650 f 1f 1f 1001 0 0 c 0 100 f 1001 11223344 0 0 0 8ef80000",
    "pop-w-32-end 6658 f 17 17 ffff 0 0 c 0 100 f ffff 11223344 0 0 0 8ef80000",
    "pop-w-32-last 6658 f 17 17 fffe 0 0 3 0 103 f 0 1122f8f1 0 0 0 8ef80000",
    "pusha-w-32-wrap 6660 f 17 17 8 0 0 3 0 103 f fff8 11223344 0 0 0 7ec9b031",
    "pusha-w-32-split 6660 f 17 17 7 0 0 c 0 100 f 7 11223344 0 0 0 ef54386",
    "popa-w-32-wrap 6661 f 17 17 fff8 0 0 3 0 103 f 8 1122312a 231c dcd5 cec7 8ef80000",
    "enter-w-32 66c8040000 f 17 17 100 0 0 3 0 106 f fa 11223344 0 0 0 37c541bb",
    "enter-w-32-3 66c8040003 f 17 17 100 0 0 3 0 106 f f4 11223344 0 0 0 164b4af6",
    "enter-w-32-wrap 66c8000000 f 17 17 0 0 0 3 0 106 f fffe 11223344 0 0 0 8ef7e1db",
    "enter-w-32-big 66c8100002 f 1f 1f 400 0 0 3 0 106 f 3ea 11223344 0 0 0 365b0779",
    "enter-w-32-31 66c810003f f 17 17 400 0 0 3 0 106 f 3b0 11223344 0 0 0 164fb539",
    "leave-w-32 66c9 f 17 17 100 0 0 3 0 103 f 202 11223344 0 0 0 8ef80000",
    "leave-w-32-big 66c9 f 1f 1f 12345 0 0 3 0 103 f 202 11223344 0 0 0 8ef80000",
    "call-w-32 66e81000 f 17 17 100 0 0 3 0 115 f fe 11223344 0 0 0 69eaa236",
    "ret-w-32-imm 666820015890665066c20400 f 17 17 100 0 0 3 0 121 f 106 8010120 0 0 0 eddc0fd4",
    "push-seg-w-32 661e660fa0 f 17 17 100 0 0 3 0 106 f fc 11223344 0 0 0 78e7c244",
    "push-imm-w-32 666aff66683412 f 17 17 100 0 0 3 0 108 f fc 11223344 0 0 0 9e3ad1b0",
    "pushf-w-32 669c6658 f 17 17 100 0 0 3 0 105 f 100 11220202 0 0 0 5d8901f9",
    "push-sp-w-32 66546658 f 17 17 12340100 0 0 3 0 105 f 100 11220100 0 0 0 1e6321ba",
    "pop-sp-w-32 665c f 17 17 12340100 0 0 3 0 103 f 801 11223344 0 0 0 8ef80000",
    "push-d-16-split 6650 7 17 17 2 0 0 c 0 100 7 2 11223344 0 0 0 8ef80000",
    "push-d-16 6650 7 17 17 56780004 0 0 3 0 103 7 0 11223344 0 0 0 42a078d0",
    "pop-d-16-split 6658 7 17 17 fffe 0 0 c 0 100 7 fffe 11223344 0 0 0 8ef80000",
    "pop-d-16-last 6658 7 17 17 fffc 0 0 3 0 103 7 0 f8f1eae3 0 0 0 8ef80000",
    "pusha-d-16 6660 7 17 17 20 0 0 3 0 103 7 0 11223344 0 0 0 0",
    "pusha-d-16-wrap 6660 7 17 17 10 0 0 3 0 103 7 fff0 11223344 0 0 0 0",
    "popa-d-16 6661 7 17 17 ffe0 0 0 3 0 103 7 0 f8f1eae3 dcd5cec7 5049423b 342d261f 8ef80000",
    "enter-d-16-3 66c8040003 7 17 17 100 0 0 3 0 106 7 ec 11223344 0 0 0 0",
    "enter-d-16-big 66c8040002 7 1f 1f 100 0 0 3 0 106 7 f0 11223344 0 0 0 ad38e22a",
    "leave-d-16 66c9 7 17 17 100 0 0 3 0 103 7 204 11223344 0 0 0 8ef80000",
    "leave-d-16-big 66c9 7 1f 1f 100 0 0 3 0 103 7 204 11223344 0 0 0 8ef80000",
    "call-d-16-split 66e800000000 7 17 17 2 0 0 c 0 100 7 2 11223344 0 0 0 8ef80000",
    "call-d-16 66e810000000 7 17 17 100 0 0 3 0 117 7 fc 11223344 0 0 0 f6728ed",
    "ret-d-16-split 66c3 7 17 17 fffe 0 0 c 0 100 7 fffe 11223344 0 0 0 8ef80000",
    "push-seg-d-16 661e660fa0 7 1f 1f 100 0 0 3 0 106 7 f8 11223344 0 0 0 ebcbba66",
    "push-imm-d-16 666aff666878563412 7 17 17 100 0 0 3 0 10a 7 f8 11223344 0 0 0 1d62d360",
    "pop-seg-d-16 661e6607 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 c69c9f7b",
    "pop-sp-d-16 665c 7 17 17 100 0 0 3 0 103 7 801 11223344 0 0 0 8ef80000",
    "pop-mem-sp-d-16 67668f0424 7 1f 1f 100 0 0 3 0 106 7 104 11223344 0 0 0 24f3d900",
    "push-mem-sp-d-16 6766ff3424 7 1f 1f 100 0 0 3 0 106 7 fc 11223344 0 0 0 f0f55f40",
    "pop-mem-sp-d-16-end 67668f0424 7 1f 1f ffc 0 0 c 0 100 7 ffc 11223344 0 0 0 8ef80000",
    "push-d-32-split 50 f 17 17 2 0 0 c 0 100 f 2 11223344 0 0 0 8ef80000",
    "push-d-32 50 f 17 17 56780004 0 0 3 0 102 f 0 11223344 0 0 0 42a078d0",
    "pop-d-32-split 58 f 17 17 fffe 0 0 c 0 100 f fffe 11223344 0 0 0 8ef80000",
    "pop-d-32-last 58 f 17 17 fffc 0 0 3 0 102 f 0 f8f1eae3 0 0 0 8ef80000",
    "pusha-d-32 60 f 17 17 20 0 0 3 0 102 f 0 11223344 0 0 0 0",
    "pusha-d-32-wrap 60 f 17 17 10 0 0 3 0 102 f fff0 11223344 0 0 0 0",
    "popa-d-32 61 f 17 17 ffe0 0 0 3 0 102 f 0 f8f1eae3 dcd5cec7 5049423b 342d261f 8ef80000",
    "enter-d-32-3 c8040003 f 17 17 100 0 0 3 0 105 f ec 11223344 0 0 0 0",
    "enter-d-32-big c8040002 f 1f 1f 100 0 0 3 0 105 f f0 11223344 0 0 0 ad38e22a",
    "leave-d-32 c9 f 17 17 100 0 0 3 0 102 f 204 11223344 0 0 0 8ef80000",
    "leave-d-32-big c9 f 1f 1f 100 0 0 3 0 102 f 204 11223344 0 0 0 8ef80000",
    "call-d-32-split e800000000 f 17 17 2 0 0 c 0 100 f 2 11223344 0 0 0 8ef80000",
    "call-d-32 e810000000 f 17 17 100 0 0 3 0 116 f fc 11223344 0 0 0 2d7cd48e",
    "ret-d-32-split c3 f 17 17 fffe 0 0 c 0 100 f fffe 11223344 0 0 0 8ef80000",
    "push-seg-d-32 1e0fa0 f 1f 1f 100 0 0 3 0 104 f f8 11223344 0 0 0 ebcbba66",
    "push-imm-d-32 6aff6878563412 f 17 17 100 0 0 3 0 108 f f8 11223344 0 0 0 1d62d360",
    "pop-seg-d-32 1e07 f 17 17 100 0 0 3 0 103 f 100 11223344 0 0 0 c69c9f7b",
    "pop-sp-d-32 5c f 17 17 100 0 0 3 0 102 f 801 11223344 0 0 0 8ef80000",
    "pop-mem-sp-d-32 8f0424 f 1f 1f 100 0 0 3 0 104 f 104 11223344 0 0 0 24f3d900",
    "push-mem-sp-d-32 ff3424 f 1f 1f 100 0 0 3 0 104 f fc 11223344 0 0 0 f0f55f40",
    "pop-mem-sp-d-32-end 8f0424 f 1f 1f ffc 0 0 c 0 100 f ffc 11223344 0 0 0 8ef80000",
    "bx-w-ffff 8b07 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "bx-d-ffff 668b07 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "bx-w-fffe 8b07 7 17 17 100 fffe 0 3 0 103 7 100 1122f8f1 0 fffe fffe 8ef80000",
    "bx-d-fffe 668b07 7 17 17 100 fffe 0 d 0 100 7 100 11223344 0 fffe fffe 8ef80000",
    "bx-w-fffd 8b07 7 17 17 100 fffd 0 3 0 103 7 100 1122f1ea 0 fffd fffd 8ef80000",
    "bx-d-fffd 668b07 7 17 17 100 fffd 0 d 0 100 7 100 11223344 0 fffd fffd 8ef80000",
    "bx-w-fffc 8b07 7 17 17 100 fffc 0 3 0 103 7 100 1122eae3 0 fffc fffc 8ef80000",
    "bx-d-fffc 668b07 7 17 17 100 fffc 0 3 0 104 7 100 f8f1eae3 0 fffc fffc 8ef80000",
    "bp-w-ffff 8b6f008b4600 7 17 17 100 300 0 3 0 107 7 100 1122261f 0 300 300 8ef80000",
    "bp-si-wrap 8b02 7 17 17 100 ff00 0 3 0 103 7 100 11220801 0 ff00 ff00 8ef80000",
    "disp16-wrap 8b8700ff 7 17 17 100 200 0 3 0 105 7 100 11220801 0 200 200 8ef80000",
    "disp32-16 678b8300ffffff 7 17 17 100 200 0 3 0 108 7 100 11220801 0 200 200 8ef80000",
    "d32-ffc 8b03 f 17 1f 100 ffc 0 3 0 103 f 100 801faf3 0 ffc ffc 8ef80000",
    "d32-store-ffc 8903 f 17 1f 100 ffc 0 3 0 103 f 100 11223344 0 ffc ffc 6c58c10",
    "d32-ffd 8b03 f 17 1f 100 ffd 0 d 0 100 f 100 11223344 0 ffd ffd 8ef80000",
    "d32-store-ffd 8903 f 17 1f 100 ffd 0 d 0 100 f 100 11223344 0 ffd ffd 8ef80000",
    "d32-1000 8b03 f 17 1f 100 1000 0 d 0 100 f 100 11223344 0 1000 1000 8ef80000",
    "d32-store-1000 8903 f 17 1f 100 1000 0 d 0 100 f 100 11223344 0 1000 1000 8ef80000",
    "d32-ffffffff 8b03 f 17 1f 100 ffffffff 0 d 0 100 f 100 11223344 0 ffffffff ffffffff 8ef80000",
    "d32-store-ffffffff 8903 f 17 1f 100 ffffffff 0 d 0 100 f 100 11223344 0 ffffffff ffffffff 8ef80000",
    "d32-fffffffd 8b03 f 17 1f 100 fffffffd 0 d 0 100 f 100 11223344 0 fffffffd fffffffd 8ef80000",
    "d32-store-fffffffd 8903 f 17 1f 100 fffffffd 0 d 0 100 f 100 11223344 0 fffffffd fffffffd 8ef80000",
    "down16-fff 8b03 f 17 27 100 fff 0 d 0 100 f 100 11223344 0 fff fff 8ef80000",
    "down16-b-fff 8a03 f 17 27 100 fff 0 d 0 100 f 100 11223344 0 fff fff 8ef80000",
    "down16-1000 8b03 f 17 27 100 1000 0 3 0 103 f 100 251e1710 0 1000 1000 8ef80000",
    "down16-b-1000 8a03 f 17 27 100 1000 0 3 0 103 f 100 11223310 0 1000 1000 8ef80000",
    "down16-fffc 8b03 f 17 27 100 fffc 0 3 0 103 f 100 f8f1eae3 0 fffc fffc 8ef80000",
    "down16-b-fffc 8a03 f 17 27 100 fffc 0 3 0 103 f 100 112233e3 0 fffc fffc 8ef80000",
    "down16-fffd 8b03 f 17 27 100 fffd 0 d 0 100 f 100 11223344 0 fffd fffd 8ef80000",
    "down16-b-fffd 8a03 f 17 27 100 fffd 0 3 0 103 f 100 112233ea 0 fffd fffd 8ef80000",
    "down16-ffff 8b03 f 17 27 100 ffff 0 d 0 100 f 100 11223344 0 ffff ffff 8ef80000",
    "down16-b-ffff 8a03 f 17 27 100 ffff 0 3 0 103 f 100 112233f8 0 ffff ffff 8ef80000",
    "down16-10000 8b03 f 17 27 100 10000 0 d 0 100 f 100 11223344 0 10000 10000 8ef80000",
    "down16-b-10000 8a03 f 17 27 100 10000 0 d 0 100 f 100 11223344 0 10000 10000 8ef80000",
    "down32-ffc 8a03 f 17 2f 100 ffc 0 d 0 100 f 100 11223344 0 ffc ffc 8ef80000",
    "down32-fff 8a03 f 17 2f 100 fff 0 d 0 100 f 100 11223344 0 fff fff 8ef80000",
    "down32-1000 8a03 f 17 2f 100 1000 0 3 0 103 f 100 11223310 0 1000 1000 8ef80000",
    "down32-ffff 8a03 f 17 2f 100 ffff 0 3 0 103 f 100 112233f8 0 ffff ffff 8ef80000",
    "down32-ffffffff 8a03 f 17 2f 100 ffffffff 0 3 0 103 f 100 112233cc 0 ffffffff ffffffff 8ef80000",
    "down32-fffffffc 8a03 f 17 2f 100 fffffffc 0 3 0 103 f 100 112233cc 0 fffffffc fffffffc 8ef80000",
    "down32-fffffffd 8a03 f 17 2f 100 fffffffd 0 3 0 103 f 100 112233cc 0 fffffffd fffffffd 8ef80000",
    "down32-d-fffffffd 8b03 f 17 2f 100 fffffffd 0 d 0 100 f 100 11223344 0 fffffffd fffffffd 8ef80000",
    "flat-fffffffe 8b03 f 17 37 100 fffffffe 0 d 0 100 f 100 11223344 0 fffffffe fffffffe 8ef80000",
    "flat-movups 0f1003 f 17 37 100 fffffff8 0 d 0 100 f 100 11223344 0 fffffff8 fffffff8 8ef80000",
    "ro-load 8b03 f 17 4f 100 10 0 3 0 103 f 100 857e7770 0 10 10 8ef80000",
    "ro-store 8903 f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-add 0103 f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-cmp 3903 f 17 4f 100 10 0 3 0 103 f 100 11223344 0 10 10 8ef80000",
    "ro-xadd 0fc103 f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-cmpxchg 0fb10b f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-bts 0fab0b f 17 4f 100 10 3 d 0 100 f 100 11223344 3 10 10 8ef80000",
    "ro-bt 0fa30b f 17 4f 100 10 3 3 0 104 f 100 11223344 3 10 10 8ef80000",
    "ro-movs a4 f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-stos aa f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "ro-push ff33 f 17 4f 100 10 0 3 0 103 f fc 11223344 0 10 10 e5218300",
    "ro-pop 8f03 f 17 4f 100 10 0 d 0 100 f 100 11223344 0 10 10 8ef80000",
    "cs-read 2e8b07 7 17 17 100 20 0 3 0 104 7 100 1122cccc 0 20 20 8ef80000",
    "cs-store 2e8907 7 17 17 100 20 0 d 0 100 7 100 11223344 0 20 20 8ef80000",
    "ss-over 368b03 f 1f 1f 100 ffd 0 c 0 100 f 100 11223344 0 ffd ffd 8ef80000",
    "moffs16 a0feff 7 17 17 100 0 0 3 0 104 7 100 112233f1 0 0 0 8ef80000",
    "moffs16-w a1ffff 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "moffs32-in-16 67a1fcff0000 7 17 17 100 0 0 3 0 107 7 100 1122eae3 0 0 0 8ef80000",
    "moffs16-in-32 67a1fcff f 17 17 100 0 0 3 0 105 f 100 f8f1eae3 0 0 0 8ef80000",
    "moffs-store a2ff0f0000 f 17 1f 100 0 0 3 0 106 f 100 11223344 0 0 0 b770003c",
    "movsb-wrap f3a4 7 17 17 100 fffe 4 3 0 103 7 100 11223344 0 2 2 8ef80000",
    "movsw-split f3a5 7 17 17 100 fffd 4 d 0 100 7 100 11223344 3 ffff ffff 8ef80000",
    "stosb-over f3aa f 17 1f 100 ffe 4 d 0 100 f 100 11223344 2 ffe 1000 45aa0859",
    "stosw-16-ecx f3ab 7 17 17 100 10 10002 3 0 103 7 100 11223344 10000 10 14 c2ae2110",
    "stosb-67 67f3aa 7 17 17 100 10 10 3 0 104 7 100 11223344 0 10 20 ecbc63c8",
    "stosb-67-32 67f3aa f 17 17 100 1fff0 10004 3 0 104 f 100 11223344 10000 1fff0 1fff4 b9b66e32",
    "std-lodsw fdf3ad 7 17 17 100 2 4 3 0 104 7 100 1122eae3 0 fffa 2 8ef80000",
    "std-movsb-0 fdf3a4 7 17 17 100 1 4 3 0 104 7 100 11223344 0 fffd fffd 8ef80000",
    "scasb f2ae 7 17 17 100 fff0 20 3 0 103 7 100 11223344 0 fff0 10 8ef80000",
    "cmpsw f3a7 7 17 17 100 fff8 8 3 0 103 7 100 11223344 0 8 8 8ef80000",
    "lods-fs 64ac 7 17 17 100 3 0 3 0 103 7 100 11223315 0 4 3 8ef80000",
    "stos-es-ignored 26aa 7 17 17 100 3 0 3 0 103 7 100 11223344 0 3 4 b3c56faf",
    "rep-cx-0 f3a4 7 17 17 100 ffff 10000 3 0 103 7 100 11223344 10000 ffff ffff 8ef80000",
    "xlat d7 7 17 17 100 ffff 0 3 0 102 7 100 112233d5 0 ffff ffff 8ef80000",
    "xlat-67 67d7 7 17 17 100 fff0 0 d 0 100 7 100 11223344 0 fff0 fff0 8ef80000",
    "outs-iopl 6e 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "in-iopl ec 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "bt-neg 0fa30b f 17 1f 100 10 ffffffe0 3 0 104 f 100 11223344 ffffffe0 10 10 8ef80000",
    "bt-neg-out 0fa30b f 17 1f 100 2 ffffffe0 d 0 100 f 100 11223344 ffffffe0 2 2 8ef80000",
    "bts-far 0fab0b f 17 1f 100 0 80000000 d 0 100 f 100 11223344 80000000 0 0 8ef80000",
    "bts-w 0fab0f 7 17 17 100 10 fff0 3 0 104 7 100 11223344 fff0 10 10 74821e1f",
    "bts-w-wrap 0fab0f 7 17 17 100 0 fff0 3 0 104 7 100 11223344 fff0 0 0 8ef80000",
    "btc-w-32 660fbb0b f 17 17 100 100 7fff 3 0 105 f 100 11223344 7fff 100 100 51080080",
    "btr-d-16 660fb30f 7 17 17 100 100 12345 3 0 105 7 100 11223344 12345 100 100 417c2420",
    "loop-16 e2fe 7 17 17 100 0 10003 3 0 103 7 100 11223344 10000 0 0 8ef80000",
    "loop-67 67e2fd 7 17 17 100 0 3 3 0 104 7 100 11223344 0 0 0 8ef80000",
    "jcxz-67-16 67e302 7 17 17 100 0 10000 3 0 104 7 100 11223344 10000 0 0 8ef80000",
    "jcxz-16 e301 7 17 17 100 0 10000 3 0 104 7 100 11223344 10000 0 0 8ef80000",
    "jcxz-67-32 67e302 f 17 17 100 0 10000 3 0 106 f 100 11223344 10000 0 0 8ef80000",
    "loope 31c0e1fe 7 17 17 100 0 4 3 0 105 7 100 11220000 0 0 0 8ef80000",
    "call-66-32 66e81000 f 17 17 100 0 0 3 0 115 f fe 11223344 0 0 0 69eaa236",
    "jcc-66-32 39c0660f841000 f 17 17 100 0 0 3 0 118 f 100 11223344 0 0 0 8ef80000",
    "jmp-66-32 66eb10 f 17 17 100 0 0 3 0 114 f 100 11223344 0 0 0 8ef80000",
    "jmp-66-16 66e900000100 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "jmp-reg b84001ffe0 7 17 17 100 0 0 3 0 141 7 100 11220140 0 0 0 8ef80000",
    "jmp-reg-66 66b84001000066ffe0 7 17 17 100 0 0 3 0 141 7 100 140 0 0 0 8ef80000",
    "jmp-reg-66-out 66b80000010066ffe0 7 17 17 100 0 0 d 0 106 7 100 10000 0 0 0 8ef80000",
    "jmp-mem ff27 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "call-mem-far-end ff1f 7 17 17 100 fffd 0 d 0 100 7 100 11223344 0 fffd fffd 8ef80000",
    "iret-16 9c0e681001cf 7 17 17 100 0 0 3 0 111 7 100 11223344 0 0 0 98dcdbf5",
    "iret-66-16 669c660e66681001000066cf 7 17 17 100 0 0 3 0 111 7 100 11223344 0 0 0 78cade0",
    "iret-32 9c0e6810010000cf f 17 17 100 0 0 3 0 111 f 100 11223344 0 0 0 166514d8",
    "retf-16 0e681001cb 7 17 17 100 0 0 3 0 111 7 100 11223344 0 0 0 66bb957c",
    "retf-imm 0e681001ca0800 7 17 17 100 0 0 3 0 111 7 108 11223344 0 0 0 66bb957c",
    "retf-66 660e66681001000066cb 7 17 17 100 0 0 3 0 111 7 100 11223344 0 0 0 262e6bae",
    "retf-limit 660e66680000010066cb 7 17 17 100 0 0 d 0 108 7 f8 11223344 0 0 0 14f3fb1c",
    "retf-data 6a176a00cb 7 17 17 100 0 0 d 14 104 7 fc 11223344 0 0 0 2cda2dbb",
    "retf-null 6a006a00cb 7 17 17 100 0 0 d 0 104 7 fc 11223344 0 0 0 7a8f0af2",
    "retf-rpl-0 6a0c6a00cb 7 17 17 100 0 0 d c 104 7 fc 11223344 0 0 0 5d258c66",
    "retf-32-to-16 6a076810010000cb f 17 17 100 0 0 3 0 111 7 100 11223344 0 0 0 262e6bae",
    "ljmp-16 ea20010700 7 17 17 100 0 0 3 0 121 7 100 11223344 0 0 0 8ef80000",
    "ljmp-to-32 ea20010f00 7 17 17 100 0 0 3 0 121 f 100 11223344 0 0 0 8ef80000",
    "ljmp-66 66ea200100000700 7 17 17 100 0 0 3 0 121 7 100 11223344 0 0 0 8ef80000",
    "ljmp-data ea00001700 7 17 17 100 0 0 d 14 100 7 100 11223344 0 0 0 8ef80000",
    "ljmp-absent ea00005700 7 17 17 100 0 0 b 54 100 7 100 11223344 0 0 0 8ef80000",
    "ljmp-limit 66ea000001000f00 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "lcall-16 9a20010700 7 17 17 100 0 0 3 0 121 7 fc 11223344 0 0 0 b1a9f567",
    "lcall-66 669a200100000f00 7 17 17 100 0 0 3 0 121 f f8 11223344 0 0 0 175604b6",
    "lcall-split 9a20010700 7 17 17 3 0 0 c 0 100 7 3 11223344 0 0 0 a29f554e",
    "lcall-wrap 9a20010700 7 17 17 2 0 0 3 0 121 7 fffe 11223344 0 0 0 dc05efc7",
    "lcall-empty 9a20013f00 7 17 17 100 0 0 d 3c 100 7 100 11223344 0 0 0 8ef80000",
    "into b07ffec0ce 7 17 17 100 0 0 4 0 105 7 100 11223380 0 0 0 8ef80000",
    "int-dpl cd21 7 17 17 100 0 0 d 10a 100 7 100 11223344 0 0 0 8ef80000",
    "bound 6207 7 17 17 100 fffe 0 5 0 100 7 100 11223344 0 fffe fffe 8ef80000",
    "bound-in 31c06207 7 17 17 100 10 0 5 0 102 7 100 11220000 0 10 10 8ef80000",
    "aam-0 d400 7 17 17 100 0 0 0 0 100 7 100 11223344 0 0 0 8ef80000",
    "aam d40a 7 17 17 100 0 0 3 0 103 7 100 11220608 0 0 0 8ef80000",
    "aad d50a 7 17 17 100 0 0 3 0 103 7 100 11220042 0 0 0 8ef80000",
    "salc f9d6 7 17 17 100 0 0 3 0 103 7 100 112233ff 0 0 0 8ef80000",
    "cli fa 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "hlt f4 7 17 17 100 0 0 d 0 100 7 100 11223344 0 0 0 8ef80000",
    "lock-nop f090 7 17 17 100 0 0 6 0 100 7 100 11223344 0 0 0 8ef80000",
    "popf-iopl 6800329d9c58 7 17 17 100 0 0 3 0 107 7 100 11220202 0 0 0 5d8901f9",
    "lds c507 7 17 17 100 fffd 0 d 0 100 7 100 11223344 0 fffd fffd 8ef80000",
    "les-over c403 f 17 1f 100 ffb 0 d 0 100 f 100 11223344 0 ffb ffb 8ef80000",
    "les-register c4c1 7 17 17 100 0 0 6 0 100 7 100 11223344 0 0 0 8ef80000",
    "mov-fs-null b800008ee0 7 17 17 100 0 0 3 0 106 7 100 11220000 0 0 0 8ef80000",
    "mov-ss-null b800008ed0 7 17 17 100 0 0 d 0 103 7 100 11220000 0 0 0 8ef80000",
    "lar-null b80000660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220000 0 0 0 8ef80000",
    "lsl-null b80000660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220000 0 0 0 8ef80000",
    "verr-null b800000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220000 0 0 0 8ef80000",
    "verw-null b800000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220000 0 0 0 8ef80000",
    "pop-es-null 68000007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 50101b9",
    "mov-fs-null-3 b803008ee0 7 17 17 100 0 0 3 0 106 7 100 11220003 0 0 0 8ef80000",
    "mov-ss-null-3 b803008ed0 7 17 17 100 0 0 d 0 103 7 100 11220003 0 0 0 8ef80000",
    "lar-null-3 b80300660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220003 0 0 0 8ef80000",
    "lsl-null-3 b80300660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220003 0 0 0 8ef80000",
    "verr-null-3 b803000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220003 0 0 0 8ef80000",
    "verw-null-3 b803000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220003 0 0 0 8ef80000",
    "pop-es-null-3 68030007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 3da6a216",
    "mov-fs-data b817008ee0 7 17 17 100 0 0 3 0 106 7 100 11220017 0 0 0 8ef80000",
    "mov-ss-data b817008ed0 7 17 17 100 0 0 3 0 106 7 100 11220017 0 0 0 8ef80000",
    "lar-data b81700660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220017 f300 0 0 8ef80000",
    "lsl-data b81700660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220017 ffff 0 0 8ef80000",
    "verr-data b817000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220017 1 0 0 8ef80000",
    "verw-data b817000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220017 1 0 0 8ef80000",
    "pop-es-data 68170007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 b74c2482",
    "mov-fs-read-only b84f008ee0 7 17 17 100 0 0 3 0 106 7 100 1122004f 0 0 0 8ef80000",
    "mov-ss-read-only b84f008ed0 7 17 17 100 0 0 d 4c 103 7 100 1122004f 0 0 0 8ef80000",
    "lar-read-only b84f00660f02c8 7 17 17 100 0 0 3 0 108 7 100 1122004f 40f100 0 0 8ef80000",
    "lsl-read-only b84f00660f03c8 7 17 17 100 0 0 3 0 108 7 100 1122004f fff 0 0 8ef80000",
    "verr-read-only b84f000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122004f 1 0 0 8ef80000",
    "verw-read-only b84f000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122004f 0 0 0 8ef80000",
    "pop-es-read-only 684f0007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 d8b52b4a",
    "mov-fs-execute-only b847008ee0 7 17 17 100 0 0 d 44 103 7 100 11220047 0 0 0 8ef80000",
    "mov-ss-execute-only b847008ed0 7 17 17 100 0 0 d 44 103 7 100 11220047 0 0 0 8ef80000",
    "lar-execute-only b84700660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220047 40f900 0 0 8ef80000",
    "lsl-execute-only b84700660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220047 ffff 0 0 8ef80000",
    "verr-execute-only b847000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220047 0 0 0 8ef80000",
    "verw-execute-only b847000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220047 0 0 0 8ef80000",
    "pop-es-execute-only 68470007 7 17 17 100 0 0 d 44 103 7 fe 11223344 0 0 0 41a62a52",
    "mov-fs-absent b857008ee0 7 17 17 100 0 0 b 54 103 7 100 11220057 0 0 0 8ef80000",
    "mov-ss-absent b857008ed0 7 17 17 100 0 0 d 54 103 7 100 11220057 0 0 0 8ef80000",
    "lar-absent b85700660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220057 7b00 0 0 8ef80000",
    "lsl-absent b85700660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220057 ffff 0 0 8ef80000",
    "verr-absent b857000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220057 1 0 0 8ef80000",
    "verw-absent b857000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220057 0 0 0 8ef80000",
    "pop-es-absent 68570007 7 17 17 100 0 0 b 54 103 7 fe 11223344 0 0 0 6fc42c42",
    "mov-fs-empty b83f008ee0 7 17 17 100 0 0 d 3c 103 7 100 1122003f 0 0 0 8ef80000",
    "mov-ss-empty b83f008ed0 7 17 17 100 0 0 d 3c 103 7 100 1122003f 0 0 0 8ef80000",
    "lar-empty b83f00660f02c8 7 17 17 100 0 0 3 0 108 7 100 1122003f 0 0 0 8ef80000",
    "lsl-empty b83f00660f03c8 7 17 17 100 0 0 3 0 108 7 100 1122003f 0 0 0 8ef80000",
    "verr-empty b83f000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122003f 0 0 0 8ef80000",
    "verw-empty b83f000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122003f 0 0 0 8ef80000",
    "pop-es-empty 683f0007 7 17 17 100 0 0 d 3c 103 7 fe 11223344 0 0 0 aa97295a",
    "mov-fs-code b80f008ee0 7 17 17 100 0 0 3 0 106 7 100 1122000f 0 0 0 8ef80000",
    "mov-ss-code b80f008ed0 7 17 17 100 0 0 d c 103 7 100 1122000f 0 0 0 8ef80000",
    "lar-code b80f00660f02c8 7 17 17 100 0 0 3 0 108 7 100 1122000f 40fb00 0 0 8ef80000",
    "lsl-code b80f00660f03c8 7 17 17 100 0 0 3 0 108 7 100 1122000f ffff 0 0 8ef80000",
    "verr-code b80f000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122000f 1 0 0 8ef80000",
    "verw-code b80f000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 1122000f 0 0 0 8ef80000",
    "pop-es-code 680f0007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 203d238a",
    "mov-fs-outside b8ff0f8ee0 7 17 17 100 0 0 d ffc 103 7 100 11220fff 0 0 0 8ef80000",
    "mov-ss-outside b8ff0f8ed0 7 17 17 100 0 0 d ffc 103 7 100 11220fff 0 0 0 8ef80000",
    "lar-outside b8ff0f660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220fff 0 0 0 8ef80000",
    "lsl-outside b8ff0f660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220fff 0 0 0 8ef80000",
    "verr-outside b8ff0f0f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220fff 0 0 0 8ef80000",
    "verw-outside b8ff0f0f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220fff 0 0 0 8ef80000",
    "pop-es-outside 68ff0f07 7 17 17 100 0 0 d ffc 103 7 fe 11223344 0 0 0 50bf20a9",
    "mov-fs-rpl-0 b814008ee0 7 17 17 100 0 0 3 0 106 7 100 11220014 0 0 0 8ef80000",
    "mov-ss-rpl-0 b814008ed0 7 17 17 100 0 0 d 14 103 7 100 11220014 0 0 0 8ef80000",
    "lar-rpl-0 b81400660f02c8 7 17 17 100 0 0 3 0 108 7 100 11220014 f300 0 0 8ef80000",
    "lsl-rpl-0 b81400660f03c8 7 17 17 100 0 0 3 0 108 7 100 11220014 ffff 0 0 8ef80000",
    "verr-rpl-0 b814000f00e00f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220014 1 0 0 8ef80000",
    "verw-rpl-0 b814000f00e80f94c1 7 17 17 100 0 0 3 0 10a 7 100 11220014 1 0 0 8ef80000",
    "pop-es-rpl-0 68140007 7 17 17 100 0 0 3 0 105 7 100 11223344 0 0 0 7ea68425",
    "mov-r32-seg 668cd8 7 17 17 100 0 0 3 0 104 7 100 17 0 0 0 8ef80000",
    "mov-r16-seg 8cd8 7 17 17 100 0 0 3 0 103 7 100 11220017 0 0 0 8ef80000",
    "mov-m-seg 8c1f 7 17 17 100 10 0 3 0 103 7 100 11223344 0 10 10 6ca90142",
    "mov-m-seg-32 8c1b f 17 17 100 10 0 3 0 103 f 100 11223344 0 10 10 6ca90142",
    "push-cs-pop-ss 0e17 7 17 17 100 0 0 d 4 101 7 fe 11223344 0 0 0 892e2292",
    "arpl 63c8 7 17 17 100 0 3 3 0 103 7 100 11223347 3 0 0 8ef80000",
    "lea-16 8d8700ff 7 17 17 100 12345 0 3 0 105 7 100 11222245 0 12345 12345 8ef80000",
    "lea-67 678d8300ffffff 7 17 17 100 12345 0 3 0 108 7 100 11222245 0 12345 12345 8ef80000",
    "lea-67-32 678d8700ff f 17 17 100 12345 0 3 0 106 f 100 2245 0 12345 12345 8ef80000",
    "lea-66-32 668d8300ffffff f 17 17 100 12345 0 3 0 108 f 100 11222245 0 12345 12345 8ef80000",
    "cmpxchg8b-over 0fc70b f 17 1f 100 ff9 0 d 0 100 f 100 11223344 0 ff9 ff9 8ef80000",
    "fild-over df2b f 17 1f 100 ff9 0 d 0 100 f 100 11223344 0 ff9 ff9 8ef80000",
    "fst-ss d95d00 f 1f 1f 100 0 0 3 0 104 f 100 11223344 0 0 0 171acc31",
    "fnstenv-16 d937 7 17 17 100 fff3 0 d 0 100 7 100 11223344 0 fff3 fff3 0",
    "fnstenv-32 66d937 7 17 17 100 ffe5 0 d 0 100 7 100 11223344 0 ffe5 ffe5 0",
    "fnsave-16 dd37 7 17 17 100 ffa3 0 d 0 100 7 100 11223344 0 ffa3 ffa3 0",
    "fxsave 0fae03 f 17 1f 100 e10 0 d 0 100 f 100 11223344 0 e10 e10 0",
    "movups-over 0f1003 f 17 1f 100 ff1 0 d 0 100 f 100 11223344 0 ff1 ff1 8ef80000",
    "movs-from-cs 2ea4 7 17 17 100 30 0 3 0 103 7 100 11223344 0 31 31 aae19804",
    "daa 27 7 17 17 100 0 0 3 0 102 7 100 11223344 0 0 0 8ef80000",
    "aaa 37 7 17 17 100 0 0 3 0 102 7 100 11223304 0 0 0 8ef80000",
    "xchg-over 8703 f 17 1f 100 ffd 0 d 0 100 f 100 11223344 0 ffd ffd 8ef80000",
    "bound-32 666207 7 17 17 100 fffc 0 3 0 104 7 100 11223344 0 fffc fffc 8ef80000",
    "bound-32-end 666207 7 17 17 100 fff9 0 d 0 100 7 100 11223344 0 fff9 fff9 8ef80000",
    "bound-d32 6203 f 17 1f 100 ffc 0 d 0 100 f 100 11223344 0 ffc ffc 8ef80000",
    "les-16-wrap c407 7 17 17 100 fffe 0 d 700 100 7 100 11223344 0 fffe fffe 8ef80000",
    "lds-66-wrap 66c507 7 17 17 100 fffc 0 d 700 100 7 100 11223344 0 fffc fffc 8ef80000",
    "jmp-far-mem-wrap ff2f 7 17 17 100 fffe 0 d 700 100 7 100 11223344 0 fffe fffe 8ef80000",
    "call-far-mem-66 66ff1f 7 17 17 100 fffb 0 d 0 100 7 100 11223344 0 fffb fffb 8ef80000",
    "fstpt-wrap d9eedb3f 7 17 17 100 fff7 0 d 0 102 7 100 11223344 0 fff7 fff7 8ef80000",
    "movups-wrap 0f1007 7 17 17 100 fff8 0 d 0 100 7 100 11223344 0 fff8 fff8 8ef80000",
    "movdqu-store-wrap f30f7f07 7 17 17 100 fff1 0 d 0 100 7 100 11223344 0 fff1 fff1 8ef80000",
    "cmpxchg8b-wrap 0fc70f 7 17 17 100 fffc 0 d 0 100 7 100 11223344 0 fffc fffc 8ef80000",
    "cmps-wrap f3a7 7 17 17 100 fffa 8 3 0 103 7 100 11223344 0 a a 8ef80000",
    "lodsd-wrap 66ad 7 17 17 100 fffe 0 d 0 100 7 100 11223344 0 fffe fffe 8ef80000",
    "stosd-end 66ab 7 17 17 100 fffc 0 3 0 103 7 100 11223344 0 fffc 0 8eacf010",
    "std-stosw-wrap fdf3ab 7 17 17 100 2 3 3 0 104 7 100 11223344 0 2 fffc b1cc8758",
    "std-stosw-odd fdf3ab 7 17 17 100 1 3 d 0 101 7 100 11223344 2 1 ffff 6a186578",
    "movs-67-32-wrap 67f3a4 f 17 17 100 fffe 4 3 0 104 f 100 11223344 0 2 2 8ef80000",
    "scas-67 67f2ae f 17 17 100 fff0 20 3 0 104 f 100 11223344 0 fff0 10 8ef80000",
    "pop-bx 8f07 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "push-bx ff37 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "xchg-bx 8707 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "inc-bx ff07 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "not-b f617 7 17 17 100 ffff 0 3 0 103 7 100 11223344 0 ffff ffff 8ef7ff0f",
    "shl-d 66d127 7 17 17 100 fffd 0 d 0 100 7 100 11223344 0 fffd fffd 8ef80000",
    "bts-imm-neg 0fba2f7f 7 17 17 100 fffe 0 3 0 105 7 100 11223344 0 fffe fffe 8ef80000",
    "bts-imm 0fba2fff f 17 1f 100 10 0 3 0 105 f 100 11223344 0 10 10 8ef80000",
    "movsx 660fbf07 7 17 17 100 fffe 0 3 0 105 7 100 fffff8f1 0 fffe fffe 8ef80000",
    "movzx-over 660fb707 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "imul-over 0faf07 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "crc32-w f20f38f107 7 17 17 100 fffe 0 3 0 106 7 100 bca18d0c 0 fffe fffe 8ef80000",
    "movbe 0f38f007 7 17 17 100 fffe 0 3 0 105 7 100 1122f1f8 0 fffe fffe 8ef80000",
    "jmp-near-mem ff27 7 17 17 100 100 0 3 0 802 7 100 11223344 0 100 100 8ef80000",
    "call-near-mem ff17 7 17 17 100 ffff 0 d 0 100 7 100 11223344 0 ffff ffff 8ef80000",
    "call-near-mem-66 66ff17 7 17 17 100 100 0 d 0 100 7 100 11223344 0 100 100 8ef80000",
    "ret-16-out 68f0ffc3 7 17 17 100 0 0 3 0 fff1 7 100 11223344 0 0 0 180ffc8",
    "loop-d-66 66e2fd f 17 17 100 0 2 3 0 104 f 100 11223344 0 0 0 8ef80000",
    "jmp-reg-16-in-32 b84001000066ffe0 f 17 17 100 0 0 3 0 141 f 100 140 0 0 0 8ef80000",
    "enter-split c8000001 7 17 17 1 0 0 c 0 100 7 1 11223344 0 0 0 8ef80000",
    "enter-imm-wrap c8ffff00 7 17 17 100 0 0 3 0 105 7 ff 11223344 0 0 0 37c541bb",
    "leave-odd bdffffc9 7 17 17 100 0 0 c 0 103 7 100 11223344 0 0 0 8ef80000",
    "pop-es-split 07 7 17 17 ffff 0 0 c 0 100 7 ffff 11223344 0 0 0 8ef80000",
    "push-es-66-split 6606 7 17 17 2 0 0 c 0 100 7 2 11223344 0 0 0 8ef80000",
    "popf-66-split 669d 7 17 17 fffe 0 0 c 0 100 7 fffe 11223344 0 0 0 8ef80000",
    "iret-split cf 7 17 17 fffd 0 0 c 0 100 7 fffd 11223344 0 0 0 8ef80000",
    "retf-split cb 7 17 17 ffff 0 0 c 0 100 7 ffff 11223344 0 0 0 8ef80000",
    "retf-wrap 68200131e4ca0000 7 17 17 100 0 0 d 150c 105 7 0 11223344 0 0 0 7a9f259a",
    "lcall-66-split 669a200100000f00 7 17 17 6 0 0 c 0 100 7 6 11223344 0 0 0 6a77634b",
    "call-far-d32 9a200100000700 f 1f 1f 1000 0 0 3 0 121 7 ff8 11223344 0 0 0 f9b1a34f",
    "call-far-d32-low 9a200100000700 f 1f 1f 7 0 0 c 0 100 f 7 11223344 0 0 0 d7229d1d",
    "movnti-16 0fc307 7 17 17 100 10 0 3 0 104 7 100 11223344 0 10 10 d8317cd0",
    "movnti-66 660fc307 7 17 17 100 10 0 6 0 100 7 100 11223344 0 10 10 8ef80000",
    "movnti-66-32 660fc303 f 17 17 100 10 0 6 0 100 f 100 11223344 0 10 10 8ef80000",
    "andn-16 c4e270f2c3 7 17 17 100 10 f0f0f0f0 3 0 106 7 100 0 f0f0f0f0 10 10 8ef80000",
    "bextr-16 c4e260f7c1 7 17 17 100 804 f0f0f0f0 3 0 106 7 100 f f0f0f0f0 804 804 8ef80000",
    "rorx-16 c4e37bf0c105 7 17 17 100 0 f0f0f0f0 3 0 107 7 100 87878787 f0f0f0f0 0 0 8ef80000",
    "shlx-16 c4e261f7c1 7 17 17 100 5 f0f0f0f0 3 0 106 7 100 1e1e1e00 f0f0f0f0 5 5 8ef80000",
    "pdep-16 c4e273f5c3 7 17 17 100 3333 f0f0f0f0 3 0 106 7 100 3300 f0f0f0f0 3333 3333 8ef80000",
    "mulx-16 c4e273f6c3 7 17 17 100 33334444 f0f0f0f0 3 0 106 7 100 0 0 33334444 33334444 8ef80000",
    "andn-mem-16 c4e270f207 7 17 17 100 10 f0f0f0f0 3 0 106 7 100 50e0700 f0f0f0f0 10 10 8ef80000",
    "crc32-d-16 f2660f38f1c1 7 17 17 100 0 1234 3 0 107 7 100 6b1904bb 1234 0 0 8ef80000",
    "crc32-w-16 f20f38f1c1 7 17 17 100 0 1234 3 0 106 7 100 6d8fc878 1234 0 0 8ef80000",
    "adcx-16 660f38f6c1 7 17 17 100 0 12345678 3 0 106 7 100 235689bc 12345678 0 0 8ef80000",
    "adox-16 f30f38f6c1 7 17 17 100 0 12345678 3 0 106 7 100 235689bc 12345678 0 0 8ef80000",
    "popcnt-16 f30fb8c1 7 17 17 100 0 12345678 3 0 105 7 100 11220008 12345678 0 0 8ef80000",
    "lzcnt-16 f30fbdc1 7 17 17 100 0 12340078 3 0 105 7 100 11220009 12340078 0 0 8ef80000",
    "tzcnt-66 66f30fbcc1 7 17 17 100 0 12340000 3 0 106 7 100 12 12340000 0 0 8ef80000",
    "movbe-66 660f38f007 7 17 17 100 10 0 3 0 106 7 100 70777e85 0 10 10 8ef80000",
    "bswap-16 0fc9 7 17 17 100 0 12345678 3 0 103 7 100 11223344 12340000 0 0 8ef80000",
    "blsr-16 c4e27af3c9 7 17 17 100 0 12345678 6 0 100 7 100 11223344 12345678 0 0 8ef80000",
    /* clang-format on */
};

static uint32_t read_number(const char **text)
{
    uint32_t value = 0;
    while (**text && **text != ' ') {
        char c = *(*text)++;
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *text += **text == ' ';
    return value;
}

static unsigned read_code(const char **text, uint8_t *code)
{
    unsigned size = 0;
    for (; **text != ' '; *text += 2) {
        char pair[3] = {(*text)[0], (*text)[1], 0};
        const char *at = pair;
        code[size++] = (uint8_t)read_number(&at);
    }
    (*text)++;
    return size;
}

static uint32_t sum_of_data(void)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < SIZE; i++) {
        sum = sum * 31 + ((const uint8_t *)DATA)[i];
    }
    return sum;
}

static Trap run_row(const uint32_t in[REGISTERS])
{
    __asm__ volatile("fninit");
    for (unsigned i = 0; i < SIZE; i++) {
        ((uint8_t *)DATA)[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    Regs regs = {.ip = OFFSET,
                 .cs = in[0],
                 .ss = in[1],
                 .ds = in[2],
                 .es = in[2],
                 .fs = in[2],
                 .sp = in[3],
                 .bx = in[4],
                 .si = in[4],
                 .di = in[4],
                 .cx = in[5],
                 .ax = 0x11223344,
                 .bp = 0x200,
                 .flags = 0x202}; /* as a user program has it; no line is unmasked */
    return run(&regs);
}

static void row(const char *text)
{
    static const char *const names[RESULTS] = {"vector", "error", "ip", "cs", "sp",
                                               "ax",     "cx",    "si", "di", "memory"};
    char name[64], result[80];
    uint32_t in[REGISTERS];
    unsigned length = 0;
    for (; *text != ' '; text++) {
        name[length++] = *text;
    }
    name[length] = 0;
    text++;
    memset((void *)CODE, 0xcc, SIZE);
    read_code(&text, (uint8_t *)CODE + OFFSET);
    for (unsigned i = 0; i < REGISTERS; i++) {
        in[i] = read_number(&text);
    }
    Trap trap = run_row(in);
    bool is_16bit = in[1] == 0x17; /* the upper half of a 16-bit stack's pointer may be lost */
    uint32_t got[RESULTS] = {trap.vector,  trap.error,   trap.regs.ip, trap.regs.cs, trap.regs.sp,
                             trap.regs.ax, trap.regs.cx, trap.regs.si, trap.regs.di, sum_of_data()};
    for (unsigned i = 0; i < RESULTS; i++) {
        uint32_t want = read_number(&text);
        if (i == 4 && is_16bit) {
            got[i] &= 0xffff;
        }
        if (got[i] != want && (i < RESULTS - 1 || want)) {
            format(result, sizeof(result), "%s-%s", name, names[i]);
            check(result, got[i], want, "silicon");
            return; /* the rest follows from it */
        }
    }
    check(name, 0, 0, "silicon");
}

int main(void);
int main(void)
{
    ldt[0] = descriptor(CODE, 0xffff, 0xfb, 0);
    ldt[1] = descriptor(CODE, 0xffff, 0xfb, 4);
    ldt[2] = descriptor(DATA, 0xffff, 0xf3, 0);
    ldt[3] = descriptor(DATA, 0xfff, 0xf3, 4);
    ldt[4] = descriptor(DATA, 0xfff, 0xf7, 0);
    ldt[5] = descriptor(DATA, 0xfff, 0xf7, 4);
    ldt[6] = descriptor(0, 0xfffff, 0xf3, 12);
    ldt[8] = descriptor(CODE, 0xffff, 0xf9, 4);
    ldt[9] = descriptor(DATA, 0xfff, 0xf1, 4);
    ldt[10] = descriptor(CODE, 0xffff, 0x7b, 0);
    gdt[SEL_LDT / 8] = descriptor((word)ldt, sizeof(ldt) - 1, 0x82, 0);
    __asm__ volatile("lldt %w0" : : "r"(SEL_LDT));
    write_cr4(read_cr4() | 0x600);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        row(rows[i]);
    }
    return 0;
}
