#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6200-audit.t - the audit trail: what is in it, that it is one commit with the act, that a
flood of denials stays small, and that whatever is done to it in the store is found."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import store  # noqa: E402
import vdi  # noqa: E402

ME = "unix:" + __import__("pwd").getpwuid(os.geteuid()).pw_name


def audit(c, query=""):
    return c.request("GET", "/v1/audit" + query).json["audit"]


def verify(c, *more):
    code, out, err = c.run("vdictl", "audit", "--verify", *more)
    return code, out + err


def drain(c, why):
    r = c.request("PATCH", "/v1/nodes/n1", {"state": "drain", "reason": why})
    assert r.status == 200, r.text


def acts(c, s):
    anna = vdi.bearer(c.issue_token("daemon")["token"])
    bert = vdi.bearer(c.issue_token("bin")["token"])
    job = c.submit(anna)
    c.wait_state(job, "RUNNING")
    vdi.is_([e["request"] for e in audit(c)], ["token.issue"] * 2,
            "tokens for others are in the trail, a submit is not")
    drain(c, "dust")
    vdi.is_({k: audit(c)[0][k] for k in ("request", "by", "target", "status", "address", "count")},
            {"request": "node.update", "by": ME, "target": "n1", "status": 200,
             "address": "unix", "count": 1}, "so is what an administrator does")
    vdi.ok("dust" in audit(c)[0]["detail"], "with what was asked for", audit(c)[0])
    c.request("GET", f"/v1/jobs/{job}", None, bert)
    vdi.is_((audit(c)[0]["by"], audit(c)[0]["status"], audit(c)[0]["target"]),
            ("unix:bin", 404, str(job)), "a look at another's job is a denial")
    c.request("DELETE", f"/v1/jobs/{job}")
    vdi.is_((audit(c)[0]["request"], audit(c)[0]["target"]), ("job.cancel", str(job)),
            "an operator's cancel of another's job is in it")
    order = [(noun, kind) for _, noun, _, kind in s.events()]
    at = order.index(("node", "drain"))
    vdi.is_(order[at + 1], ("audit", "node.update"),
            "the record follows the act in the log: they were one transaction")
    vdi.is_([e["number"] for e in audit(c)], list(range(len(audit(c)), 0, -1)),
            "newest first, numbered without a gap")


def filters(c):
    vdi.is_({e["by"] for e in audit(c, "?user=bin")}, {"unix:bin"}, "by user")
    vdi.is_({e["request"] for e in audit(c, "?request=token.issue")}, {"token.issue"}, "by request")
    vdi.ok(all(e["status"] >= 400 for e in audit(c, "?denied=true")) and audit(c, "?denied=true"),
           "denials alone")
    one = audit(c)[2]
    vdi.is_([e["number"] for e in audit(c, f"?from={one['time']}")],
            [e["number"] for e in audit(c) if e["number"] >= one["number"]], "not before a time")
    vdi.is_([e["number"] for e in audit(c, f"?to={one['time']}")],
            [e["number"] for e in audit(c) if e["number"] < one["number"]], "before a time")
    pages, after = [], ""
    while after is not None:
        page = c.request("GET", "/v1/audit?limit=2" + (f"&after={after}" if after else "")).json
        pages += page["audit"]
        after = page["next"]
    vdi.is_(pages, audit(c), "pages give the whole")
    vdi.is_(c.request("GET", "/v1/audit?from=yesterdayish").status, 400, "a bad time is refused")
    code, out, err = c.run("vdictl", "audit", "--request=node.update", "-o", "%n|%r|%g")
    vdi.is_((code, out.splitlines()[1].split("|")[1:]), (0, ["node.update", "n1"]),
            "vdictl audit takes columns", out, err)
    code, out, err = c.run("vdictl", "audit", "--denied", "--user=bin", "--json")
    vdi.ok(code == 0 and json.loads(out)["audit"][0]["by"] == "unix:bin", "and --json", out, err)


def tamper(c, s):
    """Each way in turn; the trail is mended afterwards."""
    n = len(audit(c))
    code, text = verify(c)
    vdi.ok(code == 0 and f"{n} records, none is broken" in text, "an untouched trail is good", text)
    head = [line for line in text.splitlines() if line.startswith("head ")][0][5:]
    rows = {row["key"]: row for row in s.archive("audit")}

    changed = rows["3"]["body"].replace(b'"status":200', b'"status":204')
    s.change("audit", 3, body=changed)
    code, text = verify(c)
    vdi.ok(code == 1 and "first broken record is 3" in text, "a changed record is found", text)
    s.change("audit", 3, body=rows["3"]["body"])

    s.delete("audit", 2)
    code, text = verify(c)
    vdi.ok(code == 1 and "first broken record is 2" in text, "a removed record is found", text)
    return head, n


def reorder_and_cut(c, s, head, n):
    s.change("audit", 4, new_key=90004)
    s.change("audit", 5, new_key=4)
    s.change("audit", 90004, new_key=5)
    code, text = verify(c)
    vdi.ok(code == 1 and "broken record" in text, "reordered records are found", text)
    s.change("audit", 4, new_key=90004)
    s.change("audit", 5, new_key=4)
    s.change("audit", 90004, new_key=5)
    number = int(head.split(":")[0])
    vdi.ok(head in c.log_text() or number == n, "the head is noted in the log at stop")
    for key in range(number, n + 1):
        s.delete("audit", key)
    code, text = verify(c)
    vdi.ok(code == 1 and "missing" in text, "a trail that was cut off at its end is found", text)


def on_store(c, s, name):
    vdi.diag(name)
    acts(c, s)
    filters(c)
    before = audit(c)
    c.restart()
    vdi.is_(audit(c), before, "all of it outlives a SIGKILL")
    drain(c, "again")
    vdi.is_(audit(c)[0]["prev"], before[0]["hash"], "and the chain goes on")
    head, n = tamper(c, s)
    vdi.is_(verify(c, "--head=" + head)[0], 1, "a noted head doesn't mend it")
    reorder_and_cut(c, s, head, n)
    vdi.is_(c.run("vdictl", "audit", "--verify", "--head=7")[0], 2, "a bad --head is refused")


def flood():
    with vdi.Controller(http=True, lines=["max_connections_client = 1000"]) as c:
        connection = c.connect_tcp()
        for i in range(500):
            vdi.exchange(connection, "GET", f"/v1/jobs/{i}")
        for i in range(60):  # ever another kind: tokens that are none, other requests
            vdi.exchange(connection, "GET", ["/v1/jobs", "/v1/nodes", "/v1/qos"][i % 3],
                         headers=vdi.bearer(f"x{i}"))
        n = len(audit(c))
        vdi.ok(0 < n <= 66, f"560 denials made {n} records")
        c.end()
        c.start()
        denied = [e for e in audit(c) if e["status"] == 401]
        vdi.is_(sum(e["count"] for e in denied), 560, "and all are counted", denied)
        vdi.ok(any(e["target"] == "*" for e in denied), "what they were about is said to differ")
        code, text = verify(c)
        vdi.is_(code, 0, "the chain is good", text)


def main():
    with vdi.Controller() as c:
        on_store(c, store.sqlite(c), "sqlite")
    with store.Postgres() as pg:
        if pg.why:
            vdi.skip(pg.why, "the same in PostgreSQL")
        else:
            with vdi.Controller(store=pg.store("audit")) as c:
                on_store(c, pg.open("audit"), "pgsql")
    flood()
    vdi.done()


main()
