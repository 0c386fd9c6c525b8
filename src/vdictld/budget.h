/* SPDX-License-Identifier: Apache-2.0 */
/* budget.h - how often a principal may ask: a token bucket each. */
#ifndef VDICTLD_BUDGET_H
#define VDICTLD_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget;

struct budget *budget_new(void);
void budget_free(struct budget *b);
/* Takes one request from the principal's bucket; false: none left. Buckets that are full
 * again are forgotten, so the table is bounded by who asked within burst/rate seconds. */
bool budget_take(struct budget *b, const char *who, uint32_t per_sec, uint32_t burst,
                 int64_t now_usec);

#endif
