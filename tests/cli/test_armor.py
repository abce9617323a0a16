"""Armor as mail programs spoil it: the checksum that nobody needs (RFC 9580 §6.1) is missing or wrong, and no-break spaces
stand where spaces and empty lines were."""

import re

import pytest

from support.attacks import OPENED, PAYLOAD, SECRET, decrypt, read
from support.gnupg import GnuPgHome
from support.mime import HEADER, detached, pgp_mime

ALICE = "alice@example.com"
CHECKSUM = re.compile(rb"^=[A-Za-z0-9+/]{4}\r?\n", re.M)
CHECKSUMS = {"right": None, "missing": b"", "wrong": b"=AAAA\n"}


@pytest.fixture(scope="module")
def alice_home(bob_home):
    with GnuPgHome() as home:
        home.generate(f"Alice <{ALICE}>")
        bob_home.import_key(home.export(ALICE))
        yield home


def with_checksum(armor, checksum):
    assert len(CHECKSUM.findall(armor)) == 1
    return armor if CHECKSUMS[checksum] is None else CHECKSUM.sub(CHECKSUMS[checksum], armor)


def states(result):
    return [signature["state"] for signature in result.json["signatures"]]


@pytest.mark.parametrize("checksum", CHECKSUMS)
@pytest.mark.parametrize("length", range(3))
def test_detached_signature(lockbox, alice_home, checksum, length):
    """The last line of base64 ends in no, one or two signs of padding."""
    entity = b"Content-Type: text/plain\n\nsigned\n"
    signature = with_checksum(alice_home.run(
        "--armor", "--detach-sign", "--local-user", ALICE, "--set-notation", "length@example.com=" + "x" * length,
        input=entity.replace(b"\n", b"\r\n")), checksum)
    message = HEADER + detached(entity, signature)
    assert states(read(lockbox, message, "--json")) == ["unvouched"]
    assert states(read(lockbox, message.replace(b"\nsigned\n", b"\nforged\n"), "--json")) == ["bad"]


@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_clear_signed_text(lockbox, alice_home, checksum):
    message = HEADER + b"\n" + with_checksum(alice_home.run("--clear-sign", "--local-user", ALICE, input=b"signed\n"), checksum)
    result = read(lockbox, message)
    assert "in a name that nobody vouches for" in result.text and f"Alice <{ALICE}>" in result.text, result
    result = read(lockbox, message.replace(b"\nsigned\n", b"\nforged\n"))
    assert "BAD" in result.text and "in the name of" not in result.text, result


@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_sealed_text(lockbox, bob_home, checksum):
    armor = bob_home.encrypt(PAYLOAD, "bob@example.org")
    result = decrypt(lockbox, HEADER + pgp_mime(with_checksum(armor, checksum)))
    assert result.status == OPENED and SECRET in result.out, result


@pytest.mark.parametrize("nbsp", ["\u00a0".encode(), b"\xa0", b" \xa0"], ids=["UTF-8", "ISO 8859-1", "beside a space"])
def test_no_break_spaces(lockbox, bob_home, nbsp):
    """KMail's users have such mail: an empty line that is a no-break space, and more of them at the ends of lines."""
    armor = bob_home.encrypt(PAYLOAD, "bob@example.org").replace(b"\n\n", b"\n" + nbsp + b"\n", 1)
    lines = armor.splitlines()
    spoiled = b"".join(line + (nbsp if number % 2 == 0 else b"") + b"\r\n" for number, line in enumerate(lines))
    for octets in (armor, spoiled):
        result = decrypt(lockbox, HEADER + pgp_mime(octets))
        assert result.status == OPENED and SECRET in result.out, result
