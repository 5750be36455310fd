// SPDX-License-Identifier: Apache-2.0
//
// Intrusive doubly linked list. A node that is on no list points at itself, so that removing it
// twice is harmless.
#pragma once

#include <stdbool.h>

#include "lib/base/compiler.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

// `node` becomes the last (the first, below). It must be on no list: that is not checked.
static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_append(head->next, node);
}

// The node is on no list afterwards.
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

// Moves everything on `from` to the end of `to`; `from` is empty afterwards.
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

// The body must not remove the current node.
#define list_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
// Allows the current node to be removed or freed in the body.
#define list_each_safe(it, head)                                                          \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);              \
         it = it##_next, it##_next = it->next)
// The list must not be empty.
#define list_first(head, type, member) container_of((head)->next, type, member)
