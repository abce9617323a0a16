"""What can be read stands beside what cannot be opened, or in a form that only some programs write."""

import pytest

from support.attacks import PARTLY, SECRET, decrypt, read
from support.gnupg import GnuPgHome
from support.mime import HEADER, armored, multipart, pgp_mime, text
from support.openpgp import packet

BOB = "bob@example.org"
CAROL = "carol@example.org"
PROSE = b"I am sorry: your message could not be delivered.\n"


# --- A part that cannot be opened hides nothing ---

def report_of(sealed):
    """A delivery status notification (RFC 3462) that has the whole message in it."""
    return multipart(b"report; report-type=delivery-status", text(PROSE),
                     b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n",
                     b"Content-Type: message/rfc822\n\nFrom: bob@example.org\nTo: carol@example.org\nSubject: [...]\n"
                     b"MIME-Version: 1.0\n" + sealed)


def beside(carol_home):
    armor = carol_home.encrypt(SECRET, CAROL)
    yield "bounce", report_of(pgp_mime(armor)), "part 3"
    yield "reply that quotes", b"\n" + PROSE + b"\nCarol wrote:\n" + armor, "part 1#1"
    yield "reply below", b"\n" + armor + b"\n" + PROSE, "part 1#1"
    yield "cut off", b"\n" + PROSE + armor[:len(armor) // 2], "part 1#1"
    yield "damaged", multipart(b"mixed", text(PROSE), pgp_mime(armor[:-60] + b"AAAA" + armor[-60:])), "part 2"
    yield "in two encodings", multipart(b"mixed", text(PROSE.replace(b":", b"=3A"), fields=b"Content-Transfer-Encoding: "
                                                       b"quoted-printable\n"), pgp_mime(armor)), "part 2"


def test_what_cannot_be_opened_hides_nothing_beside_it(lockbox, carol_home):
    for name, message, part in beside(carol_home):
        shown = read(lockbox, HEADER + message)
        assert shown.status == PARTLY, (name, shown)
        assert "\u2502 " + PROSE.decode() in shown.text, (name, shown.text)
        assert f"{part}: " in shown.text and "NOT OPENED" in shown.text, (name, shown.text)
        assert "sealed, and unchanged since" not in shown.text and SECRET not in shown.out, name
        opened = decrypt(lockbox, HEADER + message)
        assert (opened.status, opened.out) == (PARTLY, b""), (name, opened)
        assert f"that was not opened: {part}: " in opened.err, (name, opened)
        report = read(lockbox, HEADER + message, "--json").json
        assert report["outcome"] == "partly-sealed" and report["protection"] == "none"
        assert [part["outcome"] in ("no-key", "damaged") for part in report["parts"]] == [True]


def test_a_bounce_in_a_mailbox_stays_as_it_is(lockbox, carol_home):
    message = HEADER + report_of(pgp_mime(carol_home.encrypt(SECRET, CAROL)))
    path = lockbox.file("bounce.eml", message)
    result = lockbox.run("decrypt", "--in-place", path)
    assert result.status == PARTLY and path.read_bytes() == message, result


def test_nothing_to_read_beside_it(lockbox, carol_home):
    """A message of which nothing can be read has not been opened, however many parts it has."""
    sealed = pgp_mime(carol_home.encrypt(SECRET, CAROL))
    for message in (multipart(b"mixed", text(b" \n"), sealed), multipart(b"mixed", sealed, sealed)):
        shown = read(lockbox, HEADER + message)
        assert shown.status == 77 and "NOT OPENED" in shown.text, shown


@pytest.mark.parametrize("example", [
    b"-----BEGIN PGP MESSAGE-----\n\nhQEMA...\n-----END PGP MESSAGE-----\n",
    b"-----BEGIN PGP MESSAGE-----\nVersion: GnuPG v2\n\n<your text>\n-----END PGP MESSAGE-----\n",
    b"-----BEGIN PGP MESSAGE-----\n"])
def test_an_example_of_armor(lockbox, sealed, example):
    shown = read(lockbox, HEADER + b"\n" + PROSE + b"\n" + example + b"\n" + PROSE)
    assert shown.status == 0 and "NOT SEALED" in shown.text and "1#1 is none" in shown.text, shown
    assert shown.text.count(PROSE.decode()) == 2
    assert decrypt(lockbox, HEADER + b"\n" + PROSE + example).status == 1
    # Beside a sealed part, it may be the bait for another program.
    result = decrypt(lockbox, HEADER + multipart(b"mixed", text(PROSE + example), sealed()))
    assert (result.status, result.out) == (PARTLY, b""), result


def test_several_parts_are_several(lockbox, sealed):
    message = HEADER + multipart(b"mixed", multipart(b"mixed", sealed(), text(b"x"), boundary=b"inner"), sealed())
    assert "only parts 1.1, 2 were sealed" in decrypt(lockbox, message).err
    message = HEADER + multipart(b"mixed", sealed(), text(b"x"))
    assert "only part 1 was sealed" in decrypt(lockbox, message).err


# --- Messages of OpenPGP that are signed, and not sealed (RFC 9580 §10.3) ---

@pytest.fixture(scope="module")
def alice_home(bob_home):
    with GnuPgHome() as home:
        home.generate("Alice <alice@example.com>")
        bob_home.import_key(home.export("alice@example.com"))
        yield home


@pytest.mark.parametrize("compression", ["none", "zip", "zlib", "bzip2"])
def test_signed_only(lockbox, alice_home, compression):
    """gpg --sign --armor: the text is in it, for everybody to read, and the signature covers it."""
    armor = alice_home.run("--compress-algo", compression, "--armor", "--sign", "--local-user", "alice@example.com",
                           input="Gr\u00fc\u00dfe.\n".encode())
    shown = read(lockbox, HEADER + b"\n" + armor)
    assert shown.status == 0 and "NOT SEALED" in shown.text, shown
    assert "\u2502 Gr\u00fc\u00dfe.\n" in shown.text and "BEGIN PGP" not in shown.text, shown
    report = read(lockbox, HEADER + b"\n" + armor, "--json").json
    signature, = report["signatures"]
    assert signature["is_of_sender"] and signature["state"] == "unvouched" and report["outcome"] == "nothing-to-open"
    assert (decrypt(lockbox, HEADER + b"\n" + armor).status, decrypt(lockbox, HEADER + b"\n" + armor).out) == (1, b"")

    around = read(lockbox, HEADER + b"\nPay Mallory.\n" + armor, "--json").json
    assert around["signatures"] == [] and around["parts"][0]["signatures"][0]["is_of_sender"], around
    assert around["parts"][0]["texts"][0]["text"] == "Gr\u00fc\u00dfe.\n"


def test_signed_only_and_changed(lockbox, alice_home):
    """What GnuPG says is bad is shown as bad, and what cannot be read at all as damaged."""
    octets = bytearray(alice_home.run("--compress-algo", "none", "--sign", "--local-user", "alice@example.com",
                                      input=b"Pay Alice."))
    at = octets.index(b"Pay Alice.")
    octets[at + 4:at + 9] = b"Mallo"
    report = read(lockbox, HEADER + b"\n" + armored(bytes(octets)), "--json").json
    assert [signature["state"] for signature in report["signatures"]] == ["bad"], report
    compressed = alice_home.run("--compress-algo", "zlib", "--sign", "--local-user", "alice@example.com", input=b"x" * 5000)
    damaged = compressed[:20] + b"\0\0\0\0" + compressed[24:]
    result = read(lockbox, HEADER + b"\n" + armored(damaged), "--json").json
    assert all(signature["state"] in ("bad", "unreadable") for signature in result["signatures"]), result


def test_a_bomb_that_is_signed(lockbox, alice_home):
    """1 MB of compressed zeros opens to a hundred times as much and more."""
    bomb = alice_home.run("--compress-algo", "bzip2", "--armor", "--sign", "--local-user", "alice@example.com",
                          input=b"\0" * (20 << 20))
    assert len(bomb) < 50_000
    shown = read(lockbox, HEADER + b"\n" + bomb)
    assert shown.status == 65 and "decompression bomb" in shown.text and len(shown.out) < 10_000, shown


def test_sealed_inside_of_compressed(lockbox, bob_home):
    """RFC 9580 §10.3 allows it, nobody writes it: a way around the checks of what is sealed, so it is not opened."""
    octets = bob_home.encrypt(SECRET, BOB, armor=False)
    hidden = packet(8, b"\0" + octets)  # compressed packet, uncompressed (RFC 9580 §9.4)
    result = read(lockbox, HEADER + b"\n" + armored(hidden))
    assert SECRET not in result.out, result


def test_the_milter_seals_what_is_only_signed(filled, alice_home):
    armor = alice_home.run("--armor", "--sign", "--local-user", "alice@example.com", input=SECRET)
    message = filled.file("signed.eml", HEADER + b"\n" + armor)
    result = filled.run("encrypt", "--to", BOB, message)
    assert result.status == 0 and b"multipart/encrypted" in result.out, result
    assert SECRET in decrypt(filled, HEADER + b"\n" + armor).out or decrypt(filled, result.out).status == 0
