"""contrib/reader: the lines for mutt, neomutt, aerc and notmuch, in the real programs."""

import os
import re
import shutil
import subprocess

import pytest

from support import places
from support.mime import HEADER, pgp_mime
from support.terminal import Terminal
from support.waiting import wait_for

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


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_what_mutt_seals(lockbox, environment, tmp_path, program):
    """Bob writes to himself, as mutt encrypts with GPGME. It does so in its compose menu only, not in a batch."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    sendmail = tmp_path / "sendmail"
    sendmail.write_text(f"#!/bin/sh\ncat > {tmp_path}/unfinished && mv {tmp_path}/unfinished {tmp_path}/sent\n", encoding="ascii")
    sendmail.chmod(0o755)
    body = "Grüße,\n\nAttack at dawn.\n"
    (tmp_path / "body").write_text(body, encoding="utf-8")
    (tmp_path / "muttrc").write_text(
        f'set sendmail="{sendmail}"\nset editor=true\nset abort_unmodified=no\nset charset=utf-8\nset record=""\nset folder={tmp_path}\n'
        f"set crypt_use_gpgme=yes\nset crypt_autoencrypt=yes\nset postpone=no\nset hostname=example.com\nset edit_headers=no\n"
        f'set use_from=yes\nset from="{BOB}"\nset send_charset="utf-8"\nset fcc_clear=no\nset wait_key=no\n', encoding="utf-8")
    with Terminal([program, "-n", "-F", tmp_path / "muttrc", "-s", "Dawn", "-i", tmp_path / "body", BOB], environment) as terminal:
        for prompt in (b"To: " + BOB.encode(), b"Subject: Dawn"):
            terminal.wait_for(prompt)
            terminal.press(b"\r")
        terminal.wait_for(b"Encrypt (PGP/MIME)")
        terminal.press(b"y")
        terminal.wait_for(b"PGP keys matching")
        terminal.press(b"\r")
        terminal.wait_for(b"Do you really want to use the key?")
        terminal.press(b"y")
        wait_for((tmp_path / "sent").exists, lambda: f"a message from {program}: {terminal.read_now()[-2000:]!r}")
    sealed = (tmp_path / "sent").read_bytes()
    assert b"multipart/encrypted" in sealed and b"Attack" not in sealed
    shown = lockbox.run("read", input=sealed)
    assert shown.status == 0, shown
    assert "sealed, and unchanged since" in shown.text and "Grüße," in shown.text and "Attack at dawn." in shown.text
