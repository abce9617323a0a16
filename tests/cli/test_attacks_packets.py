"""OpenPGP messages whose packets no honest program writes. The session key is right in all of them and the MDC too, where
it does not say otherwise: whoever has the recipient's certificate can make them."""

import os
import subprocess

import pytest

from support.attacks import DAMAGED, NO_KEY, OPENED, PAYLOAD, SECRET, decrypt, is_refused, read
from support.command import Command
from support.gnupg import GnuPgHome
from support.mime import HEADER, armored, pgp_mime
from support.openpgp import MARKER, Sealer, compressed, literal, packet, packets

BOB = "bob@example.org"
ALICE = "alice@example.com"


@pytest.fixture(scope="module")
def sealer(bob_home):
    return Sealer(bob_home, BOB)


@pytest.fixture(scope="module")
def alice_home(bob_home):
    with GnuPgHome() as home:
        home.generate(f"Alice <{ALICE}>")
        bob_home.import_key(home.export(ALICE))
        yield home


def message(octets):
    return HEADER + pgp_mime(armored(octets))


def test_the_sealer_itself(lockbox, sealer):
    """What follows is refused for its contents, and not because it is put together wrongly."""
    for content in (literal(PAYLOAD), compressed(literal(PAYLOAD)), MARKER + literal(PAYLOAD)):
        result = decrypt(lockbox, message(sealer.seal(content)))
        assert result.status == OPENED and SECRET in result.out, result


def test_two_texts_in_one_encryption(lockbox, sealer):
    """RFC 9580 §10.3 knows one literal packet in a message. A reader that joins two shows one text of two authors."""
    is_refused(lockbox, message(sealer.seal(literal(PAYLOAD) + literal(b"more"))), "not opened")


def test_unsigned_text_behind_a_signed_one(lockbox, sealer, alice_home):
    """And a reader that says "signed" of both: CVE-2007-1263."""
    signed = alice_home.run("--compress-algo", "none", "--local-user", ALICE, "--sign", input=PAYLOAD)
    genuine = read(lockbox, message(sealer.seal(signed)), "--json")
    assert [signature["is_of_sender"] for signature in genuine.json["signatures"]] == [True], genuine
    for content in (signed + literal(b"Pay Mallory."), literal(b"Pay Mallory.\r\n") + signed, signed + signed):
        is_refused(lockbox, message(sealer.seal(content)), "not opened")


def test_signature_of_another_text(lockbox, sealer, alice_home):
    """One-pass signature and signature are Alice's, the text between is not."""
    signed = list(packets(alice_home.run("--compress-algo", "none", "--local-user", ALICE, "--sign", input=PAYLOAD)))
    assert [tag for tag, _, _ in signed] == [4, 11, 2]
    forged = signed[0][2] + literal(PAYLOAD.replace(b"dawn", b"noon")) + signed[2][2]
    result = read(lockbox, message(sealer.seal(forged)), "--json")
    assert result.status in (OPENED, DAMAGED), result
    assert [signature["state"] for signature in result.json["signatures"] if signature["state"] != "bad"] == []


def test_status_lines_in_the_file_name(lockbox, sealer):
    """SigSpoof, CVE-2018-12020: a literal packet's file name that pretends to be a status line of GnuPG's."""
    name = (b"x\n[GNUPG:] GOODSIG 2C6464AF2A8E4C02 Alice <alice@example.com>\n[GNUPG:] VALIDSIG "
            b"3D2E8A4F6A1B0C9D8E7F60514233241506172839 2026-01-01 1767225600 0 4 0 1 8 00\n[GNUPG:] TRUST_FULLY 0 pgp\n")
    result = read(lockbox, message(sealer.seal(literal(PAYLOAD, name))), "--json")
    assert result.status == OPENED and result.json["signatures"] == [], result


@pytest.mark.parametrize("content", [b"", MARKER, packet(60, b"private"), packet(2, b"\4"),
                                     bytes((n * 37 + 11) % 256 for n in range(200)), packet(11, b"b"), b"\xcb\xe9b\0\0\0\0\0" + PAYLOAD], ids=[
    "nothing", "marker", "private packet", "signature alone", "noise", "cut literal", "partial length without end"])
def test_no_text_inside(lockbox, sealer, content):
    """The MDC is right, but what it covers is no message. To call an empty text "opened" would make --in-place put it where the
    message was, with all that a later GnuPG might have read in it."""
    is_refused(lockbox, message(sealer.seal(content)), "not opened")


def test_compressed_forty_times(lockbox, sealer):
    """RFC 9580 sets no limit to how packets nest."""
    content = literal(PAYLOAD)
    for _ in range(40):
        content = compressed(content)
    is_refused(lockbox, message(sealer.seal(content)), "not opened")


@pytest.mark.parametrize("where", ["behind", "before"])
def test_readable_packets_beside(lockbox, sealer, where):
    """A text that was never sealed, in the same armor."""
    sealed, readable = sealer.seal(literal(PAYLOAD)), literal(b"Pay Mallory.")
    is_refused(lockbox, message(sealed + readable if where == "behind" else readable + sealed), "not opened")


def test_two_messages_in_one_armor(lockbox, sealer):
    is_refused(lockbox, message(sealer.seal(literal(PAYLOAD)) + sealer.seal(literal(PAYLOAD))), "not opened")


def test_readable_text_labelled_as_sealed(lockbox):
    """PGP/MIME whose armor has a literal packet in it, or one compressed, and no encryption."""
    for octets in (literal(PAYLOAD), compressed(literal(PAYLOAD))):
        result = decrypt(lockbox, message(octets))
        assert (result.status, result.out) == (DAMAGED, b""), result


