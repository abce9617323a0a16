"""A proxy in front of a reinjection listener that breaks things at a chosen moment."""

import socket
import threading

from support.acceptor import Acceptor


class Cut(Exception):
    """Both connections are to be closed now."""


class SmtpProxy:
    """Passes SMTP conversations on to `target`, host and port, one line at a time.

    `fault(copy, moment)` is called at every moment of every conversation; `copy` counts the conversations since reset(),
    from 0. Before a command is passed on, `moment` is its verb in lower case ("connect", "ehlo", "mail", "rcpt", "data",
    "dot"); before the server's answer is passed back, the verb with "-answered". It may return a reply, which the client
    gets instead of the server's; raise Cut; do anything else, such as killing somebody, and return None.

    `change(copy, what, octets)` may put something else in place of what the client says: of a command, `what` is its verb,
    and `octets` may become several commands, of which the client sees the last reply; of the content behind DATA, "content",
    without the final dot.

    STARTTLS and PIPELINING are not offered through it: moments would have no order.
    """

    def __init__(self, target):
        self.target = target
        self.fault = None
        self.change = None
        self._copies = 0
        self._lock = threading.Lock()
        self._acceptor = Acceptor(self._serve)
        self.endpoint = self._acceptor.endpoint

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self._acceptor.close()

    def reset(self, fault=None, change=None):
        with self._lock:
            self.fault = fault
            self.change = change
            self._copies = 0

    def _serve(self, client):
        with self._lock:
            copy, fault, change = self._copies, self.fault, self.change
            self._copies += 1
        try:
            moments = _Moments(copy, fault, change)
            if moments.before("connect", client):
                with socket.create_connection(self.target) as server:
                    _Conversation(client, server, moments).run()
        except (Cut, OSError, ValueError):
            pass


class _Moments:
    def __init__(self, copy, fault, change):
        self.copy, self.fault, self._change = copy, fault, change

    def before(self, verb, client):
        """False where the client got a reply that was not the server's."""
        reply = self.fault(self.copy, verb) if self.fault else None
        if reply:
            client.sendall(reply.encode() + b"\r\n")
        return not reply

    def changed(self, what, octets):
        return self._change(self.copy, what, octets) if self._change else octets


class _Conversation:
    def __init__(self, client, server, moments):
        self.client, self.server, self.moments = client, server, moments
        self.from_client, self.from_server = client.makefile("rb"), server.makefile("rb")

    def run(self):
        self.answer("connect")
        while line := self.from_client.readline():
            verb = line.split()[0].decode().lower() if line.split() else ""
            if not self.moments.before(verb, self.client):
                continue
            *first, last = self.moments.changed(verb, line).splitlines(True)
            for more in first:
                self.server.sendall(more)
                self.hear()
            self.server.sendall(last)
            if self.answer(verb) == b"354":
                self.content()

    def content(self):
        lines = []
        while line := self.from_client.readline():
            if line == b".\r\n":
                self.server.sendall(self.moments.changed("content", b"".join(lines)))
                if self.moments.before("dot", self.client):
                    self.server.sendall(line)
                    self.answer("dot")
                    return
                raise Cut  # the server waits for the end of a message that was refused in its name
            lines.append(line)
        raise Cut

    def hear(self):
        lines = []
        while True:
            line = self.from_server.readline()
            if not line:
                raise Cut
            lines.append(line)
            if line[3:4] != b"-":
                return lines

    def answer(self, verb):
        lines = [line for line in self.hear()
                 if verb != "ehlo" or line[4:].strip().upper() not in (b"STARTTLS", b"PIPELINING")]
        lines[-1] = lines[-1][:3] + b" " + lines[-1][4:]
        if self.moments.before(f"{verb}-answered", self.client):
            self.client.sendall(b"".join(lines))
        return lines[-1][:3]
