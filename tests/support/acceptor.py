"""A listening socket with a thread for each connection: what the servers of the tests are made of."""

import socket
import threading

from support.places import free_endpoint


class Acceptor:
    """Calls `serve(connection)` in a thread of its own for every connection; the connection is closed afterwards."""

    def __init__(self, serve):
        self._serve = serve
        self._open = set()
        self.endpoint = free_endpoint()
        self._listener = socket.create_server(self.endpoint, backlog=500)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        # The thread has to be gone before the descriptor is: a later listener may get the same number.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in list(self._open):
            hang_up(connection)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        self._open.add(connection)
        try:
            self._serve(connection)
        finally:
            self._open.discard(connection)
            hang_up(connection)
            connection.close()


def hang_up(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
