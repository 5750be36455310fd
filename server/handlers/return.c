// SPDX-License-Identifier: Apache-2.0
//
// `return CODE [text]`, `return CODE URL`, `return URL`.
#include "server/handlers/handlers.h"
#include "server/request/request.h"
#include "server/request/request_file.h"

int handler_return(struct request *r, const struct return_rule *rule)
{
    struct response *s = &r->response;
    struct sv text = {NULL, 0};

    // nginx's own codes: the connection closes without an answer, and the log shows them.
    if (rule->status == 444 || rule->status == 499) {
        r->response.status = rule->status;
        return PHASE_CLOSE;
    }
    if (rule->text != NULL && request_eval(r, rule->text, &text) != 0)
        return 500;
    if (rule->redirect) {
        s->location = text;
        return (int)rule->status;
    }
    // An error without a text has its page; anything else is sent as it is, with an empty body.
    if (rule->text == NULL && rule->status >= 400)
        return (int)rule->status;
    s->status = rule->status;
    s->content_length = (int64_t)text.n;
    s->content_type = content_type_of(r);
    if (r->header_only || text.n == 0 || s->status == 204 || s->status == 304)
        return PHASE_DONE;
    return response_add_memory(r, text) == 0 ? PHASE_DONE : 500;
}
