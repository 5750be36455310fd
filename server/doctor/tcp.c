// SPDX-License-Identifier: Apache-2.0
//
// TCP as a video origin needs it: windows that fill long paths, no new start after each pause
// between segments, room for bursts of new connections (tcp(7), ip-sysctl.rst of the kernel).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"
#include "server/doctor/sysctl_priv.h"
#include "server/doctor/tree_priv.h"

#define IPV4 "/proc/sys/net/ipv4/"
#define CORE "/proc/sys/net/core/"
#define WORD_MAX 64
#define WMEM_LEAST (4 << 20)

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += n) {
        bool starts = p == text || p[-1] == ' ';
        if (starts && (p[n] == ' ' || p[n] == '\0'))
            return true;
    }
    return false;
}

static bool congestion(const struct doctor *d, char name[WORD_MAX])
{
    return tree_line(d, name, WORD_MAX, IPV4 "tcp_congestion_control") == 0;
}

static void set_qdisc(struct doctor *d, struct finding *f)
{
    char qdisc[WORD_MAX];

    if (tree_line(d, qdisc, sizeof(qdisc), CORE "default_qdisc") == 0 && strcmp(qdisc, "fq") != 0)
        change_file(d, f, "fq", CORE "default_qdisc");
}

static bool look_congestion(struct doctor *d, const struct check *c)
{
    char now[WORD_MAX], available[1024];

    if (!congestion(d, now))
        return false;
    if (strcmp(now, "bbr") == 0 || strcmp(now, "cubic") == 0)
        return true;
    if (tree_line(d, available, sizeof(available), IPV4 "tcp_available_congestion_control") != 0)
        available[0] = '\0';
    struct finding *f = finding_add(d, c, "network", "tcp_congestion_control is %s", now);
    bool bbr = has_word(available, "bbr");
    change_file(d, f, bbr ? "bbr" : "cubic", IPV4 "tcp_congestion_control");
    if (bbr)
        set_qdisc(d, f);
    return true;
}

static bool look_qdisc(struct doctor *d, const struct check *c)
{
    char now[WORD_MAX], qdisc[WORD_MAX];
    struct finding *f;

    if (!congestion(d, now) || strcmp(now, "bbr") != 0 ||
        tree_line(d, qdisc, sizeof(qdisc), CORE "default_qdisc") != 0)
        return false;
    if (strcmp(qdisc, "fq") == 0)
        return true;
    f = finding_add(d, c, "network", "default_qdisc is %s with bbr", qdisc);
    set_qdisc(d, f);
    for (struct nic n = {0}; nic_next(d, &n);)
        by_hand_add(d, f, "for %s as it runs: tc qdisc replace dev %s root %s", n.name,
                shell_quoted(d, n.name), n.link->rx_queues > 1 ? "mq" : "fq");
    return true;
}

// bbr keeps its own model over a pause, so that the setting says nothing to it.
static bool look_idle(struct doctor *d, const struct check *c)
{
    static const struct setting s = {IPV4 "tcp_slow_start_after_idle", 0, 0, "0"};
    char now[WORD_MAX];

    if (congestion(d, now) && strcmp(now, "bbr") == 0)
        return false;
    return setting_look(d, c, "network", &s);
}

static bool look_wmem(struct doctor *d, const struct check *c)
{
    uint64_t least, normal, most;
    char text[128], better[128];
    int end = -1;

    if (tree_line(d, text, sizeof(text), IPV4 "tcp_wmem") != 0 ||
        sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 "%n", &least, &normal, &most, &end) != 3 ||
        text[end] != '\0')
        return false;
    if (most >= WMEM_LEAST)
        return true;
    snprintf(better, sizeof(better), "%" PRIu64 " %" PRIu64 " 16777216", least, normal);
    change_file(d, finding_add(d, c, "network", "tcp_wmem lets a send buffer grow to %" PRIu64
                                                " bytes", most),
                better, IPV4 "tcp_wmem");
    return true;
}

static bool look_notsent(struct doctor *d, const struct check *c)
{
    static const struct setting s = {IPV4 "tcp_notsent_lowat", 32768, UINT32_MAX, "131072"};

    return setting_look(d, c, "network", &s);
}

static bool look_somaxconn(struct doctor *d, const struct check *c)
{
    static const struct setting s = {CORE "somaxconn", 4096, INT32_MAX, "4096"};

    return setting_look(d, c, "network", &s);
}

static bool look_options(struct doctor *d, const struct check *c)
{
    static const struct setting settings[] = {
        {IPV4 "tcp_window_scaling", 1, 1, "1"},
        {IPV4 "tcp_sack", 1, 1, "1"},
        {IPV4 "tcp_timestamps", 1, 2, "1"},
    };
    bool looked = false;

    for (size_t i = 0; i < array_len(settings); i++)
        looked |= setting_look(d, c, "network", &settings[i]);
    return looked;
}

static bool look_busy(struct doctor *d, const struct check *c)
{
    static const struct setting settings[] = {
        {CORE "busy_poll", 0, 0, "0"},
        {CORE "busy_read", 0, 0, "0"},
    };
    bool looked = false;

    for (size_t i = 0; i < array_len(settings); i++)
        looked |= setting_look(d, c, "network", &settings[i]);
    return looked;
}

const struct check tcp_checks[] = {
    {"tcp-congestion", SEVERITY_WARNING, PHASE_REST,
     "cubic and bbr fill long and fast paths; older ones need minutes without a loss for that.",
     look_congestion},
    {"tcp-qdisc", SEVERITY_ADVICE, PHASE_REST,
     "bbr paces what it sends. fq does that for all connections of an interface with one timer; "
     "without it each connection has a timer of its own. The setting counts for interfaces that "
     "come up later.",
     look_qdisc},
    {"tcp-idle", SEVERITY_ADVICE, PHASE_REST,
     "A player fetches a segment and waits for seconds. With this on, the connection forgets in "
     "each pause how fast the path was, and every segment starts slowly again.",
     look_idle},
    {"tcp-wmem", SEVERITY_WARNING, PHASE_REST,
     "A connection can have no more in flight than its send buffer holds: at 100 ms, 4 MiB are "
     "about 300 Mbit/s.",
     look_wmem},
    {"tcp-notsent", SEVERITY_ADVICE, PHASE_REST,
     "A worker is woken for each such piece that has gone out; pieces of a few kilobytes cost more "
     "wake-ups than sending.",
     look_notsent},
    {"tcp-backlog", SEVERITY_WARNING, PHASE_REST,
     "It caps the queue of connections that wait to be accepted. When many players come back at "
     "once, what does not fit is dropped and tried again after a second.",
     look_somaxconn},
    {"tcp-options", SEVERITY_PROBLEM, PHASE_REST,
     "Without window scaling no more than 64 KiB are in flight; without selective acknowledgements "
     "each loss takes a round trip of its own to mend; without timestamps a connection that began "
     "with a SYN cookie has neither.",
     look_options},
    {"busy-poll", SEVERITY_ADVICE, PHASE_REST,
     "Sockets spin on their queue before they report that nothing is there. That shortens the "
     "latency of a few connections and wastes CPU with thousands.",
     look_busy},
    {0},
};
