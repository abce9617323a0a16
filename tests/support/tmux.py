"""A program in a terminal that draws: what a person sees of it, row by row."""

import shlex
import subprocess
import time


class Tmux:
    """A server of its own. When the program has ended, the screen stays as it was."""

    def __init__(self, folder, columns, lines, environment):
        self._socket = folder / f"tmux-{columns}x{lines}.{time.monotonic_ns()}"
        self._status = folder / f"{self._socket.name}.status"
        self._size = ["-x", str(columns), "-y", str(lines)]
        self._environment = {**environment, "TERM": "screen-256color", "LC_ALL": "C.UTF-8"}
        self._environment.pop("TMUX", None)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        subprocess.run([*self._program(), "kill-server"], env=self._environment, check=False, stderr=subprocess.DEVNULL)

    def _program(self):
        return ["tmux", "-u", "-f", "/dev/null", "-S", str(self._socket)]

    def _run(self, *arguments):
        return subprocess.run([*self._program(), *arguments], env=self._environment, check=True, stdout=subprocess.PIPE,
                              timeout=60).stdout.decode()

    def start(self, *command):
        # tmux 3.3 loses the last output, and now and then the status, of a program that ends: the shell stays. It
        # outlives a Ctrl-C, which what it starts does not ignore.
        words = shlex.join(["sh", "-c", 'trap : INT; "$@"; echo $? >"$0.new"; mv "$0.new" "$0"; exec sleep 3600', str(self._status), *map(str, command)])
        self._run("set-option", "-g", "status", "off", ";",
                  "set-option", "-g", "history-limit", "50000", ";",
                  "new-session", "-d", *self._size, words)

    def rows(self):
        """With what went out at the top."""
        return self._run("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    def press(self, *keys):
        self._run("send-keys", *keys)

    def _wait(self, done, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not (answer := done()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; there was {self.rows()}"
            time.sleep(0.02)  # tmux has nothing that tells of a change
        return answer

    def wait_for(self, text, times=1):
        """Until it stands on the screen that many times; its rows then."""
        return self._wait(lambda: "\n".join(rows := self.rows()).count(text) >= times and rows, text)

    def wait_for_end(self):
        """The exit status."""
        self._wait(self._status.exists, "the end")
        return int(self._status.read_text(encoding="ascii"))
