// SPDX-License-Identifier: Apache-2.0
//
// Commands are made one after the other and shown or run at once, so that what is shown is what
// was done.
#include "server/report/egress_rules.h"

#include <errno.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/json_writer.h"
#include "lib/topo/machine.h"
#include "server/locality/egress.h"
#include "server/report/command.h"

#define ARGUMENTS_MAX 24

// One command and what it is for.
struct step {
    const char *argv[ARGUMENTS_MAX];
    unsigned argc;
    const struct machine_link *bond, *member; // member: NULL for what is not about one
    char handle[32];
};

struct run {
    const struct machine *m;
    enum egress_rules_action action;
    bool json;
    FILE *out;
    struct json_writer writer;
    unsigned steps; // shown so far
    char said[4096]; // by the last command
};

static const char preference[] = "28781";
_Static_assert(EGRESS_RULES_PREFERENCE == 28781, "the text above says so");

static void add_words(struct step *s, const char *const *words)
{
    for (; *words != NULL; words++) {
        check(s->argc + 1 < ARGUMENTS_MAX);
        s->argv[s->argc++] = *words;
    }
}

#define words(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct step step_make(const struct machine_link *bond, const char *const *arguments)
{
    struct step s = {.bond = bond};

    add_words(&s, words("tc"));
    add_words(&s, arguments);
    return s;
}

static void show_json(struct run *r, const struct step *s, int status)
{
    struct json_writer *j = &r->writer;

    json_object(j, NULL);
    json_list(j, "command");
    for (unsigned i = 0; i < s->argc; i++)
        json_text(j, NULL, s->argv[i]);
    json_end(j);
    json_text(j, "bond", s->bond->name);
    if (s->member != NULL) {
        json_text(j, "member", s->member->name);
        json_number(j, "node", s->member->node);
        json_number(j, "mark", egress_member_mark(s->member->index));
        json_number(j, "mask", EGRESS_MARK_MASK);
    }
    if (r->action != EGRESS_RULES_PRINT) {
        json_number(j, "status", status);
        json_text(j, "said", r->said);
    }
    json_end(j);
}

static void show_text(struct run *r, const struct step *s)
{
    if (s->member != NULL)
        fprintf(r->out, "# node %d: %s\n", s->member->node, s->member->name);
    command_print_words(s->argv, r->out);
    fflush(r->out); // before what the command itself may say
}

static int show_failure(struct run *r, const struct step *s, int rc, int status)
{
    if (r->json)
        return rc != 0 ? rc : -EIO;
    if (rc != 0)
        fprintf(r->out, "# %s: %s\n", s->argv[0],
                rc == -ENOENT ? "there is no such program: install iproute2" : strerror(-rc));
    else
        fprintf(r->out, "# failed with status %d: %s\n", status, r->said);
    fprintf(r->out, "# %u commands before it were done%s\n", r->steps,
            r->action == EGRESS_RULES_APPLY ? "; --egress-rules --undo takes them back" : "");
    return rc != 0 ? rc : -EIO;
}

static int take_step(struct run *r, const struct step *s)
{
    int status = 0, rc = 0;

    r->said[0] = '\0';
    if (!r->json)
        show_text(r, s);
    if (r->action != EGRESS_RULES_PRINT)
        rc = command_run(s->argv, r->said, sizeof(r->said), &status);
    if (r->json)
        show_json(r, s, rc != 0 ? rc : status);
    if (rc != 0 || status != 0)
        return show_failure(r, s, rc, status);
    r->steps++;
    return 0;
}

// What tc says about filters of the bond. One that has no qdisc for them has none.
static int ask(struct run *r, const struct machine_link *bond, const char *hook, bool ours,
               bool *some)
{
    struct step s = step_make(bond, words("filter", "show", "dev", bond->name, hook));
    int status = 0, rc;

    if (ours)
        add_words(&s, words("pref", preference));
    rc = command_run(s.argv, r->said, sizeof(r->said), &status);
    *some = rc == 0 && status == 0 && r->said[0] != '\0';
    return rc == 0 ? 0 : show_failure(r, &s, rc, status);
}

