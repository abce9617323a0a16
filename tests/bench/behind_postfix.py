#!/usr/bin/python3
"""What a message costs behind a mail server: `behind_postfix.py [MESSAGES]`, as root, with the presets bench and release.

Sends messages of 5 KB to Postfix with the milter, and to Postfix with a libmilter filter that replaces each body with
itself, in turns, over 8 connections and over 1. Prints the rates, and the milter's as a part of the other's."""

import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.background import Background  # noqa: E402
from support.milter import GROUP, USER, Lockbox, Milter  # noqa: E402
from support.places import SOURCE, Folder, free_endpoint  # noqa: E402
from support.postfix import Postfix  # noqa: E402
from support.smtp_client import greets  # noqa: E402

DATA = SOURCE / "tests" / "data"
BENCH_BIN = pathlib.Path(os.environ.get("LOCKBOX_BENCH_BIN_DIR", SOURCE / "build" / "bench" / "bin"))
ROUNDS = 5
OCTETS = 5120


class Sink:
    """smtp-sink(1): takes everything and keeps nothing."""

    def __init__(self):
        self.host, self.port = free_endpoint()

    def __enter__(self):
        self._background = Background(["smtp-sink", "-u", "postfix", f"{self.host}:{self.port}", "100"])
        self._background.wait_until(lambda: greets(self.host, self.port), "smtp-sink answers")
        return self

    def __exit__(self, *unused):
        self._background.kill()


class PassingMilter:
    """passing_milter on a socket that Postfix may open."""

    def __init__(self, folder):
        self.socket = folder.make_for_socket(USER, GROUP) / "passing"
        self._program = folder / "passing_milter"  # a place that its user may enter
        shutil.copy(BENCH_BIN / "passing_milter", self._program)

    def __enter__(self):
        command = ["setpriv", "--reuid", USER, "--regid", GROUP, "--clear-groups", "--", self._program, f"unix:{self.socket}"]
        self._background = Background(command)
        self._background.wait_until(self.socket.exists, "the filter listens")
        shutil.chown(self.socket, USER, GROUP)
        self.socket.chmod(0o660)
        return self

    def __exit__(self, *unused):
        self._background.kill()


def rate(postfix, recipient, sessions, messages):
    """Messages a second that Postfix takes; its queue is empty before and afterwards."""
    begin = time.monotonic()
    subprocess.run(["smtp-source", "-d", "-s", str(sessions), "-m", str(messages), "-l", str(OCTETS), "-f", "carol@example.org",
                    "-t", recipient, f"{postfix.host}:{postfix.port}"], check=True, capture_output=True)
    seconds = time.monotonic() - begin
    while postfix.queue():
        time.sleep(0.1)
    return messages / seconds


def compare(name, passing, sealing, recipient, messages):
    for sessions in (8, 1):
        pairs = [(rate(passing, recipient, sessions, messages), rate(sealing, recipient, sessions, messages))
                 for _ in range(ROUNDS)]
        by_passing, by_sealing = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(sealed / passed for passed, sealed in pairs)
        print(f"{name}, {sessions} connection(s): {by_sealing:.0f} messages a second beside {by_passing:.0f}: {ratio:.2f}",
              flush=True)


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with Folder() as folder, Sink() as sink, PassingMilter(folder) as passing, \
            Postfix(folder / "passing", sink, passing.socket, outbound_tls="none") as by_passing:
        for name, file, options in (("OpenPGP, Curve25519", "openpgp/alice.asc", []),
                                    ("S/MIME, RSA-2048, AES-256-CBC", "smime/alice.pem",
                                     ["--smime-ca", DATA / "smime" / "root.pem", "--smime-ca", DATA / "smime" / "issuing.pem"])):
            with Folder() as own:
                lockbox = Lockbox(own)
                lockbox.run("import", *options, DATA / file)
                with Milter(own, lockbox, [("rule", "to=* require")]) as milter, \
                        Postfix(own / "postfix", sink, milter.socket, outbound_tls="none") as by_sealing:
                    assert rate(by_sealing, "alice@example.org", 1, 10) > 0
                    compare(name, by_passing, by_sealing, "alice@example.org", messages)


if __name__ == "__main__":
    main()
