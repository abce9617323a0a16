"""What mail programs show of a sealed message: the protected Subject, and the text."""

import fcntl
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time

import pytest

from conftest import ALICE, BOB
from support import messages


@pytest.fixture(scope="module")
def mailbox(folder, postfix, sink):
    """A Maildir with one sealed message, and the message."""
    message = messages.plain(ALICE, [BOB])
    assert postfix.submit("alice+readers@example.org", [BOB], message.octets).code == 250
    delivery = sink.wait_for("alice+readers@example.org", diagnosis=postfix.tail)
    path = folder.make("reader/mail")
    for name in ("cur", "new", "tmp"):
        folder.make(f"reader/mail/{name}")
    (path / "cur" / "1.sealed:2,S").write_bytes(delivery.content.replace(b"\r\n", b"\n"))
    return path, message


def environment(home, folder, **more):
    return {**home.environment(), "HOME": str(folder / "reader"), **more}


def screen_until(command, environment, wanted, seconds=60):
    """Runs a program of the terminal until its output has all the texts; returns what it wrote."""
    terminal, other_end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    child = subprocess.Popen(command, env=environment, stdin=other_end, stdout=other_end, stderr=other_end,
                             start_new_session=True)
    os.close(other_end)
    seen, deadline = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and not all(text in seen for text in wanted):
            ready, _, _ = select.select([terminal], [], [], 1)
            if ready:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
    return seen


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_shows_the_subject(program, mailbox, home, folder):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    path, message = mailbox
    rc = folder / "reader" / "muttrc"
    rc.write_text(f"set folder={path.parent}\nset crypt_use_gpgme=yes\nset wait_key=no\nset confirmappend=no\n"
                  "set pager_index_lines=5\nset markers=no\nset quit=yes\nset read_inc=0\nset header_cache=''\n"
                  "push <display-message>\n")
    wanted = [b"Plans: " + message.marker.encode(), b"Line 4 of a text that mentions " + message.marker.encode()]
    seen = screen_until([program, "-n", "-F", str(rc), "-R", "-f", str(path)],
                        environment(home, folder, TERM="vt100", LINES="50", COLUMNS="200"), wanted)
    for text in wanted:
        assert text in seen, seen.decode("utf-8", "replace")


def test_notmuch_finds_and_shows_the_subject(mailbox, home, folder):
    path, message = mailbox
    config = folder / "reader" / "notmuch"
    config.write_text(f"[database]\npath={path}\n[user]\nname=Bob\nprimary_email={BOB}\n[new]\ntags=new\n[index]\ndecrypt=true\n")
    surroundings = environment(home, folder, NOTMUCH_CONFIG=str(config))

    def notmuch(*arguments):
        done = subprocess.run(["notmuch", *arguments], env=surroundings, capture_output=True, check=True, timeout=60)
        return done.stdout

    notmuch("new")
    assert notmuch("count", f"subject:{message.marker}").strip() == b"1"
    shown = json.loads(notmuch("show", "--format=json", "--decrypt=true", "*"))
    found = shown[0][0][0]
    assert found["headers"]["Subject"] == f"Plans: {message.marker}"
    assert found["crypto"]["decrypted"]["header-mask"] == {"Subject": "[...]"}
