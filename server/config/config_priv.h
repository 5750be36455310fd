// SPDX-License-Identifier: Apache-2.0
//
// The steps of loading after the text has been read and applied.
#pragma once

#include "server/config/config.h"
#include "server/directives/directives.h"

// Settles inheritance: http -> servers -> locations -> what is in them. Builds the location sets.
// 0, -EINVAL, -ENOMEM.
must_check int config_merge(struct config *c, struct block *http, struct conf_error *error);

// What a server's ssl_ directives must agree on, once they are merged.
must_check int config_check_tls(const struct http_conf *http, struct server_conf *s,
                                struct conf_error *error);

// Puts the `listen` lines of all servers together by address, with the names that each serves.
must_check int config_listen(struct config *c, struct block *http, struct conf_error *error);
