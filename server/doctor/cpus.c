// SPDX-License-Identifier: Apache-2.0
//
// Sets of CPUs, as the kernel writes and takes them: lists ("0-3,8") and masks, which are words of
// 32 bits in hexadecimal with the highest CPUs first ("f,00000000").
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/topo/topo.h"
#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

#define WORD_BITS 32

static __attribute__((format(printf, 3, 0))) int
read_text(const struct doctor *d, char text[CPUS_TEXT_MAX], const char *fmt, va_list args)
{
    char *path;
    int rc = vasprintf(&path, fmt, args) < 0 ? -ENOMEM : 0;

    if (rc != 0)
        return rc;
    rc = tree_line(d, text, CPUS_TEXT_MAX, "%s", path);
    free(path);
    return rc;
}

int tree_cpu_list(const struct doctor *d, cpu_set_t *cpus, const char *fmt, ...)
{
    char text[CPUS_TEXT_MAX], why[64];
    va_list args;

    va_start(args, fmt);
    int rc = read_text(d, text, fmt, args);
    va_end(args);
    if (rc != 0)
        return rc;
    CPU_ZERO(cpus);
    // No CPU at all is an empty line, which is no list.
    if (text[0] == '\0')
        return 0;
    return topo_parse_cpus(sv_from(text), cpus, why, sizeof(why));
}

// A set has no room for CPUs from CPU_SETSIZE on.
static void add_word(cpu_set_t *cpus, unsigned long word, size_t index)
{
    for (size_t bit = 0; bit < WORD_BITS; bit++) {
        size_t cpu = index * WORD_BITS + bit;

        if ((word >> bit & 1) != 0 && cpu < CPU_SETSIZE)
            CPU_SET(cpu, cpus);
    }
}

static int parse_mask(char *text, cpu_set_t *cpus)
{
    size_t index = 0;

    CPU_ZERO(cpus);
    for (;; index++) {
        char *comma = strrchr(text, ','), *word = comma != NULL ? comma + 1 : text;
        size_t n = strlen(word);

        if (n == 0 || n > 8 || strspn(word, "0123456789abcdefABCDEF") != n)
            return -EINVAL;
        add_word(cpus, strtoul(word, NULL, 16), index);
        if (comma == NULL)
            return 0;
        *comma = '\0';
    }
}

int tree_cpu_mask(const struct doctor *d, cpu_set_t *cpus, const char *fmt, ...)
{
    char text[CPUS_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    int rc = read_text(d, text, fmt, args);
    va_end(args);
    return rc != 0 ? rc : parse_mask(text, cpus);
}

static uint32_t mask_word(const cpu_set_t *cpus, size_t index)
{
    uint32_t word = 0;

    for (size_t bit = 0; bit < WORD_BITS; bit++) {
        if (CPU_ISSET(index * WORD_BITS + bit, cpus))
            word |= UINT32_C(1) << bit;
    }
    return word;
}

void cpus_format_mask(const cpu_set_t *cpus, char *buf, size_t size)
{
    size_t index = CPU_SETSIZE / WORD_BITS - 1, used;

    while (index > 0 && mask_word(cpus, index) == 0)
        index--;
    used = (size_t)snprintf(buf, size, "%x", mask_word(cpus, index));
    while (index-- > 0 && used < size)
        used += (size_t)snprintf(buf + used, size - used, ",%08x", mask_word(cpus, index));
}

int cpus_nth(const cpu_set_t *cpus, unsigned i)
{
    unsigned n = (unsigned)CPU_COUNT(cpus);

    check(n > 0);
    i %= n;
    for (int cpu = 0;; cpu++) {
        check(cpu < CPU_SETSIZE);
        if (CPU_ISSET(cpu, cpus) && i-- == 0)
            return cpu;
    }
}

bool cpus_within(const cpu_set_t *cpus, const cpu_set_t *all)
{
    cpu_set_t both;

    CPU_AND(&both, cpus, all);
    return CPU_EQUAL(&both, cpus);
}
