// SPDX-License-Identifier: Apache-2.0
//
// Runs compiled `set`, `if`, `return`, `rewrite` and `break`.
#include "server/request/program.h"

#include "lib/http/uri.h"
#include "server/handlers/handlers.h"
#include "server/request/request.h"
#include "server/request/request_file.h"
#include "server/vars/vars.h"

static struct sv value_of(struct request *r, const struct var *v)
{
    struct sv value;

    return vars_read(r, v, &value) ? value : sv_of("", 0);
}

static bool match(struct request *r, const struct instruction *in, struct sv subject)
{
    struct regex_match m;

    if (!regex_exec(in->regex, subject, &m))
        return false;
    r->captures = m;
    r->captures_subject = subject;
    vars_set_captures(r, in->regex, in->captures, &m, subject);
    return true;
}

static bool file_says(const struct request *r, enum condition_kind kind)
{
    const struct open_file *f = r->lookup.file;
    bool there = r->lookup.err == 0 && f != NULL;

    switch (kind) {
    case IF_FILE:
        return there && f->is_file;
    case IF_NOT_FILE:
        return !(there && f->is_file);
    case IF_DIR:
        return there && f->is_dir;
    case IF_NOT_DIR:
        return !(there && f->is_dir);
    case IF_EXISTS:
        return there;
    case IF_NOT_EXISTS:
        return !there;
    case IF_EXEC:
        return there && f->owner_exec;
    default:
        return !(there && f->owner_exec);
    }
}

// A file test may wait for a disk. What was run before it must not run again: request.step
// remembers how many instructions of this program are behind us, and that the look-up has been
// made.
static int test_file(struct request *r, const struct instruction *in, bool waited, bool *truth)
{
    struct sv name;
    int rc;

    if (!waited) {
        if (request_eval(r, in->value, &name) != 0)
            return 500;
        struct sv path = arena_sv(&r->arena, name);
        if (path.p == NULL)
            return 500;
        r->lookup.path = path.p;
        rc = request_lookup_policy(r, path);
        if (rc != 0)
            return rc;
        r->lookup.test_only = true;
        rc = request_lookup(r);
        if (rc != 0)
            return rc;
    }
    *truth = file_says(r, in->condition);
    request_drop_file(r);
    return 0;
}

static int test(struct request *r, const struct instruction *in, bool waited, bool *truth)
{
    struct sv left, right;

    switch (in->condition) {
    case IF_VALUE:
        left = value_of(r, in->var);
        *truth = left.n != 0 && !sv_eq(left, SV("0"));
        return 0;
    case IF_EQUAL:
    case IF_NOT_EQUAL:
        left = value_of(r, in->var);
        if (request_eval(r, in->value, &right) != 0)
            return 500;
        *truth = sv_eq(left, right) == (in->condition == IF_EQUAL);
        return 0;
    case IF_MATCH:
    case IF_NOT_MATCH:
        *truth = match(r, in, value_of(r, in->var)) == (in->condition == IF_MATCH);
        return 0;
    default:
        return test_file(r, in, waited, truth);
    }
}

static bool is_url(struct sv s)
{
    return sv_starts(s, SV("http://")) || sv_starts(s, SV("https://")) ||
           sv_starts(s, SV("$scheme"));
}

static int redirect(struct request *r, const struct instruction *in, struct sv to)
{
    ptrdiff_t mark = sv_find(to, '?');
    struct sv args = in->drop_args ? sv_of(NULL, 0) : r->args;

    if (args.n != 0) {
        to = arena_printf(&r->arena, "%.*s%s%.*s", SV_ARG(to), mark >= 0 ? "&" : "?", SV_ARG(args));
        if (to.p == NULL)
            return 500;
    }
    r->response.location = to;
    return in->flag == REWRITE_PERMANENT ? 301 : 302;
}