static int remove_filters(struct run *r, const struct machine_link *bond, bool *done)
{
    struct step s = step_make(bond, words("filter", "del", "dev", bond->name, "egress", "pref",
                                          preference));
    int rc = ask(r, bond, "egress", true, done);

    return rc != 0 || !*done ? rc : take_step(r, &s);
}

static bool is_ruled(struct run *r, const struct machine_link *bond,
                     const struct machine_link *link)
{
    if (link->master != bond->index)
        return false;
    if (link->node != MACHINE_NODE_UNKNOWN && egress_member_mark(link->index) != 0)
        return true;
    if (!r->json)
        fprintf(r->out, "# %s gets no mark: its %s\n", link->name,
                link->node == MACHINE_NODE_UNKNOWN ? "node is not known"
                                                   : "ifindex is greater than 255");
    return false;
}

static int add_filter(struct run *r, const struct machine_link *bond,
                      const struct machine_link *member)
{
    struct step s = step_make(bond, words("filter", "replace", "dev", bond->name, "egress", "pref",
                                          preference, "protocol", "all", "handle"));

    snprintf(s.handle, sizeof(s.handle), "0x%x/0x%x", egress_member_mark(member->index),
             EGRESS_MARK_MASK);
    s.member = member;
    add_words(&s, words(s.handle, "fw", "action", "mirred", "egress", "redirect", "dev",
                        member->name));
    return take_step(r, &s);
}

static int apply_bond(struct run *r, const struct machine_link *bond)
{
    struct step qdisc = step_make(bond, words("qdisc", "replace", "dev", bond->name, "clsact"));
    bool done;
    int rc = 0;

    // What is there may name members that have left.
    if (r->action == EGRESS_RULES_APPLY)
        rc = remove_filters(r, bond, &done);
    if (rc == 0)
        rc = take_step(r, &qdisc);
    for (unsigned i = 0; rc == 0 && i < r->m->nlinks; i++) {
        if (is_ruled(r, bond, &r->m->links[i]))
            rc = add_filter(r, bond, &r->m->links[i]);
    }
    return rc;
}

static int undo_bond(struct run *r, const struct machine_link *bond)
{
    struct step qdisc = step_make(bond, words("qdisc", "del", "dev", bond->name, "clsact"));
    bool ours = false, out = false, in = false;
    int rc = remove_filters(r, bond, &ours);

    if (rc != 0 || !ours)
        return rc;
    rc = ask(r, bond, "egress", false, &out);
    if (rc == 0)
        rc = ask(r, bond, "ingress", false, &in);
    return rc != 0 || out || in ? rc : take_step(r, &qdisc);
}

static int each_bond(struct run *r)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < r->m->nlinks; i++) {
        const struct machine_link *link = &r->m->links[i];
        if (link->kind != LINK_BOND)
            continue;
        if (r->action == EGRESS_RULES_UNDO)
            rc = undo_bond(r, link);
        else if (egress_bond_takes_marks(link))
            rc = apply_bond(r, link);
    }
    return rc;
}

static void begin_json(struct run *r)
{
    json_start_compact(&r->writer, r->out);
    json_object(&r->writer, NULL);
    json_list(&r->writer, "commands");
}

static void end_json(struct run *r, int rc)
{
    json_end(&r->writer);
    json_number(&r->writer, "error", -rc);
    json_end(&r->writer);
}

int egress_rules_command(const struct machine *m, enum egress_rules_action action, bool json,
                         FILE *out)
{
    struct run r = {.m = m, .action = action, .json = json, .out = out};
    int rc;

    if (json)
        begin_json(&r);
    rc = each_bond(&r);
    if (json)
        end_json(&r, rc);
    else if (r.steps == 0 && rc == 0)
        fputs(action == EGRESS_RULES_UNDO
                  ? "# no filter of ours is there\n"
                  : "# there is no bond in mode 802.3ad or balance-xor here: nothing to do\n",
              out);
    return rc;
}
