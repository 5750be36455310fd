// SPDX-License-Identifier: Apache-2.0
#include "lib/tls/staple_reply_priv.h"

#include <errno.h>
#include <stdio.h>

static int invalid(char *why)
{
    snprintf(why, STAPLE_WHY_MAX, "OCSP responder sent invalid response");
    return -EINVAL;
}

// Takes a line off the front of `rest`, without its end. false: no whole line is there.
static bool take_line(struct sv *rest, struct sv *line)
{
    ptrdiff_t end = sv_find(*rest, '\n');

    if (end < 0)
        return false;
    *line = sv_take(*rest, (size_t)end);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    *rest = sv_skip(*rest, (size_t)end + 1);
    return true;
}

// "HTTP/1.1 200 OK"
static int judge_status(struct sv line, char *why)
{
    if (line.n < 12 || !sv_starts(line, SV("HTTP/1.")) || line.p[8] != ' ' ||
        (line.n > 12 && line.p[12] != ' '))
        return invalid(why);
    for (int i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return invalid(why);
    }
    if (sv_eq(sv_take(sv_skip(line, 9), 3), SV("200")))
        return 0;
    snprintf(why, STAPLE_WHY_MAX, "OCSP responder answered with status %.3s", line.p + 9);
    return -EINVAL;
}

static int judge_header(struct sv line, char *why)
{
    ptrdiff_t colon = sv_find(line, ':');
    struct sv value;
    int n = 0;
    char shown[64];

    if (colon <= 0)
        return invalid(why);
    if (!sv_eq_nocase(sv_take(line, (size_t)colon), SV("Content-Type")))
        return 0;
    value = sv_trim(sv_skip(line, (size_t)colon + 1));
    if (sv_eq_nocase(value, SV("application/ocsp-response")))
        return 0;
    for (; n < 60 && (size_t)n < value.n; n++)
        shown[n] = value.p[n] < ' ' || value.p[n] > '~' ? '?' : value.p[n];
    snprintf(why, STAPLE_WHY_MAX, "OCSP responder sent invalid \"Content-Type\" header: \"%.*s\"",
             n, shown);
    return -EINVAL;
}

// How long the DER SEQUENCE at the start of `rest` is (X.690, 8.1.3): 0 with *n, -EAGAIN, -EINVAL.
static int sequence_length(struct sv rest, size_t *n)
{
    const unsigned char *p = (const unsigned char *)rest.p;
    size_t octets, length = 0;

    if (rest.n >= 1 && p[0] != 0x30)
        return -EINVAL;
    if (rest.n < 2)
        return -EAGAIN;
    octets = p[1] & 0x80 ? p[1] & 0x7fu : 0;
    if ((p[1] & 0x80) != 0 && (octets == 0 || octets > 3))
        return -EINVAL; // of indefinite length, or more than anybody needs
    if (rest.n < 2 + octets)
        return -EAGAIN;
    for (size_t i = 0; i < octets; i++)
        length = length << 8 | p[2 + i];
    *n = 2 + octets + (octets > 0 ? length : p[1]);
    return 0;
}

int staple_reply_parse(struct sv reply, struct sv *body, char *why)
{
    struct sv rest = reply, line;
    size_t n = 0;
    int rc;

    if (!take_line(&rest, &line))
        return -EAGAIN;
    rc = judge_status(line, why);
    while (rc == 0) {
        if (!take_line(&rest, &line))
            return -EAGAIN;
        if (line.n == 0)
            break;
        rc = judge_header(line, why);
    }
    if (rc != 0)
        return rc;
    rc = sequence_length(rest, &n);
    if (rc == -EINVAL)
        return invalid(why);
    if (rc == -EAGAIN || rest.n < n)
        return -EAGAIN;
    *body = sv_take(rest, n);
    return 0;
}
