// SPDX-License-Identifier: Apache-2.0
//
// What the master tells about silos and interfaces.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "server/process/stats_priv.h"

static void set_text(struct stats_text *to, const char *text)
{
    char copy[STATS_TEXT] = "";
    uint64_t word;

    if (snprintf(copy, sizeof(copy), "%s", text) >= STATS_TEXT)
        strcpy(copy + STATS_TEXT - sizeof("..."), "...");
    for (size_t i = 0; i < array_len(to->words); i++) {
        memcpy(&word, copy + i * sizeof(word), sizeof(word));
        to->words[i] = word;
    }
}

void stats_describe_silo(unsigned silo, int node, const char *cpus)
{
    struct stats_area *a = stats_area();

    check(a != NULL);
    if (silo >= STATS_SILOS)
        return;
    stats_change_begin(a);
    a->master = getpid();
    a->silo[silo].node = node;
    set_text(&a->silo[silo].cpus, cpus);
    if (silo >= a->nsilos)
        a->nsilos = silo + 1;
    stats_change_end(a);
}

void stats_describe_member(unsigned member, const char *name, int node)
{
    struct stats_area *a = stats_area();

    check(a != NULL);
    if (member >= STATS_MEMBERS)
        return;
    stats_change_begin(a);
    a->member[member].node = node;
    set_text(&a->member[member].name, name);
    if (member >= a->nmembers)
        a->nmembers = member + 1;
    stats_change_end(a);
}

void stats_silo_state(unsigned silo, enum stats_silo_state state, pid_t pid, unsigned restarts)
{
    struct stats_area *a = stats_area();

    check(a != NULL);
    if (silo >= STATS_SILOS)
        return;
    stats_change_begin(a);
    a->silo[silo].state = (int)state;
    a->silo[silo].pid = pid;
    a->silo[silo].restarts = restarts;
    if (silo >= a->nsilos)
        a->nsilos = silo + 1;
    stats_change_end(a);
}
