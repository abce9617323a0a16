"""What can be read stands beside what cannot be opened, or in a form that only some programs write."""

import pytest

from support.attacks import PARTLY, SECRET, decrypt, read
from support.mime import HEADER, multipart, pgp_mime, text

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
