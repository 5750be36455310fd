// SPDX-License-Identifier: Apache-2.0
//
// What network drivers say of themselves, by SIOCETHTOOL (linux/ethtool.h). Only questions, which
// need no privilege. The sizes that a driver gives are bounded here.
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/doctor/nic_priv.h"

#define FEATURES_MAX 1024

static int ask(const char *name, void *question)
{
    struct ifreq request = {.ifr_data = question};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -errno;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    rc = ioctl(fd, SIOCETHTOOL, &request) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int ask_rings(const struct nic_calls *calls, const char *name, struct nic_rings *out)
{
    struct ethtool_ringparam r = {.cmd = ETHTOOL_GRINGPARAM};
    int rc = ask(name, &r);

    (void)calls;
    *out = (struct nic_rings){r.rx_pending, r.tx_pending, r.rx_max_pending, r.tx_max_pending};
    return rc;
}

static int ask_channels(const struct nic_calls *calls, const char *name, struct nic_channels *out)
{
    struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
    int rc = ask(name, &c);

    (void)calls;
    *out = (struct nic_channels){c.combined_count, c.rx_count, c.tx_count,
                                 c.max_combined,   c.max_rx,   c.max_tx};
    return rc;
}

static int ask_indirection(const struct nic_calls *calls, const char *name, uint32_t *table,
                           uint32_t *count)
{
    struct ethtool_rxfh_indir head = {.cmd = ETHTOOL_GRXFHINDIR}, *all;
    int rc = ask(name, &head);

    (void)calls;
    if (rc != 0)
        return rc;
    if (head.size > *count)
        return -E2BIG;
    all = calloc(1, sizeof(*all) + head.size * sizeof(*table));
    if (all == NULL)
        return -ENOMEM;
    *all = head;
    rc = head.size > 0 ? ask(name, all) : -EOPNOTSUPP;
    if (rc == 0)
        memcpy(table, all->ring_index, head.size * sizeof(*table));
    *count = head.size;
    free(all);
    return rc;
}

static int count_features(const char *name, uint32_t *count)
{
    union {
        struct ethtool_sset_info info;
        char room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
    } u = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = UINT64_C(1) << ETH_SS_FEATURES}};
    int rc = ask(name, &u);

    if (rc != 0)
        return rc;
    memcpy(count, u.room + sizeof(u.info), sizeof(*count));
    return u.info.sset_mask == 0 || *count == 0 ? -EOPNOTSUPP : *count > FEATURES_MAX ? -E2BIG : 0;
}

static int find_feature(const char *name, uint32_t count, const char *feature, uint32_t *index)
{
    struct ethtool_gstrings *names = calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
    int rc;

    if (names == NULL)
        return -ENOMEM;
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_FEATURES;
    names->len = count;
    rc = ask(name, names);
    for (*index = 0; rc == 0 && *index < count; ++*index) {
        const char *at = (const char *)names->data + (size_t)*index * ETH_GSTRING_LEN;
        if (strncmp(at, feature, ETH_GSTRING_LEN) == 0)
            break;
    }
    free(names);
    return rc == 0 && *index == count ? -EOPNOTSUPP : rc;
}

static int read_feature(const char *name, uint32_t count, uint32_t index, struct nic_feature *out)
{
    uint32_t blocks = (count + 31) / 32, bit = UINT32_C(1) << (index % 32);
    struct ethtool_gfeatures *all;
    int rc;

    all = calloc(1, sizeof(*all) + blocks * sizeof(all->features[0]));
    if (all == NULL)
        return -ENOMEM;
    all->cmd = ETHTOOL_GFEATURES;
    all->size = blocks;
    rc = ask(name, all);
    if (rc == 0) {
        const struct ethtool_get_features_block *b = &all->features[index / 32];
        out->active = (b->active & bit) != 0;
        out->requested = (b->requested & bit) != 0;
        out->available = (b->available & bit) != 0 && (b->never_changed & bit) == 0;
    }
    free(all);
    return rc;
}

static int ask_feature(const struct nic_calls *calls, const char *name, const char *feature,
                       struct nic_feature *out)
{
    uint32_t count, index;
    int rc = count_features(name, &count);

    (void)calls;
    *out = (struct nic_feature){0};
    if (rc == 0)
        rc = find_feature(name, count, feature, &index);
    return rc != 0 ? rc : read_feature(name, count, index, out);
}

const struct nic_calls nic_ioctl = {
    .rings = ask_rings,
    .channels = ask_channels,
    .indirection = ask_indirection,
    .feature = ask_feature,
};

static int no_rings(const struct nic_calls *calls, const char *name, struct nic_rings *out)
{
    (void)calls, (void)name, (void)out;
    return -EOPNOTSUPP;
}

static int no_channels(const struct nic_calls *calls, const char *name, struct nic_channels *out)
{
    (void)calls, (void)name, (void)out;
    return -EOPNOTSUPP;
}

static int no_indirection(const struct nic_calls *calls, const char *name, uint32_t *table,
                          uint32_t *count)
{
    (void)calls, (void)name, (void)table, (void)count;
    return -EOPNOTSUPP;
}

static int no_feature(const struct nic_calls *calls, const char *name, const char *feature,
                      struct nic_feature *out)
{
    (void)calls, (void)name, (void)feature, (void)out;
    return -EOPNOTSUPP;
}

const struct nic_calls nic_none = {
    .rings = no_rings,
    .channels = no_channels,
    .indirection = no_indirection,
    .feature = no_feature,
};
