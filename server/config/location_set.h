// SPDX-License-Identifier: Apache-2.0
//
// Search of a location: exact, longest prefix, then regular expressions in order, as nginx
// documents `location`.
#pragma once

#include "server/config/location_conf.h"

struct location_match {
    const struct location_conf *location; // NULL: none in this set
    bool exact;                           // "=" or a named one: no regular expression follows
    bool auto_redirect;                   // the path is a location's name without its last slash
    struct regex_match m;                 // of the regex location found; count 0 otherwise
};

// Orders `all` (count of them, in order of the file) into a set. Duplicates are refused with
// nginx's words. 0, -EINVAL, -ENOMEM.
must_check int location_set_build(struct arena *a, struct location_conf *const *all, unsigned count,
                                  struct location_set **out, struct conf_error *error);
// Searches a set and the sets nested in what it finds.
void location_set_find(const struct location_set *set, struct sv path, struct location_match *out);
