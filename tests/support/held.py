"""A keyring that somebody else holds on to."""

import os
import sqlite3


class Held:
    """Holds the keyring in an exclusive lock, so that the milter stands still where it wants to look something up."""

    def __init__(self, path):
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("BEGIN EXCLUSIVE")
        # In WAL mode readers are only kept out by a lock on the whole file.
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("BEGIN EXCLUSIVE")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._connection.execute("ROLLBACK")
        self._connection.close()


def has_open(pid, path):
    """Whether the process has the file, or one of SQLite's beside it, open."""
    folder = f"/proc/{pid}/fd"
    try:
        links = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    except OSError:
        return False
    return any(link.startswith(str(path)) for link in links)
