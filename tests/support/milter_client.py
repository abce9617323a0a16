"""The MTA's side of the milter protocol, byte for byte: for what a real MTA or miltertest would not say."""

import socket
import struct

ACTIONS = 0x1FF
STEPS = 0x1FFFFF

CONTINUE, REPLY, TEMPFAIL, REJECT, DISCARD, ACCEPT = b"c", b"y", b"t", b"r", b"d", b"a"


class Hangup(Exception):
    """The milter closed the connection."""


class Result:
    """The answer to the end of a message, with the changes that came before it."""

    def __init__(self):
        self.verdict = None
        self.reply = None        # "552 5.3.4 …"
        self.header_changes = []  # (index, name, value)
        self.header_additions = []
        self.edits = []          # all of them in order: ("change", index, name, value), ("add", name, value), ("body",)
        self.body = None

    def final_values(self, fields):
        """The header section as the MTA would have it: [(name, value)]."""
        kept = [list(field) for field in fields]
        for index, name, value in self.header_changes:
            same = [field for field in kept if field[0].lower() == name.lower()]
            if index <= len(same):
                if value:
                    same[index - 1][1] = value
                else:
                    kept.remove(same[index - 1])
        return [tuple(field) for field in kept] + self.header_additions


class MilterClient:
    """One connection. The steps of a message are methods; the caller decides on their order."""

    def __init__(self, place, timeout=60.0):
        """The path of a Unix socket, or address and port."""
        if isinstance(place, tuple):
            self.socket = socket.create_connection(place, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(place))
        self.steps = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, command, data=b""):
        self.send_raw(struct.pack("!I", len(data) + 1) + command + data)

    def send_raw(self, octets):
        self.socket.sendall(octets)

    def receive(self):
        head = self._exactly(4)
        packet = self._exactly(struct.unpack("!I", head)[0])
        return packet[:1], packet[1:]

    def _exactly(self, count):
        octets = b""
        while len(octets) < count:
            try:
                piece = self.socket.recv(count - len(octets))
            except ConnectionError as error:
                raise Hangup from error
            if not piece:
                raise Hangup
            octets += piece
        return octets

    def ask(self, command, data=b"", left_out=0, no_reply=0):
        """Sends, and returns the verdict and its data. Where the steps `left_out` or `no_reply` (Sendmail's mfdef.h) were
        agreed on, the command is not sent, or has no reply."""
        if self.steps & left_out:
            return CONTINUE, b""
        self.send(command, data)
        return (CONTINUE, b"") if self.steps & no_reply else self.receive()

    def negotiate(self, actions=ACTIONS, steps=STEPS):
        command, data = self.ask(b"O", struct.pack("!III", 6, actions, steps))
        assert command == b"O", command
        self.version, self.actions, self.steps = struct.unpack("!III", data[:12])
        return data[12:]

    def macros(self, stage, **values):
        self.send(b"D", stage + b"".join(_zero_terminated(name) + _zero_terminated(value)
                                         for name, value in values.items()))

    def connect(self, name="localhost", address="127.0.0.1"):
        return self.ask(b"C", _zero_terminated(name) + b"4" + struct.pack("!H", 4711) + _zero_terminated(address))

    def begin(self):
        """Negotiation, connection and greeting."""
        self.negotiate()
        assert self.connect()[0] == CONTINUE
        assert self.ask(b"H", _zero_terminated("client"))[0] == CONTINUE

    def mail(self, path, *parameters):
        return self.ask(b"M", b"".join(map(_zero_terminated, (path, *parameters))))

    def rcpt(self, path, *parameters):
        return self.ask(b"R", b"".join(map(_zero_terminated, (path, *parameters))), no_reply=0x8000)  # SMFIP_NR_RCPT

    def data(self):
        return self.ask(b"T", left_out=0x200)  # SMFIP_NODATA

    def header(self, name, value):
        return self.ask(b"L", _zero_terminated(name) + _zero_terminated(value), no_reply=0x80)  # SMFIP_NR_HDR

    def end_of_header(self):
        return self.ask(b"N", left_out=0x40)  # SMFIP_NOEOH

    def body(self, chunk):
        return self.ask(b"B", chunk, no_reply=0x80000)  # SMFIP_NR_BODY

    def abort(self):
        self.send(b"A")

    def end(self):
        """End of message: everything up to the verdict."""
        result = Result()
        self.send(b"E")
        while True:
            command, data = self.receive()
            if command == b"m":
                index, = struct.unpack("!I", data[:4])
                name, value, _ = data[4:].split(b"\0")
                result.header_changes.append((index, name, value))
                result.edits.append(("change", index, name, value))
            elif command == b"h":
                name, value, _ = data.split(b"\0")
                result.header_additions.append((name, value))
                result.edits.append(("add", name, value))
            elif command == b"b":
                result.body = (result.body or b"") + data
                result.edits.append(("body",))
            elif command == b"p":
                continue
            else:
                result.verdict = command
                if command == REPLY:
                    result.reply = data.rstrip(b"\0").decode("utf-8", "replace")
                return result

    def message(self, sender, recipients, fields, chunks):
        """A whole message; `fields` as (name, value) with the value's leading space, `chunks` of the body."""
        assert self.mail(sender)[0] == CONTINUE
        for recipient in recipients:
            assert self.rcpt(recipient)[0] == CONTINUE
        assert self.data()[0] == CONTINUE
        for name, value in fields:
            assert self.header(name, value)[0] == CONTINUE
        assert self.end_of_header()[0] == CONTINUE
        for chunk in chunks:
            assert self.body(chunk)[0] == CONTINUE
        return self.end()


def _zero_terminated(text):
    return (text if isinstance(text, bytes) else text.encode()) + b"\0"
