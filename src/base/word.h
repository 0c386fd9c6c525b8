/* SPDX-License-Identifier: Apache-2.0 */
/*
 * word.h - strings that many objects share: each text is kept once, and counted.
 *
 * For what repeats in thousands of objects: owners, partitions, templates, paths. A word
 * is an ordinary constant string; equal words are the same pointer. "" costs nothing.
 * Any thread may get and give back; the text of a word never changes.
 */
#ifndef BASE_WORD_H
#define BASE_WORD_H

/* The word of this text with one reference more; NULL: no memory. NULL is taken as "". */
const char *word_get(const char *text);
/* One reference more of what word_get gave. */
const char *word_ref(const char *word);
void word_unref(const char *word); /* takes NULL */
/* Gives a member that holds a word (or NULL) another text. -ENOMEM: it is as before. */
int word_set(const char **member, const char *text);

#endif
