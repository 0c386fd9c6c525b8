/* SPDX-License-Identifier: Apache-2.0 */
/* str.h - strings: comparing, copying within limits, numbers, durations and sizes. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool str_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static inline bool str_is_empty(const char *s)
{
    return !s || !*s;
}

bool str_starts_with(const char *s, const char *prefix);
/* Is the word, which is not empty, one of those that commas part? */
bool str_list_has(const char *list, const char *word);
/* Copies with truncation; always terminates. Returns false when it had to cut. */
bool str_copy(char *dst, size_t size, const char *src);
char *str_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Whole-string numbers. -EINVAL: not a number; -ERANGE: outside [min, max]. */
int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
/* "16G", "512M", "4096" (MiB) -> MiB. Rounds up. */
int str_to_mib(const char *s, uint64_t max_mib, uint64_t *ret_mib);
/* "90", "90s", "15m", "4h", "2d", and Slurm's "MM", "MM:SS", "HH:MM:SS", "D-HH[:MM[:SS]]".
 * A bare number is in `bare_unit_sec` seconds (60 for --time, 1 in vdi.conf). */
int str_to_duration_sec(const char *s, int64_t bare_unit_sec, int64_t *ret_sec);
/* Slurm's "D-HH:MM:SS" or "MM:SS"; buf of 32. */
const char *str_from_duration_sec(int64_t sec, char *buf);
/* Printable ASCII name: [A-Za-z0-9._-], 1..max bytes, no leading '.' or '-'. */
bool str_is_name(const char *s, size_t max);
/* Length of the valid UTF-8 sequence at s and its code point; 0: there is none. */
unsigned str_utf8(const char *s, size_t len, uint32_t *ret);
/* Valid UTF-8 without control characters (newline and tab allowed when `lines`). */
bool str_is_text(const char *s, size_t len, bool lines);
/* Equal in constant time for equal lengths. */
bool str_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len);
/* Lower-case hex of n bytes into ret (2n+1). */
void str_to_hex(const void *bytes, size_t n, char *ret);
/* The 2n digits of either case at s as n bytes; false: there are others, or not so many. */
bool str_from_hex(const char *s, size_t n, void *ret);

#endif
