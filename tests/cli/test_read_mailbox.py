"""`lockbox read` of an mbox and of Maildirs: a list, and one message of it."""

import mailbox

import pytest

from support.mime import HEADER, multipart, text

BOB = "bob@example.org"


@pytest.fixture
def messages(sealed):
    signed = (b"Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=s\n\n"
              b"--s\n\nsigned text\n--s\nContent-Type: application/pgp-signature\n\nx\n--s--\n")
    return [
        b"From: First <first@example.com>\nSubject: one\nDate: Mon, 30 Nov 2026 23:30:00 -0100\n\nFrom the first\n",
        b"From: =?utf-8?q?S=C3=A9cond?= <second@example.com>\nSubject: [...]\nDate: never\n" + sealed(),
        b"From: third@example.com\nSubject: three\n" + multipart(b"mixed", text(b"x"), sealed()),
        b"From: fourth@example.com\nSubject: four\n" + signed,
    ]


def make_mbox(path, messages):
    box = mailbox.mbox(path)
    for message in messages:
        box.add(message)
    box.flush()
    box.close()
    return path


def make_maildir(path, messages):
    for folder in ("cur", "new", "tmp"):
        (path / folder).mkdir(parents=True)
    for number, octets in enumerate(messages):
        (path / "cur" / f"{1_700_000_000 + number}.x.host:2,S").write_bytes(octets)
    return path


@pytest.mark.parametrize("make", [make_mbox, make_maildir])
def test_list(lockbox, tmp_path, messages, make):
    result = lockbox.run("read", make(tmp_path / "box", messages))
    assert result.status == 0, result
    lines = result.text.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["1", "2026-12-01", "-"], ["2", "-", "sealed"], ["3", "-", "partly"], ["4", "-", "signed"]]
    assert "Sécond <second@example.com>"[:24] in lines[1] and lines[0].endswith("one")
    assert all(len(line) <= 80 for line in lines)
    listed = lockbox.run("read", "--json", tmp_path / "box").json["messages"]
    assert [entry["number"] for entry in listed] == [1, 2, 3, 4]
    assert listed[0] == {"number": 1, "date": "2026-12-01T00:30:00Z", "state": "-", "from": "First <first@example.com>",
                         "subject": "one"}


@pytest.mark.parametrize("make", [make_mbox, make_maildir])
def test_one_message(lockbox, tmp_path, messages, make):
    """Never the next one as a part of it."""
    box = make(tmp_path / "box", messages)
    first = lockbox.run("read", "--message", "1", box)
    assert first.status == 0 and "From the first" in first.text and "second@example.com" not in first.text
    second = lockbox.run("read", "--message", "2", box)
    assert second.status == 0 and "Attack at dawn" in second.text and "sealed, and unchanged" in second.text
    past = lockbox.run("read", "--message", "5", box)
    assert past.status == 66 and "it has 4" in past.err and past.out == b""


def test_mbox_on_standard_input(lockbox, tmp_path, messages):
    octets = make_mbox(tmp_path / "box", messages).read_bytes()
    assert len(lockbox.run("read", input=octets).text.splitlines()) == 4
    assert "From the first" in lockbox.run("read", "--message", "1", "-", input=octets).text


def test_a_subject_draws_no_row(lockbox, tmp_path):
    forged = b"From: a@example.com\nSubject: " + b"x" * 60 + b"     7  2026-12-01  sealed  bank@example.com  money\n\nx\n"
    lines = lockbox.run("read", make_mbox(tmp_path / "box", [forged])).text.splitlines()
    assert len(lines) == 1 and len(lines[0]) <= 80


@pytest.mark.parametrize("arguments, words", [
    (["--message", "0"], "a number from 1"), (["--message", "x"], "a number from 1"),
    (["--save-attachments", "."], "name it with --message")])
def test_mistakes(lockbox, tmp_path, messages, arguments, words):
    result = lockbox.run("read", *arguments, make_mbox(tmp_path / "box", messages))
    assert result.status == 64 and words in result.err, result


def test_a_number_of_one_message(lockbox):
    result = lockbox.run("read", "--message", "1", input=HEADER + b"\nx\n")
    assert result.status == 64 and "this is one message" in result.err


def test_a_directory_without_mail(lockbox, tmp_path):
    (tmp_path / "empty").mkdir()
    result = lockbox.run("read", tmp_path / "empty")
    assert result.status == 66 and "no Maildir" in result.err
