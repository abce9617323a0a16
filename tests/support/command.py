"""The command `lockbox` as a person at a shell runs it."""

import json
import os
import subprocess

from support import places


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out                                # bytes
        self.err = err.decode("utf-8", "replace")

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def json(self):
        parsed = json.loads(self.out)
        assert parsed["version"] == 1
        return parsed

    def __repr__(self):
        return f"<status {self.status}>\n{self.out.decode('utf-8', 'replace')}\n--- stderr\n{self.err}"


class Command:
    """`lockbox` with a keyring of its own in `folder`; `home` is the GnuPG home of whoever calls it."""

    def __init__(self, folder, home=None):
        self.folder = folder
        self.keyring = folder / "keyring.db"
        self.home = home
        self.program = places.program("lockbox")

    def environment(self):
        environment = self.home.environment() if self.home else {**os.environ, "GNUPGHOME": "/nonexistent"}
        environment["LOCKBOX_KEYRING"] = f"sqlite://{self.keyring}"
        return environment

    def run(self, *arguments, input=b"", **streams):
        streams.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run([self.program, *map(str, arguments)], input=input, stderr=subprocess.PIPE, check=False,
                              timeout=300, env=self.environment(), **streams)
        return Result(done.returncode, done.stdout or b"", done.stderr)

    def file(self, name, octets):
        path = self.folder / name
        path.write_bytes(octets if isinstance(octets, bytes) else octets.encode())
        return path

    def import_from(self, home, *addresses, status=0):
        for address in addresses:
            result = self.run("import", "-", input=home.export(address))
            assert result.status == status, result
