#!/usr/bin/python3
"""What opening a Maildir costs beside what GnuPG takes: `mailbox.py [MESSAGES]`, with the release build.

Prints the time of `gpg --decrypt` as a process of its own, and that of `lockbox decrypt` for each message."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
LOCKBOX = SOURCE / "build" / "release" / "bin" / "lockbox"
BOB = "bob@example.org"
PAYLOAD = b"Content-Type: text/plain\r\n\r\n" + b"A line of text that somebody might well have written.\r\n" * 30


def message(armor):
    return (b'From: a@example.org\nTo: bob@example.org\nSubject: [...]\nMIME-Version: 1.0\nContent-Type: multipart/encrypted;'
            b' protocol="application/pgp-encrypted"; boundary=b\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n\n'
            b"--b\nContent-Type: application/octet-stream\n\n" + armor + b"\n--b--\n")


def timed(count, what, *command, environment):
    begin = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    seconds = time.monotonic() - begin
    print(f"{what}: {seconds / count * 1000:.2f} ms for each of {count}", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lbb", dir="/tmp"))
    home = folder / "g"
    home.mkdir(mode=0o700)
    (home / "gpg.conf").write_text("batch\nno-tty\ntrust-model always\n", encoding="ascii")
    environment = {**os.environ, "GNUPGHOME": str(home)}

    def gpg(*arguments, octets=b""):
        return subprocess.run(["gpg", *arguments], input=octets, env=environment, check=True, capture_output=True).stdout

    try:
        gpg("--passphrase", "", "--quick-generate-key", f"Bob <{BOB}>", "future-default", "default", "never")
        armor = gpg("--armor", "--recipient", BOB, "--encrypt", octets=PAYLOAD)
        for name in ("cur", "new", "tmp"):
            (folder / "Maildir" / name).mkdir(parents=True)
        for number in range(count):
            (folder / "Maildir" / "cur" / f"{1_700_000_000 + number}.M{number}.host:2,S").write_bytes(message(armor))
        sample = min(count, 500)
        begin = time.monotonic()
        for _ in range(sample):
            gpg("--decrypt", octets=armor)
        print(f"gpg --decrypt: {(time.monotonic() - begin) / sample * 1000:.2f} ms for each of {sample}", flush=True)
        for jobs in ("1", "2"):
            timed(count, f"lockbox decrypt --output, --jobs {jobs}", LOCKBOX, "decrypt", "--jobs", jobs, "--output",
                  folder / f"opened-{jobs}", folder / "Maildir", environment=environment)
        timed(count, "lockbox decrypt --in-place", LOCKBOX, "decrypt", "--in-place", folder / "Maildir", environment=environment)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
