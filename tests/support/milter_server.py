"""A milter of the tests' own: it lets everything through, but for what a test has it do at a chosen moment."""

import shutil
import socket
import struct
import threading

from support.milter import GROUP, USER

NEGOTIATE, CONNECT, HELO, MAIL, RCPT, DATA, HEADER, END_OF_HEADER, BODY, END, ABORT, MACROS, QUIT, NEXT = \
    b"O", b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E", b"A", b"D", b"Q", b"K"
SILENT = (ABORT, MACROS, NEXT)


class Gone(Exception):
    """The connection is to be closed now."""


class MilterServer:
    """Listens at `path`. `fault(moment, data)` is called for every command that has an answer ("mail", "rcpt", "end", …); it
    may return a reply ("451 4.7.1 not now"), raise Gone, wait, or return None. Version 6 of the protocol, no steps agreed: the
    MTA asks everything and waits for each answer."""

    MOMENTS = {CONNECT: "connect", HELO: "helo", MAIL: "mail", RCPT: "rcpt", DATA: "data", HEADER: "header",
               END_OF_HEADER: "end-of-header", BODY: "body", END: "end"}

    def __init__(self, path, fault=None):
        self.path, self.fault = path, fault
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o660)  # Sendmail takes no socket that everybody may write to
        shutil.chown(path, USER, GROUP)
        self._socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while len(head := stream.read(4)) == 4:
                    packet = stream.read(struct.unpack(">I", head)[0])
                    if packet[:1] == QUIT:
                        return
                    self._answer(connection, packet[:1], packet[1:])
            except (Gone, OSError):
                pass

    def _answer(self, connection, command, data):
        if command == NEGOTIATE:
            return self._say(connection, NEGOTIATE + struct.pack(">III", 6, 0, 0))
        if command in SILENT:
            return None
        reply = self.fault(self.MOMENTS.get(command, "other"), data) if self.fault else None
        return self._say(connection, b"y" + reply.encode() + b"\0" if reply else b"c")

    @staticmethod
    def _say(connection, packet):
        connection.sendall(struct.pack(">I", len(packet)) + packet)
