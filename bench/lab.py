# SPDX-License-Identifier: Apache-2.0
"""lab.py - a controller to measure: started from the build tree, in a directory of its own.

What the programs of bench/ share: the configuration, start, kill and stop of vdictld, a
PostgreSQL for store/pgsql, plain requests, the machine's description, medians.
"""
import glob
import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Skip(Exception):
    """What is missing, in a sentence."""


def build_dir(given=None):
    """Where vdictld was built: as given, here, or in build/ of the source tree."""
    for place in [given, os.environ.get("top_builddir"), ".", os.path.join(TOP, "build")]:
        if place and os.access(os.path.join(place, "vdictld"), os.X_OK):
            return os.path.abspath(place)
    raise Skip("vdictld is not built; make it, or name the build tree with --build")


def machine():
    """One line: what the figures were measured on, and what else it did meanwhile."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as f:
        gib = int(f.readline().split()[1]) / 2**20
    load = os.getloadavg()
    return (f"{os.cpu_count()} x {models[0] if models else os.uname().machine}, {gib:.0f} GiB, "
            f"{os.uname().sysname} {os.uname().release}, load {load[0]:.1f} {load[1]:.1f}")


def commit():
    run = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"],
                         capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"


def spread(values):
    """'median (least-most)' for people."""
    def short(x):
        return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"
    return f"{short(statistics.median(values))} ({short(min(values))}-{short(max(values))})"


class Postgres:
    """A server of its own: a unix socket, no port, removed at the end."""

    def __init__(self, home):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        if not found:
            raise Skip("no PostgreSQL server; install postgresql")
        self.bin = os.path.dirname(found[-1])
        self.home = home
        self.user = {}
        if os.geteuid() == 0:
            who = pwd.getpwnam("postgres")
            self.user = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        os.mkdir(home, 0o755)
        if self.user:
            os.chown(home, self.user["user"], self.user["group"])
        self._tool("initdb", "-D", home + "/data", "-U", "vdi", "-A", "trust", "-E", "UTF8",
                   "--no-locale")
        with open(home + "/log", "wb") as log:
            self.server = subprocess.Popen(
                [self.bin + "/postgres", "-D", home + "/data", "-c",
                 "unix_socket_directories=" + home, "-c", "listen_addresses="],
                stdout=log, stderr=log, cwd=home, **self.user)
        self.dsn = f"host={home} user=vdi dbname=vdi"
        for _ in range(600):
            if not self._try("createdb", "-h", home, "-U", "vdi", "vdi"):
                return
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL does not answer; see " + home + "/log")

    def _try(self, tool, *args):
        return subprocess.run([os.path.join(self.bin, tool), *args], cwd=self.home, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              **self.user).returncode

    def _tool(self, tool, *args):
        if self._try(tool, *args):
            raise RuntimeError(tool + " failed")

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=120):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Controller:
    """vdictld in a fresh directory (or one that was kept)."""

    def __init__(self, build, home=None, store="sqlite", keep=False):
        self.build, self.keep, self.store = build, keep, store
        self.home = home or tempfile.mkdtemp(prefix="vdi.")
        self.socket = self.home + "/vdictld.sock"
        self.conf = self.home + "/vdi.conf"
        self.proc = self.postgres = None
        if store == "pgsql":
            os.chmod(self.home, 0o755)
            self.postgres = Postgres(self.home + "/pg")

    def configure(self, nodes=10, cpus=64, site="", partition="", lines=()):
        where = f"pgsql:{self.postgres.dsn}" if self.postgres else f"sqlite:{self.home}/vdi.db"
        width = len(str(nodes))
        names = f"n[{1:0{width}}-{nodes}]" if nodes > 1 else "n1"
        text = [
            'cluster = "bench"', f'store = "{where}"', f'listen = {{"unix:{self.socket}"}}',
            f'plugin_dir = "{self.build}/plugins.d"',
            f'auth "token" {{ key = "{self.home}/token.key"  create = "true" }}',
            'max_jobs = 2000000', 'max_jobs_user = 2000000',
            'requests_per_sec = 1000000', 'requests_burst = 1000000',
            f'site "fake" {{ {site} }}',
            f'node "{names}" {{ cpus = {cpus}  memory = "512G"'
            '  gpu "NVIDIA A40" { count = 4 } }',
            f'partition "main" {{ nodes = "{names}"  default = true  batch_template = "batch"'
            f'  {partition} }}',
            'template "desk" { image = "none"  vcpus = 4  memory = "8G"  gpus = 1 }',
            'template "batch" { image = "none"  vcpus = 1  memory = "1G" }', *lines,
        ]
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write("\n".join(text) + "\n")

    def start(self, wait=True):
        with open(self.home + "/vdictld.log", "ab") as log:
            self.proc = subprocess.Popen(
                [self.build + "/vdictld", "--config", self.conf, "--foreground"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self.wait_ready() if wait else 0.0

    def wait_ready(self, deadline_sec=300):
        """Seconds until it answers /v1/ping."""
        begin = time.monotonic()
        while time.monotonic() < begin + deadline_sec:
            if self.proc.poll() is not None:
                raise RuntimeError("vdictld ended: " + self.log_tail())
            try:
                if self.get("/v1/ping"):
                    return time.monotonic() - begin
            except OSError:
                time.sleep(0.002)
        raise RuntimeError("vdictld does not answer: " + self.log_tail())

    def log_tail(self):
        with open(self.home + "/vdictld.log", "rb") as f:
            return f.read()[-2000:].decode(errors="replace")

    def request(self, method, path, body=None):
        """(status, parsed document); OSError when nobody answers."""
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"} if body is not None else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except http.client.HTTPException as e:
            raise OSError(str(e)) from e
        finally:
            connection.close()

    def get(self, path):
        status, document = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {document}")
        return document

    def rss_kib(self):
        with open(f"/proc/{self.proc.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))

    def cpu_sec(self):
        with open(f"/proc/{self.proc.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        """Orderly; the exit code."""
        self.proc.terminate()
        return self.proc.wait()

    def close(self):
        if self.proc and self.proc.poll() is None:
            self.kill()
        if self.postgres:
            self.postgres.stop()
        if not self.keep:
            shutil.rmtree(self.home, ignore_errors=True)
