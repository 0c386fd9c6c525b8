#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""replan.py - conservative backfill on one pool of equal units, planned anew at every instant.

An oracle for vdisim, written to be checked by eye: at each instant first all ends, then all
arrivals, then every waiting job in order of arrival takes the earliest hole that running jobs
(by their limits) and the jobs before it leave; those whose hole is now start.

    replan.py TRACE.csv CAPACITY COLUMN [LIMIT]     prints origin_id,start_s

A job has COLUMN units (rounded up), a limit of walltime_s (else its duration), and is cut there.
"""
import bisect
import csv
import heapq
import math
import sys


def hole(times, free, now, size, length):
    """Earliest start >= now with `size` units free for `length`; takes them."""
    k = bisect.bisect_right(times, now) - 1
    start = now
    while True:
        end = start + length
        i = k
        while i < len(times) and times[i] < end and free[i] >= size:
            i += 1
        if i == len(times) or times[i] >= end:
            break
        k = i + 1
        while free[k] < size:
            k += 1
        start = times[k]
    for at in (start, end):
        i = bisect.bisect_left(times, at)
        if i == len(times) or times[i] != at:
            times.insert(i, at)
            free.insert(i, free[i - 1])
    for i in range(bisect.bisect_left(times, start), bisect.bisect_left(times, end)):
        free[i] -= size
    return start


def profile(now, capacity, running):
    """Steps of what is free from now on; a job at its limit ends in this instant or the next."""
    used = sum(size for _, _, size in running)
    times, free = [now], [capacity - used]
    for _, limit, size in sorted(running, key=lambda r: r[1]):
        if limit <= now:
            limit = now + 1
        if times[-1] != limit:
            times.append(limit)
            free.append(free[-1])
        free[-1] += size
    return times, free


def simulate(jobs, capacity):
    ends, running, queue, start, p = [], {}, [], {}, 0
    while p < len(jobs) or ends:
        now = min([jobs[p][0]] if p < len(jobs) else [ends[0][0]], [ends[0][0]] if ends else [1 << 62])[0]
        while ends and ends[0][0] == now:
            del running[heapq.heappop(ends)[1]]
        while p < len(jobs) and jobs[p][0] == now:
            queue.append(p)
            p += 1
        times, free = profile(now, capacity, running.values())
        waiting = []
        for i in queue:
            _, size, run, limit = jobs[i]
            if hole(times, free, now, size, limit) == now:
                start[i] = now
                running[i] = (i, now + limit, size)
                heapq.heappush(ends, (now + run, i))
            else:
                waiting.append(i)
        queue = waiting
    return start


def main():
    path, capacity, column = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    most = int(sys.argv[4]) if len(sys.argv) > 4 else 1 << 62
    jobs, ids = [], []
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            size = math.ceil(float(row[column] or 0) - 1e-9)
            if not 0 < size <= capacity or len(jobs) == most:
                continue
            limit = int(row["walltime_s"] or 0) or max(1, int(row["duration_s"]))
            jobs.append((int(row["submit_s"]), size, min(int(row["duration_s"]), limit), limit))
            ids.append(row["origin_id"])
    order = sorted(range(len(jobs)), key=lambda i: (jobs[i][0], i))
    start = simulate([jobs[i] for i in order], capacity)
    print("origin_id,start_s")
    for place in range(len(order)):
        print(f"{ids[order[place]]},{start[place]}")


if __name__ == "__main__":
    main()
