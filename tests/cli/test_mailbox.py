"""Whole mailboxes: a Maildir and an mbox full of mail sealed by five programs, and of some that cannot be opened."""

import mailbox
import os
import signal
import subprocess

import pytest

from support import cms
from support.command import Command
from support.mime import HEADER, multipart, pgp_mime, smime, text
from support.waiting import wait_for
from test_received_forms import BODY, ENTITY, by_gpg, by_rnp, by_sq

BOB = "bob@example.org"
SEALED = ["gpg", "sq", "rnp", "openssl", "lockbox"]
DATE = 1_700_000_000


@pytest.fixture
def mail(lockbox, bob_home, carol_home, smime_keys, tmp_path):
    """Name and octets of each message."""
    lockbox.import_from(bob_home, BOB)
    plain = HEADER + b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + BODY
    damaged = bob_home.encrypt(ENTITY, BOB).splitlines(keepends=True)
    damaged[5], damaged[6] = damaged[6], damaged[5]
    cbc = cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=ENTITY)
    return {
        "gpg": HEADER + pgp_mime(by_gpg(bob_home, tmp_path, ENTITY)),
        "sq": HEADER + pgp_mime(by_sq(bob_home, tmp_path, ENTITY)),
        "rnp": HEADER + pgp_mime(by_rnp(bob_home, tmp_path, ENTITY)),
        "openssl": HEADER + smime(cbc),
        "lockbox": lockbox.run("encrypt", "--to", BOB, input=plain).out.replace(b"\r\n", b"\n"),
        "plain": plain,
        "nokey": HEADER + pgp_mime(carol_home.encrypt(ENTITY, "carol@example.org")),
        "damaged": HEADER + pgp_mime(b"".join(damaged)),
        "partly": HEADER + multipart(b"mixed", text(b"<p>", b"html"), pgp_mime(bob_home.encrypt(ENTITY, BOB))),
    }


def make_maildir(path, mail):
    for folder in ("cur", "new", "tmp", ".Archive/cur", ".Archive/new", ".Archive/tmp"):
        (path / folder).mkdir(parents=True)
    for number, (name, octets) in enumerate(mail.items()):
        folder = path / (".Archive/cur" if number % 3 == 0 else "cur")
        file = folder / f"{DATE + number}.{name}.host:2,FS"
        file.write_bytes(octets)
        os.utime(file, (DATE + number, DATE + number))
    return path


def files_in(path):
    return {file.relative_to(path): file for file in path.rglob("*") if file.is_file()}


def check_maildir(path, mail):
    """Everything is there once, with its name, flags and date; what could be opened is open, the rest as it was."""
    found = files_in(path)
    assert len(found) == len(mail)
    for number, (name, octets) in enumerate(mail.items()):
        file, = [file for file in found.values() if f".{name}.host:2,FS" in file.name]
        assert file.stat().st_mtime == DATE + number, name
        assert (".Archive" in str(file)) == (number % 3 == 0)
        if name in SEALED:
            assert file.read_bytes().endswith(b"\n\n" + BODY), name
        else:
            assert file.read_bytes() == octets, name


SUMMARY = "9 messages: 5 opened, 1 partly sealed, 1 not sealed, 1 no key, 1 damaged"


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_maildir_in_place(lockbox, mail, key_options, tmp_path, jobs):
    path = make_maildir(tmp_path / "Maildir", mail)
    result = lockbox.run("decrypt", "--in-place", "--jobs", jobs, *key_options, path)
    assert (result.status, result.out) == (65, b""), result
    assert SUMMARY in result.err
    for name in ("nokey", "damaged", "partly"):
        assert any(f".{name}.host" in line for line in result.err.splitlines()), name
    check_maildir(path, mail)
    again = lockbox.run("decrypt", "--in-place", *key_options, path)
    assert "9 messages: 1 partly sealed, 6 not sealed, 1 no key, 1 damaged" in again.err
    check_maildir(path, mail)


def test_maildir_to_another(lockbox, mail, key_options, tmp_path):
    path = make_maildir(tmp_path / "Maildir", mail)
    before = {name: file.read_bytes() for name, file in files_in(path).items()}
    result = lockbox.run("decrypt", "--output", tmp_path / "opened", *key_options, path)
    assert result.status == 65 and SUMMARY in result.err, result
    check_maildir(tmp_path / "opened", mail)
    assert {name: file.read_bytes() for name, file in files_in(path).items()} == before
    assert len(mailbox.Maildir(tmp_path / "opened", create=False)) == 6


def test_maildir_needs_a_place(lockbox, mail, tmp_path):
    result = lockbox.run("decrypt", make_maildir(tmp_path / "Maildir", mail))
    assert (result.status, result.out) == (64, b"") and "--in-place" in result.err, result


