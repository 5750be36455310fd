// SPDX-License-Identifier: Apache-2.0
//
// The forms of what may be written and run. In them '#' is a number, '@' an interface's name, '&' a
// feature's name, '!' on or off, and '*' one number or several.
#include "server/doctor/rules_priv.h"

#include <string.h>

#include "lib/base/sv.h"
#include "server/doctor/finding_priv.h"
#include "server/doctor/tree_priv.h"

#define NAME_MAX_LENGTH 15 // IFNAMSIZ without its end
#define DIGITS_MAX 10
#define WEIGHTS_MAX 4096

static const char *const files[] = {
    "/proc/irq/#/smp_affinity_list",
    "/sys/class/net/@/queues/rx-#/rps_cpus",
    "/sys/class/net/@/queues/tx-#/xps_cpus",
    "/sys/class/net/@/bonding/xmit_hash_policy",
    "/sys/class/net/@/bonding/miimon",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/mm/transparent_hugepage/defrag",
    "/sys/devices/system/cpu/cpufreq/policy#/scaling_governor",
    "/proc/sys/net/core/rps_sock_flow_entries",
    "/proc/sys/net/core/netdev_max_backlog",
    "/proc/sys/net/core/default_qdisc",
    "/proc/sys/net/core/somaxconn",
    "/proc/sys/net/core/busy_poll",
    "/proc/sys/net/core/busy_read",
    "/proc/sys/net/ipv4/tcp_congestion_control",
    "/proc/sys/net/ipv4/tcp_slow_start_after_idle",
    "/proc/sys/net/ipv4/tcp_wmem",
    "/proc/sys/net/ipv4/tcp_notsent_lowat",
    "/proc/sys/net/ipv4/tcp_window_scaling",
    "/proc/sys/net/ipv4/tcp_sack",
    "/proc/sys/net/ipv4/tcp_timestamps",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/kernel/io_uring_disabled",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/vm/zone_reclaim_mode",
    "/proc/sys/vm/swappiness",
    "/proc/sys/fs/file-max",
    "/proc/sys/fs/nr_open",
};

static const char *const commands[] = {
    "ethtool -L @ combined #", "ethtool -L @ rx # tx #",   "ethtool -G @ rx # tx #",
    "ethtool -K @ & !",        "ethtool -X @ equal #",     "ethtool -X @ weight *",
    "systemctl stop irqbalance", "systemctl start irqbalance",
    "modprobe tls",            "modprobe -r tls",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// How many bytes at the front are a number; 0: none, or too long a one.
static size_t number_length(const char *text)
{
    size_t n = 0;

    while (is_digit(text[n]))
        n++;
    return n <= DIGITS_MAX ? n : 0;
}

// A name goes into a path and onto a command line: no slash, no dot alone, no option.
static size_t name_length(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0' && text[n] != '/' && (unsigned char)text[n] > ' ' &&
           (unsigned char)text[n] < 0x7f)
        n++;
    if (n > NAME_MAX_LENGTH || text[0] == '-' || text[0] == '.')
        return 0;
    return n;
}

static bool path_fits(const char *form, const char *path)
{
    while (*form != '\0') {
        size_t n = *form == '#' ? number_length(path) : *form == '@' ? name_length(path)
                                                                     : *form == *path;
        if (n == 0)
            return false;
        path += n;
        form++;
    }
    return *path == '\0';
}

static bool value_is_plain(const char *value)
{
    size_t n = strlen(value);

    for (size_t i = 0; i < n; i++) {
        bool end = i + 1 == n;
        if ((value[i] < ' ' || value[i] >= 0x7f) && value[i] != '\t' &&
            (value[i] != '\n' || !end))
            return false;
    }
    return n > 0 && n < TREE_VALUE_MAX;
}

static bool write_allowed(const struct step *s)
{
    if (s->path == NULL || s->value == NULL || !value_is_plain(s->value))
        return false;
    for (size_t i = 0; i < array_len(files); i++) {
        if (path_fits(files[i], s->path))
            return true;
    }
    return false;
}

static bool is_feature(const char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n < 32 && word[n] == '\0' && word[0] != '-';
}

static bool is_number(const char *word)
{
    size_t n = number_length(word);

    return n > 0 && word[n] == '\0';
}

static bool word_fits(struct sv form, const char *word)
{
    if (form.n != 1)
        return sv_eq(form, sv_from(word));
    switch (form.p[0]) {
    case '#':
    case '*':
        return is_number(word);
    case '@':
        return word[0] != '\0' && name_length(word) == strlen(word);
    case '&':
        return is_feature(word);
    case '!':
        return strcmp(word, "on") == 0 || strcmp(word, "off") == 0;
    default:
        return false;
    }
}

// The next word of a form; *rest moves behind it.
static struct sv next_form(struct sv *rest)
{
    ptrdiff_t space = sv_find(*rest, ' ');
    struct sv word = space < 0 ? *rest : sv_take(*rest, (size_t)space);

    *rest = space < 0 ? (struct sv){NULL, 0} : sv_skip(*rest, (size_t)space + 1);
    return word;
}

static bool command_fits(const char *form, const char *const *argv)
{
    struct sv rest = sv_from(form);
    unsigned i = 0;

    while (rest.n > 0) {
        struct sv word = next_form(&rest);

        if (argv[i] == NULL || !word_fits(word, argv[i++]))
            return false;
        while (sv_eq(word, SV("*")) && argv[i] != NULL && i < WEIGHTS_MAX) {
            if (!is_number(argv[i++]))
                return false;
        }
    }
    return argv[i] == NULL;
}

static const char *command_form(const char *const *argv)
{
    for (size_t i = 0; i < array_len(commands); i++) {
        if (command_fits(commands[i], argv))
            return commands[i];
    }
    return NULL;
}

bool step_allowed(const struct step *s)
{
    return s->argv != NULL ? command_form(s->argv) != NULL : write_allowed(s);
}

static bool is_value(struct sv form)
{
    return sv_eq(form, SV("#")) || sv_eq(form, SV("*")) || sv_eq(form, SV("!"));
}

static bool same_command(const char *const *a, const char *const *b)
{
    const char *form = command_form(a);
    struct sv rest = sv_from(form);

    if (form == NULL || form != command_form(b))
        return false;
    for (unsigned i = 0; rest.n > 0; i++) {
        if (!is_value(next_form(&rest)) && strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

bool step_same_setting(const struct step *a, const struct step *b)
{
    if ((a->argv == NULL) != (b->argv == NULL))
        return false;
    return a->argv != NULL ? same_command(a->argv, b->argv) : strcmp(a->path, b->path) == 0;
}
