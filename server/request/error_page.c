// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a status: the configured error_page, else nginx's built-in page.
#include <errno.h>
#include <string.h>

#include "lib/base/check.h"
#include "server/request/request.h"
#include "server/worker.h"
#include "version.h"

static const struct error_page *find_page(const struct request *r, unsigned status)
{
    for (const struct error_page *p = r->location->error_pages; p != NULL; p = p->next) {
        if (p->status == status)
            return p;
    }
    return NULL;
}

static void forget_response(struct request *r)
{
    file_put(&r->worker->files, r->response.file);
    response_init(&r->response);
    r->headers_added = false;
}

// An absolute URL: the client is sent there.
static int redirect_away(struct request *r, const struct error_page *page, struct sv url)
{
    unsigned status = page->overwrite > 0 ? (unsigned)page->overwrite : 302;

    if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        status = 302;
    r->response.location = url;
    r->error_status = 0;
    return (int)status;
}

// nginx's own statuses, which are 400 to the client.
static const struct own_status {
    unsigned status;
    const char *title, *note;
} own_statuses[] = {
    {494, "400 Request Header Or Cookie Too Large", "Request Header Or Cookie Too Large"},
    {495, "400 The SSL certificate error", "The SSL certificate error"},
    {496, "400 No required SSL certificate was sent", "No required SSL certificate was sent"},
    {497, "400 The plain HTTP request was sent to HTTPS port",
     "The plain HTTP request was sent to HTTPS port"},
};

static const struct own_status *own_status(unsigned status)
{
    for (size_t i = 0; i < array_len(own_statuses); i++) {
        if (own_statuses[i].status == status)
            return &own_statuses[i];
    }
    return NULL;
}

static int send_page(struct request *r, const struct error_page *page, unsigned status)
{
    struct sv uri;

    // $status in the page's address is the status that will be sent.
    r->response.status = page->overwrite > 0 ? (unsigned)page->overwrite : status;
    if (request_eval(r, page->uri, &uri) != 0)
        return 500;
    forget_response(r);
    r->expect_tested = true;
    r->error_status = page->overwrite < 0 ? status : (unsigned)page->overwrite;
    if (own_status(r->error_status) != NULL)
        r->error_status = 400;
    if (uri.n != 0 && uri.p[0] == '/') {
        // The page is fetched by GET, whatever the request was.
        if (r->method != METHOD_HEAD) {
            r->method = METHOD_GET;
            r->method_name = SV("GET");
        }
        ptrdiff_t mark = sv_find(uri, '?');
        return request_internal_redirect(r, mark >= 0 ? sv_take(uri, (size_t)mark) : uri,
                                         mark >= 0 ? sv_skip(uri, (size_t)mark + 1) : sv_of("", 0));
    }
    if (uri.n != 0 && uri.p[0] == '@')
        return request_named_location(r, uri);
    return redirect_away(r, page, uri);
}

static bool ends_connection(unsigned status)
{
    switch (status) {
    case 400:
    case 413:
    case 414:
    case 494:
    case 495:
    case 496:
    case 497:
    case 500:
    case 501:
        return true;
    default:
        return false;
    }
}

struct sv error_body(struct request *r, unsigned status)
{
    const struct own_status *own = own_status(status);
    struct sv line = own != NULL ? SV("400 Bad Request") : status_line(status);
    const char *server = "millrace";
    struct sv note = SV("");

    if (own != NULL)
        note = arena_printf(&r->arena, "<center>%s</center>\r\n", own->note);
    if (line.n == 0 || status < 300)
        return sv_of(NULL, 0);
    if (status == 302)
        line = SV("302 Found");
    if (r->location->server_tokens)
        server = "millrace/" MILLRACE_VERSION;
    return arena_printf(&r->arena,
                        "<html>\r\n<head><title>%.*s</title></head>\r\n<body>\r\n"
                        "<center><h1>%.*s</h1></center>\r\n%.*s<hr><center>%s</center>\r\n"
                        "</body>\r\n</html>\r\n",
                        SV_ARG(own != NULL ? sv_from(own->title) : line), SV_ARG(line),
                        SV_ARG(note), server);
}

static int built_in(struct request *r, unsigned status)
{
    struct response *s = &r->response;
    struct sv location = s->location;
    struct header *headers = s->headers;
    bool added = r->headers_added;
    struct sv body;

    forget_response(r);
    s->location = location;
    s->headers = headers;
    r->headers_added = added;
    r->error_status = 0;
    s->status = own_status(status) != NULL ? 400 : status;
    body = error_body(r, status);
    r->allow_ranges = false;
    if (body.p == NULL) {
        s->no_content_type = true;
        s->no_body = status == 204 || status == 304 || status < 200;
        s->content_length = s->no_body ? -1 : 0;
        return PHASE_DONE;
    }
    s->content_type = SV("text/html");
    s->content_length = (int64_t)body.n;
    if (r->header_only)
        return PHASE_DONE;
    return response_add_memory(r, body) == 0 ? PHASE_DONE : PHASE_CLOSE;
}

int request_finish_status(struct request *r, unsigned status)
{
    const struct error_page *page = NULL;

    for (int turns = 0; turns < 3; turns++) {
        if (ends_connection(status))
            r->keep_alive = false;
        if (status >= 300 && (!r->error_page_seen || r->location->recursive_error_pages) &&
            r->uri_changes != 0)
            page = find_page(r, status);
        r->error_page_seen = r->error_page_seen || status >= 300;
        if (page == NULL)
            return built_in(r, status);
        int rc = send_page(r, page, status);
        if (rc <= 0)
            return rc;
        status = (unsigned)rc;
        page = NULL;
    }
    return built_in(r, 500);
}
