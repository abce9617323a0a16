"""lockbox-milter as a process of its own, and the keyring it reads."""

import signal
import subprocess

from support import places
from support.background import Background

# Whom the milter becomes: not root, and nobody's mail system is asked for an account.
USER = "nobody"
GROUP = "postfix"


class Lockbox:
    """The command `lockbox`, run by the administrator, with a keyring in a folder that the milter's user owns."""

    def __init__(self, folder, user=USER, bin_dir=None):
        self.folder = folder.make("keyring", user)
        self.path = self.folder / "keyring.db"
        self.url = f"sqlite://{self.path}"
        self.user = user
        self._program = str((bin_dir or places.BIN) / "lockbox")

    def start(self, *arguments, environment=None):
        """A Popen."""
        return subprocess.Popen([self._program, "--keyring", self.url, *map(str, arguments)], env=environment,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments, input=b"", status=0, environment=None):
        """Standard output; any other exit status than `status` is a failure, unless that is None."""
        process = self.start(*arguments, environment=environment)
        output, said = process.communicate(input, timeout=300)
        assert status in (None, process.returncode), (f"lockbox {' '.join(map(str, arguments))} ended with {process.returncode}, "
                                              f"not {status}:\n{said.decode('utf-8', 'replace')}")
        return output

    def import_from(self, home, *addresses):
        """Imports what the GnuPG home has for the addresses."""
        for address in addresses:
            self.run("import", "-", input=home.export(address))


class Milter:
    """The daemon on a Unix socket that Postfix may open. Settings are pairs of key and value, in order."""

    def __init__(self, folder, keyring, settings=(), bin_dir=None, name="milter", environment=None):
        self.program = str((bin_dir or places.BIN) / "lockbox-milter")
        self._environment = environment
        self._background = None
        self.config = folder / f"{name}.conf"
        self.socket = folder.make_for_socket(USER, GROUP) / "socket"
        self.keyring = keyring
        self.configure(settings)

    def configure(self, settings):
        """Writes the configuration file; a running daemon sees it at reload()."""
        common = [("socket", f"unix:{self.socket}"), ("socket-group", GROUP), ("user", USER),
                  ("keyring", self.keyring.url), ("journal", self.keyring.folder / "journal.db"), ("log", "stderr")]
        chosen = {key for key, _ in settings}
        pairs = [pair for pair in common if pair[0] not in chosen] + list(settings)
        self.config.write_text("".join(f"{key} = {value}\n" for key, value in pairs))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def start(self, *before):
        """Starts it and waits until it listens; `before` is a command that runs it, such as prlimit with its options."""
        self._background = Background([*before, self.program, "--config", self.config, "--foreground"],
                                      environment=self._environment)
        self._background.wait_for_line(" start: listening", 60)

    @property
    def pid(self):
        return self._background.pid

    def lines(self, part=""):
        return [line for line in self._background.lines if part in line]

    def text(self):
        return self._background.text()

    def wait_for_line(self, part, seconds=30.0, start=0):
        return self._background.wait_for_line(part, seconds, start)

    def line_of(self, queue_id):
        """The log line of a message."""
        return self.wait_for_line(f" {queue_id}: ")

    def running(self):
        return self._background.running()

    def reload(self):
        self._background.signal(signal.SIGUSR1)

    def signal(self, number):
        self._background.signal(number)

    def kill(self):
        self._background.kill()

    def terminate(self):
        """Asks it to end, and does not wait."""
        self._background.signal(signal.SIGTERM)

    def ended(self, seconds=30.0):
        return self._background.ended(seconds)

    def stop(self):
        """Ends it and wants the exit status 0, unless it has ended before."""
        if self._background and self._background.running():
            status = self._background.stop()
            assert status == 0, f"lockbox-milter ended with {status}:\n{self.text()}"
