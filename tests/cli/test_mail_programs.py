"""contrib/reader: the lines for mutt, neomutt, aerc and notmuch, in the real programs."""

import os
import re
import shutil
import subprocess

import pytest

from support import places
from support.mime import HEADER, pgp_mime
from support.terminal import Terminal

BOB = "bob@example.org"
CONTRIB = places.SOURCE / "contrib" / "reader"
ENTITY = (b"From: Alice <alice@example.com>\r\nSubject: Dawn\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\n"
          b"Attack at dawn.\r\n")


@pytest.fixture
def sealed(bob_home):
    return HEADER + b"Date: Thu, 26 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.com>\n" + pgp_mime(bob_home.encrypt(ENTITY, BOB))


@pytest.fixture
def environment(lockbox, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "lockbox").symlink_to(lockbox.program)
    return {**lockbox.environment(), "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "MAIL": "/dev/null",
            "XDG_CONFIG_HOME": str(tmp_path / "config"), "LESS": ""}


@pytest.fixture
def maildir(tmp_path, sealed):
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / folder).mkdir(parents=True)
    (tmp_path / "Maildir" / "cur" / "1.host:2,S").write_bytes(sealed)
    return tmp_path / "Maildir"


def files_below(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(environment, maildir, tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (tmp_path / "muttrc").write_text(f"source {CONTRIB}/muttrc\nset crypt_use_gpgme=no\nset header_cache=\"\"\nset folder={maildir}\n", encoding="ascii")
    before = files_below(maildir)
    with Terminal([program, "-n", "-F", tmp_path / "muttrc", "-f", maildir], environment) as terminal:
        terminal.wait_for(b"outside")
        terminal.press(b"R")
        terminal.wait_for(b"Attack at dawn.")
        terminal.press(b"q")
        shown = re.sub(rb"\x1b\[[0-9;]*m", b"", terminal.seen)
        assert b"sealed, and unchanged since" in shown and b"Dawn" in shown
    assert files_below(maildir) == before


def test_notmuch(environment, maildir, tmp_path):
    if shutil.which("notmuch") is None:
        pytest.skip("notmuch is not installed")
    config = tmp_path / "notmuch-config"
    config.write_text(f"[database]\npath={maildir}\n[user]\nname=Bob\nprimary_email={BOB}\n", encoding="ascii")
    environment = {**environment, "NOTMUCH_CONFIG": str(config)}
    subprocess.run(["notmuch", "new"], env=environment, check=True, capture_output=True, timeout=60)
    done = subprocess.run("notmuch show --format=raw id:1@example.com | lockbox read", shell=True, env=environment, check=True,
                          capture_output=True, timeout=60)
    assert b"Subject:    Dawn" in done.stdout and b"Attack at dawn." in done.stdout


def test_aerc(environment, maildir, tmp_path):
    if shutil.which("aerc") is None:
        pytest.skip("aerc is not installed")
    readme = (CONTRIB / "README.md").read_text(encoding="utf-8")
    keys = re.search(r"(\[messages\]\n.*?)```", readme, re.DOTALL).group(1)
    config = tmp_path / "config" / "aerc"
    config.mkdir(parents=True)
    config.chmod(0o700)
    (config / "aerc.conf").write_text("[general]\nunsafe-accounts-conf=true\n", encoding="ascii")
    (config / "binds.conf").write_text(keys, encoding="ascii")
    (config / "accounts.conf").write_text(f"[bob]\nsource = maildir://{tmp_path}\ndefault = Maildir\nfrom = Bob <{BOB}>\n",
                                          encoding="ascii")
    (config / "accounts.conf").chmod(0o600)
    before = files_below(maildir)
    with Terminal(["aerc"], environment) as terminal:
        terminal.wait_for(b"outside")
        terminal.press_until(b"R", b"Attack at dawn.")
    assert files_below(maildir) == before
