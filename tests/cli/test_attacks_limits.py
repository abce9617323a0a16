"""Input that is made to be slow, deep or large, and names that are made to be written elsewhere. Whatever comes of it, the command
ends by itself, in less than the minutes that Command.run() waits: what is quadratic here would take a quarter of an hour."""

import os

import pytest

from support.attacks import DAMAGED, NOT_SEALED, OPENED, PARTLY, SECRET, decrypt, read
from support.mime import HEADER, multipart, text

BOB = "bob@example.org"


def nested(levels, inner):
    for level in range(levels):
        inner = multipart(b"mixed", inner, boundary=b"level%d." % level)
    return inner


def _hostile():
    mega = 1 << 20
    begin = b"-----BEGIN PGP MESSAGE-----\n"
    html = b"Content-Type: text/html\n\n"
    return {
        "armor begins": HEADER + b"\n" + begin * (4 * mega // len(begin)),
        "armor and signatures in turn": HEADER + b"\n" + (begin + b"-----END PGP SIGNATURE-----\n") * (mega // 14),
        "one armor that never ends": HEADER + b"\n" + begin + b"\n" + b"x" * 60 * (8 * mega // 60),
        "parentheses in From": HEADER.replace(b"Alice", b"(" * mega) + b"\nx\n",
        "angle brackets in From": HEADER.replace(b"Alice", b"<" * mega) + b"\nx\n",
        "quotes in To": HEADER.replace(b"bob@", b'"' * mega + b"bob@") + b"\nx\n",
        "groups in To": HEADER.replace(b"bob@", b"a:" * (mega // 2) + b"bob@") + b"\nx\n",
        "recipients": HEADER.replace(b"bob@example.org", b"bob@example.org, " * (mega // 16)) + b"\nx\n",
        "encoded words": HEADER.replace(b"outside", b"=?utf-8?q?=41?= " * (mega // 16)) + b"\nx\n",
        "encoded words that never end": HEADER.replace(b"outside", b"=?utf-8?q?" * (mega // 10)) + b"\nx\n",
        "folded lines": HEADER.replace(b"outside", b"x\n " * (mega // 3)) + b"\nx\n",
        "fields": HEADER + b"X-Field: x\n" * (mega // 11) + b"\nx\n",
        "parameters": HEADER + b"Content-Type: text/plain" + b";\n a=b" * (mega // 6) + b"\n\nx\n",
        "continued parameters": HEADER + b"Content-Type: application/x" + b"".join(b";\n name*%d=b" % n for n in range(100_000)) +
                                b"\n\nx\n",
        "comments in Content-Type": HEADER + b"Content-Type: text/" + b"(" * mega + b"\n\nx\n",
        "boundary of a megabyte": HEADER + b'Content-Type: multipart/mixed; boundary="' + b"b" * mega + b'"\n\n--' + b"b" * mega +
                                  b"\n\nx\n",
        "almost delimiters": HEADER + b"Content-Type: multipart/mixed; boundary=" + b"b" * 70 + b"\n\n" +
                             (b"--" + b"b" * 69 + b"\n") * (4 * mega // 72),
        "messages in messages": HEADER + b"Content-Type: message/rfc822\n\n" * 2000 + b"x\n",
        "digests": HEADER + nested(31, multipart(b"digest", *[b"\nx"] * 900, boundary=b"dd")),
        "parts at each level": HEADER + multipart(b"mixed", *[nested(20, text(b"x"))] * 100, boundary=b"outermost"),
        "signed in signed": HEADER + b"Content-Type: multipart/signed; boundary=x;\n"
                            b" protocol=\"application/pgp-signature\"\n\n" * 50,
        "HTML elements in each other": HEADER + html + b"<div>" * (mega // 5) + b"x",
        "HTML tables in each other": HEADER + html + b"<table><tr><td>" * (mega // 15) + b"x",
        "HTML entities": HEADER + html + b"&amp" * (mega // 4),
        "HTML attributes": HEADER + html + b"<a " + b"x=y " * (mega // 4),
        "HTML comments": HEADER + html + b"<!--" * (mega // 4),
        "HTML scripts": HEADER + html + b"<script>" * (mega // 8),
        "HTML ends": HEADER + html + b"<ul>" * 1000 + b"</p></div>" * (mega // 10),
        "quotes of format=flowed": HEADER + b"Content-Type: text/plain; format=flowed\n\n" + b">" * mega + b" x \ny\n",
        "a line of 16 MB": HEADER + b"\n" + b"x" * 16 * mega,
        "empty lines": HEADER + b"\n" + b"\n" * 8 * mega,
        "bidi": HEADER + b"\n" + "\u202e".encode() * (2 * mega),
        "combining": HEADER + b"\nx" + "\u0301".encode() * (2 * mega),
        "broken UTF-8": HEADER + b"Content-Type: text/plain; charset=utf-8\n\n" + b"\xf0\x9f" * (2 * mega),
        "charset of that name": HEADER + b"Content-Type: text/plain; charset=" + b"c" * mega + b"\n\nx",
        "UTF-7": HEADER + b"Content-Type: text/plain; charset=utf-7\n\n" + b"+" * 2 * mega,
        "NUL": HEADER + b"\n" + bytes(4 * mega),
        "carriage returns": HEADER + b"\r" * 4 * mega,
        "nothing": b"",
        "one octet": b"\x85",
        "colons": b":" * mega,
        "BER without end": HEADER + b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: binary\n\n" +
                           b"0\x80" * mega,
        "BER in BER": HEADER + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n"
                      b"Content-Transfer-Encoding: binary\n\n0\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" +
                      b"\xa0\x80" * mega,
        "packets of no octets": HEADER + b"Content-Type: application/octet-stream; name=x.pgp\n"
                                b"Content-Transfer-Encoding: binary\n\n" + b"\xc1\0" * mega + b"\xd2\0",
        "partial lengths": HEADER + b"Content-Type: application/octet-stream; name=x.pgp\nContent-Transfer-Encoding: binary\n\n" +
                           b"\xd2" + b"\xe0x" * mega,
    }


HOSTILE = _hostile()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input(lockbox, name):
    message = lockbox.file("message.eml", HOSTILE[name])
    for subcommand in ("decrypt", "read"):
        result = lockbox.run(subcommand, message)
        assert result.status in (OPENED, NOT_SEALED, DAMAGED), (result.status, result.err[:2000])
        assert len(result.err) < 100_000


@pytest.mark.parametrize("name", ["parentheses in From", "encoded words", "folded lines", "HTML elements in each other",
                                  "comments in Content-Type", "messages in messages", "continued parameters", "digests"])
def test_hostile_input_that_is_sealed(lockbox, sealed, name):
    """Sealed by a stranger, who can do that as well as anybody, and with the protected header fields from inside."""
    inside = HOSTILE[name].replace(b"\n", b"\r\n")
    message = lockbox.file("message.eml", HEADER + sealed(inside))
    for subcommand in ("decrypt", "read"):
        result = lockbox.run(subcommand, message)
        assert result.status in (OPENED, DAMAGED), (result.status, result.err[:2000])


def test_many_sealed_parts(lockbox, sealed):
    """Each costs a GnuPG: there is an end to it, and it is said."""
    one = sealed()
    result = decrypt(lockbox, HEADER + multipart(b"mixed", *[one] * 150))
    assert result.status in (PARTLY, DAMAGED) and "more than 100 sealed parts" in result.err, result.err[-2000:]


def test_many_armors_in_a_text(lockbox, bob_home):
    armor = bob_home.encrypt(SECRET, BOB)
    result = decrypt(lockbox, HEADER + b"\n" + (armor + b"x\n") * 1000)
    assert result.status in (PARTLY, DAMAGED) and result.out == b"", result


# --- Where attachments go ---

def with_attachments(*names):
    parts = [b'Content-Type: application/octet-stream\nContent-Disposition: attachment; filename="' + name +
             b'"\n\nharm %d' % number for number, name in enumerate(names)]
    return HEADER + multipart(b"mixed", text(b"x"), *parts)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "attachments"
    path.mkdir()
    return path


def test_link_in_the_folder(lockbox, folder, tmp_path):
    """Somebody has put a symbolic link there, under the name that will come."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (folder / "a.txt").symlink_to(victim)
    (folder / "b.txt").symlink_to(tmp_path / "not-there")
    os.mkfifo(folder / "c.txt")
    result = read(lockbox, with_attachments(b"a.txt", b"b.txt", b"c.txt"), "--save-attachments", folder)
    assert result.status == OPENED, result
    assert victim.read_bytes() == b"precious" and not (tmp_path / "not-there").exists()
    saved = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
    assert sorted(path.read_bytes() for path in saved) == [b"harm 0", b"harm 1", b"harm 2"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in saved)


def test_equal_names(lockbox, folder):
    result = read(lockbox, with_attachments(*[b"same.txt"] * 50), "--save-attachments", folder)
    assert result.status == OPENED, result
    assert sorted(path.read_bytes() for path in folder.iterdir()) == sorted(b"harm %d" % n for n in range(50))


@pytest.mark.parametrize("name", [b"x" * 5000 + b".txt", "語".encode() * 200, b".", b" ", b"", b"a/../../../b", b"CON", b"a\0b",
                                  b"~", b"$HOME", b"`id`", b"a\\nb", b"x.desktop ", b"\xff\xfe.txt", b"-o", b"....", b"a/",
                                  b"=?utf-8?q?..=2F..=2Fevil?=", b"%2e%2e%2fevil"])
def test_names_that_no_file_should_have(lockbox, folder, tmp_path, name):
    before = {path for path in tmp_path.rglob("*")}
    result = read(lockbox, with_attachments(name), "--save-attachments", folder)
    assert result.status == OPENED, result
    made, = {path for path in tmp_path.rglob("*")} - before
    assert made.parent == folder and made.read_bytes() == b"harm 0"
    assert len(os.fsencode(made.name)) <= 255 and made.name[0] not in ".-~ " and made.name.strip() == made.name
    assert not any(c in made.name for c in "/\\\n\0\x1b")


def test_folder_that_cannot_be_written_to(lockbox, tmp_path):
    missing = read(lockbox, with_attachments(b"a.txt"), "--save-attachments", tmp_path / "missing")
    assert missing.status == 66 and "missing" in missing.err, missing
    assert not (tmp_path / "missing").exists()
    no_folder = lockbox.file("file", b"precious")
    result = read(lockbox, with_attachments(b"a.txt"), "--save-attachments", no_folder)
    assert result.status in (66, 74) and no_folder.read_bytes() == b"precious", result
