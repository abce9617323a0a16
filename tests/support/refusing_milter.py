"""A milter that refuses recipients at RCPT, and minds nothing else: a greylist, a quota, a list of people who have left."""

import struct
import threading

from support.acceptor import Acceptor

# Sendmail's libmilter/mfdef.h, protocol version 6.
NEGOTIATE, MACROS, RECIPIENT, END_OF_MESSAGE, QUIT = b"O", b"D", b"R", b"E", b"Q"
ABORT, NEW_CONNECTION = b"A", b"K"
CONTINUE, REPLY_CODE = b"c", b"y"
# No CONNECT, HELO, MAIL, body, header, end of header, unknown command, DATA.
STEPS_LEFT_OUT = 0x1 | 0x2 | 0x4 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200


class RefusingMilter:
    """Listens on TCP. `refused` are the addresses that get `reply`; `asked` are all that it was asked about, in order."""

    def __init__(self, *refused, reply="550 5.7.1 nobody writes to them"):
        self.refused = set(refused)
        self.reply = reply
        self.asked = []
        self._lock = threading.Lock()
        self._acceptor = Acceptor(self._serve)
        self.host, self.port = self._acceptor.endpoint

    @property
    def in_main_cf(self):
        return f"inet:{self.host}:{self.port}"

    @property
    def in_sendmail_mc(self):
        return f"inet:{self.port}@{self.host}"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._acceptor.close()

    def _serve(self, connection):
        file = connection.makefile("rb")
        try:
            while size := file.read(4):
                packet = file.read(struct.unpack(">I", size)[0])
                command, data = packet[:1], packet[1:]
                if command == QUIT:
                    return
                answer = self._answer(command, data)
                if answer:
                    connection.sendall(struct.pack(">I", len(answer)) + answer)
        except (OSError, struct.error):
            pass

    def _answer(self, command, data):
        if command in (MACROS, ABORT, NEW_CONNECTION):
            return b""
        if command == NEGOTIATE:
            version, _, steps = struct.unpack(">III", data[:12])
            return NEGOTIATE + struct.pack(">III", min(version, 6), 0, steps & STEPS_LEFT_OUT)
        if command == RECIPIENT:
            address = data.split(b"\0", 1)[0].decode().strip("<>")
            with self._lock:
                self.asked.append(address)
            if address in self.refused:
                return REPLY_CODE + self.reply.encode() + b"\0"
        return CONTINUE
