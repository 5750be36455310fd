// SPDX-License-Identifier: Apache-2.0
//
// What server/locality/egress.h foretells, for test_egress.py: a command a line on standard input,
// an answer a line on standard output. The guest's own interfaces, routes and MAC addresses.
//
//     load                                      makes a new snapshot: "ok", or an error number
//     predict LOCAL PORT REMOTE PORT            interface, node and position, or "unknown"
//     mark NODE LOCAL PORT REMOTE PORT          a number
//     marked MARK                               the interface it leads to, or "none"
//     stale                                     "yes" or "no"
//     cost LOCAL PORT REMOTE PORT               nanoseconds of one prediction
//     rules print|apply|undo                    what the command prints, then a line "= RESULT"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/topo/machine.h"
#include "server/locality/egress.h"
#include "server/report/egress_rules.h"

static struct machine machine;
static struct egress *egress;

static struct net_address address(const char *text, const char *port)
{
    struct net_address a = {0};

    if (inet_pton(AF_INET, text, &a.in.sin_addr) == 1) {
        a.in.sin_family = AF_INET;
        a.in.sin_port = htons((uint16_t)atoi(port));
        a.len = sizeof(a.in);
    } else {
        check(inet_pton(AF_INET6, text, &a.in6.sin6_addr) == 1);
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = htons((uint16_t)atoi(port));
        a.len = sizeof(a.in6);
    }
    return a;
}

static const char *name_of(int link)
{
    const struct machine_link *l = machine_link(&machine, link);

    return l == NULL ? "none" : l->name;
}

static void do_load(char **words)
{
    struct egress *fresh = NULL;
    int rc;

    (void)words;
    machine_free(&machine);
    rc = machine_load(&machine, NULL);
    if (rc == 0)
        rc = egress_make(&machine, &fresh);
    egress_free(egress);
    egress = fresh;
    if (rc == 0)
        puts("ok");
    else
        printf("%d\n", rc);
}

static void do_predict(char **words)
{
    struct net_address local = address(words[0], words[1]), remote = address(words[2], words[3]);
    struct egress_answer answer;

    if (egress_predict(egress, &local, &remote, &answer))
        printf("%s %d %u\n", name_of(answer.link), answer.node, answer.member);
    else
        puts("unknown");
}

static void do_mark(char **words)
{
    struct net_address local = address(words[1], words[2]), remote = address(words[3], words[4]);

    printf("%u\n", egress_mark(egress, &local, &remote, atoi(words[0])));
}

static void do_marked(char **words)
{
    struct egress_answer answer;
    bool known = egress_marked(egress, (uint32_t)strtoul(words[0], NULL, 0), &answer);

    puts(known ? name_of(answer.link) : "none");
}

static void do_stale(char **words)
{
    (void)words;
    puts(egress_stale(egress) ? "yes" : "no");
}

static void do_cost(char **words)
{
    struct net_address local = address(words[0], words[1]), remote = address(words[2], words[3]);
    struct egress_answer answer;
    struct timespec from, to;
    const int rounds = 100000;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < rounds; i++)
        (void)egress_predict(egress, &local, &remote, &answer);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.1f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 +
                      (double)(to.tv_nsec - from.tv_nsec)) / rounds);
}

static void do_rules(char **words)
{
    enum egress_rules_action action = strcmp(words[0], "apply") == 0  ? EGRESS_RULES_APPLY
                                      : strcmp(words[0], "undo") == 0 ? EGRESS_RULES_UNDO
                                                                      : EGRESS_RULES_PRINT;

    printf("= %d\n", egress_rules_command(&machine, action, false, stdout));
}

static const struct {
    const char *name;
    void (*call)(char **words);
    int words;
} commands[] = {
    {"load", do_load, 0},     {"predict", do_predict, 4}, {"mark", do_mark, 5},
    {"marked", do_marked, 1}, {"stale", do_stale, 0},     {"cost", do_cost, 4},
    {"rules", do_rules, 1},
};

static void obey(char *line)
{
    char *words[8] = {0}, *save;
    int n = 0;

    for (char *w = strtok_r(line, " \n", &save); w != NULL && n < 8;
         w = strtok_r(NULL, " \n", &save))
        words[n++] = w;
    for (size_t i = 0; n > 0 && i < array_len(commands); i++) {
        if (strcmp(commands[i].name, words[0]) == 0 && n == commands[i].words + 1) {
            commands[i].call(words + 1);
            return;
        }
    }
    puts("what?");
}

int main(void)
{
    char line[512];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        obey(line);
        fflush(stdout);
    }
    egress_free(egress);
    machine_free(&machine);
    return 0;
}
