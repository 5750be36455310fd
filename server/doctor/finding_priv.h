// SPDX-License-Identifier: Apache-2.0
//
// What a check found, and what mends it. All of it lives in the doctor's arena.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"

struct doctor;
struct check;

enum severity { SEVERITY_OK, SEVERITY_ADVICE, SEVERITY_WARNING, SEVERITY_PROBLEM };

// One thing that can be done: a value written to a file, as echo and sysctl do it, or a command.
struct step {
    const char *path;         // as on the machine, without the root
    const char *value;        // all bytes, with the newline
    const char *const *argv;  // ended by NULL; NULL: write
};

enum change_state { CHANGE_PLANNED, CHANGE_DONE, CHANGE_FAILED };

struct change {
    struct step apply, undo;
    enum change_state state;
    const char *error; // of a failed one
    struct change *next;
};

struct by_hand { // what a person does: it interrupts the network, or is no setting of the host
    const char *text;
    struct by_hand *next;
};

struct finding {
    const struct check *check;
    enum severity severity;
    const char *where, *found;
    struct change *changes, **changes_end;
    struct by_hand *by_hand, **by_hand_end;
    struct finding *next;
};

// A text of the arena; "" when memory is out, which d->error tells.
const char *doctor_text(struct doctor *d, const char *fmt, ...) printf_like(2, 3);

// A new finding with the check's severity; `where` is copied. NULL when memory is out, which those
// below take.
struct finding *finding_add(struct doctor *d, const struct check *c, const char *where,
                            const char *fmt, ...) printf_like(4, 5);
// The path's last piece comes from the format; `value` gets its newline here. `undo` is what there
// was, with all its bytes.
void change_write(struct doctor *d, struct finding *f, const char *value, const char *undo,
                  const char *path_fmt, ...) printf_like(5, 6);
// The same with what the file holds now to take it back. One that cannot be read is left alone.
void change_file(struct doctor *d, struct finding *f, const char *value, const char *path_fmt, ...)
    printf_like(4, 5);
// `apply` and `undo` are of the arena: see argv_of().
void change_run(struct doctor *d, struct finding *f, const char *const *apply,
                const char *const *undo);
// Copies of words up to a NULL. NULL when memory is out.
const char *const *argv_of(struct doctor *d, ...) __attribute__((sentinel));
void by_hand_add(struct doctor *d, struct finding *f, const char *fmt, ...) printf_like(3, 4);

// A word as a shell takes it; of the arena.
const char *shell_quoted(struct doctor *d, const char *word);
// The step as a command that a shell takes, quoted where it must be; of the heap, or NULL.
char *step_shell(const struct step *s);
