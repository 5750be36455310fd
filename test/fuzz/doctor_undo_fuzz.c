// SPDX-License-Identifier: Apache-2.0
//
// The doctor's undo file is read by root and acted on. Whatever is in it: what is accepted is of
// the forms that the doctor writes, sets nothing twice, and comes out as it went in.
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "server/doctor/rules_priv.h"
#include "server/doctor/undo_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A path stays where it seems to be, and an interface's name is no option.
static void check_step(const struct step *s)
{
    check(step_allowed(s));
    check((s->argv == NULL) == (s->path != NULL));
    if (s->argv == NULL) {
        check(strncmp(s->path, "/proc/", 6) == 0 || strncmp(s->path, "/sys/", 5) == 0);
        check(strstr(s->path, "/.") == NULL && strstr(s->path, "//") == NULL);
        check(s->value[0] != '\0');
        return;
    }
    check(strchr(s->argv[0], '/') == NULL);
    if (strcmp(s->argv[0], "ethtool") == 0)
        check(s->argv[2][0] != '-');
}

static void check_round_trip(const struct undo_log *log)
{
    struct undo_log again;
    unsigned line;
    size_t n, m;
    char *text = undo_log_format(log, &n), *second;

    check(text != NULL);
    undo_log_init(&again, "-");
    check(undo_log_parse(&again, sv_of(text, n), &line) == 0);
    check(again.n == log->n && strcmp(again.boot, log->boot) == 0);
    second = undo_log_format(&again, &m);
    check(second != NULL && n == m && memcmp(text, second, n) == 0);
    undo_log_free(&again);
    free(second);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct undo_log log;
    unsigned line;

    undo_log_init(&log, "-");
    if (undo_log_parse(&log, sv_of((const char *)data, size), &line) == 0) {
        for (unsigned i = 0; i < log.n; i++) {
            check_step(&log.steps[i]);
            for (unsigned j = 0; j < i; j++)
                check(!step_same_setting(&log.steps[i], &log.steps[j]));
        }
        check_round_trip(&log);
    }
    undo_log_free(&log);
    return 0;
}
