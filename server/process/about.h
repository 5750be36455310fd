// SPDX-License-Identifier: Apache-2.0
//
// What -v, -V and -h print. (version.h is the generated header with the figures.)
#pragma once

#include <stdbool.h>

// To standard error, as nginx does.
void about_print(bool help, bool configure);
