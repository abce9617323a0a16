"""A program in a terminal of its own, that keys are typed into and whose output is waited for."""

import os
import pty
import re
import select
import subprocess
import time

ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][0-9A-Za-z]|[=>78MDEHcNO])|[\x0e\x0f]")


class Terminal:
    def __init__(self, command, environment, columns=100, lines=40):
        self._leader, follower = pty.openpty()
        subprocess.run(["stty", "cols", str(columns), "rows", str(lines)], stdin=follower, check=True)
        self._process = subprocess.Popen(["setsid", "--ctty", *map(str, command)], stdin=follower, stdout=follower, stderr=follower,
                                         env={**environment, "TERM": "xterm"})
        os.close(follower)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self._process.kill()
        self._process.wait(timeout=60)
        os.close(self._leader)

    def press(self, keys):
        os.write(self._leader, keys)

    def read_now(self):
        """What has been written, as far as it is there already, without what moves the cursor."""
        while select.select([self._leader], [], [], 0)[0]:
            try:
                piece = os.read(self._leader, 65536)
            except OSError:
                break
            if not piece:
                break
            self.seen += piece
        return ESCAPES.sub(b"", self.seen)

    def press_until(self, keys, text, tries=10):
        """Again where the program was not ready for them."""
        for last in range(tries):
            self.press(keys)
            try:
                self.wait_for(text, seconds=3 if last < tries - 1 else 30)
                return
            except AssertionError:
                if last == tries - 1:
                    raise

    def wait_for(self, text, seconds=30):
        """Until the text has been written since the last call. Spaces do not count: programs move the cursor instead."""
        begin = len(self.seen)
        deadline = time.monotonic() + seconds
        while b"".join(text.split()) not in b"".join(ESCAPES.sub(b"", self.seen[begin:]).split()):
            ready, _, _ = select.select([self._leader], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"not within {seconds} s: {text!r}; there was {ESCAPES.sub(b'', self.seen[begin:])[-3000:]!r}"
            try:
                piece = os.read(self._leader, 65536)
            except OSError:
                piece = b""
            assert piece, f"the program ended before {text!r}: {ESCAPES.sub(b'', self.seen[begin:])[-3000:]!r}"
            self.seen += piece
