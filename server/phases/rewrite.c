// SPDX-License-Identifier: Apache-2.0
//
// Runs the compiled rewrite programs of the server and of the location.
#include "server/phases/phases.h"
#include "server/request/program.h"

int phase_server_rewrite(struct request *r)
{
    if (r->server->rewrite == NULL)
        return PHASE_NEXT;
    return program_run(r, r->server->rewrite);
}

// An `if` that was true has changed the location; after a wait the program that met it goes on.
int phase_rewrite(struct request *r)
{
    if (r->step == 0)
        r->program = r->location->rewrite;
    if (r->program == NULL)
        return PHASE_NEXT;
    return program_run(r, r->program);
}

int phase_post_rewrite(struct request *r)
{
    if (!r->uri_changed)
        return PHASE_NEXT;
    r->uri_changed = false;
    if (--r->uri_changes == 0) {
        request_log(r, LOG_LEVEL_ERROR, 0, "rewrite or internal redirection cycle while processing "
                                           "\"%.*s\"", SV_ARG(r->path));
        return 500;
    }
    return PHASE_RELOCATE;
}
