// SPDX-License-Identifier: Apache-2.0
#include "lib/base/sv.h"

#include <errno.h>

bool sv_eq_nocase(struct sv a, struct sv b)
{
    return a.n == b.n && sv_starts_nocase(a, b);
}

bool sv_starts_nocase(struct sv s, struct sv prefix)
{
    if (s.n < prefix.n)
        return false;
    for (size_t i = 0; i < prefix.n; i++) {
        if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
            return false;
    }
    return true;
}

ptrdiff_t sv_find(struct sv s, char c)
{
    const char *hit = s.n != 0 ? memchr(s.p, c, s.n) : NULL;
    return hit != NULL ? hit - s.p : -1;
}

struct sv sv_trim(struct sv s)
{
    while (s.n != 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n != 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

int sv_to_u64(struct sv s, uint64_t *value)
{
    uint64_t v = 0;

    if (s.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return -ERANGE;
    }
    *value = v;
    return 0;
}
