# SPDX-License-Identifier: Apache-2.0
"""store.py - what is in a store, seen and changed behind the controller's back.

    with store.Postgres() as pg:         # a server of its own, on a unix socket
        with vdi.Controller(store=pg.store("one")) as c: ...
    store.sqlite(c).archive("audit")     # rows as dicts; change(...), delete(...)
"""
import glob
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile

import vdi


def _table():
    rows = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
        rows.append(c)
    return rows


_CRC = _table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def row_crc(row):
    """As vdictld seals it: who changes a row with care changes this as well."""
    data = b"".join(int(row[n]).to_bytes(8, "little", signed=True)
                    for n in ("seq", "begin_usec", "end_usec", "version"))
    for name in ("noun", "key", "owner", "state"):
        data += row[name].encode() + b"\0"
    return crc32c(data + row["body"])


COLUMNS = "noun, num, key, owner, state, begin_usec, end_usec, seq, version, crc, body"


class Sqlite:
    def __init__(self, c):
        self.c = c

    def _do(self, sql, *values):
        """The controller keeps others out: it is stopped meanwhile."""
        running = self.c.process is not None
        if running:
            self.c.end()
        db = sqlite3.connect(self.c.path("vdi.db"))
        db.execute("ATTACH ? AS past", (self.c.path("vdi.db.archive"),))
        try:
            with db:
                return db.execute(sql, values).fetchall()
        finally:
            db.close()
            if running:
                self.c.start()

    def events(self):
        return self._do("SELECT seq, noun, key, type FROM event ORDER BY seq")

    def archive(self, noun):
        """What waits in vdi.db to be moved, and what lies in the archive's own file."""
        rows = self._do(f"SELECT {COLUMNS} FROM main.archive WHERE noun = ?1 UNION "
                        f"SELECT {COLUMNS} FROM past.archive WHERE noun = ?1 ORDER BY num", noun)
        return [dict(zip(COLUMNS.split(", "), row)) for row in rows]

    def change(self, noun, key, body=None, new_key=None):
        row = [r for r in self.archive(noun) if r["key"] == str(key)][0]
        row["body"] = body if body is not None else row["body"]
        row["key"] = str(new_key) if new_key is not None else row["key"]
        self._write(row, noun, str(key))

    def _write(self, row, noun, key):
        for place in ("main", "past"):
            self._do(f"UPDATE {place}.archive SET body = ?, key = ?, num = ?, crc = ? "
                     "WHERE noun = ? AND key = ?",
                     row["body"], row["key"], int(row["key"]), row_crc(row), noun, key)

    def delete(self, noun, key):
        for place in ("main", "past"):
            self._do(f"DELETE FROM {place}.archive WHERE noun = ? AND key = ?", noun, str(key))


class Psql(Sqlite):
    def __init__(self, server, name):
        super().__init__(None)
        self.server, self.name = server, name

    def _sql(self, sql):
        return self.server.psql(self.name, sql)

    def events(self):
        text = self._sql("SELECT seq, noun, key, type FROM vdi.event ORDER BY seq")
        return [(int(s), n, k, t) for s, n, k, t in (row.split("|") for row in text.splitlines())]

    def archive(self, noun):
        columns = COLUMNS.replace("body", "encode(body, 'hex')")
        text = self._sql(f"SELECT {columns} FROM vdi.archive WHERE noun = '{noun}' ORDER BY num")
        rows = []
        for line in text.splitlines():
            row = dict(zip(COLUMNS.split(", "), line.split("|")))
            row["body"] = bytes.fromhex(row["body"])
            rows.append(row)
        return rows

    def _write(self, row, noun, key):
        self._sql(f"UPDATE vdi.archive SET body = decode('{row['body'].hex()}', 'hex'), "
                  f"key = '{row['key']}', num = {int(row['key'])}, crc = {row_crc(row)} "
                  f"WHERE noun = '{noun}' AND key = '{key}'")

    def delete(self, noun, key):
        self._sql(f"DELETE FROM vdi.archive WHERE noun = '{noun}' AND key = '{key}'")


class Postgres:
    """None in a `with` when no server can be run here; `why` says why."""

    def __init__(self):
        self.process, self.why = None, None
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        self.bin = os.path.dirname(found[-1]) if found else None
        self.user = "postgres" if os.geteuid() == 0 else None
        if not self.bin:
            self.why = "no /usr/lib/postgresql/*/bin/initdb"
        elif not shutil.which("psql"):
            self.why = "psql is not installed"
        elif self.user and self.user not in [p.pw_name for p in pwd.getpwall()]:
            self.why = "root can't run a database server and there is no user postgres"

    def __enter__(self):
        if self.why:
            return self
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.mkdtemp(prefix="vdi-pg-", dir=where)
        if self.user:
            shutil.chown(self.dir, self.user)
        self._run("initdb", "-D", self.dir + "/data", "-U", "vdi", "-A", "trust", "-E", "UTF8",
                  "--no-locale", "-N")
        self.process = subprocess.Popen(
            [self.bin + "/postgres", "-D", self.dir + "/data", "-c",
             "unix_socket_directories=" + self.dir, "-c", "listen_addresses=", "-c",
             "shared_buffers=16MB", "-c", "max_wal_size=48MB"], cwd=self.dir, user=self.user,
            group=self.user, extra_groups=[] if self.user else None, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        vdi.wait_for("the database server", lambda: subprocess.run(
            ["psql", "-h", self.dir, "-U", "vdi", "-d", "postgres", "-c", "SELECT 1"],
            capture_output=True, check=False).returncode == 0)
        return self

    def __exit__(self, *what):
        if self.process:
            self.process.send_signal(signal.SIGQUIT)  # nothing is kept
            self.process.wait()
            shutil.rmtree(self.dir, ignore_errors=True)

    def _run(self, program, *args):
        subprocess.run([f"{self.bin}/{program}", *args], cwd=self.dir, user=self.user,
                       group=self.user, extra_groups=[] if self.user else None, check=True,
                       capture_output=True)

    def psql(self, database, sql):
        r = subprocess.run(["psql", "-h", self.dir, "-U", "vdi", "-d", database, "-AtqX", "-v",
                            "ON_ERROR_STOP=1"], input=sql, capture_output=True, text=True,
                           check=False)
        if r.returncode:
            raise AssertionError(r.stderr)
        return r.stdout

    def store(self, name):
        """`store =` of a new database."""
        self.psql("postgres", f"CREATE DATABASE {name}")
        return f"pgsql:host={self.dir} user=vdi dbname={name}"

    def open(self, name):
        return Psql(self, name)


def sqlite(c):
    return Sqlite(c)
