// SPDX-License-Identifier: Apache-2.0
//
// What the doctor may do at all. The undo file is read by root and could have been written by
// somebody else, so that nothing in it is done that is not of a form known here.
#pragma once

#include <stdbool.h>

struct step;

bool step_allowed(const struct step *s);
// Do two allowed steps set the same thing, whatever to?
bool step_same_setting(const struct step *a, const struct step *b);
