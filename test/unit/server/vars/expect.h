// SPDX-License-Identifier: Apache-2.0
//
// What the tests of variables say of a fixture `f`: a template's value, and a variable that has
// none. Macros, so that a failure names its own line.
#pragma once

#include <criterion/criterion.h>

#include "test/unit/server/request_fixture.h"

#define expect(text, value)                                                                 \
    do {                                                                                    \
        struct sv got_ = fixture_eval(f, text);                                             \
        cr_assert(sv_eq(got_, sv_from(value)), "%s is \"%.*s\", not \"%s\"", text,          \
                  SV_ARG(got_), value);                                                     \
    } while (0)

#define expect_none(name)                                                                   \
    do {                                                                                    \
        struct sv got_;                                                                     \
        cr_assert_not(fixture_read(f, name, &got_), "$%s is \"%.*s\"", name, SV_ARG(got_)); \
    } while (0)
