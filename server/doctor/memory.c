// SPDX-License-Identifier: Apache-2.0
//
// Settings of memory: pages, nodes, swap.
#include <stdio.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/sysctl_priv.h"
#include "server/doctor/tree_priv.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

// Such a file lists the words and marks the chosen one: "always [madvise] never".
static bool chosen_word(const struct doctor *d, const char *path, char *word, size_t size)
{
    char text[256];

    if (tree_line(d, text, sizeof(text), "%s", path) != 0)
        return false;
    char *open = strchr(text, '['), *close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL || (size_t)(close - open) > size)
        return false;
    *close = '\0';
    snprintf(word, size, "%s", open + 1);
    return true;
}

static bool look_choice(struct doctor *d, const struct check *c, const char *file)
{
    char now[32], path[128];

    snprintf(path, sizeof(path), THP "%s", file);
    if (!chosen_word(d, path, now, sizeof(now)))
        return false;
    if (strcmp(now, "always") == 0)
        change_write(d, finding_add(d, c, "memory", "transparent_hugepage/%s is always", file),
                     "madvise", "always\n", "%s", path);
    return true;
}

static bool look_thp(struct doctor *d, const struct check *c)
{
    return look_choice(d, c, "enabled");
}

static bool look_defrag(struct doctor *d, const struct check *c)
{
    return look_choice(d, c, "defrag");
}

static bool look_reclaim(struct doctor *d, const struct check *c)
{
    static const struct setting s = {"/proc/sys/vm/zone_reclaim_mode", 0, 0, "0"};

    return d->machine->nnodes > 1 && setting_look(d, c, "memory", &s);
}

static bool has_swap(const struct doctor *d)
{
    char text[TREE_VALUE_MAX];

    if (tree_read(d, text, sizeof(text), "/proc/swaps") != 0)
        return false;
    // The first line says what the columns are.
    const char *second = strchr(text, '\n');
    return second != NULL && second[1] == '/';
}

static bool look_swap(struct doctor *d, const struct check *c)
{
    static const struct setting s = {"/proc/sys/vm/swappiness", 0, 10, "10"};

    return has_swap(d) && setting_look(d, c, "memory", &s);
}

const struct check memory_checks[] = {
    {"thp", SEVERITY_ADVICE, PHASE_REST,
     "With always, every large allocation is rounded up to 2 MiB pages that are cleared when first "
     "touched, which takes long and keeps memory from the page cache. With madvise a program "
     "chooses.",
     look_thp},
    {"thp-defrag", SEVERITY_WARNING, PHASE_REST,
     "With always, whoever touches memory waits while the kernel moves pages together to make a "
     "large one: on a worker that is a pause of all its connections.",
     look_defrag},
    {"zone-reclaim", SEVERITY_WARNING, PHASE_REST,
     "A node that runs full throws its own page cache away before it takes memory of another one. "
     "What it throws away has to be read from a disk again.",
     look_reclaim},
    {"swap", SEVERITY_ADVICE, PHASE_REST,
     "An origin reads far more than it keeps, and that pushes the memory of the server itself out "
     "to the swap space; getting it back stops a worker for a disk.",
     look_swap},
    {0},
};
