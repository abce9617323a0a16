"""A program that runs in the background, as long as the test and no longer."""

import signal
import subprocess
import threading

from support.waiting import wait_for


class Background:
    """Starts a command; its standard error (and output) is collected in `lines`. The kernel ends it should this process
    die first."""

    def __init__(self, command, environment=None, user=None):
        as_user = ["--reuid", user, "--regid", user, "--clear-groups"] if user else []
        self.command = command
        self.lines = []
        self.process = subprocess.Popen(["setpriv", *as_user, "--pdeathsig", "KILL", "--", *map(str, command)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env=environment)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self):
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def text(self):
        return "\n".join(self.lines)

    def wait_until(self, condition, what, seconds=30.0):
        """Waits for a condition that only this program can bring about."""
        def check():
            if condition():
                return True
            if not self.running():
                self._reader.join(5)
                if not condition():
                    raise AssertionError(f"{self.command[0]} ended with {self.process.returncode} before {what}:\n"
                                         f"{self.text()}")
            return False
        wait_for(check, lambda: f"{what}; it said:\n{self.text()}", seconds)

    def wait_for_line(self, part, seconds=30.0, start=0):
        """The first line, from line number `start` on, that contains `part`."""
        found = []

        def look():
            found[:] = [line for line in self.lines[start:] if part in line][:1]
            return found
        self.wait_until(look, f"the line with {part!r}", seconds)
        return found[0]

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def ended(self, seconds=30.0):
        """Waits for the end and returns the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(5)
        return status

    def kill(self):
        self.signal(signal.SIGKILL)
        self.ended()

    def stop(self, seconds=30.0):
        """Asks politely; kills, and complains, where that does not help."""
        self.signal(signal.SIGTERM)
        try:
            return self.ended(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command[0]} did not end within {seconds:g} s:\n{self.text()}") from None
