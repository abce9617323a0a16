"""lockbox as a user who may not look into the keyring's directory."""

import os
import shutil
import subprocess

import pytest

from support import places

SOMEBODY = 65534  # Debian's nobody


@pytest.fixture
def hidden(tmp_path):
    """A directory below which nothing can be looked at, and the arguments of subprocess.run() for whom that is so."""
    with places.Folder() as folder:
        directory = folder.make("hidden")
        (directory / "keyring.db").write_bytes(b"")
        program = folder / "lockbox"  # where the other user finds it
        shutil.copy(places.program("lockbox"), program)
        directory.chmod(0o000)
        somebody = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []} if os.geteuid() == 0 else {}

        def run(*arguments):
            return subprocess.run([program, "--keyring", directory / "keyring.db", *arguments], capture_output=True, text=True,
                                  check=False, timeout=60, env={**os.environ, "GNUPGHOME": "/nonexistent"}, **somebody)

        yield directory, run
        directory.chmod(0o700)


@pytest.mark.parametrize("arguments", [["list"], ["show", "bob@example.org"], ["pending"], ["expiring"],
                                       ["remove", "bob@example.org"], ["import", "/dev/null"]], ids=lambda words: words[0])
def test_who_may_not_look_is_told_so_and_not_that_there_is_no_keyring(hidden, arguments):
    directory, run = hidden
    done = run(*arguments)
    assert done.returncode == 77, done
    assert f"lockbox: error: {directory} may not be looked into" in done.stderr, done
    assert "there is no keyring" not in done.stderr