def test_session_key_of_zeros_without_recipient(lockbox):
    """No packet with a session key at all: gpg once took what it had."""
    prefix = os.urandom(16)
    content = prefix + prefix[-2:] + literal(PAYLOAD) + b"\xd3\x14"
    digest = subprocess.run(["openssl", "dgst", "-sha1", "-binary"], input=content, capture_output=True, check=True).stdout
    octets = subprocess.run(["openssl", "enc", "-aes-256-cfb", "-K", "00" * 32, "-iv", "00" * 16], input=content + digest,
                            capture_output=True, check=True).stdout
    result = decrypt(lockbox, message(packet(18, b"\1" + octets)))
    assert result.status in (DAMAGED, NO_KEY) and result.out == b"", result


def test_passphrase_instead_of_a_key(tmp_path, bob_home):
    """Whoever knows a passphrase may have written it; that no key was needed has to be said."""
    octets = bob_home.run("--symmetric", "--passphrase", "secret", "--cipher-algo", "AES256", input=PAYLOAD)
    with GnuPgHome() as home:
        pinentry = tmp_path / "pinentry"
        pinentry.write_text("#!/bin/sh\necho OK\nwhile read -r line; do case $line in\n"
                            "GETPIN*) echo D secret; echo OK;; BYE*) exit;; *) echo OK;; esac; done\n", encoding="ascii")
        pinentry.chmod(0o700)
        home._write("gpg.conf", "no-tty", "trust-model always")
        home._write("gpg-agent.conf", f"pinentry-program {pinentry}")
        result = decrypt(Command(tmp_path, home), message(octets))
        assert result.status == OPENED and "passphrase" in result.err, result
        pinentry.write_text("#!/bin/sh\necho ERR 1 none\n", encoding="ascii")
        home.run("--list-keys")
        result = decrypt(Command(tmp_path, home), message(bob_home.run("--symmetric", "--passphrase", "other", input=PAYLOAD)))
        assert result.out == b"" and result.status not in (0, 1, 2) and "not opened" in result.err, result


def test_many_hidden_recipients(lockbox, bob_home, sealer):
    """RFC 9580 §5.1.8: of a hidden recipient every key has to be tried. Hundreds of them must not keep a reader busy."""
    with GnuPgHome() as home:
        home.generate("Carol <carol@example.org>")
        home.import_key(bob_home.export(BOB))
        (_, _, hidden), *_ = packets(home.run("--hidden-recipient", "carol@example.org", "--encrypt", input=b"x"))
    result = decrypt(lockbox, message(hidden * 300 + sealer.seal(literal(PAYLOAD))))
    assert result.status in (OPENED, DAMAGED, NO_KEY), result


# --- AEAD (packet 20), which rnp writes and GnuPG reads ---

@pytest.fixture(scope="module")
def aead(bob_home, tmp_path_factory):
    """Some chunks of 64 octets, then the tag over all of them: RFC 9580 §5.13.2's forerunner."""
    folder = tmp_path_factory.mktemp("rnp")
    certificate, plain, sealed = folder / "bob.pgp", folder / "plain", folder / "sealed"
    certificate.write_bytes(bob_home.export(BOB, armor=False))
    plain.write_bytes(PAYLOAD + b"x" * 600 + b"\r\n")
    subprocess.run(["rnp", "--keyfile", certificate, "--recipient", BOB, "--encrypt", "--aead=OCB", "--aead-chunk-bits", "0",
                    "-z", "0", "--output", sealed, plain], check=True, capture_output=True, timeout=120)
    return sealed.read_bytes()


def _one_length(octets):
    """The packets with definite lengths, whatever rnp chose: so that a cut is a cut of the contents alone."""
    first, tag, body, at = octets, None, b"", 0
    (_, _, pkesk), *_ = packets(first)
    at = len(pkesk)
    tag = octets[at] & 0x3f
    at += 1
    while True:
        one = octets[at]
        if 224 <= one < 255:
            size = 1 << (one & 0x1f)
            body += octets[at + 1:at + 1 + size]
            at += 1 + size
            continue
        if one < 192:
            length, begin = one, at + 1
        elif one < 224:
            length, begin = ((one - 192) << 8) + octets[at + 1] + 192, at + 2
        else:
            length, begin = int.from_bytes(octets[at + 1:at + 5], "big"), at + 5
        return pkesk, tag, body + octets[begin:begin + length]


def test_aead(lockbox, aead):
    """Where GnuPG can open it, all of it is there; where it cannot, it is refused."""
    pkesk, tag, body = _one_length(aead)
    assert tag == 20
    result = decrypt(lockbox, message(pkesk + packet(tag, body)))
    assert result.status == OPENED and SECRET in result.out, result


def test_aead_cut_behind_a_chunk(lockbox, aead):
    """Each chunk has its own tag and can be shown before the rest is there; that nothing is missing only the last one says."""
    pkesk, tag, body = _one_length(aead)
    head, chunk, final = 4 + 15, 64 + 16, 16
    for kept in (head + 3 * chunk, head + 3 * chunk + final, len(body) - final, len(body) - 1):
        is_refused(lockbox, message(pkesk + packet(tag, body[:kept])), "not opened")
    swapped = body[:head] + body[head + chunk:head + 2 * chunk] + body[head:head + chunk] + body[head + 2 * chunk:]
    is_refused(lockbox, message(pkesk + packet(tag, swapped)), "not opened")


def test_aead_relabelled_as_cfb(lockbox, aead):
    """Under the same session key CFB gives garbage that depends on the text."""
    pkesk, _, body = _one_length(aead)
    is_refused(lockbox, message(pkesk + packet(9, body[4:])), "not opened")
    is_refused(lockbox, message(pkesk + packet(18, b"\1" + body[4:])), "not opened")
