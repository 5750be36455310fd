// SPDX-License-Identifier: Apache-2.0
//
// Building the table of one address's server names; searching is name_table_find() (http_conf.h).
#pragma once

#include "lib/base/log.h"
#include "server/config/http_conf.h"

// Room for so many names. -ENOMEM.
must_check int name_table_init(struct name_table *t, struct arena *a, unsigned names);
// A name that is there already is ignored with nginx's warning. `address` is for that message.
must_check int name_table_add(struct name_table *t, struct server_name *n, const char *address);