// The replacement's own arguments come first, then those of the request unless it ended with "?".
static int change_path(struct request *r, const struct instruction *in, struct sv to)
{
    ptrdiff_t mark = sv_find(to, '?');
    struct sv args = mark >= 0 ? sv_skip(to, (size_t)mark + 1) : sv_of(NULL, 0);
    struct sv path = mark >= 0 ? sv_take(to, (size_t)mark) : to;

    if (mark >= 0 && !in->drop_args && r->args.n != 0)
        args = args.n == 0 ? r->args
                           : arena_printf(&r->arena, "%.*s&%.*s", SV_ARG(args), SV_ARG(r->args));
    if (path.n == 0) {
        request_log(r, LOG_LEVEL_ERROR, 0, "the rewritten URI has a zero length");
        return 500;
    }
    r->path = path;
    if (mark >= 0 || in->drop_args)
        r->args = args;
    return 0;
}

static int rewrite(struct request *r, const struct instruction *in, bool *stop)
{
    struct sv to;

    if (!match(r, in, r->path))
        return PHASE_NEXT;
    if (request_eval(r, in->replacement, &to) != 0)
        return 500;
    if (in->flag == REWRITE_REDIRECT || in->flag == REWRITE_PERMANENT || is_url(to)) {
        *stop = true;
        return redirect(r, in, to);
    }
    int rc = change_path(r, in, to);
    r->uri_changed = in->flag != REWRITE_BREAK;
    *stop = in->flag == REWRITE_LAST || in->flag == REWRITE_BREAK;
    return rc;
}

static int run(struct request *r, const struct program *p, unsigned *at, bool *stop);

static int run_if(struct request *r, const struct instruction *in, bool waited, unsigned *at,
                  bool *stop)
{
    bool truth = false;
    int rc = test(r, in, waited, &truth);

    if (rc != 0)
        return rc;
    if (!truth) {
        *at += in->body != NULL ? in->body->total : 0;
        return PHASE_NEXT;
    }
    if (in->location != NULL)
        r->location = in->location;
    return in->body != NULL ? run(r, in->body, at, stop) : PHASE_NEXT;
}

static int run_one(struct request *r, const struct instruction *in, bool waited, unsigned *at,
                   bool *stop)
{
    struct sv value;

    switch (in->kind) {
    case DO_SET:
        if (request_eval(r, in->value, &value) != 0)
            return 500;
        vars_assign(r, in->var, value);
        return PHASE_NEXT;
    case DO_IF:
        return run_if(r, in, waited, at, stop);
    case DO_RETURN:
        *stop = true;
        return handler_return(r, in->ret);
    case DO_REWRITE:
        return rewrite(r, in, stop);
    case DO_BREAK:
        *stop = true;
        return PHASE_NEXT;
    }
    return 500;
}

// Instructions are numbered through, bodies of `if` included: *at is the number of the next one.
// After a wait those before request.step are passed over.
static int run(struct request *r, const struct program *p, unsigned *at, bool *stop)
{
    for (unsigned i = 0; i < p->n && !*stop; i++) {
        const struct instruction *in = &p->at[i];
        unsigned number = ++*at;
        bool waited = r->step == number;
        if (number < r->step) {
            // Inside an `if` that was true before the wait the body goes on; others are skipped
            // whole.
            if (in->kind == DO_IF && in->body != NULL) {
                if (r->step <= *at + in->body->total) {
                    int rc = run(r, in->body, at, stop);
                    if (rc != PHASE_NEXT)
                        return rc;
                } else {
                    *at += in->body->total;
                }
            }
            continue;
        }
        int rc = run_one(r, in, waited, at, stop);
        if (rc == PHASE_WAIT && r->step == 0)
            r->step = number;
        else if (rc == PHASE_WAIT)
            r->step = max_of(r->step, number);
        if (rc != PHASE_NEXT)
            return rc;
    }
    return PHASE_NEXT;
}

int program_run(struct request *r, const struct program *p)
{
    unsigned at = 0;
    bool stop = false;

    return run(r, p, &at, &stop);
}
