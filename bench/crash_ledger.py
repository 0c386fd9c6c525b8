# SPDX-License-Identifier: Apache-2.0
"""crash_ledger.py - what the controller acknowledged, and whether it still holds.

A change whose answer never came may have been done or not: until a later answer settles it
both are right. Everything else must be as it was last acknowledged.
"""
import collections
import json

# Where a job of these clients may stand. Their scripts all end with 0, so another end is
# work that a crash of the controller has cost.
STATES = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "COMPLETED", "CANCELLED"}


class Entry:
    """One key and what is known of its job; sets hold all values that may be true."""

    def __init__(self, key, request, job=0):
        self.key, self.request, self.job = key, request, job
        self.held = {bool(request.get("hold"))}
        self.comment = {request.get("comment", "")}
        self.cancelled = {False}
        self.version = 0  # counts up with every change that is asked for

    def ask(self, what, value):
        """From now on it may be so."""
        getattr(self, what).add(value)
        self.version += 1

    def settle(self, what, value):
        """It was acknowledged: it is so."""
        setattr(self, what, {value})
        self.version += 1

    def refuse(self, what, value):
        """It was refused, at the first try: it is not so."""
        values = getattr(self, what)
        if len(values) > 1:
            values.discard(value)
        self.version += 1

    def to_json(self):
        members = {k: sorted(getattr(self, k)) for k in ("held", "comment", "cancelled")}
        return json.dumps({"key": self.key, "id": self.job, "request": self.request, **members})

    @classmethod
    def from_json(cls, line):
        read = json.loads(line)
        entry = cls(read["key"], read["request"], read["id"])
        for name in ("held", "comment", "cancelled"):
            setattr(entry, name, set(read[name]))
        return entry


def wrong_with(entry, doc):
    """A sentence about what was acknowledged and is not so, or None."""
    state = doc["state"]
    cancelled = state == "CANCELLED" or doc.get("final") == "CANCELLED"
    for name in ("template", "time_limit_sec", "cpus", "kind"):
        if name in entry.request and doc.get(name) != entry.request[name]:
            return f"{name} is {doc.get(name)!r}, not {entry.request[name]!r}"
    if doc.get("script_bytes") != len(entry.request["script"]):
        return f"its script has {doc.get('script_bytes')} bytes"
    if (doc.get("comment") or "") not in entry.comment:
        return f"comment is {doc.get('comment')!r}, not of {entry.comment}"
    if cancelled not in entry.cancelled:
        return f"it is {state}; cancelled: {entry.cancelled}"
    if state not in STATES:
        return f"it ended as {state} ({doc.get('reason')})"
    if cancelled:
        return None
    if state == "PENDING" and bool(doc.get("held_by_user")) not in entry.held:
        return f"held_by_user is {doc.get('held_by_user')}, not of {entry.held}"
    if state != "PENDING" and entry.held == {True}:
        return f"it is {state} though it is held"
    return None


class Ledger:
    def __init__(self):
        self.entries = []
        self.lost, self.reused, self.duplicates = set(), set(), set()

    def find(self, which, entry, text, tell):
        """Counts each key once."""
        if entry not in which:
            which.add(entry)
            tell(text)

    def check(self, entry, status, doc, tell):
        """Compares one acknowledged job with what the controller says of its id."""
        who = f"job {entry.job} ({entry.key})"
        if status != 200:
            self.find(self.lost, entry.key, f"lost: {who}: {status} {doc}", tell)
        elif doc.get("name") != entry.key:
            self.find(self.reused, entry.key, f"reused: {who} is now of key {doc.get('name')}", tell)
        else:
            wrong = wrong_with(entry, doc)
            if wrong:
                self.find(self.lost, entry.key, f"lost: {who}: {wrong}", tell)

    def check_ids(self, tell):
        """No id was acknowledged to two keys, no key got two ids."""
        of_id, of_key = collections.defaultdict(set), collections.defaultdict(set)
        for entry in self.entries:
            of_id[entry.job].add(entry.key)
            of_key[entry.key].add(entry.job)
        for job, keys in of_id.items():
            if len(keys) > 1:
                self.find(self.reused, job, f"reused: job {job} for {sorted(keys)}", tell)
        for key, jobs in of_key.items():
            if len(jobs) > 1:
                self.find(self.duplicates, key, f"duplicate: {key} has {sorted(jobs)}", tell)

    def check_list(self, rows, tell):
        """rows: (id, name, instance) of all jobs there are, archive included."""
        of_key = collections.defaultdict(set)
        for job, name, _ in rows:
            of_key[name].add(job)
        for key, jobs in of_key.items():
            if len(jobs) > 1:
                self.find(self.duplicates, key, f"duplicate: {key} has {sorted(jobs)}", tell)

    def check_journal(self, lines, instances, tell):
        """Nothing was started twice, and nothing for a job that does not know it."""
        starts = collections.Counter(tuple(line.split()[:2]) for line in lines
                                     if line.rstrip().endswith(" start"))
        for (instance, generation), n in starts.items():
            if n > 1:
                self.find(self.duplicates, f"{instance}.{generation}",
                          f"duplicate: instance {instance}.{generation} was started {n} times", tell)
            if instances is not None and int(instance) not in instances:
                self.find(self.duplicates, f"{instance}.{generation}",
                          f"duplicate: instance {instance}.{generation} is of no job", tell)
        return sum(starts.values())

    def summary(self, kills):
        return (f"kills={kills} acked={len(self.entries)} lost={len(self.lost)} "
                f"reused={len(self.reused)} duplicates={len(self.duplicates)}")

    def is_clean(self):
        return not (self.lost or self.reused or self.duplicates)
