"""contrib/reader: the lines for mutt, neomutt, aerc and notmuch, in the real programs."""

import os
import re
import shutil
import subprocess

import pytest

from support import places
from support.mime import HEADER, multipart, pgp_mime, text
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


@pytest.fixture
def notmuch(environment, maildir, tmp_path):
    """Runs notmuch on the Maildir, and returns what it prints."""
    if shutil.which("notmuch") is None:
        pytest.skip("notmuch is not installed")
    config = tmp_path / "notmuch-config"
    config.write_text(f"[database]\npath={maildir}\n[user]\nname=Bob\nprimary_email={BOB}\n[new]\ntags=new;unread\n", encoding="ascii")

    def run(*arguments, **more_environment):
        done = subprocess.run(["notmuch", *arguments], env={**environment, "NOTMUCH_CONFIG": str(config), **more_environment},
                              check=False, capture_output=True, timeout=60)
        return done.stdout.decode()

    run.environment = {**environment, "NOTMUCH_CONFIG": str(config)}
    return run


def test_notmuch(notmuch):
    notmuch("new")
    done = subprocess.run("notmuch show --format=raw id:1@example.com | lockbox read", shell=True, env=notmuch.environment, check=True,
                          capture_output=True, timeout=60)
    assert b"Subject:    Dawn" in done.stdout and b"Attack at dawn." in done.stdout


@pytest.fixture
def hooked(notmuch, maildir):
    """The Maildir has the hook, and messages of every kind: their identifiers are what the hook should tag them with."""
    hooks = maildir / ".notmuch" / "hooks"
    hooks.mkdir(parents=True)
    (hooks / "post-new").symlink_to(CONTRIB / "notmuch-post-new")
    sealed_one = (maildir / "cur" / "1.host:2,S").read_bytes()
    armor = sealed_one[sealed_one.index(b"-----BEGIN PGP"):sealed_one.index(b"--b1--")]
    lines = armor.split(b"\n")
    broken = b"\n".join([*lines[:4], lines[4][::-1], *lines[5:]])
    bodies = {
        "whole": pgp_mime(armor),
        "plain": text(b"Good morning.\n"),
        "partly": multipart(b"mixed", text(b"Beside it.\n"), pgp_mime(armor)),
        "damaged": pgp_mime(broken),
    }
    (maildir / "cur" / "1.host:2,S").unlink()
    for name, body in bodies.items():
        (maildir / "new" / name).write_bytes(HEADER + f"Message-ID: <{name}@example.com>\n".encode() + body)
    return notmuch


def test_the_hook_of_notmuch_tags_what_is_sealed(hooked, maildir):
    before = files_below(maildir / "new")
    hooked("new")
    for name, tags in {"whole": "sealed", "plain": "", "partly": "sealed-partly", "damaged": "sealed-damaged"}.items():
        found = hooked("search", "--output=tags", f"id:{name}@example.com").split()
        assert [tag for tag in found if tag.startswith("sealed")] == tags.split(), name
        assert "new" not in found
    assert files_below(maildir / "new") == before  # nothing opened is kept


def test_the_hook_of_notmuch_without_the_key(hooked, tmp_path):
    home = tmp_path / "nobody"
    home.mkdir(mode=0o700)
    hooked("new", GNUPGHOME=str(home))
    assert "sealed-no-key" in hooked("search", "--output=tags", "id:whole@example.com").split()


def test_the_hook_of_notmuch_tries_again_what_it_could_not_do(hooked):
    """As it is when gpg-agent cannot be reached, or when the disk is full."""
    hooked("new", LOCKBOX="/bin/false")
    assert hooked("count", "tag:new").strip() == "0"  # false says 1: not sealed
    hooked("tag", "+new", "id:whole@example.com")
    hooked("new", LOCKBOX="/nonexistent/lockbox")
    assert hooked("search", "--output=messages", "tag:new").split() == ["id:whole@example.com"]
    hooked("new")
    assert hooked("search", "--output=messages", "tag:sealed").split() == ["id:whole@example.com"]
    assert hooked("count", "tag:new").strip() == "0"


def test_a_message_id_is_no_query_for_the_hook(hooked, maildir):
    """A sender's Message-ID that notmuch would read as an expression, and not find the message, were it not quoted."""
    sealed_one = (maildir / "new" / "whole").read_bytes()
    hostile = b'"x"OR(tag:unread)'
    (maildir / "new" / "hostile").write_bytes(sealed_one.replace(b"whole@example.com", hostile))
    hooked("new")
    assert "sealed" not in hooked("search", "--output=tags", "id:plain@example.com").split()
    assert hooked("count", "tag:sealed").strip() == "2"
    assert hooked("count", "tag:new").strip() == "0"


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
