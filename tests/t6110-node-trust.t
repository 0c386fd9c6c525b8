#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""t6110-node-trust.t - a node that is no longer trusted loses its link at the next reconfigure.

The nodes are bare TLS clients that have said hello and been welcomed.
"""
import json
import os
import secrets
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import vdi  # noqa: E402


def enroll(c, pki, port, node):
    os.mkdir(c.path(node), 0o700)
    conf = os.path.join(c.path(node), "vdid.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f'node = "{node}"\ncluster = "scratch"\ncontroller = "127.0.0.1:{port}"\n')
        for what, name in (("ca_file", "ca.crt"), ("cert_file", "crt"), ("key_file", "key")):
            f.write(f'{what} = "{c.path(node)}/{name}"\n')
    token = c.request("POST", f"/v1/nodes/{node}/enroll").json["token"]
    subprocess.run([os.path.join(vdi.BUILD, "vdid"), "--config", conf, "--enroll"],
                   input=token.encode(), check=True, capture_output=True)


class Node:
    def __init__(self, c, port, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(os.path.join(c.path(name), "ca.crt"))
        context.load_cert_chain(os.path.join(c.path(name), "crt"), os.path.join(c.path(name), "key"))
        self.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), vdi.DEADLINE))
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.send({"type": "hello", "protocol": {"min": 1, "max": 1}, "node": name,
                   "boot_id": "0" * 36, "version": "test", "time": at,
                   "stream": secrets.token_hex(16), "first": 1})

    def send(self, message):
        text = json.dumps(message).encode()
        self.sock.sendall(struct.pack(">I", len(text)) + text)

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def until(self, kind):
        """The next message of that kind; None: the link is closed."""
        while True:
            try:
                m = json.loads(self.read(struct.unpack(">I", self.read(4))[0]))
            except (EOFError, OSError):
                return None
            if m["type"] == kind:
                return m

    def lives(self):
        self.send({"type": "heartbeat", "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
        return self.until("heartbeat") is not None


def main():
    port = vdi.free_port()
    c = vdi.Controller(nodes=3, start=False)
    pki = c.path("pki")
    vdictl = os.path.join(vdi.BUILD, "vdictl")
    subprocess.run([vdictl, "pki", "init", pki, "scratch"], check=True, capture_output=True)
    c.lines = [f'node_listen = "127.0.0.1:{port}"', f'pki_dir = "{pki}"']
    c.write_conf()
    with c:
        c.start()
        nodes = {}
        for name in ("n1", "n2", "n3"):
            enroll(c, pki, port, name)
            nodes[name] = Node(c, port, name)
            vdi.ok(nodes[name].until("welcome"), f"{name} is welcome")
        run = subprocess.run([vdictl, "pki", "revoke", pki, "n1"], capture_output=True, text=True,
                             check=False)
        vdi.is_((run.returncode, run.stdout.split(";")[0]), (0, "n1: 1 certificate revoked"),
                "n1's certificate is revoked", run.stderr)
        vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "reconfigure")
        vdi.is_(nodes["n1"].until("none"), None, "its link ends")
        vdi.ok(nodes["n2"].lives() and nodes["n3"].lives(), "the others' do not")
        try:
            again = Node(c, port, "n1").until("welcome")
        except OSError:
            again = None
        vdi.is_(again, None, "it is not let in again")
        run = subprocess.run([vdictl, "pki", "revoke", pki, "n9"], capture_output=True, text=True,
                             check=False)
        vdi.is_(run.returncode, 3, "there is no certificate of an unknown node", run.stderr)

        c.nodes = 2
        c.write_conf()
        vdi.is_(c.request("POST", "/v1/reconfigure", {}).status, 200, "n3 is taken out of vdi.conf")
        bye = nodes["n3"].until("bye")
        vdi.ok(bye and "no longer in vdi.conf" in bye["reason"], "it is told so", bye)
        vdi.is_(nodes["n3"].until("none"), None, "and its link ends")
        vdi.ok(nodes["n2"].lives(), "the one that is left is still there")
        bye = Node(c, port, "n3").until("bye")
        vdi.ok(bye and "not in vdi.conf" in bye["reason"], "n3 is not let in again", bye)
    vdi.done()


main()
