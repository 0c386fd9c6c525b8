/* SPDX-License-Identifier: Apache-2.0 */
/* str.c - strings: comparing, copying within limits, numbers, durations and sizes. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool str_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (; len && *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == len && !memcmp(list, word, len))
            return true;
    return false;
}

bool str_copy(char *dst, size_t size, const char *src)
{
    if (size == 0)
        return false;
    size_t len = strnlen(src, size);
    bool whole = len < size;
    if (!whole)
        for (len = size - 1; len && ((unsigned char)src[len] & 0xc0) == 0x80; len--)
            ; /* no half of a letter */
    memcpy(dst, src, len);
    dst[len] = '\0';
    return whole;
}

char *str_printf(const char *format, ...)
{
    char *s;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&s, format, ap);
    va_end(ap);
    return n < 0 ? NULL : s;
}

/* ---- numbers ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits; stops at the first other byte. -EINVAL: none; -ERANGE: over max. */
static int scan_u64(const char **s, uint64_t max, uint64_t *ret)
{
    const char *p = *s;
    uint64_t value = 0;
    if (!is_digit(*p))
        return -EINVAL;
    bool over = false;
    for (; is_digit(*p); p++) {
        unsigned digit = (unsigned)(*p - '0');
        over = over || value > (UINT64_MAX - digit) / 10;
        if (!over)
            value = value * 10 + digit;
    }
    *s = p;
    if (over || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    int r = scan_u64(&s, max, &value);
    if (r == -EINVAL || *s)
        return -EINVAL;
    if (r < 0 || value < min)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *s == '-';
    uint64_t size = 0;
    uint64_t limit = (uint64_t)INT64_MAX + (negative ? 1 : 0);
    int r = str_to_u64(s + negative, 0, limit, &size);
    if (r < 0)
        return r;
    int64_t value = negative ? (int64_t)(0 - size) : (int64_t)size;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int str_to_mib(const char *s, uint64_t max_mib, uint64_t *ret_mib)
{
    uint64_t value = 0;
    int r = scan_u64(&s, UINT64_MAX, &value);
    if (r == -EINVAL)
        return r;
    static const char letters[] = "KMGT";
    const char *unit = *s ? strchr(letters, *s & ~0x20) : "M";
    if (!unit || !*unit || (*s && s[1]))
        return -EINVAL;
    if (r < 0)
        return r;
    uint64_t mib = value;
    if (*unit == 'K')
        mib = value / 1024 + (value % 1024 != 0);
    else if (*unit != 'M') {
        unsigned shift = *unit == 'G' ? 10 : 20;
        if (value > UINT64_MAX >> shift)
            return -ERANGE;
        mib = value << shift;
    }
    if (mib > max_mib)
        return -ERANGE;
    *ret_mib = mib;
    return 0;
}

/* ---- durations ---- */

/* Some 317 years: far beyond every limit, and safe to add to an instant in microseconds. */
#define DURATION_MAX_SEC UINT64_C(10000000000)

/* The number before each ':' of "A:B:C". Returns how many (1..max), or negative. */
static int scan_fields(const char **s, unsigned max, uint64_t ret[])
{
    for (unsigned n = 0; n < max; n++) {
        int r = scan_u64(s, DURATION_MAX_SEC, &ret[n]);
        if (r < 0)
            return r;
        if (**s != ':')
            return (int)n + 1;
        ++*s;
    }
    return -EINVAL;
}

static uint64_t unit_sec(const char *s, uint64_t bare_unit_sec)
{
    if (!*s)
        return bare_unit_sec;
    if (s[1])
        return 0;
    return *s == 's' ? 1 : *s == 'm' ? 60 : *s == 'h' ? 3600 : *s == 'd' ? 86400 : 0;
}

int str_to_duration_sec(const char *s, int64_t bare_unit_sec, int64_t *ret_sec)
{
    uint64_t days = 0, f[3] = {0}, sec;
    int n = scan_fields(&s, 3, f);
    if (n == 1 && *s == '-') {
        days = f[0];
        memset(f, 0, sizeof(f));
        s++;
        n = scan_fields(&s, 3, f);
        sec = f[0] * 3600 + f[1] * 60 + f[2];
    } else if (n == 1) {
        uint64_t unit = unit_sec(s, (uint64_t)bare_unit_sec);
        if (unit == 0)
            return -EINVAL;
        sec = f[0] > DURATION_MAX_SEC / unit ? UINT64_MAX : f[0] * unit;
        s = "";
    } else
        sec = n == 2 ? f[0] * 60 + f[1] : f[0] * 3600 + f[1] * 60 + f[2];
    if (n < 0)
        return n;
    if (*s)
        return -EINVAL;
    if (days > DURATION_MAX_SEC / 86400 || sec > DURATION_MAX_SEC - days * 86400)
        return -ERANGE;
    *ret_sec = (int64_t)(days * 86400 + sec);
    return 0;
}

const char *str_from_duration_sec(int64_t sec, char *buf)
{
    if (sec < 0)
        snprintf(buf, 32, "INVALID");
    else if (sec >= 86400)
        snprintf(buf, 32, "%lld-%02d:%02d:%02d", (long long)(sec / 86400),
                 (int)(sec % 86400 / 3600), (int)(sec % 3600 / 60), (int)(sec % 60));
    else if (sec >= 3600)
        snprintf(buf, 32, "%d:%02d:%02d", (int)(sec / 3600), (int)(sec % 3600 / 60),
                 (int)(sec % 60));
    else
        snprintf(buf, 32, "%d:%02d", (int)(sec / 60), (int)(sec % 60));
    return buf;
}

/* ---- texts ---- */

bool str_is_name(const char *s, size_t max)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n > 0 && n <= max && !s[n] && *s != '.' && *s != '-';
}

unsigned str_utf8(const char *s, size_t len, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s;
    if (len == 0)
        return 0;
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > len || p[0] >= 0xf8)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *ret = c;
    return n;
}

bool str_is_text(const char *s, size_t len, bool lines)
{
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        unsigned n = str_utf8(s + i, len - i, &c);
        if (n == 0)
            return false;
        bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
        if (control && !(lines && (c == '\n' || c == '\t')))
            return false;
        i += n;
    }
    return true;
}

bool str_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    volatile unsigned char differs = 0;
    for (size_t i = 0; i < a_len; i++)
        differs |= (unsigned char)(a[i] ^ b[i]);
    return differs == 0;
}

void str_to_hex(const void *bytes, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        *ret++ = digits[p[i] >> 4];
        *ret++ = digits[p[i] & 15];
    }
    *ret = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_from_hex(const char *s, size_t n, void *ret)
{
    unsigned char *p = ret;
    if (strnlen(s, 2 * n + 1) != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        p[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
