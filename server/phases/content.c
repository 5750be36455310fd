// SPDX-License-Identifier: Apache-2.0
//
// Content: the location's own handler, else index for a path with a final slash, else a static
// file.
#include <sys/socket.h>

#include "server/conn/conn.h"
#include "server/handlers/handlers.h"
#include "server/phases/phases.h"

// A client that waits for it is told to go on; the body is then read and dropped (RFC 9110,
// 10.1.1).
static void send_continue(struct request *r)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (!r->parsed.expect_continue || r->expect_tested || r->body_done || r->parsed.http_minor == 0)
        return;
    r->expect_tested = true;
    // A socket without room for 25 bytes has a client that does not read: it will time out by
    // itself.
    (void)send(r->conn->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int phase_content(struct request *r)
{
    int rc;

    if (r->location->content != NULL)
        rc = r->location->content(r);
    else if (r->path.n != 0 && r->path.p[r->path.n - 1] == '/')
        rc = handler_index(r);
    else
        rc = handler_static(r);
    if (rc == PHASE_DONE)
        send_continue(r);
    return rc;
}
