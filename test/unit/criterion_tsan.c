// SPDX-License-Identifier: Apache-2.0
//
// Linked into unit tests under the thread sanitizer on x86-64 only. Criterion shares memory with
// its test processes at an address that it draws with rand_r(), and the sanitizer lets a program
// map only a few ranges. This draws inside the one range that both allow (0x5500'0000'0000 to
// 0x5680'0000'0000); Criterion looks for a free place there itself.
#include <stdlib.h>

#define FIRST_DRAW 0x350000 // (0x550000000000 - Criterion's base) in Criterion's steps of 16 MiB
#define DRAWS 0x18000

int rand_r(unsigned int *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (int)(FIRST_DRAW + (*seed >> 8) % DRAWS);
}
