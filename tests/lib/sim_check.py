#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sim_check.py - do the jobs and seats of a replay obey the laws of their GPUs?

    sim_check.py STARTS.csv SEATS.csv LAW PROFILE=INSTANCES[:SIZE]... [SLOTS]
    sim_check.py --closed WINDOWS.csv JOBS.csv STARTS.csv SEATS.csv

Reads what vdisim wrote and shares nothing with it: at every instant, of each GPU, what lies on
it is looked at pair by pair. LAW is homogeneous or mixed (SIZE of SLOTS slots each). A job
without a profile has the GPU alone. A job on several nodes has as many GPUs on each, of different
nodes, and in all what it asked for. Prints one line per breach, and the number of intervals on
one node.

The second form looks at nodes that are closed for windows of time instead: WINDOWS.csv has node,
from_s, to_s, name (of a reservation), users (who may use it, joined by ';') and, where it draws
them, draws (not empty); JOBS.csv is the trace.
Nobody is on a node in a window that is closed to him, and who names a reservation is in one window
of it from begin to end. Prints the same.
"""
import csv
import sys


def is_spread(row):
    nodes, gpus = row["node"].split(";"), row["gpus"].split(";")
    counts = [len(g.split(",")) if g else 0 for g in gpus]
    return (len(set(nodes)) == len(nodes) == len(gpus) and len(set(counts)) == 1
            and 0 <= sum(counts) - int(row["units"]) < len(nodes))


def intervals(starts, seats):
    for row in csv.DictReader(open(starts, newline="")):
        who, begin, end = row["origin_id"], float(row["from_s"]), float(row["end_s"])
        if not is_spread(row):
            print(f"{who}: not spread over nodes as asked for: {row['node']} {row['gpus']}")
        for node, gpus in zip(row["node"].split(";"), row["gpus"].split(";")):
            if gpus:
                yield node, gpus, begin, end, who
    for row in csv.DictReader(open(seats, newline="")):
        yield row["node"], row["gpus"], float(row["start_s"]), float(row["end_s"]), "class " + row["class_id"]


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def check_closed(windows, jobs, starts, seats):
    asks = {j["origin_id"]: (j.get("reservation", ""), j.get("user", "")) for j in rows(jobs)}
    closed = [(w["node"], float(w["from_s"]), float(w["to_s"]), w["name"], w["users"].split(";"),
               w.get("draws"))
              for w in rows(windows)]
    there = [(node, float(r["from_s"]), float(r["end_s"]), r["origin_id"], *asks[r["origin_id"]])
             for r in rows(starts) for node in r["node"].split(";")]
    there += [(r["node"], float(r["from_s"]), float(r["end_s"]), "class " + r["class_id"], "", "")
              for r in rows(seats)]
    for node, begin, end, who, name, user in there:
        inside = not name
        for where, opens, shuts, of, users, draws in closed:
            if where != node or not (opens < end and begin < shuts):
                continue
            mine = (name == of or (draws and not name)) and user in users
            inside |= name == of and mine and opens <= begin and end <= shuts
            if not mine:
                print(f"{who} is on {node} {begin}-{end}: closed for {of} {opens}-{shuts}")
        if not inside:
            print(f"{who} is on {node} {begin}-{end}: not within {name}")
    print(len(there))


def breach(law, sizes, on):
    """on: (profile, slot, who) of all that lie on one GPU at one instant."""
    profiles = {p for p, _, _ in on}
    if law == "homogeneous":
        if len(profiles) > 1:
            return "several profiles"
        if len(on) > sizes[on[0][0]][0]:
            return "more than its instances"
        return None
    taken = set()
    for profile, slot, _ in on:
        size = sizes[profile][1]
        mine = set(range(slot * size, (slot + 1) * size))  # places are counted in their own size
        if max(mine) >= int(sys.argv[-1]):
            return "beyond the card"
        if taken & mine:
            return "two in one place"
        taken |= mine
    return None


def main():
    if sys.argv[1] == "--closed":
        check_closed(*sys.argv[2:6])
        return
    starts, seats, law = sys.argv[1:4]
    sizes = {}
    for word in sys.argv[4:]:
        if "=" in word:
            name, _, rest = word.partition("=")
            instances, _, size = rest.partition(":")
            sizes[name] = (int(instances), int(size or 1))
    gpus = {}
    n = 0
    for node, held, begin, end, who in intervals(starts, seats):
        profile, _, places = held.partition(":")
        n += 1
        for place in places.split(","):
            gpu, _, slot = place.partition("@")
            gpus.setdefault((node, gpu), []).append((begin, end, profile, int(slot or 0), who))
    for where, all_of_it in sorted(gpus.items()):
        for at in sorted({b for b, e, *_ in all_of_it if e > b}):
            on = [(p, s, w) for b, e, p, s, w in all_of_it if b <= at < e]
            fault = breach(law, sizes, on)
            if fault:
                print(f"{where} at {at}: {fault}: {on}")
    print(n)


main()
