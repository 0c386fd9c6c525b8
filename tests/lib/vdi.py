# SPDX-License-Identifier: Apache-2.0
"""vdi.py - a scratch controller and its REST API, for tests in Python. No root, no GPU.

    import vdi
    with vdi.Controller(nodes=2) as c:
        status, headers, body = c.request("GET", "/v1/ping")
        vdi.is_(status, 200, "it answers")
    vdi.done()

A wait has a deadline that only a hang meets; no test depends on how long things take.
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

# Of a `make check` these have the names of all tests, and vdisubmit gives jobs its environment.
for name in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "TEST_LOGS"):
    os.environ.pop(name, None)
SRC = os.environ.get("top_srcdir") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("top_builddir") or os.path.join(SRC, "build")
DEADLINE = float(os.environ.get("VDI_DEADLINE_SEC", "120"))

# ---- TAP ----

_count = 0
_failed = 0


def diag(*text):
    for line in " ".join(str(t) for t in text).splitlines():
        print("#", line, flush=True)


def ok(condition, name, *why):
    global _count, _failed
    _count += 1
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    if not condition:
        _failed += 1
        diag(*why)
    return bool(condition)


def is_(got, want, name, *why):
    return ok(got == want, name, f"got {got!r}, expected {want!r}", *why)


def skip(reason, name):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {reason}", flush=True)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)


def need(*commands):
    for command in commands:
        if not shutil.which(command, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            skip_all(f"{command} is not installed")


def wait_for(what, condition, interval=0.02):
    """The first true value of condition(); an AssertionError at the deadline."""
    end = time.monotonic() + DEADLINE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE:.0f} s in vain for: {what}")
        time.sleep(interval)


# ---- HTTP ----

class UnixConnection(http.client.HTTPConnection):
    """uid: connects as that user (root only): the kernel tells the peer so."""

    def __init__(self, path, uid=None, timeout=DEADLINE):
        super().__init__("localhost", timeout=timeout)
        self.path, self.uid = path, uid

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if self.uid is None:
            self.sock.connect(self.path)
            return
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            self.sock.connect(self.path)
        finally:
            os.seteuid(0)
            os.setegid(0)


def free_port():
    """Below the ports of outgoing connections, which come and go on a busy machine."""
    while True:
        port = 10000 + secrets.randbelow(22000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def _encode(body):
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


class Response(tuple):
    """(status, headers, body); .json is the body read as JSON."""

    @property
    def status(self):
        return self[0]

    @property
    def headers(self):
        return self[1]

    @property
    def text(self):
        return self[2].decode()

    @property
    def json(self):
        return json.loads(self[2])


def exchange(connection, method, path, body=None, headers=None):
    try:
        connection.request(method, path, _encode(body), headers or {})
    except BrokenPipeError:
        pass  # it answered (413) before it had read everything
    r = connection.getresponse()
    return Response((r.status, r.headers, r.read()))


# ---- a munged of our own ----

class Munge:
    def __init__(self, directory):
        self.dir = os.path.join(directory, "munge")
        os.mkdir(self.dir, 0o755)
        self.socket = os.path.join(self.dir, "munge.socket")
        self.process = None
        key = os.path.join(self.dir, "key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as f:
            f.write(secrets.token_bytes(64))
        self.start()

    def start(self):
        munged = shutil.which("munged", path=os.environ["PATH"] + ":/usr/sbin")
        at = lambda name: os.path.join(self.dir, name)
        self.process = subprocess.Popen(
            [munged, "--foreground", "--force", "--socket=" + self.socket,
             "--key-file=" + at("key"), "--log-file=" + at("log"), "--pid-file=" + at("pid"),
             "--seed-file=" + at("seed")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("munged", lambda: subprocess.run(
            ["munge", "-S", self.socket, "-n"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False).returncode == 0)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def sign(self, method, path, body=b"", cluster="scratch", uid=None, ttl=60):
        payload = "\n".join(["vdi-munge-1", cluster, method, path, secrets.token_hex(16),
                             hashlib.sha256(body or b"").hexdigest(), ""])
        drop = None
        if uid is not None:
            def drop():
                os.setgid(uid)
                os.setuid(uid)
        run = subprocess.run(["munge", "-S", self.socket, "--ttl", str(ttl), "-s", payload],
                             capture_output=True, text=True, check=True, preexec_fn=drop)
        return {"Authorization": "Munge " + run.stdout.strip()}


# ---- a disk that can be full ----

class Disk:
    """A small file system; mounting needs root, and more than root in some containers."""

    def __init__(self, directory):
        self.at = os.path.join(directory, "disk")
        os.mkdir(self.at)
        self.mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "none", self.at], check=False,
            capture_output=True).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.mounted:
            subprocess.run(["umount", self.at], check=False)

    def remount(self, how):
        return subprocess.run(["mount", "-o", "remount," + how, self.at], check=False,
                              capture_output=True).returncode == 0

    def fill(self):
        with open(os.path.join(self.at, "filler"), "wb", buffering=0) as f:
            size = 1 << 16
            while size:
                try:
                    f.write(b"x" * size)
                except OSError:
                    size //= 2

    def clear(self):
        os.unlink(os.path.join(self.at, "filler"))


# ---- the controller ----

class Controller:
    def __init__(self, nodes=2, fake="boot_ms = 0", lines=(), http=False, https=False,
                 munge=False, env=None, start=True, store=None, token=True, site=None):
        self.dir = tempfile.mkdtemp(prefix="vdi.")
        os.chmod(self.dir, 0o755)
        self.unix = os.path.join(self.dir, "vdictld.sock")
        self.process = None
        self.env = dict(os.environ, **(env or {}))
        self.munge = Munge(self.dir) if munge else None
        self.port = free_port() if http else None
        self.tls_port = free_port() if https else None
        self.store = store or "sqlite:" + os.path.join(self.dir, "vdi.db")
        self.nodes, self.lines, self.token = nodes, list(lines), token
        self.site = site or f'site "fake" {{ {fake} }}'
        self.write_conf()
        if start:
            self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write_conf(self, **more):
        listen = ["unix:" + self.unix]
        lines = []
        if self.port:
            listen.append(f"http:127.0.0.1:{self.port}")
        if self.tls_port:
            listen.append(f"https:127.0.0.1:{self.tls_port}")
            lines += self._certificate()
        names = ", ".join(f'"{name}"' for name in listen)
        lines += [
            'cluster = "scratch"', f'store = "{self.store}"', f"listen = {{{names}}}",
            f'plugin_dir = "{BUILD}/plugins.d"', self.site,
            f'node "n[1-{self.nodes}]" {{ cpus = 4  memory = "8G" }}',
            f'partition "main" {{ nodes = "n[1-{self.nodes}]"  default = true  '
            f'batch_template = "batch" {more.get("partition", "")} }}',
            'template "desk" { image = "none"  vcpus = 1  memory = "1G" }',
            'template "batch" { image = "none"  vcpus = 1  memory = "1G" }',
        ]
        if self.token:
            lines.append(f'auth "token" {{ key = "{self.path("token.key")}"  create = "true" }}')
        if self.munge:
            lines.append(f'auth "munge" {{ socket = "{self.munge.socket}" }}')
        with open(self.path("vdi.conf"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines + self.lines) + "\n")

    def _certificate(self):
        cert, key = self.path("cert.pem"), self.path("key.pem")
        if not os.path.exists(cert):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                 "-keyout", key, "-out", cert], check=True, capture_output=True)
            os.chmod(key, 0o600)
        return [f'tls_cert = "{cert}"', f'tls_key = "{key}"']

    def start(self, wait=True):
        self.log = open(self.path("vdictld.log"), "ab")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "vdictld"), "--config", self.path("vdi.conf"), "--foreground"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=self.env)
        if wait:
            wait_for("an answer to /v1/ping", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("vdictld ended: " + self.log_text()[-2000:])
        try:
            return self.request("GET", "/v1/ping").status == 200
        except OSError:
            return False

    def log_text(self):
        with open(self.path("vdictld.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def end(self, signo=signal.SIGTERM):
        """The exit code as subprocess has it: negative for a signal."""
        if not self.process:
            return None
        self.process.send_signal(signo)
        code = self.process.wait(timeout=DEADLINE)
        self.process = None
        self.log.close()
        return code

    def kill(self):
        return self.end(signal.SIGKILL)

    def restart(self, signo=signal.SIGKILL):
        self.end(signo)
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        code = None
        if self.process and self.process.poll() is not None:
            diag("vdictld ended by itself:", self.log_text()[-4000:])
            self.process = None
            code = 1
        elif self.process and kind is None:
            code = self.end()
        elif self.process:
            diag(self.log_text()[-4000:])
            self.kill()
        if self.munge:
            self.munge.stop()
        log = self.log_text() if os.path.exists(self.path("vdictld.log")) else ""
        if os.environ.get("VDI_KEEP") == "1":
            diag("kept:", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if kind is None and code is not None:
            ok(code == 0 and "Sanitizer" not in log, "the controller stops in order",
               f"exit code {code}", log[-6000:])

    # ---- requests ----

    def run(self, *command, **env):
        """A command of ours, as the user who runs the test: (exit code, stdout, stderr)."""
        env = dict(os.environ, VDI_URL="unix:" + self.unix, PATH=BUILD + ":" + os.environ["PATH"],
                   **env)
        r = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, check=False)
        return r.returncode, r.stdout, r.stderr

    def connect(self, uid=None, timeout=DEADLINE):
        return UnixConnection(self.unix, uid, timeout)

    def connect_tcp(self, timeout=DEADLINE):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def connect_tls(self, timeout=DEADLINE):
        context = ssl.create_default_context(cafile=self.path("cert.pem"))
        return http.client.HTTPSConnection("127.0.0.1", self.tls_port, timeout=timeout,
                                           context=context)

    def request(self, method, path, body=None, headers=None, uid=None):
        connection = self.connect(uid)
        try:
            return exchange(connection, method, path, body, headers)
        finally:
            connection.close()

    def submit(self, headers=None, uid=None, **spec):
        r = self.request("POST", "/v1/jobs", dict({"template": "desk"}, **spec), headers, uid)
        if r.status not in (200, 201):
            raise AssertionError(f"submit: {r.status} {r.text}")
        return r.json["id"]

    def job(self, job):
        return self.request("GET", f"/v1/jobs/{job}").json

    def cancel(self, *jobs):
        """Cancels them, and waits until they are."""
        for job in jobs:
            self.request("DELETE", f"/v1/jobs/{job}")
        for job in jobs:
            self.wait_state(job, "CANCELLED")

    def wait_state(self, job, *states):
        return wait_for(f"job {job} to be {' or '.join(states)}",
                        lambda: (lambda j: j if j.get("state") in states else None)(self.job(job)))

    def issue_token(self, user=None, **ask):
        if user:
            ask["user"] = user
        r = self.request("POST", "/v1/tokens", ask)
        if r.status != 201:
            raise AssertionError(f"token: {r.status} {r.text}")
        return r.json

    def forge_token(self, **claims):
        """Signed with the controller's own key."""
        now = int(time.time())
        claims = dict({"cluster": "scratch", "realm": "unix", "name": "daemon", "uid": 1,
                       "gid": 1, "scope": "", "iat": now, "exp": now + 600,
                       "jti": secrets.token_hex(16)}, **claims)
        encode = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=")
        head = b"vdi1." + encode(json.dumps(claims, separators=(",", ":")).encode())
        with open(self.path("token.key"), "rb") as f:
            mac = hmac.new(f.read(), head, hashlib.sha256).digest()
        return (head + b"." + encode(mac)).decode()


def bearer(token):
    return {"Authorization": "Bearer " + token}
