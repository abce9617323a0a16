"""`lockbox decrypt --in-place` of one message, and the file that becomes it."""

import os
import stat

import pytest

from support.mime import HEADER, pgp_mime

MBOX = b"From alice@example.com Mon Nov 30 10:00:00 2026\n"


@pytest.fixture
def message(lockbox, sealed):
    return lockbox.file("message.eml", HEADER + sealed())


def test_a_link_stays_a_link(lockbox, message, tmp_path):
    """What it leads to is replaced, with its mode, owner and times."""
    os.chmod(message, 0o640)
    if os.geteuid() == 0:
        os.chown(message, 12345, 23456)
    os.utime(message, (1_700_000_000, 1_700_000_001))
    before = message.stat()
    link = tmp_path / "link"
    link.symlink_to(message)
    result = lockbox.run("decrypt", "--in-place", link)
    assert result.status == 0, result
    assert link.is_symlink() and b"Attack at dawn" in message.read_bytes()
    after = message.stat()
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_mtime) == (before.st_uid, before.st_gid, before.st_mode, before.st_mtime)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".lockbox")]


def test_quiet(lockbox, message):
    result = lockbox.run("decrypt", "--in-place", "--quiet", message)
    assert result.status == 0 and "opened:" not in result.err, result
    assert b"Attack at dawn" in message.read_bytes()


def test_quiet_says_what_is_wrong(lockbox, carol_home):
    other = lockbox.file("other.eml", HEADER + pgp_mime(carol_home.encrypt(b"\nx\n", "carol@example.org")))
    result = lockbox.run("decrypt", "-q", "--in-place", other)
    assert result.status == 77 and "no secret key" in result.err, result


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a stranger")
@pytest.mark.parametrize("arguments", [["--output", "{}/new"], ["--in-place"]])
def test_a_strangers_file_is_not_written_to(lockbox, tmp_path, sealed, arguments):
    """In a directory that all may write to, somebody has made the file that lockbox would fill, and keeps it open."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    box = shared / "box"
    box.write_bytes(MBOX + HEADER + sealed() + b"\n")
    name = ".new.lockbox" if "--output" in arguments else ".box.lockbox"
    trap = shared / name
    trap.touch()
    os.chown(trap, 12345, 12345)
    trap.chmod(0o666)
    result = lockbox.run("decrypt", *(argument.format(shared) for argument in arguments), box)
    assert result.status == 77 and "nothing that lockbox made for you" in result.err, result
    assert trap.stat().st_size == 0 and trap.stat().st_uid == 12345
    assert stat.S_IMODE(trap.stat().st_mode) == 0o666


@pytest.mark.parametrize("make", [lambda trap: trap.symlink_to("/etc/passwd"), os.mkfifo, os.mkdir])
def test_what_is_no_file_is_left_alone(lockbox, tmp_path, sealed, make):
    box = lockbox.file("box", MBOX + HEADER + sealed() + b"\n")
    trap = tmp_path / ".new.lockbox"
    make(trap)
    result = lockbox.run("decrypt", "--output", tmp_path / "new", box)
    assert result.status == 77 and str(trap) in result.err, result
    assert os.path.lexists(trap) and not (tmp_path / "new").exists()
