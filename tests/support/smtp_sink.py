"""A mail server that keeps what it is given: exactly as it was on the wire."""

import ssl
import threading

from support.acceptor import Acceptor
from support.waiting import wait_for


class Delivery:
    """One accepted message."""

    def __init__(self, session):
        self.mail = session.mail             # "MAIL FROM:<…> …", as received
        self.recipients = session.recipients  # "RCPT TO:<…> …", as received
        self.wire = session.wire             # the DATA bytes before the final dot, still dot-stuffed
        self.tls = session.tls               # "TLSv1.3", or None
        self.greeting = session.greeting

    @property
    def content(self):
        """The message: without dot-stuffing (RFC 5321 §4.5.2)."""
        content = self.wire.replace(b"\r\n..", b"\r\n.")
        return content[1:] if content.startswith(b"..") else content

    def sender(self):
        return _path(self.mail)

    def addresses(self):
        return [_path(line) for line in self.recipients]


def _path(line):
    return line.split("<", 1)[1].split(">", 1)[0]


class _Hangup(Exception):
    pass


class _Session:
    def __init__(self, sink, connection):
        self.sink = sink
        self.connection = connection
        self.file = connection.makefile("rb")
        self.tls = None
        self.greeting = ""
        self.reset()

    def reset(self):
        self.mail = None
        self.recipients = []
        self.wire = b""

    def say(self, *lines):
        for number, line in enumerate(lines):
            code, text = line[:3], line[4:]
            mark = " " if number == len(lines) - 1 else "-"
            self.connection.sendall(f"{code}{mark}{text}\r\n".encode())

    def answer(self, stage, line, usual):
        """The usual reply, unless the sink's fault has another for this stage; returns whether it is a good one."""
        reply = self.sink.fault(stage, line) if self.sink.fault else None
        if reply == "hang up":
            raise _Hangup
        self.say(reply or usual)
        return (reply or usual)[0] in "23"

    def run(self):
        if not self.answer("connect", "", "220 sink ESMTP"):
            return
        while line := self.file.readline():
            self.sink.transcript.append(line)
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text.split(" ", 1)[0].upper()
            if verb in ("EHLO", "HELO"):
                self.reset()
                self.greeting = text
                offers = ["250 sink", "250 8BITMIME", "250 SMTPUTF8", "250 DSN", "250 PIPELINING",
                          "250 ENHANCEDSTATUSCODES"]
                if self.sink.tls_context and not self.tls:
                    offers.append("250 STARTTLS")
                self.say(*offers)
            elif verb == "STARTTLS" and self.sink.tls_context:
                self.say("220 ready")
                self.connection = self.sink.tls_context.wrap_socket(self.connection, server_side=True)
                self.file = self.connection.makefile("rb")
                self.tls = self.connection.version()
                self.reset()
            elif verb == "MAIL":
                if self.answer("mail", text, "250 2.1.0 ok"):
                    self.mail = text
            elif verb == "RCPT":
                if self.mail is None:
                    self.say("503 5.5.1 no MAIL")
                elif self.answer("rcpt", text, "250 2.1.5 ok"):
                    self.recipients.append(text)
            elif verb == "DATA":
                if not self.recipients:
                    self.say("503 5.5.1 no recipients")
                elif self.answer("data", text, "354 go on"):
                    self.read_data()
            elif verb == "RSET":
                self.reset()
                self.say("250 2.0.0 ok")
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def read_data(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                # What came of a message that never ended has left the building, too.
                self.sink.unfinished.append(b"".join(lines))
                raise _Hangup
            if line == b".\r\n":
                break
            lines.append(line)
        self.wire = b"".join(lines)
        delivery = Delivery(self)
        # Kept before the reply: whoever saw the reply finds it here.
        reply = self.sink.fault("dot", "") if self.sink.fault else None
        if reply == "hang up":
            self.sink.unfinished.append(self.wire)
            raise _Hangup
        if reply is None or reply[0] == "2":
            self.sink.keep(delivery)
        else:
            self.sink.unfinished.append(self.wire)
        self.reset()
        self.say(reply or "250 2.0.0 kept")


class SmtpSink:
    """Listens on a loopback address of its own. `fault(stage, line)` may return another reply ("451 …"), "hang up", or
    None; the stages are connect, mail, rcpt, data and dot."""

    def __init__(self, tls=None):
        self.tls_context = None
        if tls:
            self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls_context.load_cert_chain(*map(str, tls))
        self.fault = None
        self.deliveries = []
        self.unfinished = []
        self.transcript = []
        self._lock = threading.Lock()
        self._acceptor = Acceptor(self._serve)
        self.host, self.port = self._acceptor.endpoint

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self._acceptor.close()

    def _serve(self, connection):
        session = _Session(self, connection)
        try:
            session.run()
        except (_Hangup, OSError, ValueError):
            pass
        finally:
            session.connection.close()  # another one than `connection` once TLS has begun

    def keep(self, delivery):
        with self._lock:
            self.deliveries.append(delivery)

    def from_sender(self, sender):
        with self._lock:
            return [delivery for delivery in self.deliveries if delivery.sender() == sender]

    def wait_for(self, sender, seconds=60.0, diagnosis=None):
        """The one message with that reverse-path."""
        def what():
            came = [delivery.mail for delivery in self.deliveries[-5:]]
            said = b"".join(self.transcript[-30:]).decode("utf-8", "replace")
            return f"a message from {sender}; the last that came: {came}\n{said}\n" + (diagnosis() if diagnosis else "")
        return wait_for(lambda: self.from_sender(sender), what, seconds)[0]

    def everything(self):
        """All bytes of all messages that came, finished or not."""
        with self._lock:
            return b"\n".join([delivery.wire for delivery in self.deliveries] + self.unfinished)
