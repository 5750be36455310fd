// SPDX-License-Identifier: Apache-2.0
//
// Nodes with parents and lists of children, and a table to find them by number.
#include "server/http2/priority_tree.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/list.h"

#define BUCKETS 32

struct priority_node {
    struct priority_node *parent; // NULL: the root itself
    struct priority_node *same;   // the next in the bucket
    struct list children, sibling;
    struct list kept;             // in priority_tree.kept while the stream is not open
    int32_t id;
    uint16_t weight;
    bool open;
};

struct priority_tree {
    struct priority_node root;
    struct list kept;             // spoken of longest ago first
    unsigned nnodes, nkept;
    struct priority_node *buckets[BUCKETS];
};

struct priority_tree *priority_tree_new(void)
{
    struct priority_tree *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    list_init(&t->root.children);
    list_init(&t->kept);
    return t;
}

void priority_tree_free(struct priority_tree *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (t->buckets[i] != NULL) {
            struct priority_node *n = t->buckets[i];
            t->buckets[i] = n->same;
            free(n);
        }
    }
    free(t);
}

// Where the pointer to it is, or would be.
static struct priority_node **slot_of(struct priority_tree *t, int32_t id)
{
    struct priority_node **at = &t->buckets[(uint32_t)id / 2 % BUCKETS];

    while (*at != NULL && (*at)->id != id)
        at = &(*at)->same;
    return at;
}

static void attach(struct priority_node *n, struct priority_node *parent)
{
    n->parent = parent;
    list_append(&parent->children, &n->sibling);
}

static void move(struct priority_node *n, struct priority_node *parent)
{
    list_remove(&n->sibling);
    attach(n, parent);
}

static void adopt_all(struct priority_node *to, struct priority_node *from)
{
    list_each (it, &from->children)
        container_of(it, struct priority_node, sibling)->parent = to;
    list_splice(&to->children, &from->children);
}

// RFC 7540, 5.3.4: what depended on it gets its weight, shared out by theirs.
static void share_out(struct priority_node *n)
{
    unsigned sum = 0;

    list_each (it, &n->children)
        sum += container_of(it, struct priority_node, sibling)->weight;
    list_each (it, &n->children) {
        struct priority_node *child = container_of(it, struct priority_node, sibling);
        unsigned weight = (unsigned)n->weight * child->weight / sum;
        child->weight = (uint16_t)max_of(weight, 1u);
    }
    adopt_all(n->parent, n);
}

// True when others depended on it.
static bool forget_oldest(struct priority_tree *t)
{
    struct priority_node *n = list_first(&t->kept, struct priority_node, kept);
    bool had_others = !list_empty(&n->children);

    share_out(n);
    *slot_of(t, n->id) = n->same;
    list_remove(&n->sibling);
    list_remove(&n->kept);
    t->nkept--;
    t->nnodes--;
    free(n);
    return had_others;
}

// True when places of others have changed.
static bool keep(struct priority_tree *t, struct priority_node *n)
{
    list_append(&t->kept, &n->kept);
    return ++t->nkept > TREE_KEPT && forget_oldest(t);
}

static void speak_of(struct priority_tree *t, struct priority_node *n)
{
    if (n->open || n == &t->root)
        return;
    list_remove(&n->kept);
    list_append(&t->kept, &n->kept);
}

static struct priority_node *node_new(struct priority_tree *t, int32_t id)
{
    struct priority_node *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->id = id;
    n->weight = PRIORITY_WEIGHT_DEFAULT;
    list_init(&n->children);
    list_init(&n->kept);
    attach(n, &t->root);
    *slot_of(t, id) = n;
    t->nnodes++;
    return n;
}

struct priority_node *priority_tree_open(struct priority_tree *t, int32_t id)
{
    struct priority_node *n = *slot_of(t, id);

    if (n == NULL)
        n = node_new(t, id);
    if (n == NULL || n->open)
        return n;
    n->open = true;
    t->nkept -= !list_empty(&n->kept);
    list_remove(&n->kept);
    return n;
}

bool priority_tree_close(struct priority_tree *t, struct priority_node *n)
{
    if (n == NULL)
        return false;
    check(n->open);
    n->open = false;
    return keep(t, n);
}

static struct priority_node *find_to_set(struct priority_tree *t, int32_t id)
{
    struct priority_node *n = *slot_of(t, id);

    if (n != NULL) {
        speak_of(t, n);
        return n;
    }
    n = node_new(t, id);
    if (n != NULL)
        (void)keep(t, n);
    return n;
}

static bool depends_on(const struct priority_node *n, const struct priority_node *other)
{
    while (n != NULL && n != other)
        n = n->parent;
    return n != NULL;
}

void priority_tree_set(struct priority_tree *t, int32_t id, const struct priority_wish *w)
{
    struct priority_node *parent = w->depends == 0 ? &t->root : *slot_of(t, w->depends);
    bool exclusive = w->exclusive && parent != NULL;

    if (w->depends == id)
        return;
    if (parent == NULL)
        parent = &t->root;
    // First, so that it is not what is forgotten for the sake of a new node.
    speak_of(t, parent);
    struct priority_node *n = find_to_set(t, id);
    if (n == NULL)
        return;
    // RFC 7540, 5.3.3: what depended on it, and is to be depended on, takes its place first.
    if (depends_on(parent, n))
        move(parent, n->parent);
    list_remove(&n->sibling);
    if (exclusive)
        adopt_all(n, parent);
    attach(n, parent);
    n->weight = w->weight;
}

struct priority_place priority_tree_place(const struct priority_node *n)
{
    struct priority_place place = {.share = 1};

    if (n == NULL)
        return (struct priority_place){.depth = 1, .share = PRIORITY_WEIGHT_DEFAULT / 256.0};
    for (; n->parent != NULL && place.depth < TREE_DEPTH_MAX; n = n->parent) {
        place.depth++;
        place.share *= n->weight / 256.0;
    }
    return place;
}

unsigned priority_tree_nodes(const struct priority_tree *t)
{
    return t->nnodes;
}

unsigned priority_tree_kept(const struct priority_tree *t)
{
    return t->nkept;
}
