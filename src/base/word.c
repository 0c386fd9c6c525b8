/* SPDX-License-Identifier: Apache-2.0 */
/*
 * word.c - shared strings.
 *
 * Kept: a word is in the pool exactly while it has references. The pool is the process's
 * own, as the heap is: whoever shares a word need not know with whom.
 */
#include "base/word.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct word {
    uint32_t refs;
    char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hash *words; /* NULL while there are none */
static const char none[1];

static struct word *word_of(const char *text)
{
    return (struct word *)(uintptr_t)(text - offsetof(struct word, text));
}

static struct word *word_new(const char *text)
{
    size_t size = strlen(text) + 1;
    struct word *word = malloc(sizeof(*word) + size);

    if (!words)
        words = hash_new_str();
    if (!word || !words) {
        free(word);
        return NULL;
    }
    word->refs = 0;
    memcpy(word->text, text, size);
    if (hash_put(words, word->text, word) < 0) {
        free(word);
        return NULL;
    }
    return word;
}

static void word_free(struct word *word)
{
    hash_remove(words, word->text);
    free(word);
    if (hash_count(words))
        return;
    hash_free(words);
    words = NULL;
}

const char *word_get(const char *text)
{
    struct word *word;

    if (!text || !*text)
        return none;
    pthread_mutex_lock(&lock);
    word = words ? hash_get(words, text) : NULL;
    if (!word)
        word = word_new(text);
    if (word)
        word->refs++;
    pthread_mutex_unlock(&lock);
    return word ? word->text : NULL;
}

const char *word_ref(const char *word)
{
    if (!word || !*word)
        return none;
    pthread_mutex_lock(&lock);
    word_of(word)->refs++;
    pthread_mutex_unlock(&lock);
    return word;
}

void word_unref(const char *word)
{
    if (!word || !*word)
        return;
    pthread_mutex_lock(&lock);
    if (!--word_of(word)->refs)
        word_free(word_of(word));
    pthread_mutex_unlock(&lock);
}

int word_set(const char **member, const char *text)
{
    const char *word = word_get(text);

    if (!word)
        return -ENOMEM;
    word_unref(*member);
    *member = word;
    return 0;
}
