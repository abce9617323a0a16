"""Signatures that are right, and of which something wrong could be said: "Johnny, you are fired!" (Müller et al., USENIX
Security 2019), and what EFAIL's authors found in S/MIME."""

import base64
import re

import pytest

from support import cms, places
from support.attacks import OPENED, PARTLY, SECRET, decrypt, read
from support.command import Command
from support.gnupg import GnuPgHome
from support.mime import HEADER, detached, multipart, pgp_mime, smime, text

ALICE = "alice@example.com"
BOB = "bob@example.org"
MALLORY = "mallory@example.net"
LISTS = places.SOURCE / "tests" / "data" / "smime"
ENTITY = b"Content-Type: text/plain\n\nsigned\n"


def crlf(octets):
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Signers:
    """Alice and Mallory; Mallory's certificate has a second User ID, with Alice's address."""

    def __init__(self):
        self.home = GnuPgHome()
        self.alice = self.home.generate(f"Alice <{ALICE}>")
        self.mallory = self.home.generate(f"Mallory <{MALLORY}>")
        self.home.add_user_id(self.mallory, f"Alice <{ALICE}>")

    def sign(self, fingerprint, entity=ENTITY):
        return self.home.run("--armor", "--detach-sign", "--local-user", fingerprint, input=crlf(entity))


@pytest.fixture(scope="module")
def signers():
    made = Signers()
    yield made
    made.home.close()


@pytest.fixture(scope="module")
def bob(bob_home, signers):
    """Bob's home: he has certified Alice's certificate, and Mallory's for the address that is Mallory's."""
    with GnuPgHome() as home:
        home.import_key(bob_home.export_secret(BOB) + signers.home.export(signers.alice) + signers.home.export(signers.mallory))
        home._write("gpg.conf", "batch", "no-tty", "trust-model pgp", "no-auto-key-locate", "pinentry-mode loopback")
        home.run("--import-ownertrust", input=f"{home.fingerprint(BOB)}:6:\n".encode())
        home.run("--quick-sign-key", signers.alice, f"Alice <{ALICE}>")
        home.run("--quick-sign-key", signers.mallory, f"Mallory <{MALLORY}>")
        home.run("--check-trustdb")
        yield home


@pytest.fixture
def trusting(tmp_path, bob):
    return Command(tmp_path, bob)


def states(result):
    return [(signature["state"], signature["proves_sender"]) for signature in result.json["signatures"]]


def by(address):
    return HEADER.replace(ALICE.encode(), address)


def test_what_is_right(trusting, signers):
    """All that follows is not refused because nothing here is trusted."""
    assert states(read(trusting, HEADER + detached(ENTITY, signers.sign(signers.alice)), "--json")) == [("good", True)]
    message = by(MALLORY.encode()) + detached(ENTITY, signers.sign(signers.mallory))
    assert states(read(trusting, message, "--json")) == [("good", True)]


def test_user_id_that_nobody_certified(trusting, signers):
    """Mallory's certificate is trusted, for his own address; he has added Alice's to it by himself."""
    message = HEADER + detached(ENTITY, signers.sign(signers.mallory))
    result = read(trusting, message, "--json")
    assert [proves for _, proves in states(result)] == [False], result
    assert ALICE not in result.json["signatures"][0]["addresses"]
    assert "NOT the address in From" in read(trusting, message).text
    sealed = HEADER + pgp_mime(signers.home.run("--armor", "--local-user", signers.mallory, "--sign", input=crlf(ENTITY)))
    assert [proves for _, proves in states(read(trusting, sealed, "--json"))] in ([], [False])


# Fields of which a reader may show the first address, and a checker take the last, or the other way round.
AMBIGUOUS = {
    "two fields": b"From: Alice <alice@example.com>\nFrom: Mallory <mallory@example.net>\n",
    "two fields, turned": b"From: Mallory <mallory@example.net>\nFrom: Alice <alice@example.com>\n",
    "two mailboxes": b"From: Alice <alice@example.com>, Mallory <mallory@example.net>\n",
    "two pairs of brackets": b"From: Alice <alice@example.com> <mallory@example.net>\n",
    "group": b"From: alice@example.com: Mallory <mallory@example.net>;\n",
    "NUL": b"From: Alice <alice@example.com\0> <mallory@example.net>\n",
    "carriage return": b"From: Alice <alice@example.com>\rX: <mallory@example.net>\n",
    "encoded": b"From: =?utf-8?q?Alice_=3Calice=40example=2Ecom=3E?= <mallory@example.net>, x@example.net\n",
    "blank before the colon": b"From : Alice <alice@example.com>\nFrom: Mallory <mallory@example.net>\n",
    "Resent": b"From: Alice <alice@example.com>\nResent-From: Mallory <mallory@example.net>\n",
    "Sender": b"From: Alice <alice@example.com>\nSender: Mallory <mallory@example.net>\n",
    "none": b"Sender: Mallory <mallory@example.net>\n",
}


