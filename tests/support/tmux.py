"""A program in a terminal that draws: what a person sees of it, row by row."""

import shlex
import subprocess
import time


class Tmux:
    """A server of its own. The program is not read from before it wrote, and its end leaves the screen as it was."""

    def __init__(self, folder, columns, lines, environment):
        self._socket = folder / f"tmux-{columns}x{lines}.{time.monotonic_ns()}"
        self._status = self._socket.with_suffix(".status")
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
        # tmux forgets the status of some programs. The shell outlives a Ctrl-C, and what it starts does not ignore it.
        words = shlex.join(["sh", "-c", 'trap : INT; "$@"; echo $? >"$0.new"; mv "$0.new" "$0"', str(self._status), *map(str, command)])
        self._run("set-option", "-g", "remain-on-exit", "on", ";", "set-option", "-g", "status", "off", ";",
                  "set-option", "-g", "history-limit", "50000", ";",
                  "new-session", "-d", *self._size, words)

    def rows(self):
        """With what went out at the top: tmux moves it there to say that the program has ended."""
        return self._run("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    def press(self, *keys):
        self._run("send-keys", *keys)

    def _wait(self, done, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not (answer := done()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}; there was {self.rows()}"
            time.sleep(0.02)  # tmux has nothing that tells of a change
        return answer

    def wait_for(self, text):
        """Until it stands on the screen; its rows then."""
        return self._wait(lambda: text in "\n".join(rows := self.rows()) and rows, text)

    def wait_for_end(self):
        """The exit status."""
        self._wait(self._status.exists, "the end")
        return int(self._status.read_text(encoding="ascii"))
