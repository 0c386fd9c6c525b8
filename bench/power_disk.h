/* SPDX-License-Identifier: Apache-2.0 */
/* power_disk.h - what a disk may hold when the power goes. */
#ifndef BENCH_POWER_DISK_H
#define BENCH_POWER_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes into `dir` (emptied first) one of the states that the first n_ops calls may
 * have left: what was synced, whole; of the rest, sectors of 512 bytes kept or dropped
 * by themselves, in their order or not, and names the same way. With `no_sync` no
 * call to sync counts. Deterministic in *seed, which goes on.
 */
void power_disk_write(const char *dir, size_t n_ops, bool no_sync, uint64_t *seed);
uint32_t power_draw(uint64_t *seed, uint32_t below);

#endif