@pytest.mark.parametrize("fields", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_sender_that_depends_on_who_reads_it(trusting, signers, fields):
    """Mallory signs as himself. Nobody may be told that this proves who wrote the message."""
    message = fields + HEADER.partition(b"\n")[2] + detached(ENTITY, signers.sign(signers.mallory))
    assert states(read(trusting, message, "--json")) == [("good", False)]
    assert "From field" in decrypt(trusting, message).err or "address" in decrypt(trusting, message).err


def test_address_in_the_name(trusting, signers):
    """The address before the brackets is a name, whatever it looks like; the signature is Mallory's and is shown as his."""
    message = by(b"x").replace(b"From: Alice <x>", b'From: "alice@example.com" <mallory@example.net>') + \
        detached(ENTITY, signers.sign(signers.mallory))
    shown = read(trusting, message).text
    assert MALLORY in shown[shown.index("Signature"):], shown
    sealed_name = read(trusting, message, "--json").json["signatures"][0]
    assert sealed_name["addresses"] == [MALLORY]


def test_third_part_in_a_signed_message(trusting, signers):
    """RFC 1847 has two parts. A third that is shown beside is not signed."""
    for extra in (text(b"Pay Mallory."), text(b"<b>Pay", b"html")):
        body = detached(ENTITY, signers.sign(signers.alice)).replace(b"--ss--\n", b"--ss\n" + extra + b"\n--ss--\n")
        result = read(trusting, HEADER + body, "--json")
        assert result.json["signatures"] == [], result


def test_two_parts_before_the_signature(trusting, signers):
    body = multipart(b'signed; micalg=pgp-sha256; protocol="application/pgp-signature"', ENTITY, text(b"Pay Mallory."),
                     b"Content-Type: application/pgp-signature\n\n" + signers.sign(signers.alice), boundary=b"ss")
    assert read(trusting, HEADER + body, "--json").json["signatures"] == []


def test_text_around_the_signed_part(trusting, signers):
    """Preamble and epilogue are shown by nobody, and so claim nothing; Lockbox must not show them as signed."""
    body = multipart(b'signed; micalg=pgp-sha256; protocol="application/pgp-signature"', ENTITY,
                     b"Content-Type: application/pgp-signature\n\n" + signers.sign(signers.alice), boundary=b"ss",
                     preamble=b"Pay Mallory.\n", epilogue=b"Pay Mallory.\n")
    assert "Pay Mallory" not in read(trusting, HEADER + body).text


def test_boundary_inside_of_the_signed_part(trusting, signers):
    """The signed entity is a multipart with the boundary of the multipart/signed: to one reader the signature ends earlier."""
    entity = multipart(b"mixed", text(b"signed"), text(b"too"), boundary=b"ss")
    result = read(trusting, HEADER + detached(entity, signers.sign(signers.alice, entity)), "--json")
    assert [state for state, proves in states(result) if proves] == [], result


def test_other_content_type_outside(trusting, signers):
    """What is signed is an entity; the protocol parameter and the type of the second part are the attacker's."""
    right = detached(ENTITY, signers.sign(signers.alice))
    for wrong in (right.replace(b"pgp-signature\n", b"pkcs7-signature\n"),
                  right.replace(b"application/pgp-sig", b"application/x-sig"),
                  right.replace(b"application/pgp-signature\n\n", b"text/plain\n\n")):
        result = read(trusting, HEADER + wrong, "--json")
        assert [state for state, proves in states(result) if proves] == [], result


def test_two_signers(trusting, signers):
    """Both states are told, each with whose it is; a good signature by Mallory does not hide a bad one by Alice."""
    mine, other = signers.sign(signers.mallory), signers.sign(signers.alice, ENTITY.replace(b"signed", b"other"))
    raw = b"".join(signers.home.run("--dearmor", input=signature) for signature in (mine, other))
    both = signers.home.run("--enarmor", input=raw).replace(b"PGP ARMORED FILE", b"PGP SIGNATURE")
    result = read(trusting, HEADER + detached(ENTITY, both), "--json")
    assert ("good", True) not in states(result) and [state for state, _ in states(result)] != ["good"], result


def test_signed_message_in_another(trusting, signers):
    """Alice's signed mail, forwarded by Mallory as if it were part of his: it is hers, and his is not signed."""
    forwarded = b"Content-Type: message/rfc822\n\n" + HEADER + detached(ENTITY, signers.sign(signers.alice))
    result = read(trusting, by(MALLORY.encode()) + multipart(b"mixed", text(b"I say:"), forwarded), "--json")
    assert result.json["signatures"] == [] and len(result.json["parts"]) == 1
    # The forwarded From is another's: hers is outside, and says nothing of this part.
    lying = forwarded.replace(ALICE.encode(), MALLORY.encode())
    part, = read(trusting, HEADER + multipart(b"mixed", text(b"I say:"), lying), "--json").json["parts"]
    assert [signature["proves_sender"] for signature in part["signatures"]] == [False]


def test_signed_by_the_sealer_and_from_somebody_else(trusting, signers, bob_home):
    """Signed inside of the encryption by Mallory, in a message from Alice: both protected From fields say Alice."""
    signers.home.import_key(bob_home.export(BOB))
    payload = b'From: Alice <alice@example.com>\r\nContent-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET + b"\r\n"
    message = HEADER + pgp_mime(signers.home.encrypt(payload, BOB, sign_with=signers.mallory))
    result = read(trusting, message, "--json")
    assert result.status == OPENED and states(result) == [("good", False)], result
    assert "NOT the address in From" in read(trusting, message).text


def test_clear_signed_with_more_around(trusting, signers):
    """The text above the block looks signed; and dash-escapes, and lines that GnuPG skips, hide some below it."""
    block = signers.home.run("--clear-sign", "--local-user", signers.alice, input=b"signed\n")
    hidden = re.sub(rb"(Hash: SHA\d+\n)", rb"\1Comment: Pay Mallory.\n", block)
    assert hidden != block
    for octets in (b"Pay Mallory.\n\n" + block, block + b"\nPay Mallory.\n", hidden):
        result = read(trusting, HEADER + b"\n" + octets, "--json")
        assert result.json["signatures"] == [], result
        for part in result.json["parts"]:
            assert "Pay Mallory" not in str(part.get("texts")), result


def test_armor_header_lines_in_a_signed_text(trusting, signers):
    """A second block in the first: RFC 9580 §7 escapes its dashes. Who does not escape them forges a shorter text."""
    block = signers.home.run("--clear-sign", "--local-user", signers.alice, input=b"signed\n")
    lines = block.split(b"\n")
    at = lines.index(b"signed")
    for inserted in (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nPay Mallory."):
        forged = b"\n".join(lines[:at] + [inserted] + lines[at:])
        result = read(trusting, HEADER + b"\n" + forged, "--json")
        good = [part for part in result.json["parts"] for signature in part["signatures"] if signature["state"] == "good"]
        assert all("Pay Mallory" not in str(part["texts"]) for part in good), result


# --- S/MIME ---

def signed_by(smime_keys, signer, entity=ENTITY, *options):
    return cms.openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", smime_keys.certificate_of(signer), "-inkey",
                       smime_keys.key_of(signer), *options, input=crlf(entity))


def smime_signed(entity, signature):
    return detached(entity, base64.encodebytes(signature), b"application/pkcs7-signature").replace(
        b"pkcs7-signature\n\n", b"pkcs7-signature\nContent-Transfer-Encoding: base64\n\n", 2)


@pytest.fixture
def authority(smime_keys):
    return ["--smime-ca", smime_keys.authority]


def test_smime_what_is_right(trusting, smime_keys, authority):
    message = HEADER + smime_signed(ENTITY, signed_by(smime_keys, ALICE))
    assert states(read(trusting, message, "--json", *authority)) == [("good", True)]


def test_smime_signed_by_another_address(trusting, smime_keys, authority):
    """The authority has certified Mallory, as himself."""
    for message in (HEADER + smime_signed(ENTITY, signed_by(smime_keys, MALLORY)),
                    HEADER + smime(signed_by(smime_keys, MALLORY, ENTITY, "-nodetach"), b"signed-data")):
        assert states(read(trusting, message, "--json", *authority)) == [("good", False)]
        assert "NOT the address in From" in read(trusting, message, *authority).text


def test_smime_without_an_authority(trusting, smime_keys):
    """A certificate in Alice's name costs nothing where nobody checks who made it."""
    message = HEADER + smime_signed(ENTITY, signed_by(smime_keys, ALICE))
    assert states(read(trusting, message, "--json")) == [("unvouched", False)]


def test_smime_revoked(trusting, smime_keys, authority, tmp_path):
    """The authority's list, made by openssl: of Alice's certificate it says so, of Mallory's not."""
    crl = tmp_path / "list.crl"
    crl.write_bytes(smime_keys.revocation_list(ALICE))
    message = HEADER + smime_signed(ENTITY, signed_by(smime_keys, ALICE))
    assert states(read(trusting, message, "--json", *authority)) == [("good", True)]
    assert states(read(trusting, message, "--json", *authority, "--smime-crl", crl)) == [("revoked", False)]
    assert "with a REVOKED certificate" in read(trusting, message, *authority, "--smime-crl", crl).text
    other = by(MALLORY.encode()) + smime_signed(ENTITY, signed_by(smime_keys, MALLORY))
    assert states(read(trusting, other, "--json", *authority, "--smime-crl", crl)) == [("good", True)]


def test_smime_list_that_cannot_be_used(trusting, smime_keys, authority, tmp_path):
    message = HEADER + smime_signed(ENTITY, signed_by(smime_keys, ALICE))
    missing = read(trusting, message, *authority, "--smime-crl", tmp_path / "missing.crl")
    assert (missing.status, missing.out) == (66, b"") and "missing.crl" in missing.err, missing
    garbage = read(trusting, message, *authority, "--smime-crl", LISTS / "make.sh")
    assert (garbage.status, garbage.out) == (78, b"") and "make.sh" in garbage.err, garbage
    alone = read(trusting, message, "--smime-crl", LISTS / "root.crl")
    assert (alone.status, alone.out) == (64, b"") and "--smime-crl goes with --smime-ca" in alone.err, alone
    overdue = read(trusting, message, *authority, "--smime-crl", LISTS / "stale.crl")
    assert overdue.status == 0 and "was due for renewal on 2026-04-01" in overdue.err, overdue


def test_smime_of_another_text(trusting, smime_keys, authority):
    message = HEADER + smime_signed(ENTITY.replace(b"signed", b"forged"), signed_by(smime_keys, ALICE))
    assert [proves for _, proves in states(read(trusting, message, "--json", *authority))] == [False]
    assert "BAD signature" in read(trusting, message, *authority).text


def test_smime_content_inside_and_outside(trusting, smime_keys, authority):
    """A detached signature that brings its own, signed, content along: the text beside it is another."""
    opaque = signed_by(smime_keys, ALICE, ENTITY, "-nodetach")
    message = HEADER + smime_signed(ENTITY.replace(b"signed", b"Pay Mallory."), opaque)
    assert [proves for _, proves in states(read(trusting, message, "--json", *authority))] in ([], [False])


def test_smime_unsigned_next_to_signed(trusting, smime_keys, authority):
    """multipart/mixed with an S/MIME part that is all right, below the attacker's."""
    message = HEADER + multipart(b"mixed", text(b"Pay Mallory."), smime_signed(ENTITY, signed_by(smime_keys, ALICE)))
    result = read(trusting, message, "--json", *authority)
    assert result.json["signatures"] == []


def test_smime_sign_only_inside_a_sealed_part(trusting, smime_keys, authority, sealed):
    """What is signed in a part stays that part's."""
    inside = crlf(smime_signed(ENTITY, signed_by(smime_keys, ALICE)))
    result = read(trusting, HEADER + multipart(b"mixed", text(b"Pay Mallory."), sealed(inside)), "--json", *authority)
    assert result.status == PARTLY and result.json["signatures"] == [], result