def as_mbox(mail):
    return b"".join(b"From alice@example.com Thu Nov 26 10:00:%02d 2026\n" % number + octets + b"\n"
                    for number, octets in enumerate(mail.values()))


def check_mbox(path, mail):
    with open(path, "rb") as file:
        octets = file.read()
    box = mailbox.mbox(path, create=False)
    assert len(box) == len(mail)
    for number, (name, original) in enumerate(mail.items()):
        assert b"From alice@example.com Thu Nov 26 10:00:%02d 2026\n" % number in octets
        message = box.get_bytes(number)
        assert message.endswith(b"\n\n" + BODY) if name in SEALED else message == original, name
    box.close()


def test_mbox(lockbox, mail, key_options, tmp_path):
    path = lockbox.file("box", as_mbox(mail))
    os.utime(path, (DATE, DATE))
    path.chmod(0o640)
    to_pipe = lockbox.run("decrypt", *key_options, path)
    assert to_pipe.status == 65 and SUMMARY in to_pipe.err, to_pipe
    assert path.read_bytes() == as_mbox(mail)
    to_file = lockbox.run("decrypt", *key_options, "--output", tmp_path / "opened", path)
    assert to_file.status == 65
    piped = lockbox.run("decrypt", *key_options, input=as_mbox(mail))
    assert piped.out == to_pipe.out == (tmp_path / "opened").read_bytes()
    in_place = lockbox.run("decrypt", "--in-place", *key_options, path)
    assert (in_place.status, in_place.out) == (65, b""), in_place
    assert path.read_bytes() == to_pipe.out
    assert path.stat().st_mode & 0o777 == 0o640
    check_mbox(path, mail)


def test_json(lockbox, mail, key_options, tmp_path):
    path = make_maildir(tmp_path / "Maildir", mail)
    before = {name: file.read_bytes() for name, file in files_in(path).items()}
    result = lockbox.run("decrypt", "--json", *key_options, path)
    outcomes = {entry["name"].split(".host")[0].rsplit(".", 1)[1]: entry["outcome"] for entry in result.json["messages"]}
    assert outcomes == {**{name: "opened" for name in SEALED}, "plain": "nothing-to-open", "nokey": "no-key",
                        "damaged": "damaged", "partly": "partly-sealed"}
    assert {name: file.read_bytes() for name, file in files_in(path).items()} == before  # only reported


def test_nothing_sealed(lockbox, mail, tmp_path):
    path = make_maildir(tmp_path / "Maildir", {"plain": mail["plain"]})
    assert lockbox.run("decrypt", "--in-place", path).status == 1


def test_killed_and_run_again(lockbox, bob_home, tmp_path):
    """SIGKILL in the middle: each message is the old or the new one, and the next run does the rest."""
    mail = {f"n{number:03}": HEADER + pgp_mime(bob_home.encrypt(ENTITY, BOB)) for number in range(30)}
    path = make_maildir(tmp_path / "Maildir", mail)
    command = Command(tmp_path, bob_home)

    def opened():
        return [file for file in files_in(path).values() if file.read_bytes().endswith(b"\n\n" + BODY)]

    with subprocess.Popen([command.program, "decrypt", "--in-place", path], stderr=subprocess.DEVNULL,
                          env=command.environment()) as process:
        wait_for(opened, "a first message that is open")
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    for file in files_in(path).values():
        if "/tmp/" not in str(file.relative_to(path.parent)):
            name = file.name.split(".")[1]
            assert file.read_bytes() == mail[name] or file.read_bytes().endswith(b"\n\n" + BODY)
    assert lockbox.run("decrypt", "--in-place", path).status == 0
    assert len(opened()) == len(files_in(path)) == len(mail)


def test_one_message_in_place(lockbox, mail):
    """Mode and date stay; what cannot be opened stays as it was."""
    for name in ("gpg", "nokey", "plain"):
        file = lockbox.file(f"{name}.eml", mail[name])
        file.chmod(0o640)
        os.utime(file, (DATE, DATE))
        result = lockbox.run("decrypt", "--in-place", file)
        assert result.out == b""
        assert file.stat().st_mode & 0o777 == 0o640 and file.stat().st_mtime == DATE
        if name == "gpg":
            assert result.status == 0 and file.read_bytes().endswith(b"\n\n" + BODY)
        else:
            assert result.status in (1, 77) and file.read_bytes() == mail[name]
    for arguments in (["--in-place", "-"], ["--in-place", "--output", "x", file], ["--in-place", "--part", "1", file],
                      ["--jobs", "2", file]):
        assert lockbox.run("decrypt", *arguments, input=mail["gpg"]).status == 64, arguments
