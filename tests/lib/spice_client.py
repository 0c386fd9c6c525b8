#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""spice_client.py - one connection of Debian's SPICE client library, for tests.

    spice_client.py HOST PORT|- TLS-PORT|- CA-FILE|- SUBJECT|- <PASSWORD

Prints "picture WIDTHxHEIGHT" and ends with 0 as soon as there is a picture; "refused EVENT", with
the library's name of the event (error-auth, error-tls, error-connect ...), and 1 otherwise.
"""
import sys

import gi

gi.require_version("SpiceClientGLib", "2.0")
from gi.repository import GLib, GObject, SpiceClientGLib as Spice  # noqa: E402

TIMEOUT_SEC = 100


# The library has a connect() of its own.
on = GObject.Object.connect


class Client:
    def __init__(self, words):
        host, port, tls_port, ca, subject = (None if w == "-" else w for w in words)
        self.loop = GLib.MainLoop()
        self.code = 1
        self.session = s = Spice.Session()
        s.set_property("host", host)
        s.set_property("port", port)
        s.set_property("tls-port", tls_port)
        s.set_property("password", sys.stdin.readline().rstrip("\n"))
        s.set_property("ca-file", ca)
        if subject:
            s.set_property("cert-subject", subject)
            s.set_property("verify", Spice.SessionVerify.SUBJECT)
        on(s, "channel-new", self.on_channel)

    def end(self, text, code):
        print(text)
        self.code = code
        self.loop.quit()

    def on_channel(self, session, channel):
        on(channel, "channel-event", self.on_event)
        if isinstance(channel, Spice.DisplayChannel):
            on(channel, "display-primary-create", self.on_picture)
            channel.connect()

    def on_event(self, channel, event):
        if event.value_nick.startswith("error") or event == Spice.ChannelEvent.CLOSED:
            self.end(f"refused {event.value_nick}", 1)

    def on_picture(self, channel, form, width, height, *rest):
        self.end(f"picture {width}x{height}", 0)

    def run(self):
        GLib.timeout_add_seconds(TIMEOUT_SEC, self.end, "refused timeout", 1)
        if not self.session.connect():
            return self.code
        self.loop.run()
        return self.code


sys.exit(Client(sys.argv[1:]).run())
