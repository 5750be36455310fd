// SPDX-License-Identifier: Apache-2.0
#include "lib/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; // payload bytes
    _Alignas(16) char data[];
};

#define CHUNK_PAYLOAD (ARENA_CHUNK - sizeof(struct arena_chunk))

void arena_init(struct arena *a, struct arena_pool *pool)
{
    *a = (struct arena){.pool = pool};
}

static struct arena_chunk *chunk_get(struct arena *a, size_t payload)
{
    struct arena_pool *pool = a->pool;
    struct arena_chunk *c;

    if (payload == CHUNK_PAYLOAD && pool != NULL && pool->free != NULL) {
        c = pool->free;
        pool->free = c->next;
        pool->count--;
        return c;
    }
    c = malloc(sizeof(*c) + payload);
    if (c != NULL)
        c->size = payload;
    return c;
}

static void chunk_put(struct arena_pool *pool, struct arena_chunk *c)
{
    if (pool == NULL || c->size != CHUNK_PAYLOAD || pool->count >= pool->keep) {
        free(c);
        return;
    }
    c->next = pool->free;
    pool->free = c;
    pool->count++;
}

void arena_reset(struct arena *a)
{
    struct arena_chunk *c = a->chunk;

    while (c != NULL) {
        struct arena_chunk *next = c->next;
        chunk_put(a->pool, c);
        c = next;
    }
    a->chunk = NULL;
    a->used = a->size = 0;
}

void arena_pool_drain(struct arena_pool *pool)
{
    while (pool->free != NULL) {
        struct arena_chunk *c = pool->free;
        pool->free = c->next;
        free(c);
    }
    pool->count = 0;
}

bool arena_owns(const struct arena *a, const void *p)
{
    uintptr_t at = (uintptr_t)p;

    for (const struct arena_chunk *c = a->chunk; c != NULL; c = c->next) {
        if (at - (uintptr_t)c->data < c->size)
            return true;
    }
    return false;
}

// A request larger than a chunk gets a chunk of its own, put behind the newest so that the room
// left in that one stays in use.
static void *alloc_large(struct arena *a, size_t n)
{
    struct arena_chunk *c = chunk_get(a, n);

    if (c == NULL)
        return NULL;
    if (a->chunk != NULL) {
        c->next = a->chunk->next;
        a->chunk->next = c;
    } else {
        c->next = NULL;
        a->chunk = c;
        a->used = a->size = n;
    }
    return c->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - 64)
        return NULL;
    n = n == 0 ? 16 : (n + 15) & ~(size_t)15;
    if (a->size - a->used < n) {
        if (n > CHUNK_PAYLOAD / 2)
            return alloc_large(a, n);
        struct arena_chunk *c = chunk_get(a, CHUNK_PAYLOAD);
        if (c == NULL)
            return NULL;
        c->next = a->chunk;
        a->chunk = c;
        a->used = 0;
        a->size = c->size;
    }
    void *p = a->chunk->data + a->used;
    a->used += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    return p != NULL ? memset(p, 0, n) : NULL;
}

char *arena_strndup(struct arena *a, const char *p, size_t n)
{
    char *copy = arena_alloc(a, n + 1);

    if (copy == NULL)
        return NULL;
    if (n != 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

struct sv arena_sv(struct arena *a, struct sv s)
{
    char *copy = arena_strndup(a, s.p, s.n);
    return copy != NULL ? sv_of(copy, s.n) : sv_of(NULL, 0);
}

struct sv arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    struct sv out = {NULL, 0};

    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *p = n >= 0 ? arena_alloc(a, (size_t)n + 1) : NULL;
    if (p != NULL) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
        out = sv_of(p, (size_t)n);
    }
    va_end(again);
    va_end(args);
    return out;
}
