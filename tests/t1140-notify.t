#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t1140-notify.t - what owners are told by mail and webhook, through kills and failing mailers."""
import hashlib
import hmac
import http.server
import json
import os
import pwd
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402

SECRET = b"a secret of more than 16 bytes"
ME = pwd.getpwuid(os.geteuid()).pw_name
MAILER = """#!/bin/sh
# Keeps each mail and its words in a file of its own; fails, or hangs, when told to.
dir=$(dirname "$0")
cat > "$dir/tmp.$$"
[ -e "$dir/hang" ] && { echo "$$" >> "$dir/hung"; exec sleep 600; }
[ -e "$dir/code" ] && { rm "$dir/tmp.$$"; echo x >> "$dir/failed"; exit "$(cat "$dir/code")"; }
{ echo "ARGV $*"; cat "$dir/tmp.$$"; } > "$dir/new.$$"
rm "$dir/tmp.$$"
mv "$dir/new.$$" "$dir/mail.$(date +%s%N).$$"
"""


class Post(http.server.BaseHTTPRequestHandler):
    got, status = [], 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Post.got.append((dict(self.headers), body))
        self.send_response(Post.status)
        self.end_headers()

    def log_message(self, *args):
        pass


class Lab(vdi.Controller):
    def __init__(self, lines=(), **more):
        super().__init__(start=False, **more)
        self.spool = self.path("mail")
        os.mkdir(self.spool)
        with open(self.spool + "/sendmail", "w", encoding="utf-8") as f:
            f.write(MAILER)
        os.chmod(self.spool + "/sendmail", 0o755)
        self.lines = [f'mail_program = "{self.spool}/sendmail"',
                      'mail_from = "vdi@example.org"', *lines]
        self.write_conf()
        self.start()

    def mails(self):
        return [open(f"{self.spool}/{name}", encoding="utf-8").read()
                for name in sorted(os.listdir(self.spool)) if name.startswith("mail.")]

    def subjects(self, job):
        return [line.split(") ", 1)[1] for mail in self.mails() for line in mail.splitlines()
                if line.startswith(f"Subject: job {job} (")]

    def put(self, name, text=""):
        with open(f"{self.spool}/{name}", "w", encoding="utf-8") as f:
            f.write(text)

    def take(self, name):
        os.unlink(f"{self.spool}/{name}")

    def lines_of(self, name):
        path = f"{self.spool}/{name}"
        return open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []

    def diag(self, name):
        return self.request("GET", "/v1/diag").json[name]


def submit(c, mail_type, words="exit=0", **spec):
    return c.submit(template="batch", script="#!/bin/sh\n#FAKE " + words + "\n",
                    mail_type=mail_type, **spec)


def header(mail, name):
    return next(line.split(": ", 1)[1] for line in mail.split("\n\n")[0].splitlines()
                if line.startswith(name + ": "))


def without_a_way():
    with vdi.Controller() as c:
        code, out, err = c.run("vdisubmit", "--mail-type=END", "--wrap", "true")
        vdi.ok(code == 1 and "mail_program" in err, "without a way to tell, --mail-type is refused "
               "with what to set", str(code), out, err)
        code, out, err = c.run("vdisubmit", "--mail-type=NONE", "--wrap", "true")
        vdi.is_(code, 0, "--mail-type=NONE is taken", out, err)


def types(c):
    job = submit(c, "ALL", name="train\u2028Bcc: eve@example.org \u00e4")
    vdi.wait_for("the end's mail", lambda: len(c.subjects(job)) == 2)
    vdi.is_(c.subjects(job), ["has begun", "has ended: COMPLETED"], "begin and end are told")
    mail = [m for m in c.mails() if f"job {job} " in m][0]
    vdi.is_(mail.splitlines()[0], f"ARGV -i -f vdi@example.org -- {ME}",
            "the mailer's words are fixed, the address behind --")
    head = mail.split("\n\n")[0].splitlines()[1:]
    vdi.is_([line.split(":")[0] for line in head],
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
             "Content-Type", "Content-Transfer-Encoding"], "a job's name adds no header", mail)
    ids = [header(m, "Message-ID") for m in c.mails()]
    vdi.is_(len(ids), len(set(ids)), "each has an id of its own")

    job = submit(c, "FAIL,END", "exit=3")
    vdi.wait_for("its mail", lambda: c.subjects(job))
    vdi.is_(c.subjects(job), ["has failed: FAILED"], "of an end one notice is sent")
    vdi.ok("exit      3\n" in [m for m in c.mails() if f"job {job} " in m][0],
           "which says with what code")

    quiet = submit(c, "")
    c.wait_state(quiet, "COMPLETED")
    begun = submit(c, "BEGIN")
    vdi.wait_for("its mail", lambda: c.subjects(begun))
    c.wait_state(begun, "COMPLETED")
    vdi.is_((c.subjects(quiet), c.subjects(begun)), ([], ["has begun"]),
            "what was not asked for is not told")


def users(c):
    post = lambda **spec: c.request("POST", "/v1/jobs", dict(
        {"template": "desk", "hold": True, "mail_type": "END"}, **spec))
    for address, status in ((ME, 201), ("eve", 403), ("eve@example.com", 403), ("x@lab.org", 201),
                            ("x@LAB.org", 201), ("x@not.lab.org", 403), ("-oQ/tmp@lab.org", 400),
                            ("a b@lab.org", 400), ("a@lab.org\nBcc: b@lab.org", 400),
                            ('"a"@lab.org', 400), ("a@@lab.org", 400), ("a,b@lab.org", 400),
                            ("a" * 255, 400)):
        r = post(mail_user=address)
        vdi.ok(r.status in ((400, 422) if status == 400 else (status,)),
               f"mail_user {address[:20]!r} is " + ("taken" if status == 201 else "refused"),
               str(r.status), r.text)
    r = c.request("POST", "/v1/jobs", {"template": "desk", "mail_user": ME})
    vdi.ok(r.status >= 400 and "mail_type" in r.text, "mail_user alone is refused", r.text)


