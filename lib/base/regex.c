// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lib/base/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>

#include "lib/base/check.h"

static int read_names(struct arena *a, struct regex *re)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;

    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->ngroups);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &count);
    if (count == 0)
        return 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &table);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    re->named = arena_array(a, struct regex_group, count);
    if (re->named == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++, table += size) {
        re->named[i].number = (unsigned)table[0] << 8 | table[1];
        re->named[i].name = arena_sv(a, sv_from((const char *)table + 2));
        if (re->named[i].name.p == NULL)
            return -ENOMEM;
    }
    re->nnamed = count;
    return 0;
}

int regex_compile(struct arena *a, struct sv pattern, bool nocase, struct regex **out, char *why,
                  size_t why_size)
{
    struct regex *re = arena_new(a, struct regex);
    PCRE2_SIZE at;
    int code;

    if (re == NULL)
        return -ENOMEM;
    re->pattern = pattern;
    re->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, nocase ? PCRE2_CASELESS : 0, &code,
                             &at, NULL);
    if (re->code == NULL) {
        unsigned char text[128];
        pcre2_get_error_message(code, text, sizeof(text));
        if (at >= pattern.n)
            snprintf(why, why_size, "pcre2_compile() failed: %s in \"%.*s\"", text,
                     SV_ARG(pattern));
        else
            snprintf(why, why_size, "pcre2_compile() failed: %s in \"%.*s\" at \"%.*s\"", text,
                     SV_ARG(pattern), SV_ARG(sv_skip(pattern, at)));
        return -EINVAL;
    }
    // Without JIT the interpreter serves; slower, never wrong.
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);
    int rc = read_names(a, re);
    if (rc != 0) {
        pcre2_code_free(re->code);
        return rc;
    }
    *out = re;
    return 0;
}

void regex_free(struct regex *re)
{
    pcre2_code_free(re->code);
    re->code = NULL;
}

// One for each thread.
static _Thread_local pcre2_match_data *thread_match;
static _Thread_local pcre2_match_context *thread_context;

static bool prepare_thread(void)
{
    if (likely(thread_match != NULL))
        return true;
    thread_context = pcre2_match_context_create(NULL);
    if (thread_context == NULL)
        return false;
    pcre2_set_match_limit(thread_context, REGEX_MATCH_LIMIT);
    thread_match = pcre2_match_data_create(REGEX_CAPTURES, NULL);
    return thread_match != NULL;
}

void regex_thread_end(void)
{
    pcre2_match_data_free(thread_match);
    pcre2_match_context_free(thread_context);
    thread_match = NULL;
    thread_context = NULL;
}

bool regex_exec(const struct regex *re, struct sv subject, struct regex_match *m)
{
    if (m != NULL)
        m->count = 0;
    if (!prepare_thread() || subject.n >= UINT32_MAX)
        return false;
    int n = pcre2_match(re->code, (PCRE2_SPTR)(subject.p != NULL ? subject.p : ""), subject.n, 0, 0,
                        thread_match, thread_context);
    if (n < 0)
        return false;
    if (m == NULL)
        return true;
    // 0 says that there were more groups than room.
    m->count = n == 0 ? REGEX_CAPTURES : (unsigned)n;
    const PCRE2_SIZE *ov = pcre2_get_ovector_pointer(thread_match);
    for (unsigned i = 0; i < m->count; i++) {
        bool unset = ov[2 * i] == PCRE2_UNSET;
        m->at[i][0] = unset ? UINT32_MAX : (uint32_t)ov[2 * i];
        m->at[i][1] = unset ? UINT32_MAX : (uint32_t)ov[2 * i + 1];
    }
    return true;
}
