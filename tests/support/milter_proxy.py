"""A proxy between an MTA and a milter: a test does something at a chosen packet of the milter's."""

import shutil
import socket
import struct
import threading

from support.acceptor import hang_up
from support.milter import GROUP, USER

# What a milter sends at the end of a message: Sendmail's libmilter/mfdef.h.
ADD_FIELD, CHANGE_FIELD, BODY_PIECE, CONTINUE, DISCARD = b"h", b"m", b"b", b"c", b"d"


class MilterProxy:
    """Listens at `path` and passes everything on to the milter at `target`. `fault(code)` is called before a packet of the
    milter goes to the MTA; `code` is its first octet. Where it returns something true, both connections end: that packet, and
    what would follow, is never sent."""

    def __init__(self, path, target):
        self.target = target
        self.fault = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o660)
        shutil.chown(path, USER, GROUP)
        self._socket.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        # accept() does not notice that its descriptor is closed.
        hang_up(self._socket)
        self._thread.join()
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, mta):
        with mta, socket.socket(socket.AF_UNIX) as milter:
            try:
                milter.connect(str(self.target))
            except OSError:
                return  # no milter: the MTA sees its connection end
            back = threading.Thread(target=self._answers, args=(milter, mta), daemon=True)
            back.start()
            try:
                while octets := mta.recv(65536):
                    milter.sendall(octets)
            except OSError:
                pass
            hang_up(milter)
            back.join()

    def _answers(self, milter, mta):
        try:
            with milter.makefile("rb") as stream:
                while len(head := stream.read(4)) == 4:
                    packet = stream.read(struct.unpack(">I", head)[0])
                    if self.fault and self.fault(packet[:1]):
                        break
                    mta.sendall(head + packet)
        except (OSError, struct.error):
            pass
        hang_up(milter)
        hang_up(mta)