def limits(c):
    job = submit(c, "TIME_LIMIT,TIME_LIMIT_50,TIME_LIMIT_90,END", "exit=0 after_ms=600000",
                 time_limit_sec=4)
    c.wait_state(job, "TIMEOUT")
    vdi.wait_for("its mails", lambda: len(c.subjects(job)) == 4)
    vdi.is_(sorted(c.subjects(job)),
            sorted(["has used 50 % of its time limit", "has used 90 % of its time limit",
                    "has reached its time limit", "has ended: TIMEOUT"]),
            "shares of the limit, the limit and the end are told once each")


def killed(c):
    """Between the end and the mail: the mailer hangs while the controller is killed."""
    c.put("hang")
    job = submit(c, "END")
    c.wait_state(job, "COMPLETED")
    vdi.wait_for("the mailer to hang", lambda: c.lines_of("hung"))
    vdi.is_(c.subjects(job), [], "the mail is not out yet")
    c.kill()
    for pid in c.lines_of("hung"):
        try:
            os.kill(int(pid), 9)
        except ProcessLookupError:
            pass
    c.take("hang")
    c.start()
    vdi.wait_for("the mail", lambda: c.subjects(job))
    vdi.is_(c.subjects(job), ["has ended: COMPLETED"], "a kill before the mail loses none")
    vdi.wait_for("it to be written down", lambda: c.diag("notices_waiting") == 0)
    before = len(c.mails())
    c.restart()
    other = submit(c, "END")
    vdi.wait_for("another mail", lambda: c.subjects(other))
    vdi.is_((len(c.mails()), c.subjects(job)), (before + 1, ["has ended: COMPLETED"]),
            "a kill after it repeats none")


def failing(c):
    c.put("code", "75")
    job = submit(c, "END")
    vdi.wait_for("a failed try", lambda: c.lines_of("failed"))
    vdi.wait_for("the log to say it", lambda: "is tried again" in c.log_text())
    vdi.is_((c.subjects(job), c.diag("notices_waiting")), ([], 1), "a mailer that fails: it waits")
    c.take("code")
    vdi.wait_for("the next try", lambda: c.subjects(job))
    vdi.is_(c.subjects(job), ["has ended: COMPLETED"], "when it works again the mail goes out")
    vdi.wait_for("it to be written down", lambda: c.diag("notices_waiting") == 0)
    c.put("code", "67")
    job = submit(c, "END")
    vdi.wait_for("it to be given up", lambda: c.diag("notices_given_up") == 1)
    c.take("code")
    vdi.ok(f"notice {job}.END." in c.log_text() and "is given up" in c.log_text(),
           "an address that nobody has is given up at once, and the log tells")


def webhook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Post)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    c = vdi.Controller(start=False)
    secret = c.path("secret")
    with open(secret, "wb") as f:
        f.write(SECRET + b"\n")
    os.chmod(secret, 0o600)
    c.lines = [f'webhook = "http://127.0.0.1:{server.server_address[1]}/hook"',
               f'webhook_secret_file = "{secret}"']
    c.write_conf()
    with c:
        c.start()
        Post.status = 503
        job = submit(c, "END", name="a \"name\"")
        vdi.wait_for("a post", lambda: Post.got)
        Post.status = 204
        c.restart()
        vdi.wait_for("another", lambda: len(Post.got) >= 2)
        headers, body = Post.got[-1]
        want = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        vdi.is_(headers.get("X-OSVDI-Signature"), want, "the body is signed", str(headers))
        document = json.loads(body)
        vdi.is_({m: document.get(m) for m in ("type", "id", "state", "notice", "name", "cluster",
                                               "exit_code")},
                {"type": "end", "id": job, "state": "COMPLETED", "notice": "END",
                 "name": "a \"name\"", "cluster": "scratch", "exit_code": 0},
                "it is the event's document and what the notice is", body.decode())
        vdi.is_(len({h["Idempotency-Key"] for h, _ in Post.got}), 1,
                "after a refusal and a kill it comes again with the same key")
        vdi.wait_for("it to be written down",
                     lambda: c.request("GET", "/v1/diag").json["notices_waiting"] == 0)
        r = c.request("POST", "/v1/jobs", {"template": "desk", "mail_type": "END",
                                           "mail_user": "x@lab.org"})
        vdi.ok(r.status >= 400, "an address needs a mailer", r.text)
        vdi.ok(SECRET.decode() not in c.log_text(), "the secret is not in the log")
        n = len(Post.got)
        os.chmod(secret, 0o644)
        submit(c, "END")
        vdi.wait_for("the log", lambda: "nobody else reads" in c.log_text())
        vdi.is_(len(Post.got), n, "a key that others can read signs nothing")
    server.shutdown()


def main():
    without_a_way()
    with Lab(lines=['mail_to = {"own", "@lab.org"}']) as c:
        types(c)
        users(c)
        limits(c)
        killed(c)
        failing(c)
    webhook()
    vdi.done()


main()
