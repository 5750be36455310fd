// SPDX-License-Identifier: Apache-2.0
#include "server/phases/phases.h"

static int phase_reject(struct request *r)
{
    return (int)r->rejected;
}

const struct phase_row phases[PHASE_COUNT] = {
    [PHASE_REJECT] = {"reject", phase_reject},
    [PHASE_SERVER_REWRITE] = {"server rewrite", phase_server_rewrite},
    [PHASE_FIND_LOCATION] = {"find location", phase_find_location},
    [PHASE_REWRITE] = {"rewrite", phase_rewrite},
    [PHASE_POST_REWRITE] = {"post rewrite", phase_post_rewrite},
    [PHASE_LIMITS] = {"limits", phase_limit},
    [PHASE_ACCESS] = {"access", phase_access},
    [PHASE_TRY_FILES] = {"try_files", phase_try_files},
    [PHASE_CONTENT] = {"content", phase_content},
};
