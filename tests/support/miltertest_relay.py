"""Between miltertest(8) and a milter. miltertest reads every packet into 1024 octets without looking at its size, and a replaced
body comes in larger ones: the relay cuts those. It offers to leave out stages and replies, and stops where a milter takes that
up: the relay takes some of these offers away, as an older MTA would. Everything else passes as it is."""

import socket
import struct
import threading

PIECE = 512
# SMFIP_NOEOH, SMFIP_NODATA, SMFIP_NR_RCPT, SMFIP_NR_BODY (Sendmail's mfdef.h)
OFFERS_NOT_MADE = 0x40 | 0x200 | 0x8000 | 0x80000
LARGEST = 1000


class MiltertestRelay:
    """Listens at `path` and hands every connection on to the milter at `target`."""

    def __init__(self, path, target):
        self.path, self.target = str(path), str(target)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(50)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def close(self):
        # The thread has to be gone before the descriptor is: another socket may get the same number.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            threading.Thread(target=_run, args=(_copy, near, far), daemon=True).start()
            threading.Thread(target=_run, args=(_cut, far, near), daemon=True).start()


def _run(work, source, target):
    try:
        work(source, target)
    except OSError:
        pass
    finally:
        # The end of one direction is the end of both, as it is without a relay.
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _copy(source, target):
    """The first packet is the negotiation: 'O', version, actions, steps."""
    file = source.makefile("rb")
    head = file.read(4)
    packet = file.read(struct.unpack("!I", head)[0]) if len(head) == 4 else b""
    if packet[:1] == b"O" and len(packet) >= 13:
        steps, = struct.unpack("!I", packet[9:13])
        packet = packet[:9] + struct.pack("!I", steps & ~OFFERS_NOT_MADE) + packet[13:]
    target.sendall(head + packet)
    while octets := file.read1(65536):
        target.sendall(octets)


def _cut(source, target):
    file = source.makefile("rb")
    while len(head := file.read(4)) == 4:
        packet = file.read(struct.unpack("!I", head)[0])
        if packet[:1] != b"b":
            if len(packet) > LARGEST:
                raise OSError("miltertest cannot read that")
            target.sendall(head + packet)
            continue
        body = packet[1:]
        for at in range(0, max(len(body), 1), PIECE):
            piece = body[at:at + PIECE]
            target.sendall(struct.pack("!I", len(piece) + 1) + b"b" + piece)
